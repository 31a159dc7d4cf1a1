//! The listener: every connection is timed while it sends its headers, and all are drained at the end.

use crate::config::Times;
use axum::Router;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto::Builder, graceful::GracefulShutdown},
    service::TowerToHyperService,
};
use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::{net::TcpListener, pin, time::timeout};
use tower::ServiceExt;

/// After the kernel refused a connection, for want of file descriptors most likely.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until `stop`, then lets running requests end, but no longer than the setting says. Answers whether all of them did.
pub async fn serve(listener: TcpListener, router: Router, times: &Times, stop: impl Future<Output = ()>) -> bool {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(times.idle());
    builder.http2().timer(TokioTimer::new()).keep_alive_interval(times.idle());
    let connections = GracefulShutdown::new();
    pin!(stop);
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "a connection was not accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            },
            () = &mut stop => break,
        };
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a connection ended before it began");
            continue;
        }
        let begun = Arc::new(AtomicBool::new(false));
        let begins = begun.clone();
        let service = router.clone().map_request(move |request| {
            begins.store(true, Relaxed);
            request
        });
        let connection = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service)).into_owned();
        let connection = connections.watch(connection);
        let idle = times.idle();
        tokio::spawn(async move {
            pin!(connection);
            // hyper times the headers, but not the first bytes, which tell HTTP/1 from HTTP/2.
            let ended = match timeout(idle, &mut connection).await {
                Ok(ended) => ended,
                Err(_) if begun.load(Relaxed) => connection.await,
                Err(_) => return tracing::debug!("a connection brought no request"),
            };
            if let Err(error) = ended {
                tracing::debug!(error, "a connection broke off");
            }
        });
    }
    drop(listener);
    timeout(Duration::from_secs(times.shutdown_seconds), connections.shutdown()).await.is_ok()
}
