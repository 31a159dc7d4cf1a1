//! The commit of an append: in one transaction the rows move from the staging table into the table, the catalogue counts them, and the lease ends.

use super::{Answer, Appended, NewRows, Staged, conflict_index};
use crate::{
    audit::{Note, record_for},
    auth::Caller,
    catalogue::{Column, ColumnType, KeptAnswer, Kind, Lease, NewAppend, database, finish_job},
    error::{Error, Limit, Malformed, Result},
    objects::Stored,
    tables::{
        indexes::{Refusal, briefly, physical, run},
        read::write_pairs,
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
    version: Uuid,
    pub table: Uuid,
    pub columns: Vec<Column>,
    /// The same with what the file's values showed of how they are written, and behind them those that are new.
    after: Vec<Column>,
    /// For each column of the file, which of `after` it is.
    matched: Vec<usize>,
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
        let mut after = columns.to_vec();
        let matched = matched(&mut after, &staged.file.columns);
        Ok(Self {
            caller,
            new,
            staged,
            object,
            dataset: dataset.id,
            version: dataset.current()?.id,
            table,
            columns: columns.to_vec(),
            after,
            matched,
        })
    }

    pub fn adds_columns(&self) -> bool {
        self.after.len() > self.columns.len()
    }
}

/// Which of a table's columns those of a file are; it gets those that it lacks, and learns what the file shows of the others.
pub fn matched(table: &mut Vec<Column>, file: &[Column]) -> Vec<usize> {
    let mut matched = Vec::with_capacity(file.len());
    for column in file {
        let there = table.iter().position(|there| there.name == column.name);
        match there.and_then(|there| table.get_mut(there)) {
            Some(there) => there.learn(column),
            None => table.push(column.clone()),
        }
        matched.push(there.unwrap_or(table.len() - 1));
    }
    matched
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
        let now = self.catalogue.lock(&mut tx, Kind::Table, plan.dataset).await?;
        let version = now.current()?;
        plan.new.condition.check(Some(&version.etag()))?;
        if version.pinned {
            tx.rollback().await.map_err(database)?;
            self.fork(plan.dataset).await?;
            return Ok(Attempt::Moved);
        }
        if version.table_id != Some(plan.table) || version.columns != plan.columns {
            return Ok(Attempt::Moved);
        }
        self.extend(plan).await?;
        let (base, appended) = self.move_rows(&mut tx, plan).await?;
        let append = NewAppend {
            object: plan.object,
            content_type: plan.new.content_type.as_deref().unwrap_or(plan.staged.file.format.content_type()),
            content_encoding: plan.new.content_encoding.as_deref(),
            row_count: plan.staged.file.rows,
            row_base: base,
            inserted: appended.inserted,
            columns: &plan.after,
            ingest: &ingest(plan.staged),
            options: &options(plan.new, plan.staged),
        };
        let after = self.catalogue.record_append(&mut tx, plan.caller, plan.dataset, version, &append).await?;
        self.catalogue.check_quota(&mut tx, &after, false).await?;
        self.catalogue.discard(&mut tx, None, Some(plan.staged.table)).await?;
        let body = answer(&after, &appended);
        if let Some((job, _)) = &plan.new.job {
            finish_job(&mut tx, *job, Some(plan.staged.file.rows), plan.object.size_bytes).await?;
        }
        if let Some(claimed) = &plan.new.idempotency {
            let kept = KeptAnswer { fingerprint: claimed.fingerprint(plan.object.sha256), answer: body.clone() };
            self.catalogue.answer_key(&mut tx, plan.caller, &claimed.key, lease.id, &kept).await?;
        }
        let note = Note::of("append", &after).with(json!({ "rows": appended.rows }));
        record_for(&mut tx, plan.caller, lease.id, &note).await?;
        Lease::end(lease.id, &mut tx).await?;
        tx.commit().await.map_err(database)?;
        Ok(Attempt::Done(body))
    }

    /// Adds the columns that are new. Their lock is one that readers wait for, so they are added by a transaction of their own while that of the append holds the
    /// dataset, and nothing of the table yet. If it fails they stay: nobody names them, no row has a value in them, and the next append that adds columns takes or
    /// replaces them.
    async fn extend(&self, plan: &Plan<'_>) -> Result<(), Refusal> {
        let first = plan.columns.len();
        if plan.after.len() == first {
            return Ok(());
        }
        let max = self.limits.columns_max;
        if plan.after.len() > max {
            return Err(Limit::Columns.passed(max as u64, None).into());
        }
        let types: Vec<ColumnType> = plan.after.iter().skip(first).map(|column| column.column_type).collect();
        self.give_way(plan.table).await?;
        // Of another pool: all connections of this one may be in the hands of appends that wait for a second one.
        let mut tx = self.catalogue.control.begin().await.map_err(database)?;
        let there: Vec<Option<bool>> = sqlx::query_scalar(AssertSqlSafe(sql::columns_there(plan.table, first, &types)))
            .fetch_all(&mut *tx)
            .await?;
        if let Some(statement) = sql::add_columns(plan.table, first, &types, &there) {
            self.give_way(plan.table).await?;
            briefly(&mut tx).await?;
            run(&mut tx, statement).await?;
            tx.commit().await.map_err(database)?;
        }
        Ok(())
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
        // The number of a deleted row is its own: it may come back.
        let base = self.catalogue.last_changed_row(connection, plan.version).await?.max(last.unsigned_abs());
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

/// What was told, as a later reading of the raw upload would need it; `rename` is what was made of the names of the file.
fn options(new: &NewRows, staged: &Staged) -> Value {
    let renames = &staged.source.manner.options.renames;
    let rename = write_pairs(renames.iter().map(|(from, to)| (from.as_str(), to.as_str())));
    let mut options = json!({ "told": new.told, "add_columns": new.add_columns, "rename": rename });
    if let Some(on_duplicate) = new.on_duplicate {
        options["resolution"] = json!(on_duplicate.name());
        options["on_conflict"] = json!(new.on_conflict);
    }
    options
}
