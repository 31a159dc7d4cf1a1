//! Who calls: principals, their tokens, and the keys that sign what we hand out.
//!
//! **Invariant.** A token is nowhere in clear: the database holds its SHA-256, the log nothing.

pub mod http;
mod keys;
mod store;

pub use keys::SecretKeys;
pub use store::{Auth, NewToken, random_text};

use std::{net::IpAddr, sync::Arc};
use uuid::Uuid;

/// The principal that a request speaks for.
#[derive(Debug, Clone)]
pub struct Caller {
    pub principal: Uuid,
    pub name: String,
    pub admin: bool,
    pub origin: Origin,
}

/// Where a request came from, for the audit.
#[derive(Debug, Clone, Default)]
pub struct Origin {
    pub request_id: Arc<str>,
    pub address: Option<IpAddr>,
    pub agent: Option<Arc<str>>,
    pub token: Option<Uuid>,
    /// The link that the caller stands for: what is changed through it is its maker's.
    pub share: Option<Uuid>,
}
