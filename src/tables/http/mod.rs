//! `/v1/tables`: a table in, its descriptor, its versions, its raw upload; `rows` has the rows that come out, `append` those that are added, `change` those that are changed or deleted, and `changes` brings these back.

mod accept;
mod append;
mod change;
mod changes;
mod indexes;
mod patch;
mod rendition;
mod rows;
mod stats;
mod window;

pub use accept::{Shape, accepted};
pub use append::append;
pub use change::{delete_rows, patch_rows};
pub use changes::{changes, undo};
pub use indexes::{create_index, drop_index, indexes};
pub use patch::patch;
pub use rendition::rendition;
pub use rows::{rows, rows_as, serve_rows};
pub use stats::stats;
pub use window::Asked;

use super::{Hint, NewTableFile, Schema, Told, query::names};
use crate::{
    app::App,
    auth::Caller,
    catalogue::{Column, Kind, Replace},
    error::Result,
    http::{
        Descriptor, NoParameters, Path, Problem, Query, answer_upload, check_share, content_encoding, content_type,
        flag, incoming, precondition, serve_bytes, serve_descriptor, upload_share,
    },
    jobs::http::{prefers_async, respond_async},
    objects::Incoming,
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
use std::time::Duration;
use time::OffsetDateTime;

#[derive(Debug, Default, Deserialize)]
pub struct PutQuery {
    /// Columns that make each row unique and are never missing, such as `id` or `year,"a,b"`; empty for none. What was told before holds if it is not given.
    key: Option<String>,
    /// Makes or extends a share link, such as `7d`.
    share: Option<String>,
    #[serde(default)]
    schema: Schema,
    #[serde(default, deserialize_with = "flag")]
    dry_run: bool,
    /// How the file is to be read: the parameters of [`Options`](crate::tables::Options), which refuses all others.
    #[serde(flatten)]
    told: Told,
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
    check_share(&caller, share, Kind::Table, &name)?;
    let content_type = content_type(&headers);
    let key = query.key.as_deref().map(key_columns);
    let file = NewTableFile {
        name,
        title: None,
        original_name: None,
        hint: content_type.as_deref().map(Hint::of_content_type).unwrap_or_default(),
        content_type,
        content_encoding: content_encoding(&headers),
        told: query.told,
        key: key.transpose()?,
        schema: query.schema,
        replace: Replace::Any,
        condition: precondition(&headers)?,
        job: None,
    };
    let incoming = incoming(&app.config, &headers, body)?;
    if query.dry_run {
        return Ok(axum::Json(app.tables.rehearse_put(&caller, file, incoming).await?).into_response());
    }
    if prefers_async(&headers) {
        return Ok(put_async(&app, &caller, file, share, incoming).await?);
    }
    let outcome = app.tables.put(&caller, file, incoming).await?;
    let (descriptor, created) = Descriptor::of_upload(&app, &caller, &outcome, share).await?;
    Ok(answer_upload(&descriptor, created))
}

/// The columns of `?key=`; none if it is empty.
pub fn key_columns(key: &str) -> Result<Vec<String>> {
    if key.is_empty() { Ok(Vec::new()) } else { names("key", key) }
}

/// The upload as a job: the answer comes as soon as the file has.
pub async fn put_async(
    app: &App,
    caller: &Caller,
    file: NewTableFile,
    share: Option<Duration>,
    incoming: Incoming,
) -> Result<Response> {
    let name = file.name.clone();
    respond_async(app, caller, ("table-upload", &name), |job, progress| {
        let (app, caller) = (app.clone(), caller.clone());
        async move {
            let file = NewTableFile { job: Some((job, progress)), ..file };
            let outcome = app.tables.put(&caller, file, incoming).await?;
            Descriptor::of_upload(&app, &caller, &outcome, share).await.map(|_| ())
        }
    })
    .await
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

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawQuery {
    version: Option<i64>,
    /// The descriptor with a presigned URL that lives so long, such as `15m`; empty for the default.
    presign: Option<String>,
}

/// `GET /v1/tables/{name}/raw`: the upload as it came, byte for byte.
pub async fn raw(
    State(app): State<App>,
    caller: Caller,
    Path(name): Path<String>,
    Query(query): Query<RawQuery>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let dataset = app.catalogue.find_version(&caller, Kind::Table, &name, query.version).await?;
    Ok(match &query.presign {
        Some(life) => serve_descriptor(&app, &dataset, Some(life)).await?,
        None => serve_bytes(&app, &dataset, &method, &headers).await?,
    })
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
            columns: version.columns.iter().cloned().map(Column::described).collect(),
            pinned: version.pinned,
        })
    });
    let list = VersionList { versions: versions.collect() };
    Ok(([(CACHE_CONTROL, "private, no-cache")], axum::Json(list)).into_response())
}
