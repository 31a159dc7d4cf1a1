//! Conditional reads, in the order of RFC 9110, section 13.2.2.

use axum::http::{HeaderMap, HeaderValue, header};
use s3s::dto::{ETag, ETagCondition, Timestamp};
use s3s::{S3Error, S3ErrorCode};
use time::OffsetDateTime;

use super::wire;
use crate::embedded::s3::fault::{Fault, Outcome, refuse};
use crate::embedded::s3::index::objects::Object;

#[derive(Default)]
pub struct Conditions {
    pub if_match: Option<ETagCondition>,
    pub if_none_match: Option<ETagCondition>,
    pub if_modified_since: Option<Timestamp>,
    pub if_unmodified_since: Option<Timestamp>,
}

enum Verdict {
    Go,
    Failed,
    NotModified,
}

impl Conditions {
    /// For GET and HEAD: 412, or 304 with the validators.
    pub fn check(self, object: &Object) -> Outcome<()> {
        match self.judge(object) {
            Verdict::Go => Ok(()),
            Verdict::Failed => failed(),
            Verdict::NotModified => Err(not_modified(object)),
        }
    }

    /// For the source of a copy: 412 either way.
    pub fn check_source(self, object: &Object) -> Outcome<()> {
        match self.judge(object) {
            Verdict::Go => Ok(()),
            Verdict::Failed | Verdict::NotModified => failed(),
        }
    }

    fn judge(self, object: &Object) -> Verdict {
        let modified = object.modified_ms.div_euclid(1000);
        let matches =
            |condition: &ETagCondition| condition.as_etag().is_none_or(|etag: &ETag| etag.value() == object.etag);
        let holds = match (&self.if_match, self.if_unmodified_since) {
            (Some(condition), _) => matches(condition),
            (None, Some(time)) => modified <= seconds(time),
            (None, None) => true,
        };
        if !holds {
            return Verdict::Failed;
        }
        let known = match (&self.if_none_match, self.if_modified_since) {
            (Some(condition), _) => matches(condition),
            (None, Some(time)) => modified <= seconds(time),
            (None, None) => false,
        };
        if known { Verdict::NotModified } else { Verdict::Go }
    }
}

fn seconds(time: Timestamp) -> i64 {
    OffsetDateTime::from(time).unix_timestamp()
}

fn failed<T>() -> Outcome<T> {
    refuse(S3ErrorCode::PreconditionFailed, "At least one of the pre-conditions you specified did not hold.")
}

fn not_modified(object: &Object) -> Fault {
    let mut headers = HeaderMap::new();
    let mut add = |name, value: Option<&str>| {
        if let Some(value) = value.and_then(|value| HeaderValue::from_str(value).ok()) {
            headers.insert(name, value);
        }
    };
    let mut modified = Vec::new();
    let written = wire::timestamp(object.modified_ms).format(s3s::dto::TimestampFormat::HttpDate, &mut modified);
    add(header::ETAG, Some(&format!("\"{}\"", object.etag)));
    add(header::LAST_MODIFIED, written.ok().and_then(|()| std::str::from_utf8(&modified).ok()));
    add(header::CACHE_CONTROL, object.headers.cache_control.as_deref());
    let mut error = S3Error::new(S3ErrorCode::NotModified);
    error.set_headers(headers);
    Fault::Refused(error)
}
