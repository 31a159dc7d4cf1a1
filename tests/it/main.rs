//! The integration tests: one binary.

mod documents_large;
mod documents_store;
mod documents_value;
