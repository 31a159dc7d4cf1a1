//! Who did what, who was refused, and who read what.

mod changes;
mod links;

use crate::support::{Service, json, problem, process::within, shared};
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};
use std::collections::BTreeMap;

/// The entries of one request, the oldest first.
async fn entries(service: &Service, request_id: &str) -> Vec<Value> {
    let page = json(service.get(&format!("/v1/audit?request_id={request_id}")).await, 200).await;
    let mut entries = page["entries"].as_array().unwrap().clone();
    entries.reverse();
    entries
}

async fn log(service: &Service, dataset: &Value) -> Vec<Value> {
    service.app.audit.flush().await;
    let id = dataset["id"].as_str().unwrap();
    json(service.get(&format!("/v1/datasets/{id}/log")).await, 200).await["reads"].as_array().unwrap().clone()
}

#[tokio::test]
async fn an_entry_says_who_did_what_to_what_when_and_from_where() {
    let request = shared().request(Method::PUT, "/v1/blobs/audit/a.txt").header("x-request-id", "audit-entry");
    json(request.header("user-agent", "a test").body("0123456789").send().await.unwrap(), 201).await;
    let found = entries(shared(), "audit-entry").await;
    assert_eq!(found.len(), 2);
    assert_eq!(found[0]["id"], found[1]["intent"]);
    insta::assert_json_snapshot!(found[1], {
        ".id" => "[id]", ".at" => "[time]", ".principal_id" => "[id]", ".token_id" => "[id]", ".dataset_id" => "[id]", ".intent" => "[id]",
    }, @r#"
    {
      "id": "[id]",
      "at": "[time]",
      "principal": "admin",
      "principal_id": "[id]",
      "token_id": "[id]",
      "share_id": null,
      "action": "create",
      "kind": "blob",
      "dataset_id": "[id]",
      "name": "audit/a.txt",
      "outcome": "done",
      "intent": "[id]",
      "count": 1,
      "request_id": "audit-entry",
      "address": "127.0.0.1",
      "agent": "a test",
      "detail": {
        "bytes": 10,
        "version": 1,
        "unchanged": false
      }
    }
    "#);
}

#[tokio::test]
async fn what_breaks_off_has_begun_and_failed() {
    let request = shared().request(Method::PUT, "/v1/blobs/audit/broken.txt").header("x-request-id", "audit-broken");
    let wrong = request.header("content-md5", "AAAAAAAAAAAAAAAAAAAAAA==").body("0123456789").send().await.unwrap();
    problem(wrong, 422, "checksum-mismatch").await;
    // What the upload leaves behind is given up, and written down, behind its answer.
    let failed = "select outcome from larder.audit where request_id = 'audit-broken' and intent is not null";
    shared().wait_for(failed, &["failed"]).await;
    let found = entries(shared(), "audit-broken").await;
    assert_eq!((&found[0]["outcome"], &found[1]["outcome"]), (&json!("begun"), &json!("failed")));
    assert_eq!((&found[1]["action"], &found[1]["intent"]), (&json!("upload"), &found[0]["id"]));
}

#[tokio::test]
async fn a_refused_caller_is_written_down_before_the_answer_and_learns_nothing_more() {
    let (ada, grace) = (shared().person().await, shared().person().await);
    let blob = json(ada.put("/v1/blobs/audit/private.txt", "secret").await, 201).await;
    let id = blob["id"].as_str().unwrap();
    shared().sql(&format!("update larder.datasets set visibility = 'private' where id = '{id}'")).await;
    for (request_id, method, path, status, slug) in [
        ("audit-hidden-get", Method::GET, "/v1/blobs/audit/private.txt".to_owned(), 404, "not-found"),
        ("audit-hidden-put", Method::PUT, "/v1/blobs/audit/private.txt".to_owned(), 409, "name-taken"),
        ("audit-hidden-log", Method::GET, format!("/v1/datasets/{id}/log"), 404, "not-found"),
        ("audit-forbidden", Method::GET, "/v1/audit".to_owned(), 403, "forbidden"),
    ] {
        let answer = grace.request(method, &path).header("x-request-id", request_id).send().await.unwrap();
        let told = problem(answer, status, slug).await;
        assert!(!told.to_string().contains(id), "{told}");
        if status == 404 {
            shared().app.audit.flush().await;
        }
        let found = entries(shared(), request_id).await;
        assert_eq!(found.len(), 1, "{request_id}");
        assert_eq!((&found[0]["outcome"], &found[0]["detail"]["problem"]), (&json!("refused"), &json!(slug)));
        assert!(found[0]["principal"].as_str().unwrap().starts_with("person "));
        if status != 403 {
            assert_eq!(found[0]["dataset_id"], blob["id"], "{request_id}");
        }
    }
    let absent = grace.request(Method::GET, "/v1/blobs/audit/absent.txt").header("x-request-id", "audit-absent");
    problem(absent.send().await.unwrap(), 404, "not-found").await;
    assert!(entries(shared(), "audit-absent").await.is_empty(), "what is not there was refused to nobody");
}

#[tokio::test]
async fn what_is_hidden_is_answered_as_fast_as_what_is_not_there() {
    let service = Service::start(&[]).await;
    let (ada, grace) = (service.person().await, service.person().await);
    json(ada.put("/v1/blobs/private.txt", "secret").await, 201).await;
    json(
        ada.request(Method::PATCH, "/v1/blobs/private.txt")
            .json(&json!({ "visibility": "private" }))
            .send()
            .await
            .unwrap(),
        200,
    )
    .await;
    let stores = service.base.stores(&service.app.config).await.unwrap();
    let mut busy = PgConnection::connect_with(&stores.database.options_now().await.unwrap()).await.unwrap();
    sqlx::raw_sql("begin; lock table larder.audit in exclusive mode").execute(&mut busy).await.unwrap();
    for name in ["private.txt", "absent.txt"] {
        let answer = grace.request(Method::GET, &format!("/v1/blobs/{name}")).header("x-request-id", "unseen");
        problem(within("an answer while nothing can be written down", answer.send()).await.unwrap(), 404, "not-found")
            .await;
    }
    sqlx::raw_sql("rollback").execute(&mut busy).await.unwrap();
    service
        .wait_for("select count(*) from larder.audit where request_id = 'unseen' and outcome = 'refused'", &["1"])
        .await;
    let found = entries(&service, "unseen").await;
    assert_eq!((&found[0]["name"], &found[0]["count"]), (&json!("/v1/blobs/private.txt"), &json!(1)));
    assert!(found[0]["principal"].as_str().unwrap().starts_with("person "), "{found:?}");
}

#[tokio::test]
async fn what_became_of_a_write_is_told_even_of_a_key_that_postgres_cannot_hold() {
    json(shared().put("/v1/documents/audit-nul/a", "{}").await, 201).await;
    let request = shared().request(Method::PUT, "/v1/documents/audit-nul/a").header("x-request-id", "audit-nul");
    let twice = request.body(r#"{"a\u0000b": 1, "a\u0000b": 2}"#).send().await.unwrap();
    problem(twice, 422, "malformed").await;
    let found = entries(shared(), "audit-nul").await;
    assert_eq!(found.iter().map(|entry| &entry["outcome"]).collect::<Vec<_>>(), ["begun", "failed"]);
    assert!(found[1]["detail"]["error"].as_str().unwrap().contains("a\u{fffd}b"), "{found:?}");
}

#[tokio::test]
async fn a_principal_is_found_by_its_id_under_whatever_name() {
    let service = Service::start(&[]).await;
    let made = json(service.post("/v1/principals", &json!({ "name": "dora", "kind": "person" })).await, 201).await;
    let id = made["id"].as_str().unwrap();
    let token = json(service.post("/v1/tokens", &json!({ "name": "x", "principal": "dora" })).await, 201).await;
    let put = async |path: &str| {
        let request = service.anonymous(Method::PUT, path).bearer_auth(token["token"].as_str().unwrap());
        json(request.body("x").send().await.unwrap(), 201).await
    };
    put("/v1/blobs/before").await;
    let renamed = service.request(Method::PATCH, &format!("/v1/principals/{id}")).json(&json!({ "name": "theodora" }));
    json(renamed.send().await.unwrap(), 200).await;
    put("/v1/blobs/behind").await;
    let created = async |principal: &str| {
        let page = json(service.get(&format!("/v1/audit?action=create&principal={principal}")).await, 200).await;
        let names = page["entries"].as_array().unwrap().iter().map(|entry| entry["name"].as_str().unwrap().to_owned());
        names.collect::<Vec<_>>()
    };
    assert_eq!(created("dora").await, ["before"]);
    assert_eq!(created(id).await, ["behind", "before"]);
}

#[tokio::test]
async fn requests_without_valid_credentials_are_counted_by_address() {
    let service = Service::start(&["--trusted-proxies", "127.0.0.0/8"]).await;
    for n in 0..3 {
        let request = service.anonymous(Method::GET, "/v1/blobs/some/thing").bearer_auth("wrong");
        let request = request.header("x-forwarded-for", "198.51.100.7").header("x-request-id", format!("stranger-{n}"));
        problem(request.send().await.unwrap(), 401, "unauthenticated").await;
    }
    service.app.audit.flush().await;
    let page = json(service.get("/v1/audit?outcome=refused").await, 200).await;
    let found = page["entries"].as_array().unwrap();
    assert_eq!(found.iter().map(|entry| entry["count"].as_i64().unwrap()).sum::<i64>(), 3, "{page}");
    let oldest = found.last().unwrap();
    assert_eq!((&oldest["address"], &oldest["principal"]), (&json!("198.51.100.7"), &Value::Null));
    assert_eq!((&oldest["request_id"], &oldest["name"]), (&json!("stranger-0"), &json!("/v1/blobs/some/thing")));
    assert_eq!(oldest["detail"]["request"], "GET /v1/blobs/{*key}");
}

#[tokio::test]
async fn the_audit_comes_in_pages_and_filtered_and_as_lines_to_its_end() {
    let service = Service::start(&["--page-rows-max", "3"]).await;
    for n in 0..4 {
        json(service.put(&format!("/v1/blobs/{n}"), "x").await, 201).await;
    }
    let mut pages = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = json(service.get(&format!("/v1/audit?action=create&principal=admin{cursor}")).await, 200).await;
        pages.push(page["entries"].as_array().unwrap().iter().map(|entry| entry["name"].clone()).collect::<Vec<_>>());
        let Some(next) = page["next"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(pages, [vec![json!("3"), json!("2"), json!("1")], vec![json!("0")]]);
    let lines = |accept: &'static str, query: &'static str| {
        let request = service.request(Method::GET, &format!("/v1/audit{query}")).header("accept", accept);
        async move {
            let answer = request.send().await.unwrap();
            assert_eq!(
                (answer.status().as_u16(), &answer.headers()["content-type"]),
                (200, &"application/x-ndjson".parse().unwrap())
            );
            let text = answer.text().await.unwrap();
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<Value>>()
        }
    };
    let all = lines("*/*", "?format=ndjson").await;
    assert_eq!(all.len(), 9, "each upload begins and is done, behind the first token");
    assert!(all.windows(2).all(|two| two[0]["at"].as_str() >= two[1]["at"].as_str()));
    let middle = all[3]["at"].as_str().unwrap();
    assert_eq!(lines("application/x-ndjson", "?outcome=begun&principal=admin").await.len(), 4);
    assert_eq!(lines("application/x-ndjson", "?principal=nobody").await.len(), 0);
    let since = json(service.get(&format!("/v1/audit?since={middle}&limit=3")).await, 200).await;
    assert_eq!(since["entries"].as_array().unwrap().len(), 3);
    let until = service.text(&format!("/v1/audit?until={middle}&format=ndjson")).await;
    assert_eq!(until.lines().count(), 5);
    let dataset = all[0]["dataset_id"].as_str().unwrap();
    assert_eq!(service.text(&format!("/v1/audit?dataset={dataset}&format=ndjson")).await.lines().count(), 1);
    for (query, parameter) in [("?format=ndjson&limit=2", "limit"), ("?cursor=x", "cursor")] {
        let told = problem(service.get(&format!("/v1/audit{query}")).await, 400, "bad-request").await;
        assert_eq!(told["parameter"], parameter);
    }
    problem(service.get("/v1/audit?limit=4").await, 400, "page-too-large").await;
    problem(service.get("/v1/audit?outcome=maybe").await, 400, "bad-request").await;
}

#[tokio::test]
async fn nobody_but_the_owner_of_the_table_changes_the_audit_and_nobody_forgets_the_last_month() {
    let service = Service::start(&[]).await;
    json(service.put("/v1/blobs/a", "x").await, 201).await;
    service
        .sql(
            "create role larder_app; grant usage on schema larder to larder_app; grant select, insert on larder.audit to larder_app;
             grant execute on function larder.forget_audit to larder_app;
             insert into larder.audit (id, at, action, outcome, request_id) values
                 (gen_random_uuid(), now() - interval '500 days', 'create', 'done', 'old'), (gen_random_uuid(), now() - interval '31 days', 'create', 'done', 'aged'),
                 (gen_random_uuid(), now() - interval '29 days', 'create', 'done', 'young')",
        )
        .await;
    let stores = service.base.stores(&service.app.config).await.unwrap();
    let mut app = PgConnection::connect_with(&stores.database.options_now().await.unwrap()).await.unwrap();
    sqlx::raw_sql("set role larder_app").execute(&mut app).await.unwrap();
    for sql in [
        "update larder.audit set principal = 'somebody else'",
        "delete from larder.audit",
        "truncate larder.audit",
        "drop table larder.audit",
        "alter table larder.audit drop column detail",
        "create or replace function larder.forget_audit(int, int) returns bigint language sql as 'select 1::bigint'",
    ] {
        let refused = sqlx::raw_sql(sql).execute(&mut app).await.unwrap_err();
        let code = refused.as_database_error().unwrap().code().unwrap().into_owned();
        assert_eq!(code, "42501", "{sql}: {refused}");
    }
    let told = sqlx::query("select larder.forget_audit(29, 100)").execute(&mut app).await.unwrap_err().to_string();
    assert!(told.contains("the last 30 days"), "{told}");
    sqlx::query("select larder.forget_audit(null, 100)").execute(&mut app).await.unwrap_err();
    let kept = || {
        service.column("select request_id from larder.audit where request_id in ('old', 'aged', 'young') order by 1")
    };
    larder::sweep::once(&service.app).await.unwrap();
    assert_eq!(kept().await, ["aged", "young"], "LARDER_AUDIT_DAYS is 400");
    sqlx::query("select larder.forget_audit(30, 100)").execute(&mut app).await.unwrap();
    assert_eq!(kept().await, ["young"]);
}

#[tokio::test]
async fn who_reads_what_is_counted_by_token_and_form() {
    let service = Service::start(&["--page-rows-max", "2"]).await;
    let person = service.person().await;
    let table = json(service.put("/v1/tables/cities", "city,people\nBern,1\nOslo,2\n").await, 201).await;
    let mut sent = 0;
    for _ in 0..2 {
        sent += person.get("/v1/tables/cities/rows.csv").await.text().await.unwrap().len();
    }
    person.get("/v1/tables/cities/rows?limit=1").await.text().await.unwrap();
    person.get("/v1/tables/cities/raw").await.text().await.unwrap();
    person.get("/v1/tables/cities/stats").await.text().await.unwrap();
    // Nothing of the rows: a description, and an answer that says that nothing has changed.
    person.get("/v1/tables/cities").await.text().await.unwrap();
    let etag = person.get("/v1/tables/cities/stats").await.headers()["etag"].clone();
    let fresh = person.request(Method::GET, "/v1/tables/cities/stats").header("if-none-match", etag);
    assert_eq!(fresh.send().await.unwrap().status(), 304);
    let reads: BTreeMap<String, (i64, i64)> = pages(&service, &table).await;
    let length = |how: &str| reads[how].1;
    assert_eq!(reads["csv"], (2, sent as i64));
    assert_eq!((reads["json"].0, reads["raw"], reads["stats"].0), (1, (1, 26), 2));
    assert!(length("json") > 0 && length("stats") > 0);
    assert_eq!(reads.len(), 4, "{reads:?}");
    let id = table["id"].as_str().unwrap();
    problem(person.get(&format!("/v1/datasets/{id}/log")).await, 403, "forbidden").await;
    problem(service.get("/v1/datasets/00000000-0000-0000-0000-000000000000/log").await, 404, "not-found").await;
}

/// Count and bytes of each form, from all pages of a log of which each has two entries at most.
async fn pages(service: &Service, dataset: &Value) -> BTreeMap<String, (i64, i64)> {
    service.app.audit.flush().await;
    let path = format!("/v1/datasets/{}/log", dataset["id"].as_str().unwrap());
    let (mut reads, mut query): (BTreeMap<String, (i64, i64)>, _) = (BTreeMap::new(), String::new());
    loop {
        let page = json(service.get(&format!("{path}{query}")).await, 200).await;
        for read in page["reads"].as_array().unwrap() {
            // At the turn of the hour there are two entries of a form.
            let one = reads.entry(read["how"].as_str().unwrap().to_owned()).or_default();
            one.0 += read["count"].as_i64().unwrap();
            one.1 += read["bytes"].as_i64().unwrap();
        }
        let Some(next) = page["next"].as_str() else { return reads };
        query = format!("?cursor={next}");
    }
}

#[tokio::test]
async fn each_minted_url_is_a_read() {
    let blob = json(shared().put("/v1/blobs/audit/minted.txt", "0123456789").await, 201).await;
    shared().text("/v1/blobs/audit/minted.txt").await;
    shared().text("/v1/blobs/audit/minted.txt?presign=1m").await;
    shared().text("/v1/blobs/audit/minted.txt?descriptor").await;
    let redirect = shared().request(Method::GET, "/v1/blobs/audit/minted.txt").header("prefer", "redirect");
    assert_eq!(redirect.send().await.unwrap().status(), 307);
    let found = log(shared(), &blob).await;
    let count = |how: &str| -> i64 {
        found.iter().filter(|read| read["how"] == how).map(|read| read["count"].as_i64().unwrap()).sum()
    };
    assert_eq!((count("presigned"), count("blob")), (3, 1), "{found:?}");
    assert!(found.iter().all(|read| read["principal"] == "admin" && read["token_id"].is_string()), "{found:?}");
}
