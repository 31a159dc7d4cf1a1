//! Documents: JSON objects in DynamoDB, one item each, read and written one by one at any scale.
//!
//! **Invariant.** A document commits by one conditional put: it names the write id that was read, so no write is lost and none is acknowledged that a reader cannot see.
//! **Invariant.** The ETag is incarnation and counter: a document made anew under an old id never answers to an old ETag.
//! **Invariant.** Size and digests are those of the bytes that a GET sends.
//! **Invariant.** A body is a native map as long as DynamoDB can hold it, so that other AWS tools read it; else it is an immutable object in the bucket, as received.
//! The object that loses a race, or is replaced, becomes garbage through its lease alone.
//!
//! A native body keeps every value exactly and forgets its spelling: keys come back sorted, without white space, and `1.0` as `1`. There is no row per document in Postgres;
//! only a document with an object needs it.

mod copy;
pub mod http;
mod item;
mod list;
mod number;
mod put;
mod remove;
mod store;
mod sweep;
mod table;
mod together;
pub mod value;

pub use copy::CarriedItem;
pub use list::Page;
pub use put::Put;
pub use store::{Document, Documents};
