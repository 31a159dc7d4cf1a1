//! From a request's body to [`Incoming`], and the answer to a client that is still sending.

use super::claims;
use crate::{
    config::Config,
    error::{Error, Limit, Result},
    objects::Incoming,
};
use axum::{
    body::{Body, BodyDataStream},
    extract::{
        Request,
        multipart::{Field, MultipartError},
    },
    middleware::Next,
    response::Response,
};
use bytes::Bytes;
use futures::{Stream, StreamExt, TryStreamExt};
use http::{
    HeaderMap,
    header::{CONTENT_LENGTH, CONTENT_RANGE, EXPECT},
};
use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};
use tokio::{sync::mpsc, time::timeout};

/// After a refusal, how long we read on so that the client gets to see the answer, not a reset connection.
const SETTLE_TIME: Duration = Duration::from_secs(3);

/// The body as an upload: refused at once when its length says that it is too long.
pub fn incoming(config: &Config, headers: &HeaderMap, body: Body) -> Result<Incoming> {
    if headers.contains_key(CONTENT_RANGE) {
        return Err(Error::invalid("Content-Range", "a part of a file cannot be put; send all of it."));
    }
    let max = config.limits.upload_bytes_max;
    let length = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|length| length > max) {
        return Err(Limit::UploadBytes.passed(max, None));
    }
    let stream = body.into_data_stream().map_err(|error| Error::Interrupted { detail: innermost(&error) });
    Ok(Incoming::new(stream, claims(headers)?, max, config.times.idle()))
}

/// One file of a form. The field borrows the form, so whoever holds the form pumps its bytes through a channel of one.
pub fn incoming_field(config: &Config) -> (Incoming, mpsc::Sender<Result<Bytes>>) {
    let (sender, receiver) = mpsc::channel(1);
    let stream =
        futures::stream::unfold(receiver, |mut receiver| async move { Some((receiver.recv().await?, receiver)) });
    (Incoming::new(stream, Vec::new(), config.limits.upload_bytes_max, config.times.idle()), sender)
}

/// Passes the bytes of a field on, and answers whether the form broke off in it. After a refusal the rest of the field is skipped, so that the next file can
/// be read.
pub async fn pump(idle: Duration, mut field: Field<'_>, sender: mpsc::Sender<Result<Bytes>>) -> bool {
    while let Some(chunk) = in_time(idle, field.chunk()).await.transpose() {
        let broken = chunk.is_err();
        sender.send(chunk).await.unwrap_or_default();
        if broken {
            return true;
        }
    }
    false
}

/// A form that stalls is given up, as any upload is.
pub async fn in_time<T>(idle: Duration, reading: impl Future<Output = Result<T, MultipartError>>) -> Result<T> {
    let late = |_| Error::Interrupted { detail: format!("no byte came for {} s", idle.as_secs()) };
    timeout(idle, reading).await.map_err(late)?.map_err(|error| Error::Interrupted { detail: error.body_text() })
}

/// Around uploads: after a refusal it reads on for a moment, so that a client in the middle of sending sees the answer instead of a reset
/// connection. A client that waits for `100 Continue` is not made to send.
pub(super) async fn settle(request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let waits = parts.headers.contains_key(EXPECT);
    let shared = Arc::new(Mutex::new(Shared { body: body.into_data_stream(), polled: false }));
    let mut rest = SharedBody(shared.clone());
    let response = next.run(Request::from_parts(parts, Body::from_stream(SharedBody(shared)))).await;
    if response.status().as_u16() >= 400 && (rest.polled() || !waits) {
        let drained = async { while matches!(rest.next().await, Some(Ok(_))) {} };
        // Whether all of it came in time makes no difference to the answer.
        timeout(SETTLE_TIME, drained).await.unwrap_or_default();
    }
    response
}

struct Shared {
    body: BodyDataStream,
    polled: bool,
}

struct SharedBody(Arc<Mutex<Shared>>);

impl SharedBody {
    fn polled(&self) -> bool {
        self.0.lock().is_ok_and(|shared| shared.polled)
    }
}

impl Stream for SharedBody {
    type Item = Result<Bytes, axum::Error>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Ok(mut shared) = self.0.lock() else { return Poll::Ready(None) };
        shared.polled = true;
        shared.body.poll_next_unpin(context)
    }
}

fn innermost(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}
