//! The reference, as OpenAPI 3.1. A test compares it with the router.

use crate::app::App;
use axum::extract::State;
use http::header::CONTENT_TYPE;

const OPENAPI: &str = include_str!("openapi.json");

/// `GET /openapi.json`, with this deployment's address as the server.
pub async fn openapi(State(app): State<App>) -> ([(http::HeaderName, &'static str); 1], String) {
    ([(CONTENT_TYPE, "application/json")], OPENAPI.replace("http://127.0.0.1:8080", &app.public_url))
}
