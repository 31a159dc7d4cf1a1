//! Many documents at once: lists and purges.

use super::{collection, fixture};
use bytes::Bytes;
use larder::{catalogue::Precondition, error::Error};
use std::collections::BTreeSet;

#[tokio::test]
async fn a_listing_merges_the_shards_in_order_while_documents_go() {
    let f = fixture().await;
    assert!(f.ids(7).await.is_empty());
    let all: BTreeSet<String> = (0..300).map(|n| format!("{:x}-é{n:03}", n * 7919 % 256)).collect();
    for id in &all {
        f.put(id, &format!(r#"{{"id":"{id}"}}"#), &Precondition::None).await.unwrap();
    }
    let sorted: Vec<String> = all.into_iter().collect();
    for page in [1, 7, 100, 300, 1000] {
        assert_eq!(f.ids(page).await, sorted, "by {page}");
    }
    let partitions = f.client.scan().table_name("larder").projection_expression("pk").send().await.unwrap();
    let partitions: BTreeSet<String> =
        partitions.items().iter().map(|item| item["pk"].as_s().unwrap().clone()).collect();
    assert_eq!(partitions.len(), 4, "every shard is used");

    // All but the last few: runs of hidden documents are longer than what one query reads.
    for id in &sorted[5..290] {
        f.delete(id).await.unwrap();
    }
    let left: Vec<String> = [&sorted[..5], &sorted[290..]].concat();
    assert_eq!(f.ids(4).await, left);

    // Between two pages, what was on the first one goes.
    let first = f.documents.list(&f.collection, None, 3).await.unwrap();
    f.delete(&first.documents[2].id).await.unwrap();
    let second = f.documents.list(&f.collection, Some(&first.documents[2].id), 3).await.unwrap();
    assert_eq!(second.documents[0].id, sorted[3]);
    let bad = f.documents.list(&f.collection, Some(""), 3).await;
    assert!(matches!(bad, Err(Error::Invalid { .. })), "{bad:?}");
}

#[tokio::test]
async fn a_page_ends_early_when_its_bodies_are_large() {
    let f = fixture().await;
    let text = "x".repeat(370 << 10);
    for n in 0..50 {
        f.put(&format!("{n:02}"), &format!(r#"{{"n":{n},"a":"{text}"}}"#), &Precondition::None).await.unwrap();
    }
    let page = f.documents.list(&f.collection, None, 1000).await.unwrap();
    assert!(page.more && (44..48).contains(&page.documents.len()), "{}", page.documents.len());
    let rest = f.documents.list(&f.collection, page.documents.last().map(|last| last.id.as_str()), 1000).await.unwrap();
    assert_eq!((page.documents.len() + rest.documents.len(), rest.more), (50, false));
}

#[tokio::test]
async fn a_purge_takes_one_collection_and_no_other() {
    let f = fixture().await;
    let other = collection(&f.caller);
    f.documents.put(&f.caller, &other, "a", Bytes::from_static(b"{}"), &Precondition::None).await.unwrap();
    for n in 0..60 {
        f.put(&n.to_string(), "{}", &Precondition::None).await.unwrap();
    }
    f.delete("7").await.unwrap();
    f.documents.purge(f.collection.id, f.collection.shards).await.unwrap();
    let items = f.client.scan().table_name("larder").send().await.unwrap();
    assert_eq!(items.count(), 1);
    assert!(f.documents.get(&other, "a").await.unwrap().is_some());
}
