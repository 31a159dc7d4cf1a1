//! The commit of an append: in one transaction the lease ends, the rows move from the staging table into the table, and the catalogue counts them.

use super::{Answer, Appended, NewRows, Staged, conflict_index};
use crate::{
    auth::Caller,
    catalogue::{Column, KeptAnswer, Kind, Lease, NewAppend, database},
    error::{Error, Limit, Malformed, Result},
    objects::Stored,
    tables::{
        indexes::{Refusal, briefly, patiently, physical, run},
        sql::{self, Insertion, OnDuplicate},
        store::Tables,
    },
};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, PgConnection};
use uuid::Uuid;

/// Rows matched with the table that they were meant for; void if it has another physical table or other columns by now.
pub struct Plan<'a> {
    caller: &'a Caller,
    new: &'a NewRows,
    staged: &'a Staged,
    object: &'a Stored,
    pub dataset: Uuid,
    pub table: Uuid,
    pub columns: Vec<Column>,
    /// For each column of the file, which of the table it is; those behind the end of `columns` are new.
    matched: Vec<usize>,
    added: Vec<Column>,
}

pub enum Attempt {
    Done(Value),
    /// The table was replaced, or got columns: match again.
    Moved,
}

impl<'a> Plan<'a> {
    pub fn new(
        caller: &'a Caller,
        new: &'a NewRows,
        dataset: &crate::catalogue::Dataset,
        staged: &'a Staged,
        object: &'a Stored,
    ) -> Result<Self> {
        let (table, columns) = physical(dataset)?;
        let mut added: Vec<Column> = Vec::new();
        let mut matched = Vec::with_capacity(staged.file.columns.len());
        for column in &staged.file.columns {
            let there = columns.iter().position(|there| there.name == column.name);
            matched.push(there.unwrap_or(columns.len() + added.len()));
            added.extend(there.is_none().then(|| column.clone()));
        }
        Ok(Self { caller, new, staged, object, dataset: dataset.id, table, columns: columns.to_vec(), matched, added })
    }

    pub fn adds_columns(&self) -> bool {
        !self.added.is_empty()
    }
}

impl Tables {
    /// One attempt, which leaves nothing behind unless it is `Done`.
    pub(super) async fn commit_append(
        &self,
        lease: &Lease,
        plan: &Plan<'_>,
        answer: &Answer,
    ) -> Result<Attempt, Refusal> {
        let mut tx = self.loads.begin().await.map_err(database)?;
        patiently(&mut tx).await?;
        Lease::end(lease.id, &mut tx).await?;
        let now = self.catalogue.lock(&mut tx, Kind::Table, plan.dataset).await?;
        let version = now.current()?;
        plan.new.condition.check(Some(&version.etag()))?;
        if version.pinned {
            let detail = "The table's version is pinned, so its rows never change; replace the table instead.";
            return Err(Error::Conflict { detail: detail.to_owned() }.into());
        }
        if version.table_id != Some(plan.table) || version.columns != plan.columns {
            return Ok(Attempt::Moved);
        }
        let columns = self.extend(&mut tx, plan).await?;
        let (base, appended) = self.move_rows(&mut tx, plan).await?;
        let append = NewAppend {
            object: plan.object,
            content_type: plan.new.content_type.as_deref().unwrap_or(plan.staged.file.format.content_type()),
            content_encoding: plan.new.content_encoding.as_deref(),
            row_count: plan.staged.file.rows,
            row_base: base,
            inserted: appended.inserted,
            columns: &columns,
            ingest: &ingest(plan.staged),
            options: &options(plan.new),
        };
        let after = self.catalogue.record_append(&mut tx, plan.caller, plan.dataset, version, &append).await?;
        self.catalogue.discard(&mut tx, None, Some(plan.staged.table)).await?;
        let body = answer(&after, &appended);
        if let Some(claimed) = &plan.new.idempotency {
            let kept = KeptAnswer { fingerprint: claimed.fingerprint(plan.object.sha256), answer: body.clone() };
            self.catalogue.answer_key(&mut tx, plan.caller, &claimed.key, lease.id, &kept).await?;
        }
        tx.commit().await.map_err(database)?;
        Ok(Attempt::Done(body))
    }

    /// Adds the columns that are new; all that the table then has.
    async fn extend(&self, connection: &mut PgConnection, plan: &Plan<'_>) -> Result<Vec<Column>, Refusal> {
        let columns = [&plan.columns[..], &plan.added].concat();
        if plan.added.is_empty() {
            return Ok(columns);
        }
        let max = self.limits.columns_max;
        if columns.len() > max {
            return Err(Limit::Columns.passed(max as u64, None).into());
        }
        self.give_way(plan.table).await?;
        briefly(connection).await?;
        for (position, column) in columns.iter().enumerate().skip(plan.columns.len()) {
            run(connection, sql::add_column(plan.table, position, column.column_type)).await?;
        }
        patiently(connection).await?;
        Ok(columns)
    }

    /// Copies the rows behind those that are there; what was added to their numbers, and what became of them.
    async fn move_rows(&self, connection: &mut PgConnection, plan: &Plan<'_>) -> Result<(u64, Appended), Refusal> {
        let indexes = self.catalogue.indexes_in(connection, plan.dataset).await?;
        let here = |name: &String| plan.staged.file.columns.iter().position(|column| column.name == *name);
        if let Some(name) =
            indexes.iter().filter(|index| index.key).flat_map(|index| &index.columns).find(|name| here(name).is_none())
        {
            return Err(lacking(name).into());
        }
        let last: i64 =
            sqlx::query_scalar(AssertSqlSafe(sql::last_row(plan.table))).fetch_one(&mut *connection).await?;
        let base = last.unsigned_abs();
        let insertion = Insertion { table: plan.table, staging: plan.staged.table, columns: &plan.matched, base };
        let rows = plan.staged.file.rows;
        let appended = match (plan.new.on_duplicate, conflict_index(plan.new, &indexes)?) {
            (Some(on_duplicate), Some(index)) => {
                let key: Vec<usize> =
                    index.columns.iter().map(|name| here(name).ok_or_else(|| lacking(name))).collect::<Result<_>>()?;
                self.upsert(connection, &insertion, &key, on_duplicate, rows).await?
            }
            _ => {
                let done = sqlx::query(AssertSqlSafe(sql::insert(&insertion))).execute(connection).await?;
                Appended { rows, inserted: done.rows_affected(), updated: 0, ignored: 0 }
            }
        };
        match plan.new.on_duplicate.is_none() && appended.inserted != rows {
            true => Err(Error::internal(format!("{} of {rows} rows were appended", appended.inserted)).into()),
            false => Ok((base, appended)),
        }
    }

    async fn upsert(
        &self,
        connection: &mut PgConnection,
        insertion: &Insertion<'_>,
        key: &[usize],
        on_duplicate: OnDuplicate,
        rows: u64,
    ) -> Result<Appended, Refusal> {
        let statement = sql::upsert(insertion, key, on_duplicate);
        let (inserted, updated): (i64, i64) = sqlx::query_as(AssertSqlSafe(statement)).fetch_one(connection).await?;
        let (inserted, updated) = (inserted.unsigned_abs(), updated.unsigned_abs());
        Ok(Appended { rows, inserted, updated, ignored: rows.saturating_sub(inserted + updated) })
    }
}

fn ingest(staged: &Staged) -> Value {
    let mut ingest = staged.file.ingest.clone();
    ingest.insert("columns".to_owned(), json!(staged.file.columns));
    Value::Object(ingest)
}

fn lacking(name: &str) -> Error {
    Malformed {
        detail: format!("The rows lack the column `{name}`, which tells them apart."),
        field: Some(name.to_owned()),
        ..Malformed::default()
    }
    .into()
}

/// What was told, as a later reading of the raw upload would need it.
fn options(new: &NewRows) -> Value {
    let mut options = json!({ "told": new.told, "add_columns": new.add_columns });
    if let Some(on_duplicate) = new.on_duplicate {
        options["resolution"] = json!(on_duplicate.name());
        options["on_conflict"] = json!(new.on_conflict);
    }
    options
}
