//! Between the wire's types and ours.

use std::collections::HashMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use s3s::S3ErrorCode;
use s3s::dto::{ChecksumType, ETag, Timestamp};

use crate::embedded::s3::fault::{Outcome, refuse};
use crate::embedded::s3::index::objects::Headers;

/// S3's limit for the names and values of user metadata together.
const METADATA_BYTES_MAX: usize = 2 << 10;

pub fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

pub fn timestamp(ms: i64) -> Timestamp {
    (UNIX_EPOCH + Duration::from_millis(ms.unsigned_abs())).into()
}

pub fn etag(value: &str) -> ETag {
    ETag::Strong(value.into())
}

pub fn checksum_type(composite: bool) -> ChecksumType {
    ChecksumType::from_static(if composite { ChecksumType::COMPOSITE } else { ChecksumType::FULL_OBJECT })
}

/// Lengths on the wire are signed.
pub fn length(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

/// A page's size: what was asked for, up to S3's own limit.
pub fn page_size(asked: Option<i32>) -> Outcome<usize> {
    match asked {
        None => Ok(1000),
        Some(asked) => match usize::try_from(asked) {
            Ok(asked) => Ok(asked.min(1000)),
            Err(_) => refuse(S3ErrorCode::InvalidArgument, "The size of a page is not negative."),
        },
    }
}

/// Reads the headers that an object keeps from an input.
macro_rules! headers_of {
    ($input:expr) => {
        $crate::embedded::s3::ops::wire::checked($crate::embedded::s3::index::objects::Headers {
            content_type: $input.content_type.clone(),
            content_disposition: $input.content_disposition.clone(),
            content_encoding: $input.content_encoding.clone(),
            content_language: $input.content_language.clone(),
            cache_control: $input.cache_control.clone(),
            expires: $input.expires.clone(),
            metadata: $input.metadata.clone().unwrap_or_default(),
        })
    };
}
pub(super) use headers_of;

/// Writes the headers that an object keeps to an output.
macro_rules! show_headers {
    ($output:expr, $headers:expr) => {{
        let headers = $headers;
        $output.content_type = Some(headers.content_type.unwrap_or_else(|| "binary/octet-stream".into()));
        $output.content_disposition = headers.content_disposition;
        $output.content_encoding = headers.content_encoding;
        $output.content_language = headers.content_language;
        $output.cache_control = headers.cache_control;
        $output.expires = headers.expires;
        $output.metadata = Some(headers.metadata).filter(|metadata| !metadata.is_empty());
    }};
}
pub(super) use show_headers;

/// Drops the encoding of the transfer from that of the content, and refuses too much metadata.
pub fn checked(mut headers: Headers) -> Outcome<Headers> {
    if let Some(encodings) = headers.content_encoding.take() {
        let kept: Vec<_> =
            encodings.split(',').map(str::trim).filter(|name| !name.is_empty() && *name != "aws-chunked").collect();
        headers.content_encoding = Some(kept.join(",")).filter(|kept| !kept.is_empty());
    }
    if metadata_bytes(&headers.metadata) > METADATA_BYTES_MAX {
        return refuse(
            S3ErrorCode::MetadataTooLarge,
            "Your metadata headers exceed the maximum allowed metadata size.",
        );
    }
    Ok(headers)
}

fn metadata_bytes(metadata: &HashMap<String, String>) -> usize {
    metadata.iter().map(|(name, value)| name.len() + value.len()).sum()
}

/// Refuses what would silently not be done.
macro_rules! refuse_unsupported {
    ($input:expr, $($field:ident),+) => {{
        $(if $input.$field.is_some() {
            return $crate::embedded::s3::fault::refuse(
                s3s::S3ErrorCode::NotImplemented,
                concat!("The embedded S3 does not support ", stringify!($field), "."),
            );
        })+
    }};
}
pub(super) use refuse_unsupported;
