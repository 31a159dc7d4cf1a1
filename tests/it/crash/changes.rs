//! The same for changes of tables that exist, by a service that is killed and by a Postgres that is: appends, replaces, readings anew and jobs.

use super::{SETTINGS, Upload, expire, only_what_is_referred_to_is_kept};
use crate::support::{
    json,
    process::{Folder, Larder, signal, within},
};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, PgConnection};
use std::{path::Path, time::Duration};

/// Rows of the files that change `appended`, `replaced` and `job`.
const FEW: u64 = 1000;
/// Rows of a file of which three quarters are more than what is read before the first guess of the types, and the load, begin.
const MANY: u64 = 30_000;

#[derive(Debug, Clone, Copy)]
enum Dies {
    Service,
    Postgres,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moment {
    /// Rows are on their way into tables that nobody sees.
    Loading,
    /// The transactions that publish have done something, and not all.
    Publishing,
    /// They may go on, and perhaps commit.
    Committing,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_kill_9_a_changed_table_is_the_old_one_or_the_new_one_and_no_job_runs_on() {
    interrupt(Dies::Service).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_the_death_of_postgres_a_changed_table_is_the_old_one_or_the_new_one_and_no_job_runs_on() {
    interrupt(Dies::Postgres).await;
}

async fn interrupt(dies: Dies) {
    let folder = Folder::new();
    let data = folder.data();
    let mut service = Larder::start(&data, &SETTINGS).await;
    for name in ["appended", "replaced", "job"] {
        json(service.put(&format!("/v1/tables/{name}"), "n,word\n1,one\n").await, 201).await;
    }
    json(service.put("/v1/tables/reread", many()).await, 201).await;
    for moment in [Moment::Loading, Moment::Publishing, Moment::Committing] {
        let before = States::of(&service).await;
        let key = format!("{moment:?}");
        let mut changes = Changes::start(&service, moment, &key);
        changes.come_to(&service, moment).await;
        service = die(service, &data, dies).await;
        let acknowledged = changes.acknowledged().await;
        // A job outlives the database where it was between two statements, and then goes on.
        let jobs = within("the end of the jobs", ended_jobs(&service)).await;

        let after = States::of(&service).await;
        if moment == Moment::Committing {
            let rows = [before.appended + FEW, FEW, FEW];
            let either =
                [(after.appended, before.appended), (after.replaced, before.replaced), (after.job, before.job)];
            for ((now, before), new) in either.into_iter().zip(rows) {
                assert!(now == before || now == new, "{now} rows, neither {before} nor {new}");
            }
        } else {
            let jobs = States { job: after.job, etag: after.etag.clone(), ..before.clone() };
            assert_eq!(&after, if matches!(dies, Dies::Postgres) { &jobs } else { &before }, "{dies:?} {moment:?}");
        }
        for (done, changed) in acknowledged.into_iter().zip([after.appended, after.replaced]) {
            assert!(moment == Moment::Committing || !done, "it was acknowledged and is not there");
            assert!(!done || changed >= FEW, "it was acknowledged and is not there");
        }
        let (put, patch) = (newest(&jobs, "job"), newest(&jobs, "reread"));
        let uploaded = if moment == Moment::Loading { MANY } else { FEW };
        let wanted = if put == "finished" { uploaded } else { before.job };
        assert_eq!(after.job, wanted, "{dies:?} {moment:?}: {put}");
        assert_eq!(patch == "finished", after.etag != before.etag, "{dies:?} {moment:?}: {patch}");
        // Whether or not it was done: with the key it is done once.
        within("an answer", append_again(&service, &key)).await;
        let twice = States { appended: before.appended + FEW, ..after };
        assert_eq!(States::of(&service).await, twice, "{dies:?} {moment:?}");
    }
    within("the end of the sweep", only_what_is_referred_to_is_kept(&service)).await;
    service.stop().await;
}

/// Rows of the tables, and the state of the one that is read anew.
#[derive(Debug, Clone, PartialEq, Eq)]
struct States {
    appended: u64,
    replaced: u64,
    job: u64,
    etag: String,
}

impl States {
    async fn of(service: &Larder) -> Self {
        let reread = json(service.get("/v1/tables/reread").await, 200).await;
        assert_eq!(reread["rows"], MANY);
        let [appended, replaced, job] = ["appended", "replaced", "job"].map(|name| rows(service, name));
        let (appended, replaced, job) = (appended.await, replaced.await, job.await);
        Self { appended, replaced, job, etag: reread["etag"].to_string() }
    }
}

/// What the catalogue says and the table has.
async fn rows(service: &Larder, name: &str) -> u64 {
    let told = json(service.get(&format!("/v1/tables/{name}")).await, 200).await["rows"].as_u64().expect("a number");
    let csv = service.text(&format!("/v1/tables/{name}/rows.csv")).await;
    assert_eq!(told + 1, csv.lines().count() as u64, "{name}");
    told
}

/// Four changes at once, each of its own table.
struct Changes {
    uploads: [Upload; 3],
    /// Nobody but the database can hold it up, so it begins when the others have come so far.
    patch: Option<RequestBuilder>,
    patching: Option<tokio::task::JoinHandle<()>>,
    /// Holds up the transactions that publish, until it is dropped.
    held: Option<PgConnection>,
}

impl Changes {
    fn start(service: &Larder, moment: Moment, key: &str) -> Self {
        let body = || if moment == Moment::Loading { many() } else { few() };
        let append = service.request(Method::POST, "/v1/tables/appended/rows").header("idempotency-key", key);
        let job = service.request(Method::PUT, "/v1/tables/job").header("prefer", "respond-async");
        let uploads = [
            Upload::send(append, "appended", body()),
            Upload::start(service, "/v1/tables/replaced", body()),
            Upload::send(job, "job", body()),
        ];
        let change = json!({ "columns": { "n": { "type": "text" } } });
        let patch = service.request(Method::PATCH, "/v1/tables/reread").header("prefer", "respond-async").json(&change);
        Self { uploads, patch: Some(patch), patching: None, held: None }
    }

    fn begin_patch(&mut self) {
        let patch = self.patch.take().expect("it begins once");
        self.patching =
            Some(tokio::spawn(async move { drop(json(patch.send().await.expect("an answer"), 202).await) }));
    }

    async fn come_to(&mut self, service: &Larder, moment: Moment) {
        let mut database = service.database().await;
        if moment == Moment::Loading {
            for upload in &mut self.uploads {
                upload.feed(upload.body.len() * 3 / 4).await;
            }
            let copies =
                "select count(*) from pg_stat_progress_copy where command = 'COPY FROM' and tuples_processed > 0";
            within("three loads", reaches(&mut database, copies, 3)).await;
            self.begin_patch();
            within("four loads", reaches(&mut database, copies, 4)).await;
            return;
        }
        let mut held = service.database().await;
        let lock = "begin; lock table larder.appends, larder.versions in share mode";
        sqlx::raw_sql(lock).execute(&mut held).await.expect("a lock");
        for upload in &mut self.uploads {
            upload.feed_all().await;
        }
        self.begin_patch();
        let waiting = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and query ~ '^insert into larder.(appends|versions)'";
        within("four commits", reaches(&mut database, waiting, 4)).await;
        self.held = (moment == Moment::Publishing).then_some(held);
    }

    /// Which of the append and the replace were.
    async fn acknowledged(self) -> [bool; 2] {
        // A job may be answered or not; what becomes of it is asked afterwards.
        if let Some(patching) = self.patching {
            patching.await.unwrap_or_default();
        }
        let [append, replace, job] = self.uploads.map(|mut upload| async move {
            // The rest of the file: nothing of it may count any more.
            if let Some(pipe) = upload.pipe.take() {
                pipe.send(Ok(upload.body.split_off(upload.fed))).await.unwrap_or_default();
            }
            within("an answer", upload.answer).await.expect("no panic").map(|(status, _)| status.as_u16())
        });
        let answers = [append.await, replace.await];
        job.await;
        for status in answers.into_iter().flatten() {
            assert!(matches!(status, 200 | 201 | 503), "{status}");
        }
        answers.map(|status| status.is_some_and(|status| status < 300))
    }
}

fn few() -> Vec<u8> {
    csv(FEW, "few")
}

fn many() -> Vec<u8> {
    csv(MANY, &"long-".repeat(40))
}

fn csv(rows: u64, word: &str) -> Vec<u8> {
    let lines: String = (0..rows).map(|n| format!("{n},{word}\n")).collect();
    format!("n,word\n{lines}").into_bytes()
}

async fn reaches(database: &mut PgConnection, query: &'static str, wanted: i64) {
    loop {
        let found: i64 = sqlx::query_scalar(AssertSqlSafe(query)).fetch_one(&mut *database).await.expect("an answer");
        if found >= wanted {
            return;
        }
        tokio::task::yield_now().await;
    }
}

/// The service as it is afterwards.
async fn die(service: Larder, data: &Path, dies: Dies) -> Larder {
    match dies {
        Dies::Service => {
            tokio::task::spawn_blocking(|| service.kill()).await.expect("no panic");
            Larder::start(data, &SETTINGS).await
        }
        Dies::Postgres => {
            let first = service.postgres().expect("Postgres runs");
            signal("KILL", first);
            let again = async {
                while service.postgres().is_none_or(|now| now == first) {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            };
            within("another Postgres", again).await;
            service.wait_for_readiness(200).await;
            service
        }
    }
}

/// All jobs, once none is running.
async fn ended_jobs(service: &Larder) -> Vec<Value> {
    let mut database = service.database().await;
    loop {
        expire(&mut database).await;
        let jobs = json(service.get("/v1/jobs").await, 200).await;
        let jobs = jobs["items"].as_array().expect("a list").clone();
        if jobs.iter().all(|job| job["state"] != "running") {
            return jobs;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The state of the newest job of a table.
fn newest(jobs: &[Value], target: &str) -> String {
    let job = jobs.iter().find(|job| job["target"] == target).expect("a job");
    job["state"].as_str().expect("a state").to_owned()
}

async fn append_again(service: &Larder, key: &str) {
    let mut database = service.database().await;
    loop {
        expire(&mut database).await;
        let request = service.request(Method::POST, "/v1/tables/appended/rows").header("idempotency-key", key);
        let answer = request.body(few()).send().await.expect("an answer");
        match answer.status().as_u16() {
            // The first request is still thought to be on its way.
            409 => tokio::time::sleep(Duration::from_millis(50)).await,
            _ => return drop(json(answer, 201).await),
        }
    }
}
