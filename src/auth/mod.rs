//! Who calls: principals, their tokens, and the keys that sign what we hand out.
//!
//! **Invariant.** A token is nowhere in clear: the database holds its SHA-256, the log nothing.

pub mod http;
mod keys;
mod store;

pub use keys::SecretKeys;
pub use store::{Auth, NewToken, random_text};

use uuid::Uuid;

/// The principal that a request speaks for.
#[derive(Debug, Clone)]
pub struct Caller {
    pub principal: Uuid,
    pub name: String,
    pub admin: bool,
}
