//! Room in a drop box: taken before a file comes, at its greatest, and given back as far as it was not needed.

use super::Shares;
use crate::{
    catalogue::database,
    error::{Error, Result},
};
use uuid::Uuid;

/// Room for one file. Dropping it gives all of it back, unless the file was kept.
#[derive(Debug)]
pub struct Room {
    shares: Shares,
    share: Uuid,
    pub bytes: u64,
    kept: bool,
}

impl Shares {
    /// Room for a file of `bytes`, or of as many as are left.
    ///
    /// # Errors
    /// `DropBoxFull`
    pub async fn take_room(&self, share: Uuid, (bytes_max, files_max): (u64, u32), bytes: Option<u64>) -> Result<Room> {
        let number = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
        let taken: Option<i64> = sqlx::query_scalar(
            "with room as (
                 select id, coalesce($4, $2 - upload_bytes) as bytes from larder.shares where id = $1 and revoked_at is null
                 and (expires_at is null or expires_at > now()) and may_upload and upload_files < $3 and upload_bytes < $2
                 and upload_bytes + coalesce($4, 0) <= $2 for no key update
             )
             update larder.shares s set upload_files = upload_files + 1, upload_bytes = upload_bytes + room.bytes from room where s.id = room.id returning room.bytes",
        )
        .bind(share)
        .bind(number(bytes_max))
        .bind(i64::from(files_max))
        .bind(bytes.map(number))
        .fetch_optional(&self.catalogue.control)
        .await
        .map_err(database)?;
        let full = || {
            let detail = format!(
                "This link takes at most {files_max} files of {bytes_max} bytes together, and this one is too many or too large."
            );
            Error::DropBoxFull { detail }
        };
        let bytes = taken.ok_or_else(full)?.unsigned_abs();
        Ok(Room { shares: self.clone(), share, bytes, kept: false })
    }

    async fn give_room(&self, share: Uuid, bytes: u64, files: i32) -> Result<()> {
        sqlx::query(
            "update larder.shares set upload_bytes = upload_bytes - $2, upload_files = upload_files - $3 where id = $1",
        )
        .bind(share)
        .bind(i64::try_from(bytes).unwrap_or(i64::MAX))
        .bind(files)
        .execute(&self.catalogue.control)
        .await
        .map_err(database)?;
        Ok(())
    }
}

impl Room {
    /// The file is kept, and needed so many bytes.
    pub async fn keep(mut self, bytes: u64) -> Result<()> {
        self.kept = true;
        self.shares.give_room(self.share, self.bytes.saturating_sub(bytes), 0).await
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        let (shares, share, bytes) = (self.shares.clone(), self.share, self.bytes);
        tokio::spawn(async move {
            if let Err(error) = shares.give_room(share, bytes, 1).await {
                tracing::warn!(share.id = %share, ?error, "room in a drop box was not given back");
            }
        });
    }
}
