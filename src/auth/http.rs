//! From the `Authorization` header to the [`Caller`], before any route looks at the rest of the request.

use super::{Caller, Origin};
use crate::{
    app::App,
    catalogue::Kind,
    error::{Error, Result},
    http::{Client, Problem, REQUEST_ID, until_there},
};
use axum::{
    RequestExt,
    extract::{FromRequestParts, MatchedPath, RawPathParams, Request, State},
    middleware::Next,
    response::Response,
};
use base64::{Engine, prelude::BASE64_STANDARD};
use http::{Extensions, HeaderMap, Method, header::AUTHORIZATION, request::Parts};

/// A layer: the request goes on with its caller, or ends with 401, the same whether or not the name exists.
pub async fn authenticate(State(app): State<App>, mut request: Request, next: Next) -> Result<Response, Problem> {
    let mut caller = match token(request.headers()) {
        Some(token) => Caller::clone(&*until_there(&app, || app.auth.caller(&token)).await?),
        None => public_reader(&app, &mut request).await?,
    };
    caller.origin = Origin { token: caller.origin.token, ..origin(request.extensions()) };
    guard_cross_site(request.method(), request.headers())?;
    tracing::Span::current().record("principal", caller.name.as_str());
    request.extensions_mut().insert(caller.clone());
    let mut response = next.run(request).await;
    // For the audit.
    response.extensions_mut().insert(caller);
    Ok(response)
}

/// What is read without a token where it is public: a dataset's routes by GET, and the kind that each is of. Its log of changes is not among them.
const PUBLIC: [(&str, Kind); 10] = [
    ("/v1/blobs/{*key}", Kind::Blob),
    ("/v1/tables/{name}", Kind::Table),
    ("/v1/tables/{name}/rows", Kind::Table),
    ("/v1/tables/{name}/{rows_as}", Kind::Table),
    ("/v1/tables/{name}/raw", Kind::Table),
    ("/v1/tables/{name}/stats", Kind::Table),
    ("/v1/tables/{name}/versions", Kind::Table),
    ("/v1/documents/{collection}", Kind::Collection),
    ("/v1/documents/{collection}/{id}", Kind::Collection),
    ("/v1/collections/{name}", Kind::Collection),
];

/// Somebody without a token, who asks for a dataset that is public. Of any other the answer is that of every request without a token.
async fn public_reader(app: &App, request: &mut Request) -> Result<Caller> {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    let path = request.extensions().get::<MatchedPath>();
    let kind =
        PUBLIC.iter().find(|(public, _)| path.is_some_and(|path| path.as_str() == *public)).map(|(_, kind)| *kind);
    let may_be = app.config.public_datasets && reads && !request.headers().contains_key(AUTHORIZATION);
    let kind = kind.filter(|_| may_be).ok_or(Error::Unauthenticated)?;
    let parameters = request.extract_parts::<RawPathParams>().await.map_err(|_| Error::Unauthenticated)?;
    let name = parameters.iter().next().map(|(_, name)| name).ok_or(Error::Unauthenticated)?;
    if app.catalogue.is_public(kind, name).await? { Ok(Caller::anonymous()) } else { Err(Error::Unauthenticated) }
}

/// Where the request comes from.
pub fn origin(extensions: &Extensions) -> Origin {
    let client = extensions.get::<Client>();
    Origin {
        request_id: REQUEST_ID.try_with(|id| id.as_str().into()).unwrap_or_default(),
        address: client.map(|client| client.address),
        agent: client.and_then(|client| client.agent.clone()),
        token: None,
        share: None,
    }
}

/// `Bearer <token>`, or Basic with the token as the password and any user name.
fn token(headers: &HeaderMap) -> Option<String> {
    let (scheme, value) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(value.trim().to_owned());
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let pair = String::from_utf8(BASE64_STANDARD.decode(value.trim()).ok()?).ok()?;
    pair.split_once(':').map(|(_, password)| password.to_owned())
}

/// A browser sends Basic credentials by itself, also for another site's form: such a write needs a Bearer token.
fn guard_cross_site(method: &Method, headers: &HeaderMap) -> Result<()> {
    let site = headers.get("sec-fetch-site").and_then(|value| value.to_str().ok());
    let foreign = site.is_some_and(|site| !matches!(site, "same-origin" | "none"));
    let bearer = headers
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.len() > 7 && value[..7].eq_ignore_ascii_case("bearer "));
    if foreign && !method.is_safe() && !bearer {
        return Err(Error::Forbidden { action: "write from another site's page; a Bearer token may" });
    }
    Ok(())
}

impl FromRequestParts<App> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Problem> {
        Ok(parts.extensions.get::<Self>().cloned().ok_or(Error::Unauthenticated)?)
    }
}
