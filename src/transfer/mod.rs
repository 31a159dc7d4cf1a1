//! Moving house: `larder export` writes all of an installation to a folder or a bucket, `larder import` makes it an installation again, in stores of any kind.
//!
//! **Invariant.** An export is one moment of the catalogue and of all rows, taken while the service runs; objects never change, and sweeps hold still. Documents are
//! each as they are when they are read.
//! **Invariant.** Its manifest is written last and names every file with its SHA-256: without one there is no export, and nothing that differs is taken in.
//! **Invariant.** An import becomes visible by one commit, in stores that nobody has served from. Ids, names, hashes of tokens and of what they open are kept; the keys
//! that links derive from are not in it, and must be carried by the operator: both sides compare fingerprints.

mod export;
mod import;
mod place;

pub use export::export;
pub use import::import;
pub use place::Place;

use crate::{
    error::{Error, Result},
    objects::ObjectBytes,
    tables::RowTable,
};
use bytes::{Bytes, BytesMut};
use futures::{Stream, TryStreamExt};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

const MANIFEST: &str = "manifest.json";
const OBJECTS: &str = "objects.ndjson";
const FORM: u32 = 1;
/// Objects that are copied at once.
const COPIES_AT_ONCE: usize = 8;

/// What an export consists of.
#[derive(Debug, Serialize, Deserialize)]
struct Manifest {
    form: u32,
    version: String,
    /// Those of the database: the text of its tables fits no other.
    migrations: Vec<i64>,
    /// Fingerprints of the keys that sign links.
    keys: Vec<String>,
    catalogue: Vec<CatalogueFile>,
    rows: Vec<RowFile>,
    collections: Vec<CollectionFile>,
    /// One line for each object: its id, size and digests.
    objects: Written,
}

#[derive(Debug, Serialize, Deserialize)]
struct CatalogueFile {
    table: String,
    columns: Vec<String>,
    file: Written,
}

#[derive(Debug, Serialize, Deserialize)]
struct RowFile {
    table: RowTable,
    file: Written,
}

#[derive(Debug, Serialize, Deserialize)]
struct CollectionFile {
    id: Uuid,
    shards: i32,
    items: u64,
    file: Written,
}

/// A file of the export as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Written {
    name: String,
    size_bytes: u64,
    /// Hexadecimal.
    sha256: String,
}

/// What was carried, for the operator.
#[derive(Debug, Default)]
pub struct Carried {
    pub tables: usize,
    pub objects: u64,
    pub documents: u64,
    pub bytes: u64,
}

impl std::fmt::Display for Carried {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { tables, objects, documents, bytes } = self;
        write!(f, "{tables} tables of rows, {objects} objects, {documents} documents; {bytes} bytes")
    }
}

impl Written {
    /// The file's bytes; the stream ends with an error if they are not those that were written.
    async fn open(&self, place: &Place) -> Result<ObjectBytes> {
        let bytes = place.read(&self.name).await?.ok_or_else(|| spoilt(&self.name, "is not there"))?;
        let state = (bytes, Sha256::new(), 0_u64, self.clone());
        Ok(Box::pin(futures::stream::try_unfold(state, |(mut bytes, mut sha256, mut size, file)| async move {
            match bytes.try_next().await? {
                Some(chunk) => {
                    sha256.update(&chunk);
                    size += chunk.len() as u64;
                    Ok(Some((chunk, (bytes, sha256, size, file))))
                }
                None if size == file.size_bytes && hex::encode(sha256.clone().finalize()) == file.sha256 => Ok(None),
                None => Err(spoilt(&file.name, "is not what was written")),
            }
        })))
    }
}

fn spoilt(name: &str, why: &str) -> Error {
    Error::startup(format!("The export is spoilt: its file {name} {why}."))
}

/// The lines of a stream of bytes, without their ends.
fn lines(bytes: ObjectBytes) -> impl Stream<Item = Result<Bytes>> {
    futures::stream::try_unfold((bytes, BytesMut::new()), |(mut bytes, mut rest)| async move {
        loop {
            if let Some(end) = memchr::memchr(b'\n', &rest) {
                let line = rest.split_to(end + 1).freeze().slice(..end);
                return Ok(Some((line, (bytes, rest))));
            }
            match bytes.try_next().await? {
                Some(chunk) => rest.extend_from_slice(&chunk),
                None if rest.is_empty() => return Ok(None),
                None => return Ok(Some((rest.split().freeze(), (bytes, rest)))),
            }
        }
    })
}

fn json_line(value: &impl Serialize) -> Result<Bytes> {
    let mut line = serde_json::to_vec(value).map_err(Error::internal)?;
    line.push(b'\n');
    Ok(line.into())
}
