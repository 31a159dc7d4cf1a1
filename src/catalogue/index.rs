//! The indexes of a table: of the dataset, by the names of columns, so that every version has them anew.

use std::collections::BTreeMap;

use super::{Catalogue, Column, Kind, store::database};
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use sqlx::{FromRow, PgConnection, Row, postgres::PgRow, types::Json};
use time::OffsetDateTime;
use uuid::Uuid;

/// What an index is for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, sqlx::Type)]
#[serde(rename_all = "lowercase")]
#[sqlx(type_name = "text", rename_all = "lowercase")]
pub enum IndexKind {
    /// Values and their order.
    #[default]
    Btree,
    /// The words of all text columns, whichever a version has.
    Search,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    pub id: Uuid,
    pub kind: IndexKind,
    /// None of a search index.
    pub columns: Vec<String>,
    pub unique: bool,
    /// What `?key=` asked for: unique, and never NULL.
    pub key: bool,
    pub created_at: OffsetDateTime,
}

/// What a new version's table was given.
#[derive(Debug, Clone, Default)]
pub struct NewIndexes {
    /// Ids of those that the dataset had when the building began: if it has others at the commit, the table lacks one.
    pub found: Vec<Uuid>,
    pub built: Vec<Index>,
}

impl Index {
    pub fn new(columns: Vec<String>, unique: bool, key: bool) -> Self {
        let kind = IndexKind::Btree;
        Self { id: Uuid::now_v7(), kind, columns, unique, key, created_at: OffsetDateTime::now_utc() }
    }

    pub fn of_words() -> Self {
        Self { kind: IndexKind::Search, ..Self::new(Vec::new(), false, false) }
    }

    /// What it is called by on one physical table: names are unique in a schema, and an older version may have it too.
    pub fn physical(&self, table: Uuid) -> Uuid {
        Uuid::from_u128(self.id.as_u128() ^ table.as_u128())
    }

    /// The same on columns that are called otherwise now.
    #[must_use]
    pub fn renamed(&self, renamed: &BTreeMap<String, String>) -> Self {
        let columns = self.columns.iter().map(|name| renamed.get(name).unwrap_or(name).clone());
        Self { columns: columns.collect(), ..self.clone() }
    }

    /// Whether it makes rows unique by exactly these columns, in any order.
    pub fn makes_unique(&self, columns: &[String]) -> bool {
        self.unique && self.columns.len() == columns.len() && columns.iter().all(|name| self.columns.contains(name))
    }
}

impl FromRow<'_, PgRow> for Index {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        Ok(Self {
            id: row.try_get("id")?,
            kind: row.try_get("kind")?,
            columns: row.try_get::<Json<Vec<String>>, _>("columns")?.0,
            unique: row.try_get("is_unique")?,
            key: row.try_get("is_key")?,
            created_at: row.try_get("created_at")?,
        })
    }
}

const COLUMNS: &str = "select i.id, i.kind, i.columns, i.is_unique, i.is_key, i.created_at from larder.indexes i";

impl Catalogue {
    /// Those of the dataset, in the order in which they were made.
    pub async fn indexes(&self, dataset: Uuid) -> Result<Vec<Index>> {
        let mut connection = self.control.acquire().await.map_err(database)?;
        self.indexes_in(&mut connection, dataset).await
    }

    pub async fn indexes_in(&self, connection: &mut PgConnection, dataset: Uuid) -> Result<Vec<Index>> {
        let sql = format!("{COLUMNS} where i.dataset_id = $1 order by i.id");
        sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(dataset).fetch_all(connection).await.map_err(database)
    }

    /// Those of the table of that name which a new version gets before anybody sees it; none if there is no such table.
    pub async fn indexes_of(&self, name: &str) -> Result<Vec<Index>> {
        let sql = format!(
            "{COLUMNS} join larder.datasets d on d.id = i.dataset_id where d.kind = $1 and d.name = $2 and d.deleted_at is null and i.kind = 'btree' order by i.id"
        );
        let query = sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(Kind::Table).bind(name);
        query.fetch_all(&self.control).await.map_err(database)
    }

    pub async fn insert_index(&self, connection: &mut PgConnection, dataset: Uuid, index: &Index) -> Result<()> {
        sqlx::query("insert into larder.indexes (id, dataset_id, columns, is_unique, is_key, created_at, kind) values ($1, $2, $3, $4, $5, $6, $7)")
            .bind(index.id)
            .bind(dataset)
            .bind(Json(&index.columns))
            .bind(index.unique)
            .bind(index.key)
            .bind(index.created_at)
            .bind(index.kind)
            .execute(connection)
            .await
            .map_err(database)?;
        Ok(())
    }

    pub async fn delete_index(&self, connection: &mut PgConnection, id: Uuid) -> Result<()> {
        let deleted = sqlx::query("delete from larder.indexes where id = $1").bind(id).execute(connection).await;
        deleted.map_err(database)?;
        Ok(())
    }

    /// The physical tables of all the dataset's versions, with their columns.
    pub async fn tables_of(&self, connection: &mut PgConnection, dataset: Uuid) -> Result<Vec<(Uuid, Vec<Column>)>> {
        let tables: Vec<(Uuid, Json<Vec<Column>>)> = sqlx::query_as(
            "select table_id, columns from larder.versions where dataset_id = $1 and table_id is not null and columns is not null order by id",
        )
        .bind(dataset)
        .fetch_all(connection)
        .await
        .map_err(database)?;
        Ok(tables.into_iter().map(|(table, columns)| (table, columns.0)).collect())
    }

    /// At the commit of a new version: from now on the dataset has what its new table was given.
    pub(super) async fn replace_indexes(
        &self,
        connection: &mut PgConnection,
        dataset: Uuid,
        new: &NewIndexes,
    ) -> Result<()> {
        let mut now = self.indexes_in(connection, dataset).await?;
        now.retain(|index| index.kind == IndexKind::Btree);
        if !now.iter().map(|index| index.id).eq(new.found.iter().copied()) {
            let detail = "An index of the table was made or dropped while it was sent; send it again.".to_owned();
            return Err(Error::Conflict { detail });
        }
        for index in now {
            self.delete_index(connection, index.id).await?;
        }
        for index in &new.built {
            self.insert_index(connection, dataset, index).await?;
        }
        Ok(())
    }
}
