//! Every address that changes something, and what the audit says of it.

use super::entries;
use crate::support::{Service, json};
use reqwest::Method;
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

/// A request, in the order in which they are sent.
struct Step {
    method: Method,
    /// As the reference writes it.
    route: &'static str,
    /// With `{change}` and its like for what an earlier answer gave.
    path: &'static str,
    body: &'static str,
    content_type: &'static str,
    /// The entries but for those that begin something: `action kind`.
    written: &'static [&'static str],
    /// What the answer gives for later paths: a name, and where it stands.
    gives: Option<(&'static str, &'static str)>,
}

fn step(
    method: Method,
    route: &'static str,
    path: &'static str,
    body: &'static str,
    written: &'static [&'static str],
) -> Step {
    Step { method, route, path, body, content_type: "application/json", written, gives: None }
}

impl Step {
    fn of(self, content_type: &'static str) -> Self {
        Self { content_type, ..self }
    }

    fn gives(self, name: &'static str, pointer: &'static str) -> Self {
        Self { gives: Some((name, pointer)), ..self }
    }
}

const FORM: &str = "--b\r\nContent-Disposition: form-data; name=f; filename=\"form.bin\"\r\n\r\nx\r\n--b--\r\n";
const CSV: &str = "id,city\n1,Bern\n2,Oslo\n";

#[rustfmt::skip]
fn steps() -> Vec<Step> {
    let (put, post, patch, delete) = (|| Method::PUT, || Method::POST, || Method::PATCH, || Method::DELETE);
    vec![
        step(put(), "/{path}", "/trail.bin", "x", &["create blob"]),
        step(put(), "/", "/?name=named.bin", "x", &["create blob"]),
        step(post(), "/", "/", FORM, &["create blob"])
            .of("multipart/form-data; boundary=b"),
        step(put(), "/v1/blobs/{key}", "/v1/blobs/trail/a", "x", &["create blob"]),
        step(put(), "/v1/blobs/{key}", "/v1/blobs/trail/a", "y", &["replace blob"]),
        step(delete(), "/v1/blobs/{key}", "/v1/blobs/trail/a", "", &["delete blob"]),
        step(post(), "/v1/blobs/{key}", "/v1/blobs/trail/a/restore", "", &["restore blob"]),
        step(patch(), "/v1/blobs/{key}", "/v1/blobs/trail/a", r#"{"title": "A"}"#, &["patch blob"]),
        step(put(), "/v1/tables/{name}", "/v1/tables/trail", CSV, &["create table"]).of("text/csv"),
        step(put(), "/v1/tables/{name}", "/v1/tables/trail", CSV, &["replace table"]).of("text/csv"),
        step(patch(), "/v1/tables/{name}", "/v1/tables/trail", r#"{"title": "Trail", "columns": {"city": {"name": "town"}}}"#, &["patch table"]),
        step(patch(), "/v1/tables/{name}", "/v1/tables/trail", r#"{"columns": {"id": {"type": "text"}}}"#, &["replace table"]),
        step(post(), "/v1/tables/{name}/rows", "/v1/tables/trail/rows", "id,town\n3,Rome\n", &["append table"]).of("text/csv"),
        step(patch(), "/v1/tables/{name}/rows", "/v1/tables/trail/rows?id=eq.3", r#"{"town": "Paris"}"#, &["update-rows table"])
            .gives("change", "larder-change"),
        step(post(), "/v1/tables/{name}/changes/{id}/undo", "/v1/tables/trail/changes/{change}/undo", "", &["undo table"]),
        step(delete(), "/v1/tables/{name}/rows", "/v1/tables/trail/rows?id=eq.3", "", &["delete-rows table"]),
        step(post(), "/v1/tables/{name}/indexes", "/v1/tables/trail/indexes", r#"{"columns": ["town"]}"#, &["create-index table"]).gives("index", "/id"),
        step(delete(), "/v1/tables/{name}/indexes/{id}", "/v1/tables/trail/indexes/{index}", "", &["drop-index table"]),
        step(delete(), "/v1/tables/{name}", "/v1/tables/trail", "", &["delete table"]),
        step(post(), "/v1/tables/{name}/restore", "/v1/tables/trail/restore", "", &["restore table"]),
        step(put(), "/v1/documents/{collection}/{id}", "/v1/documents/trail/a", r#"{"a": 1}"#, &["create collection", "put document"]),
        step(delete(), "/v1/documents/{collection}/{id}", "/v1/documents/trail/a", "", &["delete document"]),
        step(post(), "/v1/documents/{collection}/{id}/restore", "/v1/documents/trail/a/restore", "", &["restore document"]),
        step(patch(), "/v1/collections/{name}", "/v1/collections/trail", r#"{"title": "A"}"#, &["patch collection"]),
        step(delete(), "/v1/collections/{name}", "/v1/collections/trail", "", &["delete collection"]),
        step(post(), "/v1/collections/{name}/restore", "/v1/collections/trail/restore", "", &["restore collection"]),
        step(post(), "/v1/principals", "/v1/principals", r#"{"name": "nightly", "kind": "program"}"#, &["create principal"]).gives("principal", "/id"),
        step(patch(), "/v1/principals/{id}", "/v1/principals/{principal}", r#"{"name": "daily"}"#, &["patch principal"]),
        step(post(), "/v1/tokens", "/v1/tokens", r#"{"name": "laptop", "principal": "daily", "scopes": ["read:**"]}"#, &["create token"]).gives("token", "/id"),
        step(patch(), "/v1/tokens/{id}", "/v1/tokens/{token}", r#"{"name": "desk"}"#, &["patch token"]),
        step(post(), "/v1/tokens/{id}/rotate", "/v1/tokens/{token}/rotate", "{}", &["rotate token"]),
        step(delete(), "/v1/tokens/{id}", "/v1/tokens/{token}", "", &["revoke token"]),
        step(delete(), "/v1/principals/{id}", "/v1/principals/{principal}", "", &["delete principal"]),
        step(post(), "/v1/shares", "/v1/shares", r#"{"target": "/v1/tables/trail"}"#, &["create share"]).gives("share", "/id"),
        step(patch(), "/v1/shares/{id}", "/v1/shares/{share}", r#"{"label": "for you"}"#, &["patch share"]),
        step(delete(), "/v1/shares/{id}", "/v1/shares/{share}", "", &["revoke share"]),
        step(post(), "/v1/shares", "/v1/shares", r#"{"target": "/v1/tables/trail"}"#, &["create share"]),
        step(delete(), "/v1/shares", "/v1/shares?target=/v1/tables/trail", "", &["revoke share"]),
        step(post(), "/v1/shares", "/v1/shares", r#"{"target": "/v1/blobs/box/", "allow": ["upload"]}"#, &["create share"]).gives("box", "/url"),
        step(put(), "/s/{token}/{path}", "{box}/a.txt", "x", &["create blob"]),
        step(post(), "/s/{token}", "{box}", FORM, &["create blob"]).of("multipart/form-data; boundary=b"),
    ]
}

/// They have tests of their own: a job has ended before this test can cancel it, and sessions need cookies.
const ELSEWHERE: [(&str, &str); 3] = [("delete", "/v1/jobs/{id}"), ("post", "/login"), ("post", "/logout")];

#[tokio::test]
async fn every_change_is_written_down_once() {
    let service = Service::start(&[]).await;
    let mut given: BTreeMap<&str, String> = BTreeMap::new();
    for (n, step) in steps().iter().enumerate() {
        let path =
            given.iter().fold(step.path.to_owned(), |path, (name, value)| path.replace(&format!("{{{name}}}"), value));
        let id = format!("trail-{n}");
        let request = service.request(step.method.clone(), &path).header("x-request-id", &id);
        let answer = request.header("content-type", step.content_type).body(step.body).send().await.unwrap();
        let (status, headers) = (answer.status(), answer.headers().clone());
        let text = answer.text().await.unwrap();
        assert!(status.is_success(), "{} {path}: {status} {text}", step.method);
        if let Some((name, at)) = step.gives {
            let value = match headers.get(at) {
                Some(header) => header.to_str().unwrap().to_owned(),
                None => serde_json::from_str::<Value>(&text).unwrap().pointer(at).unwrap().as_str().unwrap().to_owned(),
            };
            given.insert(name, value);
        }
        check(&service, &id, step).await;
    }
    assert!(service.column("select name from larder.audit where name is null or principal is null").await.is_empty());
}

/// The entries of a request are those that are expected, and what was begun has ended.
async fn check(service: &Service, request_id: &str, step: &Step) {
    let found = entries(service, request_id).await;
    let ended = found.iter().filter(|entry| entry["outcome"] != "begun");
    let told = ended.map(|entry| {
        assert_eq!(entry["outcome"], "done", "{entry}");
        format!("{} {}", entry["action"].as_str().unwrap(), entry["kind"].as_str().unwrap())
    });
    assert_eq!(told.collect::<Vec<_>>(), step.written, "{} {}", step.method, step.path);
    let begun = found.iter().filter(|entry| entry["outcome"] == "begun");
    for begun in begun {
        assert!(found.iter().any(|entry| entry["intent"] == begun["id"]), "{begun} has no end");
    }
}

#[test]
fn no_address_that_changes_something_is_left_out() {
    let reference: Value = serde_json::from_str(
        &fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/src/http/openapi.json")).unwrap(),
    )
    .unwrap();
    let paths = reference["paths"].as_object().unwrap();
    let changing = paths.iter().flat_map(|(path, item)| {
        let methods =
            item.as_object().unwrap().keys().filter(|key| ["put", "post", "patch", "delete"].contains(&key.as_str()));
        methods.map(move |method| (method.clone(), path.clone()))
    });
    let tried: BTreeSet<(String, String)> =
        steps().iter().map(|step| (step.method.as_str().to_lowercase(), step.route.to_owned())).collect();
    let elsewhere = ELSEWHERE.map(|(method, path)| (method.to_owned(), path.to_owned()));
    let missing: Vec<_> = changing.filter(|route| !tried.contains(route) && !elsewhere.contains(route)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[tokio::test]
async fn a_job_that_is_cancelled_is_written_down() {
    let service = Service::start(&[]).await;
    let body = futures::stream::iter([Ok::<_, std::io::Error>(bytes::Bytes::from_static(b"a,b\n1,2\n"))]);
    let request = service.request(Method::PUT, "/v1/tables/jobbed").header("prefer", "respond-async");
    let answer = request.body(reqwest::Body::wrap_stream(body)).send().await.unwrap();
    let job = json(answer, 202).await;
    let id = job["id"].as_str().unwrap();
    service.wait_for(&format!("select state from larder.jobs where id = '{id}'"), &["finished"]).await;
    // One that runs for ever.
    service
        .sql(&format!(
            "update larder.jobs set state = 'running', lease_until = now() + interval '1 hour' where id = '{id}'"
        ))
        .await;
    let cancelled = service.request(Method::DELETE, &format!("/v1/jobs/{id}")).header("x-request-id", "cancelled");
    json(cancelled.send().await.unwrap(), 202).await;
    let found = entries(&service, "cancelled").await;
    assert_eq!((found.len(), &found[0]["action"], &found[0]["kind"]), (1, &json!("cancel"), &json!("job")));
}
