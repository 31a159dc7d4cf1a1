//! Whose name it is, and which names nobody can have.

use crate::support::{json, problem, shared};
use serde_json::{Value, json};

#[tokio::test]
async fn a_file_replaces_only_what_was_made_from_it() {
    let larder = shared();
    for (first, second, kind, free, body) in [
        ("/Taken.csv", "/taken.tsv", "tables", "taken-2", "a\n1\n"),
        ("/taken/a.json", "/other/a.json", "documents", "inbox/a-2", "{\"taken\":1}"),
        ("/taken-b.bin?name=taken/b.bin", "/taken/b.bin", "blobs", "taken/b-2.bin", "x"),
    ] {
        let made = json(larder.put(first, body).await, 201).await;
        let again = json(larder.put(first, body).await, 200).await;
        assert_eq!(again["etag"], made["etag"], "the same file");
        let taken = problem(larder.put(second, body).await, 409, "name-taken").await;
        assert_eq!(taken["free"], free, "{kind}");
        let detail = taken["detail"].as_str().unwrap();
        assert!(detail.contains("?replace=true") && detail.contains(free), "{detail}");
        assert_eq!(larder.put(&format!("{second}?replace=false"), body).await.status(), 409);
        json(larder.put(&format!("{second}?name={free}"), body).await, 201).await;
        let taken = problem(larder.put(second, body).await, 409, "name-taken").await;
        assert_eq!(taken["free"], free.replace("-2", "-3"), "{kind}");
        let replaced = json(larder.put(&format!("{second}?replace=true"), body).await, 200).await;
        assert_eq!(replaced["id"], made["id"]);
    }
}

#[tokio::test]
async fn anothers_file_of_the_same_name_is_not_replaced() {
    let larder = shared();
    let (one, other) = (larder.person().await, larder.person().await);
    for (path, body, same) in
        [("/twins.csv", "a\n1\n", "a\n2\n"), ("/twins.json", "{\"a\":1}", "{\"a\":2}"), ("/twins.png", "1", "2")]
    {
        json(one.put(path, body).await, 201).await;
        let taken = problem(other.put(path, same).await, 409, "name-taken").await;
        assert!(taken["free"].is_string(), "{path}");
        json(one.put(path, same).await, 200).await;
        json(other.put(&format!("{path}?replace=true"), body).await, 200).await;
    }
}

#[tokio::test]
async fn names_that_routes_use_are_reserved() {
    let larder = shared();
    for path in [
        "/v1/x.png",
        "/v1/nothing/x",
        "/s/x.png",
        "/s/a/b/c.png",
        "/health",
        "/health/live",
        "/metrics",
        "/problems",
        "/problems/not-found",
        "/openapi.json",
        "/login",
        "/datasets/x",
        "/assets/logo.svg",
        "/x.png?name=s/x.png",
        "/x.png?name=larder-objects/x.png",
        "/x.csv?name=v1",
    ] {
        let reserved = problem(larder.put(path, "a\n1\n").await, 409, "name-reserved").await;
        assert!(reserved["detail"].as_str().unwrap().contains("?name="), "{path}");
    }
    for path in ["/v1.png", "/health.csv", "/reserved/v1/s/x.png", "/openapi.json?name=reserved-reference"] {
        let answer = larder.put(path, "a\n1\n").await;
        if path.starts_with("/openapi") {
            // The route knows no PUT; nobody needs it to.
            assert_eq!(answer.status(), 409);
        } else {
            json(answer, 201).await;
        }
    }
}

#[tokio::test]
async fn a_name_that_cannot_be_is_refused_by_its_kind() {
    let larder = shared();
    for (path, body) in [
        ("/%E6%95%B0%E6%8D%AE.csv", "a\n1\n"),
        ("/---.csv", "a\n1\n"),
        ("/x.csv?name=Upper", "a\n1\n"),
        ("/x.csv?name=a/b", "a\n1\n"),
        ("/x.csv?name=", "a\n1\n"),
        ("/x.png?name=", "x"),
        ("/x.png?name=a//b", "x"),
        ("/x.png?name=a/%2E%2E/b", "x"),
        ("/a//b.png", "x"),
        ("/x.json?name=a/b/c", "{}"),
        ("/x.json?name=Upper/x", "{}"),
        ("/x.json?name=people/", "{}"),
        ("/x.json?name=people/..", "{}"),
    ] {
        problem(larder.put(path, body).await, 400, "bad-name").await;
    }
}

#[tokio::test]
async fn conditions_hold_for_smart_uploads_too() {
    let larder = shared();
    for (path, body) in [("/conditional.csv", "a\n1\n"), ("/conditional.json", "{\"a\":1}"), ("/conditional.png", "x")]
    {
        let put = |name: &'static str, value: String| {
            larder.request(reqwest::Method::PUT, path).header(name, value).body(body).send()
        };
        problem(put("if-match", "*".to_owned()).await.unwrap(), 412, "precondition-failed").await;
        let made: Value = json(put("if-none-match", "*".to_owned()).await.unwrap(), 201).await;
        problem(put("if-none-match", "*".to_owned()).await.unwrap(), 412, "precondition-failed").await;
        problem(put("if-match", "\"x\"".to_owned()).await.unwrap(), 412, "precondition-failed").await;
        let etag = made["etag"].as_str().unwrap().to_owned();
        assert_eq!(json(put("if-match", etag).await.unwrap(), 200).await["etag"], json!(made["etag"]));
    }
}
