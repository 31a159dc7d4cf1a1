//! Conditional reads and writes.

use aws_sdk_s3::primitives::{ByteStream, DateTime};

use super::{Bucket, code};

#[tokio::test]
async fn reads_obey_their_conditions() {
    let b = Bucket::new().await;
    let etag = b.put("k", "v").await;
    let get = || b.client.get_object().bucket(&b.name).key("k");
    let head = || b.client.head_object().bucket(&b.name).key("k");
    let (before, after) = (DateTime::from_secs(1_500_000_000), DateTime::from_secs(4_000_000_000));

    get().if_match(&etag).send().await.unwrap();
    get().if_match("*").send().await.unwrap();
    assert_eq!(code(get().if_match("\"other\"").send().await), "PreconditionFailed");
    get().if_none_match("\"other\"").send().await.unwrap();
    assert_eq!(code(get().if_none_match(&etag).send().await), "304");
    assert_eq!(code(head().if_none_match(&etag).send().await), "304");
    assert_eq!(code(head().if_match("\"other\"").send().await), "412");
    get().if_modified_since(before).send().await.unwrap();
    assert_eq!(code(get().if_modified_since(after).send().await), "304");
    get().if_unmodified_since(after).send().await.unwrap();
    assert_eq!(code(get().if_unmodified_since(before).send().await), "PreconditionFailed");
    // The ETag is the stronger validator: with it, the dates are not looked at.
    get().if_match(&etag).if_unmodified_since(before).send().await.unwrap();
    get().if_none_match("\"other\"").if_modified_since(after).send().await.unwrap();
}

#[tokio::test]
async fn writes_obey_their_conditions() {
    let b = Bucket::new().await;
    let put = |key: &str| b.client.put_object().bucket(&b.name).key(key).body(ByteStream::from_static(b"new"));
    let etag = b.put("k", "v").await;
    assert_eq!(code(put("k").if_none_match("*").send().await), "PreconditionFailed");
    assert_eq!(code(put("k").if_match("\"other\"").send().await), "PreconditionFailed");
    assert_eq!(code(put("none").if_match(&etag).send().await), "NoSuchKey");
    assert_eq!(b.get("k").await.unwrap(), b"v");
    put("k").if_match(&etag).send().await.unwrap();
    put("fresh").if_none_match("*").send().await.unwrap();
    assert_eq!(
        code(b.client.delete_object().bucket(&b.name).key("k").if_match(&etag).send().await),
        "PreconditionFailed"
    );
    assert_eq!(b.get("k").await.unwrap(), b"new");
}

#[tokio::test]
async fn of_many_writers_that_want_a_key_to_be_new_exactly_one_wins() {
    let b = Bucket::new().await;
    let writers = (0..32).map(|writer| {
        let put = b.client.put_object().bucket(&b.name).key("race").if_none_match("*");
        tokio::spawn(put.body(ByteStream::from(format!("writer {writer}").into_bytes())).send())
    });
    let mut winners = Vec::new();
    for (writer, outcome) in futures::future::join_all(writers).await.into_iter().enumerate() {
        match outcome.unwrap() {
            Ok(_) => winners.push(writer),
            failed => assert_eq!(code(failed), "PreconditionFailed"),
        }
    }
    assert_eq!(winners.len(), 1);
    assert_eq!(b.get("race").await.unwrap(), format!("writer {}", winners[0]).into_bytes());
}

#[tokio::test]
async fn of_many_writers_that_replace_what_they_saw_exactly_one_wins() {
    let b = Bucket::new().await;
    let etag = b.put("race", "seen").await;
    let writers = (0..16).map(|writer| {
        let put = b.client.put_object().bucket(&b.name).key("race").if_match(&etag);
        tokio::spawn(put.body(ByteStream::from(format!("writer {writer}").into_bytes())).send())
    });
    let outcomes = futures::future::join_all(writers).await;
    assert_eq!(outcomes.into_iter().filter(|outcome| outcome.as_ref().unwrap().is_ok()).count(), 1);
}
