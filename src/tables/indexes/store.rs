//! Indexes in Postgres. Whatever changes a table that readers see holds the lock of its dataset's row.

use crate::{
    audit::{Note, record},
    auth::Caller,
    catalogue::{Column, Dataset, Index, Kind, Patience, database, is_busy, is_busy_code},
    error::{Error, Malformed, Result},
    tables::{
        sql,
        store::{Tables, load_error},
    },
};
use serde_json::json;
use sqlx::{AssertSqlSafe, PgConnection, error::DatabaseError};
use uuid::Uuid;

/// Readers that came later wait behind a statement that waits for those before it, so it does not wait for long.
const BRIEFLY: &str = "select set_config('lock_timeout', '2s', true)";

/// Why Postgres did not do what was asked.
#[derive(Debug)]
pub enum Refusal {
    /// Values stand twice under the unique index of this name.
    Duplicate(String),
    /// A value of the key is missing.
    Missing,
    /// Somebody else holds a lock.
    Busy,
    Other(Error),
}

impl From<sqlx::Error> for Refusal {
    fn from(error: sqlx::Error) -> Self {
        let refused = error.as_database_error();
        let code = refused.and_then(DatabaseError::code).unwrap_or_default();
        match code.as_ref() {
            "23505" => Self::Duplicate(refused.and_then(DatabaseError::constraint).unwrap_or_default().to_owned()),
            "23502" => Self::Missing,
            code if is_busy_code(code) => Self::Busy,
            // A row that is too large has the same code.
            "54000" if refused.is_some_and(|refused| refused.message().contains("index")) => {
                let detail =
                    "A value is too long for an index, which holds values of up to 2,700 bytes or so.".to_owned();
                Self::Other(Malformed { detail, ..Malformed::default() }.into())
            }
            _ => Self::Other(load_error(error)),
        }
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        if is_busy(&error) { Self::Busy } else { Self::Other(error) }
    }
}

pub async fn briefly(connection: &mut PgConnection) -> Result<(), Refusal> {
    run(connection, BRIEFLY.to_owned()).await
}

pub async fn run(connection: &mut PgConnection, statement: String) -> Result<(), Refusal> {
    sqlx::query(AssertSqlSafe(statement)).execute(connection).await?;
    Ok(())
}

pub async fn build(
    connection: &mut PgConnection,
    index: &Index,
    table: Uuid,
    positions: &[usize],
) -> Result<(), Refusal> {
    run(connection, sql::create_index(index.physical(table), table, positions, index.unique)).await?;
    match index.key {
        true => run(connection, sql::set_not_null(table, positions)).await,
        false => Ok(()),
    }
}

impl Tables {
    /// On a table that nobody reads yet.
    pub(super) async fn build_unread(&self, index: &Index, table: Uuid, positions: &[usize]) -> Result<(), Refusal> {
        let mut tx = self.loads.begin().await.map_err(database)?;
        build(&mut tx, index, table, positions).await?;
        tx.commit().await.map_err(database)?;
        Ok(())
    }

    /// On the current version of a dataset. `positions` says where its columns are. The index, or one of the same columns that is there already; and whether it
    /// is new.
    pub(super) async fn build_current(
        &self,
        caller: &Caller,
        dataset: Uuid,
        wanted: &Index,
        positions: impl Fn(&[Column]) -> Result<Vec<usize>>,
    ) -> Result<(Index, bool), Refusal> {
        let mut patience = Patience::default();
        loop {
            match self.try_build(caller, dataset, wanted, &positions).await {
                Err(Refusal::Busy) => patience.pause().await?,
                result => return result,
            }
        }
    }

    async fn try_build(
        &self,
        caller: &Caller,
        dataset: Uuid,
        wanted: &Index,
        positions: &impl Fn(&[Column]) -> Result<Vec<usize>>,
    ) -> Result<(Index, bool), Refusal> {
        let mut tx = self.loads.begin().await.map_err(database)?;
        let now = self.catalogue.lock(&mut tx, Kind::Table, dataset).await?;
        let there = self.catalogue.indexes_in(&mut tx, dataset).await?;
        let same = |index: &&Index| index.columns == wanted.columns && index.unique == wanted.unique;
        if let Some(index) = there.iter().find(same) {
            return Ok((index.clone(), false));
        }
        self.check_number(there.len() + 1)?;
        let (table, columns) = physical(&now)?;
        self.give_way(table).await?;
        build(&mut tx, wanted, table, &positions(columns)?).await?;
        self.catalogue.insert_index(&mut tx, dataset, wanted).await?;
        let detail = json!({ "index": wanted.id, "columns": wanted.columns });
        record(&mut tx, caller, &Note::of("create-index", &now).with(detail)).await?;
        tx.commit().await.map_err(database)?;
        Ok((wanted.clone(), true))
    }

    /// Off all versions of a dataset. Readers of before are waited for, though never for long at a time.
    pub(super) async fn drop_everywhere(&self, caller: &Caller, dataset: Uuid, id: Uuid) -> Result<()> {
        let mut patience = Patience::default();
        loop {
            match self.try_drop(caller, dataset, id).await {
                Err(Refusal::Busy) => patience.pause().await?,
                Err(Refusal::Other(error)) => return Err(error),
                Err(refusal) => return Err(Error::internal(format!("dropping an index: {refusal:?}"))),
                Ok(()) => return Ok(()),
            }
        }
    }

    async fn try_drop(&self, caller: &Caller, dataset: Uuid, id: Uuid) -> Result<(), Refusal> {
        let mut tx = self.loads.begin().await.map_err(database)?;
        let now = self.catalogue.lock(&mut tx, Kind::Table, dataset).await?;
        let there = self.catalogue.indexes_in(&mut tx, dataset).await?;
        let index = there.into_iter().find(|index| index.id == id).ok_or(Error::NotFound { what: "index" })?;
        briefly(&mut tx).await?;
        for (table, columns) in self.catalogue.tables_of(&mut tx, dataset).await? {
            self.give_way(table).await?;
            run(&mut tx, sql::drop_index(index.physical(table))).await?;
            let positions = index.columns.iter().map(|name| columns.iter().position(|column| column.name == *name));
            if let Some(positions) = positions.collect::<Option<Vec<_>>>().filter(|_| index.key) {
                run(&mut tx, sql::allow_null(table, &positions)).await?;
            }
        }
        self.catalogue.delete_index(&mut tx, id).await?;
        let detail = json!({ "index": id, "columns": index.columns });
        record(&mut tx, caller, &Note::of("drop-index", &now).with(detail)).await?;
        tx.commit().await.map_err(database)?;
        Ok(())
    }

    /// Bytes of an index; `None` if it is not there.
    pub(super) async fn bytes_of(&self, statement: String) -> Result<Option<u64>> {
        let bytes = sqlx::query_scalar(AssertSqlSafe(statement)).fetch_one(&self.catalogue.control).await;
        let bytes: Option<i64> = bytes.map_err(database)?;
        Ok(bytes.map(i64::unsigned_abs))
    }

    /// The numbers of rows that a statement finds.
    pub(in crate::tables) async fn rows_found(&self, statement: String) -> Result<Vec<u64>> {
        let rows: Vec<i64> =
            sqlx::query_scalar(AssertSqlSafe(statement)).fetch_all(&self.loads).await.map_err(database)?;
        Ok(rows.into_iter().map(i64::unsigned_abs).collect())
    }
}

/// The current physical table, and its columns.
pub fn physical(dataset: &Dataset) -> Result<(Uuid, &[Column])> {
    let version = dataset.current()?;
    let table = version.table_id.ok_or_else(|| Error::internal("a version of a table without rows"))?;
    Ok((table, &version.columns))
}
