//! Copies. They share the source's files, so no bytes move; bytes are read only where a checksum is asked for that nobody has computed yet.

use std::collections::BTreeSet;
use std::sync::Arc;

use s3s::dto::*;
use s3s::{S3ErrorCode, S3Request};
use tokio::task::spawn_blocking;

use super::conditions::Conditions;
use super::wire::{self, headers_of, refuse_unsupported};
use crate::embedded::s3::digest::{Algorithm, Digest, Digester, show_checksums};
use crate::embedded::s3::fault::{Outcome, refuse};
use crate::embedded::s3::index::objects::{Condition, Object as Row};
use crate::embedded::s3::index::uploads::Part as PartRow;
use crate::embedded::s3::index::{Change, contents, objects, uploads};
use crate::embedded::s3::send::{Cursor, cut};
use crate::embedded::s3::store::Store;

/// Reads the conditions on the source from an input.
macro_rules! source_conditions {
    ($input:expr) => {
        Conditions {
            if_match: $input.copy_source_if_match.take(),
            if_none_match: $input.copy_source_if_none_match.take(),
            if_modified_since: $input.copy_source_if_modified_since.take(),
            if_unmodified_since: $input.copy_source_if_unmodified_since.take(),
        }
    };
}

pub async fn object(store: &Store, mut request: S3Request<CopyObjectInput>) -> Outcome<CopyObjectOutput> {
    let (from_bucket, from_key) = source(&request.input.copy_source)?;
    refuse_unsupported!(
        request.input,
        tagging,
        object_lock_mode,
        object_lock_legal_hold_status,
        sse_customer_key,
        ssekms_key_id
    );
    let conditions = source_conditions!(request.input);
    let input = request.input;
    let directive = input.metadata_directive.as_ref().map(MetadataDirective::as_str);
    let replace = directive == Some(MetadataDirective::REPLACE);
    if !replace && (&from_bucket, &from_key) == (&input.bucket, &input.key) {
        return refuse(
            S3ErrorCode::InvalidRequest,
            "A copy onto itself must change something: use the metadata directive REPLACE.",
        );
    }
    let headers = if replace { Some(headers_of!(input)?) } else { None };
    let computed = match input.checksum_algorithm.as_ref() {
        Some(name) => missing_checksum(store, &from_bucket, &from_key, Algorithm::parse(name.as_str())?).await?,
        None => None,
    };
    let copy = move |change: &mut Change<'_>| {
        let found = objects::find(change.sql, &from_bucket, &from_key)?;
        conditions.check_source(&found)?;
        let shared = contents::spans(change.sql, found.content)?;
        let content = contents::share(change, &shared)?;
        for part in contents::parts(change.sql, found.content)? {
            contents::add_part(change, content, &part)?;
        }
        let mut row = Row { modified_ms: wire::now_ms(), content, headers: headers.unwrap_or(found.headers), ..found };
        if let Some((of, digest)) = computed {
            if of != found.content {
                return refuse(S3ErrorCode::OperationAborted, "The source changed during the copy; try again.");
            }
            (row.checksums, row.composite) = (digest.checksums, false);
        }
        objects::put(change, &input.bucket, &input.key, &Condition::default(), &row)?;
        Ok(row)
    };
    let row = store.index.write(copy).await?;
    let mut result = CopyObjectResult {
        e_tag: Some(wire::etag(&row.etag)),
        last_modified: Some(wire::timestamp(row.modified_ms)),
        checksum_type: Some(wire::checksum_type(row.composite)),
        ..Default::default()
    };
    show_checksums!(result, row.checksums);
    Ok(CopyObjectOutput { copy_object_result: Some(result), ..Default::default() })
}

/// A checksum over the source's bytes where it has none of that kind, with the content that it is of.
async fn missing_checksum(
    store: &Store,
    bucket: &str,
    key: &str,
    algorithm: Algorithm,
) -> Outcome<Option<(i64, Digest)>> {
    let (row, spans, pinned) = store.open_object(bucket.into(), key.into()).await?;
    if row.checksums.get(algorithm).is_some() && !row.composite {
        return Ok(None);
    }
    let digest = digest(Cursor::new(store.files.clone(), spans, Arc::new(pinned)), algorithm).await?;
    Ok(Some((row.content, digest)))
}

async fn digest(cursor: Cursor, algorithm: Algorithm) -> Outcome<Digest> {
    spawn_blocking(move || {
        let mut digester = Digester::new(&BTreeSet::from([algorithm]));
        cursor.for_each(|chunk| digester.update(chunk))?;
        Ok(digester.finish())
    })
    .await?
}

pub async fn part(store: &Store, mut request: S3Request<UploadPartCopyInput>) -> Outcome<UploadPartCopyOutput> {
    let (from_bucket, from_key) = source(&request.input.copy_source)?;
    refuse_unsupported!(request.input, sse_customer_key);
    let conditions = source_conditions!(request.input);
    let UploadPartCopyInput { bucket, key, upload_id, part_number, copy_source_range, .. } = request.input;
    super::parts::check_number(part_number)?;
    let (to_bucket, to_key, to_upload) = (bucket.clone(), key.clone(), upload_id.clone());
    let upload = store.index.read(move |sql| uploads::find(sql, &to_bucket, &to_key, &to_upload)).await?;
    let (found, spans, pinned) = store.open_object(from_bucket.clone(), from_key.clone()).await?;
    conditions.check_source(&found)?;
    let range = match copy_source_range.as_deref().map(Range::parse) {
        None => 0..found.size,
        Some(Ok(range @ Range::Int { last: Some(last), .. })) if last < found.size => {
            range.check(found.size).map_err(s3s::S3Error::from)?
        }
        Some(_) => {
            return refuse(
                S3ErrorCode::InvalidArgument,
                "The x-amz-copy-source-range value must be bytes=first-last within the source.",
            );
        }
    };
    let spans = cut(spans, &range);
    // The pins hold the files until the part has rows of its own.
    let pinned = Arc::new(pinned);
    let cursor = Cursor::new(store.files.clone(), spans.clone(), pinned.clone());
    let digest = digest(cursor, upload.algorithm.unwrap_or(Algorithm::DEFAULT)).await?;
    let mut row = PartRow {
        number: part_number,
        size: digest.length,
        etag: hex::encode(digest.md5),
        modified_ms: wire::now_ms(),
        checksums: digest.checksums,
        content: 0,
    };
    let mut result = CopyPartResult {
        e_tag: Some(wire::etag(&row.etag)),
        last_modified: Some(wire::timestamp(row.modified_ms)),
        ..Default::default()
    };
    show_checksums!(result, row.checksums);
    let copy = move |change: &mut Change<'_>| {
        let _pinned = pinned;
        uploads::find(change.sql, &bucket, &key, &upload_id)?;
        if !objects::unchanged(change.sql, &from_bucket, &from_key, found.content)? {
            return refuse(S3ErrorCode::OperationAborted, "The source changed during the copy; try again.");
        }
        row.content = contents::share(change, &spans)?;
        uploads::put_part(change, &upload_id, &row)
    };
    store.index.write(copy).await?;
    Ok(UploadPartCopyOutput { copy_part_result: Some(result), ..Default::default() })
}

fn source(source: &CopySource) -> Outcome<(String, String)> {
    match source {
        CopySource::Bucket { bucket, key, version_id: None } => Ok((bucket.to_string(), key.to_string())),
        _ => refuse(S3ErrorCode::NotImplemented, "A copy's source is a bucket and a key, without a version."),
    }
}
