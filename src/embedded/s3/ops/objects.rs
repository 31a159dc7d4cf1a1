//! Objects: put, get, head, delete.

use std::ops::Range as Bytes;
use std::sync::Arc;

use axum::http::{HeaderMap, HeaderValue, header};
use s3s::dto::*;
use s3s::{S3Error, S3ErrorCode, S3Request};

use super::conditions::Conditions;
use super::wire::{self, headers_of, refuse_unsupported, show_headers};
use crate::embedded::s3::digest::{Algorithm, checksums_of, show_checksums};
use crate::embedded::s3::fault::{Fault, Outcome, refuse};
use crate::embedded::s3::index::objects::{Condition, Object as Row};
use crate::embedded::s3::index::{Change, buckets, contents, objects};
use crate::embedded::s3::receive::{Promise, drain, receive};
use crate::embedded::s3::send::{Cursor, cut};
use crate::embedded::s3::store::Store;

pub async fn put(store: &Store, mut request: S3Request<PutObjectInput>) -> Outcome<PutObjectOutput> {
    let body = request.input.body.take();
    let bucket = request.input.bucket.clone();
    if let Err(fault) = store.index.read(move |sql| buckets::id(sql, &bucket)).await {
        drain(body).await;
        return Err(fault);
    }
    refuse_unsupported!(
        request.input,
        tagging,
        object_lock_mode,
        object_lock_legal_hold_status,
        sse_customer_key,
        ssekms_key_id,
        write_offset_bytes
    );
    let input = request.input;
    let headers = headers_of!(input)?;
    let mut promise = Promise {
        length: input.content_length.and_then(|length| u64::try_from(length).ok()),
        md5: input.content_md5.clone(),
        checksums: checksums_of!(input),
        wanted: input.checksum_algorithm.as_ref().map(|name| Algorithm::parse(name.as_str())).transpose()?,
        ..Default::default()
    };
    promise.announce(&request.headers, request.trailing_headers);
    let received = receive(&store.files, body, promise).await?;

    let mut row = Row {
        size: received.digest.length,
        etag: hex::encode(received.digest.md5),
        modified_ms: wire::now_ms(),
        headers,
        checksums: received.digest.checksums,
        composite: false,
        content: 0,
    };
    let mut output = PutObjectOutput {
        e_tag: Some(wire::etag(&row.etag)),
        checksum_type: Some(wire::checksum_type(false)),
        ..Default::default()
    };
    show_checksums!(output, row.checksums);
    let condition = Condition { if_match: input.if_match, if_none_match: input.if_none_match };
    let put = move |change: &mut Change<'_>| {
        row.content = contents::adopt(change, received.file, row.size)?;
        objects::put(change, &input.bucket, &input.key, &condition, &row)
    };
    store.index.write(put).await?;
    Ok(output)
}

pub async fn get(store: &Store, request: S3Request<GetObjectInput>) -> Outcome<GetObjectOutput> {
    let input = request.input;
    refuse_unsupported!(input, part_number, version_id, sse_customer_key);
    let (row, spans, pinned) = store.open_object(input.bucket, input.key).await?;
    Conditions {
        if_match: input.if_match,
        if_none_match: input.if_none_match,
        if_modified_since: input.if_modified_since,
        if_unmodified_since: input.if_unmodified_since,
    }
    .check(&row)?;
    let bytes = requested(input.range, row.size)?;
    let (range, length) =
        (bytes.clone().unwrap_or(0..row.size), bytes.as_ref().map_or(row.size, |bytes| bytes.end - bytes.start));
    let cursor = Cursor::new(store.files.clone(), cut(spans, &range), Arc::new(pinned));
    let mut output = GetObjectOutput {
        accept_ranges: Some("bytes".into()),
        body: Some(cursor.into_body(length)),
        content_length: Some(wire::length(length)),
        content_range: bytes.as_ref().map(|bytes| content_range(bytes, row.size)),
        e_tag: Some(wire::etag(&row.etag)),
        last_modified: Some(wire::timestamp(row.modified_ms)),
        ..Default::default()
    };
    // The checksums are of the whole object, so they never go with a part of it.
    if bytes.is_none() && input.checksum_mode.is_some_and(|mode| mode.as_str() == ChecksumMode::ENABLED) {
        show_checksums!(output, row.checksums);
        output.checksum_type = Some(wire::checksum_type(row.composite));
    }
    show_headers!(output, row.headers);
    Ok(output)
}

pub async fn head(store: &Store, request: S3Request<HeadObjectInput>) -> Outcome<HeadObjectOutput> {
    let input = request.input;
    refuse_unsupported!(input, part_number, version_id, sse_customer_key);
    let row = store.index.read(move |sql| objects::find(sql, &input.bucket, &input.key)).await?;
    Conditions {
        if_match: input.if_match,
        if_none_match: input.if_none_match,
        if_modified_since: input.if_modified_since,
        if_unmodified_since: input.if_unmodified_since,
    }
    .check(&row)?;
    let bytes = requested(input.range, row.size)?;
    let mut output = HeadObjectOutput {
        accept_ranges: Some("bytes".into()),
        content_length: Some(wire::length(bytes.as_ref().map_or(row.size, |bytes| bytes.end - bytes.start))),
        content_range: bytes.as_ref().map(|bytes| content_range(bytes, row.size)),
        e_tag: Some(wire::etag(&row.etag)),
        last_modified: Some(wire::timestamp(row.modified_ms)),
        ..Default::default()
    };
    if bytes.is_none() && input.checksum_mode.is_some_and(|mode| mode.as_str() == ChecksumMode::ENABLED) {
        show_checksums!(output, row.checksums);
        output.checksum_type = Some(wire::checksum_type(row.composite));
    }
    show_headers!(output, row.headers);
    // `s3s` applies these to GET only.
    output.content_type = input.response_content_type.or(output.content_type);
    output.content_disposition = input.response_content_disposition.or(output.content_disposition);
    Ok(output)
}

pub async fn delete(store: &Store, request: S3Request<DeleteObjectInput>) -> Outcome<DeleteObjectOutput> {
    let DeleteObjectInput { bucket, key, if_match, .. } = request.input;
    let delete = move |change: &mut Change<'_>| {
        let bucket = buckets::id(change.sql, &bucket)?;
        objects::delete(change, bucket, &key, if_match)
    };
    store.index.write(delete).await?;
    Ok(DeleteObjectOutput::default())
}

pub async fn delete_many(store: &Store, request: S3Request<DeleteObjectsInput>) -> Outcome<DeleteObjectsOutput> {
    let DeleteObjectsInput { bucket, delete: Delete { objects: asked, quiet }, .. } = request.input;
    if asked.len() > 1000 {
        return refuse(S3ErrorCode::MalformedXML, "One request deletes at most 1000 objects.");
    }
    let keys: Vec<String> = asked.into_iter().map(|object| object.key).collect();
    let deleted = keys.iter().map(|key| DeletedObject { key: Some(key.clone()), ..Default::default() }).collect();
    let delete = move |change: &mut Change<'_>| {
        let bucket = buckets::id(change.sql, &bucket)?;
        keys.iter().try_for_each(|key| objects::delete(change, bucket, key, None))
    };
    store.index.write(delete).await?;
    Ok(DeleteObjectsOutput { deleted: (quiet != Some(true)).then_some(deleted), ..Default::default() })
}

fn requested(range: Option<Range>, size: u64) -> Outcome<Option<Bytes<u64>>> {
    match range.map(|range| range.check(size)) {
        None => Ok(None),
        Some(Ok(bytes)) if !bytes.is_empty() => Ok(Some(bytes)),
        Some(_) => {
            let mut error = S3Error::with_message(S3ErrorCode::InvalidRange, "The requested range is not satisfiable.");
            let mut headers =
                HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static("application/xml"))]);
            if let Ok(all) = HeaderValue::from_str(&format!("bytes */{size}")) {
                headers.insert(header::CONTENT_RANGE, all);
            }
            error.set_headers(headers);
            Err(Fault::Refused(error))
        }
    }
}

fn content_range(bytes: &Bytes<u64>, size: u64) -> String {
    format!("bytes {}-{}/{size}", bytes.start, bytes.end - 1)
}
