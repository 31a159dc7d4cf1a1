//! Shares in Postgres.

use crate::{
    auth::Caller,
    catalogue::{Dataset, KeptAnswer, database},
    error::{Error, Result},
    metrics,
};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, FromRow, PgConnection, PgPool};
use std::time::Duration;
use time::OffsetDateTime;
use uuid::Uuid;

const COLUMNS: &str = "id, generation, dataset_id, document_id, incarnation, expires_at, revoked_at, created_at, \
     revoked_at is not null or expires_at <= now() as over";

#[derive(Debug, Clone)]
pub struct Shares {
    control: PgPool,
}

/// What a share stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    pub dataset_id: Uuid,
    /// A document's id and incarnation.
    pub document: Option<(String, String)>,
}

#[derive(Debug, Clone, FromRow)]
pub struct Share {
    pub id: Uuid,
    pub generation: i32,
    pub dataset_id: Uuid,
    pub document_id: Option<String>,
    pub incarnation: Option<String>,
    pub expires_at: OffsetDateTime,
    pub revoked_at: Option<OffsetDateTime>,
    pub created_at: OffsetDateTime,
    /// Expired by Postgres' clock, or revoked.
    pub over: bool,
}

impl From<&Dataset> for Target {
    fn from(dataset: &Dataset) -> Self {
        Self { dataset_id: dataset.id, document: None }
    }
}

impl Shares {
    pub fn new(control: PgPool) -> Self {
        Self { control }
    }

    pub async fn create(&self, caller: &Caller, target: &Target, life: Duration) -> Result<Share> {
        let mut connection = self.control.acquire().await.map_err(database)?;
        insert(&mut connection, Uuid::now_v7(), caller, target, life).await
    }

    /// The same for a request that may come again under its `Idempotency-Key`: the share, and whether it was made before. Its id is what is kept, never its link.
    pub async fn create_once(
        &self,
        caller: &Caller,
        target: &Target,
        life: Duration,
        (key, fingerprint): (&str, Vec<u8>),
    ) -> Result<(Share, bool)> {
        let id = Uuid::now_v7();
        let mut tx = self.control.begin().await.map_err(database)?;
        let kept = KeptAnswer { fingerprint, answer: json!({ "share": id }) };
        if let Some(found) = kept.keep_or_find(&mut tx, caller, key).await? {
            let before = found.answer.get("share").and_then(Value::as_str).and_then(|id| id.parse().ok());
            let before = before.ok_or_else(|| Error::internal("an answer kept for a share is of something else"))?;
            return Ok((self.find_own(caller, before).await?, true));
        }
        let share = insert(&mut tx, id, caller, target, life).await?;
        tx.commit().await.map_err(database)?;
        Ok((share, false))
    }

    /// The caller's newest live link of the same thing, extended to `life` from now if that is later; else a new one.
    pub async fn create_or_extend(&self, caller: &Caller, target: &Target, life: Duration) -> Result<Share> {
        let (document, incarnation) = target.document.clone().unzip();
        let sql = format!(
            "update larder.shares set expires_at = greatest(expires_at, now() + $5) where id = (
                 select id from larder.shares where dataset_id = $1 and document_id is not distinct from $2 and incarnation is not distinct from $3
                 and created_by = $4 and revoked_at is null and expires_at > now() order by created_at desc limit 1
             ) and revoked_at is null returning {COLUMNS}"
        );
        let query = sqlx::query_as(AssertSqlSafe(sql))
            .bind(target.dataset_id)
            .bind(document)
            .bind(incarnation)
            .bind(caller.principal)
            .bind(life);
        match query.fetch_optional(&self.control).await.map_err(database)? {
            Some(share) => Ok(share),
            None => self.create(caller, target, life).await,
        }
    }

    /// The share of that id and generation, over or not: those who hold its link may know that it is over.
    pub async fn find(&self, id: Uuid, generation: i32) -> Result<Share> {
        let sql = format!("select {COLUMNS} from larder.shares where id = $1 and generation = $2");
        let share = sqlx::query_as(AssertSqlSafe(sql))
            .bind(id)
            .bind(generation)
            .fetch_optional(&self.control)
            .await
            .map_err(database)?;
        share.ok_or(Error::NotFound { what: "share" })
    }

    /// A share that the caller made; an admin sees all.
    pub async fn find_own(&self, caller: &Caller, id: Uuid) -> Result<Share> {
        let sql = format!("select {COLUMNS} from larder.shares where id = $1 and (created_by = $2 or $3)");
        let query = sqlx::query_as(AssertSqlSafe(sql)).bind(id).bind(caller.principal).bind(caller.admin);
        query.fetch_optional(&self.control).await.map_err(database)?.ok_or(Error::NotFound { what: "share" })
    }

    /// The caller's shares, an admin's view of all, newest first, older than `before`.
    pub async fn list(&self, caller: &Caller, before: Option<Uuid>, limit: u64) -> Result<Vec<Share>> {
        let sql = format!(
            "select {COLUMNS} from larder.shares where (created_by = $1 or $2) and ($3::uuid is null or id < $3) order by id desc limit $4"
        );
        let query = sqlx::query_as(AssertSqlSafe(sql)).bind(caller.principal).bind(caller.admin).bind(before);
        query.bind(i64::try_from(limit).unwrap_or(i64::MAX)).fetch_all(&self.control).await.map_err(database)
    }

    /// Ends a link and keeps the data; ending it twice is no error.
    pub async fn revoke(&self, caller: &Caller, id: Uuid) -> Result<()> {
        self.find_own(caller, id).await?;
        let sql = "update larder.shares set revoked_at = coalesce(revoked_at, now()) where id = $1";
        sqlx::query(sql).bind(id).execute(&self.control).await.map_err(database)?;
        Ok(())
    }

    /// Writes a hit down, before anything is given.
    pub async fn record(&self, share: Uuid, outcome: &str, request_id: &str) -> Result<()> {
        let sql = "insert into larder.share_hits (share_id, outcome, request_id) values ($1, $2, $3)";
        sqlx::query(sql).bind(share).bind(outcome).bind(request_id).execute(&self.control).await.map_err(database)?;
        metrics::share_hit(outcome);
        Ok(())
    }
}

async fn insert(
    connection: &mut PgConnection,
    id: Uuid,
    caller: &Caller,
    target: &Target,
    life: Duration,
) -> Result<Share> {
    let (document, incarnation) = target.document.clone().unzip();
    let sql = format!(
        "insert into larder.shares (id, dataset_id, document_id, incarnation, created_by, expires_at) values ($1, $2, $3, $4, $5, now() + $6) returning {COLUMNS}"
    );
    let query = sqlx::query_as(AssertSqlSafe(sql)).bind(id).bind(target.dataset_id).bind(document).bind(incarnation);
    query.bind(caller.principal).bind(life).fetch_one(connection).await.map_err(database)
}
