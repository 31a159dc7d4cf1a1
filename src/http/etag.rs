//! Conditional requests, RFC 9110 section 13.

use crate::{
    catalogue::Precondition,
    error::{Error, Result},
};
use http::{
    HeaderMap,
    header::{HeaderName, IF_MATCH, IF_NONE_MATCH},
};

/// The condition of a write. `If-None-Match` is understood with `*` alone, since a write that depends on what must not match has no use here.
pub fn precondition(headers: &HeaderMap) -> Result<Precondition> {
    match (list(headers, IF_MATCH).as_deref(), list(headers, IF_NONE_MATCH).as_deref()) {
        (None, None) => Ok(Precondition::None),
        (None, Some([all])) if all == "*" => Ok(Precondition::Absent),
        (Some([all]), None) if all == "*" => Ok(Precondition::Exists),
        (Some(etags), None) => Ok(Precondition::Matches(etags.to_vec())),
        _ => Err(Error::invalid(
            "If-None-Match",
            "a write takes `If-Match: \"…\"`, `If-Match: *` or `If-None-Match: *`.",
        )),
    }
}

/// Whether a reader that sends `If-None-Match` holds this state already.
pub fn is_fresh(headers: &HeaderMap, etag: &str) -> bool {
    let weak = |etag: &str| etag.trim_start_matches("W/").to_owned();
    list(headers, IF_NONE_MATCH).is_some_and(|etags| etags.iter().any(|one| one == "*" || weak(one) == weak(etag)))
}

/// Whether a reader that sends `If-Match` asks for another state.
pub fn is_other(headers: &HeaderMap, etag: &str) -> bool {
    list(headers, IF_MATCH).is_some_and(|etags| !etags.iter().any(|one| one == "*" || one == etag))
}

fn list(headers: &HeaderMap, name: HeaderName) -> Option<Vec<String>> {
    // One that is no text matches nothing; passing it over would drop the condition.
    let values: Vec<_> = headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
    if values.is_empty() {
        return None;
    }
    Some(values.iter().flat_map(|value| value.split(',')).map(|etag| etag.trim().to_owned()).collect())
}
