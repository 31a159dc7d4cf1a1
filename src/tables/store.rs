//! Rows into Postgres, by COPY.

use super::{
    read::{ColumnType, ReadLimits, SourceLimits},
    sql,
    stats::StatisticsLimits,
};
use crate::{
    catalogue::{Catalogue, Lease, database},
    config::Config,
    database::WarmPool,
    error::{Error, Limit, Malformed, Result},
    metrics::{self, Direction},
    objects::Objects,
};
use bytes::Bytes;
use sqlx::{AssertSqlSafe, PgPool, postgres::PgDatabaseError};
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc::Receiver},
    time::timeout,
};
use uuid::Uuid;

/// Of search indexes: each takes a connection of the pool for loads.
const BUILDS_MAX: usize = 2;

#[derive(Clone)]
pub struct Tables {
    pub(super) catalogue: Catalogue,
    pub(super) objects: Objects,
    pub(super) queries: WarmPool,
    pub(super) loads: PgPool,
    pub(super) indexes_max: u64,
    /// Loads that may run at once.
    loading: Arc<Semaphore>,
    loads_max: u64,
    request_seconds: u64,
    pub(super) limits: ReadLimits,
    pub(super) source_limits: SourceLimits,
    pub(super) query_seconds: u64,
    pub(super) search_seconds: u64,
    /// Search indexes that are built at once.
    pub(super) building: Arc<Semaphore>,
    pub(super) idle: Duration,
    pub(super) statistics: StatisticsLimits,
    pub(super) lease: Duration,
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
    pub fn new(catalogue: Catalogue, objects: Objects, queries: WarmPool, loads: PgPool, config: &Config) -> Self {
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
            search_seconds: config.times.search_seconds,
            building: Arc::new(Semaphore::new(BUILDS_MAX)),
            idle: config.times.idle(),
            lease: config.times.lease(),
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
                    metrics::moved("database", Direction::In, rows.len() as u64);
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
