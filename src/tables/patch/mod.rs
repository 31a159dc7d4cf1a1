//! Changes of a table that come without a file: its title, the names of its columns, and how its raw upload is read.
//!
//! Names change in the catalogue alone. Types and dialect are read anew from the raw upload, and from those of the appends behind it, into a new version.

mod store;

use super::{
    append::replayed,
    load::{Manner, StoredFile},
    put::{changes_of, describe_file, told_of},
    read::{Column, ColumnType, Hint, Options, Told, write_pairs},
    store::Tables,
};
use crate::{
    audit::Note,
    auth::{Action, Caller},
    catalogue::{
        Dataset, DatasetChanges, KeptAppend, Kind, NewTable, NewVersion, Pending, Precondition, Progress, Replace,
        Version,
    },
    config::Visibility,
    error::{Error, Malformed, Result},
    objects::Stored,
};
use serde::Deserialize;
use serde_json::json;
use std::{collections::BTreeMap, sync::Arc};
use uuid::Uuid;

/// How often we begin again when the table changes meanwhile.
const TRIES_MAX: u32 = 5;

/// What is to be changed; what is not named stays.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableChanges {
    title: Option<String>,
    visibility: Option<Visibility>,
    /// By the name that each column has now.
    #[serde(default)]
    columns: BTreeMap<String, ColumnChange>,
    /// Parameters of reading; null takes back what was told.
    #[serde(default)]
    options: BTreeMap<String, Option<String>>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ColumnChange {
    name: Option<String>,
    #[serde(rename = "type")]
    column_type: Option<ColumnType>,
}

/// What the changes make of a version.
struct Plan {
    told: Told,
    /// Names that columns have now, and will have.
    renamed: BTreeMap<String, String>,
    columns: Vec<Column>,
    /// Whether the values are to be read anew.
    reread: bool,
}

impl Tables {
    /// Makes the changes, all or none; the table as it then is. A job is ended by the commit of a new version.
    ///
    /// # Errors
    /// `NotFound`, `PreconditionFailed`, `Invalid` for a column or parameter that is not there, `Malformed` for the first value that is not of its new type.
    pub async fn patch(
        &self,
        caller: &Caller,
        name: &str,
        changes: &TableChanges,
        condition: &Precondition,
        job: Option<(Uuid, Arc<Progress>)>,
    ) -> Result<Dataset> {
        for _ in 0..TRIES_MAX {
            let dataset = self.catalogue.find(caller, Action::Write, Kind::Table, name).await?;
            let version = dataset.current()?;
            condition.check(Some(&version.etag()))?;
            let plan = Plan::new(version, changes)?;
            let described = DatasetChanges { title: changes.title.clone(), visibility: changes.visibility };
            self.catalogue.check_changes(caller, &dataset, &described)?;
            let done = match plan.reread {
                true => self.reread(caller, &dataset, &plan, &described, job.as_ref()).await?,
                false => self.change_in_place(caller, &dataset, &plan, &described).await?,
            };
            if done {
                return self.catalogue.find(caller, Action::Write, Kind::Table, name).await;
            }
        }
        Err(Error::Conflict { detail: "The table was changed again and again meanwhile; try again.".to_owned() })
    }

    /// Whether `changes` need more than the catalogue.
    pub async fn patch_rereads(&self, caller: &Caller, name: &str, changes: &TableChanges) -> Result<bool> {
        let dataset = self.catalogue.find(caller, Action::Write, Kind::Table, name).await?;
        Ok(Plan::new(dataset.current()?, changes)?.reread)
    }

    /// Reads the raw upload, then those of the appends, into a new version; false if the table changed meanwhile.
    async fn reread(
        &self,
        caller: &Caller,
        dataset: &Dataset,
        plan: &Plan,
        described: &DatasetChanges,
        job: Option<&(Uuid, Arc<Progress>)>,
    ) -> Result<bool> {
        let version = dataset.current()?;
        if self.catalogue.is_changed(version.id).await? {
            let detail = "Rows of the table were changed or deleted since it was uploaded, and reading the upload anew would lose that. Undo these changes first (`GET …/changes` lists them), or upload the table anew.";
            return Err(Error::Conflict { detail: detail.to_owned() });
        }
        let _turn = self.turn().await?;
        let table_id = Uuid::now_v7();
        let pending = Pending { table_id: Some(table_id), ..Pending::default() };
        let lease = self.catalogue.lease_for(caller, &Note::of("reread", dataset), pending).await?;
        let manner = Arc::new(Manner {
            content_encoding: version.content_encoding.clone(),
            hint: Hint::of_content_type(&version.content_type),
            options: Options::parse(&plan.told)?,
            target: None,
            progress: job.map(|(_, progress)| Arc::clone(progress)).unwrap_or_default(),
        });
        let read = self.receive_stored(&lease, (version.object_id, table_id), &manner).await?;
        let mut ingest = describe_file(&read, &changes_of(Some(dataset), &read.columns));
        let source = StoredFile { object_id: version.object_id, manner: Arc::clone(&manner) };
        let renamed = &plan.renamed;
        let indexes =
            self.index_anew(&dataset.name, None, renamed, &source, (table_id, &read.columns), &mut ingest).await?;
        let (mut columns, mut row_count, mut appends) = (read.columns.clone(), read.rows, Vec::new());
        for append in self.catalogue.appends(version.id).await? {
            let manner = replayed(&append, &plan.told, renamed, &columns)?;
            let added = self
                .append_again((&lease, table_id), &append, &manner, &indexes.built, &mut columns)
                .await
                .map_err(|error| of_append(error, append.position))?;
            row_count += added.inserted;
            appends.push(KeptAppend { id: append.id, row_base: added.base, renamed: json!(renamed) });
        }
        let mut options = json!(plan.told);
        if let Some(key) = indexes.built.iter().find(|index| index.key) {
            options["key"] = json!(key.columns);
        }
        let new = NewVersion {
            kind: Kind::Table,
            name: dataset.name.clone(),
            title: dataset.title.clone(),
            original_name: None,
            object: stored(version)?,
            content_type: version.content_type.clone(),
            content_encoding: version.content_encoding.clone(),
            table: Some(NewTable { id: table_id, columns, row_count, ingest, indexes, appends, basis: None }),
            job: job.map(|(id, _)| *id),
            options,
        };
        let unchanged = Precondition::Matches(vec![version.etag()]);
        match self.catalogue.publish(caller, lease, &new, Replace::Any, &unchanged).await {
            Ok(_) => self.search_soon(dataset.id),
            Err(Error::PreconditionFailed { .. }) => return Ok(false),
            Err(error) => return Err(error),
        }
        if !described.is_empty() {
            self.catalogue.describe_found(caller, dataset, described, &Precondition::None).await?;
        }
        Ok(true)
    }
}

impl Plan {
    fn new(version: &Version, changes: &TableChanges) -> Result<Self> {
        let before = told_of(version)?;
        let mut told = before.clone();
        for (name, value) in &changes.options {
            told.insert(name.clone(), value.clone().unwrap_or_default());
        }
        told.retain(|_, value| !value.is_empty());
        let options = Options::parse(&told)?;
        let types_told: BTreeMap<String, ColumnType> = options.types.named.into_iter().collect();
        let renames_told: BTreeMap<String, String> = options.renames.into_iter().collect();
        let (mut types, mut renames, mut renamed) = (types_told.clone(), renames_told.clone(), BTreeMap::new());
        types.retain(|name, _| changes.columns.get(name).is_none_or(|change| change.name.is_none()));
        for (name, change) in &changes.columns {
            if !version.columns.iter().any(|column| column.name == *name) {
                return Err(Error::invalid("columns", format!("there is no column `{name}`.")));
            }
            let now = change.name.as_ref().unwrap_or(name);
            if now != name {
                // By the name that the file has.
                let in_file = renames_told.iter().find(|(_, to)| *to == name).map_or(name, |(from, _)| from);
                renames.insert(in_file.clone(), now.clone());
                renamed.insert(name.clone(), now.clone());
            }
            if let Some(column_type) = change.column_type.or_else(|| types_told.get(name).copied()) {
                types.insert(now.clone(), column_type);
            }
        }
        let names_told = changes.options.contains_key("rename");
        if names_told {
            rename_by(&Options::parse(&before)?.renames, &renames, &version.columns, &mut renamed);
        }
        renames.retain(|from, to| from != to);
        let others = options.types.others.map(|column_type| ("*", column_type.name()));
        let types = types.iter().map(|(name, column_type)| (name.as_str(), column_type.name())).chain(others);
        set(&mut told, "types", write_pairs(types));
        set(&mut told, "rename", write_pairs(renames.iter().map(|(from, to)| (from.as_str(), to.as_str()))));
        let columns = renamed_columns(&version.columns, &renamed)?;
        let same_but_names = without_names(&before, &BTreeMap::new())? == without_names(&told, &renamed)?;
        Ok(Self { told, renamed, columns, reread: !same_but_names || names_told })
    }
}

/// Adds the names that change because others were told for those of the file.
fn rename_by(
    before: &[(String, String)],
    after: &BTreeMap<String, String>,
    columns: &[Column],
    renamed: &mut BTreeMap<String, String>,
) {
    let was =
        |name: &String| before.iter().find(|(from, _)| from == name).map_or_else(|| name.clone(), |(_, to)| to.clone());
    for name in before.iter().map(|(from, _)| from).chain(after.keys()) {
        let (was, is) = (was(name), after.get(name).unwrap_or(name));
        if was != *is && columns.iter().any(|column| column.name == was) {
            renamed.entry(was).or_insert_with(|| is.clone());
        }
    }
}

/// The told options but for the names of columns, by the names that `renamed` gives back.
fn without_names(told: &Told, renamed: &BTreeMap<String, String>) -> Result<Options> {
    let mut options = Options::parse(told)?;
    options.renames.clear();
    for (name, _) in &mut options.types.named {
        if let Some((from, _)) = renamed.iter().find(|(_, to)| *to == name) {
            name.clone_from(from);
        }
    }
    options.types.named.sort_by(|(left, _), (right, _)| left.cmp(right));
    Ok(options)
}

fn set(told: &mut Told, name: &str, value: String) {
    match value.is_empty() {
        true => told.remove(name),
        false => told.insert(name.to_owned(), value),
    };
}

fn renamed_columns(columns: &[Column], renamed: &BTreeMap<String, String>) -> Result<Vec<Column>> {
    let mut named: Vec<Column> = Vec::with_capacity(columns.len());
    for column in columns {
        let name = renamed.get(&column.name).unwrap_or(&column.name);
        if name.is_empty() || name.contains('\0') || named.iter().any(|other| other.name == *name) {
            let detail = format!("two columns would be called `{name}`, or one would have no name.");
            return Err(Error::invalid("columns", detail));
        }
        named.push(Column { name: name.clone(), ..column.clone() });
    }
    Ok(named)
}

/// The object of the raw upload, which the new version refers to as well.
fn stored(version: &Version) -> Result<Stored> {
    let bytes = |bytes: &[u8]| <[u8; 32]>::try_from(bytes).map_err(Error::internal);
    Ok(Stored {
        id: version.object_id,
        size_bytes: version.size_bytes,
        sha256: bytes(version.sha256.as_deref().unwrap_or_default())?,
        crc64nvme: version.crc64nvme.as_slice().try_into().map_err(Error::internal)?,
    })
}

/// Says which of the appends a value stands in.
fn of_append(error: Error, position: i64) -> Error {
    match error {
        Error::Malformed(malformed) => {
            let detail = format!("In append {position}: {}", malformed.detail);
            Malformed { detail, ..*malformed }.into()
        }
        error => error,
    }
}
