//! A connection for one answer, the values that are bound for it, and the cells that come.

use super::super::sql::{Bind, Statement};
use crate::{
    catalogue::database,
    error::{Error, Result},
};
use sqlx::{
    AssertSqlSafe, Postgres, Row, ValueRef,
    pool::PoolConnection,
    postgres::{PgArguments, PgRow},
    query::Query,
};
use std::time::{Duration, Instant};
use tokio::time::timeout;

pub async fn begin_snapshot(connection: &mut Reader) -> Result<()> {
    let begin = sqlx::raw_sql("begin isolation level repeatable read read only").execute(&mut ***connection).await;
    begin.map(drop).map_err(database)
}

/// What is left of the time that Postgres may work, if it has less than any query.
pub struct Patience(pub Option<Duration>);

impl Patience {
    /// `None` if it ends first.
    pub async fn spend<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        let Some(left) = self.0 else { return Some(work.await) };
        let began = Instant::now();
        let done = timeout(left, work).await.ok();
        self.0 = Some(left.saturating_sub(began.elapsed()));
        done
    }

    /// Lets Postgres itself end what is still at work then, soon after us; only for answers that no client holds up.
    pub async fn announce(&self, connection: &mut Reader) -> Result<()> {
        let Some(left) = self.0 else { return Ok(()) };
        let begin = format!("begin read only; set local statement_timeout = {}", left.as_millis().saturating_add(500));
        sqlx::raw_sql(AssertSqlSafe(begin)).execute(&mut ***connection).await.map(|_| ()).map_err(database)
    }

    pub async fn retract(&self, connection: &mut Reader) -> Result<()> {
        match self.0 {
            None => Ok(()),
            Some(_) => sqlx::raw_sql("commit").execute(&mut ***connection).await.map(|_| ()).map_err(database),
        }
    }
}

/// A connection that is closed, not used again, if it is given up in the middle of an answer.
pub struct Reader {
    connection: PoolConnection<Postgres>,
    busy: bool,
}

impl Reader {
    pub fn new(connection: PoolConnection<Postgres>) -> Self {
        Self { connection, busy: true }
    }

    pub fn done(&mut self) {
        self.busy = false;
    }
}

impl std::ops::Deref for Reader {
    type Target = PoolConnection<Postgres>;

    fn deref(&self) -> &Self::Target {
        &self.connection
    }
}

impl std::ops::DerefMut for Reader {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.connection
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        if self.busy {
            self.connection.close_on_drop();
        }
    }
}

/// The statement with its values.
pub fn bound(statement: &Statement) -> Query<'static, Postgres, PgArguments> {
    let query = sqlx::query(AssertSqlSafe(statement.text.clone()));
    statement.values.iter().cloned().fold(query, |query, value| match value {
        Bind::Boolean(value) => query.bind(value),
        Bind::Bigint(value) => query.bind(value),
        Bind::Double(value) => query.bind(value),
        Bind::Text(value) => query.bind(value),
        Bind::Uuid(value) => query.bind(value),
        Bind::Booleans(values) => query.bind(values),
        Bind::Bigints(values) => query.bind(values),
        Bind::Doubles(values) => query.bind(values),
        Bind::Texts(values) => query.bind(values),
    })
}

/// The first cells of a row, each in the binary form of its type.
pub fn cells(row: &PgRow, count: usize) -> Result<Vec<Option<&[u8]>>> {
    let cell = |at| {
        let value = row.try_get_raw(at).map_err(database)?;
        if value.is_null() { Ok(None) } else { value.as_bytes().map(Some).map_err(Error::internal) }
    };
    (0..count).map(cell).collect()
}
