//! Reading the catalogue, and hiding and restoring what is in it.

use super::{
    Dataset, Kind, Patience,
    dataset::{DATASET_COLUMNS, readable},
    is_busy,
    recent::Recent,
};
use crate::{
    audit::{Note, record},
    auth::{Action, Caller},
    config::{Times, Visibility},
    error::{Error, Result, Store},
};
use sqlx::{AssertSqlSafe, PgPool, error::DatabaseError};
use std::sync::Arc;
use uuid::Uuid;

/// The catalogue in Postgres, through the pool that slow queries never hold up.
#[derive(Debug, Clone)]
pub struct Catalogue {
    pub(crate) control: PgPool,
    pub(super) times: Times,
    pub(super) versions_kept: u64,
    pub(super) visibility: Visibility,
    pub(super) public_datasets: bool,
    pub(super) collection_shards: u64,
    pub(super) principal_bytes_max: u64,
    pub(super) principal_datasets_max: u64,
    pub(super) recent: Arc<Recent<String, Arc<Dataset>>>,
}

/// Which stores carry the installation's id already.
#[derive(Debug, Clone, Copy, sqlx::FromRow)]
pub struct Installation {
    pub id: Uuid,
    pub objects_marked: bool,
    pub documents_marked: bool,
}

impl Catalogue {
    pub fn new(control: PgPool, config: &crate::config::Config) -> Self {
        Self {
            control,
            times: config.times.clone(),
            versions_kept: config.limits.versions_kept,
            visibility: config.visibility,
            public_datasets: config.public_datasets,
            collection_shards: config.limits.collection_shards,
            principal_bytes_max: config.guarding.principal_bytes_max,
            principal_datasets_max: config.guarding.principal_datasets_max,
            recent: Arc::default(),
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
        seen(caller, found, "version")
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
        seen(caller, versions.first().cloned(), kind.as_str())?;
        Ok(versions)
    }

    /// By id, whoever asks: for a share, which stands for the right to read. `None` once it is deleted.
    pub async fn find_shared(&self, id: Uuid) -> Result<Option<Dataset>> {
        let sql = select_dataset("where d.id = $1 and d.deleted_at is null");
        sqlx::query_as(AssertSqlSafe(sql)).bind(id).fetch_optional(&self.control).await.map_err(database)
    }

    pub(super) async fn one(&self, clause: &str, (kind, name): (Kind, &str)) -> Result<Option<Dataset>> {
        let query = sqlx::query_as(AssertSqlSafe(select_dataset(clause))).bind(kind).bind(name);
        query.fetch_optional(&self.control).await.map_err(database)
    }

    /// Hides a dataset; `restore` brings it back until it becomes garbage.
    pub async fn delete(&self, caller: &Caller, kind: Kind, name: &str, condition: &super::Precondition) -> Result<()> {
        let dataset = self.find(caller, Action::Write, kind, name).await?;
        let mut patience = Patience::default();
        loop {
            match self.try_delete(caller, kind, dataset.id, condition).await {
                Err(error) if is_busy(&error) => patience.pause().await?,
                result => return result,
            }
        }
    }

    async fn try_delete(&self, caller: &Caller, kind: Kind, id: Uuid, condition: &super::Precondition) -> Result<()> {
        let mut tx = self.control.begin().await.map_err(database)?;
        let dataset = self.lock(&mut tx, kind, id).await?;
        condition.check(dataset.version.as_ref().map(super::Version::etag).as_deref())?;
        sqlx::query("update larder.datasets set deleted_at = now() where id = $1")
            .bind(id)
            .execute(&mut *tx)
            .await
            .map_err(database)?;
        record(&mut tx, caller, &Note::of("delete", &dataset)).await?;
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
        let mut tx = self.control.begin().await.map_err(database)?;
        match restored.bind(deleted.id).execute(&mut *tx).await.map_err(database) {
            Err(Error::Store { source, .. }) if is_unique_violation(&*source) => {
                let detail = format!("There is a newer {} `{name}`; delete it first.", kind.as_str());
                Err(Error::NameTaken { detail, free: None })
            }
            // The sweep was faster.
            Ok(done) if done.rows_affected() == 0 => Err(Error::NotFound { what: "deleted dataset of this name" }),
            Ok(_) => {
                self.check_quota(&mut tx, &deleted, true).await?;
                record(&mut tx, caller, &Note::of("restore", &deleted)).await?;
                tx.commit().await.map_err(database)?;
                self.find(caller, Action::Read, kind, name).await
            }
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
}

/// What was found, if the caller may know of it.
fn seen(caller: &Caller, found: Option<Dataset>, what: &'static str) -> Result<Dataset> {
    let dataset = found.ok_or(Error::NotFound { what })?;
    if dataset.visible_to(caller) { Ok(dataset) } else { Err(Error::Hidden { what, dataset: dataset.id }) }
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

pub(crate) fn is_unique_violation(error: &(dyn std::error::Error + 'static)) -> bool {
    let error = error.downcast_ref::<sqlx::Error>().and_then(sqlx::Error::as_database_error);
    error.is_some_and(DatabaseError::is_unique_violation)
}
