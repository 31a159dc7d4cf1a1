//! What one principal may have: bytes and datasets, by its owner whoever writes.
//!
//! Objects are counted by a query when something changes. Documents have no rows in Postgres, so each collection keeps the sum of their bytes, to which a moment behind each write is
//! added what it changed: writes at the same moment may pass the limit together.

use super::{Catalogue, Dataset, store::database};
use crate::error::{Error, Quota, Result};
use sqlx::PgConnection;
use std::collections::BTreeMap;
use uuid::Uuid;

impl Catalogue {
    /// Behind a change of the dataset, in its transaction: whether its owner has more than it may. Changes of one owner's datasets wait for one another here, so that no two
    /// of them pass the limit together; the lock comes behind that of the dataset.
    ///
    /// # Errors
    /// `Quota`
    pub async fn check_quota(&self, connection: &mut PgConnection, dataset: &Dataset, created: bool) -> Result<()> {
        let owner = dataset.owner;
        if self.principal_bytes_max == 0 && self.principal_datasets_max == 0 {
            return Ok(());
        }
        let lock = sqlx::query("select from larder.principals where id = $1 for no key update");
        lock.bind(owner).execute(&mut *connection).await.map_err(database)?;
        let max = self.principal_datasets_max;
        if max > 0 && created {
            let current = count(
                connection,
                owner,
                "select count(*) from larder.datasets where owner = $1 and deleted_at is null",
            )
            .await?;
            if current > max {
                return Err(Error::Quota { quota: Quota::Datasets, max, current });
            }
        }
        let max = self.principal_bytes_max;
        if self.limits_bytes() {
            let current = bytes(connection, owner).await?;
            if current > max {
                return Err(Error::Quota { quota: Quota::Bytes, max, current });
            }
        }
        Ok(())
    }

    pub fn limits_bytes(&self) -> bool {
        self.principal_bytes_max > 0
    }

    /// Before documents of the collection grow by so many bytes together, where bytes are limited: whether its owner may have them.
    ///
    /// # Errors
    /// `Quota`
    pub async fn check_growth(&self, collection: &Dataset, growth: u64) -> Result<()> {
        let max = self.principal_bytes_max;
        let mut connection = self.control.acquire().await.map_err(database)?;
        let current = bytes(&mut connection, collection.owner).await?.saturating_add(growth);
        if current > max {
            return Err(Error::Quota { quota: Quota::Bytes, max, current });
        }
        Ok(())
    }

    /// Adds to the sums of collections what their documents have grown by, a negative number if they have shrunk. Not waited for on the disk; a sum is below zero while another
    /// replica's part is still to come.
    pub async fn add_document_bytes(&self, grown: BTreeMap<Uuid, i64>) -> Result<()> {
        for (collection, bytes) in grown {
            sqlx::query(
                "update larder.datasets set document_bytes = document_bytes + $2
                 from (select set_config('synchronous_commit', 'off', true)) as later where id = $1",
            )
            .bind(collection)
            .bind(bytes)
            .execute(&self.control)
            .await
            .map_err(database)?;
        }
        Ok(())
    }
}

/// All that the principal has, in bytes.
async fn bytes(connection: &mut PgConnection, owner: Uuid) -> Result<u64> {
    count(
        connection,
        owner,
        "with kept as (select v.id, v.object_id from larder.versions v join larder.datasets d on d.id = v.dataset_id where d.owner = $1 and d.deleted_at is null)
         select (coalesce(sum(size_bytes), 0) + (select coalesce(sum(greatest(document_bytes, 0)), 0) from larder.datasets where owner = $1 and deleted_at is null))::bigint from larder.objects
         where id in (select object_id from kept union select a.object_id from larder.appends a join kept on kept.id = a.version_id)",
    )
    .await
}

async fn count(connection: &mut PgConnection, owner: Uuid, sql: &'static str) -> Result<u64> {
    let count: i64 = sqlx::query_scalar(sql).bind(owner).fetch_one(connection).await.map_err(database)?;
    Ok(count.unsigned_abs())
}
