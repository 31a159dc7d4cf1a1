//! DynamoDB over one SQLite file: the emulator `dynoxide` behind an HTTP front of our own.
//!
//! The front exists because dynoxide's own server checks no signature and exposes no router to put a check before, while every user of the machine can
//! reach a loopback port. **Every request must carry a valid Signature Version 4 of this installation's keys**; see [`signature`].
//!
//! **An acknowledged write is on the disk.** dynoxide keeps SQLite in WAL mode at SQLite's own `synchronous = FULL`, so each commit syncs the log: it
//! survives `kill -9` and a power cut. Its bulk-loading switch, which turns that off for good, is never called.

mod operations;
mod signature;

use std::{
    convert::Infallible,
    fs::DirBuilder,
    net::{Ipv4Addr, SocketAddr},
    os::unix::fs::DirBuilderExt,
    path::Path,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use dynoxide::Database;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{Method, Request, Response, StatusCode, body::Incoming, header, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::{conn::auto::Builder, graceful::GracefulShutdown},
};
use tokio::{net::TcpListener, sync::oneshot};

use super::{EngineKeys, cannot};
use crate::error::{Error, Result};

/// As large as DynamoDB accepts.
const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Expired items stay readable until a sweep, as on AWS, where that takes days: readers filter.
const SWEEP_EVERY: Duration = Duration::from_secs(60);
/// How long a stop waits for requests that are running.
const DRAIN: Duration = Duration::from_secs(5);

/// A running DynamoDB. Dropping it stops it too, without waiting.
#[derive(Debug)]
pub struct DynamoEngine {
    addr: SocketAddr,
    stop: oneshot::Sender<()>,
    stopped: oneshot::Receiver<()>,
}

impl DynamoEngine {
    /// Serves the tables kept in `dir` on a free loopback port, on a thread and runtime of its own: SQLite blocks the thread that calls it.
    pub async fn start(dir: &Path, keys: &EngineKeys) -> Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(|error| cannot("make", dir, &error))?;
        let path = dir.join("dynamodb.sqlite");
        let keys = keys.clone();
        let (started_tx, started) = oneshot::channel();
        let (stop, stop_rx) = oneshot::channel();
        let (stopped_tx, stopped) = oneshot::channel();
        std::thread::Builder::new()
            .name("larder-dynamodb".to_owned())
            .spawn(move || {
                run(&path, keys, started_tx, stop_rx);
                let _ = stopped_tx.send(());
            })
            .map_err(Error::internal)?;
        let addr = started.await.map_err(Error::internal)??;
        Ok(Self { addr, stop, stopped })
    }

    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Lets the running requests finish and closes the file.
    pub async fn stop(self) {
        let _ = self.stop.send(());
        let _ = self.stopped.await;
    }
}

/// The life of the engine's thread.
fn run(path: &Path, keys: EngineKeys, started: oneshot::Sender<Result<SocketAddr>>, stop: oneshot::Receiver<()>) {
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("larder-dynamodb")
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            let _ = started.send(Err(Error::internal(error)));
            return;
        }
    };
    runtime.block_on(async {
        match open(path).await {
            Ok((db, listener, addr)) => {
                let _ = started.send(Ok(addr));
                serve(db, listener, Arc::new(keys), stop).await;
            }
            Err(error) => {
                let _ = started.send(Err(error));
            }
        }
    });
    runtime.shutdown_timeout(DRAIN);
}

async fn open(path: &Path) -> Result<(Database, TcpListener, SocketAddr)> {
    let refused = |why: &dyn std::fmt::Display| Error::startup(format!("Cannot open {}: {why}.", path.display()));
    let db = path
        .to_str()
        .ok_or_else(|| refused(&"its path is not UTF-8"))
        .and_then(|path| Database::new(path).map_err(|error| refused(&error)))?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(|error| refused(&error))?;
    let addr = listener.local_addr().map_err(|error| refused(&error))?;
    Ok((db, listener, addr))
}

/// Until `stop` is sent or dropped.
async fn serve(db: Database, listener: TcpListener, keys: Arc<EngineKeys>, mut stop: oneshot::Receiver<()>) {
    let sweeps = tokio::spawn(sweep(db.clone()));
    let connections = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = &mut stop => break,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of file descriptors, most likely: accepting again at once would only spin.
                tracing::warn!(%error, "the embedded DynamoDB cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let _ = stream.set_nodelay(true);
        let (db, keys) = (db.clone(), Arc::clone(&keys));
        let service = service_fn(move |request| {
            let (db, keys) = (db.clone(), Arc::clone(&keys));
            async move { Ok::<_, Infallible>(answer(&db, &keys, request).await) }
        });
        let watcher = connections.watcher();
        tokio::spawn(async move {
            let server = Builder::new(TokioExecutor::new());
            let connection = server.serve_connection(TokioIo::new(stream), service);
            if let Err(error) = watcher.watch(connection).await {
                tracing::debug!(error, "a connection to the embedded DynamoDB broke");
            }
        });
    }
    sweeps.abort();
    let _ = tokio::time::timeout(DRAIN, connections.shutdown()).await;
}

async fn sweep(db: Database) {
    let mut ticks = tokio::time::interval(SWEEP_EVERY);
    loop {
        ticks.tick().await;
        let db = db.clone();
        match tokio::task::spawn_blocking(move || db.sweep_ttl()).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the embedded DynamoDB could not remove expired items"),
            Err(error) => tracing::warn!(%error, "the sweep of the embedded DynamoDB broke off"),
        }
    }
}

async fn answer(db: &Database, keys: &EngineKeys, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let (head, body) = request.into_parts();
    if head.method != Method::POST || head.uri.path() != "/" {
        return reply(404, "<UnknownOperationException/>\n".to_owned());
    }
    let body = match Limited::new(body, BODY_BYTES_MAX).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) => {
            tracing::debug!(error, "a request to the embedded DynamoDB broke off or was too long");
            return reply(413, fault("RequestEntityTooLarge", "The request could not be read whole."));
        }
    };
    if let Err(refusal) = signature::verify(keys, &head, &body) {
        return reply(400, refusal);
    }
    match operations::run(db, head.headers.get("x-amz-target"), &body) {
        Ok(json) => reply(200, json),
        Err(refusal) => reply(refusal.status, refusal.json),
    }
}

fn reply(status: u16, json: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(json)));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/x-amz-json-1.0"));
    response
}

/// An error as DynamoDB's own front writes it.
fn fault(kind: &str, message: &str) -> String {
    serde_json::json!({ "__type": format!("com.amazon.coral.service#{kind}"), "message": message }).to_string()
}
