//! The lock of a dataset's row: whatever changes what its readers see is done under it.
//!
//! **Invariant.** It is the first lock of its transaction, and is never waited for with a connection in hand: the connections are few, and he who holds the lock
//! may be copying rows for minutes. A try waits for a moment, gives its connection back, and comes again.

use super::{Catalogue, Dataset, Kind, publish::find_by_id, store::database};
use crate::error::{Error, Result};
use sqlx::{PgConnection, error::DatabaseError};
use std::time::Duration;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

/// How long a statement waits for any lock but that of a dataset.
pub const LOCK_TIMEOUT: &str = "10s";
/// How long one try waits for that of a dataset: longer than most commits take.
const TRY_TIMEOUT: &str = "200ms";
const WAIT_MAX: Duration = Duration::from_secs(120);
const PAUSE_MIN: Duration = Duration::from_millis(20);
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// Between tries of one change.
#[derive(Debug)]
pub struct Patience {
    end: Instant,
    pause: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { end: Instant::now() + WAIT_MAX, pause: PAUSE_MIN }
    }
}

impl Patience {
    /// Lets the other change go on for a while; longer each time.
    ///
    /// # Errors
    /// `Conflict` once two minutes have passed.
    pub async fn pause(&mut self) -> Result<()> {
        if Instant::now() >= self.end {
            let detail = "It is being read or changed without a pause; try again later.".to_owned();
            return Err(Error::Conflict { detail });
        }
        sleep(self.pause).await;
        self.pause = (self.pause * 2).min(PAUSE_MAX);
        Ok(())
    }
}

/// Whether a lock was waited for too long, or two transactions for one another: the same may succeed in a moment.
pub fn is_busy(error: &Error) -> bool {
    let Error::Store { source, .. } = error else { return false };
    let refused = source.downcast_ref::<sqlx::Error>().and_then(sqlx::Error::as_database_error);
    is_busy_code(refused.and_then(DatabaseError::code).as_deref().unwrap_or_default())
}

/// `lock_not_available` and `deadlock_detected`.
pub fn is_busy_code(code: &str) -> bool {
    matches!(code, "55P03" | "40P01")
}

impl Catalogue {
    /// Locks the dataset until the transaction ends, and reads it as it now is.
    ///
    /// # Errors
    /// `NotFound` if it was deleted meanwhile; one that [`is_busy`] if somebody else has the lock.
    pub async fn lock(&self, connection: &mut PgConnection, kind: Kind, id: Uuid) -> Result<Dataset> {
        impatiently(connection).await?;
        let sql = "select id from larder.datasets where id = $1 and deleted_at is null for no key update";
        let locked = sqlx::query_scalar(sql).bind(id).fetch_optional(&mut *connection).await.map_err(database)?;
        locked_dataset(connection, locked).await?.ok_or_else(|| kind.not_found())
    }
}

/// The same by name; `None` if there is none.
pub(super) async fn lock_named(connection: &mut PgConnection, kind: Kind, name: &str) -> Result<Option<Dataset>> {
    impatiently(connection).await?;
    // References to the row, such as those of a new share, need not wait.
    let sql = "select id from larder.datasets where kind = $1 and name = $2 and deleted_at is null for no key update";
    let locked =
        sqlx::query_scalar(sql).bind(kind).bind(name).fetch_optional(&mut *connection).await.map_err(database)?;
    locked_dataset(connection, locked).await
}

/// Locked first and then read by a statement of its own: one statement that waits for the lock would join the row as it is now with the versions as they
/// were when it began to wait.
async fn locked_dataset(connection: &mut PgConnection, locked: Option<Uuid>) -> Result<Option<Dataset>> {
    set_lock_timeout(connection, LOCK_TIMEOUT).await?;
    match locked {
        Some(id) => find_by_id(connection, id).await.map(Some),
        None => Ok(None),
    }
}

async fn impatiently(connection: &mut PgConnection) -> Result<()> {
    set_lock_timeout(connection, TRY_TIMEOUT).await
}

async fn set_lock_timeout(connection: &mut PgConnection, time: &str) -> Result<()> {
    let set = sqlx::query("select set_config('lock_timeout', $1, true)").bind(time).execute(connection).await;
    set.map_err(database).map(drop)
}
