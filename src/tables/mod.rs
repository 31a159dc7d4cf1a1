//! Tables: structured files, kept typed in Postgres with the raw upload beside them in S3.
//!
//! **Invariant.** Types come from all the values; the raw upload is kept byte for byte; readers see the old version or the new one, whole.
//! **Invariant.** A physical table that readers see changes only under the lock of its dataset's row, in one transaction with its revision.
//! **Invariant.** User text is never SQL: `sql` builds statements from ids, positions and types of ours alone.
//!
//! `read` turns bytes into rows, `load` drives it while the upload is still arriving (`decompress` unpacks it), `store` speaks to Postgres, `export` turns rows back into bytes; `append`
//! adds the rows of another file, `change` changes and deletes rows that a filter finds and brings them back, `indexes` makes rows unique and quick to find,
//! `stats` tells what columns hold.

mod append;
mod bounded;
mod change;
mod copy;
mod decompress;
mod export;
mod fetch;
mod fork;
pub mod http;
mod indexes;
mod load;
mod patch;
mod put;
mod query;
pub mod read;
mod rows;
mod search;
mod spool;
mod sql;
mod stats;
mod store;

pub use append::{Answered, Appended, IdempotencyKey, NewRows};
pub use change::{ChangedRows, RowChange, RowEdit};
pub use copy::RowTable;
pub use decompress::is_compressed;
pub use export::{Export, ExportOptions, RowFormat, XLSX_ROWS_MAX};
pub use indexes::{BuiltIndex, State};
pub use patch::TableChanges;
pub use put::{NewTableFile, Rehearsal, Schema};
pub use query::{Parameters, RowQuery};
pub use read::{Hint, Options, TableFormat, Told};
pub use rows::{Count, Page};
pub use search::Searched;
pub use sql::{OnDuplicate, Witness};
pub use stats::Statistics;
pub use store::Tables;
