//! The rows of uploads under way and of their parts.

use rusqlite::{Connection, Row, params};
use s3s::S3ErrorCode;

use super::objects::Headers;
use super::{Change, buckets, contents};
use crate::embedded::s3::digest::{Algorithm, Checksums};
use crate::embedded::s3::fault::{Outcome, refuse};

pub struct Upload {
    pub id: String,
    pub started_ms: i64,
    pub headers: Headers,
    /// What the client chose; without a choice the parts' default applies.
    pub algorithm: Option<Algorithm>,
    pub composite: bool,
}

pub struct Part {
    pub number: i32,
    pub size: u64,
    pub etag: String,
    pub modified_ms: i64,
    pub checksums: Checksums,
    pub content: i64,
}

/// The columns that [`upload`] reads, from `first` on.
pub const COLUMNS: &str = "id, started_ms, headers, algorithm, composite";

pub fn upload(row: &Row<'_>, first: usize) -> Outcome<Upload> {
    let algorithm: Option<String> = row.get(first + 3)?;
    Ok(Upload {
        id: row.get(first)?,
        started_ms: row.get(first + 1)?,
        headers: serde_json::from_str(&row.get::<_, String>(first + 2)?)?,
        algorithm: algorithm.as_deref().map(Algorithm::parse).transpose()?,
        composite: row.get(first + 4)?,
    })
}

pub fn create(change: &Change<'_>, bucket: &str, key: &str, upload: &Upload) -> Outcome<()> {
    let bucket = buckets::id(change.sql, bucket)?;
    change.sql.execute(
        &format!("insert into upload (bucket, key, {COLUMNS}) values (?1, ?2, ?3, ?4, ?5, ?6, ?7)"),
        params![
            bucket,
            key.as_bytes(),
            upload.id,
            upload.started_ms,
            serde_json::to_string(&upload.headers)?,
            upload.algorithm.map(Algorithm::name),
            upload.composite,
        ],
    )?;
    Ok(())
}

/// The upload, else `NoSuchBucket` or `NoSuchUpload`.
pub fn find(sql: &Connection, bucket: &str, key: &str, id: &str) -> Outcome<Upload> {
    let bucket = buckets::id(sql, bucket)?;
    let mut uploads =
        sql.prepare_cached(&format!("select {COLUMNS} from upload where bucket = ?1 and key = ?2 and id = ?3"))?;
    let mut rows = uploads.query(params![bucket, key.as_bytes(), id])?;
    match rows.next()? {
        Some(row) => upload(row, 0),
        None => refuse(
            S3ErrorCode::NoSuchUpload,
            "The specified upload does not exist. It may have been aborted or completed.",
        ),
    }
}

/// Puts a part in place of the one of the same number.
pub fn put_part(change: &mut Change<'_>, upload: &str, part: &Part) -> Outcome<()> {
    let replaced = parts(change.sql, upload, part.number - 1, 1)?.into_iter().find(|old| old.number == part.number);
    change.sql.prepare_cached(
        "insert or replace into part (upload, number, size, etag, modified_ms, checksums, content) values (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?.execute(params![
        upload,
        part.number,
        part.size,
        part.etag,
        part.modified_ms,
        serde_json::to_string(&part.checksums)?,
        part.content,
    ])?;
    replaced.map_or(Ok(()), |old| contents::delete(change, old.content))
}

/// The parts with numbers above `after`, in order.
pub fn parts(sql: &Connection, upload: &str, after: i32, limit: usize) -> Outcome<Vec<Part>> {
    let mut parts = sql.prepare_cached(
        "select number, size, etag, modified_ms, checksums, content from part where upload = ?1 and number > ?2 order by number limit ?3",
    )?;
    let mut rows = parts.query(params![upload, after, limit])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(Part {
            number: row.get(0)?,
            size: row.get(1)?,
            etag: row.get(2)?,
            modified_ms: row.get(3)?,
            checksums: serde_json::from_str(&row.get::<_, String>(4)?)?,
            content: row.get(5)?,
        });
    }
    Ok(found)
}

/// Forgets an upload and its parts; bytes that an object took over stay.
pub fn delete(change: &mut Change<'_>, upload: &str) -> Outcome<()> {
    let parts = parts(change.sql, upload, 0, usize::from(u16::MAX))?;
    change.sql.execute("delete from part where upload = ?1", [upload])?;
    change.sql.execute("delete from upload where id = ?1", [upload])?;
    parts.into_iter().try_for_each(|part| contents::delete(change, part.content))
}
