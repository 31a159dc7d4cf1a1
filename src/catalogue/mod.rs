//! What there is: datasets, their versions, what is being written and what is to be swept. Every slice commits through here.
//!
//! **Invariant.** Acknowledged means durable and visible; not acknowledged means invisible. A [`Lease`] (a row of `larder.pending`) is committed before bytes move;
//! the transaction that publishes deletes it, and fails if it is gone.
//! **Invariant.** Only a row of `larder.garbage` that is due gets anything deleted, and only what the row names.
//! **Invariant.** Leases, garbage and deleted datasets expire by Postgres' clock alone.
//!
//! SQL stands in this folder and in the `store.rs` of tables, shares and auth, nowhere else.

mod append;
mod basis;
mod build;
mod change;
mod collection;
mod column;
mod copy;
mod dataset;
mod describe;
mod desk;
mod idempotency;
mod index;
mod job;
mod lease;
mod listing;
mod lock;
mod names;
mod pin;
mod precondition;
mod publish;
mod queues;
mod quota;
mod recent;
mod rendition;
mod store;
mod sweep;

pub use append::{KeptAppend, KeptFile, NewAppend};
pub use basis::Basis;
pub use build::{Build, BuildState};
pub use change::{Assigned, Change, ChangeKind, NewChange};
pub use column::{Column, ColumnType, DateOrder, DecimalMark, text_positions};
pub use copy::{CarriedObject, CatalogueTable, Hold, Imported, Snapshot, copy_out};
pub(crate) use dataset::{DATASET_COLUMNS, state_now};
pub use dataset::{Dataset, Kind, Version};
pub use describe::DatasetChanges;
pub use desk::Desk;
pub(crate) use desk::for_each;
pub use idempotency::KeptAnswer;
pub use index::{Index, IndexKind, NewIndexes};
pub use job::{Job, Progress, finish_job};
pub use lease::{Lease, Pending, PendingDocument};
pub use listing::{BlobEntry, DatasetFilter, list_behind};
pub use lock::{LOCK_TIMEOUT, Patience, is_busy, is_busy_code};
pub use names::{DOCUMENT_ID_BYTES_MAX, KEY_BYTES_MAX, blob_key, document_id, free_name, slug, table_name};
pub use precondition::Precondition;
pub use publish::{NewTable, NewVersion, Outcome, Replace};
pub use queues::Queues;
pub use recent::{COLUMN_BYTES, Found, Recent};
pub use rendition::{Rendition, RenditionKey};
pub use store::{Catalogue, Installation};
pub(crate) use store::{database, is_unique_violation};
pub use sweep::{ExpiredDocument, Garbage, GarbageClaim};
