//! The catalogue over all three stores: its pages, and one dataset by its id.

use super::{
    Catalogue, Dataset, Kind,
    dataset::readable,
    store::{after_prefix, database, select_dataset},
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
}
