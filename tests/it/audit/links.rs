//! Who is refused at a link.

use crate::support::{Service, json, problem};
use reqwest::{Method, Response, multipart};
use serde_json::{Value, json};

const BROWSER: &str = "text/html,application/xhtml+xml,*/*;q=0.8";

async fn made(service: &Service, target: &str, mut terms: Value) -> Value {
    terms["target"] = target.into();
    json(service.post("/v1/shares", &terms).await, 201).await
}

/// What was refused since the last look, as `count problem request path`, sorted.
async fn refused(service: &Service, share: &Value) -> Vec<String> {
    service.app.audit.flush().await;
    let sql = format!(
        "select concat_ws(' ', sum(count), detail->>'problem', detail->>'request', detail->>'path') from larder.audit
         where outcome = 'refused' and share_id = '{}' group by detail->>'problem', detail->>'request', detail->>'path' order by 1",
        share["id"].as_str().unwrap()
    );
    service.column(&sql).await
}

async fn follow(service: &Service, url: &str, password: Option<&str>) -> Response {
    let request = service.anonymous(Method::GET, url).header("x-forwarded-for", "198.51.100.7");
    match password {
        Some(password) => request.basic_auth("anyone", Some(password)),
        None => request,
    }
    .send()
    .await
    .unwrap()
}

#[tokio::test]
async fn wrong_passwords_of_a_link_are_counted_and_a_page_that_asks_for_one_is_not() {
    let service = Service::start(&["--trusted-proxies", "127.0.0.0/8"]).await;
    let blob = json(service.put("/v1/blobs/locked.txt", "x").await, 201).await;
    let share = made(&service, "/v1/blobs/locked.txt", json!({ "password": "the right one" })).await;
    let url = share["url"].as_str().unwrap();
    let page = service.anonymous(Method::GET, url).header("accept", BROWSER).send().await.unwrap();
    assert_eq!(page.status(), 200);
    assert_eq!(follow(&service, url, Some("the right one")).await.status(), 200);
    assert!(refused(&service, &share).await.is_empty());
    for _ in 0..2 {
        problem(follow(&service, url, Some("a wrong one")).await, 401, "password-needed").await;
    }
    let form =
        service.anonymous(Method::POST, url).header("accept", BROWSER).form(&[("password", "another wrong one")]);
    assert_eq!(form.send().await.unwrap().status(), 403);
    assert_eq!(
        refused(&service, &share).await,
        ["1 password-needed POST /s/{token}", "2 password-needed GET /s/{token}"]
    );
    let entries = json(service.get("/v1/audit?outcome=refused&action=refuse").await, 200).await;
    let entry =
        entries["entries"].as_array().unwrap().iter().find(|entry| entry["detail"]["request"] == "GET /s/{token}");
    let entry = entry.unwrap();
    assert_eq!((&entry["kind"], &entry["name"]), (&json!("share"), &share["id"]));
    assert_eq!((&entry["share_id"], &entry["dataset_id"]), (&share["id"], &blob["id"]));
    assert_eq!((&entry["address"], &entry["principal"]), (&json!("198.51.100.7"), &Value::Null));
    assert!(!entry["request_id"].as_str().unwrap().is_empty());
    let all = entries.to_string();
    for secret in ["wrong one", "the right one", url.rsplit('/').next().unwrap()] {
        assert!(!all.contains(secret), "{secret} in {all}");
    }
}

#[tokio::test]
async fn links_that_are_over_of_another_right_or_nobodys_are_refusals() {
    let service = Service::start(&["--wrong-passwords-max", "1"]).await;
    json(service.put("/v1/blobs/a.txt", "x").await, 201).await;
    let view = made(&service, "/v1/blobs/a.txt", json!({ "allow": ["view"] })).await;
    problem(follow(&service, view["url"].as_str().unwrap(), None).await, 403, "not-shared").await;
    assert_eq!(refused(&service, &view).await, ["1 not-shared GET /s/{token}"]);
    assert_eq!(service.delete(&format!("/v1/shares/{}", view["id"].as_str().unwrap())).await.status(), 204);
    problem(follow(&service, &format!("{}/a.txt", view["url"].as_str().unwrap()), None).await, 410, "gone").await;
    assert_eq!(refused(&service, &view).await, ["1 gone GET /s/{token}/{*path} a.txt", "1 not-shared GET /s/{token}"]);
    let rotated = made(&service, "/v1/blobs/a.txt", json!({})).await;
    let path = format!("/v1/shares/{}", rotated["id"].as_str().unwrap());
    json(service.request(Method::PATCH, &path).json(&json!({ "rotate": true })).send().await.unwrap(), 200).await;
    problem(follow(&service, rotated["url"].as_str().unwrap(), None).await, 404, "not-found").await;
    assert_eq!(refused(&service, &rotated).await, ["1 not-found GET /s/{token}"]);
    let locked = made(&service, "/v1/blobs/a.txt", json!({ "password": "the right one" })).await;
    let mut wrong = 0;
    while follow(&service, locked["url"].as_str().unwrap(), Some("wrong")).await.status() == 401 {
        wrong += 1;
        assert!(wrong < 20, "no wrong password has to wait");
    }
    let found = refused(&service, &locked).await;
    assert!(found.contains(&"1 too-many-attempts GET /s/{token}".to_owned()), "{found:?}");
    problem(follow(&service, "/s/nobodys", None).await, 404, "not-found").await;
    service.app.audit.flush().await;
    let unknown = "select name || ' ' || count from larder.audit where outcome = 'refused' and share_id is null";
    assert_eq!(service.column(unknown).await, ["unknown 1"]);
}

#[tokio::test]
async fn a_file_that_a_drop_box_refuses_is_named() {
    let service = Service::start(&[]).await;
    let terms = json!({ "allow": ["upload"], "upload_files_max": 1 });
    let share = made(&service, "/v1/blobs/box/", terms).await;
    let part = |name: &'static str| multipart::Part::text("x").file_name(name);
    let form = multipart::Form::new().part("file", part("kept.txt")).part("file", part("too-many.txt"));
    let sent = service.anonymous(Method::POST, share["url"].as_str().unwrap()).multipart(form);
    let told = problem(sent.send().await.unwrap(), 413, "drop-box-full").await;
    assert_eq!((&told["kept"][0]["name"], told["kept"].as_array().unwrap().len()), (&json!("kept.txt"), 1));
    assert!(told["detail"].as_str().unwrap().ends_with("Kept before that: kept.txt."), "{told}");
    assert_eq!(service.text("/v1/blobs/box/kept.txt").await, "x");
    assert_eq!(refused(&service, &share).await, ["1 drop-box-full POST /s/{token} too-many.txt"]);
    let id = share["id"].as_str().unwrap();
    let log = json(service.get(&format!("/v1/shares/{id}/log")).await, 200).await;
    let hits = log["hits"].as_array().unwrap();
    let hits: Vec<_> =
        hits.iter().map(|hit| (hit["outcome"].clone(), hit["path"].clone(), hit["bytes"].clone())).collect();
    let (refused, uploaded) = (json!(["refused", "too-many.txt", null]), json!(["uploaded", "kept.txt", 1]));
    assert_eq!(json!(hits), json!([refused, uploaded]));
}

#[tokio::test]
async fn a_link_that_came_to_a_wrong_address_is_no_entry() {
    let service = Service::start(&[]).await;
    json(service.put("/v1/blobs/a.txt", "x").await, 201).await;
    let share = made(&service, "/v1/blobs/a.txt", json!({})).await;
    let token = share["url"].as_str().unwrap().rsplit('/').next().unwrap();
    for path in
        [format!("//s/{token}"), format!("/S/{token}"), format!("/v1/shares/{token}"), format!("/share/{token}/")]
    {
        problem(service.anonymous(Method::GET, &path).send().await.unwrap(), 401, "unauthenticated").await;
    }
    service.app.audit.flush().await;
    let lines = service.text("/v1/audit?format=ndjson").await;
    assert!(lines.contains("{token}") && !lines.contains(token), "{lines}");
}
