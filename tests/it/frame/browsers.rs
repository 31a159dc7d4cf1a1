//! What a browser may do with us: other sites' writes, users' bytes on our origin, other origins' pages.

use crate::support::{json, problem, shared};
use reqwest::{Method, Response};
use serde_json::json;

fn header<'a>(answer: &'a Response, name: &str) -> &'a str {
    answer.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

#[tokio::test]
async fn another_sites_page_writes_only_with_a_bearer_token() {
    let larder = shared();
    let put = async |site: &str, bearer: bool| {
        let request = larder.anonymous(Method::PUT, "/v1/blobs/browsers/guarded").header("sec-fetch-site", site);
        let request = match bearer {
            true => request.bearer_auth(&larder.token),
            false => request.basic_auth("me", Some(&larder.token)),
        };
        request.body("x").send().await.unwrap()
    };
    for site in ["cross-site", "same-site", "whatever comes next"] {
        problem(put(site, false).await, 403, "forbidden").await;
        assert!(put(site, true).await.status().is_success(), "{site}");
    }
    for site in ["same-origin", "none"] {
        assert!(put(site, false).await.status().is_success(), "{site}");
    }
    for (method, path, status) in [
        (Method::GET, "/v1/blobs/browsers/guarded", 200),
        (Method::POST, "/v1/shares", 403),
        (Method::POST, "/", 403),
        (Method::DELETE, "/v1/blobs/browsers/guarded", 403),
    ] {
        let request = larder.anonymous(method, path).header("sec-fetch-site", "cross-site");
        let answer = request.basic_auth("me", Some(&larder.token)).json(&json!({})).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{path}");
    }
}

#[tokio::test]
async fn users_bytes_are_sandboxed_wherever_they_come_from() {
    let larder = shared();
    json(larder.put("/v1/tables/browsers?share=1h", "a\n<script>\n").await, 201).await;
    let table = json(larder.put("/v1/tables/browsers?share=1h", "a\n<script>\n").await, 200).await;
    json(larder.put("/v1/documents/browsers/x", "{\"a\":\"<script>\"}").await, 201).await;
    let blob = json(larder.put("/v1/blobs/browsers/page.html?share=1h", "<script>alert(1)</script>").await, 201).await;
    let link = |descriptor: &serde_json::Value| descriptor["links"]["share"].as_str().unwrap().to_owned();
    for path in [
        "/v1/blobs/browsers/page.html".to_owned(),
        "/v1/tables/browsers/raw".to_owned(),
        "/v1/tables/browsers/rows.csv".to_owned(),
        "/v1/tables/browsers/rows".to_owned(),
        "/v1/documents/browsers/x".to_owned(),
        link(&blob),
        link(&table),
        format!("{}/rows.json", link(&table)),
        blob["presigned"]["url"].as_str().unwrap().to_owned(),
    ] {
        // A presigned URL takes no second credential.
        let answer = match path.contains("X-Amz-Signature") {
            true => larder.anonymous(Method::GET, &path).send().await.unwrap(),
            false => larder.get(&path).await,
        };
        assert_eq!(answer.status(), 200, "{path}");
        assert_eq!(header(&answer, "x-content-type-options"), "nosniff", "{path}");
        assert_eq!(header(&answer, "content-security-policy"), "sandbox", "{path}");
        assert!(answer.text().await.unwrap().contains("<script>"), "{path}");
    }
}

#[tokio::test]
async fn pages_that_could_run_are_downloads_and_pictures_are_not() {
    let larder = shared();
    for (name, content_type, kind) in [
        ("a.html", None, "attachment"),
        ("a.htm", None, "attachment"),
        ("a.xhtml", None, "attachment"),
        ("a.svg", None, "attachment"),
        ("a.xml", None, "attachment"),
        ("a.png", Some("image/svg+xml"), "attachment"),
        ("a.txt", Some("TEXT/HTML"), "attachment"),
        ("b.txt", Some("text/html; charset=utf-8"), "attachment"),
        ("b.png", None, "inline"),
        ("b.pdf", None, "inline"),
        ("c.txt", None, "inline"),
    ] {
        let path = format!("/v1/blobs/downloads/{name}");
        let request = larder.request(Method::PUT, &path).body("x");
        let request = content_type.into_iter().fold(request, |request, value| request.header("content-type", value));
        let blob = json(request.send().await.unwrap(), 201).await;
        let presigned = larder.anonymous(Method::GET, blob["presigned"]["url"].as_str().unwrap()).send().await.unwrap();
        for answer in [larder.get(&path).await, presigned] {
            assert_eq!(answer.status(), 200, "{name}");
            assert_eq!(header(&answer, "content-type"), blob["content_type"].as_str().unwrap(), "{name}");
            assert!(header(&answer, "content-disposition").starts_with(kind), "{name}");
            assert_eq!(header(&answer, "content-security-policy"), "sandbox", "{name}");
        }
    }
}

#[tokio::test]
async fn nothing_is_kept_that_does_not_say_so() {
    let larder = shared();
    json(larder.put("/v1/blobs/kept/a.txt", "a").await, 201).await;
    json(larder.put("/v1/documents/kept/a", "{}").await, 201).await;
    let share = json(larder.post("/v1/shares", &json!({ "target": "/v1/blobs/kept/a.txt" })).await, 201).await;
    let share = format!("/v1/shares/{}", share["id"].as_str().unwrap());
    for path in [
        "/v1/shares",
        &share,
        &format!("{share}/log"),
        "/v1/documents/kept",
        "/v1/blobs",
        "/v1/datasets",
        "/v1/tokens",
        "/v1/principals",
        "/v1/jobs",
        "/v1/blobs/kept/none",
        "/health/ready",
    ] {
        assert_eq!(header(&larder.get(path).await, "cache-control"), "no-store", "{path}");
    }
    for path in ["/s/unknown", "/v1/blobs"] {
        let answer = larder.anonymous(Method::GET, path).send().await.unwrap();
        assert_eq!(header(&answer, "cache-control"), "no-store", "{path}");
    }
    // What is kept goes on being kept while it is unchanged.
    let document = larder.get("/v1/documents/kept/a").await;
    assert_eq!(header(&document, "cache-control"), "private, no-cache");
    let again = larder.request(Method::GET, "/v1/documents/kept/a").header("if-none-match", header(&document, "etag"));
    let again = again.send().await.unwrap();
    assert_eq!((again.status().as_u16(), header(&again, "cache-control")), (304, "private, no-cache"));
}

#[tokio::test]
async fn a_link_can_be_read_by_any_page_and_the_api_by_none() {
    let larder = shared();
    let table = json(larder.put("/v1/tables/browsers-cors?share=1h", "a\n1\n").await, 201).await;
    let link = table["links"]["share"].as_str().unwrap();
    let ask = async |method: Method, path: &str| {
        let request = larder.anonymous(method, path).header("origin", "https://elsewhere.example");
        request.header("access-control-request-method", "GET").send().await.unwrap()
    };
    for (method, path, status) in
        [(Method::GET, link, 200), (Method::OPTIONS, link, 200), (Method::GET, "/s/unknown", 404)]
    {
        let answer = ask(method.clone(), path).await;
        assert_eq!(answer.status().as_u16(), status);
        assert_eq!(header(&answer, "access-control-allow-origin"), "*");
        assert_eq!(header(&answer, "access-control-expose-headers"), "*");
        let headers = if method == Method::OPTIONS { "*, authorization" } else { "" };
        assert_eq!(header(&answer, "access-control-allow-headers"), headers);
        assert_eq!(header(&answer, "access-control-allow-credentials"), "");
    }
    for method in [Method::GET, Method::OPTIONS] {
        for path in ["/v1/blobs", "/v1/tables/browsers-cors/rows", "/x.png", "/health/live", "/problems"] {
            let answer = ask(method.clone(), path).await;
            assert_eq!(header(&answer, "access-control-allow-origin"), "", "{method} {path}");
        }
    }
}

#[tokio::test]
async fn a_listed_origin_may_call_the_api() {
    let larder = shared().replica(&["--cors-origins", "https://dash.example,https://other.example"]).await;
    let ask = async |origin: &str| {
        let request = larder.request(Method::GET, "/v1/blobs?limit=1").header("origin", origin);
        header(&request.send().await.unwrap(), "access-control-allow-origin").to_owned()
    };
    assert_eq!(ask("https://dash.example").await, "https://dash.example");
    assert_eq!(ask("https://elsewhere.example").await, "");
    let preflight = larder.anonymous(Method::OPTIONS, "/v1/blobs/x").header("origin", "https://dash.example");
    let preflight = preflight.header("access-control-request-method", "PUT");
    let preflight = preflight.header("access-control-request-headers", "authorization").send().await.unwrap();
    assert_eq!(header(&preflight, "access-control-allow-origin"), "https://dash.example");
    assert!(header(&preflight, "access-control-allow-headers").contains("authorization"));
    assert_eq!(header(&preflight, "access-control-allow-credentials"), "");
}
