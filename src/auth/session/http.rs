//! `POST /login` and `POST /logout`.

use super::Session;
use crate::{
    app::App,
    auth::http::{origin, same_origin},
    config::Secret,
    error::{Error, Result},
    http::{Json, Problem},
};
use axum::{
    Form,
    extract::{FromRequest, Request, State},
    response::{IntoResponse, Redirect, Response},
};
use http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE, COOKIE, SET_COOKIE},
};
use serde::Deserialize;
use serde_json::json;
use std::time::Duration;
use tokio::time::timeout;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Login {
    token: String,
    /// Where a form leads to: a path of ours.
    #[serde(default)]
    next: String,
}

/// `POST /login`: takes a token once, as a form or as JSON, and sets the cookie of a session.
pub async fn login(State(app): State<App>, request: Request) -> Result<Response, Problem> {
    same_origin(&app, request.headers(), false)?;
    let (from, is_json) =
        (origin(request.extensions()), content_type(request.headers()).starts_with("application/json"));
    let Login { token, next } = match is_json {
        true => Json::from_request(request, &app).await.map_err(|_| unreadable())?.0,
        false => form(&app, request).await?,
    };
    let found = match app.auth.caller(token.trim()).await {
        Err(Error::Unauthenticated) => return Err(app.guards.wrong_token(from.address).into()),
        found => found?,
    };
    let caller = found.from(from);
    let life = Duration::from_secs(app.config.guarding.session_seconds);
    let session = app.auth.begin_session(&caller, life).await?;
    let headers = [(SET_COOKIE, set_cookie(&app, &session)?), (CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    if is_json {
        let expires_at = session.expires_at.format(&time::format_description::well_known::Rfc3339);
        let body = json!({ "principal": caller.name, "expires_at": expires_at.map_err(Error::internal)? });
        return Ok((headers, axum::Json(body)).into_response());
    }
    Ok((headers, Redirect::to(if is_ours(&next) { &next } else { "/" })).into_response())
}

/// `POST /logout`: the session ends, on every replica within the time that LARDER_TOKEN_CACHE_SECONDS says.
pub async fn logout(State(app): State<App>, request: Request) -> Result<Response, Problem> {
    same_origin(&app, request.headers(), true)?;
    if let Some(cookie) = session_cookie(&app, request.headers())
        && let Ok(caller) = app.auth.caller_of_session(cookie.expose()).await
    {
        let caller = caller.from(origin(request.extensions()));
        app.auth.end_session(&caller, cookie.expose()).await?;
    }
    let cleared = HeaderValue::from_str(&format!("{}=; Max-Age=0; {}", name(&app), attributes(&app)));
    let headers = [(SET_COOKIE, cleared.map_err(Error::internal)?)];
    match content_type(request.headers()).starts_with("application/x-www-form-urlencoded") {
        true => Ok((headers, Redirect::to("/")).into_response()),
        false => Ok((StatusCode::NO_CONTENT, headers).into_response()),
    }
}

async fn form(app: &App, request: Request) -> Result<Login> {
    let idle = app.config.times.idle();
    let late = |_| Error::Interrupted { detail: format!("the body did not come within {} s", idle.as_secs()) };
    let form = timeout(idle, Form::from_request(request, app)).await.map_err(late)?;
    form.map(|Form(login)| login).map_err(|_| unreadable())
}

/// More could hold the token.
fn unreadable() -> Error {
    Error::invalid("body", "it must be a form, or JSON, with a `token`.")
}

/// The value of the session's cookie, if there is one.
pub fn session_cookie(app: &App, headers: &HeaderMap) -> Option<Secret> {
    let name = name(app);
    let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut cookies = lines.flat_map(|line| line.split(';')).filter_map(|one| one.trim().split_once('='));
    cookies.find(|(given, _)| *given == name).map(|(_, value)| Secret::new(value))
}

fn set_cookie(app: &App, session: &Session) -> Result<HeaderValue> {
    let seconds = (session.expires_at - time::OffsetDateTime::now_utc()).whole_seconds().max(0);
    let cookie = format!("{}={}; Max-Age={seconds}; {}", name(app), session.cookie.expose(), attributes(app));
    let mut cookie = HeaderValue::from_str(&cookie).map_err(Error::internal)?;
    cookie.set_sensitive(true);
    Ok(cookie)
}

/// Behind https the browser itself sees to it that nobody else sets it.
fn name(app: &App) -> &'static str {
    if app.is_https() { "__Host-larder-session" } else { "larder-session" }
}

fn attributes(app: &App) -> &'static str {
    if app.is_https() { "Path=/; HttpOnly; SameSite=Strict; Secure" } else { "Path=/; HttpOnly; SameSite=Strict" }
}

fn content_type(headers: &HeaderMap) -> &str {
    headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// A path of ours, which no browser reads as another site's address.
pub fn is_ours(next: &str) -> bool {
    next.starts_with('/') && !next[1..].starts_with(['/', '\\']) && next.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::is_ours;

    #[test]
    fn a_form_leads_to_no_other_site() {
        assert!(is_ours("/datasets/tables/sales?x=1"));
        for other in ["", "https://example.org/", "//example.org", "/\\example.org", "/\t/example.org", "x"] {
            assert!(!is_ours(other), "{other}");
        }
    }
}
