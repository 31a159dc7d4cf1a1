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

type Row = (Option<Vec<u8>>, Option<Value>);

impl Catalogue {
    /// Claims the key for the upload of this pending row; the answer, if it has one already.
    ///
    /// # Errors
    /// `InProgress` while the first request is.
    pub async fn claim_key(&self, caller: &Caller, key: &str, pending: Uuid) -> Result<Option<KeptAnswer>> {
        let claimed = sqlx::query(
            "insert into larder.idempotency as i (principal_id, key, pending_id) values ($1, $2, $3)
             on conflict (principal_id, key) do update set pending_id = $3, fingerprint = null, answer = null, created_at = now()
             where i.created_at < now() - make_interval(hours => $4)
                or (i.answer is null and not exists (select from larder.pending p where p.id = i.pending_id and p.lease_until > now()))",
        )
        .bind(caller.principal)
        .bind(key)
        .bind(pending)
        .bind(ANSWER_HOURS)
        .execute(&self.control)
        .await
        .map_err(database)?;
        if claimed.rows_affected() > 0 {
            return Ok(None);
        }
        let kept: Option<Row> =
            sqlx::query_as("select fingerprint, answer from larder.idempotency where principal_id = $1 and key = $2")
                .bind(caller.principal)
                .bind(key)
                .fetch_optional(&self.control)
                .await
                .map_err(database)?;
        match kept {
            Some((Some(fingerprint), Some(answer))) => Ok(Some(KeptAnswer { fingerprint, answer })),
            _ => Err(Error::InProgress),
        }
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
