//! GetObjectAttributes: what is known of an object, without its bytes.

use s3s::S3Request;
use s3s::dto::*;

use super::wire::{self, refuse_unsupported};
use crate::embedded::s3::digest::show_checksums;
use crate::embedded::s3::fault::Outcome;
use crate::embedded::s3::index::{contents, objects};
use crate::embedded::s3::store::Store;

pub async fn get(store: &Store, request: S3Request<GetObjectAttributesInput>) -> Outcome<GetObjectAttributesOutput> {
    let input = request.input;
    refuse_unsupported!(input, version_id, sse_customer_key);
    let (bucket, key) = (input.bucket, input.key);
    let look_up = move |sql: &rusqlite::Connection| {
        let object = objects::find(sql, &bucket, &key)?;
        let parts = contents::parts(sql, object.content)?;
        Ok((object, parts))
    };
    let (row, rows) = store.index.read(look_up).await?;
    // Clients send them as one list or as several headers.
    let names = input.object_attributes.iter().flat_map(|names| names.as_str().split(',')).map(str::trim);
    let asked: Vec<&str> = names.collect();
    let asks = |name| asked.contains(&name);

    let mut output =
        GetObjectAttributesOutput { last_modified: Some(wire::timestamp(row.modified_ms)), ..Default::default() };
    output.e_tag = asks(ObjectAttributes::ETAG).then(|| wire::etag(&row.etag));
    output.object_size = asks(ObjectAttributes::OBJECT_SIZE).then(|| wire::length(row.size));
    output.storage_class =
        asks(ObjectAttributes::STORAGE_CLASS).then(|| StorageClass::from_static(StorageClass::STANDARD));
    if asks(ObjectAttributes::CHECKSUM) {
        let mut checksum = Checksum { checksum_type: Some(wire::checksum_type(row.composite)), ..Default::default() };
        show_checksums!(checksum, row.checksums);
        output.checksum = Some(checksum);
    }
    if asks(ObjectAttributes::OBJECT_PARTS) && !rows.is_empty() {
        output.object_parts =
            Some(page(rows, input.part_number_marker.unwrap_or_default(), wire::page_size(input.max_parts)?));
    }
    Ok(output)
}

fn page(rows: Vec<contents::Part>, marker: i32, limit: usize) -> GetObjectAttributesParts {
    let total = rows.len();
    let mut rows: Vec<_> = rows.into_iter().filter(|part| part.number > marker).collect();
    let truncated = limit > 0 && rows.len() > limit;
    rows.truncate(limit);
    GetObjectAttributesParts {
        is_truncated: Some(truncated),
        max_parts: i32::try_from(limit).ok(),
        next_part_number_marker: rows.last().map(|part| part.number),
        part_number_marker: Some(marker),
        parts: Some(rows.into_iter().map(part).collect()),
        total_parts_count: i32::try_from(total).ok(),
    }
}

fn part(row: contents::Part) -> ObjectPart {
    let mut part =
        ObjectPart { part_number: Some(row.number), size: Some(wire::length(row.size)), ..Default::default() };
    show_checksums!(part, row.checksums);
    part
}
