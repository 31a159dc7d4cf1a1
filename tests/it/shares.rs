//! Links: made, followed, ended.

mod addresses;
mod downloads;
mod drop_boxes;
mod folders;
mod logs;
mod passwords;
mod pins;
mod queries;
mod remembered;
mod renditions;
mod terms;

use crate::support::{Service, json, problem, shared};
use reqwest::{Method, Response};
use serde_json::{Value, json};

async fn share(target: &str) -> Value {
    share_with(target, json!({})).await
}

async fn share_with(target: &str, terms: Value) -> Value {
    made(shared(), target, terms).await
}

async fn made(larder: &Service, target: &str, mut terms: Value) -> Value {
    terms["target"] = target.into();
    json(larder.post("/v1/shares", &terms).await, 201).await
}

/// Follows a link as anyone on the internet would.
async fn follow(url: &str) -> Response {
    follow_with(Method::GET, url, &[]).await
}

async fn follow_with(method: Method, url: &str, headers: &[(&str, &str)]) -> Response {
    let request = shared().anonymous(method, url);
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    request.send().await.expect("an answer")
}

fn url(share: &Value) -> &str {
    share["url"].as_str().expect("a URL")
}

fn life_seconds(share: &Value) -> i64 {
    let time = |name: &str| {
        let text = share[name].as_str().expect("a time");
        time::OffsetDateTime::parse(text, &time::format_description::well_known::Rfc3339).expect("RFC 3339")
    };
    (time("expires_at") - time("created_at")).whole_seconds()
}

async fn hits(share: &Value) -> Vec<String> {
    let id = share["id"].as_str().expect("an id");
    shared().column(&format!("select outcome from larder.share_hits where share_id = '{id}' order by at")).await
}

#[tokio::test]
async fn a_link_to_a_blob_redirects_to_a_url_that_works_by_itself() {
    shared().put("/v1/blobs/s/photo%20%C3%A4.txt", "0123456789").await;
    let share = share("/v1/blobs/s/photo%20%C3%A4.txt").await;
    insta::assert_json_snapshot!(share, {
        ".id" => "[id]", ".url" => "[url]", ".dataset_id" => "[id]", ".expires_at" => "[time]", ".created_at" => "[time]",
    }, @r#"
    {
      "id": "[id]",
      "url": "[url]",
      "target": "/v1/blobs/s/photo%20%C3%A4.txt",
      "dataset_id": "[id]",
      "label": null,
      "allow": [
        "view",
        "download"
      ],
      "password": false,
      "max_downloads": null,
      "created_by": "admin",
      "expires_at": "[time]",
      "revoked_at": null,
      "created_at": "[time]",
      "over": false
    }
    "#);
    for path in ["", "/photo.txt", "/anything"] {
        let answer = follow(&format!("{}{path}", url(&share))).await;
        assert_eq!((answer.status().as_u16(), answer.headers()["cache-control"].to_str().unwrap()), (307, "no-store"));
        let location = answer.headers()["location"].to_str().unwrap();
        assert!(location.starts_with(&shared().url), "{location}");
        let bytes = follow(location).await;
        let disposition = bytes.headers()["content-disposition"].to_str().unwrap().to_owned();
        assert!(disposition.starts_with("inline; filename=\"photo _.txt\""), "{disposition}");
        assert!(bytes.headers()["content-type"].to_str().unwrap().starts_with("text/plain"));
        assert_eq!(bytes.text().await.unwrap(), "0123456789");
        let part = follow_with(Method::GET, location, &[("range", "bytes=2-4")]).await;
        assert_eq!((part.status().as_u16(), part.text().await.unwrap().as_str()), (206, "234"));
    }
    assert_eq!(hits(&share).await, ["redirected"; 3]);

    // A client that sends its credentials along would send them to the redirect's target: it is streamed to, whoever it is, unless it asks for the redirect.
    for authorization in ["Bearer nonsense", &format!("Bearer {}", shared().token)] {
        let streamed =
            follow_with(Method::GET, url(&share), &[("authorization", authorization), ("range", "bytes=0-1")]).await;
        assert_eq!(streamed.headers()["content-security-policy"], "sandbox");
        assert_eq!((streamed.status().as_u16(), streamed.text().await.unwrap().as_str()), (206, "01"));
    }
    let asked = [("authorization", "Bearer x"), ("prefer", "redirect")];
    assert_eq!(follow_with(Method::GET, url(&share), &asked).await.status(), 307);
    let head = follow_with(Method::HEAD, url(&share), &[]).await;
    assert_eq!((head.status().as_u16(), head.headers()["content-length"].to_str().unwrap()), (200, "10"));
    assert_eq!(hits(&share).await[3..], ["streamed", "streamed", "redirected", "asked"]);
}

#[tokio::test]
async fn a_link_to_a_table_gives_rows_in_the_format_asked_for() {
    shared().put("/v1/tables/s-table", "a,b\n1,x\n2,y\n").await;
    let share = share("/v1/tables/s-table").await;
    let text = |path: &'static str| {
        let url = format!("{}{path}", url(&share));
        async move {
            let answer = follow(&url).await;
            assert_eq!(answer.status(), 200);
            answer.text().await.unwrap()
        }
    };
    assert_eq!(text("").await, "a,b\n1,x\n2,y\n");
    assert_eq!(text("/any.csv").await, "a,b\n1,x\n2,y\n");
    assert_eq!(text("/any.ndjson").await, "{\"a\":1,\"b\":\"x\"}\n{\"a\":2,\"b\":\"y\"}\n");
    assert_eq!(text("/any.json?select=a&limit=1").await, "[\n{\"a\":1}\n]\n");
    let json = follow_with(Method::GET, url(&share), &[("accept", "application/json")]).await;
    assert_eq!(json.headers()["content-type"], "application/json");
    let page = follow_with(Method::GET, url(&share), &[("accept", "text/csv;q=0.9,*/*;q=0.8")]).await;
    assert_eq!(
        (&page.headers()["access-control-allow-origin"], page.headers().contains_key("vary")),
        (&"*".parse().unwrap(), true)
    );
    assert!(page.headers()["content-type"].to_str().unwrap().starts_with("text/csv"));
    let etag = page.headers()["etag"].to_str().unwrap();
    assert_eq!(follow_with(Method::GET, url(&share), &[("if-none-match", etag)]).await.status(), 304);
    let head = follow_with(Method::HEAD, url(&share), &[]).await;
    assert_eq!((head.status().as_u16(), head.text().await.unwrap().as_str()), (200, ""));
    problem(follow(&format!("{}/any.docx", url(&share))).await, 406, "not-acceptable").await;
    let wrong = problem(follow(&format!("{}?select=c", url(&share))).await, 400, "bad-request").await;
    assert_eq!(wrong["parameter"], "select");
    // The link shows what the table is now.
    shared().put("/v1/tables/s-table", "c\n3\n").await;
    assert_eq!(text("").await, "c\n3\n");
    assert!(hits(&share).await.len() >= 9);
}

#[tokio::test]
async fn a_link_to_a_document_gives_its_json() {
    shared().put("/v1/documents/s-docs/a%20b", "{\"n\":1}").await;
    let share = share("/v1/documents/s-docs/a%20b").await;
    assert_eq!(share["document_id"], "a b");
    let answer = follow(&format!("{}/a.json", url(&share))).await;
    assert_eq!(answer.headers()["content-type"], "application/json");
    assert_eq!(answer.text().await.unwrap(), "{\"n\":1}");
    shared().put("/v1/documents/s-docs/a%20b", "{\"n\":2}").await;
    assert_eq!(follow(url(&share)).await.text().await.unwrap(), "{\"n\":2}");
    let head = follow_with(Method::HEAD, url(&share), &[]).await;
    assert_eq!((head.status().as_u16(), head.headers()["content-length"].to_str().unwrap()), (200, "7"));

    shared().delete("/v1/documents/s-docs/a%20b").await;
    problem(follow(url(&share)).await, 410, "gone").await;
    shared().post("/v1/documents/s-docs/a%20b/restore", &json!({})).await;
    assert_eq!(follow(url(&share)).await.text().await.unwrap(), "{\"n\":2}");
    shared().delete("/v1/documents/s-docs/a%20b").await;
    json(shared().put("/v1/documents/s-docs/a%20b", "{\"n\":3}").await, 201).await;
    problem(follow(url(&share)).await, 410, "gone").await;
    assert_eq!(hits(&share).await, ["streamed", "streamed", "asked", "over", "streamed", "over"]);
}

#[tokio::test]
async fn a_target_is_a_path_or_a_link_of_ours() {
    let blob = json(shared().put("/v1/blobs/s/t.bin", "x").await, 201).await;
    let table = json(shared().put("/v1/tables/s-target", "a\n1\n").await, 201).await;
    let document = json(shared().put("/v1/documents/s-target/a", "{}").await, 201).await;
    for descriptor in [&blob, &table, &document] {
        for link in ["self", "download"] {
            let link = descriptor["links"][link].as_str().unwrap();
            let by_path = share(link.strip_prefix(shared().url.as_str()).unwrap()).await;
            let by_link = share(link).await;
            assert_eq!(by_link["dataset_id"], by_path["dataset_id"]);
            assert_ne!(by_link["id"], by_path["id"]);
        }
    }
    for collection in ["/v1/collections/s-target", "/v1/documents/s-target"] {
        assert_eq!(share(collection).await["target"], "/v1/collections/s-target");
    }
    assert_eq!(share(table["links"]["rows"].as_str().unwrap()).await["dataset_id"], table["id"]);
    for target in
        ["", "/", "s-target", "/v1/tables/s-target/stats", "/v1/blobs/s//", "https://example.org/v1/tables/s-target"]
            .into_iter()
            // Whoever forgets `/rows` must not share all of them.
            .chain(["/v1/tables/s-target?a=eq.1", "/v1/tables/s-target?version=1&select=a", "/v1/blobs/s/?prefix=t"])
            .chain(["/v1/blobs/s/t.bin?a=b", "/v1/documents/s-target/a?version=1", "/v1/documents/s-target?limit=1"])
    {
        let refused = shared().post("/v1/shares", &json!({ "target": target })).await;
        assert_eq!(problem(refused, 400, "bad-request").await["parameter"], "target", "{target}");
    }
    for target in [
        "/v1/collections/none",
        "/v1/blobs/s/t.bin?version=2",
        "/v1/blobs/s/none",
        "/v1/tables/none",
        "/v1/documents/s-target/none",
        "/v1/documents/none/a",
    ] {
        problem(shared().post("/v1/shares", &json!({ "target": target })).await, 404, "not-found").await;
    }
    for body in [json!({}), json!({ "target": "/v1/tables/s-target", "color": 1 }), json!([])] {
        problem(shared().post("/v1/shares", &body).await, 400, "bad-request").await;
    }
    let large = json!({ "target": "x".repeat(2 << 20) });
    problem(shared().post("/v1/shares", &large).await, 413, "request-too-large").await;
}

#[tokio::test]
async fn a_link_lives_as_long_as_it_was_told_to() {
    shared().put("/v1/tables/s-life", "a\n").await;
    let make = |life: &'static str| {
        shared().post("/v1/shares", Box::leak(Box::new(json!({ "target": "/v1/tables/s-life", "expires_in": life }))))
    };
    assert_eq!(life_seconds(&share("/v1/tables/s-life").await), 7 * 86_400);
    for (life, seconds) in
        [("90", 90), ("90s", 90), ("15m", 900), ("12h", 43_200), ("366d", 366 * 86_400), ("2w", 1_209_600)]
    {
        assert_eq!(life_seconds(&json(make(life).await, 201).await), seconds, "{life}");
    }
    for life in ["", "0d", "-1d", "7 days", "1.5h", "99999999999999999999d"] {
        assert_eq!(problem(make(life).await, 400, "bad-request").await["parameter"], "expires_in", "{life}");
    }
    let long = problem(make("367d").await, 400, "share-too-long").await;
    assert_eq!(
        (long["limit"].as_u64(), long["setting"].as_str()),
        (Some(366 * 86_400), Some("LARDER_SHARE_SECONDS_MAX"))
    );
}

#[tokio::test]
async fn a_link_that_is_over_is_gone_and_an_unknown_one_never_was() {
    shared().put("/v1/blobs/s/over.txt", "x").await;
    let (revoked, expired) = (share("/v1/blobs/s/over.txt").await, share("/v1/blobs/s/over.txt").await);
    let path = format!("/v1/shares/{}", revoked["id"].as_str().unwrap());
    assert_eq!(json(shared().get(&path).await, 200).await, revoked);
    for _ in 0..2 {
        assert_eq!(shared().delete(&path).await.status(), 204);
    }
    let after = json(shared().get(&path).await, 200).await;
    assert!(after["revoked_at"].is_string() && after["over"] == true);
    let id = expired["id"].as_str().unwrap();
    assert_eq!(shared().sql(&format!("update larder.shares set expires_at = now() where id = '{id}'")).await, 1);
    for over in [&revoked, &expired] {
        for link in [url(over).to_owned(), format!("{}/over.txt", url(over))] {
            problem(follow(&link).await, 410, "gone").await;
        }
        assert_eq!(follow_with(Method::HEAD, url(over), &[]).await.status(), 410);
        assert_eq!(hits(over).await, ["over"; 3]);
    }
    let token = url(&revoked).rsplit('/').next().unwrap();
    let mut tampered = token.to_owned();
    let last = if tampered.pop() == Some('A') { 'E' } else { 'A' };
    for unknown in [
        format!("{tampered}{last}"),
        format!("B{}", &token[1..]),
        token[..20].to_owned(),
        "x".to_owned(),
        "%FF".to_owned(),
    ] {
        let answer = follow(&format!("/s/{unknown}")).await;
        assert!(matches!(answer.status().as_u16(), 400 | 404), "{unknown}: {}", answer.status());
        assert_eq!(answer.headers()["content-type"], "application/problem+json");
    }
    problem(follow("/s/x").await, 404, "not-found").await;
}

#[tokio::test]
async fn a_link_binds_to_the_thing_and_not_to_its_name() {
    shared().put("/v1/blobs/s/again.txt", "old").await;
    let share = share("/v1/blobs/s/again.txt").await;
    let bytes = async || {
        let answer = follow(url(&share)).await;
        follow(answer.headers()["location"].to_str().unwrap()).await.text().await.unwrap()
    };
    shared().put("/v1/blobs/s/again.txt", "newer version").await;
    assert_eq!(bytes().await, "newer version");
    shared().delete("/v1/blobs/s/again.txt").await;
    problem(follow(url(&share)).await, 410, "gone").await;
    shared().post("/v1/blobs/s/again.txt/restore", &json!({})).await;
    assert_eq!(bytes().await, "newer version");
    shared().delete("/v1/blobs/s/again.txt").await;
    shared().put("/v1/blobs/s/again.txt", "another").await;
    problem(follow(url(&share)).await, 410, "gone").await;
}

#[tokio::test]
async fn an_upload_shares_at_once_and_later_ones_extend_its_link() {
    let upload = async |path: &str, body: &'static str| {
        let answer = shared().put(path, body).await;
        assert!(answer.status().is_success(), "{path}");
        answer.json::<Value>().await.unwrap()["links"]["share"].as_str().map(str::to_owned)
    };
    for (path, bodies) in [
        ("/v1/blobs/s/up.txt", ["one", "two"]),
        ("/v1/tables/s-up", ["a\n1\n", "a\n2\n"]),
        ("/v1/documents/s-up/a", ["{\"a\":1}", "{\"a\":2}"]),
        ("/s-up-smart.csv", ["a\n1\n", "a\n2\n"]),
    ] {
        let first = upload(&format!("{path}?share=1d"), bodies[0]).await.expect("a link");
        let again = upload(&format!("{path}?share=30d"), bodies[1]).await.expect("a link");
        let shorter = upload(&format!("{path}?share=1h"), bodies[1]).await.expect("a link");
        assert_eq!((&again, &shorter), (&first, &first), "{path}");
        assert_eq!(upload(path, bodies[1]).await, None);
        assert!(matches!(follow(&first).await.status().as_u16(), 200 | 307), "{path}");
        let listed = json(shared().get("/v1/shares").await, 200).await;
        let listed = listed["shares"].as_array().unwrap().iter().find(|share| share["url"] == first.as_str()).cloned();
        let listed = listed.expect("the link is in the list");
        assert!((30 * 86_400..30 * 86_400 + 3600).contains(&life_seconds(&listed)), "{listed}");
        // One that was revoked is never given out again.
        shared().delete(&format!("/v1/shares/{}", listed["id"].as_str().unwrap())).await;
        assert_ne!(upload(&format!("{path}?share=1d"), bodies[1]).await, Some(first));
    }
}

#[tokio::test]
async fn the_shares_of_others_are_not_there() {
    let larder = Service::start(&[]).await;
    larder.put("/v1/tables/t", "a\n").await;
    let ours = json(larder.post("/v1/shares", &json!({ "target": "/v1/tables/t" })).await, 201).await;
    let token = larder.principal("bob").await;
    let as_bob = async |method: Method, path: &str, body: Option<Value>| {
        let request = larder.anonymous(method, path).bearer_auth(&token);
        let request = body.iter().fold(request, reqwest::RequestBuilder::json);
        request.send().await.unwrap()
    };
    let path = format!("/v1/shares/{}", ours["id"].as_str().unwrap());
    problem(as_bob(Method::GET, &path, None).await, 404, "not-found").await;
    problem(as_bob(Method::DELETE, &path, None).await, 404, "not-found").await;
    assert_eq!(larder.anonymous(Method::GET, url(&ours)).send().await.unwrap().status(), 200);
    let mut made = Vec::new();
    for _ in 0..5 {
        let share = as_bob(Method::POST, "/v1/shares", Some(json!({ "target": "/v1/tables/t" }))).await;
        made.insert(0, json(share, 201).await);
    }
    let (mut found, mut query) = (Vec::new(), "?limit=2".to_owned());
    loop {
        let page = json(as_bob(Method::GET, &format!("/v1/shares{query}"), None).await, 200).await;
        found.extend(page["shares"].as_array().unwrap().clone());
        let Some(next) = page["next"].as_str() else { break };
        query = format!("?limit=2&cursor={next}");
    }
    assert_eq!(found, made);
    let all = json(larder.get("/v1/shares").await, 200).await;
    assert_eq!((all["shares"].as_array().unwrap().len(), &all["shares"][5]), (6, &ours));
    for (query, parameter) in
        [("limit=0", "limit"), ("cursor=x", "cursor"), ("target=x", "target"), ("color=x", "color")]
    {
        let refused = problem(larder.get(&format!("/v1/shares?{query}")).await, 400, "bad-request").await;
        assert_eq!(refused["parameter"], parameter);
    }
    problem(larder.anonymous(Method::GET, "/v1/shares").send().await.unwrap(), 401, "unauthenticated").await;
}

#[tokio::test]
async fn the_same_idempotency_key_makes_one_link() {
    let larder = shared();
    json(larder.put("/v1/blobs/once.txt", "once").await, 201).await;
    let create = |expires_in: &'static str| async move {
        let body = json!({ "target": "/v1/blobs/once.txt", "expires_in": expires_in });
        let request = larder.request(Method::POST, "/v1/shares").header("idempotency-key", "share-once");
        request.json(&body).send().await.expect("an answer")
    };
    let answers = futures::future::join_all((0..4).map(|_| create("7d"))).await;
    let replayed = answers.iter().filter(|answer| answer.headers().contains_key("idempotency-replayed")).count();
    assert_eq!(replayed, 3);
    let first = json(create("7d").await, 201).await;
    for answer in answers {
        assert_eq!(json(answer, 201).await, first);
    }
    problem(create("8d").await, 422, "idempotency-mismatch").await;
    // More of them at once than there are connections wait for nothing but their turn.
    let many = async || {
        let create = |n: usize| async move {
            let body = json!({ "target": "/v1/blobs/once.txt" });
            let request = larder.request(Method::POST, "/v1/shares").header("idempotency-key", format!("share-{n}"));
            json(request.json(&body).send().await.expect("an answer"), 201).await["id"].clone()
        };
        futures::future::join_all((0..40).map(create)).await
    };
    let made = many().await;
    assert_eq!(many().await, made);
    // The link itself is nowhere in the database.
    let kept = larder.column("select answer from larder.idempotency where key = 'share-once'").await.join("");
    assert_eq!(kept, format!("{{\"share\": {}}}", first["id"]));
}
