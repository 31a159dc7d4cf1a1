//! Tables that were looked up a moment ago, for pages of rows: the statement that reads them tells whether all is as it was, which saves a look-up before it.
//!
//! **Invariant.** Nothing is answered from here alone: the snapshot that the answer is from has shown the same [`state`](Dataset::state).

use super::{Catalogue, Dataset, database, state_now};
use crate::{auth::Caller, error::Result};
use sqlx::AssertSqlSafe;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use uuid::Uuid;

/// Far below the four thousand million transactions after which a state could come again.
const LIFE: Duration = Duration::from_secs(60);
/// Of all tables together; each takes some 200 bytes.
const COLUMNS_MAX: usize = 50_000;

/// A dataset that is to be read.
#[derive(Debug, Clone)]
pub struct Found {
    pub dataset: Arc<Dataset>,
    /// Whether it was looked up for this request; else its reader has to see that its state is still the same.
    pub now: bool,
}

impl From<Dataset> for Found {
    fn from(dataset: Dataset) -> Self {
        Self { dataset: dataset.into(), now: true }
    }
}

#[derive(Debug, Default)]
pub struct Recent(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    tables: HashMap<String, (Arc<Dataset>, Instant)>,
    columns: usize,
}

impl Recent {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing panics while it is held, and each entry is whole by itself.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Catalogue {
    /// A table that the caller may read, if nothing has changed since.
    pub fn recent(&self, caller: &Caller, name: &str) -> Option<Found> {
        let dataset = self.recent.lock().tables.get(name).filter(|(_, end)| Instant::now() < *end)?.0.clone();
        dataset.visible_to(caller).then_some(Found { dataset, now: false })
    }

    /// The state of a dataset now; `None` once it is deleted.
    pub async fn state(&self, dataset: Uuid) -> Result<Option<i64>> {
        let sql = AssertSqlSafe(format!("select {}", state_now("$1")));
        sqlx::query_scalar(sql).bind(dataset).fetch_one(&self.control).await.map_err(database)
    }

    /// Keeps a table with its current version.
    pub fn remember(&self, found: &Found) {
        let columns = |dataset: &Dataset| dataset.version.as_ref().map_or(0, |version| version.columns.len() + 1);
        let (dataset, end) = (Arc::clone(&found.dataset), Instant::now() + LIFE);
        let mut inner = self.recent.lock();
        if inner.columns + columns(&dataset) > COLUMNS_MAX {
            *inner = Inner::default();
        }
        inner.columns += columns(&dataset);
        if let Some((before, _)) = inner.tables.insert(dataset.name.clone(), (dataset, end)) {
            inner.columns -= columns(&before);
        }
    }
}
