//! What a link's address, its page and its owner say of it.

use super::{follow, follow_with, made, share, share_with, url};
use crate::support::{Service, json, problem, shared};
use reqwest::Method;
use serde_json::{Value, json};

const BROWSER: (&str, &str) = ("accept", "text/html,application/xhtml+xml,*/*;q=0.8");

async fn shown(share: &Value) -> Value {
    json(shared().get(&format!("/v1/shares/{}", share["id"].as_str().unwrap())).await, 200).await
}

#[tokio::test]
async fn a_slash_behind_a_link_changes_nothing() {
    json(shared().put("/v1/blobs/slash/a.txt", "a").await, 201).await;
    json(shared().put("/v1/tables/slash", "n\n1\n").await, 201).await;
    json(shared().put("/v1/documents/slash/a", "{\"n\":1}").await, 201).await;
    for target in ["/v1/blobs/slash/a.txt", "/v1/blobs/slash/", "/v1/tables/slash", "/v1/documents/slash/a"] {
        let share = share_with(target, json!({})).await;
        for headers in [&[][..], &[BROWSER]] {
            let mut answers = Vec::new();
            for end in ["", "/"] {
                let answer = follow_with(Method::GET, &format!("{}{end}", url(&share)), headers).await;
                let status = answer.status().as_u16();
                let body = if status == 307 { String::new() } else { answer.text().await.unwrap() };
                answers.push((status, body));
            }
            assert!(matches!(answers[0].0, 200 | 307), "{target}: {answers:?}");
            assert_eq!(answers[0], answers[1], "{target}");
        }
        assert_eq!(follow_with(Method::OPTIONS, &format!("{}/", url(&share)), &[]).await.status(), 200);
    }
    problem(follow("/s/unknown/").await, 404, "not-found").await;
}

#[tokio::test]
async fn a_page_tells_of_a_fixed_query_no_more_than_its_rows_do() {
    let rows: String = (0..2000).map(|n| format!("{n},{}\n", n % 7)).collect();
    shared().put("/v1/tables/q-told", format!("n,secretly\n{rows}")).await;
    let few = share("/v1/tables/q-told/rows.csv?secretly=eq.3&select=n&limit=3").await;
    let page = follow_with(Method::GET, url(&few), &[BROWSER]).await.text().await.unwrap();
    assert!(page.contains("Part of a table") && !page.contains("data-size"), "{page}");
    let counted = follow_with(Method::GET, url(&few), &[("prefer", "count=exact")]).await;
    assert!(!counted.headers().contains_key("content-range"), "{:?}", counted.headers());
    assert_eq!(counted.text().await.unwrap(), "n\n3\n10\n17\n");
    let rename = json!({ "columns": { "secretly": { "name": "other" } } });
    let renamed = shared().request(Method::PATCH, "/v1/tables/q-told").json(&rename).send().await.unwrap();
    json(renamed, 200).await;
    problem(follow(url(&few)).await, 410, "gone").await;
    let page = follow_with(Method::GET, url(&few), &[BROWSER]).await;
    assert_eq!(page.status(), 410);
    let page = page.text().await.unwrap();
    assert!(!page.contains("secretly"), "{page}");
}

#[tokio::test]
async fn links_of_one_query_are_listed_and_ended_by_it_alone() {
    shared().put("/v1/tables/q-alone", "n,m\n1,2\n").await;
    let table = share("/v1/tables/q-alone").await;
    let one = share("/v1/tables/q-alone/rows.csv?n=eq.1").await;
    let other = share("/v1/tables/q-alone/rows.csv?n=eq.2").await;
    let json_of_one = share("/v1/tables/q-alone/rows.json?n=eq.1").await;
    let query = "target=/v1/tables/q-alone/rows.csv?n%3Deq.1";
    let listed = json(shared().get(&format!("/v1/shares?{query}")).await, 200).await;
    assert_eq!(listed["shares"], json!([one]));
    assert_eq!(json(shared().delete(&format!("/v1/shares?{query}")).await, 200).await["revoked"], 1);
    for (share, over) in [(&table, false), (&one, true), (&other, false), (&json_of_one, false)] {
        assert_eq!(shown(share).await["over"], over, "{share}");
    }
    assert_eq!(json(shared().delete("/v1/shares?target=/v1/tables/q-alone").await, 200).await["revoked"], 3);
    // A version of a table is pinned as one of a blob is.
    shared().put("/v1/tables/q-alone", "n,m\n5,6\n").await;
    let first = share("/v1/tables/q-alone?version=1").await;
    assert_eq!(first["version"], 1);
    assert_eq!(follow(url(&first)).await.text().await.unwrap(), "n,m\n1,2\n");
    // So is one ended.
    let newest = share("/v1/tables/q-alone").await;
    let query = "target=/v1/tables/q-alone?version=1";
    assert_eq!(json(shared().get(&format!("/v1/shares?{query}")).await, 200).await["shares"], json!([first]));
    assert_eq!(json(shared().delete(&format!("/v1/shares?{query}")).await, 200).await["revoked"], 1);
    assert_eq!(
        (shown(&first).await["over"].clone(), shown(&newest).await["over"].clone()),
        (json!(true), json!(false))
    );
}

#[tokio::test]
async fn an_upload_gives_out_no_link_that_was_made_for_somebody() {
    json(shared().put("/v1/blobs/for-somebody.txt", "a").await, 201).await;
    let labelled = share_with("/v1/blobs/for-somebody.txt", json!({ "label": "for the board" })).await;
    let again = json(shared().put("/v1/blobs/for-somebody.txt?share=30d", "b").await, 200).await;
    assert_ne!(again["links"]["share"], labelled["url"]);
    assert_eq!(shown(&labelled).await["expires_at"], labelled["expires_at"]);
}

#[tokio::test]
async fn looking_at_what_is_in_a_folder_is_no_download() {
    json(shared().put("/v1/blobs/looked/deep/a.txt", "a").await, 201).await;
    let share = share_with("/v1/blobs/looked/", json!({ "max_downloads": 1 })).await;
    assert_eq!(share["allow"], json!(["view", "download"]), "what is in it must be seen to be had");
    for path in ["", "/", "/deep/"] {
        json(follow(&format!("{}{path}", url(&share))).await, 200).await;
    }
    assert_eq!(follow(&format!("{}/deep/a.txt", url(&share))).await.text().await.unwrap(), "a");
    problem(follow(&format!("{}/deep/a.txt", url(&share))).await, 410, "gone").await;
}

#[tokio::test]
async fn a_collection_is_saved_whole_and_neither_pinned_nor_counted() {
    let larder = Service::start(&["--page-rows-max", "2"]).await;
    for n in 0..5 {
        json(larder.put(&format!("/v1/documents/all/{n}"), format!("{{\n  \"n\": {n}\n}}")).await, 201).await;
    }
    for (terms, parameter) in [("pin_version", json!(true)), ("max_downloads", json!(1))] {
        let refused = larder.post("/v1/shares", &json!({ "target": "/v1/collections/all", terms: parameter })).await;
        assert_eq!(problem(refused, 400, "bad-request").await["parameter"], terms);
    }
    let share = made(&larder, "/v1/collections/all", json!({})).await;
    let path = format!("/v1/shares/{}", share["id"].as_str().unwrap());
    let counted = larder.request(Method::PATCH, &path).json(&json!({ "max_downloads": 1 })).send().await.unwrap();
    assert_eq!(problem(counted, 400, "bad-request").await["parameter"], "max_downloads");
    let page = larder.anonymous(Method::GET, url(&share)).header(BROWSER.0, BROWSER.1).send().await.unwrap();
    let page = page.text().await.unwrap();
    assert!(page.contains("?download\" download=\"all.ndjson\""), "{page}");
    let saved = larder.anonymous(Method::GET, &format!("{}?download", url(&share))).send().await.unwrap();
    assert_eq!(saved.headers()["content-type"], "application/x-ndjson");
    assert!(
        saved.headers()["content-disposition"].to_str().unwrap().starts_with("attachment; filename=\"all.ndjson\"")
    );
    let head = larder.anonymous(Method::HEAD, &format!("{}?download", url(&share))).send().await.unwrap();
    assert_eq!(head.headers()["content-type"], "application/x-ndjson");
    let lines = saved.text().await.unwrap();
    let bodies: Vec<Value> =
        lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["body"].clone()).collect();
    assert_eq!(bodies, (0..5).map(|n| json!({ "n": n })).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_document_is_saved_under_its_id() {
    for id in ["plain", "named.json"] {
        json(shared().put(&format!("/v1/documents/saved/{id}"), "{\"n\":1}").await, 201).await;
        let share = share(&format!("/v1/documents/saved/{id}")).await;
        let file = if id == "plain" { "plain.json" } else { id };
        let saved = follow(&format!("{}?download", url(&share))).await;
        let disposition = saved.headers()["content-disposition"].to_str().unwrap().to_owned();
        assert!(disposition.starts_with(&format!("attachment; filename=\"{file}\"")), "{disposition}");
        assert!(!follow(url(&share)).await.headers().contains_key("content-disposition"));
        let page = follow_with(Method::GET, url(&share), &[BROWSER]).await.text().await.unwrap();
        assert!(page.contains(&format!("/{file}\"")) && !page.contains(".json.json"), "{page}");
    }
}

#[tokio::test]
async fn a_link_is_over_when_what_it_led_to_is_not_there_or_its_downloads_were_given_up() {
    let larder = Service::start(&[]).await;
    let person = larder.person().await;
    json(larder.put("/v1/blobs/a.txt", "a").await, 201).await;
    let ours = made(&larder, "/v1/blobs/a.txt", json!({})).await;
    let theirs = json(
        person.request(Method::POST, "/v1/shares").json(&json!({ "target": "/v1/blobs/a.txt" })).send().await.unwrap(),
        201,
    )
    .await;
    let counted = made(&larder, "/v1/blobs/a.txt", json!({ "max_downloads": 1 })).await;
    let check = async |share: &Value, over: bool| {
        let shown = json(larder.get(&format!("/v1/shares/{}", share["id"].as_str().unwrap())).await, 200).await;
        assert_eq!(shown["over"], over, "{shown}");
        let status = larder.anonymous(Method::GET, url(share)).send().await.unwrap().status().as_u16();
        assert_eq!(status == 410, over, "{status}");
    };
    check(&theirs, false).await;
    let visible = async |visibility: &str| {
        let change = larder.request(Method::PATCH, "/v1/blobs/a.txt").json(&json!({ "visibility": visibility }));
        json(change.send().await.unwrap(), 200).await;
    };
    visible("private").await;
    check(&theirs, true).await;
    check(&ours, false).await;
    visible("team").await;
    check(&theirs, false).await;
    let given_up = format!(
        "insert into larder.share_downloads (id, share_id, cookie, origin, etag, size_bytes, granted_bytes, promised, running, lease_until)
         select gen_random_uuid(), '{}', '', '', '', 1, 0, '{{}}', 0, now() - interval '1 hour' from generate_series(1, 4)",
        counted["id"].as_str().unwrap()
    );
    larder.sql(&given_up).await;
    check(&counted, true).await;
    larder.delete("/v1/blobs/a.txt").await;
    check(&ours, true).await;
    larder.post("/v1/blobs/a.txt/restore", &json!({})).await;
    check(&ours, false).await;
}
