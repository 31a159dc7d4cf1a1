//! Versions that live links hold: kept whatever comes after them, and never changed.
//!
//! **Invariant.** A version is pinned and let go under the lock of its dataset, so neither falls between a change's look at it and that change.

use super::{Catalogue, Dataset, Kind, store::database};
use crate::error::{Error, Result};
use sqlx::PgConnection;
use uuid::{NoContext, Timestamp, Uuid};

/// `v` is a version that is pinned by nobody's live link.
const UNHELD: &str = "v.pinned and not exists (select from larder.shares s where s.version_id = v.id and s.revoked_at is null \
     and (s.expires_at is null or s.expires_at > now()))";

impl Catalogue {
    /// Pins a version of a dataset, the current one if no number is given, until the link that is made or extended in this transaction is over.
    ///
    /// # Errors
    /// `NotFound`; one that [`is_busy`](super::is_busy) if somebody else has the lock.
    pub async fn pin(&self, connection: &mut PgConnection, dataset: Uuid, number: Option<i64>) -> Result<Uuid> {
        let locked = self.lock(connection, Kind::Table, dataset).await?;
        let number = number.map_or_else(|| locked.current().map(|version| version.number), Ok)?;
        let sql = "update larder.versions set pinned = true where dataset_id = $1 and number = $2 returning id";
        let pinned = sqlx::query_scalar(sql).bind(dataset).bind(number).fetch_optional(connection).await;
        pinned.map_err(database)?.ok_or(Error::NotFound { what: "version" })
    }

    /// Under the lock of the dataset, whose version is pinned: `table` is a copy of its rows, which is current and may change from now on. It has its appends too, and of the changes of
    /// rows those that can be undone.
    pub async fn fork(&self, connection: &mut PgConnection, dataset: &Dataset, table: Uuid) -> Result<()> {
        let pinned = dataset.current()?;
        let id = twin(pinned.id);
        let number: i64 = sqlx::query_scalar(
            "insert into larder.versions (id, dataset_id, number, object_id, content_type, content_encoding, table_id, columns, row_count, ingest, options, revision, created_by)
             select $1, dataset_id, (select max(number) from larder.versions w where w.dataset_id = v.dataset_id) + 1, object_id, content_type, content_encoding, $3, columns,
                 row_count, ingest, options, revision, created_by from larder.versions v where id = $2 returning number",
        )
        .bind(id)
        .bind(pinned.id)
        .bind(table)
        .fetch_one(&mut *connection)
        .await
        .map_err(database)?;
        sqlx::query(
            "insert into larder.appends (id, version_id, position, object_id, content_type, content_encoding, row_count, row_base, ingest, options, created_by, created_at)
             select gen_random_uuid(), $1, position, object_id, content_type, content_encoding, row_count, row_base, ingest, options, created_by, created_at
             from larder.appends where version_id = $2",
        )
        .bind(id)
        .bind(pinned.id)
        .execute(&mut *connection)
        .await
        .map_err(database)?;
        for sql in [
            "update larder.changes set version_id = $1 where version_id = $2",
            "update larder.datasets set current = $1 where current = $2",
        ] {
            sqlx::query(sql).bind(id).bind(pinned.id).execute(&mut *connection).await.map_err(database)?;
        }
        self.prune(connection, dataset.id, number).await
    }

    /// Lets go of versions whose links are over; those past their keep become garbage.
    pub async fn release_pins(&self) -> Result<()> {
        let sql = format!("select distinct v.dataset_id from larder.versions v where {UNHELD}");
        let datasets: Vec<Uuid> =
            sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_all(&self.control).await.map_err(database)?;
        let mut released = Ok(());
        for dataset in datasets {
            released = released.and(self.release_pins_of(dataset).await);
        }
        released
    }

    /// Of one dataset, unless somebody is changing it: the next sweep comes again.
    async fn release_pins_of(&self, dataset: Uuid) -> Result<()> {
        let mut tx = self.control.begin().await.map_err(database)?;
        let newest: Option<i64> = sqlx::query_scalar(
            "select v.number from larder.datasets d join larder.versions v on v.id = d.current
             where d.id = $1 and d.deleted_at is null for no key update of d skip locked",
        )
        .bind(dataset)
        .fetch_optional(&mut *tx)
        .await
        .map_err(database)?;
        let Some(newest) = newest else { return Ok(()) };
        let sql = format!("update larder.versions v set pinned = false where v.dataset_id = $1 and {UNHELD}");
        sqlx::query(sqlx::AssertSqlSafe(sql)).bind(dataset).execute(&mut *tx).await.map_err(database)?;
        self.prune(&mut tx, dataset, newest).await?;
        tx.commit().await.map_err(database)
    }
}

/// A new id with the end of another, which is what an ETag is made of.
fn twin(id: Uuid) -> Uuid {
    // The count that keeps ids of one moment apart may lie in the end that is copied: chance is instead of it.
    let mut bytes = *Uuid::new_v7(Timestamp::now(NoContext)).as_bytes();
    bytes[10..].copy_from_slice(&id.as_bytes()[10..]);
    Uuid::from_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::twin;
    use uuid::Uuid;

    #[test]
    fn a_twin_is_another_id_with_the_same_end() {
        let id = Uuid::now_v7();
        let twin = twin(id);
        assert_ne!(twin, id);
        assert_eq!(twin.as_fields().3[2..], id.as_fields().3[2..]);
        assert_eq!(twin.get_version_num(), 7);
    }
}
