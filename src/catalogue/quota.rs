//! What one principal may have: bytes and datasets, by its owner whoever writes.

use super::{Catalogue, Dataset, store::database};
use crate::error::{Error, Quota, Result};
use sqlx::PgConnection;
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
        if max > 0 {
            let current = count(
                connection,
                owner,
                "with kept as (select v.id, v.object_id from larder.versions v join larder.datasets d on d.id = v.dataset_id where d.owner = $1 and d.deleted_at is null)
                 select coalesce(sum(size_bytes), 0)::bigint from larder.objects
                 where id in (select object_id from kept union select a.object_id from larder.appends a join kept on kept.id = a.version_id)",
            )
            .await?;
            if current > max {
                return Err(Error::Quota { quota: Quota::Bytes, max, current });
            }
        }
        Ok(())
    }
}

async fn count(connection: &mut PgConnection, owner: Uuid, sql: &'static str) -> Result<u64> {
    let count: i64 = sqlx::query_scalar(sql).bind(owner).fetch_one(connection).await.map_err(database)?;
    Ok(count.unsigned_abs())
}
