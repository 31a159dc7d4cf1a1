//! `/v1/shares` for those who make links: made, listed, changed, ended. `target` is what a link can lead to, `log` who used it; `visit` is for those who hold it.

mod admit;
mod ahead;
mod body;
mod folder;
mod log;
mod page;
mod receive;
mod refusal;
mod rows;
mod target;
mod terms;
mod view;
mod visit;

pub use ahead::Remembered;
pub use log::log;
pub use receive::{post, put};
pub use visit::{follow, follow_path};

use super::{Changes, NewShare, Target};
use crate::{
    app::App,
    auth::Caller,
    error::{Error, Result},
    http::{Json, NoParameters, Paging, Path, Problem, Query, idempotency_key},
};
use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{CACHE_CONTROL, LOCATION},
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use target::find_target;
use terms::Asked;
use uuid::Uuid;
use view::ShareView;

/// `POST /v1/shares`
pub async fn create(
    State(app): State<App>,
    caller: Caller,
    _: Query<NoParameters>,
    headers: HeaderMap,
    Json(asked): Json<Asked>,
) -> Result<Response, Problem> {
    let fingerprint = asked.fingerprint(&app);
    let expiry = asked.expiry(&app)?.map_or_else(|| terms::week(&app), Ok)?;
    let named = asked.target.as_deref().ok_or_else(|| Error::invalid("target", "it is missing."))?;
    let (target, version) = find_target(&app, &caller, named).await?;
    if let (Target::Dataset(id), true) = (&target, asked.is_of_bytes()) {
        asked.check_kind(app.catalogue.find_by_id(&caller, *id).await?.kind)?;
    }
    let pin = asked.pin(&target, version)?;
    let terms = asked.terms(&app, &caller, &target).await?;
    let new = NewShare { target, expiry, terms, pin };
    let (made, replayed) = match idempotency_key(&headers)? {
        Some(key) => app.shares.create_once(&caller, &new, (&key, fingerprint)).await?,
        None => (app.shares.create(&caller, &new).await?, false),
    };
    let location = format!("{}/v1/shares/{}", app.public_url, made.share.id);
    let headers = [(LOCATION, location), (CACHE_CONTROL, "no-store".to_owned())];
    let mut response = (StatusCode::CREATED, headers, axum::Json(ShareView::of(&app, &made))).into_response();
    if replayed {
        response.headers_mut().insert("idempotency-replayed", HeaderValue::from_static("true"));
    }
    Ok(response)
}

impl Asked {
    /// Of all that the body says, however it is spelled. Keyed: it is kept, and a password can be guessed from a plain hash.
    fn fingerprint(&self, app: &App) -> Vec<u8> {
        let request = app.keys.seal("idempotency", format!("POST /v1/shares\n{}", self.told()).as_bytes());
        Sha256::digest(request).to_vec()
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListQuery {
    /// Of this thing alone.
    target: Option<String>,
    cursor: Option<String>,
    limit: Option<u64>,
}

#[derive(Debug, Serialize)]
pub struct List {
    shares: Vec<ShareView>,
    /// The cursor of the next page, if there is one.
    next: Option<String>,
}

/// `GET /v1/shares`
pub async fn list(
    State(app): State<App>,
    caller: Caller,
    Query(query): Query<ListQuery>,
) -> Result<axum::Json<List>, Problem> {
    let page = Paging::of(&app, "shares", (query.cursor.as_deref(), query.limit))?;
    let target = match query.target.as_deref() {
        Some(named) => Some(find_target(&app, &caller, named).await?),
        None => None,
    };
    let found = app.shares.list(&caller, target.as_ref(), page.behind, page.wanted()).await?;
    let (found, next) = page.cut(found, |last| last.share.id)?;
    Ok(axum::Json(List { shares: found.iter().map(|found| ShareView::of(&app, found)).collect(), next }))
}

/// `GET /v1/shares/{id}`
pub async fn get(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<Uuid>,
    _: Query<NoParameters>,
) -> Result<axum::Json<ShareView>, Problem> {
    Ok(axum::Json(ShareView::of(&app, &app.shares.find_own(&caller, id).await?)))
}

/// `PATCH /v1/shares/{id}`
pub async fn change(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<Uuid>,
    _: Query<NoParameters>,
    Json(asked): Json<Asked>,
) -> Result<axum::Json<ShareView>, Problem> {
    let found = app.shares.find_own(&caller, id).await?;
    if let Some((kind, _)) = found.dataset.filter(|_| matches!(found.share.target, Target::Dataset(_))) {
        asked.check_kind(kind)?;
    }
    let changes: Changes = asked.changes(&app, &caller, &found.share).await?;
    Ok(axum::Json(ShareView::of(&app, &app.shares.change(&caller, id, &changes).await?)))
}

/// `DELETE /v1/shares/{id}`: the link ends, the data stays.
pub async fn revoke(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<Uuid>,
    _: Query<NoParameters>,
) -> Result<StatusCode, Problem> {
    app.shares.revoke(&caller, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AllQuery {
    target: String,
}

#[derive(Debug, Serialize)]
pub struct Revoked {
    revoked: u64,
}

/// `DELETE /v1/shares?target=…`: all links of a thing that the caller may end.
pub async fn revoke_all(
    State(app): State<App>,
    caller: Caller,
    Query(query): Query<AllQuery>,
) -> Result<axum::Json<Revoked>, Problem> {
    let target = find_target(&app, &caller, &query.target).await?;
    Ok(axum::Json(Revoked { revoked: app.shares.revoke_all(&caller, &target).await? }))
}
