//! Patience with a database that is away for some seconds: while it restarts, or another takes its place.

use crate::{
    app::App,
    database,
    error::{Error, Result},
    metrics,
};
use axum::{body::Body, extract::Request, middleware::Next, response::Response};
use std::{future::Future, time::Duration};
use tokio::time::{Instant, sleep};

const PAUSE: Duration = Duration::from_millis(200);

/// Stands in the extensions of an answer that failed for want of the database, so that nothing was done.
#[derive(Debug, Clone, Copy)]
pub struct DatabaseAway;

/// Does what only reads again, from its beginning, for up to `LARDER_REQUEST_SECONDS`.
pub(super) async fn read_again(app: &App, request: Request, next: Next) -> Response {
    let end = Instant::now() + app.config.times.request();
    let (parts, _) = request.into_parts();
    loop {
        let response = next.clone().run(Request::from_parts(parts.clone(), Body::empty())).await;
        if response.extensions().get::<DatabaseAway>().is_none() || Instant::now() + PAUSE > end || app.draining() {
            return response;
        }
        metrics::read_again();
        sleep(PAUSE).await;
    }
}

/// The same for one reading of the database, before a request that writes has begun.
pub async fn until_there<T, F: Future<Output = Result<T>>>(app: &App, read: impl Fn() -> F) -> Result<T> {
    let end = Instant::now() + app.config.times.request();
    loop {
        match read().await {
            Err(error) if database::is_away(&error) && Instant::now() + PAUSE <= end => sleep(PAUSE).await,
            done => return done,
        }
    }
}

/// Marks the answer of such an error.
pub(super) fn mark(error: &Error, response: &mut Response) {
    if database::is_away(error) {
        response.extensions_mut().insert(DatabaseAway);
    }
}
