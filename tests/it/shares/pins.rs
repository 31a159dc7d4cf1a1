//! Links to one version for ever.

use super::{made, url};
use crate::support::{Service, json, problem};
use larder::sweep;
use reqwest::Method;
use serde_json::{Value, json};

async fn start() -> Service {
    Service::start(&["--garbage-seconds", "0", "--sweep-seconds", "3600", "--versions-kept", "1"]).await
}

async fn swept(larder: &Service) {
    sweep::once(&larder.app).await.unwrap();
    larder.sql("update larder.garbage set due_at = now() - interval '1 second'").await;
    sweep::once(&larder.app).await.unwrap();
}

async fn text(larder: &Service, share: &Value, behind: &str) -> String {
    let answer = larder.anonymous(Method::GET, &format!("{}{behind}", url(share))).header("authorization", "Bearer x");
    let answer = answer.send().await.unwrap();
    assert_eq!(answer.status(), 200);
    answer.text().await.unwrap()
}

#[tokio::test]
async fn a_pinned_version_survives_replaces_and_sweeps_until_its_link_is_over() {
    let larder = start().await;
    larder.put("/v1/blobs/a.txt", "one").await;
    larder.put("/v1/tables/t", "a\n1\n").await;
    let blob = made(&larder, "/v1/blobs/a.txt", json!({ "pin_version": true })).await;
    let table = made(&larder, "/v1/tables/t", json!({ "pin_version": true })).await;
    let newest = made(&larder, "/v1/tables/t", json!({})).await;
    assert_eq!((&blob["version"], &table["version"], newest.get("version")), (&1.into(), &1.into(), None));
    for n in 2..5 {
        larder.put("/v1/blobs/a.txt", format!("{n}")).await;
        larder.put("/v1/tables/t", format!("a\n{n}\n")).await;
        swept(&larder).await;
    }
    assert_eq!(text(&larder, &blob, "").await, "one");
    assert_eq!((text(&larder, &table, "").await, text(&larder, &newest, "").await), ("a\n1\n".into(), "a\n4\n".into()));
    assert_eq!((larder.objects().await.len(), larder.physical_tables().await.len()), (4, 2));

    larder.delete(&format!("/v1/shares/{}", blob["id"].as_str().unwrap())).await;
    larder
        .sql(&format!("update larder.shares set expires_at = now() where id = '{}'", table["id"].as_str().unwrap()))
        .await;
    swept(&larder).await;
    assert_eq!((larder.objects().await.len(), larder.physical_tables().await.len()), (2, 1));
    // Its version is gone, so the link cannot come back as one of another.
    let path = format!("/v1/shares/{}", table["id"].as_str().unwrap());
    let extended = larder.request(Method::PATCH, &path).json(&json!({ "expires_in": "1d" })).send().await.unwrap();
    problem(extended, 404, "not-found").await;
    larder.sql("update larder.shares set expires_at = now() + interval '1 day'").await;
    problem(larder.anonymous(Method::GET, url(&table)).send().await.unwrap(), 410, "gone").await;
    assert_eq!(text(&larder, &newest, "").await, "a\n4\n");
}

#[tokio::test]
async fn a_version_is_held_by_the_last_of_its_links() {
    let larder = start().await;
    larder.put("/v1/blobs/a.txt", "one").await;
    let first = made(&larder, "/v1/blobs/a.txt", json!({ "pin_version": true })).await;
    let second = made(&larder, "/v1/blobs/a.txt?version=1", json!({})).await;
    larder.put("/v1/blobs/a.txt", "two").await;
    larder.delete(&format!("/v1/shares/{}", first["id"].as_str().unwrap())).await;
    swept(&larder).await;
    assert_eq!(text(&larder, &second, "").await, "one");
    assert_eq!(larder.objects().await.len(), 2);
}

#[tokio::test]
async fn a_pinned_table_is_copied_before_it_changes_and_nobody_notices() {
    let larder = start().await;
    json(larder.put("/v1/tables/t?key=a", "a,b\n1,x\n2,y\n3,z\n").await, 201).await;
    let change = async |method: Method, path: &str, body: Value, etag: &str| {
        larder.request(method, path).json(&body).header("if-match", etag).send().await.unwrap()
    };
    // A change of before is undone behind the copy.
    let undone = change(Method::PATCH, "/v1/tables/t/rows?a=eq.3", json!({ "b": "changed" }), "*").await;
    assert!(undone.status().is_success());
    let before = larder.get("/v1/tables/t").await.headers()["etag"].to_str().unwrap().to_owned();
    let share = made(&larder, "/v1/tables/t", json!({ "pin_version": true })).await;
    let pinned = "a,b\n1,x\n2,y\n3,changed\n";
    assert_eq!(text(&larder, &share, "").await, pinned);

    // The ETag that a client holds is still that of what it has seen.
    let changed = change(Method::PATCH, "/v1/tables/t/rows?a=eq.1", json!({ "b": "X" }), &before).await;
    assert!(changed.status().is_success(), "{:?}", changed.text().await);
    let request = larder.request(Method::POST, "/v1/tables/t/rows").header("content-type", "text/csv");
    json(request.body("a,b\n4,new\n").send().await.unwrap(), 201).await;
    // The key holds for the copy.
    let request = larder.request(Method::POST, "/v1/tables/t/rows").header("content-type", "text/csv");
    problem(request.body("a,b\n4,twice\n").send().await.unwrap(), 409, "duplicate-key").await;
    assert_eq!(text(&larder, &share, "").await, pinned);
    assert_eq!(larder.text("/v1/tables/t/rows.csv?order=a").await, "a,b\n1,X\n2,y\n3,changed\n4,new\n");

    let changes = json(larder.get("/v1/tables/t/changes").await, 200).await;
    let first = changes["changes"].as_array().unwrap().last().unwrap()["id"].as_str().unwrap().to_owned();
    let again = larder.post(&format!("/v1/tables/t/changes/{first}/undo"), &json!({})).await;
    assert!(again.status().is_success(), "{:?}", again.text().await);
    assert_eq!(larder.text("/v1/tables/t/rows.csv?a=eq.3").await, "a,b\n3,z\n");
    swept(&larder).await;
    assert_eq!(text(&larder, &share, "").await, pinned);
    assert_eq!(text(&larder, &share, "/x.csv?a=eq.3").await, "a,b\n3,changed\n");
}

#[tokio::test]
async fn a_rename_and_an_undo_leave_a_pinned_version_as_it_was() {
    let larder = start().await;
    json(larder.put("/v1/tables/t", "a,b\n1,x\n").await, 201).await;
    let share = made(&larder, "/v1/tables/t/rows.csv?select=b", json!({ "pin_version": true })).await;
    let renamed = json!({ "columns": { "b": { "name": "c" } } });
    json(larder.request(Method::PATCH, "/v1/tables/t").json(&renamed).send().await.unwrap(), 200).await;
    assert_eq!(larder.text("/v1/tables/t/rows.csv").await, "a,c\n1,x\n");
    assert_eq!(text(&larder, &share, "").await, "b\nx\n");
}

#[tokio::test]
async fn a_cursor_of_another_version_opens_no_pinned_link() {
    let larder = Service::start(&["--versions-kept", "3"]).await;
    json(larder.put("/v1/tables/t", "a\n1\n2\n3\n").await, 201).await;
    let pinned = made(&larder, "/v1/tables/t", json!({ "pin_version": true })).await;
    json(larder.put("/v1/tables/t", "a\n7\n8\n9\n").await, 200).await;
    let newest = made(&larder, "/v1/tables/t", json!({})).await;
    let cursor = async |share: &Value| {
        let page = format!("{}/x.csv?limit=1", url(share));
        let answer = larder.anonymous(Method::GET, &page).send().await.unwrap();
        let link = answer.headers()["link"].to_str().unwrap().to_owned();
        link.split("cursor=").nth(1).unwrap().split('>').next().unwrap().to_owned()
    };
    let (of_pinned, of_newest) = (cursor(&pinned).await, cursor(&newest).await);
    let behind = |cursor: &str| format!("/x.csv?limit=1&cursor={cursor}");
    assert_eq!(text(&larder, &pinned, &behind(&of_pinned)).await, "a\n2\n");
    let other = larder.anonymous(Method::GET, &format!("{}{}", url(&pinned), behind(&of_newest))).send().await.unwrap();
    problem(other, 410, "cursor-expired").await;
}
