//! Rows of a table as a file, made once for a state of a version and what is asked of it, so that it can be read by ranges of bytes.
//!
//! **Invariant.** A rendition has an object of its own, which becomes garbage with it: with its version, behind a later revision, or when nobody has used it for a day.

use super::{Catalogue, Lease, publish::insert_object, store::database};
use crate::{error::Result, objects::Stored};
use sqlx::FromRow;
use time::OffsetDateTime;
use uuid::Uuid;

#[derive(Debug, Clone, FromRow)]
pub struct Rendition {
    pub object_id: Uuid,
    pub size_bytes: i64,
    pub created_at: OffsetDateTime,
}

/// Which state of what, and a hash of what is asked of it.
#[derive(Debug, Clone)]
pub struct RenditionKey {
    pub version: Uuid,
    pub revision: i64,
    pub asked: String,
}

impl Catalogue {
    /// The rendition, if it has been made; from now on it is used.
    pub async fn rendition(&self, key: &RenditionKey) -> Result<Option<Rendition>> {
        sqlx::query_as(
            "with found as (select id, object_id, used_at from larder.renditions where version_id = $1 and revision = $2 and asked = $3),
             used as (update larder.renditions r set used_at = now() from found where r.id = found.id and found.used_at < now() - interval '1 hour')
             select o.id as object_id, o.size_bytes, o.created_at from found join larder.objects o on o.id = found.object_id",
        )
        .bind(key.version)
        .bind(key.revision)
        .bind(&key.asked)
        .fetch_optional(&self.control)
        .await
        .map_err(database)
    }

    /// How many a version has.
    pub async fn renditions(&self, version: Uuid) -> Result<u64> {
        let count = sqlx::query_scalar("select count(*) from larder.renditions where version_id = $1").bind(version);
        let count: i64 = count.fetch_one(&self.control).await.map_err(database)?;
        Ok(count.unsigned_abs())
    }

    /// Commits an object that the lease names as a rendition. If another request was faster with the same, the object goes with the lease; either way it is there after this.
    pub async fn keep_rendition(&self, lease: Lease, key: &RenditionKey, object: &Stored) -> Result<()> {
        let mut tx = self.control.begin().await.map_err(database)?;
        insert_object(&mut tx, object).await?;
        let kept = sqlx::query(
            "insert into larder.renditions (id, version_id, revision, asked, object_id) values ($1, $2, $3, $4, $5) on conflict (version_id, revision, asked) do nothing",
        )
        .bind(Uuid::now_v7())
        .bind(key.version)
        .bind(key.revision)
        .bind(&key.asked)
        .bind(object.id)
        .execute(&mut *tx)
        .await
        .map_err(database)?;
        if kept.rows_affected() == 0 {
            return tx.rollback().await.map_err(database);
        }
        Lease::end(lease.id, &mut tx).await?;
        tx.commit().await.map_err(database)?;
        lease.committed();
        Ok(())
    }

    /// Those of earlier revisions, and those that nobody uses, become garbage.
    pub async fn expire_renditions(&self) -> Result<()> {
        sqlx::query(
            "with old as (delete from larder.renditions r using larder.versions v where v.id = r.version_id
                 and (r.revision < v.revision or r.used_at < now() - interval '1 day') returning r.object_id),
             gone as (delete from larder.objects o using old where o.id = old.object_id returning o.id)
             insert into larder.garbage (id, object_id, due_at) select gen_random_uuid(), id, now() + make_interval(secs => $1) from gone",
        )
        .bind(self.garbage_seconds())
        .execute(&self.control)
        .await
        .map_err(database)?;
        Ok(())
    }
}
