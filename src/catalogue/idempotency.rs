//! `Idempotency-Key`: a request that comes again is answered as it was the first time, and done once.
//!
//! A key belongs to its principal. Its row is claimed before bytes move, names the pending row of the upload, and gets its answer in the transaction that
//! commits the upload. A claim whose pending row is gone without an answer failed, and may be taken over.

use super::{Catalogue, store::database};
use crate::{
    auth::Caller,
    error::{Error, Result},
};
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

/// How long an answer is kept, in hours.
const ANSWER_HOURS: i32 = 24;

/// What a request was answered the first time.
#[derive(Debug, Clone)]
pub struct KeptAnswer {
    /// SHA-256 of route, parameters and body.
    pub fingerprint: Vec<u8>,
    pub answer: Value,
}

impl KeptAnswer {
    /// For what is done in one transaction, this one: keeps the answer, or gives the one that is kept, and then nothing is to be done. Waits for a transaction
    /// that does the same.
    ///
    /// # Errors
    /// `KeyReused` if it was kept for another request; `InProgress` if an upload has claimed the key.
    pub async fn keep_or_find(
        &self,
        connection: &mut PgConnection,
        caller: &Caller,
        key: &str,
    ) -> Result<Option<Self>> {
        match claim(connection, caller, key, Uuid::nil(), Some(self)).await? {
            Some(found) if found.fingerprint != self.fingerprint => Err(Error::KeyReused),
            found => Ok(found),
        }
    }
}

async fn claim(
    connection: &mut PgConnection,
    caller: &Caller,
    key: &str,
    pending: Uuid,
    kept: Option<&KeptAnswer>,
) -> Result<Option<KeptAnswer>> {
    let claimed = sqlx::query(
        "insert into larder.idempotency as i (principal_id, key, pending_id, fingerprint, answer) values ($1, $2, $3, $4, $5)
         on conflict (principal_id, key) do update set pending_id = $3, fingerprint = $4, answer = $5, created_at = now()
         where i.created_at < now() - make_interval(hours => $6)
            or (i.answer is null and not exists (select from larder.pending p where p.id = i.pending_id and p.lease_until > now()))",
    )
    .bind(caller.principal)
    .bind(key)
    .bind(pending)
    .bind(kept.map(|kept| &kept.fingerprint))
    .bind(kept.map(|kept| &kept.answer))
    .bind(ANSWER_HOURS)
    .execute(&mut *connection)
    .await
    .map_err(database)?;
    if claimed.rows_affected() > 0 {
        return Ok(None);
    }
    let sql = "select fingerprint, answer from larder.idempotency where principal_id = $1 and key = $2";
    let found: Option<(Option<Vec<u8>>, Option<Value>)> =
        sqlx::query_as(sql).bind(caller.principal).bind(key).fetch_optional(connection).await.map_err(database)?;
    match found {
        Some((Some(fingerprint), Some(answer))) => Ok(Some(KeptAnswer { fingerprint, answer })),
        _ => Err(Error::InProgress),
    }
}

impl Catalogue {
    /// Claims the key for the upload of this pending row; the answer, if it has one already.
    ///
    /// # Errors
    /// `InProgress` while the first request is.
    pub async fn claim_key(&self, caller: &Caller, key: &str, pending: Uuid) -> Result<Option<KeptAnswer>> {
        let mut connection = self.control.acquire().await.map_err(database)?;
        claim(&mut connection, caller, key, pending, None).await
    }

    /// In the transaction that commits the upload.
    ///
    /// # Errors
    /// `LeaseLost` if another request has taken the key over: this one's pending row had expired.
    pub async fn answer_key(
        &self,
        connection: &mut PgConnection,
        caller: &Caller,
        key: &str,
        pending: Uuid,
        kept: &KeptAnswer,
    ) -> Result<()> {
        let done = sqlx::query(
            "update larder.idempotency set fingerprint = $4, answer = $5 where principal_id = $1 and key = $2 and pending_id = $3",
        )
        .bind(caller.principal)
        .bind(key)
        .bind(pending)
        .bind(&kept.fingerprint)
        .bind(&kept.answer)
        .execute(connection)
        .await
        .map_err(database)?;
        if done.rows_affected() == 0 { Err(Error::LeaseLost) } else { Ok(()) }
    }

    /// A request that failed leaves its key free at once.
    pub async fn release_key(&self, caller: &Caller, key: &str, pending: Uuid) -> Result<()> {
        sqlx::query(
            "delete from larder.idempotency where principal_id = $1 and key = $2 and pending_id = $3 and answer is null",
        )
        .bind(caller.principal)
        .bind(key)
        .bind(pending)
        .execute(&self.control)
        .await
        .map_err(database)?;
        Ok(())
    }

    /// Forgets answers that are too old to be given again.
    pub async fn expire_keys(&self) -> Result<()> {
        sqlx::query("delete from larder.idempotency where created_at < now() - make_interval(hours => $1)")
            .bind(ANSWER_HOURS)
            .execute(&self.control)
            .await
            .map_err(database)?;
        Ok(())
    }
}
