//! Links of folders, for tokens that reach a part of what is in them.

use super::people::{Holder, principal, text};
use crate::support::{json, problem, shared};
use reqwest::Method;
use serde_json::{Value, json};

async fn share(holder: &Holder<'_>, folder: &str) -> Value {
    json(holder.post("/v1/shares", &json!({ "target": format!("/v1/blobs/{folder}") })).await, 201).await
}

async fn listed(holder: &Holder<'_>, query: &str) -> (Vec<Value>, Option<String>) {
    let page = json(holder.get(&format!("/v1/shares{query}")).await, 200).await;
    (page["shares"].as_array().unwrap().clone(), page["next"].as_str().map(str::to_owned))
}

#[tokio::test]
async fn a_token_sees_the_links_of_folders_all_of_which_it_may_share() {
    let ada = principal(shared(), "ada").await;
    let all = share(&ada, "narrow/photos/").await;
    let below = share(&ada, "narrow/photos/2026/").await;
    let level = ada.scoped(&["share:blobs/narrow/photos/*"]).await;
    let year = ada.scoped(&["share:blobs/narrow/photos/2026/**"]).await;
    // Reading is not sharing, and one level is not all that is below.
    let reader = ada.scoped(&["read:blobs/narrow/**"]).await;
    for holder in [&level, &year, &reader] {
        let path = format!("/v1/shares/{}", text(&all, "id"));
        problem(holder.get(&path).await, 404, "not-found").await;
        problem(holder.get(&format!("{path}/log")).await, 404, "not-found").await;
        problem(holder.delete(&path).await, 404, "not-found").await;
        problem(holder.send(Method::PATCH, &path, &json!({ "expires_in": "30d" })).await, 404, "not-found").await;
    }
    assert_eq!(listed(&ada, "").await.0, [below.clone(), all.clone()]);
    assert_eq!(listed(&year, "").await.0, std::slice::from_ref(&below));
    for holder in [&level, &reader] {
        assert_eq!(listed(holder, "").await, (vec![], None));
    }
    // A page is full although most are passed over.
    for _ in 0..3 {
        share(&ada, "narrow/photos/").await;
    }
    assert_eq!(listed(&year, "?limit=1").await, (vec![below.clone()], None));
    json(year.send(Method::PATCH, &format!("/v1/shares/{}", text(&below, "id")), &json!({ "label": "x" })).await, 200)
        .await;
    for holder in [&level, &year] {
        let target = "/v1/shares?target=/v1/blobs/narrow/photos/";
        problem(holder.delete(target).await, 403, "scope-needed").await;
        problem(holder.get(target).await, 403, "scope-needed").await;
    }
    assert_eq!(json(ada.delete("/v1/shares?target=/v1/blobs/narrow/photos/").await, 200).await["revoked"], 4);
}
