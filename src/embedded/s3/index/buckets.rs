//! The rows of buckets.

use rusqlite::{Connection, OptionalExtension as _, params};
use s3s::S3ErrorCode;

use super::{Change, contents};
use crate::embedded::s3::fault::{Outcome, refuse};

pub struct Bucket {
    pub name: String,
    pub created_ms: i64,
}

pub fn id(sql: &Connection, name: &str) -> Outcome<i64> {
    let found =
        sql.prepare_cached("select id from bucket where name = ?1")?.query_row([name], |row| row.get(0)).optional()?;
    match found {
        Some(id) => Ok(id),
        None => refuse(S3ErrorCode::NoSuchBucket, "The specified bucket does not exist."),
    }
}

pub fn create(change: &Change<'_>, name: &str, now_ms: i64) -> Outcome<()> {
    let inserted = change.sql.execute(
        "insert into bucket (name, created_ms) values (?1, ?2) on conflict do nothing",
        params![name, now_ms],
    )?;
    if inserted == 0 {
        return refuse(S3ErrorCode::BucketAlreadyOwnedByYou, "You own this bucket already.");
    }
    Ok(())
}

/// Deletes an empty bucket and aborts the uploads in it.
pub fn delete(change: &mut Change<'_>, name: &str) -> Outcome<()> {
    let bucket = id(change.sql, name)?;
    let occupied: bool =
        change.sql.query_row("select exists (select 1 from object where bucket = ?1)", [bucket], |row| row.get(0))?;
    if occupied {
        return refuse(S3ErrorCode::BucketNotEmpty, "The bucket you tried to delete is not empty.");
    }
    let mut parts = change
        .sql
        .prepare("select part.content from part join upload on upload.id = part.upload where upload.bucket = ?1")?;
    let parts: Vec<i64> = parts.query_map([bucket], |row| row.get(0))?.collect::<Result<_, _>>()?;
    change.sql.execute("delete from part where upload in (select id from upload where bucket = ?1)", [bucket])?;
    change.sql.execute("delete from upload where bucket = ?1", [bucket])?;
    change.sql.execute("delete from bucket where id = ?1", [bucket])?;
    parts.into_iter().try_for_each(|content| contents::delete(change, content))
}

pub fn list(sql: &Connection, prefix: &str, after: &str, limit: usize) -> Outcome<Vec<Bucket>> {
    let mut buckets = sql.prepare_cached(
        "select name, created_ms from bucket where name > ?1 and substr(name, 1, length(?2)) = ?2 order by name limit ?3",
    )?;
    let rows = buckets
        .query_map(params![after, prefix, limit], |row| Ok(Bucket { name: row.get(0)?, created_ms: row.get(1)? }))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub fn cors(sql: &Connection, name: &str) -> Outcome<Option<String>> {
    let bucket = id(sql, name)?;
    Ok(sql.query_row("select cors from bucket where id = ?1", [bucket], |row| row.get(0))?)
}

pub fn set_cors(change: &Change<'_>, name: &str, cors: Option<&str>) -> Outcome<()> {
    let bucket = id(change.sql, name)?;
    change.sql.execute("update bucket set cors = ?2 where id = ?1", params![bucket, cors])?;
    Ok(())
}
