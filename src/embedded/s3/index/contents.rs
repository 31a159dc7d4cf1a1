//! Contents: lists of segments of files. Putting parts together and copying move no bytes, only rows.

use std::collections::HashSet;

use rusqlite::{Connection, params};

use super::Change;
use crate::embedded::s3::digest::Checksums;
use crate::embedded::s3::fault::Outcome;
use crate::embedded::s3::files::{FileId, NewFile};
use crate::embedded::s3::send::Span;

/// A part of a finished upload.
pub struct Part {
    pub number: i32,
    pub size: u64,
    pub checksums: Checksums,
}

fn new(change: &Change<'_>) -> Outcome<i64> {
    change.sql.prepare_cached("insert into content default values")?.execute([])?;
    Ok(change.sql.last_insert_rowid())
}

/// The content of one new file, or of none when it is empty.
pub fn adopt(change: &mut Change<'_>, file: Option<NewFile>, length: u64) -> Outcome<i64> {
    let content = new(change)?;
    if let Some(file) = file {
        append(change, content, 0, &Span { file: file.id.clone(), start: 0, length })?;
        change.adopt(file);
    }
    Ok(content)
}

/// A content of the same bytes as `spans`, whose files are **named by rows of this very transaction's state**: the caller looked them up in it.
pub fn share(change: &Change<'_>, spans: &[Span]) -> Outcome<i64> {
    let content = new(change)?;
    for (position, span) in spans.iter().enumerate() {
        append(change, content, position, span)?;
    }
    Ok(content)
}

fn append(change: &Change<'_>, content: i64, position: usize, span: &Span) -> Outcome<()> {
    let mut insert = change
        .sql
        .prepare_cached("insert into segment (content, position, file, start, length) values (?1, ?2, ?3, ?4, ?5)")?;
    insert.execute(params![content, position, span.file, span.start, span.length])?;
    Ok(())
}

pub fn spans(sql: &Connection, content: i64) -> Outcome<Vec<Span>> {
    let mut segments =
        sql.prepare_cached("select file, start, length from segment where content = ?1 order by position")?;
    let rows =
        segments.query_map([content], |row| Ok(Span { file: row.get(0)?, start: row.get(1)?, length: row.get(2)? }))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Deletes a content that no object and no part refers to any more, and releases the files that were only in it.
pub fn delete(change: &mut Change<'_>, content: i64) -> Outcome<()> {
    let files: HashSet<FileId> = spans(change.sql, content)?.into_iter().map(|span| span.file).collect();
    for table in ["segment where content", "object_part where content", "content where id"] {
        change.sql.prepare_cached(&format!("delete from {table} = ?1"))?.execute([content])?;
    }
    for file in files {
        let mut shared = change.sql.prepare_cached("select exists (select 1 from segment where file = ?1)")?;
        if !shared.query_row([&file], |row| row.get::<_, bool>(0))? {
            change.release(file);
        }
    }
    Ok(())
}

/// The files of a fan-out folder that rows name.
pub fn files_in(sql: &Connection, folder: &str) -> Outcome<HashSet<FileId>> {
    let mut files = sql.prepare_cached("select distinct file from segment where file >= ?1 and file < ?1 || 'g'")?;
    Ok(files.query_map([folder], |row| row.get(0))?.collect::<Result<_, _>>()?)
}

pub fn add_part(change: &Change<'_>, content: i64, part: &Part) -> Outcome<()> {
    let mut insert = change
        .sql
        .prepare_cached("insert into object_part (content, number, size, checksums) values (?1, ?2, ?3, ?4)")?;
    insert.execute(params![content, part.number, part.size, serde_json::to_string(&part.checksums)?])?;
    Ok(())
}

/// The parts that a content was uploaded in, in order; none when it came in one piece.
pub fn parts(sql: &Connection, content: i64) -> Outcome<Vec<Part>> {
    let mut parts =
        sql.prepare_cached("select number, size, checksums from object_part where content = ?1 order by number")?;
    let mut rows = parts.query([content])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let checksums = serde_json::from_str(row.get_ref(2)?.as_str().map_err(rusqlite::Error::from)?)?;
        found.push(Part { number: row.get(0)?, size: row.get(1)?, checksums });
    }
    Ok(found)
}
