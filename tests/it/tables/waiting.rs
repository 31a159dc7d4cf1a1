//! Changes of a table that wait for one another: nobody else waits with them, and what each of them was told holds.

use crate::support::{Service, json, problem, slow};
use reqwest::{Method, Response};
use serde_json::{Value, json};
use sqlx::PgConnection;

const ROWS: &str = "/v1/tables/t/rows";
const CSV: &str = "/v1/tables/t/rows.csv";

async fn start(settings: &[&str]) -> Service {
    let fixed = ["--garbage-seconds", "0", "--sweep-seconds", "3600"];
    Service::start(&[settings, &fixed].concat()).await
}

/// Locks what `statement` says until the session ends.
async fn hold(larder: &Service, statement: &'static str) -> PgConnection {
    let mut session = larder.database().await;
    sqlx::raw_sql("begin").execute(&mut session).await.expect("an answer");
    sqlx::raw_sql(statement).execute(&mut session).await.expect("a lock");
    session
}

fn send(larder: &Service, method: Method, path: &str, body: String) -> tokio::task::JoinHandle<Response> {
    let kind = if path.ends_with("/indexes") { "application/json" } else { "text/csv" };
    let request = larder.request(method, path).header("content-type", kind).body(body);
    tokio::spawn(async move { request.send().await.expect("an answer") })
}

#[tokio::test]
async fn those_who_wait_for_a_table_hold_up_nobody_else_and_outlive_their_leases() {
    let larder = start(&["--lease-seconds", "20", "--pool-connections-max", "3", "--loads-max", "9"]).await;
    json(larder.put("/v1/tables/t", "n\n1\n").await, 201).await;
    let session = hold(&larder, "select from larder.datasets where name = 't' for no key update").await;
    let mut waiting: Vec<_> = (0..4).map(|n| send(&larder, Method::PUT, "/v1/tables/t", format!("n\n{n}\n"))).collect();
    waiting.extend((0..4).map(|n| send(&larder, Method::POST, ROWS, format!("n\n1{n}\n"))));
    waiting.push(send(&larder, Method::POST, "/v1/tables/t/indexes", r#"{"columns":["n"]}"#.to_owned()));
    larder.wait_for("select count(*) from pg_tables where schemaname = 'rows'", &["9"]).await;
    let ends = larder.column("select max(lease_until) from larder.pending").await.join("");
    let renewed = format!("select min(lease_until) > timestamptz '{ends}' from larder.pending");
    while larder.column(&renewed).await == ["false"] {
        json(larder.get("/v1/shares").await, 200).await;
        json(larder.post("/v1/shares", &json!({ "target": "tables/t" })).await, 201).await;
        assert_eq!(larder.text(CSV).await, "n\n1\n");
    }
    assert!(waiting.iter().all(|answer| !answer.is_finished()));
    drop(session);
    for answer in waiting {
        let answer = answer.await.unwrap();
        let (url, status) = (answer.url().path().to_owned(), answer.status().as_u16());
        // An index that was made meanwhile is one that the replacing table lacks.
        let fine = matches!(status, 200 | 201) || (status == 409 && url == "/v1/tables/t");
        assert!(fine, "{url}: {status} {}", answer.text().await.unwrap_or_default());
    }
    larder.wait_for("select count(*) from larder.pending", &["0"]).await;
}

#[tokio::test]
async fn a_table_is_deleted_once_what_changes_it_is_done() {
    let larder = start(&[]).await;
    json(larder.put("/v1/tables/t", "n\n1\n").await, 201).await;
    let session = hold(&larder, "select from larder.datasets where name = 't' for no key update").await;
    let deleted = send(&larder, Method::DELETE, "/v1/tables/t", String::new());
    let tries =
        "select count(*) > 0 from pg_stat_activity where wait_event_type = 'Lock' and query like '%for no key update'";
    larder.wait_for(tries, &["true"]).await;
    assert_eq!(larder.text(CSV).await, "n\n1\n");
    drop(session);
    assert_eq!(deleted.await.unwrap().status(), 204);
    problem(larder.get("/v1/tables/t").await, 404, "not-found").await;
}

#[tokio::test]
async fn readers_read_on_while_an_append_adds_a_column() {
    let larder = start(&[]).await;
    json(larder.put("/v1/tables/t", "n\n1\n").await, 201).await;
    // Here the append has moved its rows, and has yet to say so.
    let session = hold(&larder, "lock table larder.appends in share mode").await;
    let append = send(&larder, Method::POST, &format!("{ROWS}?add_columns=true"), "n,m\n2,x\n".to_owned());
    let waits = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and query like 'insert into larder.appends%'";
    larder.wait_for(waits, &["1"]).await;
    assert_eq!(larder.text(CSV).await, "n\n1\n");
    drop(session);
    json(append.await.unwrap(), 201).await;
    assert_eq!(larder.text(CSV).await, "n,m\n1,\n2,x\n");
}

#[tokio::test]
async fn a_column_of_an_append_that_failed_is_in_nobodys_way() {
    let larder = start(&[]).await;
    json(larder.put("/v1/tables/t?key=n", "n\n1\n").await, 201).await;
    let path = format!("{ROWS}?add_columns=true");
    // The columns are there when the rows are refused.
    let refused = send(&larder, Method::POST, &path, "n,a,b\n1,2,3\n".to_owned());
    problem(refused.await.unwrap(), 409, "duplicate-key").await;
    assert_eq!(larder.text(CSV).await, "n\n1\n");
    json(send(&larder, Method::POST, ROWS, "n\n2\n".to_owned()).await.unwrap(), 201).await;
    // One of another type, one of the same, one more.
    json(send(&larder, Method::POST, &path, "n,x,y,z\n3,word,7,2026-01-02\n".to_owned()).await.unwrap(), 201).await;
    json(send(&larder, Method::POST, &path, "n,late\n4,true\n".to_owned()).await.unwrap(), 201).await;
    let expected = "n,x,y,z,late\n1,,,,\n2,,,,\n3,word,7,2026-01-02,\n4,,,,true\n";
    assert_eq!(larder.text(CSV).await, expected);
}

#[tokio::test]
async fn what_was_told_while_a_file_came_holds_for_it() {
    let larder = start(&[]).await;
    json(larder.put("/v1/tables/t?key=zip", "zip,amount\n1,1\n").await, 201).await;
    let csv = "zip,amount\n2,2\n";
    for (changes, query, expected) in [
        (json!({ "columns": { "zip": { "name": "code" } } }), "", "code,amount\n2,2\n"),
        // Both are told something.
        (json!({ "columns": { "amount": { "name": "n" } } }), "?types=code:text", "code,n\n2,2\n"),
        (json!({ "columns": { "n": { "type": "text" } } }), "", "code,n\n2,2\n"),
    ] {
        let (body, answer) = slow(larder.request(Method::PUT, &format!("/v1/tables/t{query}")));
        body.send(Ok("zip,".into())).await.unwrap();
        larder.wait_for("select count(*) from larder.pending", &["1"]).await;
        let request = larder.request(Method::PATCH, "/v1/tables/t").json(&changes);
        json(request.send().await.unwrap(), 200).await;
        body.send(Ok(csv["zip,".len()..].to_owned().into())).await.unwrap();
        drop(body);
        json(answer.await.unwrap().unwrap(), 200).await;
        assert_eq!(larder.text(CSV).await, expected);
    }
    let table = json(larder.get("/v1/tables/t").await, 200).await;
    assert_eq!(super::columns(&table), ["code:text", "n:text"]);
    let indexes: Value = json(larder.get("/v1/tables/t/indexes").await, 200).await;
    assert!(indexes.to_string().contains(r#""columns":["code"]"#), "{indexes}");
    problem(larder.put("/v1/tables/t", "zip,amount\n1,1\n1,2\n").await, 409, "duplicate-key").await;
    larder.wait_for("select count(*) from larder.pending", &["0"]).await;
}
