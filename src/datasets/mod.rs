//! The catalogue over HTTP: all datasets that the caller may read, whatever store they are in.

pub mod http;
