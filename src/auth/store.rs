//! Principals and tokens in Postgres.

use super::{
    Caller, Scopes,
    cache::{Cache, TokenHash},
};
use crate::{
    audit::{Note, record},
    catalogue::database,
    config::{Config, Secret},
    error::{Error, Result},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::json;
use sha2::{Digest, Sha256};
use sqlx::{AssertSqlSafe, PgPool};
use std::{sync::Arc, time::Duration};
use uuid::Uuid;

const NAME_CHARS_MAX: usize = 100;

const ADMIN: &str = "admin";
const PREFIX_CHARS: usize = 12;

#[derive(Debug, Clone)]
pub struct Auth {
    pub(super) control: PgPool,
    pub(super) cache: Arc<Cache>,
    pub(super) tokens_max: u64,
}

#[derive(sqlx::FromRow)]
struct Found {
    token: Uuid,
    scopes: Vec<String>,
    principal: Uuid,
    name: String,
    admin: bool,
    /// Until the token expires.
    seconds: Option<f64>,
    /// Whether its last use was noted more than a minute ago.
    stale: bool,
}

/// A token as its holder gets it, once.
#[derive(Debug, Clone)]
pub struct NewToken(pub Secret);

impl NewToken {
    /// 256 random bits, recognisable by their prefix.
    pub fn random() -> Result<Self> {
        Ok(Self(Secret::new(format!("larder_{}", random_text()?))))
    }
}

/// 256 random bits in URL-safe base64.
pub fn random_text() -> Result<String> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| Error::internal(error.to_string()))?;
    Ok(BASE64_URL_SAFE_NO_PAD.encode(bytes))
}

impl Auth {
    pub fn new(control: PgPool, config: &Config) -> Self {
        let cache = Cache::new(config.times.token_cache());
        Self { control, cache: cache.into(), tokens_max: config.limits.tokens_max }
    }

    /// The caller that a token stands for, if it is valid now.
    pub async fn caller(&self, token: &str) -> Result<Arc<Caller>> {
        let sql = "from larder.tokens t join larder.principals p on p.id = t.principal_id where t.hash = $1";
        self.valid(hash(token), "t.expires_at", sql).await
    }

    /// The caller whose token `t` is found by `hash`, which is valid until `end`.
    pub(super) async fn valid(&self, hash: TokenHash, end: &str, found_by: &str) -> Result<Arc<Caller>> {
        let asked_at = match self.cache.find(&hash) {
            Ok(caller) => return Ok(caller),
            Err(asked_at) => asked_at,
        };
        let sql = format!(
            "select t.id as token, t.scopes, p.id as principal, p.name, p.admin, extract(epoch from {end} - now())::float8 as seconds,
                 coalesce(t.last_used_at < now() - interval '1 minute', true) as stale
             {found_by} and t.revoked_at is null and (t.expires_at is null or t.expires_at > now()) and p.disabled_at is null"
        );
        let found = sqlx::query_as(AssertSqlSafe(sql)).bind(hash.as_slice()).fetch_optional(&self.control).await;
        let found: Option<Found> = found.map_err(database)?;
        let found = found.ok_or(Error::Unauthenticated)?;
        if found.stale {
            self.note_use(found.token).await;
        }
        let scopes = Scopes::parse(&found.scopes).map_err(Error::internal)?;
        let mut caller = Caller::new(found.principal, found.name, found.admin, scopes);
        caller.origin.token = Some(found.token);
        let caller = Arc::new(caller);
        let valid = found.seconds.map(|seconds| Duration::from_secs_f64(seconds.clamp(0.0, 3600.0)));
        self.cache.keep(hash, &caller, valid, asked_at);
        Ok(caller)
    }

    /// At most once a minute for each token, however many replicas there are. The request does not depend on it.
    async fn note_use(&self, token: Uuid) {
        let sql = "update larder.tokens set last_used_at = now()
                   where id = $1 and (last_used_at is null or last_used_at < now() - interval '1 minute')";
        if let Err(error) = sqlx::query(sql).bind(token).execute(&self.control).await {
            tracing::warn!(%error, "the use of a token was not noted");
        }
    }

    /// Makes `token` a token of the admin principal, both made if they are not there. A new `bootstrap` token ends the one before.
    pub async fn add_admin_token(&self, name: &str, token: &Secret) -> Result<()> {
        let mut tx = self.control.begin().await.map_err(database)?;
        sqlx::query("insert into larder.principals (id, name, kind, admin) values ($1, $2, 'person', true) on conflict (name) do nothing")
            .bind(Uuid::now_v7())
            .bind(ADMIN)
            .execute(&mut *tx)
            .await
            .map_err(database)?;
        let made = sqlx::query(
            "insert into larder.tokens (id, principal_id, name, hash, prefix)
             select $1, id, $2, $3, $4 from larder.principals where name = $5 on conflict (hash) do nothing",
        )
        .bind(Uuid::now_v7())
        .bind(name)
        .bind(hash(token.expose()).as_slice())
        .bind(prefix(token))
        .bind(ADMIN)
        .execute(&mut *tx)
        .await
        .map_err(database)?;
        let changed = sqlx::query(
            "update larder.tokens set revoked_at = case when hash = $2 then null else now() end
             where name = $1 and name = 'bootstrap' and (hash = $2) = (revoked_at is not null) and principal_id = (select id from larder.principals where name = $3)",
        )
        .bind(name)
        .bind(hash(token.expose()).as_slice())
        .bind(ADMIN)
        .execute(&mut *tx)
        .await
        .map_err(database)?;
        if made.rows_affected() + changed.rows_affected() > 0 {
            let note = Note::new("create", "token", name).with(json!({ "of": ADMIN, "prefix": prefix(token) }));
            record(&mut tx, &Caller::operator(), &note).await?;
        }
        tx.commit().await.map_err(database)?;
        self.cache.empty();
        Ok(())
    }

    /// The name of the principal whose tokens recover a service that nobody administers any more: made, enabled and given its powers if need be.
    pub async fn ensure_admin(&self) -> Result<&'static str> {
        let sql = "insert into larder.principals as p (id, name, kind, admin) values ($1, $2, 'person', true)
                   on conflict (name) do update set admin = true, disabled_at = null where not p.admin or p.disabled_at is not null";
        let mut tx = self.control.begin().await.map_err(database)?;
        let ensured = sqlx::query(sql).bind(Uuid::now_v7()).bind(ADMIN).execute(&mut *tx).await.map_err(database)?;
        if ensured.rows_affected() > 0 {
            let note = Note::new("ensure", "principal", ADMIN).with(json!({ "admin": true, "disabled": false }));
            record(&mut tx, &Caller::operator(), &note).await?;
        }
        tx.commit().await.map_err(database)?;
        Ok(ADMIN)
    }

    /// Whether any token has ever been made: without one nobody can get in.
    pub async fn has_tokens(&self) -> Result<bool> {
        sqlx::query_scalar("select exists (select from larder.tokens)").fetch_one(&self.control).await.map_err(database)
    }
}

pub(super) fn hash(token: &str) -> TokenHash {
    Sha256::digest(token.as_bytes()).into()
}

/// What lists show of a token.
pub(super) fn prefix(token: &Secret) -> String {
    token.expose().chars().take(PREFIX_CHARS).collect()
}

/// What principals and tokens may be called.
///
/// # Errors
/// `Invalid`
pub(super) fn check_name(name: &str) -> Result<()> {
    if name.trim().is_empty() || name.chars().count() > NAME_CHARS_MAX || name.chars().any(char::is_control) {
        let detail = format!("it has 1 to {NAME_CHARS_MAX} characters, and no control character.");
        return Err(Error::invalid("name", detail));
    }
    Ok(())
}
