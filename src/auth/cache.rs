//! Tokens that were found valid a moment ago, so that not every request asks the database.
//!
//! **Invariant.** Nothing is in here for longer than `LARDER_TOKEN_CACHE_SECONDS`, 5 at most, or past the token's own end: a revocation holds on every replica after
//! that time, on the one that revokes at once. Only what is valid is kept, under the hash of its token.

use super::Caller;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// A caller has some 300 bytes.
const KEPT_MAX: usize = 10_000;

pub type TokenHash = [u8; 32];

#[derive(Debug)]
pub struct Cache {
    life: Duration,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    callers: HashMap<TokenHash, (Arc<Caller>, Instant)>,
    /// Counts how often everything was forgotten.
    emptied: u64,
}

impl Cache {
    pub fn new(life: Duration) -> Self {
        Self { life, inner: Mutex::default() }
    }

    /// The caller, or what `keep` wants to know of the moment before the database was asked.
    pub fn find(&self, hash: &TokenHash) -> Result<Arc<Caller>, u64> {
        let inner = self.lock();
        let found = inner.callers.get(hash).filter(|(_, end)| Instant::now() < *end);
        found.map(|(caller, _)| Arc::clone(caller)).ok_or(inner.emptied)
    }

    /// Keeps a caller whose token is valid for so long yet, unless a token was revoked while the database was asked.
    pub fn keep(&self, hash: TokenHash, caller: &Arc<Caller>, valid: Option<Duration>, asked_at: u64) {
        let life = valid.map_or(self.life, |valid| valid.min(self.life));
        let mut inner = self.lock();
        if life.is_zero() || inner.emptied != asked_at {
            return;
        }
        let now = Instant::now();
        if inner.callers.len() >= KEPT_MAX {
            inner.callers.retain(|_, (_, end)| now < *end);
        }
        if inner.callers.len() < KEPT_MAX {
            inner.callers.insert(hash, (Arc::clone(caller), now + life));
        }
    }

    /// Forgets everything: a token or a principal has changed.
    pub fn empty(&self) {
        let mut inner = self.lock();
        inner.callers.clear();
        inner.emptied += 1;
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing panics while it is held, and each entry is whole by itself.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
