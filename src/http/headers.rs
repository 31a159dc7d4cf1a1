//! What the headers of a request say of its body, and how its answer is wanted.

use crate::error::{Error, Result};
use http::{
    HeaderMap,
    header::{CONTENT_ENCODING, CONTENT_TYPE},
};

const IDEMPOTENCY_KEY_BYTES_MAX: usize = 255;

/// The client's `Content-Type`, unless it is what a client sends that knows nothing.
pub fn content_type(headers: &HeaderMap) -> Option<String> {
    header(headers, CONTENT_TYPE)
        .filter(|value| !matches!(value.as_str(), "application/octet-stream" | "application/x-www-form-urlencoded"))
}

pub fn guess_content_type(name: &str) -> String {
    mime_guess::from_path(name).first_or_octet_stream().to_string()
}

/// `Content-Encoding` in lower case; `identity` is none.
pub fn content_encoding(headers: &HeaderMap) -> Option<String> {
    header(headers, CONTENT_ENCODING)
        .map(|encoding| encoding.to_ascii_lowercase())
        .filter(|encoding| encoding != "identity")
}

/// A document is kept as JSON, not as the bytes that came: it comes plain.
pub fn plain_document(encoding: Option<&str>) -> Result<()> {
    match encoding {
        None => Ok(()),
        Some(encoding) => Err(Error::UnsupportedMediaType {
            detail: format!(
                "A document is sent plain, without `Content-Encoding: {encoding}`; `?as=blob` keeps the file as it is."
            ),
        }),
    }
}

fn header(headers: &HeaderMap, name: http::HeaderName) -> Option<String> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned).filter(|value| !value.is_empty())
}

/// The value of a preference, as in `Prefer: resolution=merge-duplicates` (RFC 7240).
pub fn preference(headers: &HeaderMap, name: &str) -> Option<String> {
    let lines = headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok());
    lines.flat_map(|line| line.split([',', ';'])).find_map(|one| {
        let (told, value) = one.trim().split_once('=')?;
        told.trim().eq_ignore_ascii_case(name).then(|| value.trim().trim_matches('"').to_owned())
    })
}

/// What the client calls this request and all its repetitions.
pub fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>> {
    let Some(key) = headers.get("idempotency-key") else { return Ok(None) };
    let key = key.to_str().ok().map(|key| key.trim().trim_matches('"'));
    match key.filter(|key| (1..=IDEMPOTENCY_KEY_BYTES_MAX).contains(&key.len())) {
        Some(key) => Ok(Some(key.to_owned())),
        None => {
            let detail = format!("it must be 1 to {IDEMPOTENCY_KEY_BYTES_MAX} characters of ASCII, such as a UUID.");
            Err(Error::invalid("Idempotency-Key", detail))
        }
    }
}

/// `Prefer: redirect`: the client asks to be sent to S3 itself.
pub fn prefers_redirect(headers: &HeaderMap) -> bool {
    headers
        .get_all("prefer")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .any(|value| value.split(',').any(|one| one.trim() == "redirect"))
}
