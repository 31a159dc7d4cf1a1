//! `/v1/blobs`: bytes in and out, folders, restore.

use super::NewBlob;
use crate::{
    app::App,
    auth::Caller,
    catalogue::{DatasetChanges, Kind, Replace, list_behind},
    error::Error,
    http::{
        Descriptor, Json, NoParameters, Paging, Path, Problem, Query, answer_upload, check_share, content_encoding,
        content_type, guess_content_type, incoming, precondition, serve_bytes, serve_descriptor, upload_share,
    },
};
use axum::{
    body::Body,
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, Method, StatusCode, header::ETAG};
use serde::{Deserialize, Serialize};

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PutQuery {
    /// Makes or extends a share link, such as `7d`.
    share: Option<String>,
}

/// `PUT /v1/blobs/{key}`
pub async fn put(
    State(app): State<App>,
    caller: Caller,
    Path(key): Path<String>,
    Query(query): Query<PutQuery>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let share = upload_share(&app, query.share.as_deref())?;
    check_share(&caller, share, Kind::Blob, &key)?;
    let blob = NewBlob {
        content_type: content_type(&headers).unwrap_or_else(|| guess_content_type(&key)),
        content_encoding: content_encoding(&headers),
        key,
        title: None,
        original_name: None,
        replace: Replace::Any,
        condition: precondition(&headers)?,
    };
    let outcome = app.blobs.put(&caller, blob, incoming(&app.config, &headers, body)?).await?;
    let (descriptor, created) = Descriptor::of_upload(&app, &caller, &outcome, share).await?;
    Ok(answer_upload(&descriptor, created))
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GetQuery {
    /// An older version.
    version: Option<i64>,
    /// Present: the descriptor instead of the bytes.
    descriptor: Option<String>,
    /// The descriptor with a presigned URL that lives so long, such as `15m`; empty for the default.
    presign: Option<String>,
}

/// `GET` and `HEAD /v1/blobs/{key}`
pub async fn get(
    State(app): State<App>,
    caller: Caller,
    Path(key): Path<String>,
    Query(query): Query<GetQuery>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let dataset = app.catalogue.find_version(&caller, Kind::Blob, &key, query.version).await?;
    Ok(match query.descriptor.is_some() || query.presign.is_some() {
        true => serve_descriptor(&app, &dataset, query.presign.as_deref()).await?,
        false => serve_bytes(&app, &dataset, &method, &headers).await?,
    })
}

/// `DELETE /v1/blobs/{key}`: hides it.
pub async fn delete(
    State(app): State<App>,
    caller: Caller,
    Path(key): Path<String>,
    _: Query<NoParameters>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    app.catalogue.delete(&caller, Kind::Blob, &key, &precondition(&headers)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `PATCH /v1/blobs/{key}`: its title, and who sees it.
pub async fn patch(
    State(app): State<App>,
    caller: Caller,
    Path(key): Path<String>,
    _: Query<NoParameters>,
    headers: HeaderMap,
    Json(changes): Json<DatasetChanges>,
) -> Result<Response, Problem> {
    let condition = precondition(&headers)?;
    let dataset = app.catalogue.describe(&caller, (Kind::Blob, &key), &changes, &condition).await?;
    let descriptor = Descriptor::of(&app, &dataset);
    Ok(([(ETAG, descriptor.etag.clone().unwrap_or_default())], axum::Json(descriptor)).into_response())
}

/// `POST /v1/blobs/{key}/restore`
pub async fn post(
    State(app): State<App>,
    caller: Caller,
    Path(path): Path<String>,
    _: Query<NoParameters>,
) -> Result<axum::Json<Descriptor>, Problem> {
    let key = path
        .strip_suffix("/restore")
        .ok_or_else(|| Error::invalid("path", "it must end with an action: `/restore`."))?;
    let dataset = app.catalogue.restore(&caller, Kind::Blob, key).await?;
    Ok(axum::Json(Descriptor::of(&app, &dataset)))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListQuery {
    #[serde(default)]
    prefix: String,
    /// Only `/`: folders are named once instead of all that is in them.
    delimiter: Option<String>,
    cursor: Option<String>,
    limit: Option<u64>,
}

/// A page of blobs and folders, in the order of their names' bytes.
#[derive(Debug, Serialize)]
pub struct List {
    folders: Vec<String>,
    blobs: Vec<Descriptor>,
    /// The cursor of the next page, if there is one.
    next: Option<String>,
}

/// `GET /v1/blobs?prefix=&delimiter=/`
pub async fn list(
    State(app): State<App>,
    caller: Caller,
    Query(query): Query<ListQuery>,
) -> Result<axum::Json<List>, Problem> {
    let delimiter = match query.delimiter.as_deref() {
        None | Some("") => false,
        Some("/") => true,
        Some(_) => return Err(Error::invalid("delimiter", "it can only be `/`.").into()),
    };
    let list = format!("blobs {delimiter} {}", query.prefix);
    let page = Paging::of(&app, list, (query.cursor.as_deref(), query.limit))?;
    let from = page.behind.clone();
    let entries = app.catalogue.list_blobs(&caller, &query.prefix, delimiter, from, page.wanted()).await?;
    let (entries, next) = page.cut(entries, list_behind)?;
    let (folders, blobs): (Vec<_>, Vec<_>) = entries.into_iter().partition(|(_, blob)| blob.is_none());
    let blobs = blobs.iter().filter_map(|(_, blob)| blob.as_ref().map(|blob| Descriptor::of(&app, blob))).collect();
    Ok(axum::Json(List { folders: folders.into_iter().map(|(name, _)| name).collect(), blobs, next }))
}
