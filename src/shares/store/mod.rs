//! Shares in Postgres: `own` for those who make them, `row` what a row is, `arrivals` for those who hold their links and `hits` the log of them, `places` where downloads are counted, `uploads` the
//! room in a drop box.

mod arrivals;
mod hits;
mod own;
mod places;
mod row;
mod uploads;

pub use arrivals::{Arrival, Entry, Known, Link};
pub use hits::Hit;
pub use places::{Place, PlaceAsked};
pub use row::Listed;
pub use uploads::Room;

use super::{Expiry, NewShare, Share, Target, Terms};
use crate::{
    audit::{Note, record},
    auth::Caller,
    catalogue::{Catalogue, Desk, KeptAnswer, Patience, database, is_busy},
    config::Secret,
    database::Pools,
    error::{Error, Result},
};
use arrivals::RecentLinks;
use row::{SHARE_COLUMNS, SHARE_JOINS, TargetRow, big, expiry_parts, whole};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, PgConnection};
use std::sync::Arc;
use time::OffsetDateTime;
use uuid::Uuid;

#[derive(Debug, Clone)]
pub struct Shares {
    catalogue: Catalogue,
    arrivals: Desk<Arrival, Option<Entry>>,
    recent: Arc<RecentLinks>,
    notes: Desk<Hit, ()>,
}

impl Shares {
    /// The desks are served apart, each with a connection of `links`.
    pub fn new(catalogue: Catalogue, Pools { links, links_apart, .. }: &Pools) -> Self {
        let (entering, noting, apart) = (links.clone(), links.clone(), links_apart.runtime());
        let recent = Arc::<RecentLinks>::default();
        let kept = recent.clone();
        let arrivals = Desk::open(apart, move |group| {
            let (links, kept) = (entering.clone(), kept.clone());
            async move { arrivals::enter(&links, &kept, group).await }
        });
        let notes = Desk::open(apart, move |group| {
            let links = noting.clone();
            async move { hits::note(&links, group).await }
        });
        Self { catalogue, arrivals, recent, notes }
    }

    /// What is behind a link; the hit is written down, together with those that come at the same moment, if nothing else is to be known first.
    pub async fn enter(&self, arrival: Arrival) -> Result<Option<Entry>> {
        self.arrivals.ask(arrival).await
    }

    /// What was behind a link a moment ago, if anybody came with it then.
    pub fn recent(&self, link: Link) -> Option<Known> {
        self.recent.get(&link)
    }

    /// Writes a hit down.
    pub async fn note(&self, hit: Hit) -> Result<()> {
        self.notes.ask(hit).await
    }

    /// Adds to a hit that is written down; soon, and unless the process is killed before that.
    pub fn note_later(&self, hit: Hit) {
        self.notes.tell(hit);
    }

    /// Waits until all that was to be added to hits has been.
    pub async fn flush(&self) -> Result<()> {
        self.notes.flush().await
    }

    pub async fn create(&self, caller: &Caller, new: &NewShare) -> Result<Listed> {
        let mut patience = Patience::default();
        loop {
            match self.try_create(caller, new, None).await {
                Err(error) if is_busy(&error) => patience.pause().await?,
                made => return made.map(|(made, _)| made),
            }
        }
    }

    /// The same for a request that may come again under its `Idempotency-Key`: the share, and whether it was made before. Its id is what is kept, never its link.
    pub async fn create_once(
        &self,
        caller: &Caller,
        new: &NewShare,
        (key, fingerprint): (&str, Vec<u8>),
    ) -> Result<(Listed, bool)> {
        let mut patience = Patience::default();
        loop {
            match self.try_create(caller, new, Some((key, &fingerprint))).await {
                Err(error) if is_busy(&error) => patience.pause().await?,
                made => return made,
            }
        }
    }

    async fn try_create(
        &self,
        caller: &Caller,
        new: &NewShare,
        once: Option<(&str, &Vec<u8>)>,
    ) -> Result<(Listed, bool)> {
        let id = Uuid::now_v7();
        let mut tx = self.catalogue.control.begin().await.map_err(database)?;
        // Its lock is the first of the transaction.
        let version = match (&new.target, &new.pin) {
            (Target::Dataset(dataset_id) | Target::Query { dataset_id, .. }, Some(pin)) => {
                Some(self.catalogue.pin(&mut tx, *dataset_id, pin.number()).await?)
            }
            _ => None,
        };
        if let Some((key, fingerprint)) = once {
            let kept = KeptAnswer { fingerprint: fingerprint.clone(), answer: json!({ "share": id }) };
            if let Some(found) = kept.keep_or_find(&mut tx, caller, key).await? {
                let before = found.answer.get("share").and_then(Value::as_str).and_then(|id| id.parse().ok());
                let before =
                    before.ok_or_else(|| Error::internal("an answer kept for a share is of something else"))?;
                // Nobody waits for a second connection with one in hand.
                tx.rollback().await.map_err(database)?;
                return Ok((self.find_own(caller, before).await?, true));
            }
        }
        let share = insert(&mut tx, id, caller, new, version).await?;
        record(&mut tx, caller, &told("create", &share.share)).await?;
        tx.commit().await.map_err(database)?;
        Ok((share, false))
    }

    /// The caller's newest live link of the same thing that says nothing else than when it ends, extended to `expiry` if that is later; else a new one.
    pub async fn create_or_extend(&self, caller: &Caller, target: &Target, expiry: Expiry) -> Result<Share> {
        let row = TargetRow::of(target);
        let (life, at) = expiry_parts(expiry);
        let sql = format!(
            "with extended as (update larder.shares set expires_at = case when expires_at is null then null else greatest(expires_at, coalesce($5, now() + $6)) end
             where id = (
                 select id from larder.shares where dataset_id = $1 and document_id is not distinct from $2 and incarnation is not distinct from $3
                 and created_by = $4 and revoked_at is null and (expires_at is null or expires_at > now()) and query is null and format is null
                 and not pinned and label is null and password is null and downloads_max is null and may_view and may_download order by created_at desc limit 1
             ) and revoked_at is null returning *) select {SHARE_COLUMNS} from extended s {SHARE_JOINS}"
        );
        let query = sqlx::query_as(AssertSqlSafe(sql))
            .bind(row.dataset_id)
            .bind(row.document_id)
            .bind(row.incarnation)
            .bind(caller.principal)
            .bind(at)
            .bind(life);
        let mut tx = self.catalogue.control.begin().await.map_err(database)?;
        let found: Option<Listed> = query.fetch_optional(&mut *tx).await.map_err(database)?;
        match found {
            Some(found) => {
                record(&mut tx, caller, &told("extend", &found.share)).await?;
                tx.commit().await.map_err(database)?;
                Ok(found.share)
            }
            None => {
                tx.rollback().await.map_err(database)?;
                let new = NewShare { target: target.clone(), expiry, terms: Terms::plain(), pin: None };
                self.create(caller, &new).await.map(|made| made.share)
            }
        }
    }
}

/// What is done to a share, for the audit: its id and what it leads to, never its link.
fn told(action: &'static str, share: &Share) -> Note {
    let note = Note { dataset: share.dataset_id(), ..Note::new(action, "share", share.id.to_string()) };
    note.with(json!({ "expires_at": share.expires_at.map(OffsetDateTime::unix_timestamp) }))
}

async fn insert(
    connection: &mut PgConnection,
    id: Uuid,
    caller: &Caller,
    new: &NewShare,
    version: Option<Uuid>,
) -> Result<Listed> {
    let sql = format!(
        "with s as (insert into larder.shares (id, dataset_id, document_id, incarnation, folder, query, format, pinned, version_id, created_by,
             expires_at, label, password, may_view, may_download, may_upload, downloads_max, upload_bytes_max, upload_files_max)
             values ($1, $2, $3, $4, $5, $6, $7, $8::uuid is not null, $8, $9, coalesce($10, now() + $11), $12, $13, $14, $15, $16, $17, $18, $19) returning *)
         select {SHARE_COLUMNS} from s {SHARE_JOINS}"
    );
    let (row, terms) = (TargetRow::of(&new.target), &new.terms);
    let (life, at) = expiry_parts(new.expiry);
    sqlx::query_as(AssertSqlSafe(sql))
        .bind(id)
        .bind(row.dataset_id)
        .bind(row.document_id)
        .bind(row.incarnation)
        .bind(row.folder)
        .bind(row.query.map(|query| &query.text))
        .bind(row.query.and_then(|query| query.format.as_ref()))
        .bind(version)
        .bind(caller.principal)
        .bind(at)
        .bind(life)
        .bind(&terms.label)
        .bind(terms.password.as_ref().map(Secret::expose))
        .bind(terms.allow.view)
        .bind(terms.allow.download)
        .bind(terms.allow.upload)
        .bind(terms.downloads_max.map(whole).transpose()?)
        .bind(terms.upload_bytes_max.map(big).transpose()?)
        .bind(terms.upload_files_max.map(whole).transpose()?)
        .fetch_one(connection)
        .await
        .map_err(database)
}
