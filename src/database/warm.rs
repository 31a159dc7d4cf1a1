//! Connections for what is short and frequent: pages of rows, and hits of links. deadpool keeps them: sqlx's own pool asks the server after each use, in a task of its own, whether a
//! connection still works, and that costs a short page a good part of its time.

use super::UNTESTED_TIME;
use crate::{
    catalogue::database,
    error::{Error, Result},
};
use deadpool::{
    Runtime, Status,
    managed::{
        Manager, Metrics, Object, Pool, PoolConfig, PoolError, QueueMode, RecycleError, RecycleResult, Timeouts,
    },
};
use sqlx::{Connection, PgConnection, postgres::PgConnectOptions};
use std::{
    ops::{Deref, DerefMut},
    sync::{PoisonError, RwLock},
    time::Duration,
};
use tokio::runtime::Handle;
use tokio_util::task::AbortOnDropHandle;

/// As in sqlx's pools.
const IDLE_MAX: Duration = Duration::from_secs(10 * 60);

#[derive(Clone)]
pub struct WarmPool(Pool<Opener>);

/// A connection that is closed if it is not given back: one that was left in the middle of an answer is no good.
pub struct WarmConnection {
    connection: PgConnection,
    place: Object<Opener>,
}

struct Opener {
    options: RwLock<PgConnectOptions>,
    age_max: Duration,
    /// What wakes those who wait for an answer, whoever opened the connection.
    runtime: Handle,
}

impl Opener {
    async fn open(&self) -> sqlx::Result<PgConnection> {
        let options = self.options.read().unwrap_or_else(PoisonError::into_inner).clone();
        let opened = self.runtime.spawn(async move { PgConnection::connect_with(&options).await });
        AbortOnDropHandle::new(opened).await.map_err(|_| sqlx::Error::WorkerCrashed)?
    }
}

/// Of places for connections, which are empty while these are in use.
impl Manager for Opener {
    type Type = Option<PgConnection>;
    type Error = sqlx::Error;

    async fn create(&self) -> sqlx::Result<Option<PgConnection>> {
        self.open().await.map(Some)
    }

    async fn recycle(&self, place: &mut Option<PgConnection>, metrics: &Metrics) -> RecycleResult<sqlx::Error> {
        match place {
            Some(connection) if metrics.age() <= self.age_max => {
                if metrics.last_used() > UNTESTED_TIME {
                    connection.ping().await?;
                }
                Ok(())
            }
            // The age is that of the place, so another connection needs another place.
            _ => Err(RecycleError::message("empty or too old")),
        }
    }
}

impl WarmPool {
    /// At most `max` connections of `runtime`, for each of which a request waits as long as `wait`; one that is older than `age_max` is replaced.
    pub fn new(
        runtime: &Handle,
        options: PgConnectOptions,
        max: usize,
        (wait, age_max): (Duration, Duration),
    ) -> Result<Self> {
        let timeouts = Timeouts { wait: Some(wait), create: Some(wait), recycle: Some(wait) };
        // The ones in use stay warm, and the others can be closed.
        let config = PoolConfig { max_size: max, timeouts, queue_mode: QueueMode::Lifo };
        let pool = Pool::builder(Opener { options: RwLock::new(options), age_max, runtime: runtime.clone() })
            .config(config)
            .runtime(Runtime::Tokio1)
            .build();
        pool.map(Self).map_err(Error::internal)
    }

    pub async fn acquire(&self) -> Result<WarmConnection> {
        let place = self.0.get().await.map_err(|error| match error {
            PoolError::Backend(error) => error,
            PoolError::Closed => sqlx::Error::PoolClosed,
            _ => sqlx::Error::PoolTimedOut,
        });
        let mut place = place.map_err(database)?;
        let connection = place.take().ok_or_else(|| Error::internal("a place without a connection"))?;
        Ok(WarmConnection { connection, place })
    }

    pub(super) fn status(&self) -> Status {
        self.0.status()
    }

    pub(super) fn options(&self) -> PgConnectOptions {
        self.0.manager().options.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn set_options(&self, options: PgConnectOptions) {
        *self.0.manager().options.write().unwrap_or_else(PoisonError::into_inner) = options;
    }

    /// Closes what nobody has used for long.
    pub(super) fn prune(&self) {
        self.0.retain(|place, metrics| place.is_some() && metrics.last_used() < IDLE_MAX);
    }

    pub(super) fn close(&self) {
        self.0.close();
    }
}

impl WarmConnection {
    /// For the next query, once the last answer has ended and no transaction is open.
    pub fn give_back(mut self) {
        *self.place = Some(self.connection);
    }
}

impl Deref for WarmConnection {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.connection
    }
}

impl DerefMut for WarmConnection {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.connection
    }
}
