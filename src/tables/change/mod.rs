//! Rows that a filter finds, given new values or deleted; and brought back.
//!
//! **Invariant.** One transaction, under the lock of the dataset's row, keeps the rows as they were in a table of their own, changes them, raises the revision
//! and notes the change: a crash leaves all of it or nothing.

mod store;
mod undo;
mod values;

use super::{
    export::{ExportOptions, RowFormat},
    query::{Parameters, RowQuery},
    spool::Spool,
    store::Tables,
};
use crate::{
    auth::{Action, Caller},
    catalogue::{Column, Kind, Precondition},
    error::{Error, Result},
};
use serde_json::value::RawValue;
use uuid::Uuid;

/// A change as it is asked for.
#[derive(Debug)]
pub struct RowChange {
    pub name: String,
    pub edit: RowEdit,
    /// Which rows, and what of them is returned.
    pub parameters: Parameters,
    pub condition: Precondition,
    /// The rows are returned: as they are after an update, or were before a delete.
    pub returned: Option<(RowFormat, ExportOptions)>,
    /// More rows than so many are an error.
    pub affected_max: Option<u64>,
    /// All is done, and nothing of it stays.
    pub rehearse: bool,
    /// An `Idempotency-Key`, and the SHA-256 of all that the request says.
    pub idempotency: Option<(String, Vec<u8>)>,
}

#[derive(Debug)]
pub enum RowEdit {
    /// A JSON object: names of columns and their new values.
    Update(Box<RawValue>),
    Delete,
}

/// What became of it, now or the first time.
#[derive(Debug)]
pub struct ChangedRows {
    /// Of the table.
    pub etag: String,
    /// By which it can be undone; `None` if nothing has changed.
    pub change: Option<Uuid>,
    pub rows: u64,
    pub body: Option<Spool>,
    /// It was done before, for a request with the same `Idempotency-Key`.
    pub replayed: bool,
}

impl Tables {
    /// Changes or deletes all rows that the filter finds, or none.
    ///
    /// # Errors
    /// `NotFound`, `PreconditionFailed`, `Invalid` for a query, `Malformed` for a value that does not fit its column, `DuplicateKey`, `TooManyAffected`,
    /// `Limit::QuerySeconds`, `KeyReused`.
    pub async fn change_rows(&self, caller: &Caller, change: &RowChange) -> Result<ChangedRows> {
        check_asked(&change.parameters)?;
        let dataset = self.catalogue.find(caller, Action::Write, Kind::Table, &change.name).await?;
        let changed = self.commit_rows(caller, dataset.id, change).await;
        let columns = &dataset.current()?.columns;
        changed.map_err(|error| change.parameters.blame(columns, error))
    }
}

/// What can be judged without the table.
fn check_asked(parameters: &Parameters) -> Result<()> {
    if parameters.conditions.is_empty() {
        let detail = "say which rows, such as `id=eq.7`; all of them are those of a condition that always holds, such as `or=(id.is.null,id.not.is.null)`.";
        return Err(Error::invalid("filter", detail));
    }
    if parameters.limit.is_some() && parameters.order.is_none() {
        return Err(Error::invalid("limit", "which rows come first is said by `order`; send both."));
    }
    let foreign = [
        ("offset", parameters.offset.is_some()),
        ("having", !parameters.having.is_empty()),
        ("distinct", parameters.distinct),
    ];
    match foreign.iter().find(|(_, given)| *given) {
        Some((name, _)) => Err(Error::invalid(*name, "it has no meaning for a change of rows.")),
        None => Ok(()),
    }
}

/// The query against the columns of the version that is changed.
fn query(columns: &[Column], parameters: &Parameters) -> Result<RowQuery> {
    let query = RowQuery::parse(columns, parameters)?;
    match query.is_grouped() {
        true => Err(Error::invalid("select", "rows that change are returned one by one, without aggregates.")),
        false => Ok(query),
    }
}
