//! Statistics: what the columns of a table hold. They are computed once for each revision and kept in `larder.statistics`.
//!
//! **Invariant.** The rows, and the revision that the answer names, are of one snapshot.
//! **Invariant.** What comes from a sample says so, and what is estimated too.
//! **Invariant.** Postgres groups the values; here is only what the answer shows, each value cut to 200 characters.

mod attempt;
mod store;
mod summary;

use super::store::Tables;
use crate::{
    catalogue::Dataset,
    error::{Error, Limit, Result},
};
use attempt::attempts;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use store::Reading;
use tokio::{sync::Semaphore, time::timeout_at};

/// Of the content as this release writes it; another one is computed anew, and has another ETag.
pub const FORM: i32 = 1;

/// Of each replica, so that they never hold all the connections for queries.
const COMPUTED_AT_ONCE_MAX: usize = 2;

/// The answer, whole.
#[derive(Debug, Clone)]
pub struct Statistics {
    /// Of the version, when the rows were read.
    pub revision: i64,
    /// `{"version","revision","rows","sampled","columns":[…]}`
    pub content: String,
}

/// What statistics may cost.
#[derive(Debug, Clone)]
pub struct StatisticsLimits {
    rows_max: u64,
    seconds: u64,
    turns: Arc<Semaphore>,
}

impl StatisticsLimits {
    pub fn new(rows_max: u64, seconds: u64) -> Self {
        Self { rows_max, seconds, turns: Arc::new(Semaphore::new(COMPUTED_AT_ONCE_MAX)) }
    }

    fn too_slow(&self) -> Error {
        Limit::StatsSeconds.passed(self.seconds, None)
    }
}

impl Tables {
    /// The statistics of the dataset's version: those that are kept, or computed now. Rows that came since the dataset was looked up may be among them;
    /// `revision` says so.
    ///
    /// # Errors
    /// `Limit` if it takes too long, even from a sample; `NotFound` if the version is gone by now.
    pub async fn statistics(&self, dataset: &Dataset) -> Result<Statistics> {
        if let Some(kept) = self.kept_statistics(dataset.current()?).await? {
            return Ok(kept);
        }
        let (tables, dataset) = (self.clone(), dataset.clone());
        // To its end even if the client goes: whoever asks next finds them.
        tokio::spawn(async move { tables.compute_statistics(&dataset).await }).await.map_err(Error::internal)?
    }

    async fn compute_statistics(&self, dataset: &Dataset) -> Result<Statistics> {
        let limits = &self.statistics;
        let end = Instant::now() + Duration::from_secs(limits.seconds);
        let turn = timeout_at(end.into(), limits.turns.acquire()).await;
        let _turn = turn.map_err(|_| limits.too_slow())?.map_err(Error::internal)?;
        let version = dataset.current()?;
        // Somebody else may have computed them meanwhile.
        if let Some(kept) = self.kept_statistics(version).await? {
            return Ok(kept);
        }
        let table_id = version.table_id.ok_or_else(|| Error::internal("a version of a table without rows"))?;
        for attempt in attempts(version.row_count, version.columns.len(), limits.rows_max) {
            let until = attempt.until(Instant::now(), end);
            if let Reading::Done(read) = self.read_columns(version.id, table_id, attempt.rows, until).await? {
                let statistics =
                    Statistics { revision: read.revision, content: summary::content(version.number, &read)? };
                self.keep_statistics(version.id, &statistics).await?;
                return Ok(statistics);
            }
        }
        Err(limits.too_slow())
    }
}
