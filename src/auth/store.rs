//! Principals and tokens in Postgres.

use super::{Caller, Origin};
use crate::{
    catalogue::database,
    config::Secret,
    error::{Error, Result},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};
use sqlx::PgPool;
use uuid::Uuid;

const ADMIN: &str = "admin";
const PREFIX_CHARS: usize = 12;

#[derive(Debug, Clone)]
pub struct Auth {
    control: PgPool,
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
    pub fn new(control: PgPool) -> Self {
        Self { control }
    }

    /// The caller that a token stands for, if it is valid now.
    pub async fn caller(&self, token: &str) -> Result<Caller> {
        let row: Option<(Uuid, String, bool)> = sqlx::query_as(
            "select p.id, p.name, p.admin from larder.tokens t join larder.principals p on p.id = t.principal_id
             where t.hash = $1 and t.revoked_at is null and (t.expires_at is null or t.expires_at > now()) and p.disabled_at is null",
        )
        .bind(hash(token))
        .fetch_optional(&self.control)
        .await
        .map_err(database)?;
        let (principal, name, admin) = row.ok_or(Error::Unauthenticated)?;
        Ok(Caller { principal, name, admin, origin: Origin::default() })
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
        sqlx::query(
            "insert into larder.tokens (id, principal_id, name, hash, prefix)
             select $1, id, $2, $3, $4 from larder.principals where name = $5 on conflict (hash) do nothing",
        )
        .bind(Uuid::now_v7())
        .bind(name)
        .bind(hash(token.expose()))
        .bind(token.expose().chars().take(PREFIX_CHARS).collect::<String>())
        .bind(ADMIN)
        .execute(&mut *tx)
        .await
        .map_err(database)?;
        sqlx::query(
            "update larder.tokens set revoked_at = case when hash = $2 then null else coalesce(revoked_at, now()) end
             where name = $1 and name = 'bootstrap' and principal_id = (select id from larder.principals where name = $3)",
        )
        .bind(name)
        .bind(hash(token.expose()))
        .bind(ADMIN)
        .execute(&mut *tx)
        .await
        .map_err(database)?;
        tx.commit().await.map_err(database)
    }

    /// Whether any token has ever been made: without one nobody can get in.
    pub async fn has_tokens(&self) -> Result<bool> {
        sqlx::query_scalar("select exists (select from larder.tokens)").fetch_one(&self.control).await.map_err(database)
    }
}

fn hash(token: &str) -> Vec<u8> {
    Sha256::digest(token.as_bytes()).to_vec()
}
