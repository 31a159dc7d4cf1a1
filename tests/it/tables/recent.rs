//! Pages of a table that was read a moment ago: whatever changes, by whichever replica, shows at once.

use super::put;
use crate::support::{json as answer, problem, shared};
use reqwest::{Method, header::ETAG};
use serde_json::json;

#[tokio::test]
async fn a_page_never_shows_what_the_table_was() {
    let one = shared();
    let two = one.replica(&[]).await;
    let path = "/v1/tables/recent/rows.csv?limit=2";
    let mut etags = Vec::new();
    // Twice each, so that the second one is of a table that was seen before.
    let mut read = async || {
        let mut bodies = Vec::new();
        for replica in [one, &two, one, &two] {
            let page = replica.get(path).await;
            assert_eq!(page.status(), 200);
            etags.push(page.headers()[ETAG].clone());
            bodies.push(page.text().await.unwrap());
        }
        bodies.dedup();
        etags.dedup();
        bodies
    };
    put("recent", "a\n1\n").await;
    assert_eq!(read().await, ["a\n1\n"]);
    put("recent", "a,b\n2,x\n").await;
    assert_eq!(read().await, ["a,b\n2,x\n"]);
    let appended =
        two.request(Method::POST, "/v1/tables/recent/rows").header("content-type", "text/csv").body("a,b\n3,y\n");
    answer(appended.send().await.unwrap(), 201).await;
    assert_eq!(read().await, ["a,b\n2,x\n3,y\n"]);
    let changed = two.request(Method::PATCH, "/v1/tables/recent/rows?a=eq.3").json(&json!({ "b": "z" }));
    assert_eq!(changed.send().await.unwrap().status(), 204);
    assert_eq!(read().await, ["a,b\n2,x\n3,z\n"]);
    let renamed = two.request(Method::PATCH, "/v1/tables/recent").json(&json!({ "columns": { "b": { "name": "c" } } }));
    answer(renamed.send().await.unwrap(), 200).await;
    assert_eq!(read().await, ["a,c\n2,x\n3,z\n"]);
    assert_eq!(etags.len(), 5, "{etags:?}");
    for replica in [one, &two] {
        problem(replica.get("/v1/tables/recent/rows?limit=2&select=b").await, 400, "bad-request").await;
    }

    assert_eq!(two.delete("/v1/tables/recent").await.status(), 204);
    for replica in [one, &two] {
        problem(replica.get(path).await, 404, "not-found").await;
    }
    put("recent", "d\n4\n").await;
    assert_eq!(one.text(path).await, "d\n4\n");
    assert_eq!(two.text(path).await, "d\n4\n");
}

#[tokio::test]
async fn an_empty_page_is_the_current_one_too() {
    let one = shared();
    let two = one.replica(&[]).await;
    put("recent-empty", "a\n1\n").await;
    let path = "/v1/tables/recent-empty/rows.csv?a=gt.1&limit=2";
    for _ in 0..2 {
        assert_eq!(one.text(path).await, "a\n");
    }
    let appended =
        two.request(Method::POST, "/v1/tables/recent-empty/rows").header("content-type", "text/csv").body("a\n3\n");
    answer(appended.send().await.unwrap(), 201).await;
    assert_eq!(one.text(path).await, "a\n3\n");
    put("recent-empty", "b\n5\n").await;
    problem(one.get(path).await, 400, "bad-request").await;
}

#[tokio::test]
async fn who_may_no_longer_read_a_table_is_given_no_page_of_it() {
    let one = shared();
    let two = one.replica(&[]).await;
    let bob = one.person().await;
    let bobs = [&bob, &bob.on(&two)];
    put("recent-private", "a\n1\n").await;
    let path = "/v1/tables/recent-private/rows.csv?limit=2";
    let read = async || {
        let mut statuses = Vec::new();
        for bob in bobs.iter().chain(&bobs) {
            statuses.push(bob.get(path).await.status().as_u16());
        }
        statuses
    };
    assert_eq!(read().await, [200; 4]);
    let hidden = two.request(Method::PATCH, "/v1/tables/recent-private").json(&json!({ "visibility": "private" }));
    answer(hidden.send().await.unwrap(), 200).await;
    assert_eq!(read().await, [404; 4]);
}
