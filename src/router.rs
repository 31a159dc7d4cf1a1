//! Every URL and every layer.

use crate::{
    app::App,
    audit,
    auth::{
        http::{as_caller, as_stranger},
        principals, session, tokens,
    },
    blobs, datasets, documents, health,
    http::{entrance, frame, not_found, openapi},
    jobs, metrics, shares, tables, upload, web,
};
use axum::{
    Router,
    extract::DefaultBodyLimit,
    middleware::{from_fn, from_fn_with_state},
    routing::{delete, get, patch, post, put},
};
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue, IF_MATCH, IF_NONE_MATCH, RANGE,
};
use tower_http::cors::{Any, CorsLayer};

const PREFER: HeaderName = HeaderName::from_static("prefer");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

pub fn router(app: &App) -> Router {
    let private = uploads().merge(api(app)).method_not_allowed_fallback(upload::http::other_method);
    let private = private.route_layer(from_fn_with_state(app.clone(), as_caller));
    let private = match &app.config.cors_origins {
        none if none.is_empty() => private,
        origins => private.layer(
            CorsLayer::new()
                .allow_origin(origins.clone())
                .allow_methods(Any)
                .allow_headers([AUTHORIZATION, CONTENT_TYPE, IF_MATCH, IF_NONE_MATCH, RANGE, PREFER, IDEMPOTENCY_KEY])
                .expose_headers(Any),
        ),
    };

    private
        .merge(links())
        .merge(sessions(app))
        .merge(open())
        .fallback(not_found)
        .method_not_allowed_fallback(upload::http::other_method)
        .layer(from_fn_with_state(app.clone(), entrance))
        .with_state(app.clone())
}

fn uploads() -> Router<App> {
    Router::new()
        .route("/", put(upload::http::put_named).post(upload::http::post))
        .route("/{*path}", put(upload::http::put).get(not_found))
        .route(
            "/v1/blobs/{*key}",
            put(blobs::http::put).get(blobs::http::get).delete(blobs::http::delete).post(blobs::http::post),
        )
        .route("/v1/tables/{name}", put(tables::http::put).get(tables::http::get).delete(tables::http::delete))
        .route("/v1/tables/{name}/rows", get(tables::http::rows).post(tables::http::append))
        .route(
            "/v1/documents/{collection}/{id}",
            put(documents::http::put).get(documents::http::get).delete(documents::http::delete),
        )
        // Uploads bound and time their bodies themselves, chunk by chunk.
        .layer(DefaultBodyLimit::disable())
}

fn api(app: &App) -> Router<App> {
    Router::new()
        .route("/v1/blobs", get(blobs::http::list))
        .route("/v1/blobs/{*key}", patch(blobs::http::patch))
        .route("/v1/tables/{name}", patch(tables::http::patch))
        .route("/v1/tables/{name}/restore", post(tables::http::restore))
        .route("/v1/tables/{name}/raw", get(tables::http::raw))
        .route("/v1/tables/{name}/versions", get(tables::http::versions))
        .route("/v1/tables/{name}/rows", patch(tables::http::patch_rows).delete(tables::http::delete_rows))
        .route("/v1/tables/{name}/changes", get(tables::http::changes))
        .route("/v1/tables/{name}/changes/{id}/undo", post(tables::http::undo))
        .route("/v1/tables/{name}/stats", get(tables::http::stats))
        .route("/v1/tables/{name}/indexes", get(tables::http::indexes).post(tables::http::create_index))
        .route("/v1/tables/{name}/indexes/{id}", delete(tables::http::drop_index))
        // `rows.csv` and its like: a parameter of the router is a whole segment.
        .route("/v1/tables/{name}/{rows_as}", get(tables::http::rows_as))
        .route("/v1/documents/{collection}", get(documents::http::list))
        .route("/v1/documents/{collection}/{id}/restore", post(documents::http::restore))
        .route(
            "/v1/collections/{name}",
            get(documents::http::collection)
                .patch(documents::http::patch_collection)
                .delete(documents::http::delete_collection),
        )
        .route("/v1/collections/{name}/restore", post(documents::http::restore_collection))
        .route("/v1/audit", get(audit::http::list))
        .route("/v1/datasets/{id}/log", get(audit::http::log))
        .route("/v1/jobs", get(jobs::http::list))
        .route("/v1/jobs/{id}", get(jobs::http::get).delete(jobs::http::cancel))
        .route("/v1/datasets", get(datasets::http::list))
        .route("/v1/datasets/{id}", get(datasets::http::get))
        .route("/v1/principals", get(principals::http::list).post(principals::http::create))
        .route(
            "/v1/principals/{id}",
            get(principals::http::get).patch(principals::http::patch).delete(principals::http::delete),
        )
        .route("/v1/tokens", get(tokens::http::list).post(tokens::http::create))
        .route("/v1/tokens/{id}", get(tokens::http::get).patch(tokens::http::patch).delete(tokens::http::revoke))
        .route("/v1/tokens/{id}/rotate", post(tokens::http::rotate))
        .route("/metrics", get(metrics::http::metrics))
        .route("/v1/shares", get(shares::http::list).post(shares::http::create).delete(shares::http::revoke_all))
        .route("/v1/shares/{id}", get(shares::http::get).patch(shares::http::change).delete(shares::http::revoke))
        .route("/v1/shares/{id}/log", get(shares::http::log))
        .layer(DefaultBodyLimit::max(usize::try_from(app.config.limits.request_bytes_max).unwrap_or(usize::MAX)))
}

fn sessions(app: &App) -> Router<App> {
    Router::new()
        .route("/login", get(web::login).post(session::http::login))
        .route("/logout", post(session::http::logout))
        .route_layer(from_fn_with_state(app.clone(), as_stranger))
        .method_not_allowed_fallback(upload::http::other_method)
        .layer(DefaultBodyLimit::max(16 << 10))
}

/// Uploads bound their bodies themselves. Layers stand around what has a body alone, since each costs a little at every request.
fn links() -> Router<App> {
    let unbound = DefaultBodyLimit::disable;
    Router::new()
        .route("/s/{token}", post(shares::http::post).layer(unbound()).get(shares::http::follow).options(preflight))
        // As `curl -T` wants the address of a drop box.
        .route("/s/{token}/", post(shares::http::post).layer(unbound()).get(shares::http::follow).options(preflight))
        .route(
            "/s/{token}/{*path}",
            put(shares::http::put).layer(unbound()).get(shares::http::follow_path).options(preflight),
        )
        .method_not_allowed_fallback(upload::http::other_method)
}

/// What a browser asks before a page may send headers of its own, such as `Range`.
async fn preflight() -> [(HeaderName, HeaderValue); 1] {
    // To the standard all of them are all but that one.
    [(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("*, authorization"))]
}

fn open() -> Router<App> {
    Router::new()
        .route("/", get(web::home))
        .route("/health/live", get(health::live))
        .route("/health/ready", get(health::ready))
        .route("/openapi.json", get(openapi))
        .route("/assets/{name}", get(web::asset))
        .route("/problems", get(web::problem_kinds))
        .route("/problems/{slug}", get(web::problem_kind))
}

/// What `LARDER_METRICS_LISTEN` serves: to whoever reaches that address, and nothing else.
pub fn metrics_router(app: &App) -> Router {
    let routes = Router::new().route("/metrics", get(metrics::http::open)).fallback(not_found);
    with_frame(routes.with_state(app.clone()))
}

/// For what is not the service itself: what `LARDER_METRICS_LISTEN` serves, and the embedded bucket.
pub fn with_frame(router: Router) -> Router {
    router.layer(from_fn(frame))
}
