//! Who calls: principals, their tokens and what these may do, and the keys that sign what we hand out.
//!
//! **Invariant.** A token is nowhere in clear: the database holds its SHA-256, the log nothing.
//! **Invariant.** What a caller may do is judged in one place, [`Caller::may`], with which the catalogue finds datasets.

mod cache;
mod caller;
pub mod http;
mod keys;
pub mod principals;
mod scope;
pub mod session;
mod store;
pub mod tokens;

pub use caller::{Caller, Origin};
pub use keys::SecretKeys;
pub use scope::{Action, Scopes, resource};
pub use store::{Auth, NewToken, random_text};
pub use tokens::{Token, TokenChanges, TokenRequest};
