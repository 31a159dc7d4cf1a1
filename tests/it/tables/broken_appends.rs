//! Appends that do not come to their end, or whose table changes under them: all rows are there, or nothing is, in any store.

use crate::support::{Service, json, problem, slow};
use larder::sweep;
use reqwest::{Method, Response};

/// A service whose own sweep never comes in the way.
async fn start() -> Service {
    Service::start(&["--lease-seconds", "60", "--garbage-seconds", "0", "--sweep-seconds", "3600"]).await
}

/// Makes all garbage due and sweeps.
async fn sweep(larder: &Service) {
    larder.wait_for("select count(*) from larder.pending", &["0"]).await;
    larder.sql("update larder.garbage set due_at = now() - interval '1 second'").await;
    sweep::once(&larder.app).await.expect("a sweep");
}

async fn post(larder: &Service, path: &str, body: impl Into<reqwest::Body>) -> Response {
    larder.request(Method::POST, path).body(body).send().await.expect("an answer")
}

const ROWS: &str = "/v1/tables/t/rows";
const CSV: &str = "/v1/tables/t/rows.csv";

#[tokio::test]
async fn an_append_that_breaks_off_or_is_refused_leaves_no_trace() {
    let larder = start().await;
    json(larder.put("/v1/tables/t?key=n", "n\n1\n").await, 201).await;
    json(post(&larder, ROWS, "n\n2\n").await, 201).await;
    sweep(&larder).await;
    let (objects, tables) = (larder.objects().await, larder.physical_tables().await);
    assert_eq!((objects.len(), tables.len()), (2, 1));
    let before = json(larder.get("/v1/tables/t").await, 200).await;

    let request = larder.request(Method::POST, ROWS).header("idempotency-key", "broken");
    let (body, answer) = slow(request);
    body.send(Ok("n\n".into())).await.unwrap();
    for part in 0..12_u32 {
        let rows: String = (0..100_000).map(|n| format!("{}\n", 10 + part * 100_000 + n)).collect();
        body.send(Ok(rows.into())).await.unwrap();
    }
    larder.wait_for("select count(*) from larder.pending where multipart_id is not null", &["1"]).await;
    problem(
        larder.request(Method::POST, ROWS).header("idempotency-key", "broken").body("n\n3\n").send().await.unwrap(),
        409,
        "conflict",
    )
    .await;
    body.send(Err(std::io::Error::other("the client gives up"))).await.unwrap();
    assert!(answer.await.unwrap().is_err());
    // The last row is the bad one: a value, a duplicate, a column.
    let many: String = (0..200_000).map(|n| format!("{}\n", 10 + n)).collect();
    problem(post(&larder, ROWS, format!("n\n{many}x\n")).await, 422, "malformed").await;
    problem(post(&larder, ROWS, format!("n\n{many}2\n")).await, 409, "duplicate-key").await;
    problem(post(&larder, ROWS, "{\"n\":7}\n{\"m\":7}\n").await, 422, "malformed").await;

    sweep(&larder).await;
    assert_eq!((larder.objects().await, larder.physical_tables().await), (objects, tables));
    assert_eq!(larder.open_multiparts().await, 0);
    assert_eq!(json(larder.get("/v1/tables/t").await, 200).await, before);
    assert_eq!(larder.text(CSV).await, "n\n1\n2\n");
    // The key is free again, since nothing was done under it.
    let again = larder.request(Method::POST, ROWS).header("idempotency-key", "broken").body("n\n3\n");
    json(again.send().await.unwrap(), 201).await;
}

#[tokio::test]
async fn a_lost_lease_publishes_nothing() {
    let larder = start().await;
    json(larder.put("/v1/tables/t", "n\n1\n").await, 201).await;
    let (body, answer) = slow(larder.request(Method::POST, ROWS));
    body.send(Ok("n\n2\n".into())).await.unwrap();
    larder.wait_for("select count(*) from larder.pending", &["1"]).await;
    larder.sql("update larder.pending set lease_until = now() - interval '1 second'").await;
    sweep::once(&larder.app).await.unwrap();
    drop(body);
    problem(answer.await.unwrap().unwrap(), 503, "lease-lost").await;
    assert_eq!(larder.text(CSV).await, "n\n1\n");
    sweep(&larder).await;
    assert_eq!((larder.objects().await.len(), larder.physical_tables().await.len()), (1, 1));
}

#[tokio::test]
async fn rows_follow_a_table_that_is_replaced_while_they_come() {
    let larder = start().await;
    json(larder.put("/v1/tables/t", "n,name\n1,a\n").await, 201).await;
    for (replacement, expected) in [
        // The same types elsewhere; other types, for which the rows are read again; some that they do not fit; other columns.
        ("name,n\nb,2\n", Some("name,n\nb,2\n07,5\n")),
        ("n,name\n1.5,c\n", Some("n,name\n1.5,c\n5,07\n")),
        ("n,name\nx,y\n", Some("n,name\nx,y\n5,07\n")),
        ("n,name\n2026-01-02,y\n", None),
        ("n,name\n1,0\n", None),
    ] {
        let (body, answer) = slow(larder.request(Method::POST, ROWS));
        body.send(Ok("n,name\n".into())).await.unwrap();
        larder.wait_for("select count(*) from larder.pending", &["1"]).await;
        json(larder.put("/v1/tables/t", replacement).await, 200).await;
        body.send(Ok("5,07\n".into())).await.unwrap();
        drop(body);
        let answer = answer.await.unwrap().unwrap();
        match expected {
            Some(_) => assert_eq!(json(answer, 201).await["appended"], 1),
            None => drop(problem(answer, 422, "malformed").await),
        }
        assert_eq!(larder.text(CSV).await, expected.unwrap_or(replacement));
        if expected.is_none() {
            json(larder.put("/v1/tables/t", "n,name\nx,y\n").await, 200).await;
        }
    }
    let (body, answer) = slow(larder.request(Method::POST, ROWS));
    body.send(Ok("name\nz\n".into())).await.unwrap();
    larder.wait_for("select count(*) from larder.pending", &["1"]).await;
    assert_eq!(larder.delete("/v1/tables/t").await.status(), 204);
    drop(body);
    problem(answer.await.unwrap().unwrap(), 404, "not-found").await;
}

#[tokio::test]
async fn the_uploads_of_appends_go_with_their_version() {
    let larder = start().await;
    json(larder.put("/v1/tables/t", "n\n1\n").await, 201).await;
    for n in 2..5 {
        json(post(&larder, ROWS, format!("n\n{n}\n")).await, 201).await;
    }
    json(larder.post("/v1/tables/t/indexes", &serde_json::json!({ "columns": ["n"] })).await, 201).await;
    sweep(&larder).await;
    assert_eq!((larder.objects().await.len(), larder.physical_tables().await.len()), (4, 1));
    for n in 5..7 {
        json(larder.put("/v1/tables/t", format!("n\n{n}\n")).await, 200).await;
    }
    sweep(&larder).await;
    assert_eq!((larder.objects().await.len(), larder.physical_tables().await.len()), (2, 2));
    json(post(&larder, ROWS, "n\n7\n").await, 201).await;
    assert_eq!(larder.delete("/v1/tables/t").await.status(), 204);
    larder.sql("update larder.datasets set deleted_at = now() - interval '40 days'").await;
    sweep::once(&larder.app).await.unwrap();
    sweep(&larder).await;
    assert_eq!((larder.objects().await.len(), larder.physical_tables().await.len()), (0, 0));
    let left = "select count(*) from larder.appends union all select count(*) from larder.indexes union all select count(*) from larder.objects";
    assert_eq!(larder.column(left).await, ["0", "0", "0"]);
}

#[tokio::test]
async fn answers_are_forgotten_after_a_day() {
    let larder = start().await;
    json(larder.put("/v1/tables/t", "n\n1\n").await, 201).await;
    let send = || larder.request(Method::POST, ROWS).header("idempotency-key", "k").body("n\n2\n").send();
    json(send().await.unwrap(), 201).await;
    assert_eq!(json(send().await.unwrap(), 201).await["rows"], 2);
    larder.sql("update larder.idempotency set created_at = now() - interval '25 hours'").await;
    sweep::once(&larder.app).await.unwrap();
    assert_eq!(larder.column("select count(*) from larder.idempotency").await, ["0"]);
    assert_eq!(json(send().await.unwrap(), 201).await["rows"], 3);
}
