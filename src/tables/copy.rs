//! Physical tables as they are, out of one installation and into another.

use super::{sql, store::Tables};
use crate::{
    catalogue::{ColumnType, copy_out, database},
    error::{Error, Result},
};
use bytes::Bytes;
use futures::{Stream, StreamExt};
use serde::{Deserialize, Serialize};
use sqlx::{AssertSqlSafe, PgConnection};
use uuid::Uuid;

const TYPES: [ColumnType; 11] = [
    ColumnType::Boolean,
    ColumnType::Bigint,
    ColumnType::Numeric,
    ColumnType::Double,
    ColumnType::Date,
    ColumnType::Timestamp,
    ColumnType::Timestamptz,
    ColumnType::Time,
    ColumnType::Uuid,
    ColumnType::Text,
    ColumnType::Json,
];

/// What a physical table looks like. Positions count from 0. Indexes of words are built anew in the background, as ever.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RowTable {
    pub id: Uuid,
    /// Of `c1`…`cN`.
    types: Vec<ColumnType>,
    /// Whether `_row` is its primary key.
    keyed: bool,
    not_null: Vec<usize>,
    indexes: Vec<RowIndex>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct RowIndex {
    name: Uuid,
    positions: Vec<usize>,
    unique: bool,
}

impl Tables {
    /// The table as the snapshot's connection sees it.
    pub async fn describe_rows(&self, connection: &mut PgConnection, id: Uuid) -> Result<RowTable> {
        let sql = "select substr(attname, 2)::bigint, (select name from unnest($2::text[]) as name where name::regtype = atttypid), attnotnull
             from pg_attribute where attrelid = $1::regclass and attnum > 0 and not attisdropped and attname ~ '^c[0-9]+$' order by 1";
        let (name, known) = (sql::table_name(id), TYPES.map(|known| known.sql().to_owned()));
        let columns: Vec<(i64, Option<String>, bool)> = sqlx::query_as(sql)
            .bind(&name)
            .bind(known.as_slice())
            .fetch_all(&mut *connection)
            .await
            .map_err(database)?;
        let mut table = RowTable { id, types: Vec::new(), keyed: false, not_null: Vec::new(), indexes: Vec::new() };
        for (position, (number, column_type, not_null)) in columns.into_iter().enumerate() {
            let column_type = TYPES.into_iter().find(|known| Some(known.sql()) == column_type.as_deref());
            let is_next = usize::try_from(number).ok() == Some(position + 1);
            let column_type = column_type.filter(|_| is_next);
            table
                .types
                .push(column_type.ok_or_else(|| Error::internal(format!("{name}.c{number} is no column of ours")))?);
            table.not_null.extend(not_null.then_some(position));
        }
        let sql = "select exists (select from pg_constraint where conrelid = $1::regclass and contype = 'p')";
        table.keyed = sqlx::query_scalar(sql).bind(&name).fetch_one(&mut *connection).await.map_err(database)?;
        let sql = "select substr(relname, 3)::uuid, indisunique, array(select substr(attname, 2)::bigint - 1
                 from unnest(indkey::int2[]) with ordinality as keys (number, place) join pg_attribute on attrelid = indrelid and attnum = number order by place)
             from pg_index join pg_class on pg_class.oid = indexrelid
             where indrelid = $1::regclass and relname ~ '^i_[0-9a-f]{32}$' and indisvalid order by 1";
        let indexes: Vec<(Uuid, bool, Vec<i64>)> =
            sqlx::query_as(sql).bind(&name).fetch_all(connection).await.map_err(database)?;
        for (name, unique, positions) in indexes {
            let positions =
                positions.into_iter().map(usize::try_from).collect::<Result<_, _>>().map_err(Error::internal)?;
            table.indexes.push(RowIndex { name, positions, unique });
        }
        Ok(table)
    }

    /// Its rows in Postgres' binary form.
    pub async fn rows_out<'a>(
        &self,
        connection: &'a mut PgConnection,
        table: &RowTable,
    ) -> Result<impl Stream<Item = Result<Bytes>> + Unpin + use<'a>> {
        copy_out(connection, &sql::copy_out(table.id, table.types.len())).await
    }

    /// Makes the table anew, with such rows and all its indexes.
    pub async fn rows_in(&self, table: &RowTable, mut rows: impl Stream<Item = Result<Bytes>> + Unpin) -> Result<()> {
        let (id, count) = (table.id, table.types.len());
        let positions = table.not_null.iter().chain(table.indexes.iter().flat_map(|index| &index.positions));
        if positions.into_iter().any(|position| *position >= count) {
            return Err(Error::startup(format!(
                "The export describes an index of table {id} that lies outside its columns."
            )));
        }
        let mut tx = self.loads.begin().await.map_err(database)?;
        for statement in [sql::drop_table(id), sql::create_table(id, &table.types)] {
            sqlx::query(AssertSqlSafe(statement)).execute(&mut *tx).await.map_err(database)?;
        }
        let mut copy = tx.copy_in_raw(&sql::copy_in(id)).await.map_err(database)?;
        while let Some(bytes) = rows.next().await {
            copy.send(bytes?).await.map_err(database)?;
        }
        copy.finish().await.map_err(database)?;
        let mut statements: Vec<String> = table.keyed.then(|| sql::add_primary_key(id)).into_iter().collect();
        if !table.not_null.is_empty() {
            statements.push(sql::set_not_null(id, &table.not_null));
        }
        let index = |index: &RowIndex| sql::create_index(index.name, id, &index.positions, index.unique);
        statements.extend(table.indexes.iter().map(index));
        statements.push(sql::analyze(id, count));
        for statement in statements {
            sqlx::query(AssertSqlSafe(statement)).execute(&mut *tx).await.map_err(database)?;
        }
        tx.commit().await.map_err(database)
    }
}
