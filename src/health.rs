//! `/health`: whether the process lives, and whether it can serve.

use crate::{
    app::App,
    error::{Error, Result},
    http::until_there,
};
use ::http::StatusCode;
use axum::{Json, extract::State};
use serde_json::{Value, json};
use std::{
    future::Future,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

const CHECK_TIME: Duration = Duration::from_secs(3);
const STATUS_OK: &[u8] = b"HTTP/1.0 200";

/// `GET /health/live`: the process answers. No store's outage fails it, since a restart would not mend that.
pub async fn live() -> Json<Value> {
    Json(json!({ "status": "ok" }))
}

/// `GET /health/ready`: 503 while a store does not answer or the service is shutting down, so that a load balancer sends no requests here.
pub async fn ready(State(app): State<App>) -> (StatusCode, Json<Value>) {
    // A database that restarts is soon back, and readings wait for it: no reason to send them elsewhere.
    let database = until_there(&app, || app.catalogue.check());
    let (database, objects, documents) = tokio::join!(
        check("database", database),
        check("objects", app.objects.check()),
        check("documents", app.documents.check())
    );
    let draining = app.draining();
    let ready = database && objects && documents && !draining;
    let word = |ok| if ok { "ok" } else { "failing" };
    let body = json!({
        "status": word(ready), "draining": draining,
        "database": word(database), "objects": word(objects), "documents": word(documents),
    });
    (if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, Json(body))
}

/// `larder health`: asks the service that listens here, which the image has no other program for.
pub async fn ask(listen: SocketAddr) -> Result<()> {
    let mut address = listen;
    if listen.ip().is_unspecified() {
        address.set_ip(if listen.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() });
    }
    let status = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(format!("GET /health/live HTTP/1.0\r\nHost: {address}\r\n\r\n").as_bytes()).await?;
        let mut status = [0; STATUS_OK.len()];
        stream.read_exact(&mut status).await?;
        Ok::<_, std::io::Error>(status)
    };
    match timeout(CHECK_TIME, status).await {
        Ok(Ok(status)) if status[..] == *STATUS_OK => Ok(()),
        Ok(Ok(_)) => Err(Error::startup(format!("What listens on {address} does not answer as Larder does."))),
        Ok(Err(error)) => Err(Error::startup(format!("Nothing answers on {address}: {error}."))),
        Err(_) => Err(Error::startup(format!("{address} does not answer within {} s.", CHECK_TIME.as_secs()))),
    }
}

async fn check(store: &'static str, answer: impl Future<Output = Result<()>>) -> bool {
    match timeout(CHECK_TIME, answer).await {
        Ok(Ok(())) => true,
        Ok(Err(error)) => {
            tracing::warn!(store, ?error, "a store is not available");
            false
        }
        Err(_) => {
            tracing::warn!(store, "a store did not answer within {} s", CHECK_TIME.as_secs());
            false
        }
    }
}
