//! Who comes with a link: looked up and written down in groups, each in one statement and one commit.
//!
//! What is behind a link is remembered for a while, and the statement that writes the hit down tells whether all of that is still so.

use super::{
    hits::{Hit, each},
    row::{OVER, SHARE_COLUMNS, SHARE_JOINS, THERE},
};
use crate::{
    catalogue::{COLUMN_BYTES, DATASET_COLUMNS, Dataset, Kind, Recent, database},
    database::WarmPool,
    error::Result,
    shares::{Share, Target},
};
use sqlx::{AssertSqlSafe, FromRow, PgConnection, Row, postgres::PgRow};
use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, LazyLock},
};
use uuid::Uuid;

/// Share and generation.
pub type Link = (Uuid, i32);

/// What a remembered share takes without its query, in columns of a table.
const WEIGHT: usize = 7;

/// Who comes, and what for.
#[derive(Debug, Clone)]
pub struct Arrival {
    pub generation: i32,
    /// What is written down if the share is for whoever has its link, as often as they like.
    pub hit: Hit,
    /// Of a blob, that it was redirected is written down in the place of the hit's own outcome.
    pub redirect: bool,
    /// Whether the hit says all that there will be to say of a document.
    pub told: bool,
}

/// What there is behind a link.
#[derive(Debug, Clone)]
pub struct Entry {
    pub share: Arc<Share>,
    /// With the version that the share shows. None of a folder, and none that was deleted, or that the share's maker may not see any more.
    pub dataset: Option<Arc<Dataset>>,
    /// By Postgres' clock.
    pub over: bool,
    /// As what the hit has been written down.
    pub noted: Option<&'static str>,
}

/// What was behind a link.
#[derive(Debug, Clone)]
pub struct Known {
    pub share: Arc<Share>,
    pub dataset: Option<Arc<Dataset>>,
    /// Another one after each change of the rows that this was read from.
    state: Arc<str>,
    /// Whether no write of the document was under way.
    pub settled: bool,
}

pub type RecentLinks = Recent<Link, Known>;

/// A link that somebody came with.
#[derive(FromRow)]
struct Met {
    id: Uuid,
    generation: i32,
    /// `None`: a folder's.
    kind: Option<Kind>,
    over: bool,
    is_open: bool,
    state: String,
}

/// Of the share, its maker, and its dataset with version and owner; and of writes of its document, and those that share their counter.
const STATE: &str = "format('%s %s %s %s %s %s %s', s.xmin, m.xmin, d.xmin, v.xmin, p.xmin, w.begun, w.ended)";
const JOINS: &str = "left join larder.principals p on p.id = d.owner
     left join larder.document_writes w on w.collection_id = s.dataset_id and w.bucket = larder.document_bucket(s.document_id)";

/// Each link once, however many have come with it. What is noted is for shares of which no more must be known than that they are there; and of documents, once all is told.
/// A share that is being deleted is not there: nobody waits for the sweep that has locked it.
static ENTER: LazyLock<String> = LazyLock::new(|| {
    format!(
        "with met as materialized (
             select s.id, s.generation, d.kind, {OVER} or (s.folder is null and not {THERE}) as over,
                 s.password is null and s.downloads_max is null and s.folder is null as is_open, {STATE} as state
             from unnest($1::uuid[], $2::int[]) as a (share, share_generation)
             join larder.shares s on s.id = share and s.generation = share_generation {SHARE_JOINS} {JOINS}
             for key share of s skip locked
         ), noted as (
             insert into larder.share_hits (id, share_id, outcome, request_id, agent, network, path, format, bytes)
             select hit, share, case when over then 'over' when kind = 'blob' and redirect then 'redirected' else outcome end,
                 request_id, agent, network, path, case when not over then format end, case when not over then bytes end
             from unnest($3::uuid[], $4::uuid[], $5::int[], $6::text[], $7::bool[], $8::bool[], $9::text[], $10::text[], $11::text[], $12::text[], $13::text[], $14::int8[])
                 as a (hit, share, share_generation, outcome, redirect, told, request_id, agent, network, path, format, bytes)
             join met on met.id = share and met.generation = share_generation
             where over or (is_open and (told or kind <> 'collection'))
         ) select * from met"
    )
});

/// All that is behind links.
static FIND: LazyLock<String> = LazyLock::new(|| {
    format!(
        "select {SHARE_COLUMNS}, {DATASET_COLUMNS}, {THERE} as l_there, {STATE} as l_state, w.begun is not distinct from w.ended as l_settled
         from unnest($1::uuid[], $2::int[]) as a (share, share_generation)
         join larder.shares s on s.id = share and s.generation = share_generation {SHARE_JOINS} {JOINS}
         left join larder.objects o on o.id = v.object_id"
    )
});

/// Answers a group, each with what is behind its link, and writes it down.
pub(super) async fn enter(links: &WarmPool, recent: &RecentLinks, group: Vec<Arrival>) -> Result<Vec<Option<Entry>>> {
    let asked: HashSet<Link> = group.iter().map(|one| (one.hit.share, one.generation)).collect();
    let (shares, generations): (Vec<Uuid>, Vec<i32>) = asked.into_iter().unzip();
    let mut connection = links.acquire().await?;
    let met: Vec<Met> = sqlx::query_as(AssertSqlSafe(ENTER.as_str()))
        .bind(shares)
        .bind(generations)
        .bind(each(&group, |one| one.hit.id))
        .bind(each(&group, |one| one.hit.share))
        .bind(each(&group, |one| one.generation))
        .bind(each(&group, |one| one.hit.outcome))
        .bind(each(&group, |one| one.redirect))
        .bind(each(&group, |one| one.told))
        .bind(each(&group, |one| &*one.hit.request_id))
        .bind(each(&group, |one| one.hit.agent.as_deref()))
        .bind(each(&group, |one| one.hit.network.as_deref()))
        .bind(each(&group, |one| one.hit.path.as_deref()))
        .bind(each(&group, |one| one.hit.format.as_deref()))
        .bind(each(&group, |one| one.hit.size()))
        .fetch_all(&mut *connection)
        .await
        .map_err(database)?;
    let met: HashMap<Link, Met> = met.into_iter().map(|met| ((met.id, met.generation), met)).collect();
    let known = known(&mut connection, recent, &met).await?;
    connection.give_back();
    Ok(each(&group, |one| {
        let link = (one.hit.share, one.generation);
        let (met, known) = (met.get(&link)?, known.get(&link)?);
        let noted = match met.over {
            true => Some("over"),
            false if met.is_open && met.kind == Some(Kind::Blob) && one.redirect => Some("redirected"),
            false => (met.is_open && (one.told || met.kind != Some(Kind::Collection))).then_some(one.hit.outcome),
        };
        let (share, dataset) = (known.share.clone(), known.dataset.clone());
        // It may have gone since.
        let over = met.over || (dataset.is_none() && share.folder().is_none());
        Some(Entry { share, dataset, over, noted })
    }))
}

/// What is behind these links: as it is remembered, if that is still so.
async fn known(
    connection: &mut PgConnection,
    recent: &RecentLinks,
    met: &HashMap<Link, Met>,
) -> Result<HashMap<Link, Known>> {
    let remembered = met.iter().filter_map(|(link, met)| {
        let known = recent.get(link).filter(|known| *known.state == *met.state)?;
        Some((*link, known))
    });
    let mut all: HashMap<Link, Known> = remembered.collect();
    let others: HashSet<Link> = met.keys().filter(|link| !all.contains_key(*link)).copied().collect();
    if others.is_empty() {
        return Ok(all);
    }
    let (shares, generations): (Vec<Uuid>, Vec<i32>) = others.into_iter().unzip();
    let found = sqlx::query(AssertSqlSafe(FIND.as_str())).bind(shares).bind(generations);
    for row in found.fetch_all(connection).await.map_err(database)? {
        let found = Known::from_row(&row).map_err(database)?;
        let link = (found.share.id, found.share.generation);
        recent.put(link, found.clone(), found.weight());
        all.insert(link, found);
    }
    Ok(all)
}

impl Known {
    /// What it takes, in columns of a table.
    fn weight(&self) -> usize {
        let query = match &self.share.target {
            Target::Query { query, .. } => query.text.len() / COLUMN_BYTES,
            _ => 0,
        };
        WEIGHT + query + self.dataset.as_ref().map_or(0, |dataset| dataset.weight())
    }
}

impl FromRow<'_, PgRow> for Known {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        let dataset = if row.try_get("l_there")? { Some(Dataset::from_row(row)?.into()) } else { None };
        let (share, state) = (Share::from_row(row)?.into(), row.try_get::<&str, _>("l_state")?.into());
        Ok(Self { share, dataset, state, settled: row.try_get("l_settled")? })
    }
}
