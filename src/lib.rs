//! Larder: put any file or record in; it goes to the store made for its structure; you get a URL that works at once.

pub mod auth;
pub mod catalogue;
pub mod config;
pub mod documents;
pub mod error;
pub mod objects;
