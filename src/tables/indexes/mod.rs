//! Keys and indexes. They belong to the dataset and name columns, so that each new version gets them before anybody sees it; a search index, which takes long, it gets
//! afterwards.

mod search;
mod store;

pub use store::{Refusal, briefly, build, physical, run};

use super::{
    load::{Manner, StoredFile},
    put::told_of,
    query::position,
    read::Options,
    sql,
    store::Tables,
};
use crate::{
    auth::{Action, Caller},
    catalogue::{Column, ColumnType, Dataset, Index, IndexKind, Kind, NewIndexes},
    error::{Error, Limit, Malformed, Result},
};
use serde_json::{Value, json};
use std::{collections::BTreeMap, sync::Arc};
use uuid::Uuid;

/// Postgres holds no more columns in one index.
const COLUMNS_MAX: usize = 32;

/// An index and its size on the current version.
#[derive(Debug)]
pub struct BuiltIndex {
    pub index: Index,
    /// `None` if the current version does not have it.
    pub bytes: Option<u64>,
    pub state: State,
}

/// What has become of an index on the current version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    Ready,
    /// Of a search index: or about to be built.
    Building,
    Failed,
    /// The version does not have it.
    Missing,
}

impl Tables {
    /// Gives a new version's table, which nobody reads yet, the indexes that its dataset has, and the key that is told; `renamed` are names of columns that change with it. One whose columns are gone is left out
    /// and noted in `ingest`.
    ///
    /// # Errors
    /// `DuplicateKey` with lines of the file; `Malformed` for a value that is too long or a column of JSON.
    pub(super) async fn index_anew(
        &self,
        name: &str,
        key: Option<Vec<String>>,
        renamed: &BTreeMap<String, String>,
        source: &StoredFile,
        (table, columns): (Uuid, &[Column]),
        ingest: &mut Value,
    ) -> Result<NewIndexes> {
        let before = self.catalogue.indexes_of(name).await?;
        let mut new = NewIndexes { found: before.iter().map(|index| index.id).collect(), built: Vec::new() };
        let dropped_key = |index: &Index| index.key && is_ended(key.as_deref(), index);
        for index in before.into_iter().map(|index| index.renamed(renamed)) {
            match (positions("key", columns, &index.columns), dropped_key(&index)) {
                (_, true) => {}
                (Ok(_), false) => new.built.push(index),
                (Err(_), false) => note_dropped(ingest, &index),
            }
        }
        if let Some(key) = key.filter(|key| !key.is_empty())
            && !new.built.iter().any(|index| index.key)
        {
            new.built.push(Index::new(key, true, true));
        }
        self.check_number(new.built.len())?;
        for index in &new.built {
            let positions = positions("key", columns, &index.columns)?;
            match self.build_unread(index, table, &positions).await {
                Ok(()) => {}
                Err(refusal) => return Err(self.explain(refusal, index, (table, &positions), Some(source)).await),
            }
        }
        Ok(new)
    }

    /// Builds an index on the current version; the one that is there if it is the same. Whether it is new.
    ///
    /// # Errors
    /// `DuplicateKey`, with lines as long as no rows were appended; `Limit`; `Malformed` for what no index holds.
    pub async fn create_index(
        &self,
        caller: &Caller,
        name: &str,
        columns: Vec<String>,
        unique: bool,
    ) -> Result<(BuiltIndex, bool)> {
        let dataset = self.catalogue.find(caller, Action::Write, Kind::Table, name).await?;
        positions("columns", physical(&dataset)?.1, &columns)?;
        let wanted = Index::new(columns, unique, false);
        let place = |columns: &[Column]| positions("columns", columns, &wanted.columns);
        let (index, new) = match self.build_current(caller, dataset.id, &wanted, place).await {
            Ok(built) => built,
            Err(refusal) => {
                let (table, columns) = physical(&dataset)?;
                let positions = place(columns)?;
                let source = stored_file(&dataset)?;
                let unchanged = dataset.current()?.revision == 0;
                return Err(self.explain(refusal, &wanted, (table, &positions), unchanged.then_some(&source)).await);
            }
        };
        let dataset = self.catalogue.find(caller, Action::Write, Kind::Table, name).await?;
        Ok((self.built(index, physical(&dataset)?).await?, new))
    }

    pub async fn list_indexes(&self, caller: &Caller, name: &str) -> Result<Vec<BuiltIndex>> {
        let dataset = self.catalogue.find(caller, Action::Read, Kind::Table, name).await?;
        let place = physical(&dataset)?;
        let mut built = Vec::new();
        for index in self.catalogue.indexes(dataset.id).await? {
            built.push(self.built(index, place).await?);
        }
        Ok(built)
    }

    async fn built(&self, index: Index, (table, columns): (Uuid, &[Column])) -> Result<BuiltIndex> {
        if index.kind == IndexKind::Search {
            return self.built_search(index, (table, columns)).await;
        }
        let bytes = self.bytes_of(sql::index_bytes(index.physical(table))).await?;
        Ok(BuiltIndex { index, bytes, state: if bytes.is_some() { State::Ready } else { State::Missing } })
    }

    pub async fn drop_index(&self, caller: &Caller, name: &str, id: Uuid) -> Result<()> {
        let dataset = self.catalogue.find(caller, Action::Write, Kind::Table, name).await?;
        let index = self.catalogue.indexes(dataset.id).await?.into_iter().find(|index| index.id == id);
        match index.ok_or(Error::NotFound { what: "index" })?.kind {
            IndexKind::Search => self.drop_search(caller, &dataset, id).await,
            IndexKind::Btree => self.drop_everywhere(caller, dataset.id, id).await,
        }
    }

    fn check_number(&self, indexes: usize) -> Result<()> {
        match indexes as u64 > self.indexes_max {
            true => Err(Limit::Indexes.passed(self.indexes_max, None)),
            false => Ok(()),
        }
    }

    /// What the caller is told: of a duplicate or a missing value, where the first ones stand.
    async fn explain(
        &self,
        refusal: Refusal,
        index: &Index,
        (table, positions): (Uuid, &[usize]),
        source: Option<&StoredFile>,
    ) -> Error {
        let (statement, missing) = match refusal {
            Refusal::Duplicate(_) => (sql::duplicate_rows(table, positions), false),
            Refusal::Missing => (sql::null_rows(table, positions), true),
            Refusal::Busy => {
                let detail = "Another change of the table takes its time; try again later.".to_owned();
                return Error::Conflict { detail };
            }
            Refusal::Other(error) => return error,
        };
        let lines = async {
            let Some(source) = source else { return Ok(Vec::new()) };
            let rows = self.rows_found(statement).await?;
            self.lines_of(source, rows).await
        };
        match lines.await {
            Ok(lines) => Error::DuplicateKey { columns: index.columns.clone(), lines, missing },
            Err(error) => error,
        }
    }
}

/// Whether the key that is told, or that there is to be none, ends that of before: the same one stays.
fn is_ended(told: Option<&[String]>, key: &Index) -> bool {
    told.is_some_and(|told| told != key.columns)
}

/// Where the columns of an index are.
///
/// # Errors
/// `Invalid` if one is not there, or they are none or too many; `Malformed` for JSON, which has no order.
pub fn positions(parameter: &str, columns: &[Column], names: &[String]) -> Result<Vec<usize>> {
    if names.is_empty() || names.len() > COLUMNS_MAX {
        return Err(Error::invalid(parameter, format!("it must name 1 to {COLUMNS_MAX} columns.")));
    }
    let positions: Vec<usize> = names.iter().map(|name| position(parameter, columns, name)).collect::<Result<_>>()?;
    for (at, position) in positions.iter().enumerate() {
        if positions.iter().take(at).any(|before| before == position) {
            return Err(Error::invalid(parameter, "it names a column twice."));
        }
        if let Some(Column { name, column_type: ColumnType::Json, .. }) = columns.get(*position) {
            let detail = format!("`{name}` holds JSON, which no index orders.");
            return Err(Malformed { detail, field: Some(name.clone()), ..Malformed::default() }.into());
        }
    }
    Ok(positions)
}

fn note_dropped(ingest: &mut Value, index: &Index) {
    let kind = if index.key { "key" } else { "index" };
    let change = json!({ "change": format!("{kind}-dropped"), "columns": index.columns });
    if let Some(changes) = ingest.get_mut("changes").and_then(Value::as_array_mut) {
        changes.push(change);
    }
}

/// The raw upload of the current version, and how it was read.
fn stored_file(dataset: &Dataset) -> Result<StoredFile> {
    let version = dataset.current()?;
    let manner = Manner {
        content_encoding: version.content_encoding.clone(),
        hint: super::Hint::of_content_type(&version.content_type),
        options: Options::parse(&told_of(version)?)?,
        ..Manner::default()
    };
    Ok(StoredFile { object_id: version.object_id, manner: Arc::new(manner) })
}
