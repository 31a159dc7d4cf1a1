//! Rows added to a table that exists.

use super::{columns, put, rows};
use crate::support::{Service, gzip, json, problem, shared};
use reqwest::{Method, Response};
use serde_json::Value;
use std::collections::BTreeMap;

async fn post(path: &str, headers: &[(&str, &str)], body: impl Into<reqwest::Body>) -> Response {
    post_to(shared(), path, headers, body).await
}

async fn post_to(larder: &Service, path: &str, headers: &[(&str, &str)], body: impl Into<reqwest::Body>) -> Response {
    let request = larder.request(Method::POST, &format!("/v1/tables/{path}"));
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    request.body(body).send().await.expect("an answer")
}

#[tokio::test]
async fn rows_are_added_behind_those_that_are_there_in_their_order() {
    let first = put("a-order", "name,n\nx,1\ny,2\n").await;
    let response = post("a-order/rows", &[], "n,name\n30,z\n4,w\n").await;
    let etag = response.headers()["etag"].to_str().unwrap().to_owned();
    let answer = json(response, 201).await;
    assert_eq!((answer["appended"].as_u64(), answer["rows"].as_u64()), (Some(2), Some(4)));
    assert_eq!((&answer["version"], &answer["id"]), (&first["version"], &first["id"]));
    assert_ne!(answer["etag"], first["etag"]);
    assert_eq!(answer["etag"], etag);
    assert_eq!(rows("a-order", "csv").await, "name,n\nx,1\ny,2\nz,30\nw,4\n");
    // A column that the rows lack is NULL; other formats and compressions go into the same columns.
    json(post("a-order/rows", &[("content-type", "application/x-ndjson")], "{\"n\":5}\n").await, 201).await;
    json(post("a-order/rows", &[], gzip(b"name\nv\n").await).await, 201).await;
    assert_eq!(rows("a-order", "csv").await, "name,n\nx,1\ny,2\nz,30\nw,4\n,5\nv,\n");
    assert_eq!(shared().text("/v1/tables/a-order/raw").await, "name,n\nx,1\ny,2\n");
    let descriptor = json(shared().get("/v1/tables/a-order").await, 200).await;
    assert_eq!(descriptor["rows"], 6);
    // The same upload again is another version now: the rows that were added are gone.
    let again = put("a-order", "name,n\nx,1\ny,2\n").await;
    assert_eq!((again["version"].as_u64(), again["rows"].as_u64()), (Some(2), Some(2)));
}

#[tokio::test]
async fn values_take_the_type_of_their_column_or_are_refused_with_their_line() {
    put("a-types", "zip,n,day\n007,1,2026-01-02\nx1,2,2026-01-03\n").await;
    let before = rows("a-types", "csv").await;
    // By itself this file would be numbers.
    json(post("a-types/rows", &[], "zip,n,day\n12345,3,2026-01-04\n").await, 201).await;
    let expected = format!("{before}12345,3,2026-01-04\n");
    assert_eq!(rows("a-types", "csv").await, expected);
    let late = format!("zip,n\n{}1,1.5\n", "1,1\n".repeat(300_000));
    for (body, line, field) in [
        ("zip,n\n1,2\n2,x\n", 3, "n"),
        ("zip,n\n1,2.5\n", 2, "n"),
        ("day\n2026-01-05\n02.01.2026\n", 3, "day"),
        (late.as_str(), 300_002, "n"),
        ("zip,other\n1,2\n", 2, "other"),
    ] {
        let refused = problem(post("a-types/rows", &[], body.to_owned()).await, 422, "malformed").await;
        assert_eq!((refused["line"].as_u64(), refused["field"].as_str()), (Some(line), Some(field)), "{refused}");
    }
    let refused = problem(post("a-types/rows", &[], "{\"n\":1}\n{\"n\":2,\"m\":1}\n").await, 422, "malformed").await;
    assert_eq!((refused["line"].as_u64(), refused["field"].as_str()), (Some(2), Some("m")), "{refused}");
    assert_eq!(rows("a-types", "csv").await, expected);
    problem(post("a-nowhere/rows", &[], "n\n1\n").await, 404, "not-found").await;
}

#[tokio::test]
async fn a_new_column_is_added_only_if_it_is_asked_for() {
    put("a-columns", "a\n1\n").await;
    problem(post("a-columns/rows", &[], "b,a\n2,3\n").await, 422, "malformed").await;
    let answer = json(post("a-columns/rows?add_columns=true", &[], "b,a,c\n0.5,3,x\n").await, 201).await;
    assert_eq!(columns(&answer), ["a:bigint", "b:numeric", "c:text"]);
    assert_eq!(rows("a-columns", "csv").await, "a,b,c\n1,,\n3,0.5,x\n");
    // Keys that only come late, and a type that its beginning does not show.
    let late = format!("{}{{\"d\":1}}\n{{\"d\":\"x\"}}\n", "{\"a\":7}\n".repeat(3));
    let answer = json(post("a-columns/rows?add_columns=true", &[], late).await, 201).await;
    assert_eq!(columns(&answer)[3], "d:json");
    let long = format!("e\n{}x\n", "1000000000000000\n".repeat(300_000));
    let answer = json(post("a-columns/rows?add_columns=true", &[], long).await, 201).await;
    assert_eq!((columns(&answer)[4].as_str(), answer["appended"].as_u64()), ("e:text", Some(300_001)));
}

#[tokio::test]
async fn a_condition_guards_the_revision_that_was_read() {
    let first = put("a-if", "a\n1\n").await;
    let etag = first["etag"].as_str().unwrap();
    let second = json(post("a-if/rows", &[("if-match", etag)], "a\n2\n").await, 201).await;
    problem(post("a-if/rows", &[("if-match", etag)], "a\n3\n").await, 412, "precondition-failed").await;
    let third = json(post("a-if/rows", &[("if-match", second["etag"].as_str().unwrap())], "a\n3\n").await, 201).await;
    assert_eq!(third["rows"], 3);
    assert_eq!(rows("a-if", "csv").await, "a\n1\n2\n3\n");
}

#[tokio::test]
async fn older_versions_stay_readable_with_their_own_rows() {
    let larder = shared();
    put("a-versions", "a\n1\n").await;
    json(post("a-versions/rows", &[], "a\n2\n").await, 201).await;
    let first = json(larder.get("/v1/tables/a-versions").await, 200).await;
    put("a-versions", "a,b\n3,x\n").await;
    assert_eq!(larder.text("/v1/tables/a-versions/rows.csv?version=1").await, "a\n1\n2\n");
    assert_eq!(larder.text("/v1/tables/a-versions/rows?version=1&select=a&limit=1").await, "[\n{\"a\":1}\n]\n");
    assert_eq!(larder.text("/v1/tables/a-versions/raw?version=1").await, "a\n1\n");
    let old = json(larder.get("/v1/tables/a-versions?version=1").await, 200).await;
    assert_eq!((&old["etag"], &old["columns"], &old["rows"]), (&first["etag"], &first["columns"], &first["rows"]));
    let list = json(larder.get("/v1/tables/a-versions/versions").await, 200).await;
    let list = list["versions"].as_array().unwrap();
    let shown: Vec<_> =
        list.iter().map(|one| (one["version"].as_u64(), one["rows"].as_u64(), one["current"].as_bool())).collect();
    assert_eq!(shown, [(Some(2), Some(1), Some(true)), (Some(1), Some(2), Some(false))]);
    assert_eq!(list[1]["etag"], old["etag"]);
    for path in ["?version=3", "/rows?version=3", "/rows.csv?version=0", "/raw?version=-1"] {
        problem(larder.get(&format!("/v1/tables/a-versions{path}")).await, 404, "not-found").await;
    }
    problem(larder.get("/v1/tables/a-nowhere/versions").await, 404, "not-found").await;
    // The third version makes the first garbage.
    put("a-versions", "a\n4\n").await;
    problem(larder.get("/v1/tables/a-versions/rows.csv?version=1").await, 404, "not-found").await;
}

/// Whatever order they come in, every row that was acknowledged is there once, unless its version was replaced after it.
#[tokio::test]
async fn appends_and_replaces_at_once_lose_nothing_and_double_nothing() {
    put("a-race", "who,n\nstart,0\n").await;
    let appends = (0..8).map(|who| async move {
        let mut acknowledged = Vec::new();
        for round in 0..6 {
            let body = format!("who,n\n{}", format!("w{who},{round}\n").repeat(50));
            let answer = json(post("a-race/rows", &[], body).await, 201).await;
            assert_eq!(answer["appended"], 50);
            acknowledged.push((format!("w{who},{round}"), answer["version"].as_i64().unwrap()));
        }
        acknowledged
    });
    let replaces = async {
        let mut versions = Vec::new();
        for round in 0..4 {
            // The columns swap places, so the rows must be matched anew.
            let body = if round % 2 == 0 { format!("n,who\n{round},put\n") } else { format!("who,n\nput,{round}\n") };
            versions.push(put("a-race", body).await["version"].as_i64().unwrap());
        }
        versions
    };
    let (acknowledged, versions) = tokio::join!(futures::future::join_all(appends), replaces);
    let last = *versions.last().unwrap();
    let csv = shared().text("/v1/tables/a-race/rows.csv?select=who,n").await;
    let mut found: BTreeMap<&str, usize> = BTreeMap::new();
    for line in csv.lines().skip(1) {
        *found.entry(line).or_default() += 1;
    }
    for (row, version) in acknowledged.iter().flatten() {
        let wanted = if *version == last { Some(50) } else { None };
        assert_eq!(found.get(row.as_str()).copied(), wanted, "{row} of version {version}, the last being {last}");
    }
    let descriptor = json(shared().get("/v1/tables/a-race").await, 200).await;
    assert_eq!(descriptor["rows"].as_u64().unwrap() as usize, csv.lines().count() - 1);
}

#[tokio::test]
async fn readers_see_all_rows_of_an_append_or_none() {
    put("a-readers", "a\n").await;
    let body = format!("a\n{}", "1\n".repeat(500));
    let writer = async {
        for _ in 0..15 {
            json(post("a-readers/rows", &[], body.clone()).await, 201).await;
        }
    };
    let (done, ended) = tokio::sync::watch::channel(false);
    let reader = tokio::spawn(async move {
        let mut seen = BTreeMap::new();
        while !*ended.borrow() {
            let answer = shared().get("/v1/tables/a-readers/rows.csv").await;
            let etag = answer.headers()["etag"].to_str().unwrap().to_owned();
            let count = answer.text().await.unwrap().lines().count() - 1;
            assert_eq!(count % 500, 0);
            // An ETag stands for one state, whatever came between the look at the catalogue and the rows.
            let before = *seen.entry(etag.clone()).or_insert(count);
            assert_eq!(count, before, "{etag} stands for two states");
        }
    });
    writer.await;
    done.send(true).unwrap();
    reader.await.unwrap();
    assert_eq!(rows("a-readers", "csv").await.lines().count(), 15 * 500 + 1);
}

#[tokio::test]
async fn the_same_idempotency_key_appends_once() {
    put("a-key", "a\n1\n").await;
    let key = [("idempotency-key", "a-key-1")];
    let first = post("a-key/rows", &key, "a\n2\n").await;
    assert!(!first.headers().contains_key("idempotency-replayed"));
    let first = json(first, 201).await;
    json(post("a-key/rows", &[], "a\n3\n").await, 201).await;
    let again = post("a-key/rows", &key, "a\n2\n").await;
    assert_eq!(again.headers()["idempotency-replayed"], "true");
    assert_eq!(json(again, 201).await, first);
    assert_eq!(rows("a-key", "csv").await, "a\n1\n2\n3\n");
    problem(post("a-key/rows", &key, "a\n4\n").await, 422, "idempotency-mismatch").await;
    problem(post("a-key/rows?add_columns=true", &key, "a\n2\n").await, 422, "idempotency-mismatch").await;
    // A request that failed is done anew.
    let other = [("idempotency-key", "a-key-2")];
    problem(post("a-key/rows", &other, "a\nx\n").await, 422, "malformed").await;
    json(post("a-key/rows", &other, "a\n5\n").await, 201).await;
    problem(post("a-key/rows", &[("idempotency-key", "")], "a\n5\n").await, 400, "bad-request").await;
    assert_eq!(rows("a-key", "csv").await, "a\n1\n2\n3\n5\n");
    // Many at once: one is done, the others are told to come back or get its answer.
    let many = (0..6)
        .map(|_| async { post("a-key/rows", &[("idempotency-key", "a-key-3")], "a\n6\n").await.status().as_u16() });
    let statuses = futures::future::join_all(many).await;
    assert!(statuses.contains(&201) && statuses.iter().all(|status| matches!(status, 201 | 409)), "{statuses:?}");
    assert_eq!(rows("a-key", "csv").await, "a\n1\n2\n3\n5\n6\n");
    let answers: Vec<Value> = futures::future::join_all(
        (0..2)
            .map(|_| async { json(post("a-key/rows", &[("idempotency-key", "a-key-3")], "a\n6\n").await, 201).await }),
    )
    .await;
    assert_eq!(answers[0], answers[1]);
}
