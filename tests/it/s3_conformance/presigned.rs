//! Presigned URLs, and who is let in at all.

use std::time::Duration;

use aws_sdk_s3::presigning::PresigningConfig;
use larder::embedded::EngineKeys;

use super::{Bucket, client, code, keys, minutes};

#[tokio::test]
async fn a_url_gives_the_object_to_anybody_who_has_it() {
    let b = Bucket::new().await;
    let etag = b.put("dir/ü 1.csv", "a,b\n1,2\n").await;
    let get = b.client.get_object().bucket(&b.name).key("dir/ü 1.csv");
    let url = get.clone().presigned(minutes(10)).await.unwrap();
    let http = reqwest::Client::new();
    assert_eq!(http.get(url.uri()).send().await.unwrap().text().await.unwrap(), "a,b\n1,2\n");
    let part = http.get(url.uri()).header("range", "bytes=0-2").send().await.unwrap();
    assert_eq!((part.status().as_u16(), part.headers()["content-range"].to_str().unwrap()), (206, "bytes 0-2/8"));
    assert_eq!(part.text().await.unwrap(), "a,b");
    let known = http.get(url.uri()).header("if-none-match", &etag).send().await.unwrap();
    assert_eq!((known.status().as_u16(), known.headers()["etag"].to_str().unwrap()), (304, &*etag));
    assert_eq!(known.bytes().await.unwrap().len(), 0);
    let beyond = http.get(url.uri()).header("range", "bytes=8-").send().await.unwrap();
    assert_eq!((beyond.status().as_u16(), beyond.headers()["content-range"].to_str().unwrap()), (416, "bytes */8"));
    assert_eq!(http.head(url.uri()).send().await.unwrap().status(), 403);

    let url =
        get.response_content_type("application/x-thing").response_content_disposition("attachment; filename=\"x.csv\"");
    let url = url.response_cache_control("no-store").presigned(minutes(10)).await.unwrap();
    let answer = http.get(url.uri()).send().await.unwrap();
    assert_eq!(answer.headers()["content-type"], "application/x-thing");
    assert_eq!(answer.headers()["content-disposition"], "attachment; filename=\"x.csv\"");
    assert_eq!(answer.headers()["cache-control"], "no-store");
}

#[tokio::test]
async fn a_url_takes_one_object_and_no_other() {
    let b = Bucket::new().await;
    let http = reqwest::Client::new();
    let url =
        b.client.put_object().bucket(&b.name).key("k").content_type("image/png").presigned(minutes(10)).await.unwrap();
    let put =
        |content_type: &'static str| http.put(url.uri()).header("content-type", content_type).body("bytes").send();
    assert_eq!(put("text/html").await.unwrap().status(), 403);
    assert_eq!(http.get(url.uri()).send().await.unwrap().status(), 403);
    assert_eq!(
        http.put(url.uri().replace("/k?", "/other?"))
            .header("content-type", "image/png")
            .body("x")
            .send()
            .await
            .unwrap()
            .status(),
        403
    );
    assert_eq!(b.get("k").await, None);
    assert_eq!(put("image/png").await.unwrap().status(), 200);
    assert_eq!(b.get("k").await.unwrap(), b"bytes");
}

#[tokio::test]
async fn a_url_takes_a_part_of_an_upload() {
    let b = Bucket::new().await;
    let id = b.client.create_multipart_upload().bucket(&b.name).key("k").send().await.unwrap().upload_id.unwrap();
    let url = b
        .client
        .upload_part()
        .bucket(&b.name)
        .key("k")
        .upload_id(&id)
        .part_number(1)
        .presigned(minutes(10))
        .await
        .unwrap();
    let put = reqwest::Client::new().put(url.uri()).body(vec![9; 100]).send().await.unwrap();
    assert_eq!(put.status(), 200);
    assert!(put.headers().contains_key("etag"));
    let parts = b.client.list_parts().bucket(&b.name).key("k").upload_id(&id).send().await.unwrap();
    assert_eq!(parts.parts()[0].size(), Some(100));
}

#[tokio::test]
async fn a_tampered_or_expired_url_gives_nothing() {
    let b = Bucket::new().await;
    b.put("k", "v").await;
    b.put("other", "secret").await;
    let http = reqwest::Client::new();
    let url = b.client.get_object().bucket(&b.name).key("k").presigned(minutes(10)).await.unwrap();
    for tampered in [url.uri().replace("/k?", "/other?"), url.uri().replace("X-Amz-Expires=60", "X-Amz-Expires=600")] {
        assert_ne!(tampered, url.uri());
        assert_eq!(http.get(tampered).send().await.unwrap().status(), 403);
    }
    let short = PresigningConfig::builder()
        .start_time(std::time::SystemTime::now() - Duration::from_secs(60))
        .expires_in(Duration::from_secs(1));
    let url = b.client.get_object().bucket(&b.name).key("k").presigned(short.build().unwrap()).await.unwrap();
    assert_eq!(http.get(url.uri()).send().await.unwrap().status(), 403);
}

#[tokio::test]
async fn strangers_are_refused() {
    let b = Bucket::new().await;
    b.put("k", "v").await;
    let http = reqwest::Client::new();
    assert_eq!(http.get(b.url("k")).send().await.unwrap().status(), 403);
    assert_eq!(http.put(b.url("new")).body("x").send().await.unwrap().status(), 403);
    assert_eq!(http.get(b.url("")).send().await.unwrap().status(), 403);
    assert_eq!(http.get(&b.endpoint).send().await.unwrap().status(), 403);
    if b._engine.is_none() {
        return;
    }
    let wrong_secret = client(&b.endpoint, &EngineKeys { secret_access_key: "wrong".into(), ..keys() });
    assert_eq!(code(wrong_secret.list_buckets().send().await), "SignatureDoesNotMatch");
    let wrong_key = client(&b.endpoint, &EngineKeys { access_key_id: "NOBODY".into(), ..keys() });
    wrong_key.list_buckets().send().await.unwrap_err();
    assert_eq!(b.get("new").await, None);
    // A form is refused before its file is gathered in memory.
    let form = reqwest::multipart::Form::new()
        .text("key", "new")
        .part("file", reqwest::multipart::Part::bytes(vec![0; 1 << 20]));
    let refused = http.post(b.url("")).multipart(form).send().await.unwrap();
    assert!(refused.status().is_client_error());
    assert_eq!(b.get("new").await, None);
}
