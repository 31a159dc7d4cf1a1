//! What a sweep takes, and what it never touches.

use crate::support::{Service, json, problem, slow};
use bytes::Bytes;
use larder::sweep;
use reqwest::Method;
use serde_json::json;
use tokio::sync::mpsc::Sender;
use uuid::Uuid;

const PENDING: &str = "select count(*) from larder.pending";
const GARBAGE: &str = "select count(*) from larder.garbage";

/// A service whose own sweep never comes in the way.
async fn start(lease_seconds: &str) -> Service {
    Service::start(&["--lease-seconds", lease_seconds, "--garbage-seconds", "0", "--sweep-seconds", "3600"]).await
}

/// Makes all garbage due and sweeps.
async fn sweep(larder: &Service) {
    sweep::once(&larder.app).await.expect("a sweep");
    larder.sql("update larder.garbage set due_at = now() - interval '1 second'").await;
    sweep::once(&larder.app).await.expect("a sweep");
}

/// A PUT whose body comes through a channel; closing it ends the body, an error breaks it off.
fn slow_put(
    larder: &Service,
    path: &str,
) -> (Sender<std::io::Result<Bytes>>, tokio::task::JoinHandle<reqwest::Result<reqwest::Response>>) {
    slow(larder.request(Method::PUT, path))
}

fn broken() -> std::io::Result<Bytes> {
    Err(std::io::Error::other("the client gives up"))
}

#[tokio::test]
async fn interrupted_uploads_leave_no_trace_in_any_store() {
    let larder = start("60").await;
    json(larder.put("/v1/tables/kept", "a\n1\n").await, 201).await;
    json(larder.put("/v1/blobs/kept.bin", "kept").await, 201).await;
    let (objects, tables) = (larder.objects().await, larder.physical_tables().await);
    assert_eq!((objects.len(), tables.len()), (2, 1));

    // Long enough for parts to be in the bucket and rows in the database.
    let (blob, blob_answer) = slow_put(&larder, "/v1/blobs/half.bin");
    let (table, table_answer) = slow_put(&larder, "/v1/tables/half");
    table.send(Ok("n\n".into())).await.unwrap();
    for _ in 0..10 {
        blob.send(Ok(vec![7; 1 << 20].into())).await.unwrap();
        table.send(Ok("1234567\n".repeat(128 << 10).into())).await.unwrap();
    }
    larder.wait_for("select count(*) from larder.pending where multipart_id is not null", &["2"]).await;
    assert_eq!(larder.open_multiparts().await, 2);
    for (body, answer) in [(blob, blob_answer), (table, table_answer)] {
        body.send(broken()).await.unwrap();
        assert!(answer.await.unwrap().is_err());
    }
    // A file that is refused is given up at once as well.
    problem(larder.put("/v1/tables/half", "a\n1\n\"2\n").await, 422, "malformed").await;
    larder.wait_for(PENDING, &["0"]).await;
    assert_eq!(larder.column(GARBAGE).await, ["3"]);
    // What the request was still doing may come after it, so it is not due yet.
    sweep::once(&larder.app).await.unwrap();
    assert_eq!(larder.column(GARBAGE).await, ["3"]);

    sweep(&larder).await;
    assert_eq!(larder.column(GARBAGE).await, ["0"]);
    assert_eq!(larder.open_multiparts().await, 0);
    assert_eq!((larder.objects().await, larder.physical_tables().await), (objects, tables));
    problem(larder.get("/v1/blobs/half.bin").await, 404, "not-found").await;
    problem(larder.get("/v1/tables/half").await, 404, "not-found").await;
}

#[tokio::test]
async fn the_lease_of_a_process_that_died_is_swept_when_it_has_expired() {
    let larder = start("60").await;
    let (blob, _answer) = slow_put(&larder, "/v1/blobs/dead.bin");
    for _ in 0..9 {
        blob.send(Ok(vec![7; 1 << 20].into())).await.unwrap();
    }
    larder.wait_for("select count(*) from larder.pending where multipart_id is not null", &["1"]).await;
    sweep(&larder).await;
    assert_eq!((larder.column(PENDING).await.join(""), larder.open_multiparts().await), ("1".to_owned(), 1));
    larder.sql("update larder.pending set lease_until = now() - interval '1 second'").await;
    sweep(&larder).await;
    assert_eq!((larder.column(PENDING).await.join(""), larder.open_multiparts().await), ("0".to_owned(), 0));
    drop(blob);
}

#[tokio::test]
async fn replaced_versions_go_when_they_are_due() {
    let larder = start("60").await;
    for n in 1..=4 {
        larder.put("/v1/tables/t", format!("a\n{n}\n")).await;
        larder.put("/v1/blobs/b.txt", format!("{n}")).await;
    }
    // Identical bytes: what was stored for them is garbage at once.
    assert_eq!(json(larder.put("/v1/tables/t", "a\n4\n").await, 200).await["version"], 4);
    assert_eq!((larder.objects().await.len(), larder.physical_tables().await.len()), (9, 5));
    sweep(&larder).await;
    assert_eq!((larder.objects().await.len(), larder.physical_tables().await.len()), (4, 2));
    assert_eq!(larder.text("/v1/tables/t/rows.csv").await, "a\n4\n");
    assert_eq!(larder.text("/v1/tables/t/raw").await, "a\n4\n");
    assert_eq!(larder.text("/v1/blobs/b.txt?version=3").await, "3");
}

#[tokio::test]
async fn deleted_datasets_go_after_their_days_with_their_shares() {
    let larder = start("60").await;
    let large = format!("{{\"a\":\"{}\"}}", "x".repeat(600_000));
    for name in ["old", "new"] {
        json(larder.put(&format!("/v1/tables/{name}?share=7d"), "a\n1\n").await, 201).await;
        json(larder.put(&format!("/v1/blobs/{name}?share=7d"), "bytes").await, 201).await;
        json(larder.put(&format!("/v1/documents/{name}/large?share=7d"), large.clone()).await, 201).await;
        json(larder.put(&format!("/v1/documents/{name}/small"), "{}").await, 201).await;
    }
    let shares = json(larder.get("/v1/shares").await, 200).await;
    for share in shares["shares"].as_array().unwrap() {
        larder.anonymous(Method::GET, share["url"].as_str().unwrap()).send().await.unwrap();
    }
    for name in ["old", "new"] {
        for path in ["tables", "blobs", "collections"] {
            assert_eq!(larder.delete(&format!("/v1/{path}/{name}")).await.status(), 204);
        }
    }
    sweep(&larder).await;
    assert_eq!((larder.objects().await.len(), larder.physical_tables().await.len()), (6, 2));
    larder
        .sql("update larder.datasets set deleted_at = deleted_at - interval '30 days 1 minute' where name = 'old'")
        .await;
    sweep(&larder).await;
    assert_eq!((larder.objects().await.len(), larder.physical_tables().await.len()), (3, 1));
    assert_eq!(larder.column("select count(*) from larder.shares").await, ["3"]);
    assert_eq!(larder.column("select count(distinct share_id) from larder.share_hits").await, ["3"]);
    for path in ["tables", "blobs", "collections"] {
        problem(larder.post(&format!("/v1/{path}/old/restore"), &json!({})).await, 404, "not-found").await;
        json(larder.post(&format!("/v1/{path}/new/restore"), &json!({})).await, 200).await;
    }
    assert!(larder.text("/v1/documents/new/large").await == large);
    assert_eq!(larder.text("/v1/tables/new/rows.csv").await, "a\n1\n");
    assert_eq!(larder.text("/v1/blobs/new").await, "bytes");
    // The name is free again, and nothing of the old collection is in the new one.
    json(larder.put("/v1/documents/old/other", "{}").await, 201).await;
    let listed = json(larder.get("/v1/documents/old").await, 200).await;
    assert_eq!(listed["documents"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn what_no_row_names_is_never_touched() {
    let larder = start("60").await;
    let (s3, bucket) = larder.bucket().await;
    let stranger = format!("objects/{}", Uuid::now_v7());
    s3.put_object().bucket(&bucket).key(&stranger).body(b"another replica's".to_vec().into()).send().await.unwrap();
    s3.create_multipart_upload().bucket(&bucket).key(format!("{stranger}-2")).send().await.unwrap();
    larder.sql("create table rows.t_stranger (a int); insert into rows.t_stranger values (1)").await;
    json(larder.put("/v1/tables/mine", "a\n1\n").await, 201).await;
    larder.delete("/v1/tables/mine").await;
    larder.sql("update larder.datasets set deleted_at = now() - interval '31 days'").await;
    sweep(&larder).await;
    assert_eq!(larder.objects().await.into_iter().collect::<Vec<_>>(), [stranger]);
    assert_eq!(larder.open_multiparts().await, 1);
    assert_eq!(larder.column("select a from rows.t_stranger").await, ["1"]);
    assert_eq!(larder.physical_tables().await.len(), 1);
}

#[tokio::test]
async fn a_large_documents_lost_object_goes_and_its_own_stays() {
    let larder = start("60").await;
    let body = |c: &str| format!("{{\"a\":\"{}\"}}", c.repeat(600_000));
    json(larder.put("/v1/documents/c/a", body("x")).await, 201).await;
    json(larder.put("/v1/documents/c/a", body("y")).await, 200).await;
    json(larder.put("/v1/documents/c/b", body("z")).await, 201).await;
    assert_eq!(larder.objects().await.len(), 3);
    sweep(&larder).await;
    assert_eq!(larder.objects().await.len(), 2);
    // Deleted: its object waits for as long as it may come back.
    assert_eq!(larder.delete("/v1/documents/c/b").await.status(), 204);
    larder.sql("update larder.pending set lease_until = now() - interval '1 second'").await;
    sweep(&larder).await;
    json(larder.post("/v1/documents/c/b/restore", &json!({})).await, 200).await;
    assert!(larder.text("/v1/documents/c/b").await == body("z"));
    larder.sql("update larder.pending set lease_until = now() - interval '1 second'").await;
    sweep(&larder).await;
    assert_eq!(larder.column(PENDING).await, ["0"]);
    assert!(larder.text("/v1/documents/c/a").await == body("y"));
    assert!(larder.text("/v1/documents/c/b").await == body("z"));
}

#[tokio::test]
async fn a_slow_upload_outlives_its_lease_while_another_replica_sweeps() {
    let larder = start("10").await;
    let other = larder.replica(&["--lease-seconds", "10", "--garbage-seconds", "0", "--sweep-seconds", "3600"]).await;
    let (table, table_answer) = slow_put(&larder, "/v1/tables/slow");
    let (blob, blob_answer) = slow_put(&larder, "/v1/blobs/slow.txt");
    for body in [&table, &blob] {
        body.send(Ok("n\n".into())).await.unwrap();
    }
    larder.wait_for(PENDING, &["2"]).await;
    let ends = larder.column("select max(lease_until) from larder.pending").await.join("");
    let over = format!("select now() > timestamptz '{ends}'");
    let mut lines = 0;
    while larder.column(&over).await == ["false"] {
        table.send(Ok(format!("{lines}\n").into())).await.unwrap();
        blob.send(Ok(format!("{lines}\n").into())).await.unwrap();
        lines += 1;
        sweep::once(&other.app).await.unwrap();
    }
    drop((table, blob));
    assert_eq!(json(table_answer.await.unwrap().unwrap(), 201).await["rows"], lines);
    json(blob_answer.await.unwrap().unwrap(), 201).await;
    sweep(&other).await;
    let sent = (0..lines).fold("n\n".to_owned(), |sent, n| format!("{sent}{n}\n"));
    assert_eq!(other.text("/v1/tables/slow/rows.csv").await, sent);
    assert_eq!(other.text("/v1/blobs/slow.txt").await, sent);
}

#[tokio::test]
async fn an_upload_whose_lease_is_lost_is_given_up() {
    let larder = start("60").await;
    json(larder.put("/v1/tables/lost", "n\n1\n").await, 201).await;
    let before = larder.physical_tables().await;
    for path in ["/v1/tables/lost", "/v1/blobs/lost.txt"] {
        let (body, answer) = slow_put(&larder, path);
        body.send(Ok("n\n".into())).await.unwrap();
        larder.wait_for(PENDING, &["1"]).await;
        assert_eq!(larder.sql("delete from larder.pending").await, 1);
        body.send(Ok("2\n".into())).await.unwrap();
        drop(body);
        let answer = answer.await.unwrap().unwrap();
        assert_eq!(answer.headers()["retry-after"], "5");
        problem(answer, 503, "lease-lost").await;
    }
    problem(larder.get("/v1/blobs/lost.txt").await, 404, "not-found").await;
    assert_eq!(larder.text("/v1/tables/lost/rows.csv").await, "n\n1\n");
    // No row names it any more, so it must not be there either.
    assert_eq!(larder.physical_tables().await, before);
}

#[tokio::test]
async fn a_row_that_is_held_and_a_step_that_fails_hold_up_no_other() {
    let larder = start("60").await;
    let ids = [Uuid::now_v7(), Uuid::now_v7()];
    for id in ids {
        let sql = format!("insert into larder.pending (id, lease_until) values ('{id}', now() - interval '1 second')");
        larder.sql(&sql).await;
    }
    json(larder.put("/v1/tables/t", "a\n1\n").await, 201).await;
    json(larder.put("/v1/tables/t", "a\n2\n").await, 200).await;
    json(larder.put("/v1/tables/t", "a\n3\n").await, 200).await;
    larder.sql("update larder.garbage set due_at = now() - interval '1 second'").await;
    larder.sql("alter table larder.jobs rename to jobs_elsewhere").await;
    let mut session = larder.database().await;
    sqlx::raw_sql("begin").execute(&mut session).await.unwrap();
    sqlx::query("select from larder.pending where id = $1 for update")
        .bind(ids[0])
        .execute(&mut session)
        .await
        .unwrap();
    sweep::once(&larder.app).await.expect_err("the step of the jobs fails");
    drop(session);
    assert_eq!(larder.column("select id from larder.pending").await, [ids[0].to_string()]);
    assert_eq!(larder.column("select id from larder.garbage").await, [ids[1].to_string()]);
    assert_eq!((larder.objects().await.len(), larder.physical_tables().await.len()), (2, 2));
    larder.sql("alter table larder.jobs_elsewhere rename to jobs").await;
    sweep(&larder).await;
    assert_eq!(
        (larder.column(PENDING).await.join(""), larder.column(GARBAGE).await.join("")),
        ("0".into(), "0".into())
    );
}
