//! URLs that work without a token, for minutes.

use crate::support::{client, json, problem, shared};
use reqwest::Method;
use time::{OffsetDateTime, PrimitiveDateTime, format_description::well_known::Rfc3339, macros::format_description};

/// One parameter of a URL's query.
fn parameter<'a>(url: &'a str, name: &str) -> &'a str {
    url.split(['?', '&']).find_map(|pair| pair.strip_prefix(name)?.strip_prefix('=')).expect(name)
}

/// When the signature itself says that it ends.
fn signed_end(url: &str) -> OffsetDateTime {
    let format = format_description!("[year][month][day]T[hour][minute][second]Z");
    let start = PrimitiveDateTime::parse(parameter(url, "X-Amz-Date"), format).unwrap().assume_utc();
    start + time::Duration::seconds(parameter(url, "X-Amz-Expires").parse().unwrap())
}

#[tokio::test]
async fn a_presigned_url_works_without_a_token_and_says_when_it_ends() {
    let larder = shared();
    let uploaded = json(larder.put("/v1/blobs/presigned/a.txt", "soup").await, 201).await;
    let asked = json(larder.get("/v1/blobs/presigned/a.txt?presign=5m").await, 200).await;
    let default = json(larder.get("/v1/blobs/presigned/a.txt?presign").await, 200).await;
    for (descriptor, life) in [(&uploaded, 900), (&asked, 300), (&default, 900)] {
        let url = descriptor["presigned"]["url"].as_str().unwrap();
        assert!(url.starts_with(&format!("{}/larder-objects/", larder.url)), "no engine's port: {url}");
        let expires_at = descriptor["presigned"]["expires_at"].as_str().unwrap();
        let expires_at = OffsetDateTime::parse(expires_at, &Rfc3339).unwrap();
        assert_eq!(expires_at, signed_end(url));
        let left = (expires_at - OffsetDateTime::now_utc()).whole_seconds();
        assert!((life - 250..=life).contains(&left), "{left}");
        let answer = client().get(url).send().await.unwrap();
        assert_eq!(answer.headers()["content-type"], "text/plain");
        assert_eq!(answer.text().await.unwrap(), "soup");
    }
    assert!(json(larder.get("/v1/blobs/presigned/a.txt?descriptor").await, 200).await.get("presigned").is_none());
    for life in ["0", "0s", "-5m", "soon", "1.5h", "99999999999999999999d"] {
        let answer = larder.get(&format!("/v1/blobs/presigned/a.txt?presign={life}")).await;
        assert_eq!(problem(answer, 400, "bad-request").await["parameter"], "presign", "{life}");
    }
    for life in ["8d", "901"] {
        let answer = larder.get(&format!("/v1/blobs/presigned/a.txt?presign={life}")).await;
        assert_eq!(problem(answer, 400, "presign-too-long").await["limit"], 900, "{life}");
    }
}

#[tokio::test]
async fn a_presigned_url_that_was_changed_is_refused() {
    let larder = shared();
    let (one, other) = (
        json(larder.put("/v1/blobs/presigned/one.html", "<b>one</b>").await, 201).await,
        json(larder.put("/v1/blobs/presigned/other", "other").await, 201).await,
    );
    let url = |descriptor: &serde_json::Value| descriptor["presigned"]["url"].as_str().unwrap().to_owned();
    let object = |url: &str| url.split(['/', '?']).find(|part| part.len() == 36).unwrap().to_owned();
    let one_url = url(&one);
    let signature = parameter(&one_url, "X-Amz-Signature").to_owned();
    assert_eq!(client().get(&one_url).send().await.unwrap().status(), 200);
    for changed in [
        one_url.replace(&object(&one_url), &object(&url(&other))),
        one_url.replace("attachment", "inline"),
        one_url.replace("text%2Fhtml", "text%2Fplain"),
        one_url.replace("X-Amz-Expires=900", "X-Amz-Expires=901"),
        one_url.replace(&signature, &"0".repeat(64)),
        one_url.replace(&format!("&X-Amz-Signature={signature}"), ""),
        one_url.split('?').next().unwrap().to_owned(),
    ] {
        assert_ne!(changed, one_url);
        let answer = client().get(&changed).send().await.unwrap();
        assert!([400, 403].contains(&answer.status().as_u16()), "{changed}: {}", answer.status());
    }
    for method in [Method::PUT, Method::DELETE, Method::POST] {
        let answer = client().request(method.clone(), &one_url).body("x").send().await.unwrap();
        assert!(answer.status().is_client_error(), "{method}");
    }
    assert_eq!(larder.text("/v1/blobs/presigned/one.html").await, "<b>one</b>");
}

#[tokio::test]
async fn a_caller_who_prefers_a_redirect_gets_one() {
    let larder = shared();
    json(larder.put("/v1/blobs/presigned/r", "soup").await, 201).await;
    let ask = |method: Method| larder.request(method, "/v1/blobs/presigned/r").header("prefer", "wait=5, redirect");
    let answer = ask(Method::GET).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), &answer.headers()["cache-control"]), (307, &"no-store".parse().unwrap()));
    let url = answer.headers()["location"].to_str().unwrap();
    assert_eq!(client().get(url).send().await.unwrap().text().await.unwrap(), "soup");
    assert_eq!(ask(Method::HEAD).send().await.unwrap().status(), 200);
    assert_eq!(larder.get("/v1/blobs/presigned/r").await.status(), 200);
    let missing = larder.request(Method::GET, "/v1/blobs/presigned/none").header("prefer", "redirect");
    problem(missing.send().await.unwrap(), 404, "not-found").await;
}
