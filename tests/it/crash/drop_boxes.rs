//! The same for a file on its way into a drop box.

use super::{Upload, expire};
use crate::support::{
    json, problem,
    process::{Folder, Larder, within},
};
use reqwest::{Method, Response};
use serde_json::json;
use sqlx::AssertSqlSafe;

async fn count(service: &Larder, of: &str) -> i64 {
    let sql = format!("select count(*) from larder.{of}");
    sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&mut service.database().await).await.expect("an answer")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_kill_9_the_room_of_a_file_is_free_behind_its_lease_and_not_before() {
    let folder = Folder::new();
    // Nothing is swept in between: the lease alone frees the room.
    let settings = ["--sweep-seconds", "86400"];
    let service = Larder::start(&folder.data(), &settings).await;
    let terms = json!({ "target": "/v1/blobs/box/", "allow": ["upload"], "upload_files_max": 2 });
    let share =
        json(service.request(Method::POST, "/v1/shares").json(&terms).send().await.expect("an answer"), 201).await;
    let path = share["url"].as_str().expect("a URL").strip_prefix(&service.url).expect("our own").to_owned();
    let put = async |service: &Larder, name: &str| -> Response {
        service.anonymous(Method::PUT, &format!("{path}/{name}")).body("x").send().await.expect("an answer")
    };
    json(put(&service, "first.txt").await, 201).await;
    let address = format!("{path}/half.bin");
    let mut upload = Upload::send(service.anonymous(Method::PUT, &address), &address, vec![0; 1000]);
    upload.feed(500).await;
    within("the lease", async { while count(&service, "pending").await == 0 {} }).await;
    service.kill();
    assert!(!upload.sent().await.acknowledged);
    let service = Larder::start(&folder.data(), &settings).await;
    problem(put(&service, "early.txt").await, 413, "drop-box-full").await;
    expire(&mut service.database().await).await;
    json(put(&service, "late.txt").await, 201).await;
    problem(put(&service, "beyond.txt").await, 413, "drop-box-full").await;
    assert_eq!(count(&service, "datasets where name like 'box/%'").await, 2);
    let shown = service.request(Method::GET, &format!("/v1/shares/{}", share["id"].as_str().expect("an id")));
    let shown = json(shown.send().await.expect("an answer"), 200).await;
    assert_eq!((&shown["uploads"]["files"], &shown["uploads"]["bytes"]), (&json!(2), &json!(2)));
    service.stop().await;
}
