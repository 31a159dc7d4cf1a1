//! Sessions in Postgres.

use crate::{
    audit::{Note, record},
    auth::{Auth, Caller, random_text},
    catalogue::database,
    config::Secret,
    error::{Error, Result},
};
use sha2::{Digest, Sha256};
use std::{sync::Arc, time::Duration};
use time::OffsetDateTime;

/// Of a session's hash, so that a cookie's value is never taken for a token.
const PURPOSE: &str = "session ";

/// A session as its browser gets it, once.
#[derive(Debug)]
pub struct Session {
    pub cookie: Secret,
    pub expires_at: OffsetDateTime,
}

impl Auth {
    /// The caller whose token the session stands for, if both are valid now.
    pub async fn caller_of_session(&self, cookie: &str) -> Result<Arc<Caller>> {
        let sql = "from larder.sessions s join larder.tokens t on t.id = s.token_id join larder.principals p on p.id = t.principal_id
             where s.hash = $1 and s.expires_at > now()";
        self.valid(hash(cookie), "least(t.expires_at, s.expires_at)", sql).await
    }

    /// Begins a session for the caller's token.
    pub async fn begin_session(&self, caller: &Caller, life: Duration) -> Result<Session> {
        let token = caller.origin.token.ok_or(Error::Unauthenticated)?;
        let cookie = Secret::new(random_text()?);
        let mut tx = self.control.begin().await.map_err(database)?;
        let expires_at = sqlx::query_scalar(
            "insert into larder.sessions (hash, token_id, expires_at)
             select $1, t.id, least(now() + $3, t.expires_at) from larder.tokens t where t.id = $2 returning expires_at",
        )
        .bind(hash(cookie.expose()).as_slice())
        .bind(token)
        .bind(life)
        .fetch_one(&mut *tx)
        .await
        .map_err(database)?;
        record(&mut tx, caller, &Note::new("login", "session", caller.name.clone())).await?;
        tx.commit().await.map_err(database)?;
        Ok(Session { cookie, expires_at })
    }

    /// Ends a session; one that is over already is no error.
    pub async fn end_session(&self, caller: &Caller, cookie: &str) -> Result<()> {
        let mut tx = self.control.begin().await.map_err(database)?;
        let sql = "delete from larder.sessions where hash = $1";
        let ended = sqlx::query(sql).bind(hash(cookie).as_slice()).execute(&mut *tx).await.map_err(database)?;
        if ended.rows_affected() > 0 {
            record(&mut tx, caller, &Note::new("logout", "session", caller.name.clone())).await?;
        }
        tx.commit().await.map_err(database)?;
        self.cache.empty();
        Ok(())
    }

    /// Forgets sessions that are over.
    pub async fn expire_sessions(&self) -> Result<()> {
        let sql = "delete from larder.sessions where expires_at < now()";
        sqlx::query(sql).execute(&self.control).await.map_err(database).map(|_| ())
    }
}

fn hash(cookie: &str) -> [u8; 32] {
    Sha256::digest(format!("{PURPOSE}{cookie}")).into()
}
