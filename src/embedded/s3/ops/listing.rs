//! Listings of objects and of uploads under way, in the order of their keys' bytes.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use s3s::dto::*;
use s3s::{S3ErrorCode, S3Request};

use super::wire;
use crate::embedded::s3::digest::Algorithm;
use crate::embedded::s3::fault::{Outcome, refuse};
use crate::embedded::s3::index::listing::{Item, Page, Query, after_key, after_prefix, page, rolled_up};
use crate::embedded::s3::index::{buckets, objects, uploads};
use crate::embedded::s3::store::Store;

/// What `encoding-type=url` leaves alone.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'/');

/// How keys are spelled in the answer: XML cannot hold every character of a key, so clients ask for URL encoding.
#[derive(Clone, Copy)]
struct Spelling {
    url: bool,
}

impl Spelling {
    fn parse(asked: Option<&EncodingType>) -> Outcome<Self> {
        match asked.map(EncodingType::as_str) {
            None => Ok(Self { url: false }),
            Some(EncodingType::URL) => Ok(Self { url: true }),
            Some(_) => refuse(S3ErrorCode::InvalidArgument, "Invalid Encoding Method specified in Request"),
        }
    }

    fn spell(self, key: &str) -> String {
        if self.url { utf8_percent_encode(key, ENCODED).to_string() } else { key.into() }
    }

    fn all(self, key: Option<String>) -> Option<String> {
        key.map(|key| self.spell(&key))
    }
}

pub async fn objects_v2(store: &Store, request: S3Request<ListObjectsV2Input>) -> Outcome<ListObjectsV2Output> {
    let input = request.input;
    let spelling = Spelling::parse(input.encoding_type.as_ref())?;
    let limit = wire::page_size(input.max_keys)?;
    let from = match (&input.continuation_token, &input.start_after) {
        (Some(token), _) => resume(token)?,
        (None, Some(key)) => after_key(key),
        (None, None) => Vec::new(),
    };
    let (prefix, delimiter) = (input.prefix.clone().unwrap_or_default(), input.delimiter.clone().unwrap_or_default());
    let found = scan(store, input.bucket.clone(), Query { prefix, delimiter, from, limit }).await?;
    let next = found.items.last().filter(|_| found.truncated).map(token);
    let (contents, common_prefixes) = split(found, spelling);
    Ok(ListObjectsV2Output {
        name: Some(input.bucket),
        prefix: Some(spelling.spell(&input.prefix.unwrap_or_default())),
        max_keys: i32::try_from(limit).ok(),
        key_count: i32::try_from(contents.len() + common_prefixes.len()).ok(),
        continuation_token: input.continuation_token,
        is_truncated: Some(next.is_some()),
        next_continuation_token: next,
        contents: Some(contents),
        common_prefixes: Some(common_prefixes),
        delimiter: spelling.all(input.delimiter),
        encoding_type: input.encoding_type,
        start_after: spelling.all(input.start_after),
        request_charged: None,
    })
}

pub async fn objects(store: &Store, request: S3Request<ListObjectsInput>) -> Outcome<ListObjectsOutput> {
    let input = request.input;
    let spelling = Spelling::parse(input.encoding_type.as_ref())?;
    let limit = wire::page_size(input.max_keys)?;
    let (prefix, delimiter) = (input.prefix.clone().unwrap_or_default(), input.delimiter.clone().unwrap_or_default());
    let marker = input.marker.clone().unwrap_or_default();
    let from = after_marker(&marker, &prefix, &delimiter);
    let found = scan(store, input.bucket.clone(), Query { prefix, delimiter, from, limit }).await?;
    let next = found.items.last().filter(|_| found.truncated).map(|item| spelling.spell(name(item)));
    let (contents, common_prefixes) = split(found, spelling);
    Ok(ListObjectsOutput {
        name: Some(input.bucket),
        prefix: Some(spelling.spell(&input.prefix.unwrap_or_default())),
        marker: Some(spelling.spell(&marker)),
        max_keys: i32::try_from(limit).ok(),
        is_truncated: Some(next.is_some()),
        next_marker: next,
        contents: Some(contents),
        common_prefixes: Some(common_prefixes),
        delimiter: spelling.all(input.delimiter),
        encoding_type: input.encoding_type,
        request_charged: None,
    })
}

async fn scan(store: &Store, bucket: String, query: Query) -> Outcome<Page<objects::Object>> {
    let select = format!(
        "select key, {} from object where bucket = ?1 and key >= ?2 and key < ?3 order by key",
        objects::COLUMNS
    );
    let look_up = move |sql: &rusqlite::Connection| {
        let bucket = buckets::id(sql, &bucket)?;
        page(sql, &select, bucket, &query, |_, row| objects::object(row, 1).map(Some))
    };
    store.index.read(look_up).await
}

/// A marker that is a common prefix stands for everything in it.
fn after_marker(marker: &str, prefix: &str, delimiter: &str) -> Vec<u8> {
    match rolled_up(marker, prefix, delimiter) {
        Some(common) if common == marker => after_prefix(marker),
        _ if marker.is_empty() => Vec::new(),
        _ => after_key(marker),
    }
}

fn name<T>(item: &Item<T>) -> &str {
    match item {
        Item::Entry(name, _) | Item::CommonPrefix(name) => name,
    }
}

/// Where the next page begins, opaque to the client.
fn token<T>(last: &Item<T>) -> String {
    BASE64.encode(match last {
        Item::Entry(key, _) => after_key(key),
        Item::CommonPrefix(prefix) => after_prefix(prefix),
    })
}

fn resume(token: &str) -> Outcome<Vec<u8>> {
    match BASE64.decode(token) {
        Ok(from) => Ok(from),
        Err(_) => refuse(S3ErrorCode::InvalidArgument, "The continuation token provided is incorrect"),
    }
}

fn split(found: Page<objects::Object>, spelling: Spelling) -> (Vec<Object>, Vec<CommonPrefix>) {
    let (mut contents, mut prefixes) = (Vec::new(), Vec::new());
    for item in found.items {
        match item {
            Item::Entry(key, row) => contents.push(object(spelling.spell(&key), row)),
            Item::CommonPrefix(prefix) => prefixes.push(CommonPrefix { prefix: Some(spelling.spell(&prefix)) }),
        }
    }
    (contents, prefixes)
}

fn object(key: String, row: objects::Object) -> Object {
    let algorithms = row.checksums.0.keys().map(|algorithm| ChecksumAlgorithm::from_static(algorithm.name()));
    Object {
        checksum_algorithm: Some(algorithms.collect()),
        checksum_type: Some(wire::checksum_type(row.composite)),
        e_tag: Some(wire::etag(&row.etag)),
        key: Some(key),
        last_modified: Some(wire::timestamp(row.modified_ms)),
        size: Some(wire::length(row.size)),
        storage_class: Some(ObjectStorageClass::from_static(ObjectStorageClass::STANDARD)),
        ..Default::default()
    }
}

pub async fn uploads(
    store: &Store,
    request: S3Request<ListMultipartUploadsInput>,
) -> Outcome<ListMultipartUploadsOutput> {
    let input = request.input;
    let spelling = Spelling::parse(input.encoding_type.as_ref())?;
    let limit = wire::page_size(input.max_uploads)?;
    let (prefix, delimiter) = (input.prefix.clone().unwrap_or_default(), input.delimiter.clone().unwrap_or_default());
    let (key_marker, id_marker) =
        (input.key_marker.clone().unwrap_or_default(), input.upload_id_marker.clone().unwrap_or_default());
    let from = match id_marker.is_empty() {
        true => after_marker(&key_marker, &prefix, &delimiter),
        // More uploads of the very key may follow.
        false => key_marker.clone().into_bytes(),
    };
    let query = Query { prefix, delimiter, from, limit };
    let select = format!(
        "select key, {} from upload where bucket = ?1 and key >= ?2 and key < ?3 order by key, id",
        uploads::COLUMNS
    );
    let bucket = input.bucket.clone();
    let look_up = move |sql: &rusqlite::Connection| {
        let bucket = buckets::id(sql, &bucket)?;
        page(sql, &select, bucket, &query, |key, row| {
            let upload = uploads::upload(row, 1)?;
            Ok((key != key_marker || upload.id > id_marker).then_some(upload))
        })
    };
    let found = store.index.read(look_up).await?;
    let (next_key_marker, next_upload_id_marker) = match found.items.last().filter(|_| found.truncated) {
        Some(Item::Entry(key, upload)) => (Some(spelling.spell(key)), Some(upload.id.clone())),
        Some(Item::CommonPrefix(prefix)) => (Some(spelling.spell(prefix)), None),
        None => (None, None),
    };
    let (mut under_way, mut common_prefixes) = (Vec::new(), Vec::new());
    for item in found.items {
        match item {
            Item::Entry(key, row) => under_way.push(upload(spelling.spell(&key), row)),
            Item::CommonPrefix(prefix) => common_prefixes.push(CommonPrefix { prefix: Some(spelling.spell(&prefix)) }),
        }
    }
    Ok(ListMultipartUploadsOutput {
        bucket: Some(input.bucket),
        is_truncated: Some(found.truncated),
        key_marker: spelling.all(input.key_marker),
        upload_id_marker: input.upload_id_marker,
        next_key_marker,
        next_upload_id_marker,
        max_uploads: i32::try_from(limit).ok(),
        prefix: spelling.all(input.prefix),
        delimiter: spelling.all(input.delimiter),
        encoding_type: input.encoding_type,
        uploads: Some(under_way),
        common_prefixes: Some(common_prefixes),
        request_charged: None,
    })
}

fn upload(key: String, row: uploads::Upload) -> MultipartUpload {
    MultipartUpload {
        checksum_algorithm: row.algorithm.map(|algorithm: Algorithm| ChecksumAlgorithm::from_static(algorithm.name())),
        checksum_type: row.algorithm.map(|_| wire::checksum_type(row.composite)),
        initiated: Some(wire::timestamp(row.started_ms)),
        key: Some(key),
        storage_class: Some(StorageClass::from_static(StorageClass::STANDARD)),
        upload_id: Some(row.id),
        ..Default::default()
    }
}
