//! The main job: a picture, a table and a document go in, each by one PUT, and come out again.

use crate::support::{json, shared};

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
