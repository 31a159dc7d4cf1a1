//! Tokens: made, listed, changed, rotated, revoked.
//!
//! **Invariant.** Whoever does not administer the service makes, sees, changes and ends only tokens of its own principal that permit nothing and live no longer than
//! the token it uses. A stolen token thus leads to no better one; and revoking one revokes those of its principal that it has made.

pub mod http;
mod store;

pub use store::Token;

use super::Scopes;
use std::time::Duration;

/// What a new token is to be.
#[derive(Debug)]
pub struct TokenRequest {
    pub name: String,
    /// The name of another principal than the caller.
    pub principal: Option<String>,
    /// Those of the caller's token if there are none; of a token for somebody else, all that it may do.
    pub scopes: Option<Scopes>,
    /// As long as the caller's token if there is none, for ever if an admin asks.
    pub life: Option<Duration>,
}

/// What is not named stays.
#[derive(Debug, Default)]
pub struct TokenChanges {
    pub name: Option<String>,
    pub scopes: Option<Scopes>,
    pub life: Option<Duration>,
}
