//! The main job: a picture, a table and a document go in, each by one PUT, and come out again.

use crate::support::{json, problem, shared};
use reqwest::Method;

#[tokio::test]
async fn three_uploads_go_to_three_stores_and_come_back_as_they_were() {
    let larder = shared();
    let picture = json(larder.put("/smoke/dot.png", "\u{89}PNG").await, 201).await;
    assert_eq!((picture["kind"].as_str(), picture["name"].as_str()), (Some("blob"), Some("smoke/dot.png")));
    assert_eq!(larder.text("/v1/blobs/smoke/dot.png").await, "\u{89}PNG");

    let table = json(larder.put("/smoke.csv", "city,people\nBern,134000\n").await, 201).await;
    assert_eq!((table["kind"].as_str(), table["rows"].as_u64()), (Some("table"), Some(1)));
    assert_eq!(larder.text("/v1/tables/smoke/rows.csv").await, "city,people\nBern,134000\n");

    let document = json(larder.put("/smoke.json", "{\"a\":[1]}").await, 201).await;
    assert_eq!((document["kind"].as_str(), document["name"].as_str()), (Some("document"), Some("inbox/smoke")));
    assert_eq!(larder.text("/v1/documents/inbox/smoke").await, "{\"a\":[1]}");
}

#[tokio::test]
async fn an_address_with_a_query_needs_a_name_in_it_or_before_it() {
    let larder = shared();
    let named = json(larder.put("/?name=by-query&as=table", "n\n1\n").await, 201).await;
    assert_eq!((named["kind"].as_str(), named["name"].as_str()), (Some("table"), Some("by-query")));
    let nameless = problem(larder.put("/?share=7d", "n\n1\n").await, 400, "bad-request").await;
    assert!(nameless["detail"].as_str().unwrap().contains("/sales.csv?share=7d"), "{nameless}");
}

#[tokio::test]
async fn a_part_of_a_file_never_passes_for_the_whole() {
    let larder = shared();
    let part = larder.request(Method::PUT, "/smoke/part.bin").header("content-range", "bytes 4-7/8").body("tail");
    problem(part.send().await.unwrap(), 400, "bad-request").await;
    problem(larder.get("/v1/blobs/smoke/part.bin").await, 404, "not-found").await;
}

#[tokio::test]
async fn a_byte_order_mark_is_no_part_of_a_document() {
    let larder = shared();
    json(larder.put("/marked.json", "\u{feff}{\"a\":1}").await, 201).await;
    assert_eq!(larder.text("/v1/documents/inbox/marked").await, "{\"a\":1}");
    let lines = json(larder.put("/marked-lines.json", "\u{feff}{\"a\":1}\n{\"a\":2}\n").await, 201).await;
    assert_eq!((lines["kind"].as_str(), lines["rows"].as_u64()), (Some("table"), Some(2)));
}

#[tokio::test]
async fn a_row_that_is_one_null_is_no_blank_line() {
    let larder = shared();
    json(larder.put("/lone.ndjson", "{\"a\":1}\n{\"a\":null}\n{\"a\":3}\n").await, 201).await;
    assert_eq!(larder.text("/v1/tables/lone/rows.csv").await, "a\n1\n\"\"\n3\n");
}
