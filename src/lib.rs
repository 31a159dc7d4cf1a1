//! Larder: put any file or record in; it goes to the store made for its structure; you get a URL that works at once.

pub mod error;

#[cfg(feature = "embedded")]
pub mod embedded;
