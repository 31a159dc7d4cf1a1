//! Rows added to a version that stays. What is done to its physical table and what the catalogue says of it commit in one transaction, under the lock of the
//! dataset's row.

use super::{Catalogue, Column, Dataset, Version, publish, store::database};
use crate::{
    auth::Caller,
    error::{Error, Result},
    objects::Stored,
};
use serde_json::Value;
use sqlx::{AssertSqlSafe, PgConnection, types::Json};
use uuid::Uuid;

/// A file whose rows a version gets.
#[derive(Debug)]
pub struct NewAppend<'a> {
    pub object: &'a Stored,
    pub content_type: &'a str,
    pub content_encoding: Option<&'a str>,
    /// Rows of the file.
    pub row_count: u64,
    pub row_base: u64,
    /// Rows that the table has more of.
    pub inserted: u64,
    /// All columns of the table from now on.
    pub columns: &'a [Column],
    pub ingest: &'a Value,
    pub options: &'a Value,
}

/// The raw upload of an append, and how it was read.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct KeptFile {
    pub id: Uuid,
    pub position: i64,
    pub object_id: Uuid,
    pub content_type: String,
    pub content_encoding: Option<String>,
    pub options: Value,
}

impl KeptFile {
    /// How rows whose key was there were resolved, and by which columns if they were told.
    pub fn resolution(&self) -> Option<(String, Option<Vec<String>>)> {
        let resolution = self.options.get("resolution")?.as_str()?.to_owned();
        let columns = self.options.get("on_conflict").cloned().and_then(|columns| serde_json::from_value(columns).ok());
        Some((resolution, columns))
    }
}

/// An append of the version before that a new version holds too.
#[derive(Debug, Clone)]
pub struct KeptAppend {
    pub id: Uuid,
    pub row_base: u64,
    /// Names of columns, and what the new version calls them.
    pub renamed: Value,
}

/// The options of an append, with one more change of names behind those since it was made.
const RENAMED: &str =
    "jsonb_set(options, '{renamed}', coalesce(options -> 'renamed', '[]') || jsonb_build_array($1::jsonb))";

impl KeptAppend {
    pub(super) async fn keep(&self, connection: &mut PgConnection, version: Uuid) -> Result<()> {
        let sql = format!(
            "insert into larder.appends (id, version_id, position, object_id, content_type, content_encoding, row_count, row_base, ingest, options, created_by, created_at)
             select $4, $3, position, object_id, content_type, content_encoding, row_count, $5, ingest, {RENAMED}, created_by, created_at from larder.appends where id = $2",
        );
        sqlx::query(AssertSqlSafe(sql))
            .bind(&self.renamed)
            .bind(self.id)
            .bind(version)
            .bind(Uuid::now_v7())
            .bind(i64::try_from(self.row_base).map_err(Error::internal)?)
            .execute(connection)
            .await
            .map_err(database)?;
        Ok(())
    }
}

impl Catalogue {
    /// The appends of a version in their order.
    pub async fn appends(&self, version: Uuid) -> Result<Vec<KeptFile>> {
        let sql = "select id, position, object_id, content_type, content_encoding, options from larder.appends where version_id = $1 order by position";
        sqlx::query_as(sql).bind(version).fetch_all(&self.control).await.map_err(database)
    }

    /// Calls the columns of a version otherwise, and says so to later uploads and of earlier ones.
    pub async fn rename_columns(
        &self,
        connection: &mut PgConnection,
        version: Uuid,
        columns: &[Column],
        renamed: &Value,
        options: &Value,
    ) -> Result<()> {
        sqlx::query(AssertSqlSafe(format!("update larder.appends set options = {RENAMED} where version_id = $2")))
            .bind(renamed)
            .bind(version)
            .execute(&mut *connection)
            .await
            .map_err(database)?;
        sqlx::query("update larder.versions set revision = revision + 1, columns = $2, options = $3 where id = $1")
            .bind(version)
            .bind(Json(columns))
            .bind(options)
            .execute(connection)
            .await
            .map_err(database)?;
        Ok(())
    }

    /// How often the rows of a physical table have changed, in the snapshot of this transaction; `None` once its version is no longer kept.
    pub async fn revision(&self, connection: &mut PgConnection, table: Uuid) -> Result<Option<i64>> {
        let sql = "select revision from larder.versions where table_id = $1";
        sqlx::query_scalar(sql).bind(table).fetch_optional(connection).await.map_err(database)
    }

    /// The same, of this moment.
    pub async fn revision_now(&self, table: Uuid) -> Result<Option<i64>> {
        let mut connection = self.control.acquire().await.map_err(database)?;
        self.revision(&mut connection, table).await
    }

    /// Notes the append and raises the revision; the dataset as it then is.
    pub async fn record_append(
        &self,
        connection: &mut PgConnection,
        caller: &Caller,
        dataset: Uuid,
        version: &Version,
        new: &NewAppend<'_>,
    ) -> Result<Dataset> {
        publish::insert_object(connection, new.object).await?;
        let count = |rows: u64| i64::try_from(rows).map_err(Error::internal);
        sqlx::query(
            "insert into larder.appends (id, version_id, position, object_id, content_type, content_encoding, row_count, row_base, ingest, options, created_by)
             select $1, $2, coalesce(max(position), 0) + 1, $3, $4, $5, $6, $7, $8, $9, $10 from larder.appends where version_id = $2",
        )
        .bind(Uuid::now_v7())
        .bind(version.id)
        .bind(new.object.id)
        .bind(new.content_type)
        .bind(new.content_encoding)
        .bind(count(new.row_count)?)
        .bind(count(new.row_base)?)
        .bind(new.ingest)
        .bind(new.options)
        .bind(caller.principal)
        .execute(&mut *connection)
        .await
        .map_err(database)?;
        sqlx::query(
            "update larder.versions set revision = revision + 1, row_count = row_count + $2, columns = $3 where id = $1",
        )
        .bind(version.id)
        .bind(count(new.inserted)?)
        .bind(Json(new.columns))
        .execute(&mut *connection)
        .await
        .map_err(database)?;
        sqlx::query("update larder.datasets set updated_at = now() where id = $1")
            .bind(dataset)
            .execute(&mut *connection)
            .await
            .map_err(database)?;
        publish::find_by_id(connection, dataset).await
    }
}
