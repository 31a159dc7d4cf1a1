//! `/v1/datasets`.

use crate::{
    app::App,
    auth::Caller,
    catalogue::{DatasetFilter, Kind},
    error::{Error, Result},
    http::{Cursor, Descriptor, NoParameters, Path, Problem, Query, page_size},
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
    let limit = page_size(query.limit, app.config.limits.page_rows_max)?;
    let filter = DatasetFilter { kind: query.kind, prefix: query.prefix, words: query.q };
    let list = format!("datasets {filter:?}");
    let after = Cursor::open(&app.keys, &list, query.cursor.as_deref())?.as_deref().map(position).transpose()?;
    let found = app.catalogue.list_datasets(&caller, &filter, after, limit + 1).await?;
    let at = |kind: Kind, name: &str| format!("{} {name}", kind.as_str());
    let (found, next) = Cursor::cut(&app.keys, &list, found, limit, |last| at(last.kind, &last.name));
    let datasets = found.iter().map(|dataset| Descriptor::of(&app, dataset)).collect();
    Ok(axum::Json(List { datasets, next }))
}

/// What a cursor of ours says: a kind and a name.
fn position(text: &str) -> Result<(Kind, String)> {
    let (kind, name) = text.split_once(' ').unwrap_or_default();
    let kind = [Kind::Blob, Kind::Collection, Kind::Table].into_iter().find(|known| known.as_str() == kind);
    Ok((kind.ok_or_else(|| Error::internal("a cursor without a kind"))?, name.to_owned()))
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
