//! A table made or replaced by a file.

use super::{
    load::{Loaded, Manner, StoredFile},
    read::{Column, Hint, Options, Outcome as FileRead, Told},
    store::Tables,
};
use crate::{
    audit::Note,
    auth::Caller,
    catalogue::{
        Basis, Dataset, Kind, NewTable, NewVersion, Outcome, Pending, Precondition, Progress, Replace, Version,
        table_name,
    },
    error::{Error, Result},
    objects::Incoming,
};
use serde::Serialize;
use serde_json::{Value, json};
use std::{collections::BTreeMap, sync::Arc};
use uuid::Uuid;

/// How often a file is read by what was told of it meanwhile, before we give up.
const READINGS_MAX: u32 = 5;

/// A table as it is uploaded.
#[derive(Debug)]
pub struct NewTableFile {
    pub name: String,
    pub title: Option<String>,
    /// The file name of a smart upload.
    pub original_name: Option<String>,
    /// Of the raw upload; that of its format if not given.
    pub content_type: Option<String>,
    pub content_encoding: Option<String>,
    /// What the file's name or Content-Type say it is.
    pub hint: Hint,
    /// What this request tells of the file; an empty value takes back what an earlier one told.
    pub told: Told,
    /// Columns that make each row unique; none if empty. What was told before holds if it is not given.
    pub key: Option<Vec<String>>,
    pub schema: Schema,
    pub replace: Replace,
    pub condition: Precondition,
    /// The job that the publication ends, and where it counts its progress.
    pub job: Option<(Uuid, Arc<Progress>)>,
}

/// What a replace may do to the columns.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Schema {
    /// Whatever the file holds.
    #[default]
    Follow,
    /// No column is lost and none changes its type.
    Keep,
}

/// How a column differs from that of the version before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    pub column: String,
    /// `added`, `lost` or `type`.
    pub change: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<&'static str>,
}

/// What an upload would do.
#[derive(Debug, Serialize)]
pub struct Rehearsal {
    pub dry_run: bool,
    pub name: String,
    /// Whether a table of this name would be replaced.
    pub replaces: bool,
    pub rows: u64,
    pub columns: Vec<Column>,
    pub ingest: Value,
}

/// How a file is read, as things stand.
struct Prepared {
    /// The table that is to be replaced.
    existing: Option<Dataset>,
    /// All that was told of its files.
    told: Told,
    manner: Arc<Manner>,
}

impl Tables {
    /// Stores the raw bytes, infers the types from all values, loads the rows, and publishes both as the table's new version. If something else was told of the
    /// table's files meanwhile, such as names of columns, the raw bytes are read again by it.
    pub async fn put(&self, caller: &Caller, file: NewTableFile, mut incoming: Incoming) -> Result<Outcome> {
        let mut prepared = self.prepare(caller, &file).await?;
        let _turn = self.turn().await?;
        let ids @ (object_id, table_id) = (Uuid::now_v7(), Uuid::now_v7());
        let pending = Pending { object_id: Some(object_id), table_id: Some(table_id), document: None };
        let note = Note::new("upload", Kind::Table.as_str(), &*file.name);
        let lease = self.catalogue.lease_for(caller, &note, pending).await?;
        let mut loaded = self.receive(&lease, ids, &prepared.manner, &mut incoming).await?;
        for _ in 0..READINGS_MAX {
            let version = self.version_of(&file, &prepared, &loaded, table_id).await?;
            let published =
                self.catalogue.publish_on_basis(caller, &lease, &version, file.replace, &file.condition).await?;
            if let Some(outcome) = published {
                lease.committed();
                self.search_soon(outcome.dataset().id);
                return Ok(outcome);
            }
            prepared = self.prepare(caller, &file).await?;
            self.drop_physical(table_id).await?;
            loaded.file = self.receive_stored(&lease, ids, &prepared.manner).await?;
        }
        let detail = "How the table's files are read was changed again and again while this one came; send it again.";
        Err(Error::Conflict { detail: detail.to_owned() })
    }

    /// What is to be published, once its table has its indexes.
    async fn version_of(
        &self,
        file: &NewTableFile,
        prepared: &Prepared,
        loaded: &Loaded,
        table_id: Uuid,
    ) -> Result<NewVersion> {
        let read = &loaded.file;
        let changes = changes_of(prepared.existing.as_ref(), &read.columns);
        check_schema(file.schema, &file.told, &read.columns, &changes)?;
        let mut ingest = describe_file(read, &changes);
        let source = StoredFile { object_id: loaded.object.id, manner: Arc::clone(&prepared.manner) };
        let (key, table) = (file.key.clone(), (table_id, read.columns.as_slice()));
        let indexes = self.index_anew(&file.name, key, &BTreeMap::new(), &source, table, &mut ingest).await?;
        let mut options = json!(prepared.told);
        if let Some(key) = indexes.built.iter().find(|index| index.key) {
            options["key"] = json!(key.columns);
        }
        let content_type = file.content_type.clone();
        Ok(NewVersion {
            kind: Kind::Table,
            title: file.title.clone().unwrap_or_else(|| file.name.clone()),
            name: file.name.clone(),
            original_name: file.original_name.clone(),
            object: loaded.object.clone(),
            content_type: content_type.unwrap_or_else(|| read.format.content_type().to_owned()),
            content_encoding: file.content_encoding.clone(),
            table: Some(NewTable {
                id: table_id,
                ingest,
                columns: read.columns.clone(),
                row_count: read.rows,
                indexes,
                appends: Vec::new(),
                basis: Some(Basis::of(prepared.existing.as_ref(), file.schema == Schema::Keep)),
            }),
            job: file.job.as_ref().map(|(id, _)| *id),
            options,
        })
    }

    /// What [`put`](Self::put) would answer; nothing is written.
    pub async fn rehearse_put(&self, caller: &Caller, file: NewTableFile, incoming: Incoming) -> Result<Rehearsal> {
        let Prepared { existing, manner, .. } = self.prepare(caller, &file).await?;
        let _turn = self.turn().await?;
        let read = self.rehearse(&manner, incoming).await?;
        let changes = changes_of(existing.as_ref(), &read.columns);
        check_schema(file.schema, &file.told, &read.columns, &changes)?;
        Ok(Rehearsal {
            dry_run: true,
            name: file.name,
            replaces: existing.is_some(),
            rows: read.rows,
            ingest: describe_file(&read, &changes),
            columns: read.columns.into_iter().map(Column::described).collect(),
        })
    }

    /// Refuses early what would be refused at the end.
    async fn prepare(&self, caller: &Caller, file: &NewTableFile) -> Result<Prepared> {
        table_name(&file.name)?;
        super::decompress::check_encoding(file.content_encoding.as_deref())?;
        let original_name = file.original_name.as_deref();
        let existing = self
            .catalogue
            .check_upload(caller, Kind::Table, &file.name, original_name, file.replace, &file.condition)
            .await?;
        let before = existing.as_ref().and_then(|dataset| dataset.version.as_ref());
        let mut told = before.map(told_of).transpose()?.unwrap_or_default();
        told.extend(file.told.clone());
        told.retain(|_, value| !value.is_empty());
        let manner = Manner {
            content_encoding: file.content_encoding.clone(),
            hint: file.hint,
            options: Options::parse(&told)?,
            target: None,
            progress: file.job.as_ref().map(|(_, progress)| Arc::clone(progress)).unwrap_or_default(),
        };
        Ok(Prepared { existing, told, manner: Arc::new(manner) })
    }
}

/// What was told of the files of a version.
pub(super) fn told_of(version: &Version) -> Result<Told> {
    let mut options = version.options.clone();
    // The one that tells nothing of how a file is read.
    options.as_object_mut().and_then(|options| options.remove("key"));
    serde_json::from_value(options).map_err(Error::internal)
}

/// What was assumed of the file, for the descriptor.
pub(super) fn describe_file(read: &FileRead, changes: &[Change]) -> Value {
    let mut ingest = read.ingest.clone();
    ingest.insert("changes".to_owned(), json!(changes));
    Value::Object(ingest)
}

pub(super) fn changes_of(existing: Option<&Dataset>, columns: &[Column]) -> Vec<Change> {
    let Some(before) = existing.and_then(|dataset| dataset.version.as_ref()) else { return Vec::new() };
    let find = |columns: &[Column], name: &str| {
        columns.iter().find(|column| column.name == name).map(|column| column.column_type)
    };
    let gone = before.columns.iter().filter_map(|old| match find(columns, &old.name) {
        None => Some(Change { column: old.name.clone(), change: "lost", from: Some(old.column_type.name()), to: None }),
        Some(now) if now != old.column_type => {
            let (from, to) = (Some(old.column_type.name()), Some(now.name()));
            Some(Change { column: old.name.clone(), change: "type", from, to })
        }
        Some(_) => None,
    });
    let added = columns.iter().filter(|column| find(&before.columns, &column.name).is_none());
    let added = added.map(|column| Change {
        column: column.name.clone(),
        change: "added",
        from: None,
        to: Some(column.column_type.name()),
    });
    gone.chain(added).collect()
}

fn check_schema(schema: Schema, told: &Told, columns: &[Column], changes: &[Change]) -> Result<()> {
    // Of a type that an earlier request told, the lost column is listed among the changes.
    let mut told = told.clone();
    told.retain(|_, value| !value.is_empty());
    let options = Options::parse(&told)?;
    let types = options.types.named.into_iter().map(|(name, _)| ("types", name));
    for (parameter, name) in types.chain(options.renames.into_iter().map(|(_, to)| ("rename", to))) {
        if !columns.iter().any(|column| column.name == name) {
            let names: Vec<_> = columns.iter().map(|column| column.name.as_str()).collect();
            let detail = format!("there is no column for `{name}`; there are {}.", names.join(", "));
            return Err(Error::invalid(parameter, detail));
        }
    }
    let broken: Vec<_> = changes.iter().filter(|change| change.change != "added").cloned().collect();
    match schema {
        Schema::Keep if !broken.is_empty() => Err(Error::SchemaChanged { changes: json!(broken) }),
        _ => Ok(()),
    }
}
