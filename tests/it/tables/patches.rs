//! Changes of a table without a file: names, types, dialect, title.

use super::{columns, put, rows};
use crate::support::{json as answer, problem, shared};
use reqwest::{Method, Response};
use serde_json::{Value, json};

async fn patch(name: &str, changes: Value) -> Response {
    let request = shared().request(Method::PATCH, &format!("/v1/tables/{name}"));
    request.json(&changes).send().await.expect("an answer")
}

async fn append(name: &str, body: &'static str) {
    let request = shared().request(Method::POST, &format!("/v1/tables/{name}/rows"));
    answer(request.header("content-type", "text/csv").body(body).send().await.unwrap(), 201).await;
}

#[tokio::test]
async fn columns_are_renamed_without_touching_a_row_and_stay_so_for_the_next_upload() {
    let before = put("p-names?types=zip:text&key=zip", "zip,amount\n01,1\n").await;
    let after = answer(patch("p-names", json!({ "columns": { "zip": { "name": "Postleitzahl" } } })).await, 200).await;
    assert_eq!(columns(&after), ["Postleitzahl:text", "amount:bigint"]);
    assert_eq!(after["version"], before["version"]);
    assert_ne!(after["etag"], before["etag"]);
    assert_eq!(rows("p-names", "csv").await, "Postleitzahl,amount\n01,1\n");
    append("p-names", "zip,amount\n02,2\n").await;
    put("p-names", "zip,amount\n03,3\n").await;
    assert_eq!(rows("p-names", "csv").await, "Postleitzahl,amount\n03,3\n");
    let indexes = answer(shared().get("/v1/tables/p-names/indexes").await, 200).await;
    assert!(indexes.to_string().contains("Postleitzahl"), "{indexes}");
    problem(shared().put("/v1/tables/p-names", "zip,amount\n1,1\n1,2\n").await, 409, "duplicate-key").await;

    for wrong in [
        json!({ "columns": { "amount": { "name": "Postleitzahl" } } }),
        json!({ "columns": { "none": { "name": "x" } } }),
    ] {
        problem(patch("p-names", wrong).await, 400, "bad-request").await;
    }
    problem(patch("p-names", json!({ "colums": {} })).await, 400, "bad-request").await;
}

#[tokio::test]
async fn types_and_dialect_are_read_anew_from_the_raw_uploads_appends_included() {
    put("p-types", "id,code,d\n1,007,01/02/2026\n2,008,03/04/2026\n").await;
    append("p-types", "code,id\n9,3\n").await;
    let text = rows("p-types", "csv").await;
    let changes = json!({ "columns": { "code": { "type": "bigint", "name": "n" } }, "options": { "dates": "dmy" } });
    let after = answer(patch("p-types", changes).await, 200).await;
    assert_eq!(
        (columns(&after), after["version"].as_i64()),
        (vec!["id:bigint".into(), "n:bigint".into(), "d:date".into()], Some(2))
    );
    assert_eq!(rows("p-types", "csv").await, "id,n,d\n1,7,2026-02-01\n2,8,2026-04-03\n3,9,\n");
    assert_eq!(shared().text("/v1/tables/p-types/rows.csv?version=1").await, text);

    let refused = patch("p-types", json!({ "columns": { "id": { "type": "date" } } })).await;
    let refused = problem(refused, 422, "malformed").await;
    assert_eq!((refused["line"].as_u64(), refused["field"].as_str()), (Some(2), Some("id")));
    // Taken back, and with the objects of both versions still there after a sweep.
    answer(patch("p-types", json!({ "options": { "types": null, "dates": null, "rename": null } })).await, 200).await;
    assert_eq!(rows("p-types", "csv").await, text);
    larder::sweep::once(&shared().app).await.unwrap();
    assert_eq!(shared().text("/v1/tables/p-types/raw").await, "id,code,d\n1,007,01/02/2026\n2,008,03/04/2026\n");
}

#[tokio::test]
async fn a_title_is_changed_alone_and_a_condition_is_kept_to() {
    let before = put("p-title", "a\n1\n").await;
    let after = answer(patch("p-title", json!({ "title": "Sales of 2026" })).await, 200).await;
    assert_eq!((after["title"].as_str(), &after["etag"]), (Some("Sales of 2026"), &before["etag"]));
    let request = shared().request(Method::PATCH, "/v1/tables/p-title").header("if-match", "\"other\"");
    let refused = request.json(&json!({ "columns": { "a": { "type": "text" } } })).send().await.unwrap();
    problem(refused, 412, "precondition-failed").await;
    problem(patch("p-none", json!({ "title": "x" })).await, 404, "not-found").await;

    let request = shared().request(Method::PATCH, "/v1/tables/p-title").header("prefer", "respond-async");
    let job = request.json(&json!({ "columns": { "a": { "type": "text" } } })).send().await.unwrap();
    let job = answer(job, 202).await;
    let path = format!("/v1/jobs/{}", job["id"].as_str().unwrap());
    let state = loop {
        let job = answer(shared().get(&path).await, 200).await;
        if job["state"] != "running" {
            break job;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    };
    assert_eq!(state["state"], "finished", "{state}");
    assert_eq!(columns(&answer(shared().get("/v1/tables/p-title").await, 200).await), ["a:text"]);
}
