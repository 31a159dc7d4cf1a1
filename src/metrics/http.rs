//! `/metrics`: what was counted, and what is read at the moment of asking.

use super::{Gauges, encode};
use crate::{
    app::App,
    auth::Caller,
    database::PoolState,
    error::{Error, Result},
    http::Problem,
};
use ::http::header::CONTENT_TYPE;
use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use prometheus_client::registry::Registry;
use std::time::{Duration, Instant};
use tokio::time::timeout;

/// No store may hold up a scrape for longer.
const SCRAPE_TIME: Duration = Duration::from_secs(5);
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// `GET /metrics` of the service: for admins.
pub async fn metrics(State(app): State<App>, caller: Caller) -> Result<Response, Problem> {
    if !caller.admin {
        return Err(Error::Forbidden { action: "read the metrics" }.into());
    }
    open(State(app)).await
}

/// The same at `LARDER_METRICS_LISTEN`, for whoever reaches that address.
pub async fn open(State(app): State<App>) -> Result<Response, Problem> {
    let mut gauges = Registry::with_prefix("larder");
    pools(&app, &mut gauges).await;
    queues(&app, &mut gauges).await;
    Ok(([(CONTENT_TYPE, OPEN_METRICS)], encode(&gauges)?).into_response())
}

async fn pools(app: &App, gauges: &mut Registry) {
    let connections = Gauges::<[(&'static str, &'static str); 2]>::default();
    let (most, wait) = (Gauges::<[(&'static str, &'static str); 1]>::default(), Gauges::default());
    gauges.register("pool_connections", "Connections to Postgres", connections.clone());
    gauges.register("pool_connections_max", "Connections that a pool may have", most.clone());
    gauges.register("pool_wait_seconds", "How long a request waits for a connection now, up to 5", wait.clone());
    for PoolState { name: pool, connections: size, idle, max } in app.pools().states() {
        connections.get_or_create(&[("pool", pool), ("state", "idle")]).set(f64::from(idle));
        connections.get_or_create(&[("pool", pool), ("state", "used")]).set(f64::from(size.saturating_sub(idle)));
        most.get_or_create(&[("pool", pool)]).set(f64::from(max));
        let began = Instant::now();
        // Only where all are in use does anybody wait.
        let waited = idle == 0 && size >= max;
        if waited {
            drop(timeout(SCRAPE_TIME, app.pools().probe(pool)).await);
        }
        let seconds = if waited { began.elapsed().as_secs_f64() } else { 0.0 };
        wait.get_or_create(&[("pool", pool)]).set(seconds);
    }
}

/// Without an answer of the database they are left out, which an alarm can be set on.
async fn queues(app: &App, gauges: &mut Registry) {
    let Ok(Ok(queues)) = timeout(SCRAPE_TIME, app.catalogue.queues()).await else { return };
    for (name, help, value) in [
        ("uploads_pending", "Uploads under way, by their leases", queues.pending),
        ("uploads_expired", "Leases that have expired and wait for a sweep", queues.expired),
        ("garbage", "Rows of garbage, counted up to 100,000", queues.garbage),
        ("garbage_due", "Rows of garbage that may be deleted, counted up to 100,000", queues.garbage_due),
        ("garbage_overdue_seconds", "Age of the oldest row of garbage since it may be deleted", queues.overdue_seconds),
        ("jobs_running", "Jobs under way", queues.jobs),
    ] {
        let gauge = Gauges::<[(&'static str, &'static str); 0]>::default();
        gauge.get_or_create(&[]).set(value);
        gauges.register(name, help, gauge);
    }
}
