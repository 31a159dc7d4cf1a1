//! The document that a link led to a moment ago, before it is known whether the link still leads to it: then the hit is written down once, with what is given for it.
//!
//! **Invariant.** What is given from memory was read while no write of the document was under way, and in the snapshot that the hit is written in none has begun since: a holder sees every write that
//! was acknowledged before.

use crate::{
    app::App,
    documents::{self, Document},
    error::Result,
    http::is_fresh,
    shares::{Arrival, Entry, Hit, Known, Link, Share, Target},
};
use http::HeaderMap;
use std::sync::Arc;

/// A larger document is read each time.
const REMEMBERED_BYTES_MAX: u64 = 64 << 10;
/// What counts as much as a column does in [`Recent`](crate::catalogue::Recent).
const COLUMN_BYTES: usize = 200;

/// What somebody with a link has found.
pub struct Came {
    /// `None` if there is no such link.
    pub entry: Option<Entry>,
    /// With all that is known of it.
    pub hit: Hit,
    /// What the link leads to, or why that cannot be read: nobody waits for the same failure twice. `None` if that was not read yet.
    pub document: Option<Result<Arc<Document>>>,
}

/// A document as long as what is known of its link is the same.
#[derive(Debug, Clone)]
pub struct Remembered {
    share: Arc<Share>,
    document: Arc<Document>,
}

/// Comes with a link for its bytes.
pub async fn come_for_bytes(app: &App, path: Option<&str>, headers: &HeaderMap, arrival: Arrival) -> Result<Came> {
    let link = (arrival.hit.share, arrival.generation);
    match open_document(app, link) {
        Some(known) if path.is_none_or(|path| !path.contains('/')) => come_for(app, known, headers, arrival).await,
        _ => come(app, arrival).await,
    }
}

/// Comes with a link for whatever is behind it.
pub async fn come(app: &App, arrival: Arrival) -> Result<Came> {
    let hit = arrival.hit.clone();
    Ok(Came { entry: app.shares.enter(arrival).await?, hit, document: None })
}

/// What the link led to, if that was a document that whoever has the link may have as often as they like.
fn open_document(app: &App, link: Link) -> Option<Known> {
    let known = app.shares.recent(link)?;
    let terms = &known.share.terms;
    let is_open = terms.allow.download && terms.password.is_none() && terms.downloads_max.is_none();
    (is_open && matches!(known.share.target, Target::Document { .. })).then_some(known)
}

async fn come_for(app: &App, known: Known, headers: &HeaderMap, mut arrival: Arrival) -> Result<Came> {
    let link = (arrival.hit.share, arrival.generation);
    let remembered = app.remembered.get(&link).filter(|remembered| Arc::ptr_eq(&remembered.share, &known.share));
    let is_remembered = remembered.is_some();
    let read = match remembered {
        Some(remembered) => Some(Ok(remembered.document)),
        None => read(app, &known).await,
    };
    let before = arrival.hit.clone();
    if let Some(Ok(document)) = &read {
        let fresh = is_fresh(headers, &document.etag);
        let hit = &mut arrival.hit;
        hit.outcome = if fresh { "unchanged" } else { hit.outcome };
        hit.format = Some("json".into());
        hit.bytes = (!fresh).then_some(document.size_bytes);
        arrival.told = true;
    }
    let told = arrival.hit.clone();
    let entry = app.shares.enter(arrival).await?;
    // What the link led to may be something else by now, or written since.
    let same = entry.as_ref().is_some_and(|entry| Arc::ptr_eq(&entry.share, &known.share));
    let noted = entry.as_ref().and_then(|entry| entry.noted);
    Ok(match read {
        Some(Ok(document)) if same && noted == Some(told.outcome) => {
            if known.settled && !is_remembered && document.size_bytes <= REMEMBERED_BYTES_MAX {
                let remembered = Remembered { share: known.share, document: document.clone() };
                app.remembered.put(link, remembered, 1 + document.body.len() / COLUMN_BYTES);
            }
            Came { entry, hit: told, document: Some(Ok(document)) }
        }
        Some(Err(error)) if same => Came { entry, hit: before, document: Some(Err(error)) },
        _ => Came { entry, hit: before, document: None },
    })
}

/// `None` if it is not there, or another by now.
async fn read(app: &App, known: &Known) -> Option<Result<Arc<Document>>> {
    let Target::Document { id, incarnation, .. } = &known.share.target else { return None };
    let collection = known.dataset.as_ref()?;
    let found = documents::http::find_shared(app, collection, (id, Some(incarnation))).await;
    found.map(|found| found.map(Arc::new)).transpose()
}
