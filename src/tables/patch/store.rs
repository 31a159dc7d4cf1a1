//! Changes of a table in Postgres, without a file.

use super::Plan;
use crate::{
    audit::{Note, record},
    auth::Caller,
    catalogue::{Column, Dataset, DatasetChanges, Index, KeptFile, Kind, Lease, Patience, Pending, database, is_busy},
    error::{Error, Result},
    tables::{
        append::matched,
        indexes::{Refusal, run},
        load::Manner,
        sql::{self, Insertion},
        store::Tables,
    },
};
use serde_json::json;
use sqlx::{AssertSqlSafe, PgConnection};
use std::sync::Arc;
use uuid::Uuid;

/// What an append brought, read again.
pub struct Replayed {
    pub inserted: u64,
    /// What was added to the numbers of its rows.
    pub base: u64,
}

impl Tables {
    /// Changes names, title, who sees it, and what was told in the catalogue; false if the table changed meanwhile.
    pub(super) async fn change_in_place(
        &self,
        caller: &Caller,
        dataset: &Dataset,
        plan: &Plan,
        described: &DatasetChanges,
    ) -> Result<bool> {
        let mut patience = Patience::default();
        loop {
            match self.try_change(caller, dataset, plan, described).await {
                Err(error) if is_busy(&error) => patience.pause().await?,
                result => return result,
            }
        }
    }

    async fn try_change(
        &self,
        caller: &Caller,
        dataset: &Dataset,
        plan: &Plan,
        described: &DatasetChanges,
    ) -> Result<bool> {
        let before = dataset.current()?;
        let mut tx = self.catalogue.control.begin().await.map_err(database)?;
        let now = self.catalogue.lock(&mut tx, Kind::Table, dataset.id).await?;
        if now.current()?.id != before.id || now.current()?.revision != before.revision {
            return Ok(false);
        }
        if before.pinned && !plan.renamed.is_empty() {
            tx.rollback().await.map_err(database)?;
            self.fork(dataset.id).await.map_err(of_refusal)?;
            return Ok(false);
        }
        if !plan.renamed.is_empty() {
            let mut options = json!(plan.told);
            for index in self.catalogue.indexes_in(&mut tx, dataset.id).await? {
                let renamed = index.renamed(&plan.renamed);
                if renamed.key {
                    options["key"] = json!(renamed.columns);
                }
                self.catalogue.delete_index(&mut tx, index.id).await?;
                self.catalogue.insert_index(&mut tx, dataset.id, &renamed).await?;
            }
            self.catalogue.rename_columns(&mut tx, before.id, &plan.columns, &json!(plan.renamed), &options).await?;
        }
        self.catalogue.set_described(&mut tx, dataset.id, described).await?;
        let detail = json!({ "title": described.title, "visibility": described.visibility, "renamed": plan.renamed });
        record(&mut tx, caller, &Note::of("patch", dataset).with(detail)).await?;
        tx.commit().await.map_err(database)?;
        Ok(true)
    }

    /// Adds the rows of an append's raw upload to a table that nobody reads yet, as it was done the first time.
    pub(super) async fn append_again(
        &self,
        (lease, table): (&Lease, Uuid),
        append: &KeptFile,
        manner: &Arc<Manner>,
        indexes: &[Index],
        columns: &mut Vec<Column>,
    ) -> Result<Replayed> {
        let staging = Uuid::now_v7();
        let staged = self.catalogue.lease(Pending { table_id: Some(staging), ..Pending::default() }).await?;
        let file = self.receive_stored(&staged, (append.object_id, staging), manner).await?;
        let mut tx = self.loads.begin().await.map_err(database)?;
        let before = columns.len();
        let matched = matched(columns, &file.columns);
        for (position, column) in columns.iter().enumerate().skip(before) {
            run(&mut tx, sql::add_column(table, position, column.column_type)).await.map_err(of_refusal)?;
        }
        let last: i64 =
            sqlx::query_scalar(AssertSqlSafe(sql::last_row(table))).fetch_one(&mut *tx).await.map_err(database)?;
        let insertion = Insertion { table, staging, columns: &matched, base: last.unsigned_abs() };
        let inserted = insert(&mut tx, &insertion, append, indexes, &file.columns).await.map_err(of_refusal)?;
        // Not before: a row that is held cannot be renewed.
        Lease::hold(lease.id, &mut tx).await?;
        tx.commit().await.map_err(database)?;
        Ok(Replayed { inserted, base: insertion.base })
    }
}

/// Plainly, or by the key that was told then; the rows that are more.
async fn insert(
    connection: &mut PgConnection,
    insertion: &Insertion<'_>,
    append: &KeptFile,
    indexes: &[Index],
    columns: &[Column],
) -> Result<u64, Refusal> {
    let Some((on_duplicate, on_conflict)) = append.resolution() else {
        return Ok(sqlx::query(AssertSqlSafe(sql::insert(insertion))).execute(connection).await?.rows_affected());
    };
    let index = match &on_conflict {
        Some(columns) => indexes.iter().find(|index| index.makes_unique(columns)),
        None => indexes.iter().find(|index| index.key),
    };
    let here = |name: &String| columns.iter().position(|column| column.name == *name);
    let key: Option<Vec<usize>> = index.and_then(|index| index.columns.iter().map(here).collect());
    let key = key.ok_or_else(|| Error::Conflict {
        detail: "Rows were merged by a key that the table has no more, so they cannot be read again.".to_owned(),
    })?;
    let on_duplicate =
        sql::OnDuplicate::named(&on_duplicate).ok_or_else(|| Error::internal("an unknown resolution"))?;
    let statement = sql::upsert(insertion, &key, on_duplicate);
    let (inserted, _): (i64, i64) = sqlx::query_as(AssertSqlSafe(statement)).fetch_one(connection).await?;
    Ok(inserted.unsigned_abs())
}

fn of_refusal(refusal: Refusal) -> Error {
    match refusal {
        Refusal::Other(error) => error,
        Refusal::Busy => {
            Error::Conflict { detail: "Another change of the table takes its time; try again later.".to_owned() }
        }
        Refusal::Duplicate(_) | Refusal::Missing => Error::Conflict {
            detail: "Read so, rows of an append would break a key or a unique index; drop it first.".to_owned(),
        },
    }
}
