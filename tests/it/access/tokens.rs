//! Tokens: made, narrowed, rotated, revoked, on one replica and on two.

use super::people::{principal, text};
use crate::support::{Service, json, problem, shared};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

#[tokio::test]
async fn a_token_is_shown_once_and_kept_as_a_hash() {
    let ada = principal(shared(), "ada").await;
    let made = ada.post("/v1/tokens", &json!({ "name": "ci", "scopes": ["read:tables/*"], "expires_in": "30d" })).await;
    assert_eq!(made.headers()["cache-control"], "no-store");
    let location = made.headers()["location"].to_str().unwrap().to_owned();
    let made = json(made, 201).await;
    insta::assert_json_snapshot!(made, {
        ".token" => "[token]", ".id" => "[id]", ".prefix" => "[prefix]", ".principal" => "[name]", ".principal_id" => "[id]",
        ".made_by" => "[id]", ".expires_at" => "[time]", ".created_at" => "[time]",
    }, @r#"
    {
      "token": "[token]",
      "id": "[id]",
      "name": "ci",
      "prefix": "[prefix]",
      "scopes": [
        "read:tables/*"
      ],
      "principal": "[name]",
      "principal_id": "[id]",
      "made_by": "[id]",
      "expires_at": "[time]",
      "last_used_at": null,
      "revoked_at": null,
      "created_at": "[time]"
    }
    "#);
    let secret = text(&made, "token");
    assert!(secret.starts_with(text(&made, "prefix")) && secret.len() > 40, "{made}");
    let shown = json(ada.get(&location).await, 200).await;
    let mut without = made.clone();
    without.as_object_mut().unwrap().shift_remove("token");
    assert_eq!(shown, without);
    assert!(!ada.get("/v1/tokens").await.text().await.unwrap().contains(secret));
    let rows = shared().column("select tokens from larder.tokens").await.join("\n");
    assert!(!rows.contains(secret) && !rows.contains(&secret[20..]));
}

#[tokio::test]
async fn a_token_makes_only_tokens_narrower_than_itself() {
    let ada = principal(shared(), "ada").await;
    let eve = principal(shared(), "eve").await;
    let writer = ada.scoped(&["write:tables/sales-*", "read:blobs/in/**"]).await;
    for scopes in
        [&["read:tables/sales-2026"][..], &["write:tables/sales-*"], &["read:blobs/in/a/*", "read:tables/sales-x*"]]
    {
        let made = writer.scoped(scopes).await;
        assert_eq!(made.token["scopes"], json!(scopes));
    }
    for (scopes, needed) in [
        (&["read:tables/*"][..], "read:tables/*"),
        (&["share:tables/sales-1"], "share:tables/sales-1"),
        (&["read:blobs/in/a", "write:blobs/in/a"], "write:blobs/in/a"),
        (&["admin:**"], "admin:**"),
    ] {
        let refused = writer.post("/v1/tokens", &json!({ "name": "x", "scopes": scopes })).await;
        assert_eq!(problem(refused, 403, "scope-needed").await["scope"], needed);
        let wider = writer.send(Method::PATCH, &writer.token_path(), &json!({ "scopes": scopes })).await;
        assert_eq!(problem(wider, 403, "scope-needed").await["scope"], needed);
    }
    // Without scopes it is a copy of the one that makes it.
    let copy = json(writer.post("/v1/tokens", &json!({ "name": "copy" })).await, 201).await;
    assert_eq!(copy["scopes"], writer.token["scopes"]);
    // Not for others, whether or not they exist.
    for name in [eve.name(), "nobody"] {
        let refused =
            ada.post("/v1/tokens", &json!({ "name": "x", "principal": name, "scopes": ["read:tables/a"] })).await;
        problem(refused, 403, "forbidden").await;
        let scoped = writer.post("/v1/tokens", &json!({ "name": "x", "principal": name })).await;
        assert_eq!(problem(scoped, 403, "scope-needed").await["scope"], "admin:**");
    }
    let unknown = shared().post("/v1/tokens", &json!({ "name": "x", "principal": "nobody" })).await;
    problem(unknown, 404, "not-found").await;
    // Not for longer.
    let short = json(ada.post("/v1/tokens", &json!({ "name": "short", "expires_in": "1h" })).await, 201).await;
    let as_short = |method: Method, path: &str, body: Value| {
        shared().anonymous(method, path).bearer_auth(text(&short, "token")).json(&body).send()
    };
    let inherited = as_short(Method::POST, "/v1/tokens", json!({ "name": "x" })).await.unwrap();
    assert_eq!(json(inherited, 201).await["expires_at"], short["expires_at"]);
    let path = format!("/v1/tokens/{}", text(&short, "id"));
    for (method, path, body) in [
        (Method::POST, "/v1/tokens".to_owned(), json!({ "name": "x", "expires_in": "2h" })),
        (Method::PATCH, path.clone(), json!({ "expires_in": "2h" })),
        (Method::POST, format!("{path}/rotate?expires_in=2h"), json!({})),
        // Nor by way of a longer-lived one that is no wider.
        (Method::POST, format!("{}/rotate", writer.token_path()), json!({})),
        (Method::PATCH, writer.token_path(), json!({ "scopes": ["read:**"] })),
    ] {
        let refused = problem(as_short(method, &path, body).await.unwrap(), 400, "bad-request").await;
        assert_eq!(refused["parameter"], "expires_in", "{path}");
    }
    for (body, parameter) in [
        (json!({ "name": "" }), "name"),
        (json!({ "name": "x", "scopes": [] }), "scopes"),
        (json!({ "name": "x", "scopes": ["read:views/a"] }), "scopes"),
        (json!({ "name": "x", "expires_in": "soon" }), "expires_in"),
        (json!({ "name": "x", "expires_in": "999999999d" }), "expires_in"),
        (json!({ "name": "x", "hash": "x" }), "body"),
    ] {
        let refused = problem(ada.post("/v1/tokens", &body).await, 400, "bad-request").await;
        assert_eq!(refused["parameter"], parameter, "{body}");
    }
}

#[tokio::test]
async fn a_token_sees_those_of_its_principal_that_are_no_wider() {
    let larder = shared();
    let (ada, eve) = (principal(larder, "ada").await, principal(larder, "eve").await);
    let reader = ada.scoped(&["read:tables/a*"]).await;
    let narrow = ada.scoped(&["read:tables/ab"]).await;
    let ids = async |holder: &super::people::Holder<'_>, query: &str| {
        let page = json(holder.get(&format!("/v1/tokens{query}")).await, 200).await;
        let ids = page["tokens"].as_array().unwrap().iter().map(|token| text(token, "id").to_owned());
        (ids.collect::<Vec<_>>(), page["next"].as_str().map(str::to_owned))
    };
    let id = |holder: &super::people::Holder<'_>| text(&holder.token, "id").to_owned();
    assert_eq!(ids(&ada, "").await.0, [id(&narrow), id(&reader), id(&ada)]);
    assert_eq!(ids(&reader, "").await.0, [id(&narrow), id(&reader)]);
    assert_eq!(ids(&narrow, "").await.0, [id(&narrow)]);
    assert_eq!(ids(&eve, "").await.0, [id(&eve)]);
    // In pages, also where most are passed over.
    let (first, next) = ids(&reader, "?limit=1").await;
    assert_eq!(first, [id(&narrow)]);
    let (second, next) = ids(&reader, &format!("?limit=1&cursor={}", next.expect("more"))).await;
    assert_eq!((second, next), (vec![id(&reader)], None));
    for (holder, of) in [(&narrow, &reader), (&reader, &ada), (&eve, &narrow)] {
        let absent =
            problem(holder.get("/v1/tokens/01a20733-4ff5-721f-9999-e51ff506ad18").await, 404, "not-found").await;
        for method in [Method::GET, Method::DELETE] {
            let hidden = holder.request(method, &of.token_path()).send().await.unwrap();
            assert_eq!(problem(hidden, 404, "not-found").await["detail"], absent["detail"]);
        }
        problem(holder.send(Method::PATCH, &of.token_path(), &json!({ "name": "x" })).await, 404, "not-found").await;
        problem(holder.post(&format!("{}/rotate", of.token_path()), &json!({})).await, 404, "not-found").await;
    }
    assert!(narrow.works().await && reader.works().await && ada.works().await);
    // An admin sees everybody's, by the token of an admin's powers alone.
    let all = json(larder.get("/v1/tokens?limit=1000").await, 200).await;
    let all = all["tokens"].as_array().unwrap().iter().map(|token| text(token, "id").to_owned()).collect::<Vec<_>>();
    for holder in [&ada, &reader, &narrow, &eve] {
        assert!(all.contains(&id(holder)));
    }
    let body = json!({ "name": "x", "scopes": ["read:**"] });
    let plain = json(larder.post("/v1/tokens", &body).await, 201).await;
    let plain =
        larder.anonymous(Method::GET, &ada.token_path()).bearer_auth(text(&plain, "token")).send().await.unwrap();
    problem(plain, 404, "not-found").await;
}

#[tokio::test]
async fn a_revoked_token_is_refused_at_once_here_and_within_seconds_by_others() {
    let larder = Service::start(&["--token-cache-seconds", "5"]).await;
    let other = larder.replica(&["--token-cache-seconds", "5"]).await;
    let ada = principal(&larder, "ada").await;
    let parent = ada.scoped(&["read:**"]).await;
    let child = parent.scoped(&["read:tables/*"]).await;
    for holder in [&ada, &parent, &child] {
        assert!(holder.works().await && holder.works_at(&other).await);
    }
    for _ in 0..2 {
        assert_eq!(ada.delete(&parent.token_path()).await.status(), 204);
    }
    // What it made goes with it; what made it stays.
    assert!(!parent.works().await && !child.works().await && ada.works().await);
    refused_soon(&parent, &other).await;
    refused_soon(&child, &other).await;
    assert!(ada.works_at(&other).await);
    let shown = json(ada.get(&child.token_path()).await, 200).await;
    assert!(shown["revoked_at"].is_string());
    // Whoever was revoked a moment ago makes no token elsewhere, where it is still taken for valid.
    let late = ada.scoped(&["read:**"]).await;
    assert!(late.works_at(&other).await);
    larder.sql(&format!("update larder.tokens set revoked_at = now() where id = '{}'", text(&late.token, "id"))).await;
    let make = other.anonymous(Method::POST, "/v1/tokens").bearer_auth(late.secret()).json(&json!({ "name": "x" }));
    problem(make.send().await.unwrap(), 401, "unauthenticated").await;
}

#[tokio::test]
async fn a_token_that_rotates_another_takes_it_along_when_it_is_revoked() {
    let ada = principal(shared(), "ada").await;
    let (stolen, sibling) = (ada.scoped(&["read:**"]).await, ada.scoped(&["read:tables/*"]).await);
    let rotate = async |by: &super::people::Holder<'_>, of: &super::people::Holder<'_>| {
        json(by.post(&format!("{}/rotate?overlap=0s", of.token_path()), &json!({})).await, 201).await
    };
    let mut taken = ada.scoped(&["read:tables/*"]).await;
    taken.token = rotate(&stolen, &sibling).await;
    assert_eq!(taken.token["made_by"], stolen.token["id"]);
    assert!(taken.works().await && !sibling.works().await);
    assert_eq!(ada.delete(&stolen.token_path()).await.status(), 204);
    assert!(!taken.works().await && !stolen.works().await);
    // Of itself it is the successor, whatever becomes of the old one.
    let mut own = ada.scoped(&["read:**"]).await;
    let old = own.token_path();
    own.token = rotate(&own, &own).await;
    assert_eq!(own.token["made_by"], ada.token["id"]);
    assert_eq!(ada.delete(&old).await.status(), 204);
    assert!(own.works().await);
}

#[tokio::test]
async fn a_token_makes_tokens_for_its_own_principal_whoever_has_its_name_by_now() {
    let larder = Service::start(&["--token-cache-seconds", "5"]).await;
    let other = larder.replica(&["--token-cache-seconds", "5"]).await;
    let ada = principal(&larder, "ada").await;
    assert!(ada.works_at(&other).await);
    let renamed = json!({ "name": "ada of before" });
    json(larder.request(Method::PATCH, &ada.path()).json(&renamed).send().await.unwrap(), 200).await;
    let heir = json!({ "name": ada.name(), "kind": "person", "admin": true });
    json(larder.post("/v1/principals", &heir).await, 201).await;
    // By a replica that still takes her for who she was.
    let made = other.anonymous(Method::POST, "/v1/tokens").bearer_auth(ada.secret()).json(&json!({ "name": "x" }));
    let made = json(made.send().await.unwrap(), 201).await;
    assert_eq!((&made["principal_id"], &made["made_by"]), (&ada.principal["id"], &ada.token["id"]));
}

async fn refused_soon(holder: &super::people::Holder<'_>, replica: &Service) {
    let end = Instant::now() + Duration::from_secs(60);
    while holder.works_at(replica).await {
        assert!(Instant::now() < end, "it is still taken");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_rotated_token_lives_on_for_its_overlap_on_every_replica() {
    let larder = Service::start(&["--token-cache-seconds", "0"]).await;
    let other = larder.replica(&["--token-cache-seconds", "0"]).await;
    let ada = principal(&larder, "ada").await;
    let mut old = ada.scoped(&["write:blobs/x/**"]).await;
    let rotated = old.post(&format!("{}/rotate?overlap=10m", old.token_path()), &json!({})).await;
    let mut new = ada.scoped(&["write:blobs/x/**"]).await;
    new.token = json(rotated, 201).await;
    let shown = json(old.get(&old.token_path()).await, 200).await;
    old.token["expires_at"] = shown["expires_at"].clone();
    assert_ne!(new.secret(), old.secret());
    for field in ["name", "scopes", "principal", "made_by"] {
        assert_eq!(new.token[field], old.token[field], "{field}");
    }
    assert_eq!(new.token["expires_at"], Value::Null);
    assert!(old.token["expires_at"].is_string());
    for replica in [&larder, &other] {
        assert!(old.works_at(replica).await && new.works_at(replica).await);
    }
    // The clock moves forward by eleven minutes.
    larder
        .sql(&format!(
            "update larder.tokens set expires_at = expires_at - interval '11 minutes' where id = '{}'",
            text(&old.token, "id")
        ))
        .await;
    for replica in [&larder, &other] {
        assert!(!old.works_at(replica).await && new.works_at(replica).await);
    }
    problem(ada.post(&format!("{}/rotate", old.token_path()), &json!({})).await, 409, "conflict").await;
    // What is over stays so.
    problem(ada.send(Method::PATCH, &old.token_path(), &json!({ "expires_in": "1d" })).await, 409, "conflict").await;
    assert!(!old.works().await);
    // Without an overlap the old one ends at once.
    let last = json(new.post(&format!("{}/rotate?overlap=0", new.token_path()), &json!({})).await, 201).await;
    assert!(!new.works().await);
    new.token = last;
    assert!(new.works().await);
}

#[tokio::test]
async fn what_expires_and_what_was_used_goes_by_the_databases_clock() {
    let larder = Service::start(&["--token-cache-seconds", "0"]).await;
    let ada = principal(&larder, "ada").await;
    let short = json(ada.post("/v1/tokens", &json!({ "name": "short", "expires_in": "1h" })).await, 201).await;
    let id = text(&short, "id").to_owned();
    let works = async || {
        let answer =
            larder.anonymous(Method::GET, "/v1/tokens").bearer_auth(text(&short, "token")).send().await.unwrap();
        answer.status() == 200
    };
    let used =
        async || larder.column(&format!("select last_used_at from larder.tokens where id = '{id}'")).await.join("");
    assert_eq!(used().await, "NULL");
    assert!(works().await);
    let first = used().await;
    assert!(works().await && first != "NULL");
    assert_eq!(used().await, first, "not every request writes");
    larder
        .sql(&format!("update larder.tokens set last_used_at = last_used_at - interval '2 minutes' where id = '{id}'"))
        .await;
    assert!(works().await);
    assert!(used().await > first);
    larder.sql(&format!("update larder.tokens set expires_at = now() where id = '{id}'")).await;
    assert!(!works().await);
    let listed = ada.get("/v1/tokens").await.text().await.unwrap();
    assert!(!listed.contains(&id));
    assert!(ada.get("/v1/tokens?ended=true").await.text().await.unwrap().contains(&id));
}

#[tokio::test]
async fn a_principal_has_no_more_tokens_than_the_setting_permits() {
    let larder = Service::start(&["--tokens-max", "3"]).await;
    let ada = principal(&larder, "ada").await;
    let body = json!({ "name": "x" });
    let made = futures::future::join_all((0..6).map(|_| ada.post("/v1/tokens", &body))).await;
    let made: Vec<u16> = made.iter().map(|answer| answer.status().as_u16()).collect();
    assert_eq!(made.iter().filter(|status| **status == 201).count(), 2, "{made:?}");
    let refused = problem(ada.post("/v1/tokens", &json!({ "name": "x" })).await, 422, "too-many-tokens").await;
    assert_eq!((&refused["limit"], &refused["setting"]), (&json!(3), &json!("LARDER_TOKENS_MAX")));
    // What is over does not count.
    let page = json(ada.get("/v1/tokens").await, 200).await;
    assert_eq!(ada.delete(&format!("/v1/tokens/{}", text(&page["tokens"][0], "id"))).await.status(), 204);
    json(ada.post("/v1/tokens", &json!({ "name": "x" })).await, 201).await;
}
