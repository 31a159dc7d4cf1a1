//! From the `Authorization` header, or the cookie of a session, to the [`Caller`], before any route looks at the rest of the request.

use super::{Caller, Origin, session::http::session_cookie};
use crate::{
    app::App,
    audit::http::watch,
    catalogue::Kind,
    config::Secret,
    error::{Error, Result},
    guards::http::count,
    http::{Client, Problem, request_id, until_there},
};
use axum::{
    RequestExt,
    extract::{FromRequestParts, MatchedPath, RawPathParams, Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use http::{Extensions, HeaderMap, Method, header::AUTHORIZATION, request::Parts};

/// The principal that an answer is for; stands in its extensions.
#[derive(Debug, Clone)]
pub struct GivenTo(pub String);

/// A layer around routes that somebody's token opens: their address is counted, their refusals and reads are audited.
pub async fn as_caller(State(app): State<App>, request: Request, next: Next) -> Result<Response, Problem> {
    count(&app, &request)?;
    let answer =
        |request| async { authenticate(&app, request, next).await.unwrap_or_else(IntoResponse::into_response) };
    Ok(watch(&app, request, answer).await)
}

/// The same where nobody has shown a token yet.
pub async fn as_stranger(State(app): State<App>, request: Request, next: Next) -> Result<Response, Problem> {
    count(&app, &request)?;
    Ok(watch(&app, request, |request| next.run(request)).await)
}

/// The request goes on with its caller, or ends with 401, the same whether or not the name exists.
async fn authenticate(app: &App, mut request: Request, next: Next) -> Result<Response, Problem> {
    let credential = Credential::of(app, request.headers());
    let found = match &credential {
        Some(Credential::Bearer(token) | Credential::Basic(token)) => {
            until_there(app, || app.auth.caller(token.expose())).await.map(Some)
        }
        Some(Credential::Session(cookie)) => {
            until_there(app, || app.auth.caller_of_session(cookie.expose())).await.map(Some)
        }
        None => Ok(None),
    };
    let from = origin(request.extensions());
    let caller = match found {
        Ok(Some(caller)) => caller.from(from),
        Ok(None) => public_reader(app, &mut request).await?.from(from),
        Err(Error::Unauthenticated) => return Err(app.guards.wrong_token(from.address).into()),
        Err(error) => return Err(error.into()),
    };
    if !request.method().is_safe() && !matches!(credential, Some(Credential::Bearer(_))) {
        same_origin(app, request.headers(), matches!(credential, Some(Credential::Session(_))))?;
    }
    let (standing, allowed) = caller.origin.token.map_or((None, Ok(())), |token| app.guards.token(token));
    request.extensions_mut().insert(caller.clone());
    let mut response = match allowed {
        Ok(()) => next.run(request).await,
        Err(error) => Problem::from(error).into_response(),
    };
    if let Some(standing) = standing {
        standing.tell(response.headers_mut());
    }
    // For the log, and for the audit.
    response.extensions_mut().insert(GivenTo(caller.name.clone()));
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
        request_id: request_id(),
        address: client.map(|client| client.address),
        agent: client.and_then(|client| client.agent.clone()),
        token: None,
        share: None,
    }
}

/// What a request shows of who sends it.
enum Credential {
    Bearer(Secret),
    /// With the token as the password, and any user name.
    Basic(Secret),
    /// The cookie of a browser that has signed in; a header goes before it.
    Session(Secret),
}

impl Credential {
    /// A header that is none of ours shows nothing.
    fn of(app: &App, headers: &HeaderMap) -> Option<Self> {
        let Some(header) = headers.get(AUTHORIZATION) else { return session_cookie(app, headers).map(Self::Session) };
        let (scheme, value) = header.to_str().ok()?.split_once(' ')?;
        if scheme.eq_ignore_ascii_case("bearer") {
            return Some(Self::Bearer(Secret::new(value.trim())));
        }
        let pair = BASE64_STANDARD.decode(value.trim()).ok().filter(|_| scheme.eq_ignore_ascii_case("basic"))?;
        String::from_utf8(pair).ok()?.split_once(':').map(|(_, password)| Self::Basic(Secret::new(password)))
    }
}

/// A browser sends Basic credentials and cookies by itself, for another site's page too: such a write needs a Bearer token, or comes from a page of ours. Programs say nothing
/// of where they come from; who has a cookie is none, and `proof` is asked of it.
///
/// # Errors
/// `Forbidden`
pub fn same_origin(app: &App, headers: &HeaderMap, proof: bool) -> Result<()> {
    let said = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let ours = match (said("sec-fetch-site"), said("origin")) {
        (Some(site), _) => site == "same-origin" || site == "none" && !proof,
        (None, Some(origin)) => origin == app.public_url,
        (None, None) => !proof,
    };
    if ours { Ok(()) } else { Err(Error::Forbidden { action: "write from another site's page; a Bearer token may" }) }
}

impl FromRequestParts<App> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Problem> {
        Ok(parts.extensions.get::<Self>().cloned().ok_or(Error::Unauthenticated)?)
    }
}
