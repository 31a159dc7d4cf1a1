//! Jobs: long work that goes on after its request was answered, and what became of it.
//!
//! **Invariant.** A job is finished by the very commit that publishes its work, so that no kill in between makes the two disagree; one whose process is gone
//! is failed by the sweep.

use super::{Catalogue, Kind, store::database};
use crate::{
    audit::{Note, record},
    auth::{Action, Caller},
    error::{Error, Result},
};
use serde_json::{Value, json};
use sqlx::{FromRow, PgConnection};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use time::OffsetDateTime;
use tokio::sync::watch;
use uuid::Uuid;

/// Jobs of one list.
const LISTED_MAX: i64 = 100;
/// How long an ended job is remembered.
const KEPT_DAYS: i32 = 7;

#[derive(Debug, Clone, FromRow)]
pub struct Job {
    pub id: Uuid,
    pub kind: String,
    pub target: String,
    /// `running`, `finished`, `failed` or `cancelled`.
    pub state: String,
    pub bytes: i64,
    pub rows: i64,
    pub problem: Option<Value>,
    pub created_at: OffsetDateTime,
    pub updated_at: OffsetDateTime,
    pub finished_at: Option<OffsetDateTime>,
}

const JOB_COLUMNS: &str = "id, kind, target, state, bytes, rows, problem, created_at, updated_at, finished_at";

/// Jobs of tables that the caller's token reaches; its patterns are parameter 4.
const IN_SCOPE: &str = "($4::text[] is null or ('tables/' || target) collate \"C\" ~ any($4))";

/// How far an upload has come. Counted where the bytes and rows pass; read by the job that reports it.
#[derive(Debug)]
pub struct Progress {
    pub bytes: AtomicU64,
    pub rows: AtomicU64,
    received: watch::Sender<bool>,
}

impl Default for Progress {
    fn default() -> Self {
        Self { bytes: AtomicU64::new(0), rows: AtomicU64::new(0), received: watch::Sender::new(false) }
    }
}

impl Progress {
    /// The whole body has come.
    pub fn set_received(&self) {
        self.received.send_replace(true);
    }

    /// Waits until the whole body has come.
    pub async fn received(&self) {
        // The sender lives in `self`, so it cannot be gone.
        let mut received = self.received.subscribe();
        while !*received.borrow_and_update() && received.changed().await.is_ok() {}
    }
}

impl Catalogue {
    pub async fn begin_job(&self, caller: &Caller, kind: &str, target: &str) -> Result<Job> {
        let sql = format!(
            "insert into larder.jobs (id, principal_id, kind, target, lease_until) values ($1, $2, $3, $4, now() + $5) returning {JOB_COLUMNS}"
        );
        sqlx::query_as(sqlx::AssertSqlSafe(sql))
            .bind(Uuid::now_v7())
            .bind(caller.principal)
            .bind(kind)
            .bind(target)
            .bind(self.times.lease())
            .fetch_one(&self.control)
            .await
            .map_err(database)
    }

    /// Reports progress and keeps the job alive; false once it is to end: it was cancelled, or given up for dead.
    pub async fn report_job(&self, id: Uuid, progress: &Progress) -> Result<bool> {
        let sql = "update larder.jobs set bytes = $2, rows = $3, lease_until = now() + $4, updated_at = now()
                   where id = $1 and state = 'running' returning cancel_asked";
        let asked: Option<bool> = sqlx::query_scalar(sql)
            .bind(id)
            .bind(i64::try_from(progress.bytes.load(Relaxed)).unwrap_or(i64::MAX))
            .bind(i64::try_from(progress.rows.load(Relaxed)).unwrap_or(i64::MAX))
            .bind(self.times.lease())
            .fetch_optional(&self.control)
            .await
            .map_err(database)?;
        match asked {
            Some(asked) => Ok(!asked),
            // Its work has been published, and may have a little to do yet.
            None => {
                let sql = "select state = 'finished' from larder.jobs where id = $1";
                let finished: Option<bool> =
                    sqlx::query_scalar(sql).bind(id).fetch_optional(&self.control).await.map_err(database)?;
                Ok(finished == Some(true))
            }
        }
    }

    /// Ends a job that published nothing. One that has ended stays as it is.
    pub async fn end_job(&self, id: Uuid, state: &str, problem: Option<&Value>, progress: &Progress) -> Result<()> {
        self.report_job(id, progress).await?;
        let sql = "update larder.jobs set state = case when cancel_asked then 'cancelled' else $2 end, problem = case when cancel_asked then null else $3 end,
                   finished_at = now(), updated_at = now() where id = $1 and state = 'running'";
        let ended = sqlx::query(sql).bind(id).bind(state).bind(problem).execute(&self.control).await;
        ended.map_err(database).map(|_| ())
    }

    /// A job of the caller's; an admin sees all.
    pub async fn job(&self, caller: &Caller, id: Uuid) -> Result<Job> {
        let sql =
            format!("select {JOB_COLUMNS} from larder.jobs where id = $1 and (principal_id = $2 or $3) and {IN_SCOPE}");
        let job = sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(id).bind(caller.principal).bind(caller.admin);
        let job = job.bind(caller.patterns(Action::Read));
        job.fetch_optional(&self.control).await.map_err(database)?.ok_or(Error::NotFound { what: "job" })
    }

    /// The caller's newest jobs; an admin sees all.
    pub async fn jobs(&self, caller: &Caller) -> Result<Vec<Job>> {
        let sql = format!(
            "select {JOB_COLUMNS} from larder.jobs where (principal_id = $1 or $2) and {IN_SCOPE} order by created_at desc, id desc limit $3"
        );
        let jobs = sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(caller.principal).bind(caller.admin).bind(LISTED_MAX);
        jobs.bind(caller.patterns(Action::Read)).fetch_all(&self.control).await.map_err(database)
    }

    /// Asks a running job to end; it does within seconds.
    pub async fn cancel_job(&self, caller: &Caller, id: Uuid) -> Result<Job> {
        let job = self.job(caller, id).await?;
        caller.require(Action::Write, Kind::Table, &job.target)?;
        let sql = "update larder.jobs set cancel_asked = true where id = $1 and state = 'running'";
        let mut tx = self.control.begin().await.map_err(database)?;
        let asked = sqlx::query(sql).bind(id).execute(&mut *tx).await.map_err(database)?;
        match asked.rows_affected() {
            0 => Err(Error::Conflict { detail: format!("The job has ended already: it is {}.", job.state) }),
            _ => {
                record(&mut tx, caller, &Note::new("cancel", "job", &*job.target).with(json!({ "job": id }))).await?;
                tx.commit().await.map_err(database)?;
                Ok(job)
            }
        }
    }

    /// Jobs whose process is gone have failed; those that ended long ago are forgotten.
    pub async fn expire_jobs(&self) -> Result<()> {
        let problem = json!({
            "type": "/problems/interrupted",
            "title": "The upload broke off",
            "status": 400,
            "detail": "The service that ran the job ended before it did. Nothing was stored; send the file again.",
        });
        let taken_up = json!({
            "detail": "The service that ran the job ended before it did. The index is built all the same; the list of the table's indexes says when it is ready.",
        });
        sqlx::query(
            "update larder.jobs set state = case when cancel_asked then 'cancelled' else 'failed' end,
             problem = case when cancel_asked then null when kind = 'search-index' then $1 || $2 else $1 end,
             finished_at = now(), updated_at = now() where state = 'running' and lease_until < now()",
        )
        .bind(problem)
        .bind(taken_up)
        .execute(&self.control)
        .await
        .map_err(database)?;
        sqlx::query("delete from larder.jobs where finished_at < now() - make_interval(days => $1)")
            .bind(KEPT_DAYS)
            .execute(&self.control)
            .await
            .map_err(database)?;
        Ok(())
    }
}

/// The commit that publishes the job's work ends it; one that was cancelled or given up publishes nothing.
pub async fn finish_job(connection: &mut PgConnection, id: Uuid, rows: Option<u64>, bytes: u64) -> Result<()> {
    let sql = "update larder.jobs set state = 'finished', rows = coalesce($2, rows), bytes = $3, finished_at = now(), updated_at = now()
               where id = $1 and state = 'running' and not cancel_asked";
    let finished = sqlx::query(sql)
        .bind(id)
        .bind(rows.map(|rows| i64::try_from(rows).unwrap_or(i64::MAX)))
        .bind(i64::try_from(bytes).unwrap_or(i64::MAX))
        .execute(connection)
        .await
        .map_err(database)?;
    if finished.rows_affected() == 0 { Err(Error::LeaseLost) } else { Ok(()) }
}
