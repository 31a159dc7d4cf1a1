//! The smart upload: from what is known of a file to the store made for its structure. It does exactly what the typed route does.
//!
//! **Invariant.** Nothing falls back silently: the answer says why a file went where it went, and one that cannot be read as what it is called is refused.

mod evidence;
pub mod http;

pub use evidence::{As, Evidence, Route};
