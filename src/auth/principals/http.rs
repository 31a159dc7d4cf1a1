//! `/v1/principals`: who there is. Only admins make, change and end them; others see themselves.

use super::{NewPrincipal, Principal, PrincipalChanges};
use crate::{
    app::App,
    auth::Caller,
    http::{Json, NoParameters, PageOf, Paging, Path, Problem, Query},
};
use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::{StatusCode, header::LOCATION};
use serde::Serialize;
use uuid::Uuid;

/// `POST /v1/principals`
pub async fn create(
    State(app): State<App>,
    caller: Caller,
    _: Query<NoParameters>,
    Json(new): Json<NewPrincipal>,
) -> Result<Response, Problem> {
    let made = app.auth.create_principal(&caller, &new).await?;
    let location = format!("{}/v1/principals/{}", app.public_url, made.id);
    Ok((StatusCode::CREATED, [(LOCATION, location)], axum::Json(made)).into_response())
}

#[derive(Debug, Serialize)]
pub struct List {
    principals: Vec<Principal>,
    /// The cursor of the next page, if there is one.
    next: Option<String>,
}

/// `GET /v1/principals`
pub async fn list(
    State(app): State<App>,
    caller: Caller,
    Query(query): Query<PageOf>,
) -> Result<axum::Json<List>, Problem> {
    let page: Paging<'_, String> = Paging::of(&app, "principals", (query.cursor.as_deref(), query.limit))?;
    let principals = app.auth.principals(&caller, page.behind.as_deref(), page.wanted()).await?;
    let (principals, next) = page.cut(principals, |last| last.name.clone())?;
    Ok(axum::Json(List { principals, next }))
}

/// `GET /v1/principals/{id}`
pub async fn get(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<Uuid>,
    _: Query<NoParameters>,
) -> Result<axum::Json<Principal>, Problem> {
    Ok(axum::Json(app.auth.principal(&caller, id).await?))
}

/// `PATCH /v1/principals/{id}`: its name, whether it is an admin, whether it is disabled.
pub async fn patch(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<Uuid>,
    _: Query<NoParameters>,
    Json(changes): Json<PrincipalChanges>,
) -> Result<axum::Json<Principal>, Problem> {
    Ok(axum::Json(app.auth.change_principal(&caller, id, &changes).await?))
}

/// `DELETE /v1/principals/{id}`: disables it, and ends its tokens.
pub async fn delete(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<Uuid>,
    _: Query<NoParameters>,
) -> Result<StatusCode, Problem> {
    app.auth.end_principal(&caller, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
