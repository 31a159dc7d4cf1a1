//! The embedded S3: the protocol by `s3s`, the storage our own.
//!
//! Bytes are files under random names, an index in SQLite says what they are. An upload goes: draft file → every checksum verified → fsync → rename → fsync of the
//! folder → rows in one transaction → answer. So an object is visible as a whole and durable, or not at all; conditional writes are atomic; a listing is a range
//! scan; a key is any UTF-8 of up to 1024 bytes.
//!
//! **What is not here**: versions, tags, ACLs, object locks, lifecycle rules, encryption, GET by part number. They answer `NotImplemented`, never a silent success.
//!
//! Reading order: `store`, `files`, `index`, `receive`, `send`, then `ops`, one file for each kind of operation.

mod digest;
mod fault;
mod files;
mod http;
mod index;
mod ops;
mod receive;
mod send;
mod store;

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::Request;
use axum::response::Response;
use axum::serve::ListenerExt as _;
use s3s::auth::SimpleAuth;
use s3s::config::{S3Config, StaticConfigProvider};
use s3s::service::{S3Service, S3ServiceBuilder};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, spawn_blocking};
use tower::Service;

use self::store::Store;
use super::EngineKeys;
use crate::error::{Error, Result};

/// How long requests under way may take to end when the engine stops.
const GRACE: Duration = Duration::from_secs(5);

/// A running engine. Dropping it without [`stop`](Self::stop) leaves nothing broken, only the sweep of the next start to do.
pub struct S3Engine {
    addr: SocketAddr,
    service: S3Service,
    store: Arc<Store>,
    shutdown: oneshot::Sender<()>,
    server: JoinHandle<()>,
}

impl S3Engine {
    /// Opens (or makes) the storage under `dir`, which belongs to this engine alone, and serves it on 127.0.0.1 with an ephemeral port.
    pub async fn start(dir: &Path, keys: &EngineKeys) -> Result<Self> {
        let dir = dir.to_owned();
        let store = spawn_blocking(move || Store::open(&dir)).await.map_err(Error::internal)??;
        let store = Arc::new(store);
        let mut builder = S3ServiceBuilder::new(ops::Operations(store.clone()));
        builder.set_auth(SimpleAuth::from_single(keys.access_key_id.clone(), keys.secret_access_key.clone()));
        builder.set_config(Arc::new(StaticConfigProvider::new(Arc::new(limits()))));
        let service = builder.build();

        let startup = |error| Error::Startup(format!("The embedded S3 cannot listen on 127.0.0.1: {error}"));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(startup)?;
        let addr = listener.local_addr().map_err(startup)?;
        let listener = listener.tap_io(|connection| {
            if let Err(error) = connection.set_nodelay(true) {
                tracing::debug!(%error, "TCP_NODELAY");
            }
        });
        let router = axum::Router::new().fallback_service(http::serve(service.clone()));
        let (shutdown, stopped) = oneshot::channel::<()>();
        let server = tokio::spawn(async move {
            let stopped = async { drop(stopped.await) };
            if let Err(error) = axum::serve(listener, router).with_graceful_shutdown(stopped).await {
                tracing::error!(%error, "the embedded S3 stopped serving");
            }
        });
        Ok(Self { addr, service, store, shutdown, server })
    }

    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The same S3, as a service for mounting under `/{bucket}/…` of the service's own router with `route_service`. Signatures, those of presigned URLs too, are
    /// verified against the path and the `Host` that the client used, so neither may be rewritten on the way.
    pub fn service(
        &self,
    ) -> impl Service<Request, Response = Response, Error = Infallible, Future: Send> + Clone + Send + Sync + 'static
    {
        http::serve(self.service.clone())
    }

    /// Lets requests under way end for a moment, then closes the storage. Requests that come through [`service`](Self::service) afterwards fail.
    pub async fn stop(self) {
        drop(self.shutdown);
        let abort = self.server.abort_handle();
        if tokio::time::timeout(GRACE, self.server).await.is_err() {
            tracing::warn!("requests to the embedded S3 did not end in time and are cut off");
            abort.abort();
        }
        let store = self.store;
        if let Err(error) = spawn_blocking(move || store.close()).await {
            tracing::error!(%error, "closing the embedded S3's storage");
        }
    }
}

/// What `s3s` may hold in memory. It gathers the file of a browser's form before it looks at the signature, so such forms are refused whatever they hold.
fn limits() -> S3Config {
    let mut limits = S3Config::default();
    limits.post_object_max_file_size = 0;
    limits.form_max_field_size = 16 << 10;
    limits.form_max_fields_size = 64 << 10;
    limits.form_max_parts = 32;
    limits.xml_max_body_size = 8 << 20;
    limits
}
