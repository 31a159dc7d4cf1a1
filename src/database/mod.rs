//! The connections to Postgres: three pools, and how they log in.

mod login;
mod migrate;
mod roles;

pub use login::Login;
pub use migrate::migrate;
pub use roles::make_roles;

use crate::{
    catalogue::LOCK_TIMEOUT,
    config::{Config, DatabaseAuth},
    error::{Error, Result, Store},
};
use aws_config::SdkConfig;
use sqlx::{
    Connection, PgPool,
    error::DatabaseError,
    postgres::{PgConnectOptions, PgPoolOptions, PgSslMode},
};
use std::{str::FromStr, time::Duration};
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

/// A connection that was idle for longer is tested before it is used.
const UNTESTED_TIME: Duration = Duration::from_secs(1);
/// For statements that run when the service ends.
const CLOSE_TIME: Duration = Duration::from_secs(5);

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

/// Whether the connection broke or could not be made: the database restarts, or another one takes its place. What only read may be done again.
pub fn is_away(error: &Error) -> bool {
    let Error::Store { store: Store::Database, source } = error else { return false };
    match source.downcast_ref::<sqlx::Error>() {
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

/// Control (authentication, catalogue, shares), queries and loads, apart, so that slow exports never starve a share link.
pub struct Pools {
    pub control: PgPool,
    pub queries: PgPool,
    pub loads: PgPool,
    /// Dropping it ends the renewal of tokens.
    _renewal: Option<AbortOnDropHandle<()>>,
}

impl Pools {
    pub async fn new(config: &Config, database: &Database) -> Result<Self> {
        let options = database.options_now().await?;
        let (control, queries, loads) = (
            pool(config, &options, "control", config.times.request_seconds),
            pool(config, &options, "queries", config.times.query_seconds),
            pool(config, &options, "loads", 0),
        );
        let pools = [control.clone(), queries.clone(), loads.clone()];
        let renewal = database.login.clone().map(|login| AbortOnDropHandle::new(tokio::spawn(login.keep_valid(pools))));
        Ok(Self { control, queries, loads, _renewal: renewal })
    }

    /// With the names that they have in metrics.
    pub fn named(&self) -> [(&'static str, &PgPool); 3] {
        [("control", &self.control), ("queries", &self.queries), ("loads", &self.loads)]
    }

    /// Closes them, so that the database can stop without waiting for us; a statement that is still running is left to it.
    pub async fn close(&self) {
        let closed = async {
            for (_, pool) in self.named() {
                pool.close().await;
            }
        };
        if timeout(CLOSE_TIME, closed).await.is_err() {
            tracing::warn!("statements were still running at the end");
        }
    }
}

fn pool(config: &Config, database: &PgConnectOptions, name: &str, statement_seconds: u64) -> PgPool {
    let settings = [
        ("statement_timeout", format!("{statement_seconds}s")),
        ("lock_timeout", LOCK_TIMEOUT.to_owned()),
        ("idle_in_transaction_session_timeout", "10min".to_owned()),
        // The server stops a statement whose client has gone.
        ("client_connection_check_interval", "10s".to_owned()),
        ("timezone", "UTC".to_owned()),
        ("datestyle", "ISO, YMD".to_owned()),
        ("intervalstyle", "iso_8601".to_owned()),
        ("extra_float_digits", "1".to_owned()),
    ];
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
        .connect_lazy_with(database.clone().application_name(&format!("larder {name}")).options(settings))
}
