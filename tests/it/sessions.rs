//! Browsers that sign in.

use crate::support::{Service, json, problem};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};

/// Signs in with a token, as a program would; the cookie as a browser sends it.
async fn login(service: &Service, token: &str) -> (String, Value) {
    let request = service.anonymous(Method::POST, "/login").json(&json!({ "token": token }));
    let answer = request.send().await.unwrap();
    let cookie = answer.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    (cookie, json(answer, 200).await)
}

fn with(service: &Service, method: Method, path: &str, cookie: &str) -> RequestBuilder {
    service.anonymous(method, path).header("cookie", cookie)
}

async fn status(request: RequestBuilder) -> StatusCode {
    request.send().await.unwrap().status()
}

async fn form(service: &Service, fields: &[(&str, &str)]) -> Response {
    let body: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let request = service.anonymous(Method::POST, "/login").header("content-type", "application/x-www-form-urlencoded");
    request.header("sec-fetch-site", "same-origin").body(body.join("&")).send().await.unwrap()
}

#[tokio::test]
async fn a_session_reads_as_its_token_and_changes_only_from_a_page_of_ours() {
    let service = Service::start(&["--token-cache-seconds", "0"]).await;
    let (cookie, told) = login(&service, &service.token).await;
    assert_eq!(told["principal"], "admin");
    assert_eq!(status(with(&service, Method::GET, "/v1/tokens", &cookie)).await, 200);
    let put = |headers: &[(&str, &str)]| {
        let request = with(&service, Method::PUT, "/v1/blobs/of-a-session", &cookie).body("x");
        headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))
    };
    let own = service.app.public_url.clone();
    for refused in [
        &[][..],
        &[("sec-fetch-site", "none")],
        &[("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "same-site")],
        &[("origin", "https://example.org")],
        &[("origin", "null")],
        &[("sec-fetch-site", "cross-site"), ("origin", &own)],
    ] {
        problem(put(refused).send().await.unwrap(), 403, "forbidden").await;
    }
    assert_eq!(status(put(&[("sec-fetch-site", "same-origin")])).await, 201);
    assert_eq!(status(put(&[("origin", &own)])).await, 200);
    // Credentials of a header go before a cookie, wrong ones too.
    let wrong = with(&service, Method::GET, "/v1/tokens", &cookie).bearer_auth("wrong");
    problem(wrong.send().await.unwrap(), 401, "unauthenticated").await;
    // The cookie is no token.
    let value = cookie.split_once('=').unwrap().1;
    let bearer = service.anonymous(Method::GET, "/v1/tokens").bearer_auth(value);
    problem(bearer.send().await.unwrap(), 401, "unauthenticated").await;
    let stored = service.column("select encode(hash, 'escape') from larder.sessions").await;
    assert!(!stored[0].contains(value));
    for action in ["login", "logout"] {
        if action == "logout" {
            problem(with(&service, Method::POST, "/logout", &cookie).send().await.unwrap(), 403, "forbidden").await;
            let out = with(&service, Method::POST, "/logout", &cookie).header("origin", &own).send().await.unwrap();
            assert_eq!(out.status(), 204);
            assert!(out.headers()["set-cookie"].to_str().unwrap().contains("Max-Age=0"));
        }
        let written = format!("select count(*) from larder.audit where action = '{action}' and kind = 'session'");
        assert_eq!(service.column(&written).await, ["1"], "{action}");
    }
    assert_eq!(status(with(&service, Method::GET, "/v1/tokens", &cookie)).await, 401);
}

#[tokio::test]
async fn a_form_signs_in_and_leads_to_a_page_of_ours() {
    let service = Service::start(&["--session-seconds", "600"]).await;
    for (next, leads_to) in
        [("/datasets", "/datasets"), ("//example.org", "/"), ("https://example.org", "/"), ("", "/")]
    {
        let answer = form(&service, &[("token", &service.token), ("next", next)]).await;
        assert_eq!((answer.status().as_u16(), answer.headers()["location"].to_str().unwrap()), (303, leads_to));
        assert_eq!(answer.headers()["cache-control"], "no-store");
        let cookie = answer.headers()["set-cookie"].to_str().unwrap();
        let (name, rest) = cookie.split_once('=').unwrap();
        let attributes: Vec<_> = rest.split("; ").skip(1).collect();
        assert_eq!((name, &attributes[1..]), ("larder-session", &["Path=/", "HttpOnly", "SameSite=Strict"][..]));
        let life: i64 = attributes[0].strip_prefix("Max-Age=").unwrap().parse().unwrap();
        assert!((1..=600).contains(&life), "{life}");
    }
    problem(form(&service, &[("token", "wrong")]).await, 401, "unauthenticated").await;
    problem(form(&service, &[("name", "x")]).await, 400, "bad-request").await;
    let bare = service.anonymous(Method::POST, "/login").json(&json!("larder_a-token-without-its-field"));
    let told = problem(bare.send().await.unwrap(), 400, "bad-request").await;
    assert!(!told.to_string().contains("without-its-field"), "{told}");
    let foreign = service.anonymous(Method::POST, "/login").header("sec-fetch-site", "cross-site");
    problem(foreign.json(&json!({ "token": service.token })).send().await.unwrap(), 403, "forbidden").await;
}

#[tokio::test]
async fn behind_https_the_cookie_is_for_https_alone_and_so_is_the_service() {
    let service = Service::start(&["--public-url", "https://data.example.org"]).await;
    let request = service.anonymous(Method::POST, "/login").json(&json!({ "token": service.token }));
    let answer = request.send().await.unwrap();
    let cookie = answer.headers()["set-cookie"].to_str().unwrap().to_owned();
    assert!(cookie.starts_with("__Host-larder-session="), "{cookie}");
    assert!(cookie.ends_with("; Path=/; HttpOnly; SameSite=Strict; Secure"), "{cookie}");
    let cookie = cookie.split(';').next().unwrap();
    let put = with(&service, Method::PUT, "/v1/blobs/x", cookie).header("origin", "https://data.example.org");
    assert_eq!(status(put.body("x")).await, 201);
    for path in ["/", "/v1/blobs", "/problems", "/nowhere"] {
        let answer = service.get(path).await;
        assert_eq!(answer.headers()["strict-transport-security"], "max-age=31536000", "{path}");
        assert_eq!(answer.headers()["referrer-policy"], "no-referrer", "{path}");
        assert_eq!(answer.headers()["x-content-type-options"], "nosniff", "{path}");
    }
}

/// What is over by Postgres' clock is over on every replica. This test ages rows; `tests/clients/embedded/test_clock.py` moves the clock.
#[tokio::test]
async fn expiry_revocation_and_rotation_hold_on_every_replica() {
    let first = Service::start(&["--token-cache-seconds", "0"]).await;
    let second = first.replica(&["--token-cache-seconds", "0"]).await;
    let replicas = [&first, &second];
    let made = |body: Value| {
        let first = &first;
        async move { json(first.post("/v1/tokens", &body).await, 201).await }
    };
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let get = |service: &Service, token: &str| {
        status(service.anonymous(Method::GET, "/v1/blobs").bearer_auth(token.to_owned()))
    };
    let session = |service: &Service, cookie: &str| status(with(service, Method::GET, "/v1/blobs", cookie));

    let token = made(json!({ "name": "expiring", "expires_in": "1h" })).await;
    let (id, secret) = (text(&token["id"]), text(&token["token"]));
    let (cookie, _) = login(&second, &secret).await;
    for replica in replicas {
        assert_eq!((get(replica, &secret).await, session(replica, &cookie).await), (StatusCode::OK, StatusCode::OK));
    }
    first.sql(&format!("update larder.tokens set expires_at = now() - interval '1 second' where id = '{id}'")).await;
    for replica in replicas {
        let over = (StatusCode::UNAUTHORIZED, StatusCode::UNAUTHORIZED);
        assert_eq!((get(replica, &secret).await, session(replica, &cookie).await), over, "expired");
    }

    let token = made(json!({ "name": "revoked" })).await;
    let (cookie, _) = login(&first, &text(&token["token"])).await;
    assert_eq!(second.delete(&format!("/v1/tokens/{}", text(&token["id"]))).await.status(), 204);
    for replica in replicas {
        assert_eq!(session(replica, &cookie).await, 401, "the session ends with its token");
    }

    let token = made(json!({ "name": "rotated" })).await;
    let (id, old) = (text(&token["id"]), text(&token["token"]));
    let rotated = json(second.post(&format!("/v1/tokens/{id}/rotate"), &json!({ "overlap": "1h" })).await, 201).await;
    let new = text(&rotated["token"]);
    for replica in replicas {
        assert_eq!(
            (get(replica, &old).await, get(replica, &new).await),
            (StatusCode::OK, StatusCode::OK),
            "while they overlap"
        );
    }
    first.sql(&format!("update larder.tokens set expires_at = expires_at - interval '1 hour' where id = '{id}'")).await;
    for replica in replicas {
        assert_eq!((get(replica, &old).await, get(replica, &new).await), (StatusCode::UNAUTHORIZED, StatusCode::OK));
    }

    let (cookie, _) = login(&first, &first.token).await;
    first.sql("update larder.sessions set expires_at = now() - interval '1 second'").await;
    for replica in replicas {
        assert_eq!(session(replica, &cookie).await, 401, "the session's own end");
    }
    larder::sweep::once(&first.app).await.unwrap();
    assert_eq!(first.column("select count(*) from larder.sessions").await, ["0"]);

    json(first.put("/v1/blobs/shared", "x").await, 201).await;
    let share =
        json(second.post("/v1/shares", &json!({ "target": "/v1/blobs/shared", "expires_in": "1h" })).await, 201).await;
    let link = text(&share["url"]);
    let path = &link[link.find("/s/").unwrap()..];
    for replica in replicas {
        assert_eq!(status(replica.anonymous(Method::GET, path)).await, 307);
    }
    first.sql("update larder.shares set expires_at = now() - interval '1 second'").await;
    for replica in replicas {
        assert_eq!(status(replica.anonymous(Method::GET, path)).await, 410);
    }
}
