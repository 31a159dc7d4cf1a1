//! What every request passes: an id, a line of the log, and an answer even after a panic.

use super::{Client, Problem, RequestContext, again::read_again, incoming::settle, problem::with_causes, trace::Trace};
use crate::{app::App, auth::http::GivenTo, error::Error, metrics, web::problem_as_page};
use axum::{
    body::{Body, HttpBody},
    extract::{MatchedPath, Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures::{FutureExt, TryStreamExt};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, StatusCode,
    header::{
        ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, CACHE_CONTROL, CONTENT_SECURITY_POLICY,
        REFERRER_POLICY, STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS,
    },
};
use std::{any::Any, error::Error as _, panic::AssertUnwindSafe, sync::Arc, time::Instant};
use uuid::{Uuid, fmt::Simple};

const ANY: HeaderValue = HeaderValue::from_static("*");
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const REQUEST_ID_CHARS_MAX: usize = 64;

/// The layer around every other route.
pub async fn frame(request: Request, next: Next) -> Response {
    framed(request, |request| next.run(request)).await
}

/// The layer around the routes of the service: who the client is; a reading that is done again while the database is away, and an upload that is read on
/// after a refusal. It is one with the frame, since axum clones for each layer all that are below it, at every request.
pub async fn entrance(State(app): State<App>, request: Request, next: Next) -> Response {
    framed(request, |request| enter(app, request, next)).await
}

/// What every request passes: an id and a line of the log, headers that hold for every answer, and an answer even after a panic.
async fn framed<F: Future<Output = Response>>(request: Request, run: impl FnOnce(Request) -> F) -> Response {
    let id = given_or_made(request.headers());
    let told = HeaderValue::from_str(&id);
    let context = RequestContext {
        id,
        method: request.method().clone(),
        route: request.extensions().get::<MatchedPath>().cloned(),
        trace: Trace::of(request.headers()),
    };
    let mut response = context.scope(logged(request, run)).await;
    if let Ok(id) = told {
        response.headers_mut().insert(X_REQUEST_ID, id);
    }
    response
}

/// The client's own `x-request-id` if it is short and plain, else one of ours.
fn given_or_made(headers: &HeaderMap) -> Arc<str> {
    let given = headers.get(X_REQUEST_ID).and_then(|id| id.to_str().ok());
    let plain = |id: &&str| {
        !id.is_empty()
            && id.len() <= REQUEST_ID_CHARS_MAX
            && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    let mut made = [0; Simple::LENGTH];
    given.filter(plain).unwrap_or_else(|| Uuid::now_v7().simple().encode_lower(&mut made)).into()
}

/// One line when the answer begins.
async fn logged<F: Future<Output = Response>>(request: Request, run: impl FnOnce(Request) -> F) -> Response {
    let started = Instant::now();
    let run = |request| AssertUnwindSafe(run(request)).catch_unwind().map(|run| run.unwrap_or_else(panicked));
    let mut response = problem_as_page(request, run).await;
    let status = response.status();
    let took = started.elapsed();
    RequestContext::with(|request| {
        plain_answer(response.headers_mut(), request.path());
        metrics::answered(&request.method, request.path(), status.as_u16(), took);
    });
    let duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    let client = response.extensions().get::<Client>().map(|client| &*client.network);
    let principal = response.extensions().get::<GivenTo>().map(|GivenTo(name)| name.as_str());
    tracing::info!(status = status.as_u16(), duration_ms, client, principal, "answered");
    watched(response)
}

/// A stream that breaks off has a line of its own, since its answer was logged when it began. One that is there as a whole cannot.
fn watched(response: Response) -> Response {
    if response.body().size_hint().exact().is_some() {
        return response;
    }
    let Some(request) = RequestContext::with(Clone::clone) else { return response };
    response.map(|body| {
        Body::from_stream(body.into_data_stream().inspect_err(move |error| {
            // axum has put it into one of its own.
            let error = error.source().unwrap_or(error);
            request.sync_scope(|| tracing::warn!(error = with_causes(error), "an answer broke off"));
        }))
    })
}

/// After a panic: the same road as every other error.
fn panicked(panic: Box<dyn Any + Send>) -> Response {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    Problem::from(Error::internal(format!("panic: {}", text.unwrap_or("without a message")))).into_response()
}

fn is_link(path: &str) -> bool {
    path.starts_with("/s/")
}

/// What we say ourselves is for programs: a browser takes it for nothing else, and a page of ours loads nothing. What is behind a link may be read from any page, but never with the reader's own credentials.
fn plain_answer(headers: &mut HeaderMap, path: &str) {
    if is_link(path) {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, ANY);
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, ANY);
    }
    headers.entry(X_CONTENT_TYPE_OPTIONS).or_insert(HeaderValue::from_static("nosniff"));
    headers.entry(REFERRER_POLICY).or_insert(HeaderValue::from_static("no-referrer"));
    headers
        .entry(CONTENT_SECURITY_POLICY)
        .or_insert(HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"));
}

async fn enter(app: App, mut request: Request, next: Next) -> Response {
    let client = Client::find(&app.config, &request);
    if let Some(client) = &client {
        request.extensions_mut().insert(client.clone());
    }
    let of_link = RequestContext::with(|context| is_link(context.path())).unwrap_or_default();
    let mut response = match *request.method() {
        // For what is behind a link its handler does the same, without a copy of the request.
        Method::GET | Method::HEAD if of_link => next.run(request).await,
        Method::GET | Method::HEAD => read_again(&app, request, next).await,
        // In a box, so that readings need no room for it.
        _ => Box::pin(settle(request, next)).await,
    };
    if let Some(client) = client {
        response.extensions_mut().insert(client);
    }
    // Nobody keeps what does not say that it may be kept; what is unchanged is kept as before.
    if response.status() != StatusCode::NOT_MODIFIED {
        response.headers_mut().entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    }
    // Where browsers reach us by https they are to use nothing else.
    if app.is_https() {
        let year = HeaderValue::from_static("max-age=31536000");
        response.headers_mut().insert(STRICT_TRANSPORT_SECURITY, year);
    }
    response
}
