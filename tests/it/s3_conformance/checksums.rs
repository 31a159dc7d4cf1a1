//! No bytes become visible that a checksum speaks against.

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ChecksumAlgorithm, ChecksumMode};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{Bucket, client, code, keys, minutes};

#[tokio::test]
async fn each_algorithm_is_kept_and_given_back() {
    let b = Bucket::new().await;
    for (algorithm, expected) in [
        (ChecksumAlgorithm::Crc32, "NhCmhg=="),
        (ChecksumAlgorithm::Crc32C, "mnG7TA=="),
        (ChecksumAlgorithm::Crc64Nvme, "M3eFcAZSQlc="),
        (ChecksumAlgorithm::Sha1, "qvTGHdzF6KLavt4PO0gs2a6pQ00="),
        (ChecksumAlgorithm::Sha256, "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ="),
    ] {
        let put = b
            .client
            .put_object()
            .bucket(&b.name)
            .key("k")
            .checksum_algorithm(algorithm.clone())
            .body(ByteStream::from_static(b"hello"));
        put.send().await.unwrap();
        let head =
            b.client.head_object().bucket(&b.name).key("k").checksum_mode(ChecksumMode::Enabled).send().await.unwrap();
        let all = [
            head.checksum_crc32(),
            head.checksum_crc32_c(),
            head.checksum_crc64_nvme(),
            head.checksum_sha1(),
            head.checksum_sha256(),
        ];
        assert_eq!(all.into_iter().flatten().collect::<Vec<_>>(), [expected], "{algorithm:?}");
        // The SDK verifies it on the way back.
        assert_eq!(b.get("k").await.unwrap(), b"hello");
    }
}

#[tokio::test]
async fn a_wrong_checksum_leaves_what_was_there() {
    let b = Bucket::new().await;
    b.put("old", "old").await;
    for key in ["old", "new"] {
        let put = || b.client.put_object().bucket(&b.name).key(key).body(ByteStream::from_static(b"hello"));
        assert_eq!(code(put().checksum_crc32("AAAAAA==").send().await), "BadDigest");
        assert_eq!(code(put().checksum_crc32_c("AAAAAA==").send().await), "BadDigest");
        assert_eq!(code(put().checksum_crc64_nvme("AAAAAAAAAAA=").send().await), "BadDigest");
        assert_eq!(code(put().checksum_sha1("AAAAAAAAAAAAAAAAAAAAAAAAAAA=").send().await), "BadDigest");
        assert_eq!(
            code(put().checksum_sha256("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=").send().await),
            "BadDigest"
        );
        assert_eq!(code(put().content_md5("AAAAAAAAAAAAAAAAAAAAAA==").send().await), "BadDigest");
        assert_eq!(code(put().content_md5("not base64").send().await), "InvalidDigest");
    }
    assert_eq!(b.get("old").await.unwrap(), b"old");
    assert_eq!(b.get("new").await, None);
}

#[tokio::test]
async fn bytes_changed_on_the_way_are_refused_by_checksum_or_signature() {
    let b = Bucket::new().await;
    let Some((engine, _)) = &b._engine else { return };
    let forger = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (through, engine) = (format!("http://{}", forger.local_addr().unwrap()), engine.addr());
    tokio::spawn(async move {
        loop {
            let (client, _) = forger.accept().await.unwrap();
            tokio::spawn(forge(client, engine));
        }
    });
    let client = client(&through, &keys());
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "an honest body").unwrap();
    // The checksum of bytes in memory goes ahead of them, that of a stream behind them.
    let memory = || async { ByteStream::from_static(b"an honest body") };
    let stream = || async { ByteStream::from_path(file.path()).await.unwrap() };
    let put = |body| client.put_object().bucket(&b.name).key("k").body(body).customize();
    assert_eq!(code(put(memory().await).send().await), "XAmzContentSHA256Mismatch");
    assert_eq!(code(put(memory().await).disable_payload_signing().send().await), "BadDigest");
    assert_eq!(code(put(stream().await).send().await), "SignatureDoesNotMatch");
    assert_eq!(b.get("k").await, None);
}

/// Hands everything on, but writes `forged` for `honest`.
async fn forge(client: tokio::net::TcpStream, engine: std::net::SocketAddr) {
    let engine = tokio::net::TcpStream::connect(engine).await.unwrap();
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_engine, mut to_engine) = engine.into_split();
    tokio::spawn(async move { tokio::io::copy(&mut from_engine, &mut to_client).await });
    let mut bytes = vec![0; 1 << 16];
    while let Ok(length @ 1..) = from_client.read(&mut bytes).await {
        if let Some(at) = bytes[..length].windows(6).position(|window| window == b"honest") {
            bytes[at..at + 6].copy_from_slice(b"forged");
        }
        if to_engine.write_all(&bytes[..length]).await.is_err() {
            return;
        }
    }
}

#[tokio::test]
async fn a_trailing_checksum_is_verified_where_the_chunks_are_not_signed() {
    let b = Bucket::new().await;
    if b._engine.is_none() {
        return;
    }
    // What SDKs send over TLS.
    let put = async |crc32: &str| {
        let body = format!("5\r\nhello\r\n0\r\nx-amz-checksum-crc32:{crc32}\r\n\r\n");
        let put = reqwest::Client::new().put(b.url("k")).headers(unsigned_payload_with_trailer(&b)).body(body);
        put.send().await.unwrap().status().as_u16()
    };
    assert_eq!(put("AAAAAA==").await, 400);
    assert_eq!(b.get("k").await, None);
    assert_eq!(put("NhCmhg==").await, 200);
    assert_eq!(b.get("k").await.unwrap(), b"hello");
}

/// Signature Version 4 of a PUT of five bytes to the key `k`, as in "Authenticating Requests" of the S3 API reference.
fn unsigned_payload_with_trailer(b: &Bucket) -> reqwest::header::HeaderMap {
    use hmac::{Hmac, KeyInit as _, Mac as _};
    use sha2::{Digest as _, Sha256};
    let hmac = |key: &[u8], text: &str| {
        Hmac::<Sha256>::new_from_slice(key).unwrap().chain_update(text).finalize().into_bytes().to_vec()
    };
    let now = time::OffsetDateTime::now_utc();
    let date = format!("{:04}{:02}{:02}", now.year(), u8::from(now.month()), now.day());
    let moment = format!("{date}T{:02}{:02}{:02}Z", now.hour(), now.minute(), now.second());
    let headers = [
        ("host", b.endpoint.replace("http://", "")),
        ("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER".into()),
        ("x-amz-date", moment.clone()),
        ("x-amz-decoded-content-length", "5".into()),
        ("x-amz-trailer", "x-amz-checksum-crc32".into()),
    ];
    let lines: String = headers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
    let names = headers.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
    let request = format!("PUT\n/{}/k\n\n{lines}\n{names}\nSTREAMING-UNSIGNED-PAYLOAD-TRAILER", b.name);
    let scope = format!("{date}/us-east-1/s3/aws4_request");
    let text = format!("AWS4-HMAC-SHA256\n{moment}\n{scope}\n{}", hex::encode(Sha256::digest(request)));
    let secret = format!("AWS4{}", keys().secret_access_key).into_bytes();
    let key = [&*date, "us-east-1", "s3", "aws4_request"].iter().fold(secret, |key, step| hmac(&key, step));
    let signature = hex::encode(hmac(&key, &text));
    let credential = format!("{}/{scope}", keys().access_key_id);
    let authorization =
        format!("AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={names}, Signature={signature}");
    let all = headers.into_iter().chain([("authorization", authorization)]);
    all.map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
}

#[tokio::test]
async fn a_trailer_that_was_announced_must_come() {
    let b = Bucket::new().await;
    let url = b.client.put_object().bucket(&b.name).key("k").presigned(minutes(10)).await.unwrap();
    let put = reqwest::Client::new().put(url.uri()).header("x-amz-trailer", "x-amz-checksum-crc32").body("hello");
    assert_eq!(put.send().await.unwrap().status(), 400);
    assert_eq!(b.get("k").await, None);
}

#[tokio::test]
async fn an_upload_that_breaks_off_leaves_nothing() {
    let b = Bucket::new().await;
    let url = b.client.put_object().bucket(&b.name).key("k").presigned(minutes(10)).await.unwrap();
    let broken = futures::stream::iter([Ok(vec![7_u8; 100_000]), Err(std::io::Error::other("the client fails"))]);
    let put = reqwest::Client::new()
        .put(url.uri())
        .header("content-length", "1000000")
        .body(reqwest::Body::wrap_stream(broken));
    assert!(put.send().await.is_err());
    assert_eq!(b.get("k").await, None);
}
