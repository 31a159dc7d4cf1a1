//! From expired leases and deleted datasets to garbage, and from due garbage to nothing. The deleting itself is done by `crate::sweep`, which knows the stores.

use super::{Catalogue, store::database};
use crate::{audit::close_begun, error::Result};
use sqlx::{FromRow, PgConnection, Postgres, Transaction};
use std::time::Duration;
use uuid::Uuid;

/// What one row of garbage names. Its row stays locked until [`GarbageClaim::deleted`], so two replicas never take the same.
#[derive(Debug, Clone, FromRow)]
pub struct Garbage {
    pub id: Uuid,
    pub object_id: Option<Uuid>,
    pub multipart_id: Option<String>,
    pub table_id: Option<Uuid>,
    pub collection_id: Option<Uuid>,
    pub shards: Option<i32>,
}

pub struct GarbageClaim {
    pub garbage: Garbage,
    tx: Transaction<'static, Postgres>,
}

/// An expired lease on a document: which of the two objects is used stands in the document itself.
#[derive(Debug, Clone, FromRow)]
pub struct ExpiredDocument {
    pub id: Uuid,
    pub collection_id: Uuid,
    /// `None` once the collection itself is gone.
    pub shards: Option<i32>,
    pub document_id: String,
    pub object_id: Option<Uuid>,
    pub old_object_id: Option<Uuid>,
}

impl Catalogue {
    /// Puts an object or a table into the garbage; it is deleted once it has aged.
    pub async fn discard(
        &self,
        connection: &mut PgConnection,
        object: Option<Uuid>,
        table: Option<Uuid>,
    ) -> Result<()> {
        sqlx::query("insert into larder.garbage (id, object_id, table_id, due_at) values ($1, $2, $3, now() + make_interval(secs => $4))")
            .bind(Uuid::now_v7())
            .bind(object)
            .bind(table)
            .bind(self.garbage_seconds())
            .execute(connection)
            .await
            .map_err(database)?;
        Ok(())
    }

    /// Gives up one lease: what it names becomes garbage, due after another lease at least, when no request can still be writing it. A document's is left to expire,
    /// since its put may yet arrive.
    pub(super) async fn give_up(&self, id: Uuid) -> Result<()> {
        self.pending_to_garbage("select $2::uuid", Some(id)).await
    }

    /// Gives up every lease that has expired, but those that a commit or another sweep is looking at.
    pub async fn expire_leases(&self) -> Result<()> {
        let expired = "select id from larder.pending where lease_until < now() and document_id is null and $2::uuid is null for update skip locked";
        self.pending_to_garbage(expired, None).await
    }

    async fn pending_to_garbage(&self, which: &str, id: Option<Uuid>) -> Result<()> {
        let sql = format!(
            "with given_up as materialized ({which}),
             gone as (delete from larder.pending where id in (select * from given_up) and document_id is null returning id, object_id, multipart_id, table_id),
             told as ({})
             insert into larder.garbage (id, object_id, multipart_id, table_id, due_at)
             select id, object_id, multipart_id, table_id, now() + make_interval(secs => $1) from gone",
            close_begun("failed")
        );
        let query = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(self.times.lease().as_secs_f64().max(self.garbage_seconds()))
            .bind(id);
        query.execute(&self.control).await.map_err(database)?;
        Ok(())
    }

    /// Leases on documents that have expired, for the document store to judge; the put they guarded has long timed out.
    pub async fn expired_documents(&self) -> Result<Vec<ExpiredDocument>> {
        sqlx::query_as(
            "select p.id, p.collection_id, d.shards, p.document_id, p.object_id, p.old_object_id from larder.pending p
             left join larder.datasets d on d.id = p.collection_id where p.document_id is not null and p.lease_until < now() order by p.lease_until limit 100",
        )
        .fetch_all(&self.control)
        .await
        .map_err(database)
    }

    /// Ends a lease on a document; `lost` are objects that the document does not refer to, and become garbage. Nothing if the lease has ended before.
    pub async fn resolve_document(&self, lease: Uuid, lost: &[Uuid]) -> Result<()> {
        let ids: Vec<Uuid> = lost.iter().map(|_| Uuid::now_v7()).collect();
        sqlx::query(
            "with gone as (delete from larder.pending where id = $1 returning object_id, multipart_id)
             insert into larder.garbage (id, object_id, multipart_id, due_at)
             select lost.id, lost.object_id, case when lost.object_id = gone.object_id then gone.multipart_id end, now() + make_interval(secs => $4)
             from gone, unnest($2::uuid[], $3::uuid[]) as lost (id, object_id)",
        )
        .bind(lease)
        .bind(&ids)
        .bind(lost)
        .bind(self.garbage_seconds())
        .execute(&self.control)
        .await
        .map_err(database)?;
        Ok(())
    }

    /// Leaves an expired lease on a document for later: the document is hidden, and may yet be restored.
    pub async fn postpone_document(&self, lease: Uuid, life: Duration) -> Result<()> {
        sqlx::query("update larder.pending set lease_until = now() + $2 where id = $1")
            .bind(lease)
            .bind(life)
            .execute(&self.control)
            .await
            .map_err(database)?;
        Ok(())
    }

    /// Datasets that were deleted too long ago to be restored.
    pub async fn expired_datasets(&self) -> Result<Vec<Uuid>> {
        let sql =
            "select id from larder.datasets where deleted_at < now() - make_interval(days => $1) order by deleted_at";
        sqlx::query_scalar(sql).bind(self.deleted_days()).fetch_all(&self.control).await.map_err(database)
    }

    /// All that such a dataset had becomes garbage; nothing happens if another sweep has it, or somebody restored it.
    pub async fn expire_dataset(&self, id: Uuid) -> Result<()> {
        let mut tx = self.control.begin().await.map_err(database)?;
        let dataset: Option<Option<i32>> = sqlx::query_scalar(
            "select shards from larder.datasets where id = $2 and deleted_at < now() - make_interval(days => $1) for update skip locked",
        )
        .bind(self.deleted_days())
        .bind(id)
        .fetch_optional(&mut *tx)
        .await
        .map_err(database)?;
        let Some(shards) = dataset else { return Ok(()) };
        sqlx::query("update larder.datasets set current = null where id = $1")
            .bind(id)
            .execute(&mut *tx)
            .await
            .map_err(database)?;
        let versions = sqlx::query_scalar("select id from larder.versions where dataset_id = $1");
        let versions: Vec<Uuid> = versions.bind(id).fetch_all(&mut *tx).await.map_err(database)?;
        self.discard_versions(&mut tx, &versions).await?;
        for sql in [
            // No hit is written down while its share goes.
            "select from larder.shares where dataset_id = $1 for update",
            "delete from larder.share_hits where share_id in (select id from larder.shares where dataset_id = $1)",
            "delete from larder.shares where dataset_id = $1",
            "delete from larder.indexes where dataset_id = $1",
            "delete from larder.datasets where id = $1",
        ] {
            sqlx::query(sql).bind(id).execute(&mut *tx).await.map_err(database)?;
        }
        if let Some(shards) = shards {
            sqlx::query("insert into larder.garbage (id, collection_id, shards, due_at) values ($1, $2, $3, now() + make_interval(secs => $4))")
                .bind(Uuid::now_v7())
                .bind(id)
                .bind(shards)
                .bind(self.garbage_seconds())
                .execute(&mut *tx)
                .await
                .map_err(database)?;
        }
        tx.commit().await.map_err(database)
    }

    /// Moves versions into the garbage, and of their objects those that no other version refers to.
    pub(super) async fn discard_versions(&self, connection: &mut PgConnection, versions: &[Uuid]) -> Result<()> {
        // Nobody refers to them any more while this goes on.
        sqlx::query("select from larder.versions where id = any($1) order by id for update")
            .bind(versions)
            .execute(&mut *connection)
            .await
            .map_err(database)?;
        // The lock orders two transactions that each drop one of the last two references.
        sqlx::query(
            "select from larder.objects where id in (select object_id from larder.versions where id = any($1)
             union all select object_id from larder.appends where version_id = any($1)
             union all select object_id from larder.renditions where version_id = any($1)) order by id for update",
        )
        .bind(versions)
        .execute(&mut *connection)
        .await
        .map_err(database)?;
        let appended: Vec<Uuid> =
            sqlx::query_scalar("delete from larder.appends where version_id = any($1) returning object_id")
                .bind(versions)
                .fetch_all(&mut *connection)
                .await
                .map_err(database)?;
        let kept: Vec<Option<Uuid>> =
            sqlx::query_scalar("delete from larder.changes where version_id = any($1) returning table_id")
                .bind(versions)
                .fetch_all(&mut *connection)
                .await
                .map_err(database)?;
        let rendered: Vec<Uuid> =
            sqlx::query_scalar("delete from larder.renditions where version_id = any($1) returning object_id")
                .bind(versions)
                .fetch_all(&mut *connection)
                .await
                .map_err(database)?;
        let gone: Vec<(Uuid, Option<Uuid>)> =
            sqlx::query_as("delete from larder.versions where id = any($1) returning object_id, table_id")
                .bind(versions)
                .fetch_all(&mut *connection)
                .await
                .map_err(database)?;
        let objects: Vec<Uuid> = gone.iter().map(|(object, _)| *object).chain(appended).chain(rendered).collect();
        let unused: Vec<Uuid> = sqlx::query_scalar(
            "delete from larder.objects o where id = any($1) and not exists (select from larder.versions v where v.object_id = o.id)
             and not exists (select from larder.appends a where a.object_id = o.id) returning id",
        )
        .bind(&objects)
        .fetch_all(&mut *connection)
        .await
        .map_err(database)?;
        for object in unused {
            self.discard(&mut *connection, Some(object), None).await?;
        }
        for table in gone.into_iter().map(|(_, table)| table).chain(kept).flatten() {
            self.discard(&mut *connection, None, Some(table)).await?;
        }
        Ok(())
    }

    /// Takes one row of garbage that is due and that nobody else has taken, in order of age, after `after`; none while an export holds on to all of it.
    pub async fn claim_garbage(&self, after: Uuid) -> Result<Option<GarbageClaim>> {
        let mut tx = self.control.begin().await.map_err(database)?;
        let garbage = sqlx::query_as(
            "select id, object_id, multipart_id, table_id, collection_id, shards from larder.garbage
             where due_at < now() and id > $1 and not exists (select from larder.holds where held_until > now()) order by id limit 1 for update skip locked",
        )
        .bind(after)
        .fetch_optional(&mut *tx)
        .await
        .map_err(database)?;
        Ok(garbage.map(|garbage| GarbageClaim { garbage, tx }))
    }

    pub(super) fn deleted_days(&self) -> i32 {
        i32::try_from(self.times.deleted_days).unwrap_or(i32::MAX)
    }

    pub(super) fn garbage_seconds(&self) -> f64 {
        Duration::from_secs(self.times.garbage_seconds).as_secs_f64()
    }
}

impl GarbageClaim {
    /// The stores have deleted what the row names; the row goes too.
    pub async fn deleted(mut self) -> Result<()> {
        sqlx::query("delete from larder.garbage where id = $1")
            .bind(self.garbage.id)
            .execute(&mut *self.tx)
            .await
            .map_err(database)?;
        self.tx.commit().await.map_err(database)
    }
}
