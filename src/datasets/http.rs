//! `/v1/datasets`.

use crate::{
    app::App,
    auth::Caller,
    catalogue::{DatasetFilter, Kind},
    http::{Descriptor, NoParameters, Paging, Path, Problem, Query},
};
use axum::extract::State;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListQuery {
    kind: Option<Kind>,
    /// What names begin with.
    #[serde(default)]
    prefix: String,
    /// What names or titles have in them.
    q: Option<String>,
    cursor: Option<String>,
    limit: Option<u64>,
}

/// A page of datasets, by kind and then in the order of their names' bytes.
#[derive(Debug, Serialize)]
pub struct List {
    datasets: Vec<Descriptor>,
    /// The cursor of the next page, if there is one.
    next: Option<String>,
}

/// `GET /v1/datasets`
pub async fn list(
    State(app): State<App>,
    caller: Caller,
    Query(query): Query<ListQuery>,
) -> Result<axum::Json<List>, Problem> {
    let filter = DatasetFilter { kind: query.kind, prefix: query.prefix, words: query.q };
    let page = Paging::of(&app, format!("datasets {filter:?}"), (query.cursor.as_deref(), query.limit))?;
    let found = app.catalogue.list_datasets(&caller, &filter, page.behind.clone(), page.wanted()).await?;
    let (found, next) = page.cut(found, |last| (last.kind, last.name.clone()))?;
    let datasets = found.iter().map(|dataset| Descriptor::of(&app, dataset)).collect();
    Ok(axum::Json(List { datasets, next }))
}

/// `GET /v1/datasets/{id}`: its descriptor, by the id that no other dataset ever gets.
pub async fn get(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<Uuid>,
    _: Query<NoParameters>,
) -> Result<axum::Json<Descriptor>, Problem> {
    let dataset = app.catalogue.find_by_id(&caller, id).await?;
    Ok(axum::Json(Descriptor::of(&app, &dataset)))
}
