//! The listener: no connection may stall, neither before its request nor while it reads the answer, and all are drained at the end.

use crate::{config::Times, http::Peer};
use axum::{Router, response::Response};
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
    time::{sleep, timeout},
};
use tokio_io_timeout::TimeoutStream;
use tower::ServiceExt;

/// After the kernel refused a connection, for want of file descriptors most likely.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until `stop`. Then, for `LARDER_DRAIN_SECONDS`, it goes on, while each answer is the last of its connection: a load balancer learns from `/health/ready`
/// that we go, and nothing that it sends until then meets a closed door. Then idle connections are closed and running requests may end, for as long as
/// `LARDER_SHUTDOWN_SECONDS` says; the rest is cut off. Answers whether all of them did end.
///
/// As long as some run, new connections are still taken, for one request each.
pub async fn serve(listener: TcpListener, router: Router, times: &Times, stop: impl Future<Output = ()>) -> bool {
    let (running, mut connections) = (GracefulShutdown::new(), Connections::new(times));
    let stopping = connections.stopping.clone();
    let drained = async {
        stop.await;
        stopping.store(true, Relaxed);
        sleep(Duration::from_secs(times.drain_seconds)).await;
    };
    connections.accept_until(&listener, &router, &running, drained).await;
    let ended = async {
        let late = GracefulShutdown::new();
        connections.accept_until(&listener, &router, &late, running.shutdown()).await;
        late.shutdown().await;
    };
    timeout(Duration::from_secs(times.shutdown_seconds), ended).await.is_ok()
}

async fn accept(listener: &TcpListener) -> (TcpStream, Peer) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => match stream.set_nodelay(true) {
                Ok(()) => return (stream, Peer::new(peer.ip())),
                Err(error) => tracing::debug!(%error, "a connection ended before it began"),
            },
            Err(error) => {
                tracing::warn!(%error, "a connection was not accepted");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Dropping it cuts off those that still run.
struct Connections {
    builder: Builder<TokioExecutor>,
    idle: Duration,
    tasks: JoinSet<()>,
    stopping: Arc<AtomicBool>,
}

impl Connections {
    fn new(times: &Times) -> Self {
        let idle = times.idle();
        let mut builder = Builder::new(TokioExecutor::new());
        builder.http1().timer(TokioTimer::new()).header_read_timeout(idle);
        builder.http2().timer(TokioTimer::new()).keep_alive_interval(idle);
        Self { builder, idle, tasks: JoinSet::new(), stopping: Arc::default() }
    }

    async fn accept_until(
        &mut self,
        listener: &TcpListener,
        router: &Router,
        watch: &GracefulShutdown,
        end: impl Future<Output = ()>,
    ) {
        pin!(end);
        loop {
            tokio::select! {
                // First, so that whoever has seen that we are not ready meets the drain.
                biased;
                () = &mut end => break,
                accepted = accept(listener) => self.spawn(accepted, router.clone(), watch),
            }
        }
    }

    fn spawn(&mut self, (stream, peer): (TcpStream, Peer), router: Router, watch: &GracefulShutdown) {
        // Those that have ended need no place any more.
        while self.tasks.try_join_next().is_some() {}
        let begun = Arc::new(AtomicBool::new(false));
        let (begins, stopping) = (begun.clone(), self.stopping.clone());
        let service = router
            .map_request(move |mut request: Request<_>| {
                begins.store(true, Relaxed);
                request.extensions_mut().insert(peer.clone());
                request
            })
            .map_response(move |mut response: Response| {
                if stopping.load(Relaxed) {
                    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                }
                response
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
