//! The rows of the catalogue as the rest of the service sees them.

use super::Column;
use crate::{
    auth::{Action, Caller},
    config::Visibility,
    error::{Error, Result},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::{FromRow, Row, postgres::PgRow, types::Json};
use time::OffsetDateTime;
use uuid::Uuid;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "lowercase")]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Blob,
    Table,
    Collection,
}

impl Kind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Blob => "blob",
            Self::Table => "table",
            Self::Collection => "collection",
        }
    }

    pub fn not_found(self) -> Error {
        Error::NotFound { what: self.as_str() }
    }
}

/// A blob, a table or a collection. Its id is never reused; its name can be.
#[derive(Debug, Clone)]
pub struct Dataset {
    pub id: Uuid,
    pub kind: Kind,
    pub name: String,
    pub title: String,
    pub original_name: Option<String>,
    pub owner: Uuid,
    pub owner_name: String,
    pub visibility: Visibility,
    /// Of a collection; 0 for the others.
    pub shards: u32,
    pub created_at: OffsetDateTime,
    pub updated_at: OffsetDateTime,
    /// Another one after each change of the dataset or of the version below: the transactions that have written their rows, of 32 bits each.
    pub state: i64,
    /// The version that readers see; a collection has none.
    pub version: Option<Version>,
}

/// One state of a blob or table. Its object and, but for counted changes of rows, its physical table never change.
#[derive(Debug, Clone)]
pub struct Version {
    pub id: Uuid,
    pub number: i64,
    pub revision: i64,
    pub object_id: Uuid,
    pub size_bytes: u64,
    pub sha256: Option<Vec<u8>>,
    pub crc64nvme: Vec<u8>,
    pub content_type: String,
    pub content_encoding: Option<String>,
    pub table_id: Option<Uuid>,
    pub columns: Vec<Column>,
    pub row_count: u64,
    pub ingest: Value,
    pub options: Value,
    /// Kept whatever comes after it, and never changed.
    pub pinned: bool,
    pub created_at: OffsetDateTime,
}

impl Dataset {
    /// Whether the caller may know that this exists, and read it.
    pub fn visible_to(&self, caller: &Caller) -> bool {
        self.permits(caller, Action::Read)
    }

    /// # Errors
    /// `Hidden` of what the caller may not even read, `ScopeNeeded` where its token does not reach so far, `Forbidden` of what only the owner may.
    pub fn require(&self, caller: &Caller, action: Action) -> Result<()> {
        if self.permits(caller, action) {
            return Ok(());
        }
        if !self.visible_to(caller) {
            return Err(Error::Hidden { what: self.kind.as_str(), dataset: self.id });
        }
        let scope = if action == Action::Admin { Action::Write } else { action };
        caller.require(scope, self.kind, &self.name)?;
        Err(Error::Forbidden { action: "say who sees what is another principal's" })
    }

    fn permits(&self, caller: &Caller, action: Action) -> bool {
        caller.may(action, (self.kind, &self.name), self.owner, self.visibility)
    }

    /// The current version; every blob and table has one.
    pub fn current(&self) -> Result<&Version> {
        self.version.as_ref().ok_or_else(|| Error::internal(format!("dataset {} has no current version", self.id)))
    }
}

impl Version {
    /// `version.revision`, which `If-Match` compares. The version is named by the random end of its id: its number would come again when a name is deleted and
    /// made anew.
    pub fn etag(&self) -> String {
        let (_, _, _, end) = self.id.as_fields();
        format!("\"{}.{}\"", hex::encode(&end[2..]), self.revision)
    }
}

/// The columns that [`Dataset`] and [`Version`] are read from; `d`, `p`, `v` and `o` are datasets, principals, versions and objects.
pub(crate) const DATASET_COLUMNS: &str = "d.id, d.kind, d.name, d.title, d.original_name, d.owner, p.name as owner_name, d.visibility, d.shards, \
     d.created_at, d.updated_at, v.id as version_id, v.number, v.revision, v.object_id, o.size_bytes, o.sha256, o.crc64nvme, v.content_type, \
     v.content_encoding, v.table_id, v.columns, v.row_count, v.ingest, v.options, v.pinned, v.created_at as version_created_at, \
     (d.xmin::text::bigint << 32) | coalesce(v.xmin::text::bigint, 0) as state";

/// The `state` of the dataset whose id is the parameter, as one value of a statement; NULL once it is deleted.
pub(crate) fn state_now(parameter: &str) -> String {
    format!(
        "(select (d.xmin::text::bigint << 32) | v.xmin::text::bigint from larder.datasets d join larder.versions v on v.id = d.current \
         where d.id = {parameter} and d.deleted_at is null)"
    )
}

impl FromRow<'_, PgRow> for Dataset {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        Ok(Self {
            id: row.try_get("id")?,
            kind: row.try_get("kind")?,
            name: row.try_get("name")?,
            title: row.try_get("title")?,
            original_name: row.try_get("original_name")?,
            owner: row.try_get("owner")?,
            owner_name: row.try_get("owner_name")?,
            visibility: row.try_get("visibility")?,
            shards: row.try_get::<Option<i32>, _>("shards")?.unwrap_or_default().unsigned_abs(),
            created_at: row.try_get("created_at")?,
            updated_at: row.try_get("updated_at")?,
            state: row.try_get("state")?,
            version: match row.try_get::<Option<Uuid>, _>("version_id")? {
                Some(id) => Some(version_from_row(id, row)?),
                None => None,
            },
        })
    }
}

fn version_from_row(id: Uuid, row: &PgRow) -> sqlx::Result<Version> {
    Ok(Version {
        id,
        number: row.try_get("number")?,
        revision: row.try_get("revision")?,
        object_id: row.try_get("object_id")?,
        size_bytes: row.try_get::<i64, _>("size_bytes")?.unsigned_abs(),
        sha256: row.try_get("sha256")?,
        crc64nvme: row.try_get("crc64nvme")?,
        content_type: row.try_get("content_type")?,
        content_encoding: row.try_get("content_encoding")?,
        table_id: row.try_get("table_id")?,
        columns: row.try_get::<Option<Json<Vec<Column>>>, _>("columns")?.map(|json| json.0).unwrap_or_default(),
        row_count: row.try_get::<Option<i64>, _>("row_count")?.unwrap_or_default().unsigned_abs(),
        ingest: row.try_get::<Option<Value>, _>("ingest")?.unwrap_or_default(),
        options: row.try_get("options")?,
        pinned: row.try_get("pinned")?,
        created_at: row.try_get("version_created_at")?,
    })
}

/// Of datasets `d` those that a caller may read. Parameters from `first` on: the principal, and the patterns of its scopes for `Read` and `Admin`.
pub(super) fn readable(first: usize) -> String {
    let (read, admin) = (in_scope(first + 1), in_scope(first + 2));
    format!("{read} and (d.visibility <> 'private' or d.owner = ${first} or {admin})")
}

/// Of datasets `d` those that match one of the patterns in a parameter, which is null for all.
fn in_scope(parameter: usize) -> String {
    let store = "case d.kind when 'collection' then 'documents' else d.kind || 's' end";
    let resource = format!("({store} || '/' || d.name) collate \"C\"");
    format!("(${parameter}::text[] is null or {resource} ~ any(${parameter}))")
}
