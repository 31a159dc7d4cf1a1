//! Search indexes in Postgres.

use crate::{
    catalogue::{Build, database},
    error::{Error, Result},
    tables::{sql, store::Tables},
};
use sqlx::{AssertSqlSafe, Executor, error::DatabaseError};
use uuid::Uuid;

/// The building waits for the transactions of others, and sorts more than a query does. No change of the table waits for it: it gives way.
const SETTINGS: &str = "set lock_timeout = 0; set statement_timeout = 0; set maintenance_work_mem = '128MB'";
/// Taking away waits for readers of the same table, though not for long: the next sweep tries again.
const CLEARING: &str = "set lock_timeout = '5s'";
/// Why Postgres did not build it.
#[derive(Debug)]
pub enum Broken {
    /// It was to give way.
    Cancelled,
    /// Another try would end the same: what Postgres says of data and of space, not of locks, of connections, or of a table that is gone.
    Faulty(Error),
    Other(Error),
}

impl From<sqlx::Error> for Broken {
    fn from(error: sqlx::Error) -> Self {
        let code = error.as_database_error().and_then(DatabaseError::code).unwrap_or_default().into_owned();
        match code.get(..2) {
            _ if code == "57014" => Self::Cancelled,
            Some("22" | "53" | "54") => Self::Faulty(database(error)),
            _ => Self::Other(database(error)),
        }
    }
}

impl Tables {
    /// Builds it on a connection of its own; its size.
    pub(super) async fn make(&self, build: &Build) -> Result<u64, Broken> {
        let mut connection = self.loads.acquire().await?;
        // With other settings it is no use to others; and it ends what it does when it is dropped.
        connection.close_on_drop();
        connection.execute(SETTINGS).await?;
        let create = sql::create_search_index(build.id, build.table_id, &build.columns());
        connection.execute(sqlx::raw_sql(AssertSqlSafe(create))).await?;
        connection.execute(sqlx::raw_sql(AssertSqlSafe(sql::analyze_all(build.table_id)))).await?;
        let bytes = sqlx::query_scalar(AssertSqlSafe(sql::search_index_bytes(build.id)));
        let bytes: Option<i64> = bytes.fetch_one(&mut *connection).await?;
        connection.close().await?;
        Ok(bytes.unwrap_or_default().unsigned_abs())
    }

    /// Before a statement that changes the physical table as a whole, which would wait as long as an index of it is built.
    pub(in crate::tables) async fn give_way(&self, table: Uuid) -> Result<()> {
        self.catalogue.drop_builds_on(table).await?;
        let cancel = sqlx::query(AssertSqlSafe(sql::cancel_search_builds(table)));
        cancel.execute(&self.catalogue.control).await.map_err(database).map(|_| ())
    }

    /// Its index goes, if there is one. Not in a transaction of its own: readers of the table are waited for, and never wait.
    pub(super) async fn drop_physical_search(&self, build: Uuid) -> Result<()> {
        self.try_drop_physical(build).await.map_err(database)
    }

    async fn try_drop_physical(&self, build: Uuid) -> sqlx::Result<()> {
        let mut connection = self.loads.acquire().await?;
        connection.close_on_drop();
        connection.execute(CLEARING).await?;
        connection.execute(sqlx::raw_sql(AssertSqlSafe(sql::drop_search_index(build)))).await?;
        connection.close().await
    }
}
