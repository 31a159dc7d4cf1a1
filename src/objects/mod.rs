//! Bytes in the bucket: immutable objects at `objects/{id}`, written once under a lease, read whole or by range, or lent through presigned URLs.
//!
//! **Invariant.** An object is never overwritten, and no listing ever decides what is deleted: who refers to it stands in the catalogue, and only the sweep deletes.
//! **Invariant.** Memory per upload is a few parts, whatever the size of the object.

mod incoming;
mod presign;
mod store;
mod writer;

pub use incoming::{Algorithm, Claim, Incoming};
use presign::Presigner;
pub use presign::{Presentation, Presigned};
pub use store::{ObjectBytes, Objects};
pub use writer::{ObjectWriter, Stored};
