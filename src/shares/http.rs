//! `/v1/shares` for those who make links, `/s/{token}` for those who hold them.

use super::{Share, Target};
use crate::{
    app::App,
    auth::{Action, Caller},
    catalogue::{Dataset, Kind},
    documents,
    error::{Error, Result},
    http::{
        Cursor, File, Json, NoParameters, Path, Problem, Query, REQUEST_ID, encode_path, idempotency_key, mint,
        page_size, prefers_redirect, serve_object, share_life,
    },
    tables::{
        RowFormat,
        http::{Asked, Shape, accepted, serve_rows},
    },
};
use axum::{
    extract::State,
    response::{IntoResponse, Redirect, Response},
};
use http::{
    HeaderMap, HeaderValue, Method, StatusCode,
    header::{AUTHORIZATION, CACHE_CONTROL, LOCATION},
};
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use uuid::Uuid;

const PURPOSE: &str = "share";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewShare {
    /// The `self` or `download` link of a blob, table or document, or its path.
    target: String,
    /// Such as `7d`, which is the default.
    expires_in: Option<String>,
}

#[derive(Debug, Serialize)]
pub struct ShareView {
    id: Uuid,
    url: String,
    dataset_id: Uuid,
    #[serde(skip_serializing_if = "Option::is_none")]
    document_id: Option<String>,
    #[serde(with = "time::serde::rfc3339")]
    expires_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339::option")]
    revoked_at: Option<OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
}

impl App {
    /// The link of a share: re-derived whenever it is shown.
    pub fn share_url(&self, share: &Share) -> String {
        let mut value = share.id.as_bytes().to_vec();
        value.extend(share.generation.to_be_bytes());
        format!("{}/s/{}", self.public_url, self.keys.seal(PURPOSE, &value))
    }

    fn view(&self, share: &Share) -> ShareView {
        ShareView {
            id: share.id,
            url: self.share_url(share),
            dataset_id: share.dataset_id,
            document_id: share.document_id.clone(),
            expires_at: share.expires_at,
            revoked_at: share.revoked_at,
            created_at: share.created_at,
        }
    }
}

/// `POST /v1/shares`
pub async fn create(
    State(app): State<App>,
    caller: Caller,
    _: Query<NoParameters>,
    headers: HeaderMap,
    Json(new): Json<NewShare>,
) -> Result<Response, Problem> {
    let life = share_life(&app, "expires_in", new.expires_in.as_deref())?;
    let target = find_target(&app, &caller, &new.target).await?;
    let (share, replayed) = match idempotency_key(&headers)? {
        Some(key) => {
            // What the body says, however it is spelled.
            let request = Sha256::digest(format!("POST /v1/shares\n{:?}", (&new.target, &new.expires_in)));
            app.shares.create_once(&caller, &target, life, (&key, request.to_vec())).await?
        }
        None => (app.shares.create(&caller, &target, life).await?, false),
    };
    let location = format!("{}/v1/shares/{}", app.public_url, share.id);
    let headers = [(LOCATION, location), (CACHE_CONTROL, "no-store".to_owned())];
    let mut response = (StatusCode::CREATED, headers, axum::Json(app.view(&share))).into_response();
    if replayed {
        response.headers_mut().insert("idempotency-replayed", HeaderValue::from_static("true"));
    }
    Ok(response)
}

/// What a link or path of ours names.
async fn find_target(app: &App, caller: &Caller, target: &str) -> Result<Target> {
    let invalid = || {
        Error::invalid(
            "target",
            "it must be the link or path of a blob, table or document, such as `/v1/tables/sales`.",
        )
    };
    let path = target.strip_prefix(&app.public_url).unwrap_or(target);
    let path = path.split('?').next().unwrap_or(path);
    let path = percent_decode_str(path).decode_utf8().map_err(|_| invalid())?;
    let (kind, name) = path.trim_start_matches('/').trim_start_matches("v1/").split_once('/').ok_or_else(invalid)?;
    match (kind, name.split_once('/')) {
        ("blobs", _) => Ok((&app.catalogue.find(caller, Action::Share, Kind::Blob, name).await?).into()),
        ("tables", None) => Ok((&app.catalogue.find(caller, Action::Share, Kind::Table, name).await?).into()),
        ("tables", Some((name, rest))) if rest.starts_with("rows") => {
            Ok((&app.catalogue.find(caller, Action::Share, Kind::Table, name).await?).into())
        }
        ("documents", Some((collection, id))) => documents::http::share_target(app, caller, collection, id).await,
        _ => Err(invalid()),
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListQuery {
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
    let limit = page_size(query.limit, app.config.limits.page_rows_max)?;
    let before = Cursor::open(&app.keys, "shares", query.cursor.as_deref())?.and_then(|id| id.parse().ok());
    let mut shares = app.shares.list(&caller, before, limit + 1).await?;
    let more = shares.len() as u64 > limit;
    shares.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    let next = shares.last().filter(|_| more).map(|last| Cursor::seal(&app.keys, "shares", &last.id.to_string()));
    Ok(axum::Json(List { shares: shares.iter().map(|share| app.view(share)).collect(), next }))
}

/// `GET /v1/shares/{id}`
pub async fn get(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<Uuid>,
    _: Query<NoParameters>,
) -> Result<axum::Json<ShareView>, Problem> {
    let share = app.shares.find_own(&caller, id).await?;
    Ok(axum::Json(app.view(&share)))
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

/// `GET` and `HEAD /s/{token}`
pub async fn follow(
    State(app): State<App>,
    Path(token): Path<String>,
    query: Query<Vec<(String, String)>>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    Ok(open(&app, (&token, None), query.0, &method, &headers).await?)
}

/// `GET` and `HEAD /s/{token}/{name}.{ext}`: the name is for people, the extension chooses a table's format.
pub async fn follow_named(
    State(app): State<App>,
    Path((token, name)): Path<(String, String)>,
    query: Query<Vec<(String, String)>>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    Ok(open(&app, (&token, Some(&name)), query.0, &method, &headers).await?)
}

async fn open(
    app: &App,
    (token, name): (&str, Option<&str>),
    query: Vec<(String, String)>,
    method: &Method,
    headers: &HeaderMap,
) -> Result<Response> {
    let share = find(app, token).await?;
    let dataset = app.catalogue.find_shared(share.dataset_id).await?.filter(|_| !share.over);
    let request_id = REQUEST_ID.try_with(Clone::clone).unwrap_or_default();
    let Some(dataset) = dataset else { return Err(over(app, &share, &request_id).await?) };
    let streamed = if method == Method::HEAD { "asked" } else { "streamed" };
    match dataset.kind {
        Kind::Blob => open_blob(app, &share, &dataset, method, headers, &request_id).await,
        Kind::Table => {
            app.shares.record(share.id, streamed, &request_id).await?;
            let shape = match name.and_then(|name| name.rsplit_once('.')) {
                Some((_, extension)) => Shape::Rows(RowFormat::from_extension(extension)?),
                // A browser names HTML first whatever it follows, and all rows of a table are no page.
                None => match accepted(headers, RowFormat::Csv)? {
                    Shape::Rows(RowFormat::Html) => Shape::Rows(RowFormat::Csv),
                    shape => shape,
                },
            };
            let name = name.map(|name| format!("/{}", encode_path(name))).unwrap_or_default();
            let asked = Asked::parse(query)?;
            serve_rows(app, dataset, (shape, asked), &format!("/s/{token}{name}"), method, headers).await
        }
        Kind::Collection => {
            let Some(document) = documents::http::find_shared(app, &dataset, &share).await? else {
                return Err(over(app, &share, &request_id).await?);
            };
            app.shares.record(share.id, streamed, &request_id).await?;
            documents::http::serve(document, method, headers)
        }
    }
}

/// Records the hit, and gives what it is answered with.
async fn over(app: &App, share: &Share, request_id: &str) -> Result<Error> {
    app.shares.record(share.id, "over", request_id).await?;
    Ok(Error::Gone { detail: "This link has expired, was revoked, or what it led to was deleted.".to_owned() })
}

async fn find(app: &App, token: &str) -> Result<Share> {
    let unknown = || Error::NotFound { what: "share" };
    let value = app.keys.open(PURPOSE, token).ok_or_else(unknown)?;
    let (id, generation) = value.split_at_checked(16).ok_or_else(unknown)?;
    let id = Uuid::from_slice(id).map_err(|_| unknown())?;
    let generation = generation.try_into().map(i32::from_be_bytes).map_err(|_| unknown())?;
    app.shares.find(id, generation).await
}

/// Redirects to a URL minted now, or streams: for HEAD, when the caller's `Authorization` would be forwarded to S3 and it did not ask for that, and when the signer's credentials are
/// about to expire.
async fn open_blob(
    app: &App,
    share: &Share,
    dataset: &Dataset,
    method: &Method,
    headers: &HeaderMap,
    request_id: &str,
) -> Result<Response> {
    let version = dataset.current()?;
    if method == Method::GET
        && (!headers.contains_key(AUTHORIZATION) || prefers_redirect(headers))
        && let Some(presigned) = mint(app, dataset, None).await?
    {
        app.shares.record(share.id, "redirected", request_id).await?;
        return Ok(([(CACHE_CONTROL, "no-store")], Redirect::temporary(&presigned.url)).into_response());
    }
    app.shares.record(share.id, if method == Method::HEAD { "asked" } else { "streamed" }, request_id).await?;
    serve_object(&app.objects, method, headers, &File::of(dataset, version)).await
}
