//! The catalogue over all three stores: what is in its pages, and for whom.

use super::people::{Holder, principal, text};
use crate::support::{Service, json, problem};
use serde_json::{Value, json};

/// The names of all pages, as `kind name`.
async fn names(holder: &Holder<'_>, query: &str) -> Vec<String> {
    let (mut names, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = json(holder.get(&format!("/v1/datasets?limit=2&{query}{cursor}")).await, 200).await;
        let found = page["datasets"].as_array().unwrap();
        names.extend(found.iter().map(|one| format!("{} {}", text(one, "kind"), text(one, "name"))));
        assert!(found.len() <= 2);
        let Some(next) = page["next"].as_str() else { return names };
        assert_eq!(found.len(), 2, "a page with one behind it is full");
        cursor = format!("&cursor={next}");
    }
}

#[tokio::test]
async fn datasets_are_listed_over_all_kinds_as_far_as_the_token_reaches() {
    let larder = Service::start(&["--token-cache-seconds", "0"]).await;
    let (ada, eve) = (principal(&larder, "ada").await, principal(&larder, "eve").await);
    for key in ["a/1.txt", "a/2.txt", "b/sales.txt", "ö"] {
        json(ada.put(&format!("/v1/blobs/{key}"), "x").await, 201).await;
    }
    for name in ["sales-1", "sales-2", "stock"] {
        json(ada.put(&format!("/v1/tables/{name}"), "a\n1\n").await, 201).await;
    }
    for name in ["inbox", "sales"] {
        json(ada.put(&format!("/v1/documents/{name}/x"), "{}").await, 201).await;
    }
    let hide = async |path: &str| {
        let answer = ada.send(reqwest::Method::PATCH, path, &json!({ "visibility": "private" })).await;
        json(answer, 200).await
    };
    hide("/v1/blobs/a/2.txt").await;
    hide("/v1/tables/sales-2").await;
    ada.send(reqwest::Method::PATCH, "/v1/tables/stock", &json!({ "title": "Lager ÄUSSEN" })).await;
    ada.delete("/v1/collections/inbox").await;
    let all = [
        "blob a/1.txt",
        "blob a/2.txt",
        "blob b/sales.txt",
        "blob ö",
        "collection sales",
        "table sales-1",
        "table sales-2",
        "table stock",
    ];
    assert_eq!(names(&ada, "").await, all);
    let without_private: Vec<_> =
        all.into_iter().filter(|name| !name.ends_with("2.txt") && !name.ends_with("sales-2")).collect();
    assert_eq!(names(&eve, "").await, without_private);
    for (query, found) in [
        ("kind=blob", &all[..4]),
        ("kind=collection", &all[4..5]),
        ("prefix=sales", &["collection sales", "table sales-1", "table sales-2"][..]),
        ("prefix=a/&kind=blob", &all[..2]),
        ("q=SALES", &["blob b/sales.txt", "collection sales", "table sales-1", "table sales-2"]),
        ("q=lager", &["table stock"]),
        ("q=%25", &[]),
        ("q=_", &[]),
    ] {
        assert_eq!(names(&ada, query).await, found, "{query}");
    }
    for (scopes, found) in [
        (&["read:tables/sales-*"][..], &["table sales-1", "table sales-2"][..]),
        (&["read:blobs/*", "share:documents/sales"], &["blob ö", "collection sales"]),
        (&["read:*/sales*"], &["collection sales", "table sales-1", "table sales-2"]),
        (&["read:blobs/**.txt"], &["blob a/1.txt", "blob a/2.txt", "blob b/sales.txt"]),
        (&["read:tables/none"], &[]),
    ] {
        assert_eq!(names(&ada.scoped(scopes).await, "").await, found, "{scopes:?}");
    }
    // The lists of blobs hold the same, with folders.
    let narrow = ada.scoped(&["read:blobs/b/**"]).await;
    let folders = json(narrow.get("/v1/blobs?delimiter=/").await, 200).await;
    assert_eq!((&folders["folders"], &folders["blobs"]), (&json!(["b/"]), &json!([])));
    for (query, parameter) in [("kind=view", "kind"), ("cursor=x", "cursor"), ("limit=0", "limit"), ("name=x", "name")]
    {
        let refused = problem(ada.get(&format!("/v1/datasets?{query}")).await, 400, "bad-request").await;
        assert_eq!(refused["parameter"], parameter);
    }
    let page = json(ada.get("/v1/datasets?limit=1").await, 200).await;
    let other = format!("/v1/datasets?kind=table&cursor={}", text(&page, "next"));
    problem(ada.get(&other).await, 400, "bad-request").await;
}

#[tokio::test]
async fn a_dataset_is_found_by_its_id_by_whom_it_is_for() {
    let larder = Service::start(&["--token-cache-seconds", "0", "--visibility", "private"]).await;
    let (ada, eve) = (principal(&larder, "ada").await, principal(&larder, "eve").await);
    let made = json(ada.put("/v1/tables/found", "a\n1\n").await, 201).await;
    let path = format!("/v1/datasets/{}", text(&made, "id"));
    let found = json(ada.get(&path).await, 200).await;
    assert_eq!(found, json(ada.get("/v1/tables/found").await, 200).await);
    let unseen = problem(eve.get(&path).await, 404, "not-found").await;
    let absent = problem(eve.get("/v1/datasets/01a20733-4ff5-721f-9999-e51ff506ad18").await, 404, "not-found").await;
    assert_eq!(unseen["detail"], absent["detail"]);
    problem(ada.scoped(&["read:blobs/**"]).await.get(&path).await, 404, "not-found").await;
    ada.delete("/v1/tables/found").await;
    problem(ada.get(&path).await, 404, "not-found").await;
    json(ada.put("/v1/tables/found", "a\n1\n").await, 201).await;
    problem(ada.get(&path).await, 404, "not-found").await;
    let listed: Value = json(eve.get("/v1/datasets").await, 200).await;
    assert_eq!(listed, json!({ "datasets": [], "next": null }));
}
