//! Who comes with a link: looked up and written down in groups, each in one statement and one commit.
//!
//! **Invariant.** A hit is committed before anything is given for it. What only an answer's end can tell, the bytes above all, is added behind it; a crash in
//! between leaves the hit without them.

use super::{
    Shares,
    row::{SHARE_COLUMNS, SHARE_JOINS},
};
use crate::{
    catalogue::{DATASET_COLUMNS, Dataset, database},
    error::Result,
    shares::Share,
};
use sqlx::{AssertSqlSafe, FromRow, PgPool, Row, postgres::PgRow};
use std::{collections::HashMap, sync::LazyLock};
use time::OffsetDateTime;
use uuid::Uuid;

/// Who comes, and what for.
#[derive(Debug, Clone)]
pub struct Arrival {
    pub share: Uuid,
    pub generation: i32,
    /// What is written down if the share is for whoever has its link, as often as they like: of a blob, and of anything else.
    pub outcomes: (&'static str, &'static str),
    pub hit: Hit,
}

/// A line of a share's log.
#[derive(Debug, Clone, Default)]
pub struct Hit {
    pub id: Uuid,
    pub share: Uuid,
    pub outcome: &'static str,
    pub request_id: String,
    pub agent: Option<String>,
    /// The client's address without its last part.
    pub network: Option<String>,
    pub format: Option<String>,
    pub path: Option<String>,
    pub bytes: Option<u64>,
}

/// What there is behind a link.
#[derive(Debug, Clone)]
pub struct Entry {
    pub share: Share,
    /// With the version that the share shows. None of a folder, and none that was deleted, or that the share's maker may not see any more.
    pub dataset: Option<Dataset>,
    /// Whether the hit has been written down.
    pub noted: bool,
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

/// Each link once, however many have come with it. What is noted at once is for shares of which no more must be known than that they are there.
static ENTER: LazyLock<String> = LazyLock::new(|| {
    format!(
        "with asked as materialized (
             select * from unnest($1::uuid[], $2::uuid[], $3::int[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[])
             as a (hit, share, generation, of_blob, of_other, request_id, agent, network, path)
         ), found as materialized (
             select s.password is null and s.downloads_max is null and s.folder is null as l_open, d.kind = 'blob' as l_blob,
                 (d.id is not null and d.deleted_at is null and (d.visibility <> 'private' or d.owner = s.created_by or m.admin)) is true as l_there,
                 {SHARE_COLUMNS}, {DATASET_COLUMNS}
             from (select distinct share, generation from asked) a
             join larder.shares s on s.id = a.share and s.generation = a.generation {SHARE_JOINS}
             left join larder.principals p on p.id = d.owner left join larder.objects o on o.id = v.object_id
         ), known as (
             select *, s_over or not (l_there or s_folder is not null) as l_over from found
         ), noted as (
             insert into larder.share_hits (id, share_id, outcome, request_id, agent, network, path)
             select hit, share, case when l_over then 'over' when l_blob then of_blob else of_other end, request_id, agent, network, path
             from asked join known on s_id = share and s_generation = generation where l_over or l_open returning id
         ) select * from known"
    )
});

/// A share whose dataset is purged at that moment has no log any more, and must not cost the others theirs.
const NOTE: &str = "insert into larder.share_hits (id, share_id, outcome, request_id, agent, network, format, path, bytes)
     select n.* from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::int8[])
     as n (id, share, outcome, request_id, agent, network, format, path, bytes) join larder.shares s on s.id = n.share
     on conflict (share_id, id) do update set outcome = excluded.outcome, format = excluded.format, bytes = excluded.bytes";

fn each<T, U>(all: &[T], one: impl FnMut(&T) -> U) -> Vec<U> {
    all.iter().map(one).collect()
}

/// Answers a group, each with what is behind its link, and writes it down.
pub(super) async fn enter(control: &PgPool, group: Vec<Arrival>) -> Result<Vec<Option<Entry>>> {
    let rows = sqlx::query(AssertSqlSafe(ENTER.as_str()))
        .bind(each(&group, |one| one.hit.id))
        .bind(each(&group, |one| one.share))
        .bind(each(&group, |one| one.generation))
        .bind(each(&group, |one| one.outcomes.0))
        .bind(each(&group, |one| one.outcomes.1))
        .bind(each(&group, |one| one.hit.request_id.clone()))
        .bind(each(&group, |one| one.hit.agent.clone()))
        .bind(each(&group, |one| one.hit.network.clone()))
        .bind(each(&group, |one| one.hit.path.clone()))
        .fetch_all(control)
        .await
        .map_err(database)?;
    let entries = rows.iter().map(entry).collect::<sqlx::Result<Vec<_>>>().map_err(database)?;
    let found: HashMap<_, _> = entries.iter().map(|entry| ((entry.share.id, entry.share.generation), entry)).collect();
    Ok(each(&group, |one| found.get(&(one.share, one.generation)).map(|entry| (*entry).clone())))
}

fn entry(row: &PgRow) -> sqlx::Result<Entry> {
    let mut share = Share::from_row(row)?;
    share.over = row.try_get("l_over")?;
    let noted = share.over || row.try_get("l_open")?;
    let dataset = if row.try_get("l_there")? { Some(Dataset::from_row(row)?) } else { None };
    Ok(Entry { share, dataset, noted })
}

/// Writes hits down, or what has become of those that are written down already.
pub(super) async fn note(control: &PgPool, group: Vec<Hit>) -> Result<Vec<()>> {
    // One statement cannot write one row twice: the last word on a hit holds.
    let mut hits: Vec<Hit> = Vec::with_capacity(group.len());
    let count = group.len();
    for hit in group {
        match hits.iter_mut().find(|known| known.id == hit.id) {
            Some(known) => *known = hit,
            None => hits.push(hit),
        }
    }
    sqlx::query(NOTE)
        .bind(each(&hits, |hit| hit.id))
        .bind(each(&hits, |hit| hit.share))
        .bind(each(&hits, |hit| hit.outcome))
        .bind(each(&hits, |hit| hit.request_id.clone()))
        .bind(each(&hits, |hit| hit.agent.clone()))
        .bind(each(&hits, |hit| hit.network.clone()))
        .bind(each(&hits, |hit| hit.format.clone()))
        .bind(each(&hits, |hit| hit.path.clone()))
        .bind(each(&hits, |hit| hit.bytes.map(|bytes| i64::try_from(bytes).unwrap_or(i64::MAX))))
        .execute(control)
        .await
        .map_err(database)?;
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
