//! Users' bytes on their way out: conditional requests, ranges, and headers that keep a browser from running them on our origin.

use super::{
    descriptor::Descriptor,
    etag::{is_fresh, is_other},
    headers::prefers_redirect,
    page::parse_life,
};
use crate::{
    app::App,
    audit::http::Gives,
    catalogue::{Dataset, Kind, Version},
    error::{Error, Limit, Result},
    objects::{Objects, Presentation, Presigned},
};
use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use http::{
    HeaderMap, HeaderValue, Method, StatusCode,
    header::{
        ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE,
        CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderName, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE,
        LAST_MODIFIED, LOCATION, RANGE, VARY, X_CONTENT_TYPE_OPTIONS,
    },
};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use std::{ops::RangeInclusive, time::Duration};
use time::{OffsetDateTime, format_description::well_known::Rfc2822, macros::format_description};
use uuid::Uuid;

/// An object as it is served.
pub struct File {
    pub object_id: Uuid,
    pub size_bytes: u64,
    pub etag: String,
    pub modified_at: OffsetDateTime,
    pub presentation: Presentation,
}

impl File {
    /// The blob, or a table's raw upload, of a version.
    pub fn of(dataset: &Dataset, version: &Version) -> Self {
        Self {
            object_id: version.object_id,
            size_bytes: version.size_bytes,
            etag: version.etag(),
            modified_at: version.created_at,
            presentation: presentation(dataset, version),
        }
    }
}

/// The bytes of the current version: by a redirect to the bucket for who prefers one, else streamed.
pub async fn bytes(app: &App, dataset: &Dataset, method: &Method, headers: &HeaderMap) -> Result<Response> {
    if method == Method::GET
        && prefers_redirect(headers)
        && let Some(presigned) = mint(app, dataset, None).await?
    {
        let mut response = redirect(&presigned)?;
        set(response.headers_mut(), HeaderName::from_static("preference-applied"), "redirect")?;
        return Ok(Gives::minted(dataset.id, response));
    }
    let response = object(&app.objects, method, headers, &File::of(dataset, dataset.current()?)).await?;
    let how = if dataset.kind == Kind::Table { "raw" } else { "blob" };
    Ok(Gives::mark(dataset.id, how, response))
}

/// The descriptor; with a presigned URL of the bytes for who asks by `?presign=` how long it is to live: at most the setting, and so long if that is empty.
pub async fn described(app: &App, dataset: &Dataset, presign: Option<&str>) -> Result<Response> {
    let mut descriptor = Descriptor::of(app, dataset);
    if let Some(life) = presign {
        let life = Some(life).filter(|life| !life.is_empty()).map(|life| parse_life("presign", life)).transpose()?;
        let max = app.config.times.presign();
        if life.is_some_and(|life| life > max) {
            return Err(Limit::PresignSeconds.passed(max.as_secs(), None));
        }
        descriptor.presigned = mint(app, dataset, life).await?.map(Into::into);
    }
    let minted = descriptor.presigned.is_some();
    let response = ([(CACHE_CONTROL, "no-store")], axum::Json(descriptor)).into_response();
    Ok(if minted { Gives::minted(dataset.id, response) } else { response })
}

/// Mints a URL for the current version of a blob, or of a table's raw upload; `None` when the credentials that would sign are about to expire.
pub async fn mint(app: &App, dataset: &Dataset, life: Option<Duration>) -> Result<Option<Presigned>> {
    let version = dataset.current()?;
    let of = (version.object_id, (version.id, dataset.state));
    let presigned = app.objects.presigner.presign(of, || presentation(dataset, version), life).await?;
    if let Some(presigned) = &presigned {
        tracing::debug!(dataset.id = %dataset.id, expires_at = %presigned.expires_at, "presigned URL minted");
    }
    Ok(presigned)
}

/// Room for the headers that an answer has in the end, made at once.
pub const HEADERS_MAX_USUAL: usize = 12;

/// To a URL that lives for minutes.
pub fn redirect(presigned: &Presigned) -> Result<Response> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::TEMPORARY_REDIRECT;
    response.headers_mut().reserve(HEADERS_MAX_USUAL);
    set(response.headers_mut(), LOCATION, &presigned.url)?;
    set(response.headers_mut(), CACHE_CONTROL, "no-store")?;
    Ok(response)
}

/// How a browser is told to treat a version's bytes: under the name of the upload, and never as a page of ours.
fn presentation(dataset: &Dataset, version: &Version) -> Presentation {
    let name = dataset.original_name.as_deref().unwrap_or(&dataset.name);
    let name = name.rsplit('/').next().unwrap_or(name);
    Presentation {
        content_type: version.content_type.clone(),
        content_disposition: content_disposition(&version.content_type, name),
        content_encoding: version.content_encoding.clone(),
    }
}

/// RFC 6266; HTML, SVG and XML are downloads, whatever they are called.
fn content_disposition(content_type: &str, name: &str) -> String {
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let active = essence.contains("html") || essence.contains("xml") || essence.contains("javascript");
    disposition(if active { "attachment" } else { "inline" }, name)
}

/// `inline` or `attachment`, and the name of the file.
pub fn disposition(kind: &str, name: &str) -> String {
    let plain: String = name
        .chars()
        .map(|c| if c.is_ascii() && !c.is_ascii_control() && !"\"\\%".contains(c) { c } else { '_' })
        .collect();
    format!("{kind}; filename=\"{plain}\"; filename*=UTF-8''{}", utf8_percent_encode(name, NON_ALPHANUMERIC))
}

/// Invariant 12: users' bytes leave our origin sandboxed.
pub fn user_bytes(headers: &mut HeaderMap) {
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox"));
}

/// Answers GET or HEAD with the object's bytes, a range of them, or 304.
pub async fn object(objects: &Objects, method: &Method, headers: &HeaderMap, file: &File) -> Result<Response> {
    if is_other(headers, &file.etag) {
        return Err(Error::PreconditionFailed { detail: format!("the current ETag is {}.", file.etag) });
    }
    let mut answer = HeaderMap::new();
    set(&mut answer, ETAG, &file.etag)?;
    set(&mut answer, LAST_MODIFIED, &http_date(file.modified_at))?;
    set(&mut answer, CACHE_CONTROL, "private, no-cache")?;
    set(&mut answer, VARY, "Authorization")?;
    if is_fresh(headers, &file.etag)
        || (!headers.contains_key(IF_NONE_MATCH) && not_modified_since(headers, file.modified_at))
    {
        return Ok((StatusCode::NOT_MODIFIED, answer).into_response());
    }
    user_bytes(&mut answer);
    set(&mut answer, CONTENT_TYPE, &file.presentation.content_type)?;
    set(&mut answer, CONTENT_DISPOSITION, &file.presentation.content_disposition)?;
    if let Some(encoding) = &file.presentation.content_encoding {
        set(&mut answer, CONTENT_ENCODING, encoding)?;
    }
    set(&mut answer, ACCEPT_RANGES, "bytes")?;
    // Ranges are defined for GET alone.
    let range = if method == Method::GET { range(headers, file)? } else { None };
    let (status, length) = match &range {
        Some(range) => {
            set(&mut answer, CONTENT_RANGE, &format!("bytes {}-{}/{}", range.start(), range.end(), file.size_bytes))?;
            (StatusCode::PARTIAL_CONTENT, range.end() - range.start() + 1)
        }
        None => (StatusCode::OK, file.size_bytes),
    };
    set(&mut answer, CONTENT_LENGTH, &length.to_string())?;
    let body = match method {
        &Method::HEAD => Body::empty(),
        _ if length == 0 => Body::empty(),
        _ => Body::from_stream(objects.read(file.object_id, range).await?),
    };
    Ok((status, answer, body).into_response())
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) -> Result<()> {
    headers.insert(name, HeaderValue::from_str(value).map_err(Error::internal)?);
    Ok(())
}

/// The one range asked for. Several ranges, other units and broken ones are answered with the whole, as RFC 9110 permits.
fn range(headers: &HeaderMap, file: &File) -> Result<Option<RangeInclusive<u64>>> {
    let Some(wanted) = headers.get(RANGE).and_then(|range| range.to_str().ok()?.strip_prefix("bytes=")) else {
        return Ok(None);
    };
    let unchanged = |value: &HeaderValue| {
        value.as_bytes() == file.etag.as_bytes() || value.as_bytes() == http_date(file.modified_at).as_bytes()
    };
    if headers.get(IF_RANGE).is_some_and(|value| !unchanged(value)) {
        return Ok(None);
    }
    let size = file.size_bytes;
    let number = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| text.parse().unwrap_or(u64::MAX))
    };
    let (start, end) = match wanted.split_once('-') {
        // The last so many; of none of them the range lies behind the end.
        Some(("", length)) => (number(length).map(|length| size.saturating_sub(length)), Some(u64::MAX)),
        Some((start, "")) => (number(start), Some(u64::MAX)),
        Some((start, end)) => (number(start), number(end)),
        None => (None, None),
    };
    match (start, end) {
        (Some(start), Some(end)) if start <= end && start >= size => Err(Error::RangeNotSatisfiable { size }),
        (Some(start), Some(end)) if start <= end => Ok(Some(start..=end.min(size - 1))),
        _ => Ok(None),
    }
}

fn http_date(at: OffsetDateTime) -> String {
    let format =
        format_description!("[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT");
    at.to_offset(time::UtcOffset::UTC).format(format).unwrap_or_default()
}

fn not_modified_since(headers: &HeaderMap, modified_at: OffsetDateTime) -> bool {
    let since = headers.get(IF_MODIFIED_SINCE).and_then(|since| since.to_str().ok());
    let since = since.and_then(|since| OffsetDateTime::parse(&since.replace("GMT", "+0000"), &Rfc2822).ok());
    since.is_some_and(|since| modified_at.unix_timestamp() <= since.unix_timestamp())
}

#[cfg(test)]
mod tests {
    use super::{File, content_disposition, range};
    use crate::objects::Presentation;
    use http::{HeaderMap, header::RANGE};
    use time::OffsetDateTime;

    #[test]
    fn a_range_is_one_that_the_file_has_or_a_problem() {
        let presentation =
            Presentation { content_type: String::new(), content_disposition: String::new(), content_encoding: None };
        let file = File {
            object_id: uuid::Uuid::nil(),
            size_bytes: 10,
            etag: "\"1\"".to_owned(),
            modified_at: OffsetDateTime::UNIX_EPOCH,
            presentation,
        };
        let asked = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(RANGE, value.parse().unwrap());
            range(&headers, &file).map_err(|_| ())
        };
        assert_eq!(asked("bytes=0-3"), Ok(Some(0..=3)));
        assert_eq!(asked("bytes=7-"), Ok(Some(7..=9)));
        assert_eq!(asked("bytes=-4"), Ok(Some(6..=9)));
        assert_eq!(asked("bytes=-40"), Ok(Some(0..=9)));
        assert_eq!(asked("bytes=5-40"), Ok(Some(5..=9)));
        assert_eq!(asked("bytes=10-"), Err(()));
        assert_eq!(asked("bytes=10-20"), Err(()));
        assert_eq!(asked("bytes=2-99999999999999999999"), Ok(Some(2..=9)));
        assert_eq!(asked("bytes=-0"), Err(()));
        assert_eq!(asked("bytes=5-2"), Ok(None));
        assert_eq!(asked("bytes=0-1,4-5"), Ok(None));
        assert_eq!(asked("items=0-1"), Ok(None));
    }

    #[test]
    fn pages_are_downloads_and_names_are_quoted() {
        assert!(content_disposition("text/html; charset=utf-8", "a.html").starts_with("attachment"));
        assert!(content_disposition("image/svg+xml", "a.svg").starts_with("attachment"));
        assert_eq!(
            content_disposition("image/png", "Ä \"x\".png"),
            "inline; filename=\"_ _x_.png\"; filename*=UTF-8''%C3%84%20%22x%22%2Epng"
        );
    }
}
