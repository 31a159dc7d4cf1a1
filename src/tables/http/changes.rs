//! `/v1/tables/{name}/changes`: what was changed in rows, and how it is taken back.

use crate::{
    app::App,
    auth::Caller,
    catalogue::{Change, Column, Kind},
    error::Result,
    http::{Descriptor, NoParameters, Paging, Path, Problem, Query, encode_path, precondition},
};
use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::{
    HeaderMap,
    header::{CACHE_CONTROL, ETAG},
};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListQuery {
    /// One of the versions that are kept; the current one if not given.
    version: Option<i64>,
    cursor: Option<String>,
    limit: Option<u64>,
}

#[derive(Debug, Serialize)]
struct List {
    changes: Vec<View>,
    /// The cursor of the next page, if there is one.
    next: Option<String>,
}

#[derive(Debug, Serialize)]
struct View {
    id: Uuid,
    kind: &'static str,
    /// Those that an update gave new values, by their names of now.
    columns: Vec<String>,
    rows: u64,
    revision_before: i64,
    revision: i64,
    created_by: String,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    /// Until when it can be undone; null once it cannot.
    #[serde(with = "time::serde::rfc3339::option")]
    kept_until: Option<OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339::option")]
    undone_at: Option<OffsetDateTime>,
    /// Where it can be undone.
    undo: Option<String>,
}

impl View {
    fn of(app: &App, name: &str, columns: &[Column], change: &Change) -> Self {
        let assigned = change.assigned.iter().filter_map(|(position, _)| columns.get(*position));
        Self {
            id: change.id,
            kind: change.kind.as_str(),
            columns: assigned.map(|column| column.name.clone()).collect(),
            rows: change.row_count.unsigned_abs(),
            revision_before: change.revision.saturating_sub(1),
            revision: change.revision,
            created_by: change.created_by.clone(),
            created_at: change.created_at,
            kept_until: change.kept_until,
            undone_at: change.undone_at,
            undo: change
                .table_id
                .map(|_| format!("{}/v1/tables/{}/changes/{}/undo", app.public_url, encode_path(name), change.id)),
        }
    }
}

/// `GET /v1/tables/{name}/changes`: those of one version, the newest first.
pub async fn changes(
    State(app): State<App>,
    caller: Caller,
    Path(name): Path<String>,
    Query(query): Query<ListQuery>,
) -> Result<Response, Problem> {
    let dataset = app.catalogue.find_version(&caller, Kind::Table, &name, query.version).await?;
    let version = dataset.current()?;
    let page = Paging::of(&app, format!("changes {}", version.id), (query.cursor.as_deref(), query.limit))?;
    let changes = app.catalogue.changes(version.id, page.behind, page.wanted()).await?;
    let (changes, next) = page.cut(changes, |last| last.id)?;
    let changes = changes.iter().map(|change| View::of(&app, &name, &version.columns, change)).collect();
    Ok(([(CACHE_CONTROL, "private, no-cache")], axum::Json(List { changes, next })).into_response())
}

/// `POST /v1/tables/{name}/changes/{id}/undo`: the rows as they were, in a new revision.
pub async fn undo(
    State(app): State<App>,
    caller: Caller,
    Path((name, id)): Path<(String, Uuid)>,
    _: Query<NoParameters>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let dataset = app.tables.undo_change(&caller, &name, id, &precondition(&headers)?).await?;
    let descriptor = Descriptor::of(&app, &dataset);
    let shown = [(ETAG, descriptor.etag.clone().unwrap_or_default()), (CACHE_CONTROL, "no-store".to_owned())];
    Ok((shown, axum::Json(descriptor)).into_response())
}
