//! Who sees a dataset: its team, its owner and admins, or everybody.

use super::people::{Holder, principal, text};
use crate::support::{Service, json, problem, shared};
use reqwest::{Method, Response};
use serde_json::{Value, json};

/// The three kinds of datasets: where each is put, described and read.
fn kinds(name: &str) -> [(String, String, String); 3] {
    [
        (format!("/v1/blobs/{name}"), format!("/v1/blobs/{name}"), format!("/v1/blobs/{name}")),
        (format!("/v1/tables/{name}"), format!("/v1/tables/{name}"), format!("/v1/tables/{name}/rows.csv")),
        (format!("/v1/documents/{name}/a"), format!("/v1/collections/{name}"), format!("/v1/documents/{name}/a")),
    ]
}

const BODY: &str = "{\"a\":1}\n";

async fn patch(holder: &Holder<'_>, path: &str, body: &Value) -> Response {
    holder.send(Method::PATCH, path, body).await
}

#[tokio::test]
async fn the_owner_says_who_sees_a_dataset_and_whoever_writes_what_it_is_called() {
    let larder = shared();
    let (ada, eve) = (principal(larder, "ada").await, principal(larder, "eve").await);
    for (put, described, read) in kinds("seen-by") {
        json(ada.put(&put, BODY).await, 201).await;
        let descriptor = described.replacen("/v1/blobs/seen-by", "/v1/blobs/seen-by?descriptor", 1);
        let before = json(larder.get(&descriptor).await, 200).await;
        assert_eq!(before["visibility"], "team");
        let titled = json(patch(&eve, &described, &json!({ "title": "Ünser" })).await, 200).await;
        assert_eq!(
            (&titled["title"], &titled["etag"], &titled["version"]),
            (&json!("Ünser"), &before["etag"], &before["version"])
        );
        problem(patch(&eve, &described, &json!({ "visibility": "private" })).await, 403, "forbidden").await;
        let narrow = ada.scoped(&["read:**"]).await;
        problem(patch(&narrow, &described, &json!({ "title": "x" })).await, 403, "scope-needed").await;
        problem(patch(&narrow, &described, &json!({ "visibility": "private" })).await, 403, "scope-needed").await;

        let private =
            json(patch(&ada, &described, &json!({ "visibility": "private", "title": "Mine" })).await, 200).await;
        assert_eq!(
            (&private["visibility"], &private["title"], &private["id"]),
            (&json!("private"), &json!("Mine"), &before["id"])
        );
        for path in [&read, &described, &put] {
            assert_eq!(eve.get(path).await.status(), 404, "{path}");
        }
        problem(patch(&eve, &described, &json!({ "title": "x" })).await, 404, "not-found").await;
        assert_eq!(ada.get(&read).await.status(), 200);
        assert_eq!(larder.get(&read).await.status(), 200, "an admin sees all");
        // An admin gives it back to the team.
        let answer =
            larder.request(Method::PATCH, &described).json(&json!({ "visibility": "team" })).send().await.unwrap();
        json(answer, 200).await;
        assert_eq!(eve.get(&read).await.status(), 200);

        for (body, parameter) in [
            (json!({ "visibility": "public" }), "visibility"),
            (json!({ "title": " " }), "title"),
            (json!({ "title": "x".repeat(1001) }), "title"),
            (json!({ "visibility": "secret" }), "body"),
            (json!({ "owner": "eve" }), "body"),
        ] {
            let refused = problem(patch(&ada, &described, &body).await, 400, "bad-request").await;
            assert_eq!(refused["parameter"], parameter, "{body}");
        }
        let large = patch(&ada, &described, &json!({ "title": "x".repeat(2 << 20) })).await;
        problem(large, 413, "request-too-large").await;
    }
    let stale =
        ada.request(Method::PATCH, "/v1/blobs/seen-by").header("if-match", "\"x.0\"").json(&json!({ "title": "x" }));
    problem(stale.send().await.unwrap(), 412, "precondition-failed").await;
    problem(patch(&ada, "/v1/blobs/seen-by-nobody", &json!({ "title": "x" })).await, 404, "not-found").await;
}

#[tokio::test]
async fn what_is_public_is_read_without_a_token_and_nothing_else_is() {
    let larder = Service::start(&["--public-datasets", "true", "--token-cache-seconds", "0"]).await;
    let refused = async |method: Method, path: &str| {
        let answer = larder.anonymous(method.clone(), path).body("x").send().await.unwrap();
        let mut headers: Vec<_> = answer.headers().iter().map(|(name, value)| format!("{name}: {value:?}")).collect();
        headers.retain(|header| !header.starts_with("x-request-id") && !header.starts_with("date"));
        headers.sort();
        let mut problem = problem(answer, 401, "unauthenticated").await;
        problem["request_id"] = Value::Null;
        (headers, problem)
    };
    for (put, described, _) in kinds("open") {
        json(larder.put(&put, BODY).await, 201).await;
        let body = json!({ "visibility": "public" });
        json(larder.request(Method::PATCH, &described).json(&body).send().await.unwrap(), 200).await;
    }
    for (put, ..) in kinds("closed") {
        json(larder.put(&put, BODY).await, 201).await;
    }
    let reference = refused(Method::GET, "/v1/tables/closed").await;
    for path in [
        "/v1/blobs/{}",
        "/v1/blobs/{}?descriptor",
        "/v1/tables/{}",
        "/v1/tables/{}/rows",
        "/v1/tables/{}/rows?select=a&limit=1",
        "/v1/tables/{}/rows.csv",
        "/v1/tables/{}/raw",
        "/v1/tables/{}/stats",
        "/v1/tables/{}/versions",
        "/v1/documents/{}",
        "/v1/documents/{}/a",
        "/v1/collections/{}",
    ] {
        let get = |name: &str| larder.anonymous(Method::GET, &path.replace("{}", name)).send();
        assert_eq!(get("open").await.unwrap().status(), 200, "{path}");
        let head = larder.anonymous(Method::HEAD, &path.replace("{}", "open")).send().await.unwrap();
        assert_eq!(head.status(), 200, "HEAD {path}");
        for name in ["closed", "absent"] {
            assert_eq!(refused(Method::GET, &path.replace("{}", name)).await, reference, "{path}");
        }
        // Whoever sends a token is asked for a valid one.
        let wrong = larder.anonymous(Method::GET, &path.replace("{}", "open")).bearer_auth("larder_wrong").send().await;
        assert_eq!(wrong.unwrap().status(), 401, "{path}");
    }
    for (method, path) in [
        (Method::GET, "/v1/tables/open/changes"),
        (Method::GET, "/v1/tables/open/indexes"),
        (Method::PUT, "/v1/blobs/open"),
        (Method::DELETE, "/v1/blobs/open"),
        (Method::PATCH, "/v1/tables/open"),
        (Method::POST, "/v1/tables/open/rows"),
        (Method::GET, "/v1/datasets"),
        (Method::GET, "/v1/blobs"),
        (Method::GET, "/v1/tokens"),
    ] {
        assert_eq!(refused(method, path).await, reference, "{path}");
    }
    // Others find it like what is the team's, and only where their scopes reach.
    let ada = principal(&larder, "ada").await;
    assert_eq!(ada.get("/v1/tables/open").await.status(), 200);
    assert_eq!(ada.scoped(&["read:blobs/**"]).await.get("/v1/tables/open").await.status(), 404);
    // A replica where it is not permitted shows it to nobody without a token.
    let strict = larder.replica(&[]).await;
    assert_eq!(strict.anonymous(Method::GET, "/v1/tables/open").send().await.unwrap().status(), 401);
    let body = json!({ "visibility": "team" });
    json(larder.request(Method::PATCH, "/v1/tables/open").json(&body).send().await.unwrap(), 200).await;
    assert_eq!(refused(Method::GET, "/v1/tables/open").await, reference);
}

#[tokio::test]
async fn an_upload_makes_a_link_only_by_a_token_that_may_share() {
    let ada = principal(shared(), "ada").await;
    let writer = ada.scoped(&["write:**"]).await;
    let sharer = ada.scoped(&["write:**", "share:tables/linked", "share:blobs/linked", "share:documents/linked"]).await;
    for (put, ..) in kinds("linked") {
        let refused = problem(writer.put(&format!("{put}?share=1d"), BODY).await, 403, "scope-needed").await;
        assert!(
            text(&refused, "scope").starts_with("share:") && text(&refused, "scope").ends_with("/linked"),
            "{refused}"
        );
        assert_eq!(ada.get(&put).await.status(), 404, "nothing was stored");
        let made = json(sharer.put(&format!("{put}?share=1d"), BODY).await, 201).await;
        assert!(made["links"]["share"].is_string());
    }
    for path in ["/linked-smart.csv?share=1d", "/linked-smart.png?share=1d", "/linked-smart.json?share=1d"] {
        problem(writer.put(path, "{\"a\":1}").await, 403, "scope-needed").await;
        problem(ada.scoped(&["read:**"]).await.put(path, "{\"a\":1}").await, 403, "scope-needed").await;
    }
}
