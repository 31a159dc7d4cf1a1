//! `/v1/tables/{name}/indexes`: what makes rows unique or quick to find.

use crate::{
    app::App,
    auth::Caller,
    http::{Json, NoParameters, Path, Problem, Query},
    tables::BuiltIndex,
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
    /// Names, in the order of the index.
    columns: Vec<String>,
    /// Whether no two rows may have the same values.
    #[serde(default)]
    unique: bool,
}

#[derive(Debug, Serialize)]
pub struct IndexView {
    id: Uuid,
    columns: Vec<String>,
    unique: bool,
    /// What `?key=` made: its values are never missing either.
    key: bool,
    /// On the current version.
    bytes: u64,
    /// `ready`, or `missing` if the current version does not have it.
    state: &'static str,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
}

#[derive(Debug, Serialize)]
pub struct IndexList {
    indexes: Vec<IndexView>,
}

impl From<BuiltIndex> for IndexView {
    fn from(BuiltIndex { index, bytes }: BuiltIndex) -> Self {
        Self {
            id: index.id,
            columns: index.columns,
            unique: index.unique,
            key: index.key,
            bytes: bytes.unwrap_or_default(),
            state: if bytes.is_some() { "ready" } else { "missing" },
            created_at: index.created_at,
        }
    }
}

/// `POST /v1/tables/{name}/indexes`: answers when it is built. One that is there already is 200.
pub async fn create_index(
    State(app): State<App>,
    caller: Caller,
    Path(name): Path<String>,
    _: Query<NoParameters>,
    Json(new): Json<NewIndex>,
) -> Result<Response, Problem> {
    let (index, created) = app.tables.create_index(&caller, &name, new.columns, new.unique).await?;
    let status = if created { StatusCode::CREATED } else { StatusCode::OK };
    let location = format!("{}/v1/tables/{name}/indexes/{}", app.public_url, index.index.id);
    let headers = [(LOCATION, location), (CACHE_CONTROL, "no-store".to_owned())];
    Ok((status, headers, axum::Json(IndexView::from(index))).into_response())
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
