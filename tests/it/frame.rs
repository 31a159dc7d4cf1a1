//! What holds for every request: who calls, how errors look, what a browser may do.

mod browsers;
mod connections;

use crate::support::{Service, json, problem, shared};
use axum::{Router, body::Body, routing::get};
use base64::{Engine, prelude::BASE64_STANDARD};
use http_body_util::BodyExt;
use larder::{http::PROBLEMS, router::with_frame};
use reqwest::{Method, header::HeaderValue};
use serde_json::{Value, json};
use tower::ServiceExt;

/// Every route that asks who calls; `{}` is a name.
const PRIVATE: [(&str, &str); 24] = [
    ("PUT", "/{}.png"),
    ("PUT", "/{}.csv"),
    ("PUT", "/{}.json"),
    ("POST", "/"),
    ("GET", "/{}"),
    ("PUT", "/v1/blobs/{}"),
    ("GET", "/v1/blobs/{}"),
    ("GET", "/v1/blobs/{}?version=7"),
    ("GET", "/v1/blobs/{}?nonsense"),
    ("DELETE", "/v1/blobs/{}"),
    ("POST", "/v1/blobs/{}/restore"),
    ("GET", "/v1/blobs"),
    ("PUT", "/v1/tables/{}"),
    ("GET", "/v1/tables/{}"),
    ("DELETE", "/v1/tables/{}"),
    ("GET", "/v1/tables/{}/raw"),
    ("GET", "/v1/tables/{}/rows"),
    ("GET", "/v1/tables/{}/rows.csv?limit=x"),
    ("GET", "/v1/documents/inbox/{}"),
    ("PUT", "/v1/documents/{}/x"),
    ("GET", "/v1/documents/{}"),
    ("GET", "/v1/collections/{}"),
    ("POST", "/v1/shares"),
    ("GET", "/v1/nothing/at/all"),
];

#[tokio::test]
async fn without_a_token_the_answer_is_the_same_whether_or_not_the_name_exists() {
    let larder = shared();
    json(larder.put("/v1/blobs/known", "x").await, 201).await;
    json(larder.put("/v1/tables/known", "a\n1\n").await, 201).await;
    json(larder.put("/v1/documents/inbox/known", "{}").await, 201).await;
    json(larder.put("/v1/documents/known/x", "{}").await, 201).await;

    let asked = async |method: &str, path: &str| {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let answer = larder.anonymous(method, path).body("x").send().await.unwrap();
        let mut headers = answer.headers().clone();
        headers.remove("x-request-id").expect("an id");
        headers.remove("date");
        let mut body: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
        body["request_id"] = Value::Null;
        let mut headers: Vec<_> = headers.iter().map(|(name, value)| format!("{name}: {value:?}")).collect();
        headers.sort();
        (headers, body)
    };
    let first = asked("GET", "/v1/blobs/known").await;
    insta::assert_json_snapshot!(first.1, @r#"
    {
      "type": "/problems/unauthenticated",
      "title": "A valid token is needed",
      "status": 401,
      "detail": "Send a valid token: `Authorization: Bearer <token>`, or HTTP Basic with the token as the password.",
      "request_id": null
    }
    "#);
    let challenges: Vec<_> = first.0.iter().filter(|header| header.starts_with("www-authenticate")).collect();
    insta::assert_debug_snapshot!(challenges, @r#"
    [
        "www-authenticate: \"Basic realm=\\\"larder\\\", charset=\\\"UTF-8\\\"\"",
        "www-authenticate: \"Bearer realm=\\\"larder\\\"\"",
    ]
    "#);
    for (method, path) in PRIVATE {
        for name in ["known", "unknown"] {
            let path = path.replace("{}", name);
            assert_eq!(asked(method, &path).await, first, "{method} {path}");
        }
    }
}

#[tokio::test]
async fn a_token_is_taken_as_bearer_and_as_the_password_of_any_user() {
    let larder = shared();
    let status = async |authorization: &[u8]| {
        let request = larder.anonymous(Method::GET, "/v1/shares");
        let request = request.header("authorization", HeaderValue::from_bytes(authorization).unwrap());
        request.send().await.unwrap().status().as_u16()
    };
    let basic = |pair: &[u8]| format!("Basic {}", BASE64_STANDARD.encode(pair)).into_bytes();
    let token = &larder.token;
    for good in [
        format!("Bearer {token}").into_bytes(),
        format!("bearer {token}").into_bytes(),
        basic(format!(":{token}").as_bytes()),
        basic(format!("Grüße:{token}").as_bytes()),
    ] {
        assert_eq!(status(&good).await, 200, "{}", String::from_utf8_lossy(&good));
    }
    for bad in [
        b"".to_vec(),
        b"Bearer".to_vec(),
        b"Bearer ".to_vec(),
        b"Bearer larder_wrong".to_vec(),
        b"Bearer t\xf6ken".to_vec(),
        token.clone().into_bytes(),
        format!("Token {token}").into_bytes(),
        format!("Bearer {token}x").into_bytes(),
        b"Basic".to_vec(),
        b"Basic !".to_vec(),
        basic(token.as_bytes()),
        basic(b":"),
        basic(b"admin:wrong"),
        basic(b"\xff:\xff"),
        basic(format!("{token}:").as_bytes()),
    ] {
        assert_eq!(status(&bad).await, 401, "{}", String::from_utf8_lossy(&bad));
    }
}

#[tokio::test]
async fn an_upload_without_a_token_gets_its_answer_though_it_is_still_sending() {
    let larder = shared();
    for path in ["/big.bin", "/v1/blobs/big.bin", "/v1/shares"] {
        let method = if path == "/v1/shares" { Method::POST } else { Method::PUT };
        let answer = larder.anonymous(method, path).body(vec![b'x'; 8 << 20]).send().await.unwrap();
        assert_eq!(answer.status(), 401, "{path}");
    }
}

#[tokio::test]
async fn pages_and_methods_that_are_none_are_problems() {
    let larder = shared();
    for path in ["/nothing", "/v1/nothing", "/v1/tables/frame/other", "/v1/tables/frame/rowscsv"] {
        problem(larder.get(path).await, 404, "not-found").await;
    }
    for (method, path, allowed) in [
        (Method::DELETE, "/v1/blobs", "GET,HEAD"),
        (Method::PATCH, "/v1/shares", "DELETE,GET,HEAD,POST"),
        (Method::POST, "/v1/tables/frame/raw", "GET,HEAD"),
        (Method::POST, "/v1/blobs", "GET,HEAD"),
        (Method::DELETE, "/health/live", "GET,HEAD"),
        (Method::DELETE, "/s/token", "GET,HEAD,OPTIONS,POST"),
    ] {
        let answer = larder.request(method.clone(), path).send().await.unwrap();
        let mut allow: Vec<_> = answer.headers()["allow"].to_str().unwrap().split(',').collect();
        allow.sort_unstable();
        assert_eq!(allow.join(","), allowed, "{method} {path}");
        problem(answer, 405, "method-not-allowed").await;
    }
}

#[tokio::test]
async fn what_cannot_be_understood_is_named() {
    let larder = shared();
    let share = async |content_type: &str, body: &str| {
        let request = larder.request(Method::POST, "/v1/shares").header("content-type", content_type);
        request.body(body.to_owned()).send().await.unwrap()
    };
    for body in ["", "{", "[]", "{\"target\": 5}", "{\"target\": \"/v1/blobs/x\", \"expires\": \"7d\"}", "{} {}"] {
        let broken = problem(share("application/json", body).await, 400, "bad-request").await;
        assert_eq!(broken["parameter"], "body", "{broken}");
    }
    problem(share("text/plain", "{}").await, 415, "unsupported-media-type").await;

    json(larder.put("/v1/blobs/frame/kept", "x").await, 201).await;
    for (method, path, parameter) in [
        (Method::GET, "/v1/blobs?folder=x", "folder"),
        (Method::GET, "/v1/blobs?limit=many", "limit"),
        (Method::GET, "/v1/blobs/frame/kept?version=first", "version"),
        (Method::GET, "/v1/blobs/frame/kept?as=png", "as"),
        (Method::PUT, "/v1/blobs/frame/kept?replace=true", "replace"),
        (Method::DELETE, "/v1/blobs/frame/kept?version=1", "version"),
        (Method::POST, "/v1/blobs/frame/kept/restore?version=1", "version"),
        (Method::PUT, "/frame-kept.png?as=picture", "as"),
        (Method::PUT, "/frame-kept.png?as=blob&as=table", "as"),
        (Method::PUT, "/frame-kept.png?replace=perhaps", "replace"),
        (Method::PUT, "/frame-kept.png?title=Kept", "title"),
    ] {
        let answer = larder.request(method.clone(), path).send().await.unwrap();
        let unknown = problem(answer, 400, "bad-request").await;
        assert_eq!(unknown["parameter"], parameter, "{method} {path}");
    }
    assert_eq!(larder.text("/v1/blobs/frame/kept").await, "x");
    for path in ["/v1/shares/7", "/v1/blobs/%ff", "/v1/tables/%c3"] {
        let bad = problem(larder.get(path).await, 400, "bad-request").await;
        assert_eq!(bad["parameter"], "path", "{path}");
    }
}

#[tokio::test]
async fn a_nul_which_the_database_cannot_hold_is_the_callers_mistake() {
    let larder = shared();
    for path in ["/v1/blobs/a%00b", "/v1/tables/%00/rows", "/v1/documents/%00", "/v1/blobs?prefix=%00"] {
        problem(larder.get(path).await, 400, "bad-request").await;
    }
    problem(larder.post("/v1/shares", &json!({ "target": "/v1/blobs/a\0" })).await, 400, "bad-request").await;
    problem(larder.put("/frame%00nul.csv", "a\n1\n").await, 400, "bad-request").await;
    problem(larder.get("/v1/tables/frame-nul").await, 404, "not-found").await;
}

#[tokio::test]
async fn a_body_that_is_no_upload_has_a_limit_of_its_own() {
    let larder = shared().replica(&["--request-bytes-max", "100"]).await;
    let body = format!("{{\"target\": \"{}\"}}", "x".repeat(200));
    let request = || larder.request(Method::POST, "/v1/shares").header("content-type", "application/json");
    let chunks = futures::stream::iter([Ok::<_, std::io::Error>(body.clone())]);
    let whole = problem(request().body(body.clone()).send().await.unwrap(), 413, "request-too-large").await;
    insta::assert_json_snapshot!(whole, {".request_id" => "[id]"}, @r#"
    {
      "type": "/problems/request-too-large",
      "title": "The request's body is too large",
      "status": 413,
      "detail": "The body of a request that is no upload has at most 100 bytes here (LARDER_REQUEST_BYTES_MAX).",
      "request_id": "[id]",
      "limit": 100,
      "setting": "LARDER_REQUEST_BYTES_MAX"
    }
    "#);
    for body in [reqwest::Body::wrap_stream(chunks), reqwest::Body::from("x".repeat(4 << 20))] {
        problem(request().body(body).send().await.unwrap(), 413, "request-too-large").await;
    }
    json(larder.put("/v1/blobs/frame/over-the-limit-of-others", "x".repeat(200)).await, 201).await;
}

#[tokio::test]
async fn a_request_id_is_taken_if_it_is_plain_and_else_made() {
    let larder = shared();
    let id = async |given: Option<&[u8]>| {
        let request = larder.anonymous(Method::GET, "/v1/blobs");
        let request = match given {
            Some(given) => request.header("x-request-id", HeaderValue::from_bytes(given).unwrap()),
            None => request,
        };
        let answer = request.send().await.unwrap();
        let id = answer.headers()["x-request-id"].to_str().unwrap().to_owned();
        assert_eq!(problem(answer, 401, "unauthenticated").await["request_id"], id);
        id
    };
    assert_eq!(id(Some(b"trace-1_a.B")).await, "trace-1_a.B");
    let made = |id: &str| id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    assert!(made(&id(None).await));
    for hostile in [&b""[..], b"a b", b"a\"b", b"{\"a\":1}", b"\xc3\xa9", b"<b>", &[b'x'; 65]] {
        assert!(made(&id(Some(hostile)).await), "{}", String::from_utf8_lossy(hostile));
    }
    assert_ne!(id(None).await, id(None).await);
}

#[tokio::test]
async fn a_panic_is_a_problem_that_tells_nothing() {
    async fn boom() -> &'static str {
        panic!("the password is 123")
    }
    let routes = with_frame(Router::new().route("/boom", get(boom)));
    let request = http::Request::get("/boom").header("x-request-id", "r-1").body(Body::empty()).unwrap();
    let answer = routes.oneshot(request).await.unwrap();
    assert_eq!((answer.status().as_u16(), &answer.headers()["x-request-id"]), (500, &HeaderValue::from_static("r-1")));
    assert_eq!(answer.headers()["content-type"], "application/problem+json");
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    insta::assert_json_snapshot!(serde_json::from_slice::<Value>(&body).unwrap(), @r#"
    {
      "type": "/problems/internal",
      "title": "Something went wrong on our side",
      "status": 500,
      "detail": "Something went wrong on our side. The log has the details under this request id.",
      "request_id": "r-1"
    }
    "#);
}

#[tokio::test]
async fn every_kind_of_problem_has_a_page() {
    let larder = shared();
    let page = async |path: &str| json(larder.anonymous(Method::GET, path).send().await.unwrap(), 200).await;
    let all = page("/problems").await;
    assert_eq!(all.as_array().unwrap().len(), PROBLEMS.len());
    for kind in PROBLEMS {
        let page = page(&format!("/problems/{}", kind.slug)).await;
        assert_eq!((&page["title"], &page["status"]), (&json!(kind.title), &json!(kind.status.as_u16())));
        assert!(page["explanation"].as_str().unwrap().len() > 20);
        assert!(all.as_array().unwrap().contains(&page));
    }
    problem(larder.anonymous(Method::GET, "/problems/none").send().await.unwrap(), 404, "not-found").await;
}

#[tokio::test]
async fn a_service_that_drains_is_alive_but_not_ready() {
    let larder: Service = shared().replica(&[]).await;
    let health =
        async |path: &str, status| json(larder.anonymous(Method::GET, path).send().await.unwrap(), status).await;
    insta::assert_json_snapshot!(health("/health/ready", 200).await, @r#"
    {
      "status": "ok",
      "draining": false,
      "database": "ok",
      "objects": "ok",
      "documents": "ok"
    }
    "#);
    larder.app.drain();
    let ready = health("/health/ready", 503).await;
    assert_eq!(
        (&ready["draining"], &ready["status"], &ready["database"]),
        (&json!(true), &json!("failing"), &json!("ok"))
    );
    assert_eq!(health("/health/live", 200).await, json!({ "status": "ok" }));
}
