//! Uploads in parts.

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart, ObjectAttributes};

use super::{Bucket, code, noise};

pub const LEAST: usize = 5 << 20;

/// An upload under way.
pub struct Upload<'b> {
    pub b: &'b Bucket,
    pub key: &'static str,
    pub id: String,
}

impl<'b> Upload<'b> {
    pub async fn begin(b: &'b Bucket, key: &'static str) -> Self {
        let id = b.client.create_multipart_upload().bucket(&b.name).key(key).send().await.unwrap().upload_id.unwrap();
        Self { b, key, id }
    }

    pub async fn part(&self, number: i32, body: Vec<u8>) -> CompletedPart {
        let part =
            self.b.client.upload_part().bucket(&self.b.name).key(self.key).upload_id(&self.id).part_number(number);
        let part = part.body(ByteStream::from(body)).send().await.unwrap();
        CompletedPart::builder()
            .part_number(number)
            .set_e_tag(part.e_tag)
            .set_checksum_crc32(part.checksum_crc32)
            .build()
    }

    pub fn complete(
        &self,
        parts: &[&CompletedPart],
    ) -> aws_sdk_s3::operation::complete_multipart_upload::builders::CompleteMultipartUploadFluentBuilder {
        let parts = parts.iter().map(|part| (*part).clone()).collect();
        let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
        self.b
            .client
            .complete_multipart_upload()
            .bucket(&self.b.name)
            .key(self.key)
            .upload_id(&self.id)
            .multipart_upload(parts)
    }

    pub async fn numbers(&self) -> Vec<i32> {
        let list =
            self.b.client.list_parts().bucket(&self.b.name).key(self.key).upload_id(&self.id).send().await.unwrap();
        list.parts().iter().map(|part| part.part_number().unwrap()).collect()
    }
}

pub fn with_etag(number: i32, etag: &str) -> CompletedPart {
    CompletedPart::builder().part_number(number).e_tag(etag).build()
}

#[tokio::test]
async fn parts_make_one_object() {
    let b = Bucket::new().await;
    let begin = b
        .client
        .create_multipart_upload()
        .bucket(&b.name)
        .key("k")
        .content_type("x/y")
        .metadata("m", "v")
        .send()
        .await
        .unwrap();
    let upload = Upload { b: &b, key: "k", id: begin.upload_id.unwrap() };
    let body = noise(2 * LEAST + 1000);
    // Gaps and any order of upload are allowed; the order of numbers is the order of bytes.
    let third = upload.part(9, body[2 * LEAST..].to_vec()).await;
    let first = upload.part(2, body[..LEAST].to_vec()).await;
    upload.part(5, noise(10)).await;
    let second = upload.part(5, body[LEAST..2 * LEAST].to_vec()).await;
    assert_eq!(upload.numbers().await, [2, 5, 9]);
    assert_eq!(b.get("k").await, None);
    let done = upload.complete(&[&first, &second, &third]).send().await.unwrap();
    assert!(done.e_tag().unwrap().ends_with("-3\""), "{done:?}");

    let head = b.client.head_object().bucket(&b.name).key("k").send().await.unwrap();
    assert_eq!((head.content_type(), &*head.metadata().unwrap()["m"]), (Some("x/y"), "v"));
    assert_eq!((head.content_length(), head.e_tag()), (Some(body.len() as i64), done.e_tag()));
    assert!(b.get("k").await.unwrap() == body);
    let across = format!("bytes={}-{}", LEAST - 2, 2 * LEAST + 1);
    let across = b.client.get_object().bucket(&b.name).key("k").range(across).send().await.unwrap();
    assert!(across.body.collect().await.unwrap().to_vec() == body[LEAST - 2..2 * LEAST + 2]);

    let asked =
        b.client.get_object_attributes().bucket(&b.name).key("k").object_attributes(ObjectAttributes::ObjectParts);
    let parts = asked.send().await.unwrap().object_parts.unwrap();
    assert_eq!(parts.total_parts_count(), Some(3));
    assert_eq!(
        parts.parts().iter().map(|part| part.size().unwrap()).collect::<Vec<_>>(),
        [LEAST as i64, LEAST as i64, 1000]
    );

    assert_eq!(code(upload.complete(&[&first]).send().await), "NoSuchUpload");
    b.client.delete_object().bucket(&b.name).key("k").send().await.unwrap();
    assert_eq!(b.get("k").await, None);
}

#[tokio::test]
async fn a_refused_completion_leaves_the_upload_as_it_was() {
    let b = Bucket::new().await;
    let upload = Upload::begin(&b, "k").await;
    let first = upload.part(1, noise(LEAST)).await;
    let small = upload.part(2, noise(10)).await;
    let last = upload.part(3, noise(20)).await;
    assert_eq!(
        code(upload.complete(&[&with_etag(1, "\"00000000000000000000000000000000\"")]).send().await),
        "InvalidPart"
    );
    assert_eq!(code(upload.complete(&[&first, &with_etag(7, "\"00\"")]).send().await), "InvalidPart");
    assert_eq!(code(upload.complete(&[&last, &first]).send().await), "InvalidPartOrder");
    assert_eq!(code(upload.complete(&[&first, &first]).send().await), "InvalidPartOrder");
    assert_eq!(code(upload.complete(&[&first, &small, &last]).send().await), "EntityTooSmall");
    assert_eq!(code(upload.complete(&[]).send().await), "MalformedXML");
    assert_eq!(code(upload.complete(&[&first, &last]).mpu_object_size(1).send().await), "InvalidRequest");
    b.put("k", "taken").await;
    assert_eq!(code(upload.complete(&[&first, &last]).if_none_match("*").send().await), "PreconditionFailed");
    assert_eq!(b.get("k").await.unwrap(), b"taken");
    assert_eq!(upload.numbers().await, [1, 2, 3]);
    upload.complete(&[&first, &last]).send().await.unwrap();
    assert_eq!(b.get("k").await.unwrap().len(), LEAST + 20);
}

#[tokio::test]
async fn of_many_completions_that_want_a_key_to_be_new_exactly_one_wins() {
    let b = Bucket::new().await;
    let mut completions = Vec::new();
    for _ in 0..8 {
        let upload = Upload::begin(&b, "race").await;
        let part = upload.part(1, noise(10)).await;
        completions.push(tokio::spawn(upload.complete(&[&part]).if_none_match("*").send()));
    }
    let outcomes = futures::future::join_all(completions).await;
    assert_eq!(outcomes.into_iter().filter(|outcome| outcome.as_ref().unwrap().is_ok()).count(), 1);
}

#[tokio::test]
async fn an_abort_forgets_the_upload() {
    let b = Bucket::new().await;
    let upload = Upload::begin(&b, "k").await;
    let part = upload.part(1, noise(10)).await;
    let abort = || b.client.abort_multipart_upload().bucket(&b.name).key("k").upload_id(&upload.id).send();
    abort().await.unwrap();
    assert_eq!(code(abort().await), "NoSuchUpload");
    assert_eq!(code(upload.complete(&[&part]).send().await), "NoSuchUpload");
    let late = b
        .client
        .upload_part()
        .bucket(&b.name)
        .key("k")
        .upload_id(&upload.id)
        .part_number(2)
        .body(ByteStream::from_static(b"x"));
    assert_eq!(code(late.send().await), "NoSuchUpload");
    assert_eq!(b.get("k").await, None);
}

#[tokio::test]
async fn parts_are_listed_in_order_and_in_pages() {
    let b = Bucket::new().await;
    let upload = Upload::begin(&b, "k").await;
    for number in [11, 2, 7, 10, 1] {
        upload.part(number, noise(number as usize)).await;
    }
    let (mut marker, mut pages) = (None, Vec::new());
    loop {
        let list = b
            .client
            .list_parts()
            .bucket(&b.name)
            .key("k")
            .upload_id(&upload.id)
            .max_parts(2)
            .set_part_number_marker(marker);
        let page = list.send().await.unwrap();
        pages.push(
            page.parts().iter().map(|part| (part.part_number().unwrap(), part.size().unwrap())).collect::<Vec<_>>(),
        );
        marker = page.next_part_number_marker;
        if page.is_truncated != Some(true) {
            break;
        }
    }
    assert_eq!(pages, [vec![(1, 1), (2, 2)], vec![(7, 7), (10, 10)], vec![(11, 11)]]);
}

#[tokio::test]
async fn uploads_under_way_are_listed() {
    let b = Bucket::new().await;
    for key in ["b", "a", "dir/1", "dir/2", "a"] {
        Upload::begin(&b, key).await;
    }
    let (mut key, mut id, mut all) = (None, None, Vec::new());
    loop {
        let list = b
            .client
            .list_multipart_uploads()
            .bucket(&b.name)
            .max_uploads(1)
            .set_key_marker(key)
            .set_upload_id_marker(id);
        let page = list.send().await.unwrap();
        all.extend(page.uploads().iter().map(|upload| upload.key().unwrap().to_owned()));
        (key, id) = (page.next_key_marker, page.next_upload_id_marker);
        if page.is_truncated != Some(true) {
            break;
        }
    }
    assert_eq!(all, ["a", "a", "b", "dir/1", "dir/2"]);
    let rolled = b.client.list_multipart_uploads().bucket(&b.name).delimiter("/").prefix("d").send().await.unwrap();
    assert!(rolled.uploads().is_empty());
    assert_eq!(rolled.common_prefixes()[0].prefix(), Some("dir/"));
}

#[tokio::test]
async fn a_part_is_copied_from_an_object() {
    let b = Bucket::new().await;
    let body = noise(LEAST + 100);
    b.put("from", body.clone()).await;
    let upload = Upload::begin(&b, "to").await;
    let copy = |number, range: &str| {
        let copy = b.client.upload_part_copy().bucket(&b.name).key("to").upload_id(&upload.id).part_number(number);
        copy.copy_source(format!("{}/from", b.name)).copy_source_range(range)
    };
    let first = copy(1, &format!("bytes=100-{}", LEAST + 99)).send().await.unwrap().copy_part_result.unwrap();
    let second = copy(2, "bytes=0-99").send().await.unwrap().copy_part_result.unwrap();
    assert_eq!(code(copy(3, &format!("bytes=0-{}", LEAST + 100)).send().await), "InvalidArgument");
    b.client.delete_object().bucket(&b.name).key("from").send().await.unwrap();
    let parts = [with_etag(1, first.e_tag().unwrap()), with_etag(2, second.e_tag().unwrap())];
    upload.complete(&[&parts[0], &parts[1]]).send().await.unwrap();
    assert!(b.get("to").await.unwrap() == [&body[100..], &body[..100]].concat());
}
