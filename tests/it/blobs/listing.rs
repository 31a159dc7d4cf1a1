//! Folders and pages.

use crate::support::{json, problem, shared};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use std::collections::BTreeSet;

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

async fn put_all(names: &[&str]) {
    for name in names {
        assert_eq!(shared().put(&format!("/v1/blobs/{}", encoded(name)), "x").await.status(), 201, "{name}");
    }
}

/// All pages of a list, `(folders, blobs)` in the order they came.
async fn pages(query: &str, limit: usize) -> (Vec<String>, Vec<String>) {
    let (mut folders, mut blobs, mut cursor) = (Vec::new(), Vec::new(), String::new());
    loop {
        let page = json(shared().get(&format!("/v1/blobs?{query}&limit={limit}{cursor}")).await, 200).await;
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let (page_folders, page_blobs) = (page["folders"].as_array().unwrap(), page["blobs"].as_array().unwrap());
        let count = page_folders.len() + page_blobs.len();
        folders.extend(page_folders.iter().map(text));
        blobs.extend(page_blobs.iter().map(|blob| text(&blob["name"])));
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return (folders, blobs),
        }
        assert_eq!(count, limit, "a page with a next one is full");
    }
}

#[tokio::test]
async fn folders_are_named_once_and_pages_neither_repeat_nor_miss() {
    let names = [
        "list/a",
        "list/a b/1",
        "list/a b/2",
        "list/a%2Fb",
        "list/a+b/x/y",
        "list/a-",
        "list/a.txt",
        "list/a/1",
        "list/a/2",
        "list/a/3/4",
        "list/a/\u{10ffff}",
        "list/a/\u{10ffff}/deep",
        "list/a0",
        "list/ab/1",
        "list/b%/1",
        "list/b_/1",
        "list/é/1",
        "list/数据",
        "list/\u{d7ff}/1",
        "list/🥫",
        "list/\u{10ffff}",
        "list/\u{10ffff}/1",
    ];
    put_all(&names).await;
    put_all(&["lis", "list", "list-other/1", "list0"]).await;
    let mut sorted = names.map(str::to_owned).to_vec();
    sorted.sort();
    let folders: BTreeSet<String> = names
        .iter()
        .filter_map(|name| Some(format!("list/{}/", name.strip_prefix("list/")?.split_once('/')?.0)))
        .collect();
    let (folders, files): (Vec<_>, Vec<_>) =
        (folders.into_iter().collect(), sorted.iter().filter(|name| name.matches('/').count() == 1).cloned().collect());
    for limit in [1, 2, 3, 7, 1000] {
        assert_eq!(pages("prefix=list/", limit).await, (Vec::new(), sorted.clone()), "{limit}");
        assert_eq!(pages("prefix=list/&delimiter=/", limit).await, (folders.clone(), files.clone()), "{limit}");
    }
}

#[tokio::test]
async fn a_prefix_is_text_and_not_a_pattern() {
    put_all(&[
        "odd_%/a",
        "odd_x/a",
        "oddx%/a",
        "odd\\/a",
        "odd+/a",
        "odd /a",
        "odd'/a",
        "odd\u{10ffff}",
        "odd\u{10ffff}b",
    ])
    .await;
    for (prefix, expected) in [
        ("odd_%", &["odd_%/a"][..]),
        ("odd_", &["odd_%/a", "odd_x/a"]),
        ("odd+", &["odd+/a"]),
        ("odd ", &["odd /a"]),
        ("odd\\", &["odd\\/a"]),
        ("odd'", &["odd'/a"]),
        ("odd\u{10ffff}", &["odd\u{10ffff}", "odd\u{10ffff}b"]),
        ("oddities", &[]),
    ] {
        let (_, blobs) = pages(&format!("prefix={}", encoded(prefix)), 100).await;
        assert_eq!(blobs, expected, "{prefix}");
    }
    let (folders, blobs) = pages("prefix=odd&delimiter=/", 2).await;
    assert_eq!(folders, ["odd /", "odd'/", "odd+/", "odd\\/", "odd_%/", "odd_x/", "oddx%/"]);
    assert_eq!(blobs, ["odd\u{10ffff}", "odd\u{10ffff}b"]);
}

#[tokio::test]
async fn a_cursor_is_good_for_its_own_list_only() {
    let larder = shared();
    put_all(&["cursors/a", "cursors/b", "cursors/c/1", "cursors/c/2"]).await;
    let first = json(larder.get("/v1/blobs?prefix=cursors/&limit=1").await, 200).await;
    let cursor = first["next"].as_str().unwrap();
    let other = json(larder.get("/v1/blobs?prefix=cursors/&limit=2").await, 200).await;
    assert_ne!(other["next"], first["next"]);
    json(larder.get(&format!("/v1/blobs?prefix=cursors/&limit=3&cursor={cursor}")).await, 200).await;
    for list in ["prefix=cursors/c/", "prefix=", "prefix=cursors/&delimiter=/"] {
        let refused = problem(larder.get(&format!("/v1/blobs?{list}&cursor={cursor}")).await, 400, "bad-request").await;
        assert_eq!(refused["parameter"], "cursor", "{list}");
    }
    let mut forged = cursor.to_owned();
    forged.replace_range(..1, if cursor.starts_with('A') { "B" } else { "A" });
    for forged in [forged.as_str(), "", "x", "Y3Vyc29ycy9h", "%ff"] {
        let refused =
            problem(larder.get(&format!("/v1/blobs?prefix=cursors/&cursor={forged}")).await, 400, "bad-request");
        assert_eq!(refused.await["parameter"], "cursor", "{forged}");
    }
}

#[tokio::test]
async fn a_page_has_a_size_and_folders_one_sign() {
    let larder = shared();
    for (query, slug) in [
        ("limit=0", "bad-request"),
        ("limit=-1", "bad-request"),
        ("limit=1001", "page-too-large"),
        ("delimiter=,", "bad-request"),
        ("delimiter=//", "bad-request"),
    ] {
        problem(larder.get(&format!("/v1/blobs?{query}")).await, 400, slug).await;
    }
    json(larder.get("/v1/blobs?limit=1000&delimiter=").await, 200).await;
}
