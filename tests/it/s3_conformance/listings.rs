//! Listings: order, pages, roll-up.

use super::objects::decoded;
use super::{Bucket, code};

async fn filled(keys: &[&str]) -> Bucket {
    let b = Bucket::new().await;
    for key in keys {
        b.put(key, "1").await;
    }
    b
}

/// All pages: for each the keys, then the common prefixes.
async fn pages(b: &Bucket, prefix: &str, delimiter: &str, size: i32) -> Vec<Vec<String>> {
    let (mut pages, mut token) = (Vec::new(), None);
    loop {
        let list =
            b.client.list_objects_v2().bucket(&b.name).prefix(prefix).max_keys(size).set_continuation_token(token);
        let list = list.set_delimiter((!delimiter.is_empty()).then(|| delimiter.into()));
        let page = list.send().await.unwrap();
        let keys = page.contents().iter().map(|object| object.key().unwrap().to_owned());
        let prefixes = page.common_prefixes().iter().map(|prefix| prefix.prefix().unwrap().to_owned());
        let items: Vec<String> = keys.chain(prefixes).collect();
        assert_eq!(page.key_count(), Some(items.len() as i32));
        assert_eq!(page.is_truncated(), Some(page.next_continuation_token().is_some()));
        pages.push(items);
        token = page.next_continuation_token;
        if token.is_none() {
            return pages;
        }
    }
}

#[tokio::test]
async fn keys_are_in_the_order_of_their_bytes() {
    let b = filled(&["b", "a/b", "a", "a!", "Z", "ä", "a0", "\u{fffd}", "😀"]).await;
    assert_eq!(pages(&b, "", "", 1000).await, [["Z", "a", "a!", "a/b", "a0", "b", "ä", "\u{fffd}", "😀"]]);
}

#[tokio::test]
async fn keys_roll_up_at_the_delimiter() {
    let b = filled(&["l/a", "l/b/1", "l/b/2", "l/b!", "l/c d/ü.txt", "l/d", "m/x", "l"]).await;
    assert_eq!(pages(&b, "l/", "/", 1000).await, [["l/a", "l/b!", "l/d", "l/b/", "l/c d/"]]);
    assert_eq!(pages(&b, "", "/", 1000).await, [["l", "l/", "m/"]]);
    assert_eq!(pages(&b, "l/b", "/", 1000).await, [["l/b!", "l/b/"]]);
    assert_eq!(pages(&b, "l/b", "", 1000).await, [["l/b!", "l/b/1", "l/b/2"]]);
    assert_eq!(pages(&b, "none", "/", 1000).await, [[""; 0]]);
}

#[tokio::test]
async fn any_text_is_a_delimiter() {
    let b = filled(&["a--1", "a--2", "b--1", "c", "année--x"]).await;
    assert_eq!(pages(&b, "", "--", 1000).await, [["c", "a--", "année--", "b--"]]);
    assert_eq!(pages(&b, "a", "é", 1000).await, [["a--1", "a--2", "anné"]]);
}

#[tokio::test]
async fn pages_neither_lose_nor_repeat_anything() {
    let keys = ["a", "b/1", "b/2", "b/3", "c", "d/1/x", "d/1/y", "d/2", "e", "f/1", "g"];
    let b = filled(&keys).await;
    for size in 1..=8 {
        let flat = pages(&b, "", "", size).await.concat();
        assert_eq!(flat, keys, "{size} on a page");
        let rolled = pages(&b, "", "/", size).await;
        assert!(rolled.iter().rev().skip(1).all(|page| page.len() == size as usize));
        let mut rolled = rolled.concat();
        rolled.sort_unstable();
        assert_eq!(rolled, ["a", "b/", "c", "d/", "e", "f/", "g"], "{size} on a page");
    }
    assert_eq!(pages(&b, "", "", 0).await, [[""; 0]]);
}

#[tokio::test]
async fn a_listing_starts_after_a_key_that_need_not_exist() {
    let b = filled(&["a", "b/1", "b/2", "c"]).await;
    let list = |after: &str| b.client.list_objects_v2().bucket(&b.name).start_after(after).send();
    let keys = |page: aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Output| {
        page.contents().iter().map(|o| o.key().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(keys(list("b/1").await.unwrap()), ["b/2", "c"]);
    assert_eq!(keys(list("b").await.unwrap()), ["b/1", "b/2", "c"]);
    let bad = b.client.list_objects_v2().bucket(&b.name).continuation_token("not a token");
    assert_eq!(code(bad.send().await), "InvalidArgument");
}

#[tokio::test]
async fn the_first_version_of_the_listing_pages_by_marker() {
    let b = filled(&["a", "b/1", "b/2", "c", "d/1"]).await;
    let (mut marker, mut all) = (None, Vec::new());
    loop {
        let page =
            b.client.list_objects().bucket(&b.name).delimiter("/").max_keys(1).set_marker(marker).send().await.unwrap();
        all.extend(page.contents().iter().map(|object| object.key().unwrap().to_owned()));
        all.extend(page.common_prefixes().iter().map(|prefix| prefix.prefix().unwrap().to_owned()));
        marker = page.next_marker;
        if page.is_truncated != Some(true) {
            break;
        }
    }
    assert_eq!(all, ["a", "b/", "c", "d/"]);
}

#[tokio::test]
async fn url_encoding_carries_what_xml_cannot() {
    let b = filled(&["nl\nx/1", "\u{1}control", "sp ace+plus"]).await;
    let list = b.client.list_objects_v2().bucket(&b.name).delimiter("/").encoding_type("url".into());
    let page = list.send().await.unwrap();
    assert_eq!(
        page.contents().iter().map(|o| decoded(o.key().unwrap())).collect::<Vec<_>>(),
        ["\u{1}control", "sp ace+plus"]
    );
    assert_eq!(decoded(page.common_prefixes()[0].prefix().unwrap()), "nl\nx/");
    assert_eq!(page.contents()[1].key(), Some("sp%20ace%2Bplus"));
}

#[tokio::test]
async fn a_listing_tells_size_etag_and_time() {
    let b = Bucket::new().await;
    let etag = b.put("k", "12345").await;
    let page = b.client.list_objects_v2().bucket(&b.name).send().await.unwrap();
    let [object] = page.contents() else { panic!("one object") };
    assert_eq!((object.size(), object.e_tag()), (Some(5), Some(&*etag)));
    assert!(object.last_modified().unwrap().secs() > 1_600_000_000);
}
