//! `/health`: whether the process lives, and whether it can serve.

use crate::{app::App, error::Result};
use axum::{Json, extract::State};
use http::StatusCode;
use serde_json::{Value, json};
use std::{future::Future, time::Duration};
use tokio::time::timeout;

const CHECK_TIME: Duration = Duration::from_secs(3);

/// `GET /health/live`: the process answers. No store's outage fails it, since a restart would not mend that.
pub async fn live() -> Json<Value> {
    Json(json!({ "status": "ok" }))
}

/// `GET /health/ready`: 503 while a store does not answer or the service is shutting down, so that a load balancer sends no requests here.
pub async fn ready(State(app): State<App>) -> (StatusCode, Json<Value>) {
    let (database, objects, documents) =
        tokio::join!(check(app.catalogue.check()), check(app.objects.check()), check(app.documents.check()));
    let draining = app.draining();
    let ready = database && objects && documents && !draining;
    let word = |ok| if ok { "ok" } else { "failing" };
    let body = json!({
        "status": word(ready), "draining": draining,
        "database": word(database), "objects": word(objects), "documents": word(documents),
    });
    (if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, Json(body))
}

async fn check(store: impl Future<Output = Result<()>>) -> bool {
    match timeout(CHECK_TIME, store).await {
        Ok(Ok(())) => true,
        Ok(Err(error)) => {
            tracing::warn!(?error, "a store is not available");
            false
        }
        Err(_) => {
            tracing::warn!("a store did not answer within {} s", CHECK_TIME.as_secs());
            false
        }
    }
}
