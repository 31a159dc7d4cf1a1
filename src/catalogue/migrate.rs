//! Bringing the database to the schema that this binary knows.

use crate::error::{Error, Result};
use sqlx::{Connection, PgConnection, migrate::Migrator, postgres::PgConnectOptions};
use std::time::Duration;

static MIGRATOR: Migrator = sqlx::migrate!("./migrations");
/// Any number that nobody else uses: "larder" in ASCII.
const LOCK: i64 = 0x6c61_7264_6572;

/// Runs the migrations that are missing. Replicas that start together wait for one another on an advisory lock; newer migrations are ignored, so that a
/// rollback of the binary starts. A database that has not let us in after `patience` is an error, as one that cannot be reached.
pub async fn migrate(options: &PgConnectOptions, patience: Duration) -> Result<()> {
    let connect = |error| Error::startup(format!("The database of DATABASE_URL cannot be reached: {error}"));
    let options = options.clone().options([("search_path", "larder")]);
    let connected = tokio::time::timeout(patience, PgConnection::connect_with(&options)).await;
    let silent = |_| Error::startup(format!("The database of DATABASE_URL did not answer within {patience:?}."));
    let mut connection = connected.map_err(silent)?.map_err(connect)?;
    let migrated = run(&mut connection).await;
    connection.close().await.map_err(connect)?;
    migrated
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
