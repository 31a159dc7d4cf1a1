//! The rows of objects.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension as _, Row, params};
use s3s::S3ErrorCode;
use s3s::dto::{ETagCondition, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Change, buckets, contents};
use crate::embedded::s3::digest::Checksums;
use crate::embedded::s3::fault::{Outcome, refuse};

/// What a client sends with an object and gets back with it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Headers {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_disposition: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_encoding: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_language: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_control: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
    #[serde(skip_serializing_if = "HashMap::is_empty")]
    pub metadata: HashMap<String, String>,
}

#[derive(Debug, Clone)]
pub struct Object {
    pub size: u64,
    pub etag: String,
    pub modified_ms: i64,
    pub headers: Headers,
    pub checksums: Checksums,
    /// The checksums are of the parts' checksums, not of the bytes.
    pub composite: bool,
    pub content: i64,
}

/// The columns that [`object`] reads, from `first` on.
pub const COLUMNS: &str = "size, etag, modified_ms, headers, checksums, composite, content";

pub fn object(row: &Row<'_>, first: usize) -> Outcome<Object> {
    Ok(Object {
        size: row.get(first)?,
        etag: row.get(first + 1)?,
        modified_ms: row.get(first + 2)?,
        headers: serde_json::from_str(&row.get::<_, String>(first + 3)?)?,
        checksums: serde_json::from_str(&row.get::<_, String>(first + 4)?)?,
        composite: row.get(first + 5)?,
        content: row.get(first + 6)?,
    })
}

fn current(sql: &Connection, bucket: i64, key: &str) -> Outcome<Option<Object>> {
    let mut object_row = sql.prepare_cached(&format!("select {COLUMNS} from object where bucket = ?1 and key = ?2"))?;
    let mut rows = object_row.query(params![bucket, key.as_bytes()])?;
    rows.next()?.map(|row| object(row, 0)).transpose()
}

/// The object, else `NoSuchBucket` or `NoSuchKey`.
pub fn find(sql: &Connection, bucket: &str, key: &str) -> Outcome<Object> {
    match current(sql, buckets::id(sql, bucket)?, key)? {
        Some(object) => Ok(object),
        None => no_such_key(),
    }
}

fn no_such_key<T>() -> Outcome<T> {
    refuse(S3ErrorCode::NoSuchKey, "The specified key does not exist.")
}

/// What a conditional write asks of the object that it would replace.
#[derive(Default, Clone)]
pub struct Condition {
    pub if_match: Option<ETagCondition>,
    pub if_none_match: Option<ETagCondition>,
}

impl Condition {
    fn check(&self, current: Option<&Object>) -> Outcome<()> {
        let failed = || {
            refuse(S3ErrorCode::PreconditionFailed, "At least one of the pre-conditions you specified did not hold.")
        };
        match (&self.if_match, current) {
            (Some(_), None) => return no_such_key(),
            (Some(ETagCondition::ETag(etag)), Some(object)) if etag.value() != object.etag => return failed(),
            _ => {}
        }
        match (&self.if_none_match, current) {
            (Some(ETagCondition::ETag(_)), _) => {
                refuse(S3ErrorCode::NotImplemented, "A write takes only `If-None-Match: *`.")
            }
            (Some(ETagCondition::Any), Some(_)) => failed(),
            _ => Ok(()),
        }
    }
}

/// Puts `object` in place of what the key names, if `condition` holds at this moment.
pub fn put(change: &mut Change<'_>, bucket: &str, key: &str, condition: &Condition, object: &Object) -> Outcome<()> {
    let bucket = buckets::id(change.sql, bucket)?;
    let replaced = current(change.sql, bucket, key)?;
    condition.check(replaced.as_ref())?;
    let mut insert = change.sql.prepare_cached(&format!(
        "insert or replace into object (bucket, key, {COLUMNS}) values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)"
    ))?;
    insert.execute(params![
        bucket,
        key.as_bytes(),
        object.size,
        object.etag,
        object.modified_ms,
        serde_json::to_string(&object.headers)?,
        serde_json::to_string(&object.checksums)?,
        object.composite,
        object.content,
    ])?;
    replaced.map_or(Ok(()), |object| contents::delete(change, object.content))
}

/// Deletes what the key names; a key that names nothing is no error, unless `if_match` asks for something.
pub fn delete(change: &mut Change<'_>, bucket: i64, key: &str, if_match: Option<ETagCondition>) -> Outcome<()> {
    let deleted = current(change.sql, bucket, key)?;
    Condition { if_match, if_none_match: None }.check(deleted.as_ref())?;
    let Some(object) = deleted else { return Ok(()) };
    change
        .sql
        .prepare_cached("delete from object where bucket = ?1 and key = ?2")?
        .execute(params![bucket, key.as_bytes()])?;
    contents::delete(change, object.content)
}

/// Whether the same bytes still stand there that were looked up before.
pub fn unchanged(sql: &Connection, bucket: &str, key: &str, content: i64) -> Outcome<bool> {
    let mut same = sql.prepare_cached(
        "select 1 from object join bucket on bucket.id = object.bucket where bucket.name = ?1 and key = ?2 and content = ?3",
    )?;
    Ok(same.query_row(params![bucket, key.as_bytes(), content], |_| Ok(())).optional()?.is_some())
}
