//! Rows of a file into a table that exists: they go into a staging table while they arrive, and from there into the table in one transaction.
//!
//! Columns are matched by name. If the table was replaced meanwhile, the rows are matched anew, and read again from their own raw upload where the types differ.

mod store;

use super::{
    decompress::check_encoding,
    indexes::Refusal,
    load::{Manner, StoredFile, TargetTable},
    put::told_of,
    read::{Column, Hint, Options, Outcome, Told, write_pairs},
    sql::{self, OnDuplicate},
    store::Tables,
};
use crate::{
    audit::Note,
    auth::{Action, Caller},
    catalogue::{Dataset, Index, KeptAnswer, KeptFile, Kind, Lease, Patience, Pending, Precondition, Progress},
    error::{Error, Malformed, Result},
    objects::Incoming,
};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::{collections::BTreeMap, sync::Arc};
pub(super) use store::matched;
use store::{Attempt, Plan};
use uuid::Uuid;

/// How often rows are matched with a table that is replaced again and again, before we give up.
const MOVES_MAX: u32 = 8;

/// Rows as they are sent.
#[derive(Debug)]
pub struct NewRows {
    pub name: String,
    pub content_type: Option<String>,
    pub content_encoding: Option<String>,
    /// How the file is to be read; what was told of the table's own file holds for it too.
    pub told: Told,
    /// Whether columns that the table lacks are added to it.
    pub add_columns: bool,
    /// What becomes of rows whose key is there already; without it they are refused.
    pub on_duplicate: Option<OnDuplicate>,
    /// The columns that tell; the table's key if not given.
    pub on_conflict: Option<Vec<String>>,
    pub condition: Precondition,
    pub idempotency: Option<IdempotencyKey>,
    /// The job that the append ends, and where it counts its progress.
    pub job: Option<(Uuid, Arc<Progress>)>,
}

#[derive(Debug)]
pub struct IdempotencyKey {
    pub key: String,
    /// Of all the request but its body.
    pub request: Sha256,
}

/// What became of the rows of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    pub rows: u64,
    pub inserted: u64,
    pub updated: u64,
    /// Ignored, or overwritten by a later row of the same file.
    pub ignored: u64,
}

/// What the caller is answered, now or before.
#[derive(Debug)]
pub struct Answered {
    pub body: Value,
    /// It was done before, for a request with the same `Idempotency-Key`.
    pub replayed: bool,
}

/// Makes the answer, which commits together with what it says.
pub type Answer = dyn Fn(&Dataset, &Appended) -> Value + Send + Sync;

/// Rows in the staging table.
struct Staged {
    table: Uuid,
    file: Arc<Outcome>,
    source: StoredFile,
}

impl Tables {
    /// Adds the rows of a file to a table, all or none.
    ///
    /// # Errors
    /// `NotFound`, `PreconditionFailed`, `Malformed` for rows that do not fit, `DuplicateKey`, and as for `put`.
    pub async fn append(
        &self,
        caller: &Caller,
        rows: NewRows,
        mut incoming: Incoming,
        answer: &Answer,
    ) -> Result<Answered> {
        check_encoding(rows.content_encoding.as_deref())?;
        let dataset = self.catalogue.find(caller, Action::Write, Kind::Table, &rows.name).await?;
        let _turn = self.turn().await?;
        let (object_id, table) = (Uuid::now_v7(), Uuid::now_v7());
        let lease = self
            .catalogue
            .lease_for(
                caller,
                &Note::of("append", &dataset),
                Pending { object_id: Some(object_id), table_id: Some(table), document: None },
            )
            .await?;
        let Some(claimed) = &rows.idempotency else {
            return self.append_once(caller, &rows, (dataset, lease), (object_id, table), &mut incoming, answer).await;
        };
        let pending = lease.id;
        if let Some(kept) = self.catalogue.claim_key(caller, &claimed.key, pending).await? {
            return replay(claimed, kept, &mut incoming).await;
        }
        let done = self.append_once(caller, &rows, (dataset, lease), (object_id, table), &mut incoming, answer).await;
        if done.is_err() {
            self.catalogue.release_key(caller, &claimed.key, pending).await?;
        }
        done
    }

    async fn append_once(
        &self,
        caller: &Caller,
        new: &NewRows,
        (mut dataset, lease): (Dataset, Lease),
        (object_id, table): (Uuid, Uuid),
        incoming: &mut Incoming,
        answer: &Answer,
    ) -> Result<Answered> {
        let version = dataset.current()?;
        new.condition.check(Some(&version.etag()))?;
        conflict_index(new, &self.catalogue.indexes(dataset.id).await?)?;
        let manner = manner(new, &dataset)?;
        let loaded = self.receive(&lease, (object_id, table), &manner, incoming).await?;
        let object = loaded.object;
        let mut staged = Staged { table, file: loaded.file, source: StoredFile { object_id, manner } };
        let (mut patience, mut moves) = (Patience::default(), 0);
        while moves < MOVES_MAX {
            let plan = Plan::new(caller, new, &dataset, &staged, &object)?;
            match self.commit_append(&lease, &plan, answer).await {
                Ok(Attempt::Done(body)) => {
                    lease.committed();
                    if plan.adds_columns() {
                        self.search_soon(plan.dataset);
                    }
                    return Ok(Answered { body, replayed: false });
                }
                Ok(Attempt::Moved) => moves += 1,
                Err(Refusal::Busy) => patience.pause().await?,
                Err(refusal) => return Err(self.explain_append(refusal, &plan, &staged).await),
            }
            dataset = self.catalogue.find(caller, Action::Write, Kind::Table, &new.name).await?;
            let manner = self::manner(new, &dataset)?;
            if !fits(&staged, &manner) {
                self.drop_physical(table).await?;
                let file = self.receive_stored(&lease, (object_id, table), &manner).await?;
                staged = Staged { table, file, source: StoredFile { object_id, manner } };
            }
        }
        let detail = "The table was changed again and again while these rows came; send them again.".to_owned();
        Err(Error::Conflict { detail })
    }

    /// What the caller is told: of rows that break a key, where the first ones stand in the file.
    async fn explain_append(&self, refusal: Refusal, plan: &Plan<'_>, staged: &Staged) -> Error {
        let name = match refusal {
            Refusal::Other(error) => return error,
            Refusal::Busy => return Error::internal("a lock was waited for and is now called a refusal"),
            Refusal::Duplicate(name) => Some(name),
            Refusal::Missing => None,
        };
        self.find_breaking(name, plan, staged).await.unwrap_or_else(|error| error)
    }

    async fn find_breaking(&self, name: Option<String>, plan: &Plan<'_>, staged: &Staged) -> Result<Error> {
        let indexes = self.catalogue.indexes(plan.dataset).await?;
        let is = |index: &&Index| match &name {
            Some(name) => name.ends_with(&index.physical(plan.table).simple().to_string()),
            None => index.key,
        };
        let Some(index) = indexes.iter().find(is) else {
            return Ok(Error::Conflict { detail: "An index of the table changed at this moment.".to_owned() });
        };
        let here = |name: &String| staged.file.columns.iter().position(|column| column.name == *name);
        let there = |name: &String| plan.columns.iter().position(|column| column.name == *name);
        let pairs: Vec<_> = index.columns.iter().filter_map(|name| Some((here(name)?, there(name)?))).collect();
        let positions: Vec<usize> = pairs.iter().map(|(here, _)| *here).collect();
        let mut rows = Vec::new();
        if pairs.len() == index.columns.len() {
            rows = match name {
                None => self.rows_found(sql::null_rows(staged.table, &positions)).await?,
                Some(_) => {
                    let mut rows = self.rows_found(sql::duplicate_rows(staged.table, &positions)).await?;
                    rows.extend(self.rows_found(sql::taken_rows(staged.table, plan.table, &pairs)).await?);
                    rows
                }
            };
        }
        rows.sort_unstable();
        rows.dedup();
        let lines = self.lines_of(&staged.source, rows).await?;
        Ok(Error::DuplicateKey { columns: index.columns.clone(), lines, missing: name.is_none() })
    }
}

/// The same for an append that is read again, into a table that has these columns so far; `told` is what now holds for the table's own file.
pub(super) fn replayed(
    append: &KeptFile,
    table: &Told,
    renamed: &BTreeMap<String, String>,
    columns: &[Column],
) -> Result<Arc<Manner>> {
    let mut told = for_appends(table);
    let then: Told = append
        .options
        .get("told")
        .cloned()
        .map(serde_json::from_value)
        .transpose()
        .map_err(Error::internal)?
        .unwrap_or_default();
    let target = target(columns, &then, append.options.get("add_columns").and_then(Value::as_bool).unwrap_or(false));
    told.extend(then);
    let names = names_now(append, renamed)?;
    told.insert("rename".to_owned(), write_pairs(names.iter().map(|(from, to)| (from.as_str(), to.as_str()))));
    told.retain(|_, value| !value.is_empty());
    Ok(Arc::new(Manner {
        content_encoding: append.content_encoding.clone(),
        hint: Hint::of_content_type(&append.content_type),
        options: Options::parse(&told)?,
        target: Some(target),
        ..Manner::default()
    }))
}

/// What columns of an append's file are called now: as was told then, of this file or of the table's own, and then through each change of the table's names since.
fn names_now(append: &KeptFile, renamed: &BTreeMap<String, String>) -> Result<BTreeMap<String, String>> {
    let kept = |name: &str| append.options.get(name).cloned().unwrap_or_default();
    let told = Told::from([("rename".to_owned(), kept("rename").as_str().unwrap_or_default().to_owned())]);
    let mut names: BTreeMap<String, String> = Options::parse(&told)?.renames.into_iter().collect();
    let since: Option<Vec<BTreeMap<String, String>>> =
        serde_json::from_value(kept("renamed")).map_err(Error::internal)?;
    for change in since.iter().flatten().chain([renamed]) {
        for name in names.values_mut() {
            if let Some(now) = change.get(name) {
                name.clone_from(now);
            }
        }
        for (then, now) in change {
            names.entry(then.clone()).or_insert_with(|| now.clone());
        }
    }
    Ok(names)
}

/// A delimiter that was told of one file says little of another; what was told of its columns does.
fn for_appends(told: &Told) -> Told {
    let kept = ["rename", "nulls", "decimal", "dates"];
    told.iter()
        .filter(|(name, _)| kept.contains(&name.as_str()))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// The rows keep to the columns of the table, whatever this file alone would make of them.
fn manner(new: &NewRows, dataset: &Dataset) -> Result<Arc<Manner>> {
    let version = dataset.current()?;
    let mut told = for_appends(&told_of(version)?);
    // A name that is a column's now is that column, whatever the first file called so.
    let mut renames = Options::parse(&told)?.renames;
    renames.retain(|(from, _)| !version.columns.iter().any(|column| column.name == *from));
    told.insert("rename".to_owned(), write_pairs(renames.iter().map(|(from, to)| (from.as_str(), to.as_str()))));
    told.extend(new.told.clone());
    told.retain(|_, value| !value.is_empty());
    Ok(Arc::new(Manner {
        content_encoding: new.content_encoding.clone(),
        hint: new.content_type.as_deref().map(Hint::of_content_type).unwrap_or_default(),
        options: Options::parse(&told)?,
        target: Some(target(&version.columns, &new.told, new.add_columns)),
        progress: new.job.as_ref().map(|(_, progress)| Arc::clone(progress)).unwrap_or_default(),
    }))
}

/// The answer of the first time, once this body has shown to be the same.
async fn replay(claimed: &IdempotencyKey, kept: KeptAnswer, incoming: &mut Incoming) -> Result<Answered> {
    let mut body = Sha256::new();
    while let Some(bytes) = incoming.next().await? {
        body.update(&bytes);
    }
    match claimed.fingerprint(body.finalize().into()) == kept.fingerprint {
        true => Ok(Answered { body: kept.answer, replayed: true }),
        false => Err(Error::KeyReused),
    }
}

impl IdempotencyKey {
    fn fingerprint(&self, body_sha256: [u8; 32]) -> Vec<u8> {
        self.request.clone().chain_update(body_sha256).finalize().to_vec()
    }
}

/// The unique index that tells which rows are there already, if that is asked.
fn conflict_index<'a>(new: &NewRows, indexes: &'a [Index]) -> Result<Option<&'a Index>> {
    if new.on_duplicate.is_none() {
        return Ok(None);
    }
    let found = match &new.on_conflict {
        Some(columns) => indexes.iter().find(|index| index.makes_unique(columns)),
        None => indexes.iter().find(|index| index.key),
    };
    found.map(Some).ok_or_else(|| {
        let (field, what) = match &new.on_conflict {
            Some(columns) => (columns.join(","), "no key and no unique index on exactly these columns"),
            None => ("on_conflict".to_owned(), "no key"),
        };
        Malformed {
            detail: format!("The table has {what}."),
            field: Some(field),
            hint: Some(format!(
                "Make one: `POST /v1/tables/{}/indexes` with `{{\"columns\":[…],\"unique\":true}}`.",
                new.name
            )),
            ..Malformed::default()
        }
        .into()
    })
}

/// Whether rows that were read for a table as it was are what they would be, read in this manner for the table as it is.
fn fits(staged: &Staged, manner: &Manner) -> bool {
    let (Some(was), Some(is)) = (&staged.source.manner.target, &manner.target) else { return false };
    let find = |table: &TargetTable, name: &str| table.columns.iter().find(|column| column.name == name).cloned();
    staged.file.columns.iter().all(|column| match find(is, &column.name) {
        Some(there) => {
            let read_for = find(was, &column.name).unwrap_or_else(|| Column::new(&column.name, column.column_type));
            there == read_for
        }
        None => is.add_columns,
    })
}

/// The columns of the table, but for how their texts are written where these rows' own file is told otherwise.
fn target(columns: &[Column], told: &Told, add_columns: bool) -> TargetTable {
    let mut columns = columns.to_vec();
    for column in &mut columns {
        column.decimal = column.decimal.filter(|_| !told.contains_key("decimal"));
        column.dates = column.dates.filter(|_| !told.contains_key("dates"));
    }
    TargetTable { columns, add_columns }
}
