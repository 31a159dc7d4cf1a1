//! Uploads that go wrong leave what was there before; those that go right lose nothing.

use super::{columns, put, put_with, rows};
use crate::support::{Service, bzip2, gzip, json, problem, shared, xz, zstd};
use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use reqwest::Method;
use sha2::{Digest, Sha256};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

#[tokio::test]
async fn a_late_value_of_another_type_widens_its_column_and_loses_nothing() {
    // The types are guessed from the first 4 MiB.
    let mut file = "n,t\n".to_owned();
    for n in 0..260_000 {
        file.push_str(&format!("{n},row number {n:06}\n"));
    }
    assert!(file.len() > 5 << 20);
    file.push_str("n.d.,the last\n");
    let table = put("u-late", file.clone()).await;
    assert_eq!((columns(&table).join(" ").as_str(), table["rows"].as_u64()), ("n:text t:text", Some(260_001)));
    assert!(rows("u-late", "csv").await == file, "the rows are those of the file");

    let lines: String = (0..200_000).map(|n| format!("{{\"n\":{n},\"t\":\"row number {n:06}\"}}\n")).collect();
    let table = put("u-late-key", gzip(format!("{lines}{{\"n\":1.5,\"new\":true}}\n").as_bytes()).await).await;
    assert_eq!(columns(&table).join(" "), "n:numeric t:text new:boolean");
    let last = shared().text("/v1/tables/u-late-key/rows.ndjson?offset=199999").await;
    assert_eq!(last, "{\"n\":199999,\"t\":\"row number 199999\",\"new\":null}\n{\"n\":1.5,\"t\":null,\"new\":true}\n");
}

#[tokio::test]
async fn a_malformed_file_is_refused_with_its_place_and_the_version_before_stays() {
    let before = put("u-malformed", "a,b\n1,2\n").await;
    let refused = shared().put("/v1/tables/u-malformed", "a,b\n1,2\n\n3,4,5\n").await;
    let refused = problem(refused, 422, "malformed").await;
    insta::assert_json_snapshot!(refused, { ".request_id" => "[id]" }, @r#"
    {
      "type": "/problems/malformed",
      "title": "The content cannot be read",
      "status": 422,
      "detail": "Line 4, column 5: Expected 2 fields, found 3. Put a field in which the delimiter stands in quotes.",
      "request_id": "[id]",
      "line": 4,
      "column": 5,
      "excerpt": "5"
    }
    "#);
    for (body, line, column) in [
        ("a\n\"open\n", 2, 1),
        ("{\"a\":1}\n{\"a\":}\n", 2, 6),
        ("[{\"a\":1},\n {\"a\":1 \"b\":2}]", 2, 9),
        ("{\"a\":1}\n[2]\n", 2, 1),
    ] {
        let refused = problem(shared().put("/v1/tables/u-malformed", body).await, 422, "malformed").await;
        assert_eq!(
            (refused["line"].as_u64(), refused["column"].as_u64()),
            (Some(line), Some(column)),
            "{body}: {refused}"
        );
    }
    problem(shared().put("/v1/tables/u-malformed", "{\"a\":\"\\ud800\"}").await, 422, "malformed").await;
    for nul in ["{\"a\\u0000\":1}", "{\"a\":\"x\\u0000\"}", "{\"a\":[\"\\u0000\"]}"] {
        let strict = shared().put("/v1/tables/u-malformed?strict=true", nul).await;
        assert_eq!(problem(strict, 422, "malformed").await["line"], 1);
    }
    assert_eq!(json(shared().get("/v1/tables/u-malformed").await, 200).await["etag"], before["etag"]);
    assert_eq!(rows("u-malformed", "csv").await, "a,b\n1,2\n");
    assert_eq!(shared().text("/v1/tables/u-malformed/raw").await, "a,b\n1,2\n");
}

#[tokio::test]
async fn a_wrong_checksum_leaves_the_version_before() {
    put("u-checksum", "a\n1\n").await;
    let (right, wrong) = (Sha256::digest("a\n2\n"), Sha256::digest("a\n3\n"));
    let digest = |hash: &[u8]| format!("sha-256=:{}:", BASE64_STANDARD.encode(hash));
    let refused = put_with("u-checksum", &[("repr-digest", &digest(&wrong))], b"a\n2\n".to_vec()).await;
    let refused = problem(refused, 422, "checksum-mismatch").await;
    assert_eq!(refused["computed"], BASE64_STANDARD.encode(right));
    assert_eq!(rows("u-checksum", "csv").await, "a\n1\n");
    json(put_with("u-checksum", &[("repr-digest", &digest(&right))], b"a\n2\n".to_vec()).await, 200).await;
    assert_eq!(rows("u-checksum", "csv").await, "a\n2\n");
}

#[tokio::test]
async fn broken_compression_is_the_files_fault() {
    let lines: String = (0..50_000).map(|n| format!("{n}\n")).collect();
    let (gz, zst) = (gzip(format!("n\n{lines}").as_bytes()).await, zstd(format!("n\n{lines}").as_bytes()).await);
    let (bz2, xz) = (bzip2(format!("n\n{lines}").as_bytes()).await, xz(format!("n\n{lines}").as_bytes()).await);
    let mut flipped = gz.clone();
    flipped[gz.len() / 2] ^= 0xff;
    for broken in [
        gz[..gz.len() / 2].to_vec(),
        gz[..5].to_vec(),
        flipped,
        zst[..zst.len() / 2].to_vec(),
        bz2[..bz2.len() / 2].to_vec(),
        xz[..xz.len() / 2].to_vec(),
    ] {
        let refused = problem(put_with("u-broken", &[], broken).await, 422, "malformed").await;
        assert!(!refused["detail"].as_str().unwrap().contains("Postgres"), "{refused}");
    }
    // It says that it is compressed, and is not: served as it came, no client could read its raw.
    for encoding in ["gzip", "zstd"] {
        let plain = put_with("u-broken", &[("content-encoding", encoding)], b"a\n1\n".to_vec()).await;
        let refused = problem(plain, 422, "malformed").await;
        assert!(refused["detail"].as_str().unwrap().contains(encoding), "{refused}");
    }
    problem(shared().get("/v1/tables/u-broken").await, 404, "not-found").await;
}

#[tokio::test]
async fn text_of_another_encoding_is_read_and_a_nul_character_replaced() {
    put("u-latin", b"a\nM\xfcller\n".to_vec()).await;
    assert_eq!(rows("u-latin", "csv").await, "a\nM\u{fc}ller\n");
    put("u-nul", "a\nx\0y\n").await;
    assert_eq!(rows("u-nul", "csv").await, "a\nx\u{fffd}y\n");
}

#[tokio::test]
async fn compression_is_seen_however_the_bytes_are_cut() {
    let gz = gzip(&gzip(b"a,b\n1,2\n").await).await;
    let bytes = gz.into_iter().map(|byte| Ok::<_, std::io::Error>(Bytes::from(vec![byte])));
    let body = reqwest::Body::wrap_stream(futures::stream::iter(bytes));
    put("u-bytes", body).await;
    assert_eq!(rows("u-bytes", "csv").await, "a,b\n1,2\n");
}

#[tokio::test]
async fn what_grows_beyond_a_limit_is_refused_by_the_limits_own_problem() {
    let settings = [
        "--decompressed-bytes-max",
        "1000000",
        "--cell-bytes-max",
        "1000",
        "--columns-max",
        "5",
        "--upload-bytes-max",
        "2000000",
    ];
    let larder = Service::start(&settings).await;
    let bomb = gzip(format!("n\n{}", "1\n".repeat(5_000_000)).as_bytes()).await;
    assert!(bomb.len() < 50_000);
    let cell = format!("a\n{}\n", "x".repeat(1001));
    let refused = [
        (bomb, "decompressed-too-large", 1_000_000),
        (cell.into_bytes(), "cell-too-large", 1000),
        (b"a,b,c,d,e,f\n".to_vec(), "too-many-columns", 5),
        (b"{\"a\":1,\"b\":1,\"c\":1}\n{\"d\":1,\"e\":1,\"f\":1}\n".to_vec(), "too-many-columns", 5),
        (vec![b'x'; 2_000_001], "upload-too-large", 2_000_000),
    ];
    for (body, slug, limit) in refused {
        let refused = problem(larder.put("/v1/tables/limits", body).await, 413, slug).await;
        assert_eq!(refused["limit"], limit);
    }
    problem(larder.get("/v1/tables/limits").await, 404, "not-found").await;
    // Nobody said how long it is.
    let endless = futures::stream::iter((0..300).map(|_| Ok::<_, std::io::Error>(Bytes::from("1\n".repeat(5000)))));
    let refused = larder.put("/v1/tables/limits?format=csv", reqwest::Body::wrap_stream(endless)).await;
    let slug = json(refused, 413).await["type"].clone();
    assert!(slug == "/problems/upload-too-large" || slug == "/problems/decompressed-too-large", "{slug}");
}

#[tokio::test]
async fn an_upload_that_breaks_off_leaves_nothing_visible() {
    let larder = shared();
    put("u-off-old", "a\n1\n").await;
    for (name, lines) in [("u-off", 10), ("u-off-old", 10), ("u-off-long", 2_000_000)] {
        let mut connection = TcpStream::connect(larder.url.trim_start_matches("http://")).await.unwrap();
        let head = format!(
            "PUT /v1/tables/{name} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-length: 900000000\r\n\r\na\n",
            larder.token
        );
        connection.write_all(head.as_bytes()).await.unwrap();
        connection.write_all("2\n".repeat(lines).as_bytes()).await.unwrap();
        larder.wait_for("select count(*) > 0 from larder.pending where table_id is not null", &["true"]).await;
        connection.shutdown().await.unwrap();
        let mut answer = Vec::new();
        connection.read_to_end(&mut answer).await.unwrap_or_default();
        let answer = String::from_utf8(answer).unwrap();
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408"), "{answer}");
    }
    problem(larder.get("/v1/tables/u-off").await, 404, "not-found").await;
    problem(larder.get("/v1/tables/u-off-long").await, 404, "not-found").await;
    assert_eq!(rows("u-off-old", "csv").await, "a\n1\n");
}

#[tokio::test]
async fn a_refused_parameter_or_condition_stores_nothing() {
    let larder = shared();
    for (query, parameter) in [("share=soon", "share"), ("share=0d", "share"), ("format=xml", "format"), ("x=1", "x")] {
        let refused = larder.put(&format!("/v1/tables/u-refused?{query}"), "a\n1\n").await;
        assert_eq!(problem(refused, 400, "bad-request").await["parameter"], parameter, "{query}");
    }
    problem(larder.put("/v1/tables/u-refused?share=900d", "a\n1\n").await, 400, "share-too-long").await;
    problem(put_with("u-refused", &[("if-match", "\"x\"")], b"a\n1\n".to_vec()).await, 412, "precondition-failed")
        .await;
    for name in ["U-refused", "-u", "u%20x", &"u".repeat(64)] {
        problem(larder.put(&format!("/v1/tables/{name}"), "a\n1\n").await, 400, "bad-name").await;
    }
    problem(larder.get("/v1/tables/u-refused").await, 404, "not-found").await;
    let anonymous = larder.anonymous(Method::PUT, "/v1/tables/u-refused").body("a\n1\n").send().await.unwrap();
    problem(anonymous, 401, "unauthenticated").await;
}
