//! What goes out through a link: counted, and where a share counts its downloads, confirmed before the last of it goes.

use crate::{
    app::App,
    error::Result,
    shares::{Hit, Place},
};
use axum::{
    body::{Body, BodyDataStream},
    response::Response,
};
use bytes::Bytes;
use futures::{StreamExt, stream};
use http::header::CONTENT_LENGTH;
use std::mem;
use tokio::task::AbortHandle;

/// What is known of an answer while it goes out; when it is dropped, that is added to the log, where it does not stand yet.
struct Sent {
    app: App,
    hit: Hit,
    bytes: u64,
    /// `None`: until the stream ends.
    length: Option<u64>,
    ended: bool,
    held: Option<Held>,
}

/// A place, renewed as long as this lives.
struct Held {
    place: Place,
    renewal: AbortHandle,
    given: bool,
}

struct State {
    body: BodyDataStream,
    /// The last chunk that came, of an answer that has a place: it goes once the next has come, or the place is confirmed.
    kept: Option<Bytes>,
    sent: Sent,
    done: bool,
}

/// Counts the bytes of the answer for its hit.
pub fn counted(app: &App, hit: Hit, place: Option<Place>, response: Response) -> Response {
    let length = response.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    let held = place.map(|place| {
        let renewal = tokio::spawn(renew(app.clone(), place.clone())).abort_handle();
        Held { place, renewal, given: false }
    });
    let sent = Sent { app: app.clone(), hit, bytes: 0, length, ended: false, held };
    response.map(|body| {
        let state = State { body: body.into_data_stream(), kept: None, sent, done: false };
        Body::from_stream(stream::try_unfold(state, next))
    })
}

async fn next(mut state: State) -> Result<Option<(Bytes, State)>, axum::Error> {
    while !state.done {
        let Some(chunk) = state.body.next().await else {
            state.done = true;
            break;
        };
        let chunk = chunk?;
        // With the length reached, nobody would ask for what stands behind an empty one.
        if chunk.is_empty() {
            continue;
        }
        let chunk = if state.sent.held.is_some() { state.kept.replace(chunk) } else { Some(chunk) };
        if let Some(chunk) = chunk {
            state.sent.bytes += chunk.len() as u64;
            return Ok(Some((chunk, state)));
        }
    }
    if state.sent.held.is_some() {
        // In a box, so that the streams of all links need no room for it.
        Box::pin(state.sent.give()).await.map_err(axum::Error::new)?;
    }
    let Some(last) = state.kept.take() else {
        state.sent.ended = true;
        return Ok(None);
    };
    state.sent.bytes += last.len() as u64;
    Ok(Some((last, state)))
}

impl Sent {
    async fn give(&mut self) -> Result<()> {
        if let Some(held) = self.held.as_mut().filter(|held| !held.given) {
            self.app.shares.give(&held.place, self.app.config.times.lease()).await?;
            held.given = true;
        }
        Ok(())
    }
}

async fn renew(app: App, place: Place) {
    let lease = app.config.times.lease();
    loop {
        tokio::time::sleep(lease / 4).await;
        match app.shares.hold_place(&place, lease).await {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => {
                tracing::warn!(share.id = %place.share, ?error, "a download's place was not renewed; trying again");
            }
        }
    }
}

impl Drop for Sent {
    fn drop(&mut self) {
        let mut hit = mem::take(&mut self.hit);
        let noted = hit.bytes.replace(self.bytes);
        let whole = self.ended || self.length == Some(self.bytes);
        if !whole {
            hit.outcome = "broken";
        }
        if !whole || noted != hit.bytes {
            self.app.shares.note_later(hit);
        }
        let Some(held) = self.held.take() else { return };
        held.renewal.abort();
        if held.given {
            return;
        }
        let (app, bytes) = (self.app.clone(), i64::try_from(self.bytes).unwrap_or(i64::MAX));
        tokio::spawn(async move {
            // The place's length is that of the answer; where nobody knows it, it is 1, and nothing of it was given.
            let sent = bytes.min(held.place.range.end - held.place.range.start - 1);
            if let Err(error) = app.shares.leave_place(&held.place, sent, app.config.times.lease()).await {
                tracing::warn!(share.id = %held.place.share, ?error, "a download's place waits for its lease to end");
            }
        });
    }
}
