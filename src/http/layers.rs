//! What every request passes: an id, a span, and an answer even after a panic.

use super::{Problem, trace::Trace};
use crate::{app::App, error::Error, metrics};
use axum::{
    extract::{MatchedPath, Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{
    HeaderName, HeaderValue,
    header::{CONTENT_SECURITY_POLICY, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS},
};
use std::any::Any;
use tracing::{Instrument, Span, field::Empty};
use uuid::Uuid;

tokio::task_local! {
    /// The id of the request that is being answered, for problems and logs.
    pub static REQUEST_ID: String;
}

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const REQUEST_ID_CHARS_MAX: usize = 64;

/// Takes the client's `x-request-id` if it is short and plain, else makes one; every response carries it.
pub async fn request_id(request: Request, next: Next) -> Response {
    let given = request.headers().get(X_REQUEST_ID).and_then(|id| id.to_str().ok());
    let plain = |id: &&str| {
        !id.is_empty()
            && id.len() <= REQUEST_ID_CHARS_MAX
            && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    let id = given.filter(plain).map_or_else(|| Uuid::now_v7().simple().to_string(), str::to_owned);
    let mut response = REQUEST_ID.scope(id.clone(), next.run(request)).await;
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(X_REQUEST_ID, id);
    }
    response
}

/// One span per request, and one line when its answer begins. The path is the matched one: a share's token or a blob's key is never logged.
pub async fn request_span(request: Request, next: Next) -> Response {
    let path = request.extensions().get::<MatchedPath>().map_or("-", MatchedPath::as_str);
    let id = REQUEST_ID.try_with(Clone::clone).unwrap_or_default();
    let Trace { trace_id, span_id, parent_id } = Trace::of(request.headers());
    let method = request.method().clone();
    let span = tracing::info_span!(
        "request", %method, path, request_id = id, trace_id, span_id, parent_id, client = Empty, principal = Empty
    );
    let (path, started) = (path.to_owned(), std::time::Instant::now());
    async move {
        let response = next.run(request).await;
        let status = response.status().as_u16();
        let took = started.elapsed();
        metrics::answered(&method, &path, status, took);
        let duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        tracing::info!(status, duration_ms, "answered");
        response
    }
    .instrument(span)
    .await
}

/// After a panic: the same road as every other error.
pub fn panicked(panic: Box<dyn Any + Send>) -> Response {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    let error = Error::internal(format!("panic: {}", text.unwrap_or("without a message")));
    Span::current().in_scope(|| Problem::from(error).into_response())
}

/// What we say ourselves is for programs: a browser takes it for nothing else, and a page of ours loads nothing.
pub async fn plain_answers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.entry(X_CONTENT_TYPE_OPTIONS).or_insert(HeaderValue::from_static("nosniff"));
    headers.entry(REFERRER_POLICY).or_insert(HeaderValue::from_static("no-referrer"));
    headers
        .entry(CONTENT_SECURITY_POLICY)
        .or_insert(HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"));
    response
}

/// Where browsers reach us by https they are to use nothing else.
pub async fn strict_transport(State(app): State<App>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    if app.is_https() {
        let year = HeaderValue::from_static("max-age=31536000");
        response.headers_mut().insert(STRICT_TRANSPORT_SECURITY, year);
    }
    response
}
