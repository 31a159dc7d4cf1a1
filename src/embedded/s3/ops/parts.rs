//! Parts of uploads under way.

use s3s::dto::*;
use s3s::{S3ErrorCode, S3Request};

use super::wire::{self, refuse_unsupported};
use crate::embedded::s3::digest::{Algorithm, checksums_of, show_checksums};
use crate::embedded::s3::fault::{Outcome, refuse};
use crate::embedded::s3::index::uploads::Part as Row;
use crate::embedded::s3::index::{Change, contents, uploads};
use crate::embedded::s3::receive::{Promise, drain, receive};
use crate::embedded::s3::store::Store;

pub fn check_number(number: i32) -> Outcome<()> {
    if (1..=10_000).contains(&number) {
        return Ok(());
    }
    refuse(S3ErrorCode::InvalidArgument, "Part number must be an integer between 1 and 10000, inclusive.")
}

pub async fn upload(store: &Store, mut request: S3Request<UploadPartInput>) -> Outcome<UploadPartOutput> {
    let body = request.input.body.take();
    let input = request.input;
    check_number(input.part_number)?;
    refuse_unsupported!(input, sse_customer_key);
    let (bucket, key, id) = (input.bucket.clone(), input.key.clone(), input.upload_id.clone());
    let upload = match store.index.read(move |sql| uploads::find(sql, &bucket, &key, &id)).await {
        Ok(upload) => upload,
        Err(fault) => {
            drain(body).await;
            return Err(fault);
        }
    };
    let mut promise = Promise {
        length: input.content_length.and_then(|length| u64::try_from(length).ok()),
        md5: input.content_md5.clone(),
        checksums: checksums_of!(input),
        wanted: Some(upload.algorithm.unwrap_or(Algorithm::DEFAULT)),
        ..Default::default()
    };
    promise.announce(&request.headers, request.trailing_headers);
    let received = receive(&store.files, body, promise).await?;

    let mut row = Row {
        number: input.part_number,
        size: received.digest.length,
        etag: hex::encode(received.digest.md5),
        modified_ms: wire::now_ms(),
        checksums: received.digest.checksums,
        content: 0,
    };
    let mut output = UploadPartOutput { e_tag: Some(wire::etag(&row.etag)), ..Default::default() };
    show_checksums!(output, row.checksums);
    let put = move |change: &mut Change<'_>| {
        uploads::find(change.sql, &input.bucket, &input.key, &input.upload_id)?;
        row.content = contents::adopt(change, received.file, row.size)?;
        uploads::put_part(change, &input.upload_id, &row)
    };
    store.index.write(put).await?;
    Ok(output)
}

pub async fn list(store: &Store, request: S3Request<ListPartsInput>) -> Outcome<ListPartsOutput> {
    let ListPartsInput { bucket, key, upload_id, max_parts, part_number_marker, .. } = request.input;
    let limit = wire::page_size(max_parts)?;
    let marker = part_number_marker.unwrap_or_default();
    let (in_bucket, of_key, id) = (bucket.clone(), key.clone(), upload_id.clone());
    let look_up = move |sql: &rusqlite::Connection| {
        let upload = uploads::find(sql, &in_bucket, &of_key, &id)?;
        Ok((upload, uploads::parts(sql, &id, marker, limit + 1)?))
    };
    let (upload, mut rows) = store.index.read(look_up).await?;
    let truncated = limit > 0 && rows.len() > limit;
    rows.truncate(limit);
    Ok(ListPartsOutput {
        bucket: Some(bucket),
        key: Some(key),
        upload_id: Some(upload_id),
        checksum_algorithm: upload.algorithm.map(|algorithm| ChecksumAlgorithm::from_static(algorithm.name())),
        checksum_type: upload.algorithm.map(|_| wire::checksum_type(upload.composite)),
        is_truncated: Some(truncated),
        max_parts: i32::try_from(limit).ok(),
        next_part_number_marker: rows.last().filter(|_| truncated).map(|row| row.number),
        part_number_marker: Some(marker),
        parts: Some(rows.into_iter().map(part).collect()),
        storage_class: Some(StorageClass::from_static(StorageClass::STANDARD)),
        ..Default::default()
    })
}

fn part(row: Row) -> Part {
    let mut part = Part {
        part_number: Some(row.number),
        size: Some(wire::length(row.size)),
        e_tag: Some(wire::etag(&row.etag)),
        last_modified: Some(wire::timestamp(row.modified_ms)),
        ..Default::default()
    };
    show_checksums!(part, row.checksums);
    part
}
