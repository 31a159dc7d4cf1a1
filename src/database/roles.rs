//! Two users of the database, so that the service cannot change what it stands on: `larder_owner` migrates and owns the schema `larder`; `larder_app` serves. It makes
//! tables in `rows` alone, and can neither change nor delete what the audit says.

use super::{
    Database,
    migrate::{connect, unreadable},
};
use crate::error::{Error, Result};
use sqlx::{Connection, PgConnection};
use std::time::Duration;

/// What an administrator of the database runs once. Of a database on RDS both users log in by IAM.
const MAKE: &str = "
do $$ begin
    if not exists (select from pg_roles where rolname = 'larder_owner') then create role larder_owner login; end if;
    if not exists (select from pg_roles where rolname = 'larder_app') then create role larder_app login; end if;
    execute format('grant connect, create on database %I to larder_owner', current_database());
    execute format('grant connect on database %I to larder_app', current_database());
    -- A migration may have to change tables of rows, which are the service's.
    grant larder_app to larder_owner;
    if exists (select from pg_roles where rolname = 'rds_iam') then grant rds_iam to larder_owner, larder_app; end if;
end $$";

/// What the service may do; said again whenever the owner migrates, for the tables that a migration made.
const GRANT: &str = "
do $$ begin
    if current_user = 'larder_owner' then
        -- Two that grant at once would upset one another.
        perform pg_advisory_xact_lock(hashtext('larder grants'));
        grant usage on schema larder to larder_app;
        grant select, insert, update, delete on all tables in schema larder to larder_app;
        grant usage, update on all sequences in schema larder to larder_app;
        grant execute on all functions in schema larder to larder_app;
        revoke insert, update, delete on larder._sqlx_migrations from larder_app;
        grant usage, create on schema rows to larder_app;
        if to_regclass('larder.audit') is not null then revoke update, delete on larder.audit from larder_app; end if;
    end if;
end $$";

/// `larder database-roles`: makes the two users, or sees that they are there.
pub async fn make_roles(database: &Database, patience: Duration) -> Result<()> {
    let mut connection = connect(database, patience).await?;
    let owner = sqlx::query_scalar("select nspowner::regrole::text from pg_namespace where nspname = 'larder'");
    let owner: Option<String> = owner.fetch_optional(&mut connection).await.map_err(unreadable)?;
    if let Some(owner) = owner.filter(|owner| owner != "larder_owner") {
        return Err(Error::startup(format!(
            "The schema `larder` is there already and belongs to `{owner}`: hand it over first, by `reassign owned by {owner} to larder_owner` in psql."
        )));
    }
    let made = sqlx::raw_sql(MAKE).execute(&mut connection).await;
    made.map_err(|error| Error::startup(format!("The user of DATABASE_URL cannot make the roles: {error}")))?;
    connection.close().await.map_err(|error| database.unreachable(error))
}

pub(super) async fn may_migrate(connection: &mut PgConnection) -> Result<bool> {
    // By the schema's oid: its name can still be unknown here, from our look for it before, when another replica has just made it.
    let sql = "select coalesce((select has_schema_privilege(oid, 'create') from pg_namespace where nspname = 'larder'),
         has_database_privilege(current_database(), 'create'))";
    sqlx::query_scalar(sql).fetch_one(connection).await.map_err(unreadable)
}

/// Lets `larder_app` use what `larder_owner` has; of any other user nothing is done.
pub(super) async fn grant(connection: &mut PgConnection) -> Result<()> {
    let granted = sqlx::raw_sql(GRANT).execute(connection).await;
    granted
        .map(drop)
        .map_err(|error| Error::startup(format!("larder_owner cannot let larder_app use its tables: {error}")))
}

/// What a later request would find missing.
pub(super) async fn check(connection: &mut PgConnection, user: &str) -> Result<()> {
    let sql = "select 'to make tables in the schema rows' where not has_schema_privilege('rows', 'create')
         union all select format('to read and write %s', oid::regclass) from pg_class
         where relnamespace = 'larder'::regnamespace and relkind in ('r', 'p') and relname <> '_sqlx_migrations'
           and not (has_table_privilege(oid, 'select') and has_table_privilege(oid, 'insert'))";
    let lacking: Vec<String> = sqlx::query_scalar(sql).fetch_all(connection).await.map_err(unreadable)?;
    match lacking.is_empty() {
        true => Ok(()),
        false => Err(Error::startup(format!(
            "The user `{user}` of DATABASE_URL lacks the right {}. `larder migrate` as larder_owner grants all of it to larder_app.",
            lacking.join(", ")
        ))),
    }
}
