//! The connections to Postgres: four pools, and how they log in.

mod apart;
mod login;
mod migrate;
mod roles;
mod warm;

pub use apart::Apart;
pub use login::Login;
pub use migrate::migrate;
pub use roles::make_roles;
pub use warm::{WarmConnection, WarmPool};

use crate::{
    catalogue::LOCK_TIMEOUT,
    config::{Config, DatabaseAuth},
    error::{Error, Result, Store},
};
use aws_config::SdkConfig;
use deadpool::Status;
use sqlx::{
    Connection, PgPool,
    error::DatabaseError,
    postgres::{PgConnectOptions, PgPoolOptions, PgSslMode},
};
use std::{str::FromStr, time::Duration};
use tokio::{
    runtime::Handle,
    time::{sleep, timeout},
};
use tokio_util::task::AbortOnDropHandle;

/// A connection that was idle for longer is tested before it is used.
const UNTESTED_TIME: Duration = Duration::from_secs(1);
/// For statements that run when the service ends.
const CLOSE_TIME: Duration = Duration::from_secs(5);
const UPKEEP_TIME: Duration = Duration::from_secs(60);
/// One for those who come with a link, one for what is added to hits.
const LINK_CONNECTIONS: usize = 2;
/// Of connections, as in sqlx's pools.
const AGE_MAX: Duration = Duration::from_secs(30 * 60);

/// Where the database is and how to log in.
#[derive(Debug, Clone)]
pub struct Database {
    pub options: PgConnectOptions,
    /// Passwords that are tokens of the role; else it stands in the options.
    pub login: Option<Login>,
}

impl Database {
    /// The one of DATABASE_URL; `sdk` has the role whose tokens are the passwords, with `LARDER_DATABASE_AUTH=iam`.
    pub fn configured(config: &Config, url: &str, sdk: Option<&SdkConfig>) -> Result<Self> {
        let options = options(url)?;
        let login = match (config.database_auth, sdk) {
            (DatabaseAuth::Url, _) => None,
            (DatabaseAuth::Iam, None) => return Err(Error::internal("a login by IAM without the role of the SDK")),
            (DatabaseAuth::Iam, Some(_)) if !matches!(options.get_ssl_mode(), PgSslMode::VerifyFull) => {
                return Err(Error::startup(
                    "LARDER_DATABASE_AUTH=iam sends a token that opens the database: DATABASE_URL must say \
                     sslmode=verify-full and, for RDS, sslrootcert= with the file of its certificate authorities.",
                ));
            }
            (DatabaseAuth::Iam, Some(sdk)) => Some(Login::new(sdk)?),
        };
        Ok(Self { options, login })
    }

    /// The options with a password that is valid now.
    pub async fn options_now(&self) -> Result<PgConnectOptions> {
        match &self.login {
            None => Ok(self.options.clone()),
            Some(login) => login.renew(&self.options).await,
        }
    }

    /// What an operator is told when a connection cannot be opened.
    pub fn unreachable(&self, error: sqlx::Error) -> Error {
        let refused =
            error.as_database_error().and_then(DatabaseError::code).is_some_and(|code| code.starts_with("28"));
        let user = self.options.get_username();
        Error::startup(match (&self.login, refused) {
            (Some(_), true) => format!(
                "The database of DATABASE_URL refuses the IAM token of the user `{user}`: the role of the service must be allowed rds-db:connect as \
                 this user on this database, the user must have been granted rds_iam, and the host must be the endpoint of RDS itself: {error}"
            ),
            _ => format!("The database of DATABASE_URL cannot be reached: {error}"),
        })
    }
}

/// What several requests are told of one connection that broke.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Away(pub String);

/// Whether the connection broke or could not be made: the database restarts, or another one takes its place. What only read may be done again.
pub fn is_away(error: &Error) -> bool {
    let Error::Store { store: Store::Database, source } = error else { return false };
    match source.downcast_ref::<sqlx::Error>() {
        None => source.is::<Away>(),
        Some(sqlx::Error::Io(_)) => true,
        // `connection_exception`, and what a server says that shuts down or starts.
        Some(sqlx::Error::Database(refusal)) => {
            refusal.code().is_some_and(|code| code.starts_with("08") || code.starts_with("57P0"))
        }
        _ => false,
    }
}

/// Reads `DATABASE_URL`.
pub fn options(url: &str) -> Result<PgConnectOptions> {
    // libpq's form for a socket, `postgres://user@/database?host=/folder`, has no host, which the URL standard wants beside a user.
    let url = url.replacen("@/", "@localhost/", 1);
    // The error of the driver can quote the URL, and with it a password.
    PgConnectOptions::from_str(&url)
        .map_err(|_| Error::startup("DATABASE_URL is not a valid URL such as postgres://user@host/database."))
}

/// Control (authentication, catalogue, shares), queries, loads and the groups of links' hits, apart, so that slow exports never starve a share link.
pub struct Pools {
    pub control: PgPool,
    pub queries: WarmPool,
    pub loads: PgPool,
    pub links: WarmPool,
    /// The thread of these, and of who works with them.
    pub links_apart: Apart,
    /// Dropping it ends it.
    _upkeep: AbortOnDropHandle<()>,
}

/// A pool as metrics see it.
pub struct PoolState {
    pub name: &'static str,
    pub connections: u32,
    pub idle: u32,
    pub max: u32,
}

impl Pools {
    pub async fn new(config: &Config, database: &Database) -> Result<Self> {
        let options = database.options_now().await?;
        let max = usize::try_from(config.limits.pool_connections_max).unwrap_or(usize::MAX);
        let control = pool(config, named(&options, "control", config.times.request_seconds));
        let queries = named(&options, "queries", config.times.query_seconds);
        let times = (config.times.request(), AGE_MAX);
        let queries = WarmPool::new(&Handle::current(), queries, max, times)?;
        let loads = pool(config, named(&options, "loads", 0));
        let links = named(&options, "links", config.times.request_seconds);
        let links_apart = Apart::start("links")?;
        let links = WarmPool::new(links_apart.runtime(), links, LINK_CONNECTIONS, times)?;
        let kept = ([control.clone(), loads.clone()], [queries.clone(), links.clone()]);
        let upkeep = upkeep(database.login.clone(), kept);
        let upkeep = AbortOnDropHandle::new(tokio::spawn(upkeep));
        Ok(Self { control, queries, loads, links, links_apart, _upkeep: upkeep })
    }

    pub fn states(&self) -> [PoolState; 4] {
        let of = |name, pool: &PgPool| {
            let max = pool.options().get_max_connections();
            PoolState { name, connections: pool.size(), idle: count(pool.num_idle()), max }
        };
        let kept = |name, pool: &WarmPool| {
            let Status { size, available, max_size, .. } = pool.status();
            PoolState { name, connections: count(size), idle: count(available), max: count(max_size) }
        };
        [
            of("control", &self.control),
            kept("queries", &self.queries),
            of("loads", &self.loads),
            kept("links", &self.links),
        ]
    }

    /// Waits for a connection of one of them, which goes back at once; an error shows elsewhere.
    pub async fn probe(&self, name: &str) {
        let kept = match name {
            "control" => return drop(self.control.acquire().await),
            "loads" => return drop(self.loads.acquire().await),
            "links" => &self.links,
            _ => &self.queries,
        };
        if let Ok(connection) = kept.acquire().await {
            connection.give_back();
        }
    }

    /// Closes them, so that the database can stop without waiting for us; a statement that is still running is left to it.
    pub async fn close(&self) {
        self.queries.close();
        self.links.close();
        let closed = async { tokio::join!(self.control.close(), self.loads.close()) };
        if timeout(CLOSE_TIME, closed).await.is_err() {
            tracing::warn!("statements were still running at the end");
        }
    }
}

fn count(connections: usize) -> u32 {
    u32::try_from(connections).unwrap_or(u32::MAX)
}

/// Each minute gives the pools a token that is valid, if they log in by tokens, and closes connections that nobody needs.
async fn upkeep(login: Option<Login>, (pools, kept): ([PgPool; 2], [WarmPool; 2])) {
    loop {
        sleep(UPKEEP_TIME).await;
        kept.iter().for_each(WarmPool::prune);
        let Some(login) = &login else { continue };
        for pool in &pools {
            if let Some(options) = login.renewed(&pool.connect_options()).await {
                pool.set_connect_options(options);
            }
        }
        for pool in &kept {
            if let Some(options) = login.renewed(&pool.options()).await {
                pool.set_options(options);
            }
        }
    }
}

fn named(database: &PgConnectOptions, name: &str, statement_seconds: u64) -> PgConnectOptions {
    let settings = [
        ("statement_timeout", format!("{statement_seconds}s")),
        ("lock_timeout", LOCK_TIMEOUT.to_owned()),
        ("idle_in_transaction_session_timeout", "10min".to_owned()),
        // The server stops a statement whose client has gone.
        ("client_connection_check_interval", "1s".to_owned()),
        ("timezone", "UTC".to_owned()),
        ("datestyle", "ISO, YMD".to_owned()),
        ("intervalstyle", "iso_8601".to_owned()),
        ("extra_float_digits", "1".to_owned()),
    ];
    database.clone().application_name(&format!("larder {name}")).options(settings)
}

fn pool(config: &Config, options: PgConnectOptions) -> PgPool {
    PgPoolOptions::new()
        .max_connections(u32::try_from(config.limits.pool_connections_max).unwrap_or(u32::MAX))
        .acquire_timeout(config.times.request())
        // A question and an answer before each statement would cost a short query a third of its time.
        .test_before_acquire(false)
        .before_acquire(|connection, known| {
            Box::pin(async move {
                if known.idle_for > UNTESTED_TIME {
                    connection.ping().await?;
                }
                Ok(true)
            })
        })
        .connect_lazy_with(options)
}
