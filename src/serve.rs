//! The listener: every connection is timed while it sends its headers, and all are drained at the end.

use crate::config::Times;
use axum::{Router, middleware::map_response, response::Response};
use http::{HeaderValue, header::CONNECTION};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto::Builder, graceful::GracefulShutdown},
    service::TowerToHyperService,
};
use std::{future::Future, time::Duration};
use tokio::{
    net::{TcpListener, TcpStream},
    time::timeout,
};

/// After the kernel refused a connection, for want of file descriptors most likely.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until `stop`, then lets running requests end, but no longer than the setting says. Answers whether all of them did.
///
/// As long as some run, new connections are still taken, for one request each: a load balancer learns from `/health/ready` that we go, and what it sends until
/// then is not refused.
pub async fn serve(listener: TcpListener, router: Router, times: &Times, stop: impl Future<Output = ()>) -> bool {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(times.idle());
    builder.http2().timer(TokioTimer::new()).keep_alive_interval(times.idle());
    let connections = GracefulShutdown::new();
    tokio::pin!(stop);
    loop {
        tokio::select! {
            stream = accept(&listener) => spawn(&builder, stream, router.clone(), &connections),
            () = &mut stop => break,
        }
    }
    let drain = async move {
        let (running, late) = (connections.shutdown(), GracefulShutdown::new());
        let router = router.layer(map_response(last_of_its_connection));
        tokio::pin!(running);
        loop {
            tokio::select! {
                biased;
                () = &mut running => break,
                stream = accept(&listener) => spawn(&builder, stream, router.clone(), &late),
            }
        }
        drop(listener);
        late.shutdown().await;
    };
    timeout(Duration::from_secs(times.shutdown_seconds), drain).await.is_ok()
}

async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => match stream.set_nodelay(true) {
                Ok(()) => return stream,
                Err(error) => tracing::debug!(%error, "a connection ended before it began"),
            },
            Err(error) => {
                tracing::warn!(%error, "a connection was not accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn spawn(builder: &Builder<TokioExecutor>, stream: TcpStream, router: Router, connections: &GracefulShutdown) {
    let service = TowerToHyperService::new(router);
    let connection = builder.serve_connection(TokioIo::new(stream), service).into_owned();
    let connection = connections.watch(connection);
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(error, "a connection broke off");
        }
    });
}

async fn last_of_its_connection(mut response: Response) -> Response {
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}
