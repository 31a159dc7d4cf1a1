//! Who did what, and who read what.
//!
//! **Invariant.** A change commits together with its row of `larder.audit`. Where a write goes to S3 or DynamoDB, a row that it begins is durable before, and one
//! with its outcome follows; a begun row with neither outcome is a write whose answer was lost.
//! **Invariant.** No row is changed, and none of the last 30 days can be deleted by the role that the service runs as.
//! **Invariant.** No secret is in a row: no token, password, key, link or value of a cell.
//!
//! Refusals of callers that we know are durable before their answer, but for what is hidden from them: the time that takes would tell it from what is not there. Those, refusals of nobody in particular, and
//! reads are counted in groups of about a second, written when the process ends in order; a crash loses the last group.

mod desk;
pub mod http;
mod store;

pub use desk::{Desk, First, Read, Refused};
pub use store::{Audit, Entry, Filter, Intent, Outcome, ReadEntry, Row, begin_with, close_begun, record, record_for};

use crate::catalogue::Dataset;
use serde_json::{Value, json};
use uuid::Uuid;

/// Postgres has no NUL in its texts; whoever names a thing, or is told of one, may.
fn without_nul(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

/// What is done to what.
#[derive(Debug, Clone)]
pub struct Note {
    /// A verb, such as `replace`.
    pub action: &'static str,
    /// Of the thing: `blob`, `table`, `collection`, `document`, `share`, `token`, `principal`, `session`, `job`.
    pub kind: &'static str,
    pub dataset: Option<Uuid>,
    /// By which people know the thing; no secret.
    pub name: String,
    pub detail: Value,
}

impl Note {
    pub fn new(action: &'static str, kind: &'static str, name: impl Into<String>) -> Self {
        Self { action, kind, dataset: None, name: name.into(), detail: json!({}) }
    }

    pub fn of(action: &'static str, dataset: &Dataset) -> Self {
        Self { dataset: Some(dataset.id), ..Self::new(action, dataset.kind.as_str(), dataset.name.clone()) }
    }

    #[must_use]
    pub fn with(self, detail: Value) -> Self {
        Self { detail, ..self }
    }
}
