//! Checksums of parts, and of objects put together from parts.

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ChecksumAlgorithm, ChecksumMode, ChecksumType, CompletedPart};

use super::multipart::{LEAST, Upload, with_etag};
use super::{Bucket, code, noise};

#[tokio::test]
async fn a_wrong_checksum_of_a_part_is_refused() {
    let b = Bucket::new().await;
    let upload = Upload::begin(&b, "k").await;
    let part = || {
        b.client
            .upload_part()
            .bucket(&b.name)
            .key("k")
            .upload_id(&upload.id)
            .part_number(1)
            .body(ByteStream::from_static(b"hello"))
    };
    assert_eq!(code(part().checksum_crc32("AAAAAA==").send().await), "BadDigest");
    assert_eq!(code(part().content_md5("AAAAAAAAAAAAAAAAAAAAAA==").send().await), "BadDigest");
    assert!(upload.numbers().await.is_empty());
    let part = upload.part(1, b"hello".to_vec()).await;
    let wrong =
        CompletedPart::builder().part_number(1).set_e_tag(part.e_tag.clone()).checksum_crc32("AAAAAA==").build();
    assert_eq!(code(upload.complete(&[&wrong]).send().await), "InvalidPart");
    assert_eq!(
        code(b.client.upload_part().bucket(&b.name).key("k").upload_id(&upload.id).part_number(10_001).send().await),
        "InvalidArgument"
    );
}

#[tokio::test]
async fn a_checksum_of_the_whole_object_is_put_together_from_the_parts() {
    let b = Bucket::new().await;
    let body = noise(LEAST + 1000);
    for algorithm in [ChecksumAlgorithm::Crc64Nvme, ChecksumAlgorithm::Crc32, ChecksumAlgorithm::Crc32C] {
        let whole = b
            .client
            .put_object()
            .bucket(&b.name)
            .key("whole")
            .checksum_algorithm(algorithm.clone())
            .body(body.clone().into());
        let whole = whole.send().await.unwrap();
        let begin = b.client.create_multipart_upload().bucket(&b.name).key("k").checksum_algorithm(algorithm.clone());
        let begin = begin.checksum_type(ChecksumType::FullObject).send().await.unwrap();
        assert_eq!(begin.checksum_type(), Some(&ChecksumType::FullObject));
        let upload = Upload { b: &b, key: "k", id: begin.upload_id.unwrap() };
        let mut parts = Vec::new();
        for (number, bytes) in [(1, &body[..LEAST]), (2, &body[LEAST..])] {
            let part = b.client.upload_part().bucket(&b.name).key("k").upload_id(&upload.id).part_number(number);
            let part = part.checksum_algorithm(algorithm.clone()).body(bytes.to_vec().into()).send().await.unwrap();
            parts.push(with_etag(number, part.e_tag().unwrap()));
        }
        let complete = || upload.complete(&[&parts[0], &parts[1]]).checksum_type(ChecksumType::FullObject);
        let wrong = match algorithm {
            ChecksumAlgorithm::Crc64Nvme => complete().checksum_crc64_nvme("AAAAAAAAAAA="),
            ChecksumAlgorithm::Crc32 => complete().checksum_crc32("AAAAAA=="),
            _ => complete().checksum_crc32_c("AAAAAA=="),
        };
        assert_eq!(code(wrong.send().await), "BadDigest");
        let right = complete()
            .set_checksum_crc64_nvme(whole.checksum_crc64_nvme.clone())
            .set_checksum_crc32(whole.checksum_crc32.clone());
        right.set_checksum_crc32_c(whole.checksum_crc32_c.clone()).send().await.unwrap();
        let head =
            b.client.head_object().bucket(&b.name).key("k").checksum_mode(ChecksumMode::Enabled).send().await.unwrap();
        assert_eq!(head.checksum_type(), Some(&ChecksumType::FullObject));
        assert_eq!(
            (head.checksum_crc64_nvme(), head.checksum_crc32(), head.checksum_crc32_c()),
            (whole.checksum_crc64_nvme(), whole.checksum_crc32(), whole.checksum_crc32_c())
        );
        // The SDK verifies it over all the bytes.
        assert!(b.get("k").await.unwrap() == body);
    }
}

#[tokio::test]
async fn a_composite_checksum_is_of_the_parts_checksums() {
    let b = Bucket::new().await;
    let begin =
        b.client.create_multipart_upload().bucket(&b.name).key("k").checksum_algorithm(ChecksumAlgorithm::Sha256);
    let upload = Upload { b: &b, key: "k", id: begin.send().await.unwrap().upload_id.unwrap() };
    let part = b.client.upload_part().bucket(&b.name).key("k").upload_id(&upload.id).part_number(1);
    let part = part
        .checksum_algorithm(ChecksumAlgorithm::Sha256)
        .body(ByteStream::from_static(b"hello"))
        .send()
        .await
        .unwrap();
    let named =
        CompletedPart::builder().part_number(1).set_e_tag(part.e_tag).set_checksum_sha256(part.checksum_sha256).build();
    let done = upload.complete(&[&named]).send().await.unwrap();
    assert_eq!(done.checksum_type(), Some(&ChecksumType::Composite));
    assert!(done.checksum_sha256().unwrap().ends_with("=-1"));
    assert_eq!(b.get("k").await.unwrap(), b"hello");
    let impossible =
        b.client.create_multipart_upload().bucket(&b.name).key("k").checksum_algorithm(ChecksumAlgorithm::Sha256);
    assert_eq!(code(impossible.checksum_type(ChecksumType::FullObject).send().await), "InvalidRequest");
}
