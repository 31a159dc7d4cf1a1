//! Uploads that nobody waits for.

use crate::support::{Service, json, problem, shared};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;

async fn begin(larder: &Service, name: &str, body: impl Into<reqwest::Body>) -> Value {
    let request = larder.request(Method::PUT, &format!("/v1/tables/{name}")).header("prefer", "respond-async");
    let answer = request.body(body).send().await.expect("an answer");
    let location = answer.headers()["location"].to_str().unwrap().to_owned();
    let job = json(answer, 202).await;
    assert_eq!(job["links"]["self"], location);
    job
}

/// The job once it has ended.
async fn ended(larder: &Service, job: &Value) -> Value {
    let path = format!("/v1/jobs/{}", job["id"].as_str().unwrap());
    loop {
        let job = json(larder.get(&path).await, 200).await;
        if job["state"] != "running" {
            return job;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_job_ends_with_the_table_it_makes_or_with_the_problem() {
    let file = "a,b\n".to_owned() + &"1,x\n".repeat(100_000);
    let job = begin(shared(), "job-good", file.clone()).await;
    let done = ended(shared(), &job).await;
    assert_eq!((done["state"].as_str(), done["rows"].as_u64()), (Some("finished"), Some(100_000)));
    assert_eq!(done["bytes"].as_u64(), Some(file.len() as u64));
    let table = json(shared().get("/v1/tables/job-good").await, 200).await;
    assert_eq!(table["rows"], 100_000);

    let failed = ended(shared(), &begin(shared(), "job-bad", "a,b\n1,\"x\n").await).await;
    assert_eq!((failed["state"].as_str(), failed["problem"]["status"].as_u64()), (Some("failed"), Some(422)));
    assert_eq!(failed["problem"]["line"], 2);
    problem(shared().get("/v1/tables/job-bad").await, 404, "not-found").await;
    let path = format!("/v1/jobs/{}", failed["id"].as_str().unwrap());
    problem(shared().delete(&path).await, 409, "conflict").await;

    let stranger = shared().person().await;
    problem(stranger.get(&path).await, 404, "not-found").await;
    let listed = json(shared().get("/v1/jobs").await, 200).await;
    assert!(listed["items"].as_array().unwrap().iter().any(|item| item["id"] == failed["id"]));
}

#[tokio::test]
async fn rows_can_be_left_to_a_job_as_well() {
    json(shared().put("/v1/tables/job-rows", "a,b\n1,x\n").await, 201).await;
    let append = async |body: &'static str| {
        let request = shared().request(Method::POST, "/v1/tables/job-rows/rows").header("prefer", "respond-async");
        let job = json(request.body(body).send().await.expect("an answer"), 202).await;
        ended(shared(), &job).await
    };
    let done = append("a,b\n2,y\n3,z\n").await;
    assert_eq!((&done["kind"], &done["state"]), (&json!("table-append"), &json!("finished")));
    assert_eq!((&done["rows"], &done["bytes"]), (&json!(2), &json!(12)));
    let failed = append("a,b\nx,y\n").await;
    assert_eq!((&failed["state"], &failed["problem"]["line"]), (&json!("failed"), &json!(2)));
    assert_eq!(shared().text("/v1/tables/job-rows/rows.csv").await, "a,b\n1,x\n2,y\n3,z\n");
}

#[tokio::test]
async fn a_cancelled_job_publishes_nothing() {
    let larder = shared();
    // A body that never ends: the job can only end by being cancelled.
    let lines = futures::stream::unfold((), |()| async {
        tokio::time::sleep(Duration::from_millis(5)).await;
        Some((Ok::<_, std::io::Error>("1,x\n".repeat(100)), ()))
    });
    let request = larder.request(Method::PUT, "/v1/tables/job-endless").header("prefer", "respond-async");
    let sending = tokio::spawn(request.body(reqwest::Body::wrap_stream(lines)).send());
    let running = "select id from larder.jobs where target = 'job-endless' and state = 'running' and bytes > 0";
    let id = loop {
        if let [id] = larder.column(running).await.as_slice() {
            break id.clone();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    json(larder.delete(&format!("/v1/jobs/{id}")).await, 202).await;
    let answer = sending.await.unwrap();
    let job = json(larder.get(&format!("/v1/jobs/{id}")).await, 200).await;
    assert_eq!(job["state"], "cancelled", "{answer:?}");
    problem(larder.get("/v1/tables/job-endless").await, 404, "not-found").await;
}

#[tokio::test]
async fn a_job_whose_process_is_gone_has_failed() {
    let larder = shared();
    let principal = larder.column("select id from larder.principals limit 1").await.join("");
    let sql = format!(
        "insert into larder.jobs (id, principal_id, kind, target, lease_until) values (gen_random_uuid(), '{principal}', 'table-upload', 'job-orphan', now() - interval '1 s')"
    );
    larder.sql(&sql).await;
    larder::sweep::once(&larder.app).await.unwrap();
    let state =
        larder.column("select state || ' ' || (problem ->> 'type') from larder.jobs where target = 'job-orphan'").await;
    assert_eq!(state, ["failed /problems/interrupted"]);
}
