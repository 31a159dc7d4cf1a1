//! The log of a link: written in groups, each in one statement and one commit; `arrivals` writes what can be written when somebody comes.
//!
//! **Invariant.** A hit is committed before anything is given for it. What only an answer's end can tell, such as the bytes of a stream, is added behind it; a crash in
//! between leaves the hit without them.
//! **Invariant.** Each hit is of a share that is there: whoever writes one holds its share against deletion, and whoever deletes a share locks it before its hits go.

use super::Shares;
use crate::{catalogue::database, database::WarmPool, error::Result};
use sqlx::FromRow;
use std::{borrow::Cow, sync::Arc};
use time::OffsetDateTime;
use uuid::Uuid;

/// A line of a share's log.
#[derive(Debug, Clone, Default)]
pub struct Hit {
    pub id: Uuid,
    pub share: Uuid,
    pub outcome: &'static str,
    pub request_id: Arc<str>,
    pub agent: Option<Arc<str>>,
    /// The client's address without its last part.
    pub network: Option<Arc<str>>,
    pub format: Option<Cow<'static, str>>,
    pub path: Option<String>,
    pub bytes: Option<u64>,
}

impl Hit {
    pub(super) fn size(&self) -> Option<i64> {
        self.bytes.map(|bytes| i64::try_from(bytes).unwrap_or(i64::MAX))
    }
}

/// A line of a share's log as it is read.
#[derive(Debug, Clone, FromRow)]
pub struct Seen {
    pub id: Uuid,
    pub at: OffsetDateTime,
    pub outcome: String,
    pub bytes: Option<i64>,
    pub format: Option<String>,
    pub path: Option<String>,
    pub agent: Option<String>,
    pub network: Option<String>,
    pub request_id: String,
}

/// How often on one day, in UTC.
#[derive(Debug, Clone, FromRow)]
pub struct Day {
    pub day: time::Date,
    pub outcome: String,
    pub hits: i64,
    pub bytes: i64,
}

/// A share whose dataset is purged at that moment has no log any more, and neither costs the others theirs nor lets them wait.
const NOTE: &str = "with held as materialized (select id from larder.shares where id = any($2) for key share skip locked)
     insert into larder.share_hits (id, share_id, outcome, request_id, agent, network, format, path, bytes)
     select n.* from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::int8[])
     as n (id, share, outcome, request_id, agent, network, format, path, bytes) join held on held.id = n.share
     on conflict (share_id, id) do update set outcome = excluded.outcome, format = excluded.format, path = excluded.path, bytes = excluded.bytes";

pub(super) fn each<'a, T, U>(all: &'a [T], one: impl FnMut(&'a T) -> U) -> Vec<U> {
    all.iter().map(one).collect()
}

/// Writes hits down, or what has become of those that are written down already.
pub(super) async fn note(links: &WarmPool, group: Vec<Hit>) -> Result<Vec<()>> {
    // One statement cannot write one row twice: the last word on a hit holds.
    let mut hits: Vec<Hit> = Vec::with_capacity(group.len());
    let count = group.len();
    for hit in group {
        match hits.iter_mut().find(|known| known.id == hit.id) {
            Some(known) => *known = hit,
            None => hits.push(hit),
        }
    }
    let mut connection = links.acquire().await?;
    sqlx::query(NOTE)
        .bind(each(&hits, |hit| hit.id))
        .bind(each(&hits, |hit| hit.share))
        .bind(each(&hits, |hit| hit.outcome))
        .bind(each(&hits, |hit| &*hit.request_id))
        .bind(each(&hits, |hit| hit.agent.as_deref()))
        .bind(each(&hits, |hit| hit.network.as_deref()))
        .bind(each(&hits, |hit| hit.format.as_deref()))
        .bind(each(&hits, |hit| hit.path.as_deref()))
        .bind(each(&hits, Hit::size))
        .execute(&mut *connection)
        .await
        .map_err(database)?;
    connection.give_back();
    Ok(vec![(); count])
}

impl Shares {
    /// The hits of a share, newest first, older than `before`.
    pub async fn hits(&self, share: Uuid, before: Option<Uuid>, limit: u64) -> Result<Vec<Seen>> {
        sqlx::query_as(
            "select id, at, outcome, bytes, format, path, agent, network, request_id from larder.share_hits
             where share_id = $1 and ($2::uuid is null or id < $2) order by id desc limit $3",
        )
        .bind(share)
        .bind(before)
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(&self.catalogue.control)
        .await
        .map_err(database)
    }

    /// How often a share was used on each of the last days, the latest first; `first` is where an id of the first of them begins.
    pub async fn days(&self, share: Uuid, first: Uuid) -> Result<Vec<Day>> {
        sqlx::query_as(
            "select (at at time zone 'UTC')::date as day, outcome, count(*) as hits, coalesce(sum(bytes), 0)::int8 as bytes
             from larder.share_hits where share_id = $1 and id >= $2 group by 1, 2 order by 1 desc, 2",
        )
        .bind(share)
        .bind(first)
        .fetch_all(&self.catalogue.control)
        .await
        .map_err(database)
    }

    /// Forgets hits from before `first`.
    pub async fn expire_hits(&self, first: Uuid) -> Result<()> {
        sqlx::query("delete from larder.share_hits h using larder.shares s where h.share_id = s.id and h.id < $1")
            .bind(first)
            .execute(&self.catalogue.control)
            .await
            .map_err(database)?;
        Ok(())
    }
}
