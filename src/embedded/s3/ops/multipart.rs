//! Uploads in parts: begin, complete, abort.
//!
//! **Invariant: completing is one transaction that moves rows, not bytes.** A refused completion leaves the upload and all its parts as they were.

use s3s::dto::*;
use s3s::{S3ErrorCode, S3Request};

use super::wire::{self, headers_of, refuse_unsupported};
use crate::embedded::s3::digest::{Algorithm, Checksums, checksums_of, composite, full_object, show_checksums};
use crate::embedded::s3::fault::{Outcome, refuse};
use crate::embedded::s3::index::objects::{Condition, Object as Row};
use crate::embedded::s3::index::uploads::{Part, Upload};
use crate::embedded::s3::index::{Change, contents, objects, uploads};
use crate::embedded::s3::store::Store;

/// The least size of a part that is not the last.
const PART_BYTES_MIN: u64 = 5 << 20;
const PARTS_MAX: usize = 10_000;

pub async fn create(
    store: &Store,
    request: S3Request<CreateMultipartUploadInput>,
) -> Outcome<CreateMultipartUploadOutput> {
    let input = request.input;
    refuse_unsupported!(
        input,
        tagging,
        object_lock_mode,
        object_lock_legal_hold_status,
        sse_customer_key,
        ssekms_key_id
    );
    let algorithm = input.checksum_algorithm.as_ref().map(|name| Algorithm::parse(name.as_str())).transpose()?;
    let upload = Upload {
        // Begins with the time, so that uploads of one key are listed in the order in which they began.
        id: uuid::Uuid::now_v7().simple().to_string(),
        started_ms: wire::now_ms(),
        headers: headers_of!(input)?,
        algorithm,
        composite: is_composite(algorithm, input.checksum_type.as_ref())?,
    };
    let output = CreateMultipartUploadOutput {
        bucket: Some(input.bucket.clone()),
        key: Some(input.key.clone()),
        upload_id: Some(upload.id.clone()),
        checksum_algorithm: input.checksum_algorithm,
        checksum_type: algorithm.map(|_| wire::checksum_type(upload.composite)),
        ..Default::default()
    };
    store.index.write(move |change| uploads::create(change, &input.bucket, &input.key, &upload)).await?;
    Ok(output)
}

/// Which kind of checksum the object will have; the combinations that S3 does not have are refused.
fn is_composite(algorithm: Option<Algorithm>, asked: Option<&ChecksumType>) -> Outcome<bool> {
    let default = algorithm.is_some_and(|algorithm| algorithm != Algorithm::Crc64Nvme);
    let composite = match asked.map(ChecksumType::as_str) {
        None => default,
        Some(ChecksumType::COMPOSITE) => true,
        Some(ChecksumType::FULL_OBJECT) => false,
        Some(_) => return refuse(S3ErrorCode::InvalidRequest, "The checksum type is COMPOSITE or FULL_OBJECT."),
    };
    let algorithm = algorithm.unwrap_or(Algorithm::DEFAULT);
    let possible = if composite { algorithm != Algorithm::Crc64Nvme } else { algorithm.combines() };
    if !possible {
        let message = format!(
            "The checksum type {} does not go with {}.",
            wire::checksum_type(composite).as_str(),
            algorithm.name()
        );
        return refuse(S3ErrorCode::InvalidRequest, message);
    }
    Ok(composite)
}

pub async fn abort(
    store: &Store,
    request: S3Request<AbortMultipartUploadInput>,
) -> Outcome<AbortMultipartUploadOutput> {
    let AbortMultipartUploadInput { bucket, key, upload_id, .. } = request.input;
    let abort = move |change: &mut Change<'_>| {
        uploads::find(change.sql, &bucket, &key, &upload_id)?;
        uploads::delete(change, &upload_id)
    };
    store.index.write(abort).await?;
    Ok(AbortMultipartUploadOutput::default())
}

pub async fn complete(
    store: &Store,
    request: S3Request<CompleteMultipartUploadInput>,
) -> Outcome<CompleteMultipartUploadOutput> {
    let input = request.input;
    refuse_unsupported!(input, sse_customer_key);
    let (bucket, key) = (input.bucket.clone(), input.key.clone());
    let row = store.index.write(move |change| assemble(change, input)).await?;
    let mut output = CompleteMultipartUploadOutput {
        location: Some(format!("/{bucket}/{key}")),
        bucket: Some(bucket),
        key: Some(key),
        e_tag: Some(wire::etag(&row.etag)),
        checksum_type: Some(wire::checksum_type(row.composite)),
        ..Default::default()
    };
    show_checksums!(output, row.checksums);
    Ok(output)
}

fn assemble(change: &mut Change<'_>, input: CompleteMultipartUploadInput) -> Outcome<Row> {
    let upload = uploads::find(change.sql, &input.bucket, &input.key, &input.upload_id)?;
    let promised = checksums_of!(input);
    let named = input.multipart_upload.and_then(|upload| upload.parts).unwrap_or_default();
    let parts = chosen(uploads::parts(change.sql, &upload.id, 0, PARTS_MAX)?, &named)?;
    let size = parts.iter().map(|part| part.size).sum();
    if input.mpu_object_size.is_some_and(|told| told != wire::length(size)) {
        return refuse(
            S3ErrorCode::InvalidRequest,
            "The object size you specified does not match the sum of the parts.",
        );
    }
    if input.checksum_type.is_some_and(|told| told != wire::checksum_type(upload.composite)) {
        return refuse(
            S3ErrorCode::InvalidRequest,
            "The checksum type differs from the one that the upload was begun with.",
        );
    }
    let checksums = checksums(&upload, &parts, &promised)?;

    let mut spans = Vec::new();
    for part in &parts {
        spans.extend(contents::spans(change.sql, part.content)?);
    }
    let content = contents::share(change, &spans)?;
    for part in &parts {
        let part = contents::Part { number: part.number, size: part.size, checksums: part.checksums.clone() };
        contents::add_part(change, content, &part)?;
    }
    let etag = etag(&parts)?;
    let row = Row {
        size,
        etag,
        modified_ms: wire::now_ms(),
        headers: upload.headers,
        checksums,
        composite: upload.composite,
        content,
    };
    let condition = Condition { if_match: input.if_match, if_none_match: input.if_none_match };
    objects::put(change, &input.bucket, &input.key, &condition, &row)?;
    uploads::delete(change, &upload.id)?;
    Ok(row)
}

/// The stored parts that the client names, which must be ascending, the same as stored and large enough. Numbers may be left out.
fn chosen(stored: Vec<Part>, named: &[CompletedPart]) -> Outcome<Vec<Part>> {
    if named.is_empty() {
        return refuse(S3ErrorCode::MalformedXML, "You must specify at least one part.");
    }
    let mut stored = stored.into_iter();
    let mut chosen: Vec<Part> = Vec::with_capacity(named.len());
    for name in named {
        let number = name.part_number.unwrap_or_default();
        if let Some(last) = chosen.last() {
            if number <= last.number {
                return refuse(S3ErrorCode::InvalidPartOrder, "The list of parts was not in ascending order.");
            }
            if last.size < PART_BYTES_MIN {
                return refuse(
                    S3ErrorCode::EntityTooSmall,
                    "A part other than the last is smaller than the minimum of 5 MiB.",
                );
            }
        }
        let sent = checksums_of!(name);
        let same = |part: &Part| {
            // A checksum of a kind that the part has none of says nothing against it.
            name.e_tag.as_ref().is_none_or(|etag| etag.value() == part.etag)
                && sent
                    .0
                    .iter()
                    .all(|(algorithm, value)| part.checksums.get(*algorithm).is_none_or(|stored| stored == value))
        };
        match stored.find(|part| part.number >= number).filter(|part| part.number == number && same(part)) {
            Some(part) => chosen.push(part),
            None => {
                return refuse(
                    S3ErrorCode::InvalidPart,
                    format!("Part {number} could not be found, or its ETag or checksum is not the stored one."),
                );
            }
        }
    }
    Ok(chosen)
}

/// The object's checksum, and those that the client promises, verified.
fn checksums(upload: &Upload, parts: &[Part], promised: &Checksums) -> Outcome<Checksums> {
    let compute = |algorithm: Algorithm| {
        if upload.composite {
            composite(algorithm, parts.iter().map(|part| part.checksums.get(algorithm)))
        } else {
            full_object(algorithm, parts.iter().map(|part| (part.checksums.get(algorithm), part.size)))
        }
    };
    for (algorithm, promised) in &promised.0 {
        let Some(computed) = compute(*algorithm) else {
            let message = format!(
                "The {} of the whole cannot be computed: the parts were not uploaded with it.",
                algorithm.name()
            );
            return refuse(S3ErrorCode::InvalidRequest, message);
        };
        // Some clients send a composite checksum without the number of parts.
        if computed != *promised && computed.split('-').next() != Some(promised) {
            return refuse(
                S3ErrorCode::BadDigest,
                format!("The {} you specified did not match the calculated checksum.", algorithm.name()),
            );
        }
    }
    let algorithm = upload.algorithm.unwrap_or(Algorithm::DEFAULT);
    Ok(compute(algorithm).map(|value| Checksums::one(algorithm, value)).unwrap_or_default())
}

/// S3's ETag of an upload in parts: the MD5 of the parts' MD5s, and their number.
fn etag(parts: &[Part]) -> Outcome<String> {
    use s3s::crypto::{Checksum as _, Md5};
    let mut md5 = Md5::new();
    for part in parts {
        md5.update(&hex::decode(&part.etag).map_err(|_| "a part's ETag that is not hexadecimal")?);
    }
    Ok(format!("{}-{}", hex::encode(md5.finalize()), parts.len()))
}
