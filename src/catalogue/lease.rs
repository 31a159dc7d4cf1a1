//! The right to publish: a row of `larder.pending`, committed before bytes move, renewed as long as its [`Lease`] lives.

use super::{Catalogue, store::database};
use crate::{
    audit::{Note, Outcome, Row, begin_with},
    auth::Caller,
    error::{Error, Result},
};
use sqlx::PgConnection;
use std::time::Duration;
use tokio::task::AbortHandle;
use uuid::Uuid;

/// What an upload is about to make. All of it becomes garbage unless a commit deletes the row first.
#[derive(Debug, Clone, Default)]
pub struct Pending {
    pub object_id: Option<Uuid>,
    pub table_id: Option<Uuid>,
    /// A document commits by its put into DynamoDB, so the sweep looks there which object won.
    pub document: Option<PendingDocument>,
}

#[derive(Debug, Clone)]
pub struct PendingDocument {
    pub collection_id: Uuid,
    pub document_id: String,
    /// The object that the put replaces.
    pub old_object_id: Option<Uuid>,
}

/// Held by the upload. Dropping it without a commit gives up what the row names at once.
#[derive(Debug)]
pub struct Lease {
    pub id: Uuid,
    catalogue: Catalogue,
    renewal: AbortHandle,
    committed: bool,
}

impl Catalogue {
    /// Commits the pending row of what a caller begins, and the audit's row of it under the same id; and starts renewing it.
    pub async fn lease_for(&self, caller: &Caller, note: &Note, pending: Pending) -> Result<Lease> {
        let (life, id) = (self.times.lease(), Uuid::now_v7());
        let row = Row { id, ..Row::of(caller, note, Outcome::Begun) };
        let sql =
            "insert into larder.pending (id, object_id, table_id, lease_until) values ($1, $17, $18, now() + $19)";
        let query = begin_with(&row, sql).bind(pending.object_id).bind(pending.table_id).bind(life);
        query.execute(&self.control).await.map_err(database)?;
        Ok(self.hold_lease(id))
    }

    /// The same of what is only a part of something.
    pub async fn lease(&self, pending: Pending) -> Result<Lease> {
        let id = self.insert_pending(pending, self.times.lease()).await?;
        Ok(self.hold_lease(id))
    }

    pub fn lease_life(&self) -> Duration {
        self.times.lease()
    }

    /// Renews a row that is committed for [`Catalogue::lease_life`].
    pub fn hold_lease(&self, id: Uuid) -> Lease {
        let renewal = tokio::spawn(renew(self.clone(), id, self.times.lease())).abort_handle();
        Lease { id, catalogue: self.clone(), renewal, committed: false }
    }

    /// Commits a pending row that nobody holds: once `after` has passed, the sweep looks whether the document still refers to its old object.
    pub async fn review_document(&self, document: PendingDocument, after: Duration) -> Result<()> {
        let pending = Pending { document: Some(document), ..Pending::default() };
        self.insert_pending(pending, after).await.map(|_| ())
    }

    async fn insert_pending(&self, pending: Pending, life: Duration) -> Result<Uuid> {
        let id = Uuid::now_v7();
        let (collection, document, old_object) = match pending.document {
            Some(PendingDocument { collection_id, document_id, old_object_id }) => {
                (Some(collection_id), Some(document_id), old_object_id)
            }
            None => (None, None, None),
        };
        sqlx::query(
            "insert into larder.pending (id, object_id, table_id, collection_id, document_id, old_object_id, lease_until)
             values ($1, $2, $3, $4, $5, $6, now() + $7)",
        )
        .bind(id)
        .bind(pending.object_id)
        .bind(pending.table_id)
        .bind(collection)
        .bind(document)
        .bind(old_object)
        .bind(life)
        .execute(&self.control)
        .await
        .map_err(database)?;
        Ok(id)
    }
}

async fn renew(catalogue: Catalogue, id: Uuid, life: Duration) {
    loop {
        tokio::time::sleep(life / 4).await;
        let renewed =
            sqlx::query("update larder.pending set lease_until = clock_timestamp() + $2 where id = $1 and lease_until > clock_timestamp()")
                .bind(id)
                .bind(life)
                .execute(&catalogue.control)
                .await;
        match renewed {
            Ok(done) if done.rows_affected() == 0 => return tracing::warn!(pending.id = %id, "lease lost"),
            Ok(_) => {}
            Err(error) => tracing::warn!(pending.id = %id, %error, "lease not renewed; trying again"),
        }
    }
}

impl Lease {
    /// Notes the multipart upload that a sweep has to abort.
    pub async fn set_multipart(&self, multipart_id: &str) -> Result<()> {
        self.update(
            "update larder.pending set multipart_id = $2 where id = $1 and lease_until > clock_timestamp()",
            multipart_id,
        )
        .await
    }

    /// A whole lease from now; the last step before a commit that is not in Postgres.
    pub async fn renew(&self) -> Result<()> {
        self.update(
            "update larder.pending set lease_until = clock_timestamp() + $2 where id = $1 and lease_until > clock_timestamp()",
            self.catalogue.times.lease(),
        )
        .await
    }

    /// Shortly before a commit: locks the row until the transaction ends, so that what it commits is named by a lease that no sweep has taken. By the clock:
    /// `now()` is when the transaction began.
    pub async fn hold(id: Uuid, transaction: &mut PgConnection) -> Result<()> {
        let sql = "select from larder.pending where id = $1 and lease_until > clock_timestamp() for share";
        let held = sqlx::query(sql).bind(id).fetch_optional(transaction).await.map_err(database)?;
        held.map(drop).ok_or(Error::LeaseLost)
    }

    /// Last in the transaction that publishes: the lease ends, and what it named is kept if this commits; what came through a drop box counts there from now on. Until here
    /// it can be renewed, however long the transaction takes.
    ///
    /// # Errors
    /// `LeaseLost`; `Gone` if the drop box was revoked meanwhile.
    pub async fn end(id: Uuid, transaction: &mut PgConnection) -> Result<()> {
        let sql = "with ended as (delete from larder.pending where id = $1 and lease_until > clock_timestamp() returning object_id, share_id),
                 counted as (update larder.shares s set upload_files = upload_files + 1, upload_bytes = upload_bytes + o.size_bytes
                     from ended join larder.objects o on o.id = ended.object_id where s.id = ended.share_id and s.revoked_at is null returning s.id)
             select share_id is null or exists (select from counted) from ended";
        match sqlx::query_scalar(sql).bind(id).fetch_optional(transaction).await.map_err(database)? {
            None => Err(Error::LeaseLost),
            Some(false) => Err(Error::Gone { detail: "The link was revoked while the file came.".to_owned() }),
            Some(true) => Ok(()),
        }
    }

    async fn update<'q, V>(&self, sql: &'static str, value: V) -> Result<()>
    where
        V: sqlx::Encode<'q, sqlx::Postgres> + sqlx::Type<sqlx::Postgres> + Send + 'q,
    {
        let done =
            sqlx::query(sql).bind(self.id).bind(value).execute(&self.catalogue.control).await.map_err(database)?;
        if done.rows_affected() == 0 { Err(Error::LeaseLost) } else { Ok(()) }
    }

    /// The commit has deleted the row, or the sweep is to judge by the document store: nothing is left to give up.
    pub fn committed(mut self) {
        self.committed = true;
    }

    /// Ends the lease of a document after its put: of the two objects, the one that lost becomes garbage. The lease ends even when this fails; the sweep
    /// then looks at the document itself.
    pub async fn document_committed(self, lost: Option<Uuid>) -> Result<()> {
        let catalogue = self.catalogue.clone();
        let id = self.id;
        self.committed();
        catalogue.resolve_document(id, lost.as_slice()).await
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.renewal.abort();
        if self.committed {
            return;
        }
        let (catalogue, id) = (self.catalogue.clone(), self.id);
        tokio::spawn(async move {
            if let Err(error) = catalogue.give_up(id).await {
                tracing::warn!(pending.id = %id, ?error, "an abandoned upload waits for its lease to end");
            }
        });
    }
}
