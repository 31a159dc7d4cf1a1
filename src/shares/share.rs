//! What a share is, and what can be said of it.

use crate::{
    auth::Caller,
    catalogue::Dataset,
    config::Secret,
    error::{Error, Result},
};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use time::OffsetDateTime;
use uuid::Uuid;

/// What a share stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A blob, a table or a collection.
    Dataset(Uuid),
    /// All that the holder sees of a table.
    Query { dataset_id: Uuid, query: Query },
    /// Of a collection. An incarnation more than an id: one that is made anew under the same id is another.
    Document { dataset_id: Uuid, id: String, incarnation: String },
    /// The blobs whose keys begin so; it ends with a slash.
    Folder(String),
}

/// A fixed query of a table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query {
    /// Filter, columns and order, as in a URL.
    pub text: String,
    /// The extension in which alone it is given; any if not said.
    pub format: Option<String>,
}

/// What the holder of a link may do. To `view` is to see the page, its preview, and what is in a folder; to `download`, to have the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allow {
    pub view: bool,
    pub download: bool,
    /// Into a folder.
    pub upload: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Right {
    View,
    Download,
    Upload,
}

impl Allow {
    pub fn of(rights: &[Right]) -> Result<Self> {
        let has = |right| rights.contains(&right);
        match rights {
            [] => Err(Error::invalid("allow", "it must be some of `view`, `download` and `upload`.")),
            _ => Ok(Self { view: has(Right::View), download: has(Right::Download), upload: has(Right::Upload) }),
        }
    }

    pub fn rights(self) -> Vec<Right> {
        let all = [(self.view, Right::View), (self.download, Right::Download), (self.upload, Right::Upload)];
        all.into_iter().filter_map(|(may, right)| may.then_some(right)).collect()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expiry {
    /// From now, by the database's clock.
    In(Duration),
    At(OffsetDateTime),
    Never,
}

/// A share that is to be made.
#[derive(Debug, Clone)]
pub struct NewShare {
    pub target: Target,
    pub expiry: Expiry,
    pub terms: Terms,
    /// One version for ever; else always the newest.
    pub pin: Option<Pin>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pin {
    Current,
    Version(i64),
}

impl Pin {
    pub fn number(self) -> Option<i64> {
        match self {
            Self::Current => None,
            Self::Version(number) => Some(number),
        }
    }
}

/// What else a share says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    pub allow: Allow,
    pub label: Option<String>,
    /// A PHC string.
    pub password: Option<Secret>,
    pub downloads_max: Option<u32>,
    pub upload_bytes_max: Option<u64>,
    pub upload_files_max: Option<u32>,
}

impl Terms {
    /// A link that only expires.
    pub fn plain() -> Self {
        let allow = Allow { view: true, download: true, upload: false };
        Self { allow, label: None, password: None, downloads_max: None, upload_bytes_max: None, upload_files_max: None }
    }
}

/// What is said of something that can also be nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Said<T> {
    #[default]
    Not,
    Nothing,
    Value(T),
}

impl<T> Said<T> {
    pub fn is_said(&self) -> bool {
        !matches!(self, Self::Not)
    }

    pub fn value(&self) -> Option<&T> {
        match self {
            Self::Value(value) => Some(value),
            _ => None,
        }
    }
}

/// With `serde(default)`: what is `null` is said.
impl<'de, T: Deserialize<'de>> Deserialize<'de> for Said<T> {
    fn deserialize<D: serde::Deserializer<'de>>(value: D) -> Result<Self, D::Error> {
        Option::deserialize(value).map(|value| value.map_or(Self::Nothing, Self::Value))
    }
}

/// What of a share is to be another.
#[derive(Debug, Clone, Default)]
pub struct Changes {
    pub expiry: Option<Expiry>,
    pub allow: Option<Allow>,
    pub label: Said<String>,
    pub password: Said<Secret>,
    pub downloads_max: Said<u32>,
    pub upload_bytes_max: Option<u64>,
    pub upload_files_max: Option<u32>,
    /// The link becomes another one.
    pub rotate: bool,
}

#[derive(Debug, Clone)]
pub struct Share {
    pub id: Uuid,
    pub generation: i32,
    pub target: Target,
    pub terms: Terms,
    /// In whose name a folder is read and filled.
    pub maker: Caller,
    /// `None`: never.
    pub expires_at: Option<OffsetDateTime>,
    pub revoked_at: Option<OffsetDateTime>,
    pub created_at: OffsetDateTime,
    /// Whether it is for one version alone; its number, if that is still kept.
    pub pinned: bool,
    pub version: Option<i64>,
    /// Those whose bytes have all gone out.
    pub downloads: u32,
    pub uploaded_bytes: u64,
    pub uploaded_files: u32,
    /// The room that is kept for those under way.
    pub coming_bytes: u64,
    pub coming_files: u32,
    /// Expired by Postgres' clock, revoked, downloaded as often as it may be, of a version that is gone, of a maker who is disabled, or of a dataset that is not there for its maker.
    pub over: bool,
}

impl Share {
    pub fn dataset_id(&self) -> Option<Uuid> {
        match &self.target {
            Target::Dataset(id) => Some(*id),
            Target::Query { dataset_id, .. } | Target::Document { dataset_id, .. } => Some(*dataset_id),
            Target::Folder(_) => None,
        }
    }

    pub fn folder(&self) -> Option<&str> {
        match &self.target {
            Target::Folder(folder) => Some(folder),
            _ => None,
        }
    }
}

impl From<&Dataset> for Target {
    fn from(dataset: &Dataset) -> Self {
        Self::Dataset(dataset.id)
    }
}
