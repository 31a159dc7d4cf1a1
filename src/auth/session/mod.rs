//! Browsers that have signed in: `POST /login` takes a token once and gives a cookie that stands for it.
//!
//! **Invariant.** The cookie is for no script and no other site, and its value is nowhere in clear. A session is over with its token, and has no rights but the token's.

pub mod http;
mod store;

pub use store::Session;
