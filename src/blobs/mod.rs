//! Blobs: bytes of any kind and size under a path, kept in S3 and served by range or through presigned URLs.
//!
//! **Invariant.** A blob is visible only after all its bytes are in S3 and its checksums, those that the client sent included, have held.

pub mod http;
mod store;

pub use store::{Blobs, NewBlob, upload_note};
