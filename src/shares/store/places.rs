//! The places that `downloads_max` allows: taken before the first byte, confirmed before the last, and free again when their lease runs out in between.
//!
//! **Invariant.** Whoever counts places holds the lock of the share's row, which is taken before any lock of `share_downloads`.

use super::Shares;
use crate::{
    catalogue::{database, is_busy},
    error::{Error, Result},
};
use sqlx::{PgConnection, Row};
use std::{ops::Range, time::Duration};
use uuid::Uuid;

/// So many places for each that is allowed may be given up without being counted; what is begun after that counts, whether it ends or not. Else a link could be read
/// for ever, all but its last bytes.
const RELEASES: i64 = 3;

/// What is about to be sent to whom.
#[derive(Debug, Clone)]
pub struct PlaceAsked {
    pub share: Uuid,
    /// SHA-256 of the client's cookie, if it sent one; else of the one that it is given now.
    pub cookie: Vec<u8>,
    pub knows_cookie: bool,
    /// The same of its address and agent.
    pub origin: Vec<u8>,
    pub etag: String,
    /// Of all of it; 1 where nobody knows.
    pub size: i64,
    pub range: Range<i64>,
    /// Whether the client asked for a part: it may have others under way.
    pub partial: bool,
}

/// A place that is held.
#[derive(Debug, Clone)]
pub struct Place {
    pub id: Uuid,
    pub share: Uuid,
    pub range: Range<i64>,
}

impl Shares {
    /// A place for these bytes: the one that the client holds already, where they are the rest of it or all of it once more, else one of those that are free.
    ///
    /// # Errors
    /// `Gone` if all are used up, `DownloadsInUse` if others may still give theirs back.
    pub async fn take_place(&self, asked: &PlaceAsked, lease: Duration) -> Result<Place> {
        // So many come at once that the lock of the share is not to be had: they may come again.
        let busy = |error| if is_busy(&error) { Error::DownloadsInUse } else { error };
        self.try_take_place(asked, lease).await.map_err(busy)
    }

    async fn try_take_place(&self, asked: &PlaceAsked, lease: Duration) -> Result<Place> {
        let mut tx = self.catalogue.control.begin().await.map_err(database)?;
        let (max, done) = lock(&mut tx, asked.share).await?;
        let length = asked.range.end - asked.range.start;
        // Twice the size leaves room for what is read again: a client that was cut off, or the foot of a file.
        let held: Option<Uuid> = sqlx::query_scalar(
            "update larder.share_downloads set running = running + 1, granted_bytes = granted_bytes + $6, lease_until = clock_timestamp() + $8,
                 promised = promised + int8multirange(int8range($9, $10))
             where id = (select id from larder.share_downloads where share_id = $1 and confirmed_at is null and lease_until > clock_timestamp() and etag = $2
                 and case when $3 then cookie = $4 else origin = $5 end and granted_bytes + $6 <= 2 * size_bytes
                 and (running = 0 or ($7 and ($3 or not promised && int8range($9, $10))))
                 order by created_at desc limit 1) returning id",
        )
        .bind(asked.share)
        .bind(&asked.etag)
        .bind(asked.knows_cookie)
        .bind(&asked.cookie)
        .bind(&asked.origin)
        .bind(length)
        .bind(asked.partial)
        .bind(lease)
        .bind(asked.range.start)
        .bind(asked.range.end)
        .fetch_optional(&mut *tx)
        .await
        .map_err(database)?;
        let id = match held {
            Some(id) => id,
            None => {
                has_room(&mut tx, asked.share, max, done).await?;
                let id = Uuid::now_v7();
                sqlx::query(
                    "insert into larder.share_downloads (id, share_id, cookie, origin, etag, size_bytes, granted_bytes, promised, running, lease_until)
                     values ($1, $2, $3, $4, $5, $6, $7, int8multirange(int8range($9, $10)), 1, clock_timestamp() + $8)",
                )
                .bind(id)
                .bind(asked.share)
                .bind(&asked.cookie)
                .bind(&asked.origin)
                .bind(&asked.etag)
                .bind(asked.size)
                .bind(length)
                .bind(lease)
                .bind(asked.range.start)
                .bind(asked.range.end)
                .execute(&mut *tx)
                .await
                .map_err(database)?;
                id
            }
        };
        tx.commit().await.map_err(database)?;
        Ok(Place { id, share: asked.share, range: asked.range.clone() })
    }

    /// Holds it for another lease; whether it still was held.
    pub async fn hold_place(&self, place: &Place, lease: Duration) -> Result<bool> {
        let sql = "update larder.share_downloads set lease_until = clock_timestamp() + $2 where id = $1 and confirmed_at is null and lease_until > clock_timestamp()";
        let held = sqlx::query(sql).bind(place.id).bind(lease).execute(&self.catalogue.control).await;
        Ok(held.map_err(database)?.rows_affected() > 0)
    }

    /// Before the last of its bytes go out: they count as given, and the download is confirmed if with them all are.
    ///
    /// # Errors
    /// As of `take_place`, if the lease was lost and another has the place.
    pub async fn give(&self, place: &Place, lease: Duration) -> Result<()> {
        let mut tx = self.catalogue.control.begin().await.map_err(database)?;
        let (max, done) = lock(&mut tx, place.share).await?;
        let sql = "select lease_until > clock_timestamp() or confirmed_at is not null from larder.share_downloads where id = $1";
        let held: bool = sqlx::query_scalar(sql).bind(place.id).fetch_one(&mut *tx).await.map_err(database)?;
        if !held {
            has_room(&mut tx, place.share, max, done).await?;
        }
        sqlx::query(
            "with sent as (update larder.share_downloads set given = given + int8multirange(int8range($2, $3)),
                 promised = promised - int8multirange(int8range($2, $3)), running = greatest(running - 1, 0),
                 lease_until = clock_timestamp() + $4 where id = $1 returning id, share_id, confirmed_at, given @> int8range(0, size_bytes) as whole),
             confirmed as (update larder.shares s set downloads = downloads + 1 from sent where s.id = sent.share_id and sent.whole and sent.confirmed_at is null)
             select from sent",
        )
        .bind(place.id)
        .bind(place.range.start)
        .bind(place.range.end)
        .bind(lease)
        .execute(&mut *tx)
        .await
        .map_err(database)?;
        // A statement of its own: one cannot change a row twice.
        sqlx::query(
            "update larder.share_downloads set confirmed_at = clock_timestamp() where id = $1 and confirmed_at is null and given @> int8range(0, size_bytes)",
        )
        .bind(place.id)
        .execute(&mut *tx)
        .await
        .map_err(database)?;
        tx.commit().await.map_err(database)
    }

    /// The answer broke off behind `sent` bytes: they count, the others were not given. The place is held for another lease, for whoever comes back for the rest.
    pub async fn leave_place(&self, place: &Place, sent: i64, lease: Duration) -> Result<()> {
        sqlx::query(
            "update larder.share_downloads set given = given + int8multirange(int8range($2, $2 + $3)),
                 promised = promised - int8multirange(int8range($2, $2 + $4)), running = greatest(running - 1, 0),
                 granted_bytes = greatest(granted_bytes - $5, 0), lease_until = greatest(lease_until, clock_timestamp() + $6)
             where id = $1 and lease_until > clock_timestamp()",
        )
        .bind(place.id)
        .bind(place.range.start)
        .bind(sent)
        // Of an answer whose length nobody knows nothing is given back: else it could be begun again for ever.
        .bind(place.range.end - place.range.start)
        .bind(if place.range.end - place.range.start > 1 { place.range.end - place.range.start - sent } else { 0 })
        .bind(lease)
        .execute(&self.catalogue.control)
        .await
        .map_err(database)?;
        Ok(())
    }
}

/// Locks the share until the transaction ends: how many downloads it allows and has had.
async fn lock(connection: &mut PgConnection, share: Uuid) -> Result<(i64, i64)> {
    let row = sqlx::query(
        "select downloads_max, downloads from larder.shares where id = $1 and revoked_at is null and (expires_at is null or expires_at > now())
         and downloads_max is not null for no key update",
    )
    .bind(share)
    .fetch_optional(connection)
    .await
    .map_err(database)?;
    let row = row.ok_or_else(gone)?;
    Ok((row.get::<i32, _>(0).into(), row.get::<i32, _>(1).into()))
}

async fn has_room(connection: &mut PgConnection, share: Uuid, max: i64, done: i64) -> Result<()> {
    let (held, released): (i64, i64) = sqlx::query_as(
        "select count(*) filter (where lease_until > clock_timestamp()), count(*) filter (where lease_until <= clock_timestamp())
         from larder.share_downloads where share_id = $1 and confirmed_at is null",
    )
    .bind(share)
    .fetch_one(connection)
    .await
    .map_err(database)?;
    let used = done + (released - RELEASES * max).max(0);
    match (used < max, used + held < max) {
        (_, true) => Ok(()),
        (true, false) => Err(Error::DownloadsInUse),
        (false, false) => Err(gone()),
    }
}

fn gone() -> Error {
    Error::Gone { detail: "This link has been downloaded as often as it may be, or is over.".to_owned() }
}
