//! What the headers of a request say of its body, and how its answer is wanted.

use crate::error::{Error, Result};
use http::{
    HeaderMap,
    header::{CONTENT_ENCODING, CONTENT_TYPE},
};

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

/// `Prefer: redirect`: the client asks to be sent to S3 itself.
pub fn prefers_redirect(headers: &HeaderMap) -> bool {
    headers
        .get_all("prefer")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .any(|value| value.split(',').any(|one| one.trim() == "redirect"))
}
