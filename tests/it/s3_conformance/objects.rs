//! Buckets and objects.

use aws_sdk_s3::primitives::{ByteStream, DateTime};
use aws_sdk_s3::types::{ChecksumMode, Delete, ObjectAttributes, ObjectIdentifier};

use super::{Bucket, code, noise};

#[tokio::test]
async fn a_bucket_is_made_once_and_listed() {
    let b = Bucket::new().await;
    let again = code(b.client.create_bucket().bucket(&b.name).send().await);
    assert!(again.starts_with("BucketAlready"), "{again}");
    let listed = b.client.list_buckets().send().await.unwrap();
    assert!(listed.buckets().iter().any(|bucket| bucket.name() == Some(&b.name)));
    b.client.head_bucket().bucket(&b.name).send().await.unwrap();
    b.client.get_bucket_location().bucket(&b.name).send().await.unwrap();
    assert!(b.client.get_bucket_versioning().bucket(&b.name).send().await.unwrap().status().is_none());
}

#[tokio::test]
async fn a_missing_bucket_takes_nothing() {
    let b = Bucket::new().await;
    let put = b.client.put_object().bucket("no-such-bucket-here").key("k").body(ByteStream::from_static(b"x"));
    assert_eq!(code(put.send().await), "NoSuchBucket");
    let put = b.client.put_object().bucket("no-such-bucket-here").key("k").body(ByteStream::from(noise(3 << 20)));
    assert_eq!(code(put.send().await), "NoSuchBucket");
    assert_eq!(code(b.client.get_object().bucket("no-such-bucket-here").key("k").send().await), "NoSuchBucket");
    assert_eq!(code(b.client.list_objects_v2().bucket("no-such-bucket-here").send().await), "NoSuchBucket");
}

#[tokio::test]
async fn a_bucket_with_objects_is_not_deleted() {
    let b = Bucket::new().await;
    b.put("k", "v").await;
    assert_eq!(code(b.client.delete_bucket().bucket(&b.name).send().await), "BucketNotEmpty");
    assert_eq!(b.get("k").await.unwrap(), b"v");
    b.client.delete_object().bucket(&b.name).key("k").send().await.unwrap();
    b.client.delete_bucket().bucket(&b.name).send().await.unwrap();
    assert_eq!(code(b.client.head_bucket().bucket(&b.name).send().await), "NotFound");
}

#[tokio::test]
async fn an_object_comes_back_with_everything_it_was_put_with() {
    let b = Bucket::new().await;
    let put = b.client.put_object().bucket(&b.name).key("dir/hello.csv").body(ByteStream::from_static(b"a,b\n1,2\n"));
    let put =
        put.content_type("text/csv").content_disposition("inline").content_encoding("gzip").cache_control("no-store");
    let put = put
        .content_language("de")
        .expires(DateTime::from_secs(2_000_000_000))
        .metadata("owner", "zoe")
        .metadata("x", "1");
    let put = put.send().await.unwrap();
    let head = b
        .client
        .head_object()
        .bucket(&b.name)
        .key("dir/hello.csv")
        .checksum_mode(ChecksumMode::Enabled)
        .send()
        .await
        .unwrap();
    assert_eq!(head.content_type(), Some("text/csv"));
    assert_eq!(head.content_disposition(), Some("inline"));
    assert_eq!(head.content_encoding(), Some("gzip"));
    assert_eq!(head.cache_control(), Some("no-store"));
    assert_eq!(head.content_language(), Some("de"));
    assert_eq!(head.expires_string(), Some("Wed, 18 May 2033 03:33:20 GMT"));
    assert_eq!(head.metadata().unwrap()["owner"], "zoe");
    assert_eq!(head.metadata().unwrap()["x"], "1");
    assert_eq!(head.content_length(), Some(8));
    assert_eq!(head.e_tag(), put.e_tag());
    assert_eq!(head.checksum_crc32(), put.checksum_crc32());
    assert!(head.checksum_crc32().is_some());
    assert!(head.last_modified().unwrap().secs() > 1_600_000_000);
    assert_eq!(b.get("dir/hello.csv").await.unwrap(), b"a,b\n1,2\n");
}

#[tokio::test]
async fn bodies_of_every_size_come_back_unchanged() {
    let b = Bucket::new().await;
    for size in [0, 1, 4096, (512 << 10) - 1, 512 << 10, (512 << 10) + 1, 5_000_000] {
        let body = noise(size);
        b.put("sized", body.clone()).await;
        let head = b.client.head_object().bucket(&b.name).key("sized").send().await.unwrap();
        assert_eq!(head.content_length(), Some(size as i64));
        assert!(b.get("sized").await.unwrap() == body, "{size} bytes");
    }
}

#[tokio::test]
async fn ranges_give_exactly_the_bytes_asked_for() {
    let b = Bucket::new().await;
    let body = noise(1_500_000);
    b.put("k", body.clone()).await;
    for (range, bytes) in [
        ("bytes=0-0", 0..1),
        ("bytes=2-4", 2..5),
        ("bytes=524287-524289", 524_287..524_290),
        ("bytes=1000000-", 1_000_000..1_500_000),
        ("bytes=-3", 1_499_997..1_500_000),
        ("bytes=1499999-9999999", 1_499_999..1_500_000),
    ] {
        let got = b.client.get_object().bucket(&b.name).key("k").range(range).send().await.unwrap();
        assert_eq!(got.content_range(), Some(&*format!("bytes {}-{}/1500000", bytes.start, bytes.end - 1)));
        assert!(got.body.collect().await.unwrap().to_vec() == body[bytes], "{range}");
    }
    assert_eq!(
        code(b.client.get_object().bucket(&b.name).key("k").range("bytes=1500000-").send().await),
        "InvalidRange"
    );
    b.put("empty", "").await;
    assert_eq!(
        code(b.client.get_object().bucket(&b.name).key("empty").range("bytes=0-0").send().await),
        "InvalidRange"
    );
}

#[tokio::test]
async fn odd_keys_are_themselves_and_nothing_else() {
    let b = Bucket::new().await;
    let long = ["k".repeat(1024), format!("{}/{}", "é".repeat(256), "v".repeat(511)), "p/".repeat(512)];
    let odd = [
        "naïve file (1).txt",
        "emoji/😀/数据.parquet",
        "a+b&c=d?e#f%20g",
        "dots/./x",
        "dots/../x",
        "../other/escape",
        "../../../../etc/x",
        "..",
        ".",
        "a//b",
        "/lead",
        "trail/",
        "back\\slash",
        "nl\nx",
        "tab\tx",
        "dir",
        "dir/x",
        "dir/x/y",
        "CON",
        ".hidden",
        "q'\"<>",
        "A",
        "a",
    ];
    let mut keys: Vec<&str> = odd.into_iter().chain(long.iter().map(String::as_str)).collect();
    for key in &keys {
        b.put(key, key.as_bytes()).await;
    }
    for key in &keys {
        assert_eq!(b.get(key).await.unwrap(), key.as_bytes(), "{key:?}");
    }
    let listed = b.client.list_objects_v2().bucket(&b.name).encoding_type("url".into()).send().await.unwrap();
    let listed: Vec<String> = listed.contents().iter().map(|object| decoded(object.key().unwrap())).collect();
    keys.sort_unstable();
    assert_eq!(listed, keys);
    let too_long = b.client.put_object().bucket(&b.name).key("k".repeat(1025)).body(ByteStream::from_static(b"x"));
    assert_eq!(code(too_long.send().await), "KeyTooLongError");
}

pub fn decoded(key: &str) -> String {
    percent_encoding::percent_decode_str(key).decode_utf8().unwrap().into_owned()
}

#[tokio::test]
async fn deletes_are_idempotent_and_come_in_batches() {
    let b = Bucket::new().await;
    for key in ["a", "b", "dir", "dir/x"] {
        b.put(key, key).await;
    }
    b.client.delete_object().bucket(&b.name).key("dir").send().await.unwrap();
    b.client.delete_object().bucket(&b.name).key("dir").send().await.unwrap();
    assert_eq!(b.get("dir").await, None);
    assert_eq!(b.get("dir/x").await.unwrap(), b"dir/x");
    let ids = ["a", "nope", "dir/x"].map(|key| ObjectIdentifier::builder().key(key).build().unwrap());
    let delete = Delete::builder().set_objects(Some(ids.to_vec())).build().unwrap();
    let deleted = b.client.delete_objects().bucket(&b.name).delete(delete).send().await.unwrap();
    assert_eq!(deleted.deleted().iter().map(|d| d.key().unwrap()).collect::<Vec<_>>(), ["a", "nope", "dir/x"]);
    assert!(deleted.errors().is_empty());
    let left = b.client.list_objects_v2().bucket(&b.name).send().await.unwrap();
    assert_eq!(left.contents().iter().map(|o| o.key().unwrap()).collect::<Vec<_>>(), ["b"]);
}

#[tokio::test]
async fn a_download_under_way_survives_the_replacement_and_the_deletion_of_its_object() {
    let b = Bucket::new().await;
    let body = noise(8 << 20);
    b.put("k", body.clone()).await;
    let mut first = b.client.get_object().bucket(&b.name).key("k").send().await.unwrap().body;
    let mut got = first.try_next().await.unwrap().unwrap().to_vec();
    b.put("k", "new").await;
    b.client.delete_object().bucket(&b.name).key("k").send().await.unwrap();
    while let Some(chunk) = first.try_next().await.unwrap() {
        got.extend_from_slice(&chunk);
    }
    assert!(got == body);
    assert_eq!(b.get("k").await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_among_writers_gets_one_version_as_a_whole() {
    let b = std::sync::Arc::new(Bucket::new().await);
    b.put("k", vec![0; 1000]).await;
    let writers = (1..=4_u8).map(|writer| {
        let b = b.clone();
        tokio::spawn(async move {
            for round in 0..25 {
                b.put("k", vec![writer; 1000 + 50_000 * (round % 3)]).await;
            }
        })
    });
    let writers: Vec<_> = writers.collect();
    let readers = (0..4).map(|_| {
        let b = b.clone();
        tokio::spawn(async move {
            for _ in 0..50 {
                let body = b.get("k").await.unwrap();
                assert!(body.iter().all(|byte| *byte == body[0]));
            }
        })
    });
    for task in writers.into_iter().chain(readers) {
        task.await.unwrap();
    }
}

#[tokio::test]
async fn attributes_are_told_without_the_bytes() {
    let b = Bucket::new().await;
    let etag = b.put("k", "hello").await;
    let asked = [
        ObjectAttributes::Etag,
        ObjectAttributes::Checksum,
        ObjectAttributes::ObjectSize,
        ObjectAttributes::StorageClass,
    ];
    let got = b
        .client
        .get_object_attributes()
        .bucket(&b.name)
        .key("k")
        .set_object_attributes(Some(asked.to_vec()))
        .send()
        .await
        .unwrap();
    assert_eq!(got.e_tag().unwrap().trim_matches('"'), etag.trim_matches('"'));
    assert_eq!(got.object_size(), Some(5));
    assert!(got.checksum().unwrap().checksum_crc32().is_some());
    let none = b.client.get_object_attributes().bucket(&b.name).key("none").object_attributes(ObjectAttributes::Etag);
    assert_eq!(code(none.send().await), "NoSuchKey");
}

#[tokio::test]
async fn what_is_not_supported_is_refused_rather_than_forgotten() {
    let b = Bucket::new().await;
    let put = b.client.put_object().bucket(&b.name).key("k").tagging("a=b").body(ByteStream::from_static(b"x"));
    assert_eq!(code(put.send().await), "NotImplemented");
    assert_eq!(b.get("k").await, None);
    let much = b
        .client
        .put_object()
        .bucket(&b.name)
        .key("k")
        .metadata("m", "v".repeat(2049))
        .body(ByteStream::from_static(b"x"));
    assert_eq!(code(much.send().await), "MetadataTooLarge");
}
