//! Rows out: as `rows`, `rows.csv` and its like.

use crate::{
    app::App,
    auth::Caller,
    catalogue::{Dataset, Kind, Version},
    error::{Error, Result},
    http::{Path, Problem, Query, content_disposition, is_fresh, user_bytes},
    tables::{RowFormat, RowQuery},
};
use axum::{
    body::Body,
    extract::State,
    response::{IntoResponse, Response},
};
use http::{
    HeaderMap, HeaderValue, Method, StatusCode,
    header::{ACCEPT, ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE, ETAG, VARY},
};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::cmp::Reverse;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RowsQuery {
    select: Option<String>,
    order: Option<String>,
    limit: Option<u64>,
    offset: Option<u64>,
    /// One of the older versions that are kept.
    #[serde(default)]
    version: Option<i64>,
}

/// `GET /v1/tables/{name}/rows`: the format by `Accept`.
pub async fn rows(
    State(app): State<App>,
    caller: Caller,
    Path(name): Path<String>,
    Query(mut query): Query<RowsQuery>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let dataset = app.catalogue.find_version(&caller, Kind::Table, &name, query.version.take()).await?;
    let format = accepted(&headers, RowFormat::Json)?;
    Ok(serve_rows(&app, &dataset, format, query, &method, &headers).await?)
}

/// `GET /v1/tables/{name}/rows.csv`: the format by extension.
pub async fn rows_as(
    State(app): State<App>,
    caller: Caller,
    Path((name, file)): Path<(String, String)>,
    Query(mut query): Query<RowsQuery>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let extension = file.strip_prefix("rows.").ok_or(Error::NotFound { what: "page" })?;
    let dataset = app.catalogue.find_version(&caller, Kind::Table, &name, query.version.take()).await?;
    Ok(serve_rows(&app, &dataset, RowFormat::from_extension(extension)?, query, &method, &headers).await?)
}

/// The rows of the dataset's version. Without `limit` all of them; a failure midway breaks the transfer.
pub async fn serve_rows(
    app: &App,
    dataset: &Dataset,
    format: RowFormat,
    query: RowsQuery,
    method: &Method,
    headers: &HeaderMap,
) -> Result<Response> {
    if query.version.is_some() {
        return Err(Error::invalid("version", "a link shows the current version alone."));
    }
    let version = dataset.current()?;
    let table_id = version.table_id.ok_or_else(|| Error::internal("a version of a table without rows"))?;
    let rows =
        RowQuery::parse(&version.columns, query.select.as_deref(), query.order.as_deref(), query.limit, query.offset)?;
    let etag = rows_etag(&version.etag(), &rows, format);
    let mut answer = HeaderMap::new();
    answer.insert(ETAG, HeaderValue::from_str(&etag).map_err(Error::internal)?);
    answer.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    answer.insert(VARY, HeaderValue::from_static("Accept, Accept-Encoding, Authorization"));
    if is_fresh(headers, &etag) {
        return Ok((StatusCode::NOT_MODIFIED, answer).into_response());
    }
    user_bytes(&mut answer);
    answer.insert(CONTENT_TYPE, HeaderValue::from_static(format.content_type()));
    answer.insert(ACCEPT_RANGES, HeaderValue::from_static("none"));
    let disposition = content_disposition(format.content_type(), &format!("{}.{}", dataset.name, format.extension()));
    answer.insert(CONTENT_DISPOSITION, HeaderValue::from_str(&disposition).map_err(Error::internal)?);
    if method == Method::HEAD {
        // Of a length that is not known: an empty body would be announced as one of 0 bytes.
        return Ok((answer, Body::from_stream(futures::stream::empty::<Result<bytes::Bytes>>())).into_response());
    }
    let (revision, body) = app.tables.rows(table_id, &version.columns, &rows, format).await?;
    if let Some(revision) = revision.filter(|revision| *revision != version.revision) {
        // Rows came between our look at the catalogue and the snapshot that is sent.
        let sent = Version { revision, ..version.clone() };
        answer.insert(ETAG, HeaderValue::from_str(&rows_etag(&sent.etag(), &rows, format)).map_err(Error::internal)?);
    }
    let body = Body::from_stream(body);
    Ok((answer, body).into_response())
}

/// `version.revision`, and a hash of what was asked of it.
fn rows_etag(version: &str, query: &RowQuery, format: RowFormat) -> String {
    let asked = Sha256::digest(format!("{query:?} {format:?}"));
    format!("\"{}-{}\"", version.trim_matches('"'), hex::encode(&asked[..8]))
}

/// The format that the client likes best of those there are: each has the quality of the most specific range that covers it (RFC 9110, section 12.5.1); of
/// equals the one that is named first, and of those covered by one range the default.
pub fn accepted(headers: &HeaderMap, default: RowFormat) -> Result<RowFormat> {
    let lines: Vec<_> = headers.get_all(ACCEPT).iter().filter_map(|accept| accept.to_str().ok()).collect();
    let ranges: Vec<_> = lines.iter().flat_map(|line| line.split(',')).map(media_range).collect();
    if ranges.iter().all(|(range, _)| range.is_empty()) {
        return Ok(default);
    }
    let mut best: Option<(f32, usize, RowFormat)> = None;
    for format in [default, RowFormat::Csv, RowFormat::Json, RowFormat::NdJson] {
        let covering = ranges.iter().enumerate().filter_map(|(at, (range, quality))| {
            let specificity = specificity(range, format)?;
            Some((specificity, at, *quality))
        });
        let Some((_, at, quality)) = covering.max_by_key(|(specificity, at, _)| (*specificity, Reverse(*at))) else {
            continue;
        };
        let better = best.is_none_or(|(best, first, _)| quality.total_cmp(&best).then(first.cmp(&at)).is_gt());
        if quality > 0.0 && better {
            best = Some((quality, at, format));
        }
    }
    let detail = "rows come as text/csv, application/json or application/x-ndjson.".to_owned();
    best.map(|(_, _, format)| format).ok_or(Error::NotAcceptable { detail })
}

fn media_range(text: &str) -> (String, f32) {
    let mut parts = text.split(';').map(|part| part.trim().to_ascii_lowercase());
    let range = parts.next().unwrap_or_default();
    (range, parts.find_map(|part| part.strip_prefix("q=")?.trim().parse().ok()).unwrap_or(1.0))
}

/// How closely a media range describes a format, if it covers it.
fn specificity(range: &str, format: RowFormat) -> Option<u8> {
    let kind = |name: &str| name.split('/').next() == range.strip_suffix("/*");
    match range {
        "*/*" => Some(0),
        _ if format.media_types().iter().any(|name| kind(name)) => Some(1),
        _ => format.media_types().contains(&range).then_some(2),
    }
}
