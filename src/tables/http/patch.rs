//! `PATCH /v1/tables/{name}`: its title, the names and types of its columns, how its file is read.

use crate::{
    app::App,
    auth::Caller,
    http::{Descriptor, Json, NoParameters, Path, Problem, Query, precondition},
    jobs::http::{prefers_async, respond_async},
    tables::TableChanges,
};
use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, header::ETAG};

/// `PATCH /v1/tables/{name}`
pub async fn patch(
    State(app): State<App>,
    caller: Caller,
    Path(name): Path<String>,
    _: Query<NoParameters>,
    headers: HeaderMap,
    Json(changes): Json<TableChanges>,
) -> Result<Response, Problem> {
    let condition = precondition(&headers)?;
    if prefers_async(&headers) && app.tables.patch_rereads(&caller, &name, &changes).await? {
        let target = name.clone();
        let answer = respond_async(&app, &caller, ("table-reread", &target), |job, progress| {
            let (app, caller) = (app.clone(), caller.clone());
            // There is no body to wait for.
            progress.set_received();
            async move { app.tables.patch(&caller, &name, &changes, &condition, Some((job, progress))).await.map(|_| ()) }
        });
        return Ok(answer.await?);
    }
    let dataset = app.tables.patch(&caller, &name, &changes, &condition, None).await?;
    let descriptor = Descriptor::of(&app, &dataset);
    Ok(([(ETAG, descriptor.etag.clone().unwrap_or_default())], axum::Json(descriptor)).into_response())
}
