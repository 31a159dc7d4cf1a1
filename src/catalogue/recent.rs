//! What was looked up a moment ago: tables for pages of their rows, and links for their hits. The statement that reads the rows, or writes the hit down, tells whether all is as it was;
//! that saves a look-up.
//!
//! **Invariant.** Nothing is answered from here alone: the snapshot that the answer is from has shown the same state, such as that [of a dataset](Dataset::state).

use super::{Catalogue, Dataset, database, state_now};
use crate::{auth::Caller, error::Result};
use sqlx::AssertSqlSafe;
use std::{
    borrow::Borrow,
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use uuid::Uuid;

/// Far below the four thousand million transactions after which a state could come again.
const LIFE: Duration = Duration::from_secs(60);
/// Columns of all that is kept together.
const COLUMNS_MAX: usize = 50_000;
/// What one of them takes, roughly.
pub const COLUMN_BYTES: usize = 200;

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

#[derive(Debug)]
pub struct Recent<K, V>(Mutex<Inner<K, V>>);

#[derive(Debug)]
struct Inner<K, V> {
    kept: HashMap<K, Kept<V>>,
    columns: usize,
}

#[derive(Debug)]
struct Kept<V> {
    value: V,
    columns: usize,
    end: Instant,
}

impl<K, V> Default for Recent<K, V> {
    fn default() -> Self {
        Self(Mutex::new(Inner { kept: HashMap::new(), columns: 0 }))
    }
}

impl<K: Eq + Hash, V: Clone> Recent<K, V> {
    fn lock(&self) -> MutexGuard<'_, Inner<K, V>> {
        // Nothing panics while it is held, and each entry is whole by itself.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn get<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        self.lock().kept.get(key).filter(|kept| Instant::now() < kept.end).map(|kept| kept.value.clone())
    }

    /// Keeps a value that takes as much as so many columns.
    pub fn put(&self, key: K, value: V, columns: usize) {
        let mut inner = self.lock();
        if inner.columns + columns > COLUMNS_MAX {
            *inner = Inner { kept: HashMap::new(), columns: 0 };
        }
        inner.columns += columns;
        let kept = Kept { value, columns, end: Instant::now() + LIFE };
        if let Some(before) = inner.kept.insert(key, kept) {
            inner.columns -= before.columns;
        }
    }
}

impl Dataset {
    /// What it takes among those that are kept.
    pub fn weight(&self) -> usize {
        self.version.as_ref().map_or(0, |version| version.columns.len()) + 1
    }
}

impl Catalogue {
    /// A table that the caller may read, if nothing has changed since.
    pub fn recent(&self, caller: &Caller, name: &str) -> Option<Found> {
        let dataset = self.recent.get(name)?;
        dataset.visible_to(caller).then_some(Found { dataset, now: false })
    }

    /// The state of a dataset now; `None` once it is deleted.
    pub async fn state(&self, dataset: Uuid) -> Result<Option<i64>> {
        let sql = AssertSqlSafe(format!("select {}", state_now("$1")));
        sqlx::query_scalar(sql).bind(dataset).fetch_one(&self.control).await.map_err(database)
    }

    /// Keeps a table with its current version.
    pub fn remember(&self, found: &Found) {
        self.recent.put(found.dataset.name.clone(), Arc::clone(&found.dataset), found.dataset.weight());
    }
}
