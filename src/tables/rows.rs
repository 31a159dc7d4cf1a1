//! Rows out of Postgres, by statements with bound values whose answers come in binary.

use super::{
    export::{Export, Extent, RowEncoder, printed},
    fetch::{Rows, bound, cells},
    query::RowQuery,
    search::{Parts, TimeLeft},
    spool::Spool,
    sql::{self, Statement, Witness},
    store::Tables,
};
use crate::{
    catalogue::{ColumnType, database},
    error::{Error, Fault, Limit, Result},
    metrics::{self, Direction},
};
use bytes::Bytes;
use futures::{Stream, TryStreamExt};
use sqlx::{AssertSqlSafe, PgConnection, Row, error::DatabaseError};
use std::{mem, time::Duration};
use tokio::{
    sync::{
        mpsc::{Sender, channel},
        oneshot,
    },
    time::timeout,
};
use uuid::Uuid;

/// Bytes of rows that go out in one piece.
pub(super) const CHUNK_BYTES: usize = 64 << 10;
const CHUNKS_IN_FLIGHT_MAX: usize = 4;
/// While no more rows than these are expected, an estimate is a count.
const COUNTED_ROWS_MAX: u64 = 100_000;

/// A part of the rows, whole.
#[derive(Debug)]
pub struct Page {
    pub body: Spool,
    pub rows: u64,
    /// The keys of the last row, if others follow it.
    pub next: Option<Vec<Option<String>>>,
    /// What the rows tell of the snapshot, if there are any.
    pub witness: Option<i64>,
}

/// `Prefer: count=…`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Count {
    Exact,
    /// What Postgres expects, from its statistics.
    Planned,
    /// Exact where few rows are expected.
    Estimated,
}

impl Count {
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "exact" => Self::Exact,
            "planned" => Self::Planned,
            "estimated" => Self::Estimated,
            _ => return None,
        })
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Planned => "planned",
            Self::Estimated => "estimated",
        }
    }
}

impl Tables {
    /// All rows of a query as they come, from one snapshot, and the revision that it shows, if the version is still kept. An error before the first byte is an
    /// error of this call; a later one breaks the stream.
    pub async fn rows(
        &self,
        table_id: Uuid,
        query: &RowQuery,
        export: Export,
    ) -> Result<(Option<i64>, impl Stream<Item = Result<Bytes>> + Send + use<>)> {
        let time = self.search_time(table_id, query).await?;
        let extents = export.is_typed().then(|| sql::extents(table_id, query)).flatten();
        let (sender, mut receiver) = channel(CHUNKS_IN_FLIGHT_MAX);
        let (tell, told) = oneshot::channel();
        let (tables, query) = (self.clone(), query.clone());
        tokio::spawn(async move {
            if let Err(error) = tables.send_rows(table_id, (&query, extents, time), &export, tell, &sender).await {
                // Nobody listens any more when the client has gone.
                sender.send(Err(error)).await.unwrap_or_default();
            }
        });
        let first = receiver.recv().await.ok_or_else(|| Error::internal("the query ended without an answer"))??;
        let rest =
            futures::stream::unfold(receiver, |mut receiver| async move { Some((receiver.recv().await?, receiver)) });
        let revision = told.await.map_err(Error::internal)?;
        Ok((revision, futures::StreamExt::chain(futures::stream::iter([Ok(first)]), rest)))
    }

    async fn send_rows(
        &self,
        table_id: Uuid,
        (query, extents, time): (&RowQuery, Option<Statement>, Option<Duration>),
        export: &Export,
        tell: oneshot::Sender<Option<i64>>,
        sender: &Sender<Result<Bytes>>,
    ) -> Result<()> {
        let mut connection = self.queries.acquire().await?;
        // One snapshot of the rows and of their revision.
        begin_snapshot(&mut connection).await?;
        // Nobody asks any more when the client has gone.
        tell.send(self.catalogue.revision(&mut connection, table_id).await?).unwrap_or_default();
        let (columns, mut out, mut came) = (export.columns.len(), Vec::new(), Came::default());
        // What Postgres takes, not what the client does.
        let mut time = TimeLeft(time);
        // A client that goes away meanwhile is noticed at once.
        let extents = tokio::select! {
            extents = time.spend(self.extents(&mut connection, extents)) => extents.ok_or_else(|| self.search_too_slow())??,
            () = sender.closed() => return Ok(()),
        };
        let mut encoder = RowEncoder::new(export, &extents)?;
        encoder.begin(&mut out);
        let (mut parts, mut sent, mut behind) = (Parts::of_rows(table_id, query), 0, None);
        while let Some(statement) = parts.next(sent, behind.as_deref()) {
            let fetched = time.spend(Rows::of(&statement, &mut connection)).await;
            let mut rows = fetched.ok_or_else(|| self.search_too_slow())?.map_err(|error| self.query_error(error))?;
            let mut last = None;
            loop {
                // A client that goes away while Postgres still sorts is noticed at once.
                let row = tokio::select! {
                    biased;
                    row = time.spend(rows.next()) => row.ok_or_else(|| self.search_too_slow())?.map_err(|error| self.query_error(error))?,
                    () = sender.closed() => return Ok(()),
                };
                let Some(row) = row else { break };
                encoder.row(came.count(&row.cells(columns)?), &mut out)?;
                (sent, last) = (sent + 1, Some(row));
                if encoder.is_full() {
                    encoder.drain(&mut out).await?;
                }
                if out.len() >= CHUNK_BYTES {
                    let taken = timeout(self.idle, sender.send(Ok(mem::take(&mut out).into()))).await;
                    match taken.map_err(|_| Error::Interrupted { detail: "the reader took no byte".to_owned() })? {
                        Ok(()) => {}
                        Err(_) => return Ok(()),
                    }
                }
            }
            if let Some(row) = last {
                let cells = row.cells(statement.keys.iter().map(|(at, _)| at + 1).max().unwrap_or(0))?;
                behind = Some(keys(&cells, &statement.keys)?);
            }
        }
        encoder.end(&mut out).await?;
        came.tell();
        sender.send(Ok(out.into())).await.unwrap_or_default();
        // All rows are sent, so its failure is nothing to tell.
        if sqlx::raw_sql("commit").execute(&mut *connection).await.is_ok() {
            connection.give_back();
        }
        Ok(())
    }

    /// At most `limit` rows, behind the one that has the keys `after`.
    ///
    /// # Errors
    /// `Invalid` where a value of the table cannot be what the query makes of it, `Limit::QuerySeconds`.
    pub async fn page(
        &self,
        table_id: Uuid,
        query: &RowQuery,
        (limit, after): (u64, Option<&[Option<String>]>),
        witness: Witness,
        export: &Export,
    ) -> Result<Page> {
        let mut page = Page { body: Spool::default(), rows: 0, next: None, witness: None };
        let (mut out, mut more, mut came) = (Vec::new(), false, Came::default());
        let mut time = TimeLeft(self.search_time(table_id, query).await?);
        let mut connection = self.queries.acquire().await?;
        let extents = export.is_typed().then(|| sql::extents(table_id, query)).flatten();
        let snapshot = extents.is_some();
        if snapshot {
            begin_snapshot(&mut connection).await?;
        }
        announce(&time, &mut connection, snapshot).await?;
        let extents = time.spend(self.extents(&mut connection, extents)).await;
        let mut encoder = RowEncoder::new(export, &extents.ok_or_else(|| self.search_too_slow())??)?;
        encoder.begin(&mut out);
        let mut parts = Parts::of_page(table_id, query, limit.saturating_add(1), after, witness)?;
        while let Some(statement) = parts.next(page.rows, page.next.as_deref()) {
            // The plan of a search depends on how common its words are.
            let mut rows = bound(&statement).persistent(query.search.is_none()).fetch(&mut *connection);
            let mut last = None;
            while let Some(row) = time
                .spend(rows.try_next())
                .await
                .ok_or_else(|| self.search_too_slow())?
                .map_err(|error| self.query_error(error))?
            {
                if page.rows == limit {
                    more = true;
                    continue;
                }
                page.rows += 1;
                encoder.row(came.count(&cells(&row, query.outputs.len())?), &mut out)?;
                last = Some(row);
                if encoder.is_full() {
                    encoder.drain(&mut out).await?;
                }
                if out.len() >= CHUNK_BYTES {
                    page.body.take(&mut out, &self.source_limits).await?;
                }
            }
            if let Some(row) = last {
                page.next = Some(keys(&cells(&row, row.len())?, &statement.keys)?);
                page.witness = row.try_get(row.len().saturating_sub(1)).map_err(database)?;
            }
            if more {
                break;
            }
        }
        if snapshot || time.0.is_some() {
            sqlx::raw_sql("commit").execute(&mut *connection).await.map_err(database)?;
        }
        connection.give_back();
        encoder.end(&mut out).await?;
        page.body.take(&mut out, &self.source_limits).await?;
        page.next = page.next.filter(|_| more);
        Ok(page)
    }

    /// How many rows a query has in all, whatever its window.
    pub async fn count(&self, table_id: Uuid, query: &RowQuery, count: Count) -> Result<u64> {
        let mut time = TimeLeft(self.search_time(table_id, query).await?);
        let mut connection = self.queries.acquire().await?;
        announce(&time, &mut connection, false).await?;
        let mut rows = None;
        if count != Count::Exact {
            let plan = bound(&sql::plan(table_id, query)).fetch_one(&mut *connection).await;
            let plan: serde_json::Value =
                plan.and_then(|row| row.try_get(0)).map_err(|error| self.query_error(error))?;
            rows = plan.pointer("/0/Plan/Plan Rows").and_then(serde_json::Value::as_f64).map(expected);
        }
        let few = rows.is_none_or(|rows| rows <= COUNTED_ROWS_MAX);
        if count == Count::Exact || (count == Count::Estimated && few) {
            let statement = sql::count(table_id, query);
            let counted = time.spend(bound(&statement).fetch_one(&mut *connection)).await;
            let counted = counted.ok_or_else(|| self.search_too_slow())?;
            let counted: i64 = counted.and_then(|row| row.try_get(0)).map_err(|error| self.query_error(error))?;
            rows = Some(counted.unsigned_abs());
        }
        if time.0.is_some() {
            sqlx::raw_sql("commit").execute(&mut *connection).await.map_err(database)?;
        }
        connection.give_back();
        rows.ok_or_else(|| Error::internal("a plan that says no number of rows"))
    }

    /// What the values of each column need, if a statement asks; none, if it does not.
    async fn extents(&self, connection: &mut PgConnection, statement: Option<Statement>) -> Result<Vec<Extent>> {
        let Some(statement) = statement else { return Ok(Vec::new()) };
        let asked = bound(&statement).persistent(false).fetch_one(&mut *connection).await;
        let found: Vec<Option<String>> =
            asked.and_then(|row| row.try_get(0)).map_err(|error| self.query_error(error))?;
        let pairs = found.as_chunks::<2>().0;
        Ok(pairs.iter().map(|[most, decimals]| Extent { most: most.clone(), decimals: decimals.clone() }).collect())
    }

    /// What Postgres makes of a query that was sound by itself.
    pub(super) fn query_error(&self, error: sqlx::Error) -> Error {
        let code = error.as_database_error().and_then(DatabaseError::code).unwrap_or_default().into_owned();
        match Fault::of_code(&code) {
            _ if code == "57014" => Limit::QuerySeconds.passed(self.query_seconds, None),
            Some(fault) => Error::Query(fault),
            None => database(error),
        }
    }
}

async fn begin_snapshot(connection: &mut PgConnection) -> Result<()> {
    let begin = sqlx::raw_sql("begin isolation level repeatable read read only").execute(&mut *connection).await;
    begin.map(drop).map_err(database)
}

fn expected(rows: f64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a count of rows, which `as` keeps within its type"
    )]
    let rows = rows as u64;
    rows
}

/// Lets Postgres itself end what is still at work then, soon after us, in a transaction that may have begun; only for answers that no client holds up.
async fn announce(time: &TimeLeft, connection: &mut PgConnection, begun: bool) -> Result<()> {
    let Some(left) = time.0 else { return Ok(()) };
    let begin = if begun { "" } else { "begin read only; " };
    let bound = format!("{begin}set local statement_timeout = {}", left.as_millis().saturating_add(500));
    sqlx::raw_sql(AssertSqlSafe(bound)).execute(&mut *connection).await.map(|_| ()).map_err(database)
}

/// Bytes of cells that came from Postgres, for metrics: told from time to time, and at the end of the answer, whichever that is.
#[derive(Default)]
struct Came(u64);

impl Came {
    fn count<'c>(&mut self, cells: &'c [Option<&'c [u8]>]) -> &'c [Option<&'c [u8]>] {
        self.0 += cells.iter().flatten().map(|cell| cell.len() as u64).sum::<u64>();
        if self.0 >= CHUNK_BYTES as u64 {
            self.tell();
        }
        cells
    }

    fn tell(&mut self) {
        metrics::moved("database", Direction::Out, mem::take(&mut self.0));
    }
}

impl Drop for Came {
    fn drop(&mut self) {
        self.tell();
    }
}

/// What a page begins behind that follows the row, whose keys stand where its statement says.
fn keys(row: &[Option<&[u8]>], places: &[(usize, ColumnType)]) -> Result<Vec<Option<String>>> {
    let key = |(at, column_type): &(usize, ColumnType)| {
        let cell = row.get(*at).ok_or_else(|| Error::internal("a row without one of its keys"))?;
        cell.map(|cell| printed(*column_type, cell)).transpose()
    };
    places.iter().map(key).collect()
}
