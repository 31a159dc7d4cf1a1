//! Statistics out.

use super::VersionQuery;
use crate::{
    app::App,
    audit::http::Gives,
    auth::Caller,
    catalogue::{Kind, Version},
    error::Error,
    http::{Path, Problem, Query, is_fresh, user_bytes},
    tables::stats::FORM,
};
use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, VARY},
};

/// `GET /v1/tables/{name}/stats`: what each column holds.
pub async fn stats(
    State(app): State<App>,
    caller: Caller,
    Path(name): Path<String>,
    Query(query): Query<VersionQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let dataset = app.catalogue.find_version(&caller, Kind::Table, &name, query.version).await?;
    let version = dataset.current()?;
    let mut answer = HeaderMap::new();
    answer.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    answer.insert(VARY, HeaderValue::from_static("Accept, Accept-Encoding, Authorization"));
    let etag = etag(version);
    if is_fresh(&headers, &etag) {
        answer.insert(ETAG, HeaderValue::from_str(&etag).map_err(Error::internal)?);
        return Ok((StatusCode::NOT_MODIFIED, answer).into_response());
    }
    let statistics = app.tables.statistics(&dataset).await?;
    // Rows may have come between our look at the catalogue and the snapshot.
    let etag = self::etag(&Version { revision: statistics.revision, ..version.clone() });
    answer.insert(ETAG, HeaderValue::from_str(&etag).map_err(Error::internal)?);
    answer.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    user_bytes(&mut answer);
    Ok(Gives::mark(dataset.id, "stats", (answer, statistics.content).into_response()))
}

/// `version.revision`, and what it is of.
fn etag(version: &Version) -> String {
    format!("\"{}-stats{FORM}\"", version.etag().trim_matches('"'))
}
