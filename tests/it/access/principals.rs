//! Principals: made, disabled, ended.

use super::people::{principal, text};
use crate::support::{Service, json, problem, shared};
use reqwest::Method;
use serde_json::{Value, json};

#[tokio::test]
async fn admins_make_principals_and_others_see_themselves() {
    let larder = shared();
    let ada = principal(larder, "ada").await;
    insta::assert_json_snapshot!(ada.principal, { ".id" => "[id]", ".name" => "[name]", ".created_at" => "[time]" }, @r#"
    {
      "id": "[id]",
      "name": "[name]",
      "kind": "person",
      "admin": false,
      "disabled_at": null,
      "created_at": "[time]"
    }
    "#);
    let eve = principal(larder, "eve").await;
    assert_eq!(json(ada.get(&ada.path()).await, 200).await, ada.principal);
    problem(ada.get(&eve.path()).await, 404, "not-found").await;
    let seen = json(ada.get("/v1/principals").await, 200).await;
    assert_eq!((&seen["principals"], &seen["next"]), (&json!([ada.principal]), &Value::Null));
    // An admin sees all, in pages by their names.
    let (mut names, mut query) = (Vec::new(), "?limit=2".to_owned());
    loop {
        let page = json(larder.get(&format!("/v1/principals{query}")).await, 200).await;
        names.extend(page["principals"].as_array().unwrap().iter().map(|one| text(one, "name").to_owned()));
        let Some(next) = page["next"].as_str() else { break };
        query = format!("?limit=2&cursor={next}");
    }
    assert!(names.is_sorted() && [ada.name(), eve.name(), "admin"].iter().all(|name| names.iter().any(|n| n == name)));
    for body in [json!({ "name": "x", "kind": "person" }), json!({ "name": "x", "kind": "program", "admin": true })] {
        problem(ada.post("/v1/principals", &body).await, 403, "forbidden").await;
    }
    let taken = json!({ "name": ada.name(), "kind": "program" });
    problem(larder.post("/v1/principals", &taken).await, 409, "name-taken").await;
    for name in ["", " ", "a\nb", &"x".repeat(101)] {
        let refused = larder.post("/v1/principals", &json!({ "name": name, "kind": "person" })).await;
        assert_eq!(problem(refused, 400, "bad-request").await["parameter"], "name");
    }
    // Nobody makes themselves an admin.
    problem(ada.send(Method::PATCH, &ada.path(), &json!({ "admin": true })).await, 403, "forbidden").await;
    problem(ada.send(Method::PATCH, &eve.path(), &json!({ "admin": true })).await, 404, "not-found").await;
    problem(ada.delete(&ada.path()).await, 403, "forbidden").await;
}

#[tokio::test]
async fn a_disabled_principal_is_refused_and_comes_back_with_its_tokens_unless_it_was_ended() {
    let larder = shared();
    let ada = principal(larder, "ada").await;
    let patch = async |body: Value| {
        let answer = larder.request(Method::PATCH, &ada.path()).json(&body).send().await.unwrap();
        json(answer, 200).await
    };
    assert!(ada.works().await);
    assert!(patch(json!({ "disabled": true })).await["disabled_at"].is_string());
    assert!(!ada.works().await);
    let refused = larder.post("/v1/tokens", &json!({ "name": "x", "principal": ada.name() })).await;
    problem(refused, 404, "not-found").await;
    assert_eq!(patch(json!({ "disabled": false })).await["disabled_at"], Value::Null);
    assert!(ada.works().await);
    for _ in 0..2 {
        assert_eq!(larder.delete(&ada.path()).await.status(), 204);
    }
    assert!(!ada.works().await);
    patch(json!({ "disabled": false, "name": format!("{} again", ada.name()) })).await;
    assert!(!ada.works().await, "its tokens were ended for good");
}

#[tokio::test]
async fn what_makes_an_admin_needs_the_scope_admin() {
    let larder = Service::start(&["--token-cache-seconds", "0", "--visibility", "private"]).await;
    let ada = principal(&larder, "ada").await;
    json(ada.put("/v1/tables/diary", "a\n1\n").await, 201).await;
    let admin = async |scopes: &[&str]| {
        let made = json(larder.post("/v1/tokens", &json!({ "name": "x", "scopes": scopes })).await, 201).await;
        text(&made, "token").to_owned()
    };
    for (scopes, reads, lists) in [
        (&["read:**"][..], 404, 1),
        (&["write:**", "share:**"], 404, 1),
        (&["admin:tables/*"], 200, 1),
        (&["admin:blobs/**"], 404, 1),
        (&["admin:**"], 200, 2),
    ] {
        let token = admin(scopes).await;
        let get = |path: &str| larder.anonymous(Method::GET, path).bearer_auth(&token).send();
        assert_eq!(get("/v1/tables/diary").await.unwrap().status(), reads, "{scopes:?}");
        let listed = json(get("/v1/datasets").await.unwrap(), 200).await;
        assert_eq!(listed["datasets"].as_array().unwrap().len(), usize::from(reads == 200), "{scopes:?}");
        let principals = json(get("/v1/principals").await.unwrap(), 200).await;
        assert_eq!(principals["principals"].as_array().unwrap().len(), lists, "{scopes:?}");
    }
}

#[tokio::test]
async fn the_last_admin_stays() {
    let larder = Service::start(&["--token-cache-seconds", "0"]).await;
    let admin = json(larder.get("/v1/principals").await, 200).await["principals"][0].clone();
    let path = format!("/v1/principals/{}", text(&admin, "id"));
    let patch = async |path: &str, body: Value| larder.request(Method::PATCH, path).json(&body).send().await.unwrap();
    problem(patch(&path, json!({ "admin": false })).await, 409, "conflict").await;
    problem(patch(&path, json!({ "disabled": true })).await, 409, "conflict").await;
    problem(larder.delete(&path).await, 409, "conflict").await;
    let ada = principal(&larder, "ada").await;
    assert_eq!(json(patch(&ada.path(), json!({ "admin": true })).await, 200).await["admin"], true);
    // Each of the two wants to be the only one.
    let first = larder.request(Method::PATCH, &ada.path()).json(&json!({ "disabled": true })).send();
    let second = ada.request(Method::PATCH, &path).json(&json!({ "disabled": true })).send();
    let (first, second) = tokio::join!(first, second);
    let mut statuses = [first.unwrap().status().as_u16(), second.unwrap().status().as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses[0], 200);
    assert!(matches!(statuses[1], 401 | 409), "{statuses:?}");
    let left = larder.column("select count(*) from larder.principals where admin and disabled_at is null").await;
    assert_eq!(left, ["1"]);
}
