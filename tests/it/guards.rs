//! Rates, waits after wrong secrets, and quotas.

use crate::support::{Service, json, problem};
use futures::future::join_all;
use reqwest::{Method, Response};
use serde_json::json;

/// Sends so many at once that they cannot take as long as the bucket needs to fill.
async fn at_once(count: usize, request: impl Fn() -> reqwest::RequestBuilder) -> Vec<Response> {
    join_all((0..count).map(|_| async { request().send().await.unwrap() })).await
}

/// Of the answers those that are refused; at least as many are not as the bucket holds.
fn refused(answers: Vec<Response>, holds: usize, status: u16) -> Vec<Response> {
    let (refused, others): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status() == 429);
    assert!(others.len() >= holds && others.iter().all(|answer| answer.status() == status), "{}", others.len());
    assert!(!refused.is_empty());
    refused
}

#[tokio::test]
async fn a_token_that_asks_too_often_is_told_to_wait_and_no_other() {
    let service = Service::start(&["--requests-per-second-max", "1"]).await;
    let person = service.person().await;
    let first = person.get("/v1/blobs").await;
    assert_eq!(first.headers()["ratelimit-policy"], "\"token\";q=10;w=10");
    assert_eq!(first.headers()["ratelimit"], "\"token\";r=9;t=1");
    let answers = at_once(200, || person.request(Method::GET, "/v1/blobs")).await;
    for answer in refused(answers, 9, 200) {
        assert_eq!(answer.headers()["retry-after"], "1");
        assert_eq!(answer.headers()["ratelimit-policy"], "\"token\";q=10;w=10");
        assert!(answer.headers()["ratelimit"].to_str().unwrap().starts_with("\"token\";r=0;t="));
        let told = problem(answer, 429, "too-many-requests").await;
        assert_eq!((&told["setting"], &told["limit"]), (&json!("LARDER_REQUESTS_PER_SECOND_MAX"), &json!(1)));
    }
    assert_eq!(service.get("/v1/blobs").await.status(), 200);
    let off = Service::start(&["--requests-per-second-max", "0"]).await;
    assert!(!off.get("/v1/blobs").await.headers().contains_key("ratelimit"));
}

#[tokio::test]
async fn an_address_that_asks_too_often_is_told_to_wait_whatever_it_asks_of_a_store() {
    let service = Service::start(&["--address-requests-per-second-max", "1", "--trusted-proxies", "127.0.0.1"]).await;
    let from = |address: &'static str| service.anonymous(Method::GET, "/s/unknown").header("x-forwarded-for", address);
    for answer in refused(at_once(200, || from("198.51.100.1")).await, 10, 404) {
        let told = problem(answer, 429, "too-many-requests").await;
        assert_eq!(told["setting"], "LARDER_ADDRESS_REQUESTS_PER_SECOND_MAX");
    }
    assert_eq!(from("198.51.100.2").send().await.unwrap().status(), 404, "another address");
    // The page that tells who is signed in asks the database too.
    let home = || {
        service
            .anonymous(Method::GET, "/")
            .header("x-forwarded-for", "198.51.100.3")
            .header("cookie", "larder-session=x")
    };
    for answer in refused(at_once(200, home).await, 10, 200) {
        problem(answer, 429, "too-many-requests").await;
    }
    let live = service.anonymous(Method::GET, "/health/live").header("x-forwarded-for", "198.51.100.1");
    assert_eq!(live.send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn wrong_tokens_wait_and_a_valid_one_from_the_same_address_does_not() {
    let service = Service::start(&["--wrong-tokens-per-second-max", "1"]).await;
    let wrong = || service.anonymous(Method::GET, "/v1/blobs").bearer_auth("wrong");
    for answer in refused(at_once(400, wrong).await, 60, 401) {
        assert_eq!(answer.headers()["retry-after"], "1");
        problem(answer, 429, "too-many-attempts").await;
    }
    assert_eq!(service.get("/v1/blobs").await.status(), 200);
}

#[tokio::test]
async fn after_wrong_passwords_of_a_link_nobody_learns_which_is_right() {
    let service = Service::start(&["--wrong-passwords-max", "1", "--trusted-proxies", "127.0.0.1"]).await;
    json(service.put("/v1/blobs/locked", "x").await, 201).await;
    let new = json!({ "target": "/v1/blobs/locked", "password": "the right one" });
    let share = json(service.post("/v1/shares", &new).await, 201).await;
    let link = share["url"].as_str().unwrap();
    let by = |address: &'static str, password: &'static str| {
        let request = service.anonymous(Method::HEAD, link).header("x-forwarded-for", address);
        async move { request.basic_auth("", Some(password)).send().await.unwrap() }
    };
    // Each wrong one that is looked at doubles the wait: soon it is longer than a request takes.
    let mut looked_at = 0;
    while by("198.51.100.1", "a wrong one").await.status() == 401 {
        looked_at += 1;
        assert!(looked_at < 20, "no wrong password has to wait");
    }
    let right = by("198.51.100.1", "the right one").await;
    assert_eq!(right.status(), 429);
    assert!(right.headers()["retry-after"].to_str().unwrap().parse::<u64>().unwrap() >= 1);
    assert_eq!(by("198.51.100.2", "the right one").await.status(), 200, "another address");
}

#[tokio::test]
async fn what_a_principal_owns_is_bounded_by_number_and_by_bytes() {
    let service = Service::start(&["--principal-datasets-max", "2", "--principal-bytes-max", "20"]).await;
    json(service.put("/v1/blobs/a", "0123456789").await, 201).await;
    json(service.put("/v1/tables/b", "x\n1\n2\n").await, 201).await;
    let told = problem(service.put("/v1/blobs/c", "x").await, 429, "quota-datasets").await;
    assert_eq!((&told["limit"], &told["current"]), (&json!(2), &json!(3)));
    problem(service.put("/v1/documents/c/d", "{}").await, 429, "quota-datasets").await;
    let told = problem(service.put("/v1/blobs/a", "01234567890").await, 413, "quota-bytes").await;
    assert_eq!((&told["limit"], &told["setting"]), (&json!(20), &json!("LARDER_PRINCIPAL_BYTES_MAX")));
    assert_eq!(service.text("/v1/blobs/a").await, "0123456789", "nothing was changed");
    let append = service.request(Method::POST, "/v1/tables/b/rows").body("x\n3\n4\n");
    problem(append.send().await.unwrap(), 413, "quota-bytes").await;
    assert_eq!(service.text("/v1/tables/b/rows.csv").await, "x\n1\n2\n");
    // Another's are another's.
    let person = service.person().await;
    json(person.put("/v1/blobs/d", "0123456789").await, 201).await;
    assert_eq!(service.delete("/v1/blobs/a").await.status(), 204);
    json(service.put("/v1/blobs/c", "x").await, 201).await;
}

/// What a service counts of the documents in a collection, once all that has been written is told.
async fn document_bytes(service: &Service, name: &str) -> Vec<String> {
    service.app.documents.flush().await.unwrap();
    service
        .column(&format!("select document_bytes from larder.datasets where name = '{name}' and kind = 'collection'"))
        .await
}

#[tokio::test]
async fn documents_count_with_every_write_and_are_refused_beyond_the_limit() {
    let service = Service::start(&["--principal-bytes-max", "40"]).await;
    let put = async |id: &str, body: &str| service.put(&format!("/v1/documents/c/{id}"), body.to_owned()).await;
    json(put("a", r#"{ "n": 1 }"#).await, 201).await;
    json(put("b", r#"{"n":"0123456789"}"#).await, 201).await;
    // As they are read, not as they came.
    assert_eq!(document_bytes(&service, "c").await, ["25"]);
    json(put("a", r#"{"n":1}"#).await, 200).await;
    json(put("a", r#"{"n":12}"#).await, 200).await;
    assert_eq!(document_bytes(&service, "c").await, ["26"]);
    let told = problem(put("c", r#"{"n":"0123456789"}"#).await, 413, "quota-bytes").await;
    assert_eq!((&told["limit"], &told["current"]), (&json!(40), &json!(44)));
    problem(put("a", r#"{"n":"0123456789 0123456789"}"#).await, 413, "quota-bytes").await;
    assert_eq!(service.text("/v1/documents/c/a").await, r#"{"n":12}"#, "nothing was changed");
    assert_eq!(service.get("/v1/documents/c/c").await.status(), 404);
    // What is smaller than before may always be written.
    json(put("b", r#"{"n":"01"}"#).await, 200).await;
    assert_eq!(document_bytes(&service, "c").await, ["18"]);
    // Blobs and documents count together.
    problem(service.put("/v1/blobs/x", "0123456789 0123456789 01").await, 413, "quota-bytes").await;
    problem(service.put("/v1/blobs/x", "0123456789 0123456789 0").await, 413, "quota-bytes").await;
    json(service.put("/v1/blobs/x", "0123456789 0123456789").await, 201).await;
    // Another replica counts in the same sums.
    let other = service.replica(&["--principal-bytes-max", "40"]).await;
    problem(other.put("/v1/documents/c/d", r#"{"n":1}"#).await, 413, "quota-bytes").await;
}

#[tokio::test]
async fn what_is_deleted_counts_no_more_and_comes_back_only_where_there_is_room() {
    let service = Service::start(&["--principal-bytes-max", "40", "--principal-datasets-max", "2"]).await;
    let restore = async |path: &str| service.request(Method::POST, &format!("{path}/restore")).send().await.unwrap();
    let large = r#"{"n":"0123456789 0123456789"}"#;
    json(service.put("/v1/documents/c/a", large).await, 201).await;
    assert_eq!(service.delete("/v1/documents/c/a").await.status(), 204);
    assert_eq!(document_bytes(&service, "c").await, ["0"]);
    json(service.put("/v1/documents/c/b", large).await, 201).await;
    problem(restore("/v1/documents/c/a").await, 413, "quota-bytes").await;
    assert_eq!(service.get("/v1/documents/c/a").await.status(), 404);
    assert_eq!(service.delete("/v1/documents/c/b").await.status(), 204);
    json(restore("/v1/documents/c/a").await, 200).await;
    assert_eq!(document_bytes(&service, "c").await, ["29"]);
    // A whole collection, and a blob, are asked the same.
    assert_eq!(service.delete("/v1/collections/c").await.status(), 204);
    json(service.put("/v1/blobs/x", "0123456789 0123456789").await, 201).await;
    problem(restore("/v1/collections/c").await, 413, "quota-bytes").await;
    assert_eq!(service.get("/v1/collections/c").await.status(), 404);
    assert_eq!(service.delete("/v1/blobs/x").await.status(), 204);
    json(restore("/v1/collections/c").await, 200).await;
    problem(restore("/v1/blobs/x").await, 413, "quota-bytes").await;
    json(service.put("/v1/blobs/y", "x").await, 201).await;
    assert_eq!(service.delete("/v1/collections/c").await.status(), 204);
    json(service.put("/v1/blobs/z", "x").await, 201).await;
    problem(restore("/v1/blobs/x").await, 429, "quota-datasets").await;
    assert_eq!(service.get("/v1/blobs/x").await.status(), 404);
}
