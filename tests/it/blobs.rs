//! Blobs: bytes in, the same bytes out, and nothing visible that was not acknowledged.

mod concurrency;
mod conditions;
mod listing;
mod presigned;

use crate::support::{json, problem, shared};
use base64::{Engine, prelude::BASE64_STANDARD};
use reqwest::{Method, Response, header::HeaderName};
use serde_json::json;
use sha2::{Digest, Sha256};

/// Bytes that no compression and no luck could restore.
fn random(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    getrandom::fill(&mut bytes).expect("random bytes");
    bytes
}

#[tokio::test]
async fn bytes_come_back_as_they_were_whatever_their_number() {
    let larder = shared();
    for length in [0, 1, (8 << 20) - 1, 8 << 20, (8 << 20) + 1, 21_234_567] {
        let bytes = random(length);
        let path = format!("/v1/blobs/bytes/{length}.bin");
        let blob = json(larder.put(&path, bytes.clone()).await, 201).await;
        assert_eq!(blob["size_bytes"], length);
        assert_eq!(blob["sha256"], hex::encode(Sha256::digest(&bytes)));
        let crc = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc64Nvme, &bytes).to_be_bytes();
        assert_eq!(blob["crc64nvme"], BASE64_STANDARD.encode(crc));

        let head = larder.request(Method::HEAD, &path).send().await.unwrap();
        assert_eq!(
            (head.status().as_u16(), &head.headers()["content-length"]),
            (200, &length.to_string().parse().unwrap())
        );
        let answer = larder.get(&path).await;
        assert_eq!(answer.headers()["etag"], blob["etag"].as_str().unwrap());
        // Its own request's: the time, the id and what is left of the rate.
        let own = |name: &&HeaderName| matches!(name.as_str(), "date" | "x-request-id" | "ratelimit");
        for name in head.headers().keys().filter(|name| !own(name)) {
            let values = |answer: &Response| answer.headers().get_all(name).iter().cloned().collect::<Vec<_>>();
            assert_eq!(values(&head), values(&answer));
        }
        assert!(answer.bytes().await.unwrap() == bytes, "{length} bytes");
    }
}

#[tokio::test]
async fn an_upload_is_answered_with_its_descriptor() {
    let larder = shared();
    let request = larder.request(Method::PUT, "/v1/blobs/described/Caf%C3%A9 menu.txt").body("soup");
    let answer = request.send().await.unwrap();
    assert_eq!(answer.headers()["cache-control"], "no-store");
    let (location, etag) = (answer.headers()["location"].clone(), answer.headers()["etag"].clone());
    let blob = json(answer, 201).await;
    assert_eq!(
        (location, etag),
        (blob["links"]["self"].as_str().unwrap().parse().unwrap(), blob["etag"].as_str().unwrap().parse().unwrap())
    );
    let unlinked: serde_json::Value =
        serde_json::from_str(&blob.to_string().replace(&larder.url, "http://larder")).unwrap();
    insta::assert_json_snapshot!(unlinked, {
        ".id" => "[id]", ".etag" => "[etag]", ".created_at" => "[time]", ".updated_at" => "[time]",
        ".presigned.url" => "[url]", ".presigned.expires_at" => "[time]",
    }, @r#"
    {
      "id": "[id]",
      "name": "described/Café menu.txt",
      "kind": "blob",
      "title": "Café menu.txt",
      "version": 1,
      "etag": "[etag]",
      "content_type": "text/plain",
      "size_bytes": 4,
      "sha256": "9014fac8184d7ba9e1dcd80b8c1e1aa2906af8a01fc1e6e9092e575eabf7b80d",
      "crc64nvme": "EuH46lZpMl4=",
      "created_at": "[time]",
      "updated_at": "[time]",
      "owner": "admin",
      "visibility": "team",
      "links": {
        "self": "http://larder/v1/blobs/described/Caf%C3%A9%20menu.txt?descriptor",
        "download": "http://larder/v1/blobs/described/Caf%C3%A9%20menu.txt"
      },
      "presigned": {
        "url": "[url]",
        "expires_at": "[time]"
      }
    }
    "#);
    let again = json(larder.get("/v1/blobs/described/Caf%C3%A9%20menu.txt?descriptor").await, 200).await;
    let mut plain = blob.clone();
    plain.as_object_mut().unwrap().remove("presigned");
    assert_eq!(again, plain);
}

#[tokio::test]
async fn identical_bytes_are_the_same_version_and_others_the_next() {
    let larder = shared();
    let put = async |body: &str, content_type: &str| {
        let request = larder.request(Method::PUT, "/v1/blobs/versions/a").header("content-type", content_type);
        let answer = request.body(body.to_owned()).send().await.unwrap();
        let status = answer.status().as_u16();
        (status, serde_json::from_str::<serde_json::Value>(&answer.text().await.unwrap()).unwrap())
    };
    let (status, first) = put("one", "text/plain").await;
    assert_eq!((status, &first["version"]), (201, &json!(1)));
    let (status, same) = put("one", "text/plain").await;
    assert_eq!((status, &same["etag"], &same["updated_at"]), (200, &first["etag"], &first["updated_at"]));
    let (status, second) = put("two", "text/plain").await;
    assert_eq!((status, &second["version"], &second["id"]), (200, &json!(2), &first["id"]));
    assert_ne!(second["etag"], first["etag"]);
    assert_eq!(larder.text("/v1/blobs/versions/a?version=1").await, "one");

    let (_, third) = put("two", "text/csv").await;
    assert_eq!(third["version"], 3);
    assert_eq!(larder.text("/v1/blobs/versions/a?version=2").await, "two");
    assert_eq!(larder.get("/v1/blobs/versions/a?version=2").await.headers()["content-type"], "text/plain");
    assert_eq!(larder.get("/v1/blobs/versions/a").await.headers()["content-type"], "text/csv");
    for gone in ["1", "4", "0", "-1", "9223372036854775807"] {
        problem(larder.get(&format!("/v1/blobs/versions/a?version={gone}")).await, 404, "not-found").await;
    }
    let older = json(larder.get("/v1/blobs/versions/a?version=2&descriptor").await, 200).await;
    assert_eq!((&older["version"], &older["etag"]), (&json!(2), &second["etag"]));
}

#[tokio::test]
async fn a_deleted_blob_is_gone_until_it_is_restored() {
    let larder = shared();
    let path = "/v1/blobs/deleted/a.txt";
    let restore = || larder.request(Method::POST, "/v1/blobs/deleted/a.txt/restore");
    let first = json(larder.put(path, "one").await, 201).await;
    problem(restore().send().await.unwrap(), 404, "not-found").await;
    assert_eq!(larder.delete(path).await.status(), 204);
    problem(larder.get(path).await, 404, "not-found").await;
    problem(larder.delete(path).await, 404, "not-found").await;
    assert_eq!(json(larder.get("/v1/blobs?prefix=deleted/").await, 200).await["blobs"], json!([]));

    let restored = json(restore().send().await.unwrap(), 200).await;
    assert_eq!((&restored["id"], &restored["etag"]), (&first["id"], &first["etag"]));
    assert_eq!(larder.text(path).await, "one");

    assert_eq!(larder.delete(path).await.status(), 204);
    let second = json(larder.put(path, "two").await, 201).await;
    assert_ne!(second["id"], first["id"]);
    problem(restore().send().await.unwrap(), 409, "name-taken").await;
    assert_eq!(larder.text(path).await, "two");
    assert_eq!(larder.delete(path).await.status(), 204);
    json(restore().send().await.unwrap(), 200).await;
    assert_eq!(larder.text(path).await, "two", "the one deleted last");
    problem(larder.request(Method::POST, "/v1/blobs/deleted/a.txt/explode").send().await.unwrap(), 400, "bad-request")
        .await;
}

#[tokio::test]
async fn keys_are_paths_and_nothing_that_only_looks_like_one() {
    let larder = shared();
    let long = "x".repeat(901);
    for key in ["a//b", "a/", "names/%2E%2E%2Fup", "tab%09", "line%0Abreak", "del%7F", &long] {
        let bad = problem(larder.put(&format!("/v1/blobs/{key}"), "x").await, 400, "bad-name").await;
        assert!(bad["name"].is_string(), "{key}");
    }
    for key in
        ["names/%20 %25 %2B+&=?", "names/%F0%9F%A5%AB.bin", "names/.hidden", "names/...", &long[..900], "names/a%2Fb"]
    {
        let key = key.replace(['?', ' '], "");
        let blob = json(larder.put(&format!("/v1/blobs/{key}"), key.clone()).await, 201).await;
        for link in ["self", "download"] {
            assert_eq!(larder.get(blob["links"][link].as_str().unwrap()).await.status(), 200, "{key}");
        }
        assert_eq!(larder.text(blob["links"]["download"].as_str().unwrap()).await, key);
        let presigned = blob["presigned"]["url"].as_str().unwrap();
        assert_eq!(larder.anonymous(Method::GET, presigned).send().await.unwrap().text().await.unwrap(), key);
    }
}

#[tokio::test]
async fn a_checksum_that_was_sent_must_hold_before_anything_is_visible() {
    let larder = shared();
    let body = b"The bytes as they were meant.";
    let crc = |algorithm| crc_fast::checksum(algorithm, body).to_be_bytes();
    use crc_fast::CrcAlgorithm::{Crc32Iscsi, Crc32IsoHdlc, Crc64Nvme};
    use md5::Digest;
    let sha512 = sha2::Sha512::digest(body);
    let base64 = |bytes: &[u8]| BASE64_STANDARD.encode(bytes);
    let checksums = [
        ("content-md5", base64(&md5::Md5::digest(body))),
        ("x-amz-checksum-crc32", base64(&crc(Crc32IsoHdlc)[4..])),
        ("x-amz-checksum-crc32c", base64(&crc(Crc32Iscsi)[4..])),
        ("x-amz-checksum-crc64nvme", base64(&crc(Crc64Nvme))),
        ("x-amz-checksum-sha1", base64(&sha1::Sha1::digest(body))),
        ("x-amz-checksum-sha256", base64(&Sha256::digest(body))),
        ("repr-digest", format!("sha-256=:{}:", base64(&Sha256::digest(body)))),
        ("repr-digest", format!("unixsum=:AAA=:, sha-512=:{}:", base64(&sha512))),
        ("content-digest", format!("sha-512=:{}:", base64(&sha512))),
    ];
    for (n, (header, value)) in checksums.iter().enumerate() {
        let path = format!("/v1/blobs/checked/{n}");
        let put = |body: &'static str| larder.request(Method::PUT, &path).header(*header, value).body(body).send();
        let wrong = problem(put("Other bytes than were meant.").await.unwrap(), 422, "checksum-mismatch").await;
        assert!(wrong["algorithm"].is_string() && wrong["computed"].is_string(), "{header}");
        problem(larder.get(&path).await, 404, "not-found").await;
        json(put("The bytes as they were meant.").await.unwrap(), 201).await;
        problem(put("").await.unwrap(), 422, "checksum-mismatch").await;
        assert_eq!(larder.text(&path).await.as_bytes(), body, "{header}");

        let broken = larder.request(Method::PUT, &path).header(*header, "sha-256=:abc:");
        problem(broken.body("x").send().await.unwrap(), 400, "bad-request").await;
    }
    let two = larder.request(Method::PUT, "/v1/blobs/checked/two").header("repr-digest", &checksums[6].1);
    let two = two.header("repr-digest", format!("sha-512=:{}:", base64(&[0; 64])));
    problem(two.body(&body[..]).send().await.unwrap(), 422, "checksum-mismatch").await;
    problem(larder.get("/v1/blobs/checked/two").await, 404, "not-found").await;

    for path in
        ["/v1/tables/checked-wrong", "/checked-wrong.csv", "/checked-wrong.json", "/v1/documents/inbox/checked-wrong"]
    {
        let request = larder.request(Method::PUT, path).header("content-md5", base64(&[0; 16])).body("{\"a\": 1}");
        problem(request.send().await.unwrap(), 422, "checksum-mismatch").await;
    }
    for path in ["/v1/tables/checked-wrong", "/v1/documents/inbox/checked-wrong", "/v1/blobs/checked-wrong.json"] {
        problem(larder.get(path).await, 404, "not-found").await;
    }
}

#[tokio::test]
async fn an_encoding_stays_on_the_bytes_it_came_with() {
    let larder = shared();
    let bytes = b"\x1f\x8b not really gzip";
    let request = larder.request(Method::PUT, "/v1/blobs/encoded/a.txt").header("content-encoding", "gzip");
    let blob = json(request.body(&bytes[..]).send().await.unwrap(), 201).await;
    assert_eq!(blob["size_bytes"], bytes.len());
    let presigned = larder.anonymous(Method::GET, blob["presigned"]["url"].as_str().unwrap()).send().await.unwrap();
    for answer in [larder.get("/v1/blobs/encoded/a.txt").await, presigned] {
        assert_eq!(answer.headers()["content-encoding"], "gzip");
        assert_eq!(answer.bytes().await.unwrap(), &bytes[..]);
    }
    let plain = json(larder.put("/v1/blobs/encoded/a.txt", &bytes[..]).await, 200).await;
    assert_eq!(plain["version"], 2);
    assert!(!larder.get("/v1/blobs/encoded/a.txt").await.headers().contains_key("content-encoding"));
}

#[tokio::test]
async fn an_upload_over_the_limit_is_refused_and_leaves_nothing() {
    let larder = shared().replica(&["--upload-bytes-max", "1000"]).await;
    json(larder.put("/v1/blobs/limited/a", "before").await, 201).await;
    for path in ["/v1/blobs/limited/a", "/v1/blobs/limited/b", "/limited/c.bin", "/v1/tables/limited", "/limited.csv"] {
        let body = "a,b\n".repeat(300);
        let chunks =
            body.as_bytes().chunks(100).map(|chunk| Ok::<_, std::io::Error>(chunk.to_vec())).collect::<Vec<_>>();
        let chunked = reqwest::Body::wrap_stream(futures::stream::iter(chunks));
        for body in [reqwest::Body::from(body.clone()), chunked] {
            let refused = problem(larder.put(path, body).await, 413, "upload-too-large").await;
            assert_eq!(
                (&refused["limit"], &refused["setting"]),
                (&json!(1000), &json!("LARDER_UPLOAD_BYTES_MAX")),
                "{path}"
            );
        }
    }
    assert_eq!(larder.text("/v1/blobs/limited/a").await, "before");
    for path in ["/v1/blobs/limited/b", "/v1/blobs/limited/c.bin", "/v1/tables/limited"] {
        problem(larder.get(path).await, 404, "not-found").await;
    }
    json(larder.put("/v1/blobs/limited/b", "x".repeat(1000)).await, 201).await;
}

#[tokio::test]
async fn a_share_that_cannot_be_made_is_refused_before_anything_is_stored() {
    let larder = shared();
    for path in ["/v1/blobs/unshared", "/v1/tables/unshared", "/v1/documents/unshared/x", "/unshared.csv"] {
        problem(larder.put(&format!("{path}?share=soon"), "a\n1\n").await, 400, "bad-request").await;
        problem(larder.put(&format!("{path}?share=9999d"), "a\n1\n").await, 400, "share-too-long").await;
    }
    for path in ["/v1/blobs/unshared", "/v1/tables/unshared", "/v1/collections/unshared"] {
        problem(larder.get(path).await, 404, "not-found").await;
    }
}
