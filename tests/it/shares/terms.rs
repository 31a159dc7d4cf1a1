//! What a link says of itself, and how that is changed.

use super::{follow, follow_with, life_seconds, made, share, share_with, url};
use crate::support::{Service, json, problem, shared};
use reqwest::Method;
use serde_json::{Value, json};

async fn change(share: &Value, changes: Value) -> reqwest::Response {
    let path = format!("/v1/shares/{}", share["id"].as_str().unwrap());
    shared().request(Method::PATCH, &path).json(&changes).send().await.unwrap()
}

#[tokio::test]
async fn what_is_said_of_a_link_is_shown_and_can_be_changed() {
    shared().put("/v1/blobs/terms/a.txt", "a").await;
    let terms = json!({
        "label": "for the auditors", "allow": ["download"], "max_downloads": 3, "password": "open sesame", "expires_in": "1h"
    });
    let share = share_with("/v1/blobs/terms/a.txt", terms).await;
    let shown = json(shared().get(&format!("/v1/shares/{}", share["id"].as_str().unwrap())).await, 200).await;
    assert_eq!(shown, share);
    assert_eq!(share["allow"], json!(["download"]));
    assert_eq!((&share["label"], &share["password"]), (&"for the auditors".into(), &true.into()));
    assert_eq!((&share["max_downloads"], &share["downloads"]), (&3.into(), &0.into()));

    let changed = json!({ "label": null, "password": null, "max_downloads": null, "expires_in": "2h", "allow": ["view", "download"] });
    let changed = json(change(&share, changed).await, 200).await;
    assert_eq!((&changed["label"], &changed["password"]), (&Value::Null, &false.into()));
    assert_eq!((&changed["max_downloads"], &changed["url"]), (&Value::Null, &share["url"]));
    assert!(changed.get("downloads").is_none());
    assert_eq!(changed["allow"], json!(["view", "download"]));
    assert!(life_seconds(&changed) > life_seconds(&share));
    assert_eq!(json(change(&share, json!({})).await, 200).await, changed);
    assert_eq!(follow(url(&share)).await.status(), 307);
}

#[tokio::test]
async fn what_cannot_be_said_of_a_link_is_refused_by_name() {
    shared().put("/v1/blobs/terms/b.txt", "b").await;
    for (field, value) in [
        ("label", json!("x".repeat(201))),
        ("password", json!("abc")),
        ("password", json!("x".repeat(201))),
        ("allow", json!([])),
        ("allow", json!(["view", "upload"])),
        ("max_downloads", json!(0)),
        ("expires_at", json!("2001-01-01T00:00:00Z")),
        ("expires_at", json!("tomorrow")),
        ("upload_bytes_max", json!(0)),
        ("upload_files_max", json!(1_000_000_000)),
        ("rotate", json!(true)),
    ] {
        let mut body = json!({ "target": "/v1/blobs/terms/b.txt" });
        body[field] = value;
        let refused = shared().post("/v1/shares", &body).await;
        assert_eq!(problem(refused, 400, "bad-request").await["parameter"], field, "{body}");
    }
    let body = json!({ "target": "/v1/blobs/terms/b.txt", "expires_in": "1d", "expires_at": "2099-01-01T00:00:00Z" });
    assert_eq!(problem(shared().post("/v1/shares", &body).await, 400, "bad-request").await["parameter"], "expires_at");
    let body = json!({ "target": "/v1/blobs/terms/b.txt", "expires_at": "2099-01-01T00:00:00Z" });
    problem(shared().post("/v1/shares", &body).await, 400, "share-too-long").await;
    let share = share("/v1/blobs/terms/b.txt").await;
    for (field, value) in [("target", json!("/v1/blobs/terms/b.txt")), ("pin_version", json!(true))] {
        let refused = change(&share, json!({ field: value })).await;
        assert_eq!(problem(refused, 400, "bad-request").await["parameter"], field);
    }
}

#[tokio::test]
async fn a_link_ends_at_a_moment_and_never_only_where_a_setting_lets_it() {
    let larder = Service::start(&[]).await;
    larder.put("/v1/blobs/a.txt", "a").await;
    let soon = time::OffsetDateTime::now_utc() + time::Duration::days(3);
    let soon = soon.replace_nanosecond(0).unwrap().format(&time::format_description::well_known::Rfc3339).unwrap();
    let share = made(&larder, "/v1/blobs/a.txt", json!({ "expires_at": soon })).await;
    assert_eq!(share["expires_at"], soon.as_str());
    let never = json!({ "target": "/v1/blobs/a.txt", "expires_in": "never" });
    problem(larder.post("/v1/shares", &never).await, 400, "share-too-long").await;

    let lasting = larder.replica(&["--share-never-expires", "true"]).await;
    let share = json(lasting.post("/v1/shares", &never).await, 201).await;
    assert_eq!((&share["expires_at"], &share["over"]), (&Value::Null, &false.into()));
    assert_eq!(larder.anonymous(Method::GET, url(&share)).send().await.unwrap().status(), 307);
    // An upload that asks for a link extends the one that never ends to no end.
    let again = json(lasting.put("/v1/blobs/a.txt?share=1d", "a").await, 200).await;
    assert_eq!(again["links"]["share"], share["url"]);
    let shown = json(larder.get(&format!("/v1/shares/{}", share["id"].as_str().unwrap())).await, 200).await;
    assert_eq!(shown["expires_at"], Value::Null);
}

#[tokio::test]
async fn an_upload_that_asks_for_a_link_never_gives_out_one_that_says_more() {
    let path = "/v1/blobs/terms/extend.txt";
    shared().put(path, "a").await;
    for terms in [
        json!({ "password": "secret" }),
        json!({ "max_downloads": 1 }),
        json!({ "allow": ["view"] }),
        json!({ "pin_version": true }),
    ] {
        let special = share_with(path, terms).await;
        let uploaded = json(shared().put(&format!("{path}?share=1d"), "a").await, 200).await;
        assert_ne!(uploaded["links"]["share"], special["url"]);
    }
}

#[tokio::test]
async fn a_rotated_link_is_another_one_and_the_old_one_is_unknown() {
    shared().put("/v1/blobs/terms/rotate.txt", "a").await;
    let share = share("/v1/blobs/terms/rotate.txt").await;
    let rotated = json(change(&share, json!({ "rotate": true })).await, 200).await;
    assert_ne!(rotated["url"], share["url"]);
    assert_eq!(rotated["id"], share["id"]);
    problem(follow(url(&share)).await, 404, "not-found").await;
    assert_eq!(follow(url(&rotated)).await.status(), 307);
    shared().delete(&format!("/v1/shares/{}", share["id"].as_str().unwrap())).await;
    problem(change(&share, json!({ "expires_in": "1d" })).await, 410, "gone").await;
}

#[tokio::test]
async fn links_live_on_while_a_key_is_rotated_and_end_when_the_old_one_goes() {
    let (old, new) = ("an-old-key-of-more-than-32-characters", "a-new-key-of-more-than-32-characters!");
    let larder = Service::start(&["--secret-keys", old]).await;
    larder.put("/v1/blobs/a.txt", "a").await;
    let share = made(&larder, "/v1/blobs/a.txt", json!({})).await;
    let both = larder.replica(&["--secret-keys", &format!("{new},{old}")]).await;
    let only = larder.replica(&["--secret-keys", new]).await;
    let path = |share: &Value| url(share).split_once("/s/").unwrap().1.to_owned();
    let status = async |larder: &Service, share: &Value| {
        larder.anonymous(Method::GET, &format!("/s/{}", path(share))).send().await.unwrap().status().as_u16()
    };
    assert_eq!((status(&larder, &share).await, status(&both, &share).await), (307, 307));
    assert_eq!(status(&only, &share).await, 404);
    // What is shown now is signed by the new key, and the same share.
    let shown = json(both.get(&format!("/v1/shares/{}", share["id"].as_str().unwrap())).await, 200).await;
    assert_ne!(path(&shown), path(&share));
    assert_eq!((status(&both, &shown).await, status(&only, &shown).await), (307, 307));
}

#[tokio::test]
async fn all_links_of_a_thing_end_at_once_by_its_owner_and_by_others_only_their_own() {
    let larder = Service::start(&[]).await;
    json(larder.put("/v1/tables/t", "a\n1\n").await, 201).await;
    json(larder.put("/v1/tables/other", "a\n1\n").await, 201).await;
    let token = larder.principal("bob").await;
    let as_bob = |method: Method, path: &str| larder.anonymous(method, path).bearer_auth(&token);
    let body = json!({ "target": "/v1/tables/t/rows.csv?a=eq.1" });
    let bobs = json(as_bob(Method::POST, "/v1/shares").json(&body).send().await.unwrap(), 201).await;
    let ours = made(&larder, "/v1/tables/t", json!({})).await;
    let kept = made(&larder, "/v1/tables/other", json!({})).await;
    let of_t = json(larder.get("/v1/shares?target=/v1/tables/t").await, 200).await;
    assert_eq!(of_t["shares"].as_array().unwrap().len(), 2);
    let status =
        async |share: &Value| larder.anonymous(Method::GET, url(share)).send().await.unwrap().status().as_u16();

    let revoked = as_bob(Method::DELETE, "/v1/shares?target=/v1/tables/t").send().await.unwrap();
    assert_eq!(json(revoked, 200).await, json!({ "revoked": 1 }));
    assert_eq!((status(&bobs).await, status(&ours).await), (410, 200));
    assert_eq!(json(larder.delete("/v1/shares?target=/v1/tables/t").await, 200).await, json!({ "revoked": 1 }));
    assert_eq!((status(&ours).await, status(&kept).await), (410, 200));
    problem(larder.delete("/v1/shares").await, 400, "bad-request").await;
    assert_eq!(larder.text("/v1/tables/t/rows.csv").await, "a\n1\n");
}

#[tokio::test]
async fn a_link_shows_no_more_than_its_maker_may_see() {
    let larder = Service::start(&[]).await;
    larder.put("/v1/blobs/f/a.txt", "a").await;
    let token = larder.principal("eve").await;
    let made_by_eve = async |target: &str| {
        let body = json!({ "target": target });
        json(larder.anonymous(Method::POST, "/v1/shares").bearer_auth(&token).json(&body).send().await.unwrap(), 201)
            .await
    };
    let (blob, folder) = (made_by_eve("/v1/blobs/f/a.txt").await, made_by_eve("/v1/blobs/f/").await);
    let status = async |link: String| larder.anonymous(Method::GET, &link).send().await.unwrap().status().as_u16();
    let in_folder = format!("{}/a.txt", url(&folder));
    assert_eq!((status(url(&blob).to_owned()).await, status(in_folder.clone()).await), (307, 307));
    larder.sql("update larder.datasets set visibility = 'private'").await;
    assert_eq!((status(url(&blob).to_owned()).await, status(in_folder.clone()).await), (410, 404));
    larder.sql("update larder.datasets set visibility = 'team'").await;
    assert_eq!((status(url(&blob).to_owned()).await, status(in_folder.clone()).await), (307, 307));
    larder.sql("update larder.principals set disabled_at = now() where name = 'eve'").await;
    assert_eq!((status(url(&blob).to_owned()).await, status(in_folder).await), (410, 410));
}

#[tokio::test]
async fn a_link_gives_only_what_it_allows() {
    shared().put("/v1/blobs/terms/seen.txt", "seen").await;
    let share = share_with("/v1/blobs/terms/seen.txt", json!({ "allow": ["view"] })).await;
    problem(follow(url(&share)).await, 403, "not-shared").await;
    problem(follow(&format!("{}?download", url(&share))).await, 403, "not-shared").await;
    let preview = follow(&format!("{}?preview", url(&share))).await;
    assert_eq!(preview.headers()["content-security-policy"], "sandbox");
    assert_eq!(preview.text().await.unwrap(), "seen");
    let share = share_with("/v1/blobs/terms/seen.txt", json!({ "allow": ["download"] })).await;
    problem(follow(&format!("{}?preview", url(&share))).await, 403, "not-shared").await;
    assert_eq!(follow(url(&share)).await.status(), 307);
    let kept = follow(&format!("{}?download", url(&share))).await;
    assert!(kept.headers()["content-disposition"].to_str().unwrap().starts_with("attachment; filename=\"seen.txt\""));
    assert_eq!(kept.text().await.unwrap(), "seen");
    problem(
        follow_with(Method::POST, url(&share), &[("content-type", "multipart/form-data; boundary=x")]).await,
        403,
        "not-shared",
    )
    .await;
    problem(follow_with(Method::PUT, &format!("{}/x.txt", url(&share)), &[]).await, 403, "not-shared").await;
}
