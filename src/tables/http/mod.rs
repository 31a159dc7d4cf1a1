//! `/v1/tables`: a table in, its descriptor, its versions, its raw upload; `rows` has the rows that come out, `append` those that are added.

mod append;
mod indexes;
mod rows;

pub use append::append;
pub use indexes::{create_index, drop_index, indexes};
pub use rows::{RowsQuery, accepted, rows, rows_as, serve_rows};

use super::{NewTableFile, TableFormat, query::names};
use crate::{
    app::App,
    auth::Caller,
    catalogue::{Column, Kind, Replace},
    error::Result,
    http::{
        Descriptor, File, NoParameters, Path, Problem, Query, answer_upload, content_encoding, content_type, incoming,
        precondition, serve_object, upload_share,
    },
};
use axum::{
    body::Body,
    extract::State,
    response::{IntoResponse, Response},
};
use http::{
    HeaderMap, Method, StatusCode,
    header::{CACHE_CONTROL, ETAG},
};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PutQuery {
    /// `csv`, `tsv`, `ndjson` or `json`; told from the content if not given.
    format: Option<TableFormat>,
    /// Columns that make each row unique and are never missing, such as `id` or `year,"a,b"`; empty for none. What was told before holds if it is not given.
    key: Option<String>,
    /// Makes or extends a share link, such as `7d`.
    share: Option<String>,
}

/// `PUT /v1/tables/{name}`
pub async fn put(
    State(app): State<App>,
    caller: Caller,
    Path(name): Path<String>,
    Query(query): Query<PutQuery>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let share = upload_share(&app, query.share.as_deref())?;
    let told = content_type(&headers);
    let key = query.key.as_deref().map(|key| if key.is_empty() { Ok(Vec::new()) } else { names("key", key) });
    let file = NewTableFile {
        name,
        title: None,
        original_name: None,
        format: query.format.or_else(|| told.as_deref().and_then(TableFormat::of_content_type)),
        content_type: told,
        content_encoding: content_encoding(&headers),
        key: key.transpose()?,
        replace: Replace::Any,
        condition: precondition(&headers)?,
    };
    let outcome = app.tables.put(&caller, file, incoming(&app.config, &headers, body)?).await?;
    let (descriptor, created) = Descriptor::of_upload(&app, &caller, &outcome, share).await?;
    Ok(answer_upload(&descriptor, created))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VersionQuery {
    /// One of the older versions that are kept.
    version: Option<i64>,
}

/// `GET /v1/tables/{name}`: the descriptor, with columns and types.
pub async fn get(
    State(app): State<App>,
    caller: Caller,
    Path(name): Path<String>,
    Query(query): Query<VersionQuery>,
) -> Result<Response, Problem> {
    let dataset = app.catalogue.find_version(&caller, Kind::Table, &name, query.version).await?;
    let descriptor = Descriptor::of(&app, &dataset);
    let etag = descriptor.etag.clone().unwrap_or_default();
    Ok(([(ETAG, etag), (CACHE_CONTROL, "private, no-cache".to_owned())], axum::Json(descriptor)).into_response())
}

/// `DELETE /v1/tables/{name}`: hides it.
pub async fn delete(
    State(app): State<App>,
    caller: Caller,
    Path(name): Path<String>,
    _: Query<NoParameters>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    app.catalogue.delete(&caller, Kind::Table, &name, &precondition(&headers)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /v1/tables/{name}/restore`
pub async fn restore(
    State(app): State<App>,
    caller: Caller,
    Path(name): Path<String>,
    _: Query<NoParameters>,
) -> Result<axum::Json<Descriptor>, Problem> {
    let dataset = app.catalogue.restore(&caller, Kind::Table, &name).await?;
    Ok(axum::Json(Descriptor::of(&app, &dataset)))
}

/// `GET /v1/tables/{name}/raw`: the upload as it came, byte for byte.
pub async fn raw(
    State(app): State<App>,
    caller: Caller,
    Path(name): Path<String>,
    Query(query): Query<VersionQuery>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let dataset = app.catalogue.find_version(&caller, Kind::Table, &name, query.version).await?;
    Ok(serve_object(&app.objects, &method, &headers, &File::of(&dataset, dataset.current()?)).await?)
}

#[derive(Debug, Serialize)]
pub struct VersionList {
    versions: Vec<VersionView>,
}

#[derive(Debug, Serialize)]
pub struct VersionView {
    version: i64,
    etag: String,
    /// Whether it is the one that readers see who name none.
    current: bool,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    rows: u64,
    /// Of the raw upload, without those of appends.
    size_bytes: u64,
    columns: Vec<Column>,
    pinned: bool,
}

/// `GET /v1/tables/{name}/versions`: those that are kept, the newest first.
pub async fn versions(
    State(app): State<App>,
    caller: Caller,
    Path(name): Path<String>,
    _: Query<NoParameters>,
) -> Result<Response, Problem> {
    let kept = app.catalogue.versions(&caller, Kind::Table, &name).await?;
    let versions = kept.iter().enumerate().filter_map(|(at, dataset)| {
        let version = dataset.version.as_ref()?;
        Some(VersionView {
            version: version.number,
            etag: version.etag(),
            current: at == 0,
            created_at: version.created_at,
            rows: version.row_count,
            size_bytes: version.size_bytes,
            columns: version.columns.clone(),
            pinned: version.pinned,
        })
    });
    let list = VersionList { versions: versions.collect() };
    Ok(([(CACHE_CONTROL, "private, no-cache")], axum::Json(list)).into_response())
}
