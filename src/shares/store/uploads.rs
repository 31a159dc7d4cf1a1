//! Room in a drop box: kept free for a file before it comes, by the very row that gives the right to publish it. So it is free again when the upload breaks off, at once or, if the process
//! ended, behind its lease; and the commit that publishes the file counts it (`Lease::end`).

use super::Shares;
use crate::{
    audit::{Note, Outcome, Row, begin_with},
    auth::Caller,
    catalogue::{Lease, database},
    error::{Error, Result},
};
use uuid::Uuid;

/// Room for one file, which becomes an object.
#[derive(Debug)]
pub struct Room {
    pub lease: Lease,
    pub object_id: Uuid,
    pub bytes: u64,
}

impl Shares {
    /// Room in the folder of a link for a file of `bytes`, or of as many as are left, which comes in its maker's name. `note` says for the audit what begins with it.
    ///
    /// # Errors
    /// `DropBoxFull`; `NotShared` if the link takes nothing any more.
    pub async fn take_room(
        &self,
        (share, maker): (Uuid, &Caller),
        note: &Note,
        (bytes_max, files_max): (u64, u32),
        bytes: Option<u64>,
    ) -> Result<Room> {
        let mut tx = self.catalogue.control.begin().await.map_err(database)?;
        let kept: Option<(i32, i64)> = sqlx::query_as(
            "select upload_files, upload_bytes from larder.shares where id = $1 and revoked_at is null
             and (expires_at is null or expires_at > now()) and may_upload for no key update",
        )
        .bind(share)
        .fetch_optional(&mut *tx)
        .await
        .map_err(database)?;
        let (files, kept) = kept.ok_or(Error::NotShared { action: "uploads" })?;
        // A statement of its own: it sees what was taken while the lock was waited for.
        let (coming, held): (i64, i64) = sqlx::query_as(
            "select count(*), coalesce(sum(share_bytes), 0)::bigint from larder.pending where share_id = $1 and lease_until > clock_timestamp()",
        )
        .bind(share)
        .fetch_one(&mut *tx)
        .await
        .map_err(database)?;
        let left = bytes_max.saturating_sub(kept.unsigned_abs() + held.unsigned_abs());
        let bytes = bytes.unwrap_or(left);
        if i64::from(files) + coming >= i64::from(files_max) || left == 0 || bytes > left {
            let detail = format!(
                "This link takes at most {files_max} files of {bytes_max} bytes together, and this one is too many or too large."
            );
            return Err(Error::DropBoxFull { detail });
        }
        let object_id = Uuid::now_v7();
        let row = Row::of(maker, note, Outcome::Begun);
        begin_with(
            &row,
            "insert into larder.pending (id, object_id, share_id, share_bytes, lease_until) values ($1, $17, $18, $19, clock_timestamp() + $20)",
        )
        .bind(object_id)
        .bind(share)
        .bind(i64::try_from(bytes).unwrap_or(i64::MAX))
        .bind(self.catalogue.lease_life())
        .execute(&mut *tx)
        .await
        .map_err(database)?;
        tx.commit().await.map_err(database)?;
        Ok(Room { lease: self.catalogue.hold_lease(row.id), object_id, bytes })
    }
}
