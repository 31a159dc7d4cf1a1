//! `/v1/tokens`: made and shown once, listed, changed, rotated, revoked.

use super::{Token, TokenChanges, TokenRequest};
use crate::{
    app::App,
    auth::{Caller, Scopes},
    config::Secret,
    error::Result,
    http::{Json, NoParameters, Paging, Path, Problem, Query, flag, parse_life},
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
use std::time::Duration;
use uuid::Uuid;

/// How long a rotated token lives on, unless it is said.
const OVERLAP: Duration = Duration::from_secs(3600);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewTokenBody {
    name: String,
    /// The name of another principal; for admins.
    principal: Option<String>,
    /// Such as `read:tables/sales-*`.
    scopes: Option<Vec<String>>,
    /// Such as `30d`.
    expires_in: Option<String>,
}

/// `POST /v1/tokens`
pub async fn create(
    State(app): State<App>,
    caller: Caller,
    _: Query<NoParameters>,
    Json(new): Json<NewTokenBody>,
) -> Result<Response, Problem> {
    let request = TokenRequest {
        name: new.name,
        principal: new.principal,
        scopes: new.scopes.map(|scopes| Scopes::parse(&scopes)).transpose()?,
        life: life(new.expires_in.as_deref())?,
    };
    let (token, secret) = app.auth.create_token(&caller, request).await?;
    Ok(show_once(&app, token, &secret))
}

/// A token with what its holder sends: the one answer that has it.
#[derive(Serialize)]
struct Shown<'a> {
    token: &'a str,
    #[serde(flatten)]
    about: Token,
}

fn show_once(app: &App, about: Token, secret: &Secret) -> Response {
    let location = format!("{}/v1/tokens/{}", app.public_url, about.id);
    let headers = [(LOCATION, location), (CACHE_CONTROL, "no-store".to_owned())];
    (StatusCode::CREATED, headers, axum::Json(Shown { token: secret.expose(), about })).into_response()
}

fn life(expires_in: Option<&str>) -> Result<Option<Duration>> {
    expires_in.map(|life| parse_life("expires_in", life)).transpose()
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListQuery {
    cursor: Option<String>,
    limit: Option<u64>,
    /// Those that have expired or were revoked, too.
    #[serde(default, deserialize_with = "flag")]
    ended: bool,
}

#[derive(Debug, Serialize)]
pub struct List {
    tokens: Vec<Token>,
    /// The cursor of the next page, if there is one.
    next: Option<String>,
}

/// `GET /v1/tokens`
pub async fn list(
    State(app): State<App>,
    caller: Caller,
    Query(query): Query<ListQuery>,
) -> Result<axum::Json<List>, Problem> {
    let page = Paging::of(&app, "tokens", (query.cursor.as_deref(), query.limit))?;
    let wanted = usize::try_from(page.wanted()).unwrap_or(usize::MAX);
    let tokens = app.auth.tokens(&caller, page.behind, wanted, query.ended).await?;
    let (tokens, next) = page.cut(tokens, |last| last.id)?;
    Ok(axum::Json(List { tokens, next }))
}

/// `GET /v1/tokens/{id}`
pub async fn get(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<Uuid>,
    _: Query<NoParameters>,
) -> Result<axum::Json<Token>, Problem> {
    Ok(axum::Json(app.auth.token(&caller, id).await?))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChangesBody {
    name: Option<String>,
    scopes: Option<Vec<String>>,
    expires_in: Option<String>,
}

/// `PATCH /v1/tokens/{id}`
pub async fn patch(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<Uuid>,
    _: Query<NoParameters>,
    Json(changes): Json<ChangesBody>,
) -> Result<axum::Json<Token>, Problem> {
    let changes = TokenChanges {
        name: changes.name,
        scopes: changes.scopes.map(|scopes| Scopes::parse(&scopes)).transpose()?,
        life: life(changes.expires_in.as_deref())?,
    };
    Ok(axum::Json(app.auth.change_token(&caller, id, &changes).await?))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RotateQuery {
    /// How long the old token lives on: `1h` unless said, `0` for no time.
    overlap: Option<String>,
    expires_in: Option<String>,
}

/// `POST /v1/tokens/{id}/rotate`
pub async fn rotate(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<Uuid>,
    Query(query): Query<RotateQuery>,
) -> Result<Response, Problem> {
    let overlap = match query.overlap.as_deref() {
        None => OVERLAP,
        Some("0" | "0s") => Duration::ZERO,
        Some(overlap) => parse_life("overlap", overlap)?,
    };
    let (token, secret) = app.auth.rotate_token(&caller, id, overlap, life(query.expires_in.as_deref())?).await?;
    Ok(show_once(&app, token, &secret))
}

/// `DELETE /v1/tokens/{id}`: it ends, with those that it has made.
pub async fn revoke(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<Uuid>,
    _: Query<NoParameters>,
) -> Result<StatusCode, Problem> {
    app.auth.revoke_token(&caller, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
