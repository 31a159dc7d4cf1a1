//! Rows in Postgres: loading by COPY in, reading by COPY out.

use super::{
    export::{RowEncoder, RowFormat},
    query::RowQuery,
    read::{ColumnType, ReadLimits, SourceLimits},
    sql,
    stats::StatisticsLimits,
};
use crate::{
    catalogue::{Catalogue, Column, Lease, database},
    config::Config,
    error::{Error, Limit, Malformed, Result},
    objects::Objects,
};
use bytes::Bytes;
use futures::{Stream, TryStreamExt};
use sqlx::{AssertSqlSafe, PgConnection, PgPool, postgres::PgDatabaseError};
use std::{mem, sync::Arc, time::Duration};
use tokio::{
    sync::{
        OwnedSemaphorePermit, Semaphore,
        mpsc::{Receiver, Sender, channel},
        oneshot,
    },
    time::timeout,
};
use uuid::Uuid;

/// Bytes of rows that go out in one piece.
const CHUNK_BYTES: usize = 64 << 10;
const CHUNKS_IN_FLIGHT_MAX: usize = 4;

#[derive(Clone)]
pub struct Tables {
    pub(super) catalogue: Catalogue,
    pub(super) objects: Objects,
    pub(super) queries: PgPool,
    pub(super) loads: PgPool,
    pub(super) indexes_max: u64,
    /// Loads that may run at once.
    loading: Arc<Semaphore>,
    loads_max: u64,
    request_seconds: u64,
    pub(super) limits: ReadLimits,
    pub(super) source_limits: SourceLimits,
    query_seconds: u64,
    pub(super) statistics: StatisticsLimits,
    idle: Duration,
}

/// What the reader tells the load.
#[derive(Debug)]
pub enum LoadEvent {
    /// The columns of the rows that follow.
    Begin(Vec<ColumnType>),
    /// Binary COPY.
    Rows(Bytes),
    /// The types were wrong: nothing of it is to stay.
    Misfit,
    /// All rows have come.
    End,
}

impl Tables {
    pub fn new(catalogue: Catalogue, objects: Objects, queries: PgPool, loads: PgPool, config: &Config) -> Self {
        let size = |max: u64| usize::try_from(max).unwrap_or(usize::MAX);
        let cell_bytes_max = size(config.limits.cell_bytes_max);
        let limits = ReadLimits {
            columns_max: size(config.limits.columns_max),
            cell_bytes_max,
            row_bytes_max: size(config.limits.row_bytes_max),
            rows_max: config.limits.rows_max,
        };
        Self {
            catalogue,
            objects,
            queries,
            loads,
            indexes_max: config.limits.indexes_max,
            loading: Arc::new(Semaphore::new(
                usize::try_from(config.limits.loads_max).unwrap_or(Semaphore::MAX_PERMITS),
            )),
            loads_max: config.limits.loads_max,
            request_seconds: config.times.request_seconds,
            limits,
            source_limits: SourceLimits {
                decompressed_bytes_max: config.limits.decompressed_bytes_max,
                decompressed_ratio_max: config.limits.decompressed_ratio_max,
                scratch_bytes_max: config.limits.scratch_bytes_max,
                scratch_dir: config.scratch_dir.clone(),
                workbook_bytes_max: config.limits.workbook_bytes_max,
                columns_max: limits.columns(),
            },
            query_seconds: config.times.query_seconds,
            statistics: StatisticsLimits::new(config.limits.stats_rows_max, config.times.stats_seconds),
            idle: config.times.idle(),
        }
    }

    /// The right to load, held until the load is published or given up.
    ///
    /// # Errors
    /// `Limit` if all others take too long.
    pub(super) async fn turn(&self) -> Result<OwnedSemaphorePermit> {
        let turn = Arc::clone(&self.loading).acquire_owned();
        match timeout(Duration::from_secs(self.request_seconds), turn).await {
            Ok(turn) => turn.map_err(Error::internal),
            Err(_) => Err(Limit::Loads.passed(self.loads_max, None)),
        }
    }

    /// Makes `rows.t_{id}` and fills it, in one transaction: without `End`, or without the lease that names it, nothing of it stays.
    pub(super) async fn load(&self, lease: Uuid, id: Uuid, mut events: Receiver<LoadEvent>) -> Result<()> {
        let Some(LoadEvent::Begin(types)) = events.recv().await else { return Ok(()) };
        let mut tx = self.loads.begin().await.map_err(database)?;
        sqlx::query(AssertSqlSafe(sql::create_table(id, &types))).execute(&mut *tx).await.map_err(database)?;
        let mut copy = tx.copy_in_raw(&sql::copy_in(id)).await.map_err(database)?;
        loop {
            match events.recv().await {
                Some(LoadEvent::Rows(rows)) => {
                    copy.send(rows).await.map_err(load_error)?;
                }
                Some(LoadEvent::End) => break,
                Some(LoadEvent::Misfit | LoadEvent::Begin(_)) | None => {
                    copy.abort("given up").await.map_err(database)?;
                    tx.rollback().await.map_err(database)?;
                    // The reader goes on, to learn the types; it is done when the channel closes.
                    while events.recv().await.is_some() {}
                    return Ok(());
                }
            }
        }
        copy.finish().await.map_err(load_error)?;
        sqlx::query(AssertSqlSafe(sql::add_primary_key(id))).execute(&mut *tx).await.map_err(database)?;
        sqlx::query(AssertSqlSafe(sql::analyze(id, types.len()))).execute(&mut *tx).await.map_err(database)?;
        Lease::hold(lease, &mut tx).await?;
        tx.commit().await.map_err(database)
    }

    /// Drops a physical table that is garbage; one that is not there is no error.
    pub async fn drop_physical(&self, id: Uuid) -> Result<()> {
        sqlx::query(AssertSqlSafe(sql::drop_table(id))).execute(&self.catalogue.control).await.map_err(database)?;
        Ok(())
    }

    /// The rows of a query as they come, from one snapshot, and the revision that it shows, if the version is still kept. An error before the first byte is an error of this call; a later one breaks the stream.
    pub async fn rows(
        &self,
        table_id: Uuid,
        columns: &[Column],
        query: &RowQuery,
        format: RowFormat,
    ) -> Result<(Option<i64>, impl Stream<Item = Result<Bytes>> + Send + use<>)> {
        let selected: Vec<&Column> = query.columns.iter().filter_map(|position| columns.get(*position)).collect();
        let encoder = RowEncoder::new(format, &selected)?;
        let begin = encoder.begin(&selected);
        let types: Vec<ColumnType> = columns.iter().map(|column| column.column_type).collect();
        let statement = sql::copy_out(table_id, &types, query, format.copy_format());
        let (sender, mut receiver) = channel(CHUNKS_IN_FLIGHT_MAX);
        let (tell, told) = oneshot::channel();
        let tables = self.clone();
        tokio::spawn(async move {
            if let Err(error) = tables.copy_out(table_id, statement, encoder, (begin, tell), &sender).await {
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

    async fn copy_out(
        &self,
        table_id: Uuid,
        statement: String,
        encoder: RowEncoder,
        (begin, tell): (Vec<u8>, oneshot::Sender<Option<i64>>),
        sender: &Sender<Result<Bytes>>,
    ) -> Result<()> {
        let mut connection = self.queries.acquire().await.map_err(database)?;
        // One snapshot of the rows and of their revision.
        sqlx::raw_sql("begin isolation level repeatable read read only")
            .execute(&mut *connection)
            .await
            .map_err(database)?;
        let revision = self.catalogue.revision(&mut connection, table_id).await;
        let revision = revision.inspect_err(|_| connection.close_on_drop())?;
        // Nobody asks any more when the client has gone.
        tell.send(revision).unwrap_or_default();
        let copied =
            copy_rows(&mut connection, statement, encoder, begin, sender, self.idle).await.map_err(
                |error| match error {
                    Error::Store { source, .. } if is_canceled(&*source) => {
                        Limit::QuerySeconds.passed(self.query_seconds, None)
                    }
                    error => error,
                },
            );
        match copied {
            Ok(true) => {
                // All rows are sent, so its failure is nothing to tell.
                if sqlx::raw_sql("commit").execute(&mut *connection).await.is_err() {
                    connection.close_on_drop();
                }
                Ok(())
            }
            // It may be in the middle of a COPY: it is closed, not used again.
            other => {
                connection.close_on_drop();
                other.map(drop)
            }
        }
    }
}

/// Sends `out` and the rows behind it; false if the reader went away before their end.
async fn copy_rows(
    connection: &mut PgConnection,
    statement: String,
    mut encoder: RowEncoder,
    mut out: Vec<u8>,
    sender: &Sender<Result<Bytes>>,
    idle: Duration,
) -> Result<bool> {
    // A client that goes away while Postgres still sorts is noticed at once.
    let mut copied = tokio::select! {
        copied = connection.copy_out_raw(&statement) => copied.map_err(database)?,
        () = sender.closed() => return Ok(false),
    };
    loop {
        let rows = tokio::select! {
            rows = copied.try_next() => rows.map_err(database)?,
            () = sender.closed() => return Ok(false),
        };
        let Some(rows) = rows else { break };
        encoder.rows(&rows, &mut out)?;
        if out.len() >= CHUNK_BYTES {
            let taken = timeout(idle, sender.send(Ok(mem::take(&mut out).into()))).await;
            match taken.map_err(|_| Error::Interrupted { detail: "the reader took no byte".to_owned() })? {
                Ok(()) => {}
                Err(_) => return Ok(false),
            }
        }
    }
    out.extend_from_slice(encoder.end());
    sender.send(Ok(out.into())).await.unwrap_or_default();
    Ok(true)
}

/// `query_canceled`: our own limit on the time of a statement.
fn is_canceled(error: &(dyn std::error::Error + 'static)) -> bool {
    let error = error.downcast_ref::<sqlx::Error>().and_then(sqlx::Error::as_database_error);
    error.is_some_and(|error| error.code().as_deref() == Some("57014"))
}

/// A value or row that Postgres itself refuses is the file's fault, not the store's.
pub(super) fn load_error(error: sqlx::Error) -> Error {
    let refused = error.as_database_error().and_then(|error| error.try_downcast_ref::<PgDatabaseError>());
    match refused {
        Some(refused) if refused.code().starts_with("54") => Error::RowTooWide { line: None },
        Some(refused) if refused.code().starts_with("22") => {
            // "COPY t_…, line 5, column c3: …" counts rows, since each of ours is one line.
            let place = refused
                .r#where()
                .and_then(|place| place.split("line ").nth(1))
                .and_then(|rest| rest.split([',', ':']).next());
            let row = place.map(|row| format!("Row {row}: ")).unwrap_or_default();
            Malformed {
                detail: format!("{row}Postgres cannot hold this: {}.", refused.message()),
                ..Malformed::default()
            }
            .into()
        }
        _ => database(error),
    }
}
