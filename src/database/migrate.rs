//! Bringing the database to the schema that this binary knows.

use super::{Database, roles};
use crate::error::{Error, Result};
use sqlx::{Connection, PgConnection, migrate::Migrator};
use std::time::Duration;
use tokio::time::timeout;

static MIGRATOR: Migrator = sqlx::migrate!("./migrations");
/// Any number that nobody else uses: "larder" in ASCII.
const LOCK: i64 = 0x6c61_7264_6572;

/// Runs the migrations that are missing, if the user may; with none missing it needs no more rights than the service. Replicas that start together wait for one
/// another on an advisory lock; newer migrations are ignored, so that a rollback of the binary starts. A database that has not let us in after `patience` is an
/// error, as one that cannot be reached. Answers the numbers of those that were made.
pub async fn migrate(database: &Database, patience: Duration) -> Result<Vec<i64>> {
    let mut connection = connect(database, patience).await?;
    let migrated = bring_up(&mut connection, database.options.get_username()).await;
    connection.close().await.map_err(|error| database.unreachable(error))?;
    migrated
}

/// A connection of an operator's command, or of a start.
pub(super) async fn connect(database: &Database, patience: Duration) -> Result<PgConnection> {
    let options = database.options_now().await?.options([("search_path", "larder")]);
    let connected = timeout(patience, PgConnection::connect_with(&options)).await;
    let silent = |_| Error::startup(format!("The database of DATABASE_URL did not answer within {patience:?}."));
    connected.map_err(silent)?.map_err(|error| database.unreachable(error))
}

async fn bring_up(connection: &mut PgConnection, user: &str) -> Result<Vec<i64>> {
    let missing = missing(connection).await?;
    if !missing.is_empty() {
        if !roles::may_migrate(connection).await? {
            return Err(Error::startup(format!(
                "The database lacks the migrations {missing:?}, and its user `{user}` may not make them: run `larder migrate` as the user that owns the schema \
                 `larder`, such as larder_owner."
            )));
        }
        run(connection).await?;
        roles::grant(connection).await?;
    }
    roles::check(connection, user).await?;
    Ok(missing)
}

/// The numbers of those that the database lacks, or has in another form: the migrator says what is wrong with such.
async fn missing(connection: &mut PgConnection) -> Result<Vec<i64>> {
    let known = sqlx::query_scalar("select to_regclass('larder._sqlx_migrations') is not null");
    let made: Vec<(i64, Vec<u8>)> = match known.fetch_one(&mut *connection).await.map_err(unreadable)? {
        true => sqlx::query_as("select version, checksum from larder._sqlx_migrations where success")
            .fetch_all(connection)
            .await
            .map_err(unreadable)?,
        false => Vec::new(),
    };
    let is_made = |version, checksum: &[u8]| made.iter().any(|(made, sum)| *made == version && sum == checksum);
    let missing = MIGRATOR.iter().filter(|migration| !is_made(migration.version, &migration.checksum));
    Ok(missing.map(|migration| migration.version).collect())
}

async fn run(connection: &mut PgConnection) -> Result<()> {
    let lacking =
        |error: sqlx::Error| Error::startup(format!("The database role may not set up the schema `larder`: {error}"));
    sqlx::query("select pg_advisory_lock($1)").bind(LOCK).execute(&mut *connection).await.map_err(lacking)?;
    let exists = sqlx::query_scalar("select exists (select from pg_namespace where nspname = 'larder')");
    if !exists.fetch_one(&mut *connection).await.map_err(lacking)? {
        sqlx::query("create schema larder").execute(&mut *connection).await.map_err(lacking)?;
    }
    let mut migrator = Migrator { migrations: MIGRATOR.migrations.clone(), ..Migrator::DEFAULT };
    migrator.set_ignore_missing(true).set_locking(false);
    let migrated = migrator.run(&mut *connection).await;
    migrated.map_err(|error| Error::startup(format!("The database could not be migrated: {error}")))?;
    sqlx::query("select pg_advisory_unlock($1)").bind(LOCK).execute(connection).await.map_err(lacking)?;
    Ok(())
}

pub(super) fn unreadable(error: sqlx::Error) -> Error {
    Error::startup(format!("The database's user may not read the schema `larder`: {error}"))
}
