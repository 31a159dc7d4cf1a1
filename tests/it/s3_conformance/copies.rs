//! Copies within the store.

use aws_sdk_s3::types::{ChecksumAlgorithm, MetadataDirective};

use super::{Bucket, code};

#[tokio::test]
async fn a_copy_keeps_or_replaces_the_metadata() {
    let b = Bucket::new().await;
    let body = aws_sdk_s3::primitives::ByteStream::from_static(b"bytes");
    let put =
        b.client.put_object().bucket(&b.name).key("from ü/1").content_type("text/csv").metadata("m", "v").body(body);
    let etag = put.send().await.unwrap().e_tag.unwrap();
    let source = format!("{}/from%20%C3%BC/1", b.name);
    let copied = b.client.copy_object().bucket(&b.name).key("kept").copy_source(&source).send().await.unwrap();
    assert_eq!(copied.copy_object_result().unwrap().e_tag(), Some(&*etag));
    let replace = b
        .client
        .copy_object()
        .bucket(&b.name)
        .key("replaced")
        .copy_source(&source)
        .content_type("x/y")
        .metadata("n", "w");
    replace.metadata_directive(MetadataDirective::Replace).send().await.unwrap();

    let kept = b.client.head_object().bucket(&b.name).key("kept").send().await.unwrap();
    assert_eq!((kept.content_type(), &*kept.metadata().unwrap()["m"]), (Some("text/csv"), "v"));
    let replaced = b.client.head_object().bucket(&b.name).key("replaced").send().await.unwrap();
    assert_eq!(replaced.content_type(), Some("x/y"));
    assert_eq!(replaced.metadata().unwrap().iter().collect::<Vec<_>>(), [(&"n".to_string(), &"w".to_string())]);
}

#[tokio::test]
async fn a_copy_outlives_its_source() {
    let b = Bucket::new().await;
    b.put("from", "bytes").await;
    b.client.copy_object().bucket(&b.name).key("to").copy_source(format!("{}/from", b.name)).send().await.unwrap();
    b.client.delete_object().bucket(&b.name).key("from").send().await.unwrap();
    b.put("other", "other").await;
    assert_eq!(b.get("to").await.unwrap(), b"bytes");
    b.client.delete_object().bucket(&b.name).key("to").send().await.unwrap();
    assert_eq!(b.get("to").await, None);
}

#[tokio::test]
async fn a_copy_onto_itself_must_change_something() {
    let b = Bucket::new().await;
    b.put("k", "bytes").await;
    let copy = || b.client.copy_object().bucket(&b.name).key("k").copy_source(format!("{}/k", b.name));
    assert_eq!(code(copy().send().await), "InvalidRequest");
    copy().metadata_directive(MetadataDirective::Replace).metadata("m", "v").send().await.unwrap();
    assert_eq!(b.get("k").await.unwrap(), b"bytes");
}

#[tokio::test]
async fn a_copy_obeys_the_conditions_on_its_source() {
    let b = Bucket::new().await;
    let etag = b.put("from", "bytes").await;
    let copy = || b.client.copy_object().bucket(&b.name).key("to").copy_source(format!("{}/from", b.name));
    assert_eq!(code(copy().copy_source_if_match("\"other\"").send().await), "PreconditionFailed");
    assert_eq!(code(copy().copy_source_if_none_match(&etag).send().await), "PreconditionFailed");
    assert_eq!(b.get("to").await, None);
    copy().copy_source_if_match(&etag).send().await.unwrap();
    let missing = b.client.copy_object().bucket(&b.name).key("to").copy_source(format!("{}/none", b.name));
    assert_eq!(code(missing.send().await), "NoSuchKey");
}

#[tokio::test]
async fn a_copy_computes_the_checksum_that_is_asked_of_it() {
    let b = Bucket::new().await;
    b.put("from", "hello").await;
    let copy = b.client.copy_object().bucket(&b.name).key("to").copy_source(format!("{}/from", b.name));
    let copied = copy.checksum_algorithm(ChecksumAlgorithm::Sha1).send().await.unwrap();
    assert_eq!(copied.copy_object_result().unwrap().checksum_sha1(), Some("qvTGHdzF6KLavt4PO0gs2a6pQ00="));
}
