//! Reading the catalogue, and hiding and restoring what is in it.

use super::{
    Dataset, Kind, Patience,
    dataset::{DATASET_COLUMNS, readable},
    is_busy,
};
use crate::{
    auth::{Action, Caller},
    config::{Times, Visibility},
    error::{Error, Result, Store},
};
use sqlx::{AssertSqlSafe, PgConnection, PgPool, error::DatabaseError};
use uuid::Uuid;

/// The catalogue in Postgres, through the pool that slow queries never hold up.
#[derive(Debug, Clone)]
pub struct Catalogue {
    pub(crate) control: PgPool,
    pub(super) times: Times,
    pub(super) versions_kept: u64,
    pub(super) visibility: Visibility,
    collection_shards: u64,
}

/// Which stores carry the installation's id already.
#[derive(Debug, Clone, Copy, sqlx::FromRow)]
pub struct Installation {
    pub id: Uuid,
    pub objects_marked: bool,
    pub documents_marked: bool,
}

/// Rows of one query of a listing with folders.
const FOLDER_PAGE_ROWS: u64 = 64;

/// One folder level of blobs: `(name, None)` is a folder, `(name, Some)` a blob.
pub type BlobEntry = (String, Option<Dataset>);

impl Catalogue {
    pub fn new(control: PgPool, config: &crate::config::Config) -> Self {
        Self {
            control,
            times: config.times.clone(),
            versions_kept: config.limits.versions_kept,
            visibility: config.visibility,
            collection_shards: config.limits.collection_shards,
        }
    }

    /// The dataset of that name, for what the caller wants to do to it.
    ///
    /// # Errors
    /// Those of [`Dataset::require`].
    pub async fn find(&self, caller: &Caller, action: Action, kind: Kind, name: &str) -> Result<Dataset> {
        let found = self.one("where d.kind = $1 and d.name = $2 and d.deleted_at is null", (kind, name)).await?;
        let found = found.ok_or_else(|| kind.not_found())?;
        found.require(caller, action)?;
        Ok(found)
    }

    /// For reading, with a version other than the current one.
    pub async fn find_version(&self, caller: &Caller, kind: Kind, name: &str, number: Option<i64>) -> Result<Dataset> {
        let Some(number) = number else { return self.find(caller, Action::Read, kind, name).await };
        let sql = format!(
            "select {DATASET_COLUMNS} from larder.datasets d join larder.principals p on p.id = d.owner \
             join larder.versions v on v.dataset_id = d.id and v.number = $3 join larder.objects o on o.id = v.object_id \
             where d.kind = $1 and d.name = $2 and d.deleted_at is null"
        );
        let query = sqlx::query_as(AssertSqlSafe(sql)).bind(kind).bind(name).bind(number);
        let found: Option<Dataset> = query.fetch_optional(&self.control).await.map_err(database)?;
        found.filter(|dataset| dataset.visible_to(caller)).ok_or(Error::NotFound { what: "version" })
    }

    /// The dataset with another of its versions, if that is kept.
    pub async fn at_version(&self, dataset: &Dataset, number: i64) -> Result<Option<Dataset>> {
        let sql = format!(
            "select {DATASET_COLUMNS} from larder.datasets d join larder.principals p on p.id = d.owner \
             join larder.versions v on v.dataset_id = d.id and v.number = $2 join larder.objects o on o.id = v.object_id \
             where d.id = $1 and d.deleted_at is null"
        );
        let query = sqlx::query_as(AssertSqlSafe(sql)).bind(dataset.id).bind(number);
        query.fetch_optional(&self.control).await.map_err(database)
    }

    /// One entry for each version that is kept, the newest first.
    pub async fn versions(&self, caller: &Caller, kind: Kind, name: &str) -> Result<Vec<Dataset>> {
        let sql = format!(
            "select {DATASET_COLUMNS} from larder.datasets d join larder.principals p on p.id = d.owner \
             join larder.versions v on v.dataset_id = d.id join larder.objects o on o.id = v.object_id \
             where d.kind = $1 and d.name = $2 and d.deleted_at is null order by v.number desc"
        );
        let query = sqlx::query_as(AssertSqlSafe(sql)).bind(kind).bind(name);
        let versions: Vec<Dataset> = query.fetch_all(&self.control).await.map_err(database)?;
        match versions.first().is_some_and(|dataset| dataset.visible_to(caller)) {
            true => Ok(versions),
            false => Err(kind.not_found()),
        }
    }

    /// By id, whoever asks: for a share, which stands for the right to read. `None` once it is deleted.
    pub async fn find_shared(&self, id: Uuid) -> Result<Option<Dataset>> {
        let sql = select_dataset("where d.id = $1 and d.deleted_at is null");
        sqlx::query_as(AssertSqlSafe(sql)).bind(id).fetch_optional(&self.control).await.map_err(database)
    }

    async fn one(&self, clause: &str, (kind, name): (Kind, &str)) -> Result<Option<Dataset>> {
        let query = sqlx::query_as(AssertSqlSafe(select_dataset(clause))).bind(kind).bind(name);
        query.fetch_optional(&self.control).await.map_err(database)
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

    /// The collection of that name, made if there is none: it is committed before its first document.
    pub async fn find_or_create_collection(&self, caller: &Caller, name: &str) -> Result<Dataset> {
        super::table_name(name)?;
        caller.require(Action::Write, Kind::Collection, name)?;
        let found =
            self.one("where d.kind = $1 and d.name = $2 and d.deleted_at is null", (Kind::Collection, name)).await?;
        let found = match found {
            Some(found) => Some(found),
            None => {
                sqlx::query(
                    "insert into larder.datasets (id, kind, name, title, owner, visibility, shards) values ($1, 'collection', $2, $2, $3, $4, $5)
                     on conflict (kind, name) where deleted_at is null do nothing",
                )
                .bind(Uuid::now_v7())
                .bind(name)
                .bind(caller.principal)
                .bind(self.visibility)
                .bind(i32::try_from(self.collection_shards).map_err(Error::internal)?)
                .execute(&self.control)
                .await
                .map_err(database)?;
                self.one("where d.kind = $1 and d.name = $2 and d.deleted_at is null", (Kind::Collection, name)).await?
            }
        };
        let collection = found.ok_or_else(|| Error::Conflict {
            detail: format!("The collection `{name}` was deleted at this moment."),
        })?;
        if collection.visible_to(caller) {
            Ok(collection)
        } else {
            Err(Error::NameTaken { detail: format!("The name `{name}` is taken."), free: None })
        }
    }

    /// Hides a dataset; `restore` brings it back until it becomes garbage.
    pub async fn delete(&self, caller: &Caller, kind: Kind, name: &str, condition: &super::Precondition) -> Result<()> {
        let dataset = self.find(caller, Action::Write, kind, name).await?;
        let mut patience = Patience::default();
        loop {
            match self.try_delete(kind, dataset.id, condition).await {
                Err(error) if is_busy(&error) => patience.pause().await?,
                result => return result,
            }
        }
    }

    async fn try_delete(&self, kind: Kind, id: Uuid, condition: &super::Precondition) -> Result<()> {
        let mut tx = self.control.begin().await.map_err(database)?;
        let dataset = self.lock(&mut tx, kind, id).await?;
        condition.check(dataset.version.as_ref().map(super::Version::etag).as_deref())?;
        sqlx::query("update larder.datasets set deleted_at = now() where id = $1")
            .bind(id)
            .execute(&mut *tx)
            .await
            .map_err(database)?;
        tx.commit().await.map_err(database)
    }

    /// Brings back the dataset of that name which was deleted last.
    pub async fn restore(&self, caller: &Caller, kind: Kind, name: &str) -> Result<Dataset> {
        let readable = readable(3);
        let sql = select_dataset(&format!(
            "where d.kind = $1 and d.name = $2 and d.deleted_at is not null and {readable} order by d.deleted_at desc limit 1"
        ));
        let query = sqlx::query_as(AssertSqlSafe(sql))
            .bind(kind)
            .bind(name)
            .bind(caller.principal)
            .bind(caller.patterns(Action::Read))
            .bind(caller.patterns(Action::Admin));
        let deleted: Option<Dataset> = query.fetch_optional(&self.control).await.map_err(database)?;
        let deleted = deleted.ok_or(Error::NotFound { what: "deleted dataset of this name" })?;
        deleted.require(caller, Action::Write)?;
        let restored = sqlx::query(
            "update larder.datasets set deleted_at = null, updated_at = now() where id = $1 and deleted_at is not null",
        );
        match restored.bind(deleted.id).execute(&self.control).await.map_err(database) {
            Err(Error::Store { source, .. }) if is_unique_violation(&*source) => {
                let detail = format!("There is a newer {} `{name}`; delete it first.", kind.as_str());
                Err(Error::NameTaken { detail, free: None })
            }
            // The sweep was faster.
            Ok(done) if done.rows_affected() == 0 => Err(Error::NotFound { what: "deleted dataset of this name" }),
            Ok(_) => self.find(caller, Action::Read, kind, name).await,
            Err(error) => Err(error),
        }
    }

    /// How many datasets there are, for the banner.
    pub async fn count(&self) -> Result<i64> {
        let count = sqlx::query_scalar("select count(*) from larder.datasets where deleted_at is null");
        count.fetch_one(&self.control).await.map_err(database)
    }

    pub async fn installation(&self) -> Result<Installation> {
        let sql = "select id, objects_marked, documents_marked from larder.installation";
        sqlx::query_as(sql).fetch_one(&self.control).await.map_err(database)
    }

    pub async fn set_marked(&self) -> Result<()> {
        let sql = "update larder.installation set objects_marked = true, documents_marked = true";
        sqlx::query(sql).execute(&self.control).await.map_err(database)?;
        Ok(())
    }

    /// Whether the database answers.
    pub async fn check(&self) -> Result<()> {
        sqlx::query("select 1").execute(&self.control).await.map_err(database)?;
        Ok(())
    }

    /// Moves versions into the garbage, and of their objects those that no other version refers to.
    pub(super) async fn discard_versions(&self, connection: &mut PgConnection, versions: &[Uuid]) -> Result<()> {
        // The lock orders two transactions that each drop one of the last two references.
        sqlx::query(
            "select from larder.objects where id in (select object_id from larder.versions where id = any($1)
             union all select object_id from larder.appends where version_id = any($1)) order by id for update",
        )
        .bind(versions)
        .execute(&mut *connection)
        .await
        .map_err(database)?;
        let appended: Vec<Uuid> =
            sqlx::query_scalar("delete from larder.appends where version_id = any($1) returning object_id")
                .bind(versions)
                .fetch_all(&mut *connection)
                .await
                .map_err(database)?;
        let kept: Vec<Option<Uuid>> =
            sqlx::query_scalar("delete from larder.changes where version_id = any($1) returning table_id")
                .bind(versions)
                .fetch_all(&mut *connection)
                .await
                .map_err(database)?;
        let gone: Vec<(Uuid, Option<Uuid>)> =
            sqlx::query_as("delete from larder.versions where id = any($1) returning object_id, table_id")
                .bind(versions)
                .fetch_all(&mut *connection)
                .await
                .map_err(database)?;
        let objects: Vec<Uuid> = gone.iter().map(|(object, _)| *object).chain(appended).collect();
        let unused: Vec<Uuid> = sqlx::query_scalar(
            "delete from larder.objects o where id = any($1) and not exists (select from larder.versions v where v.object_id = o.id)
             and not exists (select from larder.appends a where a.object_id = o.id) returning id",
        )
        .bind(&objects)
        .fetch_all(&mut *connection)
        .await
        .map_err(database)?;
        for object in unused {
            self.discard(&mut *connection, Some(object), None).await?;
        }
        for table in gone.into_iter().map(|(_, table)| table).chain(kept).flatten() {
            self.discard(&mut *connection, None, Some(table)).await?;
        }
        Ok(())
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

pub(super) fn select_dataset(clause: &str) -> String {
    format!(
        "select {DATASET_COLUMNS} from larder.datasets d join larder.principals p on p.id = d.owner \
         left join larder.versions v on v.id = d.current left join larder.objects o on o.id = v.object_id {clause}"
    )
}

/// A statement that Postgres does not understand, or whose answer we do not, is a bug of ours; anything else is a database that cannot serve at the moment.
pub(crate) fn database(error: sqlx::Error) -> Error {
    let code = error.as_database_error().and_then(DatabaseError::code);
    let ours = match code.as_deref() {
        // `character_not_in_repertoire`: of all text that Rust holds, Postgres lacks one character.
        Some("22021") => return Error::invalid("request", "a name or a value in it holds the character NUL."),
        Some(code) => ["08P01", "0A", "22", "26", "42"].iter().any(|class| code.starts_with(class)),
        None => matches!(
            error,
            sqlx::Error::ColumnNotFound(_)
                | sqlx::Error::ColumnDecode { .. }
                | sqlx::Error::Decode(_)
                | sqlx::Error::Encode(_)
        ),
    };
    if ours { Error::internal(error) } else { Error::store(Store::Database, error) }
}

pub(super) fn is_unique_violation(error: &(dyn std::error::Error + 'static)) -> bool {
    let error = error.downcast_ref::<sqlx::Error>().and_then(sqlx::Error::as_database_error);
    error.is_some_and(DatabaseError::is_unique_violation)
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
