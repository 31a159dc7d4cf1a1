//! The listener: no connection may stall, neither before its request nor while it reads the answer, and all are drained at the end.

use crate::{config::Times, http::Peer};
use axum::{Router, middleware::map_response, response::Response};
use http::{HeaderValue, Request, header::CONNECTION};
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
use tokio::{
    net::{TcpListener, TcpStream},
    pin,
    task::JoinSet,
    time::timeout,
};
use tokio_io_timeout::TimeoutStream;
use tower::ServiceExt;

/// After the kernel refused a connection, for want of file descriptors most likely.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until `stop`, then lets running requests end, but no longer than the setting says; the rest is cut off. Answers whether all of them did end.
///
/// As long as some run, new connections are still taken, for one request each: a load balancer learns from `/health/ready` that we go, and what it sends until
/// then is not refused.
pub async fn serve(listener: TcpListener, router: Router, times: &Times, stop: impl Future<Output = ()>) -> bool {
    let (running, mut connections) = (GracefulShutdown::new(), Connections::new(times));
    pin!(stop);
    loop {
        tokio::select! {
            // First, so that whoever has seen that we are not ready meets the drain.
            biased;
            () = &mut stop => break,
            stream = accept(&listener) => connections.spawn(stream, router.clone(), &running),
        }
    }
    let drain = async {
        let (running, late) = (running.shutdown(), GracefulShutdown::new());
        let router = router.layer(map_response(last_of_its_connection));
        pin!(running);
        loop {
            tokio::select! {
                biased;
                () = &mut running => break,
                stream = accept(&listener) => connections.spawn(stream, router.clone(), &late),
            }
        }
        late.shutdown().await;
    };
    timeout(Duration::from_secs(times.shutdown_seconds), drain).await.is_ok()
}

async fn accept(listener: &TcpListener) -> (TcpStream, Peer) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => match stream.set_nodelay(true) {
                Ok(()) => return (stream, Peer(peer.ip())),
                Err(error) => tracing::debug!(%error, "a connection ended before it began"),
            },
            Err(error) => {
                tracing::warn!(%error, "a connection was not accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Dropping it cuts off those that still run.
struct Connections {
    builder: Builder<TokioExecutor>,
    idle: Duration,
    tasks: JoinSet<()>,
}

impl Connections {
    fn new(times: &Times) -> Self {
        let idle = times.idle();
        let mut builder = Builder::new(TokioExecutor::new());
        builder.http1().timer(TokioTimer::new()).header_read_timeout(idle);
        builder.http2().timer(TokioTimer::new()).keep_alive_interval(idle);
        Self { builder, idle, tasks: JoinSet::new() }
    }

    fn spawn(&mut self, (stream, peer): (TcpStream, Peer), router: Router, watch: &GracefulShutdown) {
        // Those that have ended need no place any more.
        while self.tasks.try_join_next().is_some() {}
        let begun = Arc::new(AtomicBool::new(false));
        let begins = begun.clone();
        let service = router.map_request(move |mut request: Request<_>| {
            begins.store(true, Relaxed);
            request.extensions_mut().insert(peer);
            request
        });
        // A client that takes no bytes must not hold what it reads from: a connection to the database, say.
        let mut stream = TimeoutStream::new(stream);
        stream.set_write_timeout(Some(self.idle));
        let stream = TokioIo::new(Box::pin(stream));
        let connection = self.builder.serve_connection(stream, TowerToHyperService::new(service)).into_owned();
        let (connection, idle) = (watch.watch(connection), self.idle);
        self.tasks.spawn(async move {
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
}

async fn last_of_its_connection(mut response: Response) -> Response {
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}
