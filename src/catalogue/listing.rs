//! Pages of the catalogue: over all three stores, and of blobs with their folders.

use super::{
    Catalogue, Dataset, Kind,
    dataset::readable,
    store::{database, select_dataset},
};
use crate::{
    auth::{Action, Caller},
    error::{Error, Result},
};
use sqlx::AssertSqlSafe;
use uuid::Uuid;

/// Which datasets a page is of.
#[derive(Debug, Clone, Default)]
pub struct DatasetFilter {
    pub kind: Option<Kind>,
    /// What names begin with.
    pub prefix: String,
    /// What names or titles have in them, in any case.
    pub words: Option<String>,
}

/// Rows of one query of a listing with folders.
const FOLDER_PAGE_ROWS: u64 = 64;

/// One folder level of blobs: `(name, None)` is a folder, `(name, Some)` a blob.
pub type BlobEntry = (String, Option<Dataset>);

impl Catalogue {
    /// Those that the caller may read, by kind and name, behind `after`.
    pub async fn list_datasets(
        &self,
        caller: &Caller,
        filter: &DatasetFilter,
        after: Option<(Kind, String)>,
        limit: u64,
    ) -> Result<Vec<Dataset>> {
        let readable = readable(8);
        let sql = select_dataset(&format!(
            "where d.deleted_at is null and ($1::text is null or d.kind = $1) and d.name >= $2 and ($3::text is null or d.name < $3) \
             and ($4::text is null or strpos(lower(d.name collate \"default\"), lower($4)) > 0 or strpos(lower(d.title), lower($4)) > 0) \
             and ($5::text is null or (d.kind, d.name) > ($5, $6)) and {readable} order by d.kind, d.name limit $7"
        ));
        let (after_kind, after_name) = after.unzip();
        let query = sqlx::query_as(AssertSqlSafe(sql))
            .bind(filter.kind)
            .bind(&filter.prefix)
            .bind(after_prefix(&filter.prefix))
            .bind(&filter.words)
            .bind(after_kind)
            .bind(after_name)
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .bind(caller.principal)
            .bind(caller.patterns(Action::Read))
            .bind(caller.patterns(Action::Admin));
        query.fetch_all(&self.control).await.map_err(database)
    }

    pub async fn find_by_id(&self, caller: &Caller, id: Uuid) -> Result<Dataset> {
        let found = self.find_shared(id).await?.ok_or(Error::NotFound { what: "dataset" })?;
        if found.visible_to(caller) { Ok(found) } else { Err(Error::Hidden { what: "dataset", dataset: id }) }
    }

    /// Whether anyone may read what has this name.
    pub async fn is_public(&self, kind: Kind, name: &str) -> Result<bool> {
        let sql = "select exists (select from larder.datasets where kind = $1 and name = $2 and deleted_at is null and visibility = 'public')";
        sqlx::query_scalar(sql).bind(kind).bind(name).fetch_one(&self.control).await.map_err(database)
    }

    /// Blobs and folders under `prefix` in the order of their bytes, beginning with what `list_behind` gave; `limit` entries at most.
    pub async fn list_blobs(
        &self,
        caller: &Caller,
        prefix: &str,
        delimiter: bool,
        from: Option<String>,
        limit: u64,
    ) -> Result<Vec<BlobEntry>> {
        let mut entries: Vec<BlobEntry> = Vec::new();
        let end = after_prefix(prefix);
        let mut from = Some(from.unwrap_or_else(|| prefix.to_owned()));
        while let Some(start) = from.take() {
            // With folders most of a long page would lie in the first of them.
            let wanted = (limit - entries.len() as u64).min(if delimiter { FOLDER_PAGE_ROWS } else { u64::MAX });
            let page = self.blobs_between(caller, (&start, end.as_deref()), wanted).await?;
            let mut more = page.len() as u64 == wanted;
            for blob in page {
                let folder = delimiter.then(|| folder_of(&blob.name, prefix)).flatten().map(str::to_owned);
                let in_folder = folder.is_some();
                entries.push(folder.map_or_else(|| (blob.name.clone(), Some(blob)), |folder| (folder, None)));
                if in_folder {
                    // The rest of the page may lie in the same folder: the next query begins behind it.
                    more = true;
                    break;
                }
            }
            from = entries.last().filter(|_| more && (entries.len() as u64) < limit).and_then(list_behind);
        }
        Ok(entries)
    }

    async fn blobs_between(
        &self,
        caller: &Caller,
        (start, end): (&str, Option<&str>),
        limit: u64,
    ) -> Result<Vec<Dataset>> {
        let readable = readable(4);
        let sql = select_dataset(&format!(
            "where d.kind = 'blob' and d.deleted_at is null and d.name >= $1 and ($2::text is null or d.name < $2) and {readable} order by d.name limit $3"
        ));
        let query = sqlx::query_as(AssertSqlSafe(sql))
            .bind(start)
            .bind(end)
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .bind(caller.principal)
            .bind(caller.patterns(Action::Read))
            .bind(caller.patterns(Action::Admin));
        query.fetch_all(&self.control).await.map_err(database)
    }
}

/// Where a list goes on after an entry: behind the one blob, or behind all that a folder could hold. `None` where nothing can follow.
pub fn list_behind((name, blob): &BlobEntry) -> Option<String> {
    match blob {
        // No name holds a control character, so none stands between.
        Some(_) => Some(format!("{name}\u{1}")),
        None => after_prefix(name),
    }
}

/// The least text that is greater than everything beginning with `prefix`, if there is one.
fn after_prefix(prefix: &str) -> Option<String> {
    let mut start = prefix.to_owned();
    while let Some(last) = start.pop() {
        // The number after a character's may lie among the surrogates, which are none.
        if let Some(next) = (last..=char::MAX).nth(1) {
            start.push(next);
            return Some(start);
        }
    }
    None
}

/// The folder directly under `prefix` that holds `name`, with its slash.
fn folder_of<'a>(name: &'a str, prefix: &str) -> Option<&'a str> {
    let slash = name[prefix.len()..].find('/')?;
    Some(&name[..=prefix.len() + slash])
}

#[cfg(test)]
mod tests {
    use super::after_prefix;

    #[test]
    fn what_follows_a_prefix_is_greater_than_all_that_begins_with_it() {
        assert_eq!(after_prefix("a/").as_deref(), Some("a0"));
        assert_eq!(after_prefix("\u{d7ff}").as_deref(), Some("\u{e000}"));
        assert_eq!(after_prefix("a\u{10ffff}").as_deref(), Some("b"));
        assert_eq!(after_prefix("\u{10ffff}"), None);
        assert_eq!(after_prefix(""), None);
    }
}
