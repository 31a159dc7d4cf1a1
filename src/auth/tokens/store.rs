//! Tokens in Postgres.

use super::{TokenChanges, TokenRequest};
use crate::{
    audit::{Note, record},
    auth::{
        Auth, Caller, NewToken, Scopes,
        store::{check_name, hash, prefix},
    },
    catalogue::database,
    config::Secret,
    error::{Error, Limit, Result},
};
use serde::Serialize;
use serde_json::json;
use sqlx::{AssertSqlSafe, PgConnection};
use std::time::Duration;
use time::OffsetDateTime;
use uuid::Uuid;

const TOKEN_COLUMNS: &str = "t.id, t.name, t.prefix, t.scopes, p.name as principal, p.id as principal_id, t.made_by, t.expires_at, t.last_used_at, \
     t.revoked_at, t.created_at";
const LIVE: &str = "t.revoked_at is null and (t.expires_at is null or t.expires_at > now())";

/// A token as it is shown: without what its holder sends.
#[derive(Debug, Clone, Serialize, sqlx::FromRow)]
pub struct Token {
    pub id: Uuid,
    pub name: String,
    /// What the token begins with, so that its holder knows which it is.
    pub prefix: String,
    pub scopes: Vec<String>,
    pub principal: String,
    pub principal_id: Uuid,
    /// The token of the same principal that made it.
    pub made_by: Option<Uuid>,
    #[serde(with = "time::serde::rfc3339::option")]
    pub expires_at: Option<OffsetDateTime>,
    /// Exact to a minute.
    #[serde(with = "time::serde::rfc3339::option")]
    pub last_used_at: Option<OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339::option")]
    pub revoked_at: Option<OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
}

/// A row to be inserted.
struct Row<'a> {
    principal: Uuid,
    name: &'a str,
    scopes: Vec<String>,
    made_by: Option<Uuid>,
    /// From now; else until `end`.
    life: Option<Duration>,
    end: Option<OffsetDateTime>,
}

impl Auth {
    /// The token, and what its holder sends, which is nowhere to be had again.
    ///
    /// # Errors
    /// `ScopeNeeded` for what the caller's own token does not permit, or another principal; `Invalid` if it would live longer; `NotFound` without such a
    /// principal; `Limit`.
    pub async fn create_token(&self, caller: &Caller, new: TokenRequest) -> Result<(Token, Secret)> {
        check_name(&new.name)?;
        let other = new.principal.filter(|name| *name != caller.name);
        if other.is_some() {
            caller.require_admin()?;
        }
        let scopes = match (new.scopes, &other) {
            (Some(scopes), _) => scopes,
            (None, Some(_)) => Scopes::everything(),
            (None, None) => Scopes::clone(&caller.scopes),
        };
        require_narrower(caller, &scopes)?;
        let mut tx = self.control.begin().await.map_err(database)?;
        let end = maker_end(&mut tx, caller).await?;
        let principal = self.lock_principal(&mut tx, caller, other.as_deref()).await?;
        let made_by = caller.origin.token.filter(|_| principal == caller.principal);
        let scopes = scopes.texts();
        let made = insert(&mut tx, &Row { principal, name: &new.name, scopes, made_by, life: new.life, end }).await?;
        require_shorter(&made.0, end)?;
        record(&mut tx, caller, &told("create", &made.0)).await?;
        tx.commit().await.map_err(database)?;
        Ok(made)
    }

    /// The other principal, or the caller's own: by its id, since a name may have gone to somebody else a moment ago. It has no other token made for it until the transaction ends.
    async fn lock_principal(
        &self,
        connection: &mut PgConnection,
        caller: &Caller,
        other: Option<&str>,
    ) -> Result<Uuid> {
        let sql = "select id from larder.principals where coalesce(name = $2, id = $1) and disabled_at is null for no key update";
        let query = sqlx::query_scalar(sql).bind(caller.principal).bind(other);
        let found = query.fetch_optional(&mut *connection).await.map_err(database)?;
        let id: Uuid = found.ok_or(Error::NotFound { what: "principal that is not disabled" })?;
        let sql = format!("select count(*) from larder.tokens t where t.principal_id = $1 and {LIVE}");
        let count: i64 =
            sqlx::query_scalar(AssertSqlSafe(sql)).bind(id).fetch_one(connection).await.map_err(database)?;
        if count.unsigned_abs() >= self.tokens_max {
            return Err(Limit::Tokens.passed(self.tokens_max, None));
        }
        Ok(id)
    }

    /// Those that the caller sees, newest first, older than `before`, `limit` at most. `ended`: those that are over, too.
    pub async fn tokens(
        &self,
        caller: &Caller,
        mut before: Option<Uuid>,
        limit: usize,
        ended: bool,
    ) -> Result<Vec<Token>> {
        let sql = format!(
            "select {TOKEN_COLUMNS} from larder.tokens t join larder.principals p on p.id = t.principal_id
             where (t.principal_id = $1 or $2) and ($3::uuid is null or t.id < $3) and ($4 or {LIVE}) order by t.id desc limit $5"
        );
        let mut found = Vec::new();
        loop {
            let query = sqlx::query_as(AssertSqlSafe(sql.clone())).bind(caller.principal).bind(caller.admin);
            let query = query.bind(before).bind(ended).bind(i64::try_from(limit).unwrap_or(i64::MAX));
            let page: Vec<Token> = query.fetch_all(&self.control).await.map_err(database)?;
            let last = page.len() < limit;
            before = page.last().map(|token| token.id);
            found.extend(page.into_iter().filter(|token| sees(caller, token)));
            if last || found.len() >= limit {
                found.truncate(limit);
                return Ok(found);
            }
        }
    }

    pub async fn token(&self, caller: &Caller, id: Uuid) -> Result<Token> {
        let mut connection = self.control.acquire().await.map_err(database)?;
        find(&mut connection, caller, id).await
    }

    /// # Errors
    /// `NotFound`, `Conflict` if it is over, and those of `create_token`.
    pub async fn change_token(&self, caller: &Caller, id: Uuid, changes: &TokenChanges) -> Result<Token> {
        if let Some(name) = &changes.name {
            check_name(name)?;
        }
        let mut tx = self.control.begin().await.map_err(database)?;
        let end = maker_end(&mut tx, caller).await?;
        find(&mut tx, caller, id).await?;
        if let Some(scopes) = &changes.scopes {
            require_narrower(caller, scopes)?;
        }
        let sql = format!(
            "update larder.tokens t set name = coalesce($2, name), scopes = coalesce($3, scopes), expires_at = coalesce(now() + $4, expires_at) where t.id = $1 and {LIVE}"
        );
        let scopes = changes.scopes.as_ref().map(Scopes::texts);
        let query = sqlx::query(AssertSqlSafe(sql)).bind(id).bind(&changes.name).bind(scopes).bind(changes.life);
        if query.execute(&mut *tx).await.map_err(database)?.rows_affected() == 0 {
            return Err(over());
        }
        let changed = find(&mut tx, caller, id).await?;
        if changes.life.is_some() || changes.scopes.is_some() {
            require_shorter(&changed, end)?;
        }
        record(&mut tx, caller, &told("patch", &changed)).await?;
        tx.commit().await.map_err(database)?;
        self.cache.empty();
        Ok(changed)
    }

    /// A new token with the name, the scopes and the end of the old one, which lives on for `overlap` at most.
    ///
    /// # Errors
    /// `NotFound`, `Conflict` if the old one is over, and those of `create_token`.
    pub async fn rotate_token(
        &self,
        caller: &Caller,
        id: Uuid,
        overlap: Duration,
        life: Option<Duration>,
    ) -> Result<(Token, Secret)> {
        let mut tx = self.control.begin().await.map_err(database)?;
        let end = maker_end(&mut tx, caller).await?;
        let old = find(&mut tx, caller, id).await?;
        let sql = format!(
            "update larder.tokens t set expires_at = least(t.expires_at, now() + $2) where t.id = $1 and {LIVE}"
        );
        let query = sqlx::query(AssertSqlSafe(sql)).bind(id).bind(overlap);
        if query.execute(&mut *tx).await.map_err(database)?.rows_affected() == 0 {
            return Err(over());
        }
        // A token gets no others by rotating those around it that would outlive its revocation.
        let maker = caller.origin.token.filter(|token| *token != old.id && caller.principal == old.principal_id);
        let row = Row {
            principal: old.principal_id,
            name: &old.name,
            scopes: old.scopes.clone(),
            made_by: maker.or(old.made_by),
            life,
            end: old.expires_at,
        };
        let made = insert(&mut tx, &row).await?;
        require_shorter(&made.0, end)?;
        record(&mut tx, caller, &told("rotate", &made.0)).await?;
        tx.commit().await.map_err(database)?;
        self.cache.empty();
        Ok(made)
    }

    /// Ends a token at once, with those that it has made; ending it twice is no error.
    pub async fn revoke_token(&self, caller: &Caller, id: Uuid) -> Result<()> {
        let mut tx = self.control.begin().await.map_err(database)?;
        let token = find(&mut tx, caller, id).await?;
        let sql = "with recursive ended as (select $1::uuid as id union select t.id from larder.tokens t join ended on t.made_by = ended.id)
                   update larder.tokens set revoked_at = coalesce(revoked_at, now()) where id in (select id from ended)";
        sqlx::query(sql).bind(id).execute(&mut *tx).await.map_err(database)?;
        if token.revoked_at.is_none() {
            record(&mut tx, caller, &told("revoke", &token)).await?;
        }
        tx.commit().await.map_err(database)?;
        self.cache.empty();
        Ok(())
    }
}

/// By its id and what it may do; nothing of what its holder sends.
fn told(action: &'static str, token: &Token) -> Note {
    let detail = json!({ "id": token.id, "of": token.principal, "scopes": token.scopes });
    Note::new(action, "token", token.name.clone()).with(detail)
}

async fn find(connection: &mut PgConnection, caller: &Caller, id: Uuid) -> Result<Token> {
    let sql = format!(
        "select {TOKEN_COLUMNS} from larder.tokens t join larder.principals p on p.id = t.principal_id where t.id = $1"
    );
    let found: Option<Token> =
        sqlx::query_as(AssertSqlSafe(sql)).bind(id).fetch_optional(connection).await.map_err(database)?;
    found.filter(|token| sees(caller, token)).ok_or(Error::NotFound { what: "token" })
}

async fn insert(connection: &mut PgConnection, row: &Row<'_>) -> Result<(Token, Secret)> {
    let secret = NewToken::random()?.0;
    let hash = hash(secret.expose());
    let sql = format!(
        "with t as (insert into larder.tokens (id, principal_id, name, hash, prefix, scopes, made_by, expires_at)
             values ($1, $2, $3, $4, $5, $6, $7, coalesce(now() + $8, $9)) returning *)
         select {TOKEN_COLUMNS} from t join larder.principals p on p.id = t.principal_id"
    );
    let query = sqlx::query_as(AssertSqlSafe(sql))
        .bind(Uuid::now_v7())
        .bind(row.principal)
        .bind(row.name)
        .bind(hash.as_slice())
        .bind(prefix(&secret))
        .bind(&row.scopes)
        .bind(row.made_by)
        .bind(row.life)
        .bind(row.end);
    Ok((query.fetch_one(connection).await.map_err(database)?, secret))
}

/// When the caller's own token ends, beyond which none that it makes may live; an admin's may. It is locked, so that no token is made by one that was revoked.
async fn maker_end(connection: &mut PgConnection, caller: &Caller) -> Result<Option<OffsetDateTime>> {
    let Some(token) = caller.origin.token else {
        // The operator of the machine has none.
        return if caller.admin { Ok(None) } else { Err(Error::Unauthenticated) };
    };
    let sql = format!("select t.expires_at from larder.tokens t where t.id = $1 and {LIVE} for share");
    let found: Option<Option<OffsetDateTime>> =
        sqlx::query_scalar(AssertSqlSafe(sql)).bind(token).fetch_optional(connection).await.map_err(database)?;
    Ok(found.ok_or(Error::Unauthenticated)?.filter(|_| !caller.admin))
}

fn over() -> Error {
    Error::Conflict { detail: "The token is over already; make a new one.".to_owned() }
}

/// Whether a token is of the caller's principal and no wider than the one it uses.
fn sees(caller: &Caller, token: &Token) -> bool {
    let narrower = || Scopes::parse(&token.scopes).is_ok_and(|scopes| scopes.within(&caller.scopes));
    caller.admin || (token.principal_id == caller.principal && narrower())
}

fn require_narrower(caller: &Caller, scopes: &Scopes) -> Result<()> {
    match scopes.beyond(&caller.scopes) {
        Some(scope) if !caller.admin => Err(Error::ScopeNeeded { scope: scope.to_owned() }),
        _ => Ok(()),
    }
}

fn require_shorter(token: &Token, end: Option<OffsetDateTime>) -> Result<()> {
    let Some(end) = end else { return Ok(()) };
    if token.expires_at.is_some_and(|expires| expires <= end) {
        return Ok(());
    }
    Err(Error::invalid("expires_in", "the token would outlive the one that is used to make it."))
}
