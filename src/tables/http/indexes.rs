//! `/v1/tables/{name}/indexes`: what makes rows unique or quick to find.

use crate::{
    app::App,
    auth::{Action, Caller},
    catalogue::{IndexKind, Kind},
    error::{Error, Result},
    http::{Json, NoParameters, Path, Problem, Query},
    jobs::http::respond_async,
    tables::{BuiltIndex, State as IndexState},
};
use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::{
    StatusCode,
    header::{CACHE_CONTROL, LOCATION},
};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewIndex {
    #[serde(default)]
    kind: IndexKind,
    /// Names, in the order of the index; a search index is of all text columns.
    #[serde(default)]
    columns: Vec<String>,
    /// Whether no two rows may have the same values.
    #[serde(default)]
    unique: bool,
}

#[derive(Debug, Serialize)]
pub struct IndexView {
    id: Uuid,
    kind: IndexKind,
    columns: Vec<String>,
    unique: bool,
    /// What `?key=` made: its values are never missing either.
    key: bool,
    /// On the current version.
    bytes: u64,
    state: IndexState,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
}

#[derive(Debug, Serialize)]
pub struct IndexList {
    indexes: Vec<IndexView>,
}

impl From<BuiltIndex> for IndexView {
    fn from(BuiltIndex { index, bytes, state }: BuiltIndex) -> Self {
        Self {
            id: index.id,
            kind: index.kind,
            columns: index.columns,
            unique: index.unique,
            key: index.key,
            bytes: bytes.unwrap_or_default(),
            state,
            created_at: index.created_at,
        }
    }
}

/// `POST /v1/tables/{name}/indexes`: answers when it is built; one of words, by a job that builds it. One that is there already is 200.
pub async fn create_index(
    State(app): State<App>,
    caller: Caller,
    Path(name): Path<String>,
    _: Query<NoParameters>,
    Json(new): Json<NewIndex>,
) -> Result<Response, Problem> {
    if new.kind == IndexKind::Search {
        return Ok(create_search(&app, &caller, &name, &new).await?);
    }
    let (index, created) = app.tables.create_index(&caller, &name, new.columns, new.unique).await?;
    Ok(answer(&app, &name, index, if created { StatusCode::CREATED } else { StatusCode::OK }))
}

async fn create_search(app: &App, caller: &Caller, name: &str, new: &NewIndex) -> Result<Response> {
    if new.unique || !new.columns.is_empty() {
        return Err(Error::invalid("columns", "a search index is of all text columns, and never unique."));
    }
    let dataset = app.catalogue.find(caller, Action::Write, Kind::Table, name).await?.id;
    let (built, to_build) = app.tables.want_search(caller, name).await?;
    if !to_build {
        return Ok(answer(app, name, built, StatusCode::OK));
    }
    let (tables, index) = (app.tables.clone(), built.index.id);
    respond_async(app, caller, ("search-index", name), |job, progress| async move {
        tables.build_search(dataset, index, job, progress).await
    })
    .await
}

fn answer(app: &App, name: &str, index: BuiltIndex, status: StatusCode) -> Response {
    let location = format!("{}/v1/tables/{name}/indexes/{}", app.public_url, index.index.id);
    let headers = [(LOCATION, location), (CACHE_CONTROL, "no-store".to_owned())];
    (status, headers, axum::Json(IndexView::from(index))).into_response()
}

/// `GET /v1/tables/{name}/indexes`
pub async fn indexes(
    State(app): State<App>,
    caller: Caller,
    Path(name): Path<String>,
    _: Query<NoParameters>,
) -> Result<Response, Problem> {
    let indexes = app.tables.list_indexes(&caller, &name).await?;
    let list = IndexList { indexes: indexes.into_iter().map(IndexView::from).collect() };
    Ok(([(CACHE_CONTROL, "private, no-cache")], axum::Json(list)).into_response())
}

/// `DELETE /v1/tables/{name}/indexes/{id}`: the index goes, the rows stay.
pub async fn drop_index(
    State(app): State<App>,
    caller: Caller,
    Path((name, id)): Path<(String, Uuid)>,
    _: Query<NoParameters>,
) -> Result<StatusCode, Problem> {
    app.tables.drop_index(&caller, &name, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
