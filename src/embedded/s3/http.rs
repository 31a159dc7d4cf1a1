//! What stands around the S3 service: CORS for browsers, and the headers that keep user bytes from acting as our origin.

use std::convert::Infallible;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderValue, Method, StatusCode, Version, header};
use axum::response::{IntoResponse as _, Response};
use s3s::service::S3Service;
use tower::{Layer as _, Service};
use tower_http::cors::{AllowHeaders, Any, CorsLayer};

/// The S3 service as a tower service for axum.
pub fn serve(
    s3: S3Service,
) -> impl Service<Request, Response = Response, Error = Infallible, Future: Send> + Clone + Send + Sync + 'static {
    let answer = tower::service_fn(move |request: Request| {
        let s3 = s3.clone();
        async move { Ok::<_, Infallible>(answer(&s3, request).await) }
    });
    cors().layer(answer)
}

/// Any origin, without credentials: the signature is in the URL or in a header that the page must have been given. A preflight needs none.
fn cors() -> CorsLayer {
    CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([Method::GET, Method::HEAD, Method::PUT, Method::POST, Method::DELETE])
        // `*` would leave out `Authorization`.
        .allow_headers(AllowHeaders::mirror_request())
        // Only `*` covers `x-amz-meta-…`, whatever is behind it.
        .expose_headers(Any)
        .max_age(std::time::Duration::from_secs(3600))
}

async fn answer(s3: &S3Service, request: Request) -> Response {
    let expects = request.version() <= Version::HTTP_11 && request.headers().contains_key(header::EXPECT);
    let empty = request.headers().get(header::CONTENT_LENGTH).is_some_and(|length| length == "0");
    let mut response = match s3.call(request.map(s3s::Body::http_body_unsync)).await {
        Ok(response) => response.map(Body::new),
        Err(error) => {
            tracing::error!(?error, "the embedded S3 could not answer");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    };
    if response.status() == StatusCode::NOT_MODIFIED {
        // `s3s` writes the error's XML into it.
        *response.body_mut() = Body::empty();
        response.headers_mut().remove(header::CONTENT_TYPE);
    }
    if expects && (empty || !response.status().is_success()) {
        // No `100 Continue` went before this. botocore, and so the AWS CLI, misreads whatever comes next on such a connection and then waits for a minute
        // (boto/botocore#3755); it opens a new one instead.
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox"));
    response
}
