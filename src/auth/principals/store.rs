//! Principals in Postgres.

use super::{NewPrincipal, PrincipalChanges};
use crate::{
    audit::{Note, record},
    auth::{Auth, Caller, store::check_name},
    catalogue::{database, is_unique_violation},
    error::{Error, Result},
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::{AssertSqlSafe, PgConnection};
use time::OffsetDateTime;
use uuid::Uuid;

const COLUMNS: &str = "id, name, kind, admin, disabled_at, created_at";

#[derive(Debug, Clone, Serialize, sqlx::FromRow)]
pub struct Principal {
    pub id: Uuid,
    pub name: String,
    pub kind: PrincipalKind,
    pub admin: bool,
    #[serde(with = "time::serde::rfc3339::option")]
    pub disabled_at: Option<OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "lowercase")]
#[serde(rename_all = "lowercase")]
pub enum PrincipalKind {
    Person,
    Program,
}

impl Auth {
    /// # Errors
    /// `ScopeNeeded` for anyone but an admin, `Invalid`, `NameTaken`.
    pub async fn create_principal(&self, caller: &Caller, new: &NewPrincipal) -> Result<Principal> {
        caller.require_admin()?;
        check_name(&new.name)?;
        let sql = format!(
            "insert into larder.principals (id, name, kind, admin) values ($1, $2, $3, $4) returning {COLUMNS}"
        );
        let mut tx = self.control.begin().await.map_err(database)?;
        let query = sqlx::query_as(AssertSqlSafe(sql)).bind(Uuid::now_v7()).bind(&new.name).bind(new.kind);
        let made: Principal =
            query.bind(new.admin).fetch_one(&mut *tx).await.map_err(|error| named(error, &new.name))?;
        record(&mut tx, caller, &told("create", &made)).await?;
        tx.commit().await.map_err(database)?;
        Ok(made)
    }

    /// The principal, if it is the caller or an admin asks.
    pub async fn principal(&self, caller: &Caller, id: Uuid) -> Result<Principal> {
        let sql = format!("select {COLUMNS} from larder.principals where id = $1 and (id = $2 or $3)");
        let query = sqlx::query_as(AssertSqlSafe(sql)).bind(id).bind(caller.principal).bind(caller.admin);
        query.fetch_optional(&self.control).await.map_err(database)?.ok_or_else(unknown)
    }

    /// Those that an admin sees, or the caller alone; by their names, behind `after`.
    pub async fn principals(&self, caller: &Caller, after: Option<&str>, limit: u64) -> Result<Vec<Principal>> {
        let sql = format!(
            "select {COLUMNS} from larder.principals where (id = $1 or $2) and ($3::text is null or name > $3) order by name limit $4"
        );
        let query = sqlx::query_as(AssertSqlSafe(sql)).bind(caller.principal).bind(caller.admin).bind(after);
        query.bind(i64::try_from(limit).unwrap_or(i64::MAX)).fetch_all(&self.control).await.map_err(database)
    }

    /// # Errors
    /// `NotFound`, `ScopeNeeded` for anyone but an admin, `NameTaken`, `Conflict` if no admin would be left.
    pub async fn change_principal(&self, caller: &Caller, id: Uuid, changes: &PrincipalChanges) -> Result<Principal> {
        let mut tx = self.control.begin().await.map_err(database)?;
        let changed = change(&mut tx, caller, id, changes).await?;
        record(&mut tx, caller, &told("patch", &changed)).await?;
        tx.commit().await.map_err(database)?;
        self.cache.empty();
        Ok(changed)
    }

    /// Disables it and ends its tokens for good; what it owns stays.
    ///
    /// # Errors
    /// Those of `change_principal`.
    pub async fn end_principal(&self, caller: &Caller, id: Uuid) -> Result<()> {
        let mut tx = self.control.begin().await.map_err(database)?;
        let ended =
            change(&mut tx, caller, id, &PrincipalChanges { disabled: Some(true), ..PrincipalChanges::default() })
                .await?;
        let sql = "update larder.tokens set revoked_at = now() where principal_id = $1 and revoked_at is null";
        sqlx::query(sql).bind(id).execute(&mut *tx).await.map_err(database)?;
        record(&mut tx, caller, &told("delete", &ended)).await?;
        tx.commit().await.map_err(database)?;
        self.cache.empty();
        Ok(())
    }
}

fn told(action: &'static str, principal: &Principal) -> Note {
    let detail = json!({ "id": principal.id, "admin": principal.admin, "disabled": principal.disabled_at.is_some() });
    Note::new(action, "principal", principal.name.clone()).with(detail)
}

async fn change(
    connection: &mut PgConnection,
    caller: &Caller,
    id: Uuid,
    changes: &PrincipalChanges,
) -> Result<Principal> {
    if !caller.admin && caller.principal != id {
        return Err(unknown());
    }
    caller.require_admin()?;
    if let Some(name) = &changes.name {
        check_name(name)?;
    }
    if changes.admin == Some(false) || changes.disabled == Some(true) {
        keep_an_admin(connection, id).await?;
    }
    let sql = format!(
        "update larder.principals set name = coalesce($2, name), admin = coalesce($3, admin),
         disabled_at = case when $4 then coalesce(disabled_at, now()) when not $4 then null else disabled_at end
         where id = $1 returning {COLUMNS}"
    );
    let query = sqlx::query_as(AssertSqlSafe(sql)).bind(id).bind(&changes.name).bind(changes.admin);
    let changed = query.bind(changes.disabled).fetch_optional(connection).await;
    changed.map_err(|error| named(error, changes.name.as_deref().unwrap_or_default()))?.ok_or_else(unknown)
}

/// Two admins may go at the same moment: the lock lets the second see that the first has gone.
async fn keep_an_admin(connection: &mut PgConnection, id: Uuid) -> Result<()> {
    let sql = "select id from larder.principals where admin and disabled_at is null order by id for update";
    let admins: Vec<Uuid> = sqlx::query_scalar(sql).fetch_all(connection).await.map_err(database)?;
    if admins == [id] {
        let detail = "It is the last admin, without whom nobody could manage tokens; make another one first.";
        return Err(Error::Conflict { detail: detail.to_owned() });
    }
    Ok(())
}

fn unknown() -> Error {
    Error::NotFound { what: "principal" }
}

fn named(error: sqlx::Error, name: &str) -> Error {
    if is_unique_violation(&error) {
        return Error::NameTaken { detail: format!("There is already a principal `{name}`."), free: None };
    }
    database(error)
}
