//! The audit out, what is written in groups, and what is forgotten.

use super::{Outcome, Row};
use crate::{
    audit::{
        Note,
        desk::{Desk, First, Read, Refused, Tally},
    },
    auth::Caller,
    catalogue::database,
    error::Result,
};
use serde::Serialize;
use serde_json::Value;
use sqlx::{FromRow, PgPool};
use std::collections::HashMap;
use time::OffsetDateTime;
use uuid::Uuid;

/// Rows of the audit that are forgotten by one statement.
const FORGOTTEN_ROWS_MAX: i32 = 10_000;

/// What the audit is asked for; all that are given must hold.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// A name, or an id.
    pub principal: Option<String>,
    pub action: Option<String>,
    pub outcome: Option<Outcome>,
    pub dataset: Option<Uuid>,
    pub request_id: Option<String>,
    pub since: Option<OffsetDateTime>,
    pub until: Option<OffsetDateTime>,
    /// The last row of the page before.
    pub before: Option<(OffsetDateTime, Uuid)>,
}

#[derive(Debug, Clone, Serialize, FromRow)]
pub struct Entry {
    pub id: Uuid,
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    pub principal: Option<String>,
    pub principal_id: Option<Uuid>,
    pub token_id: Option<Uuid>,
    pub share_id: Option<Uuid>,
    pub action: String,
    pub kind: Option<String>,
    pub dataset_id: Option<Uuid>,
    pub name: Option<String>,
    pub outcome: Outcome,
    /// The entry that began it.
    pub intent: Option<Uuid>,
    pub count: i64,
    pub request_id: String,
    pub address: Option<String>,
    pub agent: Option<String>,
    pub detail: Value,
}

/// What one token of a principal read of a dataset within an hour, in one form.
#[derive(Debug, Clone, Serialize, FromRow)]
pub struct ReadEntry {
    #[serde(with = "time::serde::rfc3339")]
    pub hour: OffsetDateTime,
    pub principal: String,
    pub principal_id: Uuid,
    #[serde(serialize_with = "none_if_nil")]
    pub token_id: Uuid,
    /// A format of rows, `blob`, `raw`, `document`, `documents`, `stats`, or `presigned`: a URL was minted.
    pub how: String,
    pub count: i64,
    /// Sent by this process; the object store counts what is read through a presigned URL.
    pub bytes: i64,
    #[serde(with = "time::serde::rfc3339")]
    pub first_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    pub last_at: OffsetDateTime,
}

/// The keys of the last entry of a page: hour, principal, token, and how.
pub type ReadsBehind = (OffsetDateTime, Uuid, Uuid, String);

impl ReadEntry {
    pub fn behind(&self) -> ReadsBehind {
        (self.hour, self.principal_id, self.token_id, self.how.clone())
    }
}

fn none_if_nil<S: serde::Serializer>(id: &Uuid, serializer: S) -> Result<S::Ok, S::Error> {
    Some(id).filter(|id| !id.is_nil()).serialize(serializer)
}

/// Reading the audit, and what is written in groups.
#[derive(Debug, Clone)]
pub struct Audit {
    control: PgPool,
    desk: Desk,
    days: i32,
}

impl Audit {
    pub fn new(control: PgPool, days: u64) -> Self {
        Self { control, desk: Desk::default(), days: i32::try_from(days).unwrap_or(i32::MAX) }
    }

    /// A read by a caller, once its answer has ended.
    pub fn read(&self, read: Read, bytes: u64) {
        self.desk.read(self, read, bytes);
    }

    /// Counts a refusal, which is written down soon.
    pub fn refused_later(&self, refused: Refused, first: impl FnOnce() -> First) {
        self.desk.refused(self, refused, first);
    }

    /// Writes down that a caller was refused.
    pub async fn refused(&self, caller: &Caller, note: &Note) -> Result<()> {
        Row::of(caller, note, Outcome::Refused).insert(&mut *self.control.acquire().await.map_err(database)?).await
    }

    /// Writes what has been counted.
    pub async fn flush(&self) {
        let group = self.desk.take();
        for (First { caller, origin, note }, count) in group.refused.values() {
            let row = Row {
                id: Uuid::now_v7(),
                caller: caller.as_ref(),
                origin,
                note,
                outcome: Outcome::Refused,
                intent: None,
                count: *count,
            };
            let written = async { row.insert(&mut *self.control.acquire().await.map_err(database)?).await };
            if let Err(error) = written.await {
                tracing::warn!(?error, count, "refusals were not written down");
            }
        }
        if let Err(error) = self.add_reads(&group.reads).await {
            tracing::warn!(?error, kinds = group.reads.len(), "reads were not written down");
        }
    }

    async fn add_reads(&self, reads: &HashMap<Read, Tally>) -> Result<()> {
        if reads.is_empty() {
            return Ok(());
        }
        // In one order, so that two replicas never wait for one another.
        let mut reads: Vec<_> = reads.iter().collect();
        reads.sort_by_key(|(read, _)| (read.dataset, read.principal, read.token, read.how));
        let (mut datasets, mut principals, mut names, mut tokens, mut hows) = (vec![], vec![], vec![], vec![], vec![]);
        let (mut counts, mut bytes, mut firsts, mut lasts) = (vec![], vec![], vec![], vec![]);
        for (read, tally) in reads {
            datasets.push(read.dataset);
            principals.push(read.principal);
            names.push(read.principal_name.as_str());
            tokens.push(read.token);
            hows.push(read.how);
            counts.push(tally.count);
            bytes.push(tally.bytes);
            firsts.push(tally.first_at);
            lasts.push(tally.last_at);
        }
        sqlx::query(
            "insert into larder.reads as r (dataset_id, hour, principal_id, principal, token_id, how, count, bytes, first_at, last_at)
             select dataset_id, date_trunc('hour', last_at), principal_id, principal, token_id, how, count, bytes, first_at, last_at
             from unnest($1::uuid[], $2::uuid[], $3::text[], $4::uuid[], $5::text[], $6::bigint[], $7::bigint[], $8::timestamptz[], $9::timestamptz[])
                  as one (dataset_id, principal_id, principal, token_id, how, count, bytes, first_at, last_at)
             on conflict (dataset_id, hour, principal_id, token_id, how) do update
             set count = r.count + excluded.count, bytes = r.bytes + excluded.bytes, first_at = least(r.first_at, excluded.first_at), last_at = greatest(r.last_at, excluded.last_at)",
        )
        .bind(datasets)
        .bind(principals)
        .bind(names)
        .bind(tokens)
        .bind(hows)
        .bind(counts)
        .bind(bytes)
        .bind(firsts)
        .bind(lasts)
        .execute(&self.control)
        .await
        .map_err(database)?;
        Ok(())
    }

    /// The newest entries first, `limit` at most.
    pub async fn entries(&self, filter: &Filter, limit: u64) -> Result<Vec<Entry>> {
        let (before_at, before_id) = filter.before.unzip();
        sqlx::query_as(
            "select id, at, principal, principal_id, token_id, share_id, action, kind, dataset_id, name, outcome, intent, count, request_id, host(address) as address, agent, detail
             from larder.audit where ($1::text is null or principal = $1 or principal_id = $11) and ($2::text is null or action = $2) and ($3::text is null or outcome = $3)
             and ($4::uuid is null or dataset_id = $4) and ($5::text is null or request_id = $5) and ($6::timestamptz is null or at >= $6)
             and ($7::timestamptz is null or at < $7) and ($8::timestamptz is null or (at, id) < ($8, $9::uuid)) order by at desc, id desc limit $10",
        )
        .persistent(false)
        .bind(&filter.principal)
        .bind(&filter.action)
        .bind(filter.outcome)
        .bind(filter.dataset)
        .bind(&filter.request_id)
        .bind(filter.since)
        .bind(filter.until)
        .bind(before_at)
        .bind(before_id)
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .bind(filter.principal.as_ref().and_then(|principal| Uuid::parse_str(principal).ok()))
        .fetch_all(&self.control)
        .await
        .map_err(database)
    }

    /// Who read the dataset, the newest hours first, `limit` at most.
    pub async fn reads(&self, dataset: Uuid, behind: Option<&ReadsBehind>, limit: u64) -> Result<Vec<ReadEntry>> {
        let (hour, principal, token, how) =
            behind.cloned().map_or_else(Default::default, |(hour, principal, token, how)| {
                (Some(hour), Some(principal), Some(token), Some(how))
            });
        sqlx::query_as(
            "select hour, principal, principal_id, token_id, how, count, bytes, first_at, last_at from larder.reads where dataset_id = $1
             and ($2::timestamptz is null or (hour, principal_id, token_id, how) < ($2, $3::uuid, $4::uuid, $5::text collate \"C\"))
             order by hour desc, principal_id desc, token_id desc, how desc limit $6",
        )
        .bind(dataset)
        .bind(hour)
        .bind(principal)
        .bind(token)
        .bind(how)
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(&self.control)
        .await
        .map_err(database)
    }

    /// Forgets what is older than `LARDER_AUDIT_DAYS`.
    pub async fn expire(&self) -> Result<()> {
        loop {
            let forgotten = sqlx::query_scalar("select larder.forget_audit($1, $2)");
            let forgotten: i64 =
                forgotten.bind(self.days).bind(FORGOTTEN_ROWS_MAX).fetch_one(&self.control).await.map_err(database)?;
            if forgotten < i64::from(FORGOTTEN_ROWS_MAX) {
                break;
            }
        }
        sqlx::query("delete from larder.reads where hour < now() - make_interval(days => $1)")
            .bind(self.days)
            .execute(&self.control)
            .await
            .map_err(database)?;
        Ok(())
    }
}
