//! Patience with a database that is away for some seconds: while it restarts, or another takes its place.

use crate::{
    app::App,
    database,
    error::{Error, Result, Store},
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
    let patience = Patience::of(app);
    let (parts, _) = request.into_parts();
    loop {
        let response = next.clone().run(Request::from_parts(parts.clone(), Body::empty())).await;
        if response.extensions().get::<DatabaseAway>().is_none() || patience.is_over(app) {
            return response;
        }
        Patience::pause().await;
    }
}

/// The same for one reading of the database, such as before a request that writes has begun.
pub async fn until_there<T, F: Future<Output = Result<T>>>(app: &App, read: impl Fn() -> F) -> Result<T> {
    let patience = Patience::of(app);
    loop {
        match read().await {
            Err(error) if database::is_away(&error) && !patience.is_over(app) => {
                metrics::unavailable(Store::Database);
                Patience::pause().await;
            }
            done => return done,
        }
    }
}

/// Until when.
struct Patience(Instant);

impl Patience {
    fn of(app: &App) -> Self {
        Self(Instant::now() + app.config.times.request())
    }

    fn is_over(&self, app: &App) -> bool {
        Instant::now() + PAUSE > self.0 || app.draining()
    }

    async fn pause() {
        metrics::read_again();
        sleep(PAUSE).await;
    }
}

/// Marks the answer of such an error.
pub(super) fn mark(error: &Error, response: &mut Response) {
    if database::is_away(error) {
        response.extensions_mut().insert(DatabaseAway);
    }
}
