//! Statistics in Postgres: those that are kept, and the reading of columns in one snapshot.

use super::{
    FORM, Statistics,
    attempt::{batch_columns, sample},
};
use crate::{
    catalogue::{Column, ColumnType, Version, database},
    error::{Error, Result},
    tables::{
        sql::{self, Sample},
        store::Tables,
    },
};
use sqlx::{AssertSqlSafe, FromRow, PgConnection, error::DatabaseError, postgres::PgRow, types::Json};
use std::{collections::BTreeMap, time::Instant};
use uuid::Uuid;

/// One snapshot, with memory enough that most groups need no file, and no compiler, which takes longer than the statements.
const BEGIN: &str = "begin isolation level repeatable read read only; set local work_mem = '32MB'; set local jit = off";

/// What an attempt came to.
pub enum Reading {
    Done(Box<Read>),
    /// It took too long, or too much of the database.
    TooSlow,
}

/// A version's columns in one snapshot.
#[derive(Debug)]
pub struct Read {
    pub revision: i64,
    /// All there are.
    pub rows: u64,
    pub sample: Option<Sample>,
    /// Those that were read.
    pub rows_read: u64,
    pub columns: Vec<(Column, ReadColumn)>,
}

#[derive(Debug, Default)]
pub struct ReadColumn {
    /// Values that are not NULL.
    pub present: u64,
    /// JSON, as all text here.
    pub mean: Option<String>,
    pub deviation: Option<String>,
    pub kinds: Option<String>,
    /// `None` if no value is finite, and of JSON.
    pub summary: Option<Summary>,
}

#[derive(Debug, FromRow)]
pub struct Summary {
    k: i32,
    /// Values that are neither NULL nor infinite.
    pub total: i64,
    pub different: i64,
    /// Values that stand in one row.
    pub once: i64,
    pub least: Option<String>,
    pub greatest: Option<String>,
    pub lengths: Option<String>,
    pub top: String,
    pub quantiles: Option<String>,
    pub histogram: Option<String>,
}

#[derive(FromRow)]
struct Moments {
    rows: i64,
    present: Vec<i64>,
    means: Vec<Option<String>>,
    deviations: Vec<Option<String>>,
}

/// The version as the snapshot shows it.
#[derive(FromRow)]
struct Shown {
    revision: i64,
    row_count: i64,
    columns: Json<Vec<Column>>,
}

/// Why there is nothing yet.
enum Stop {
    TooSlow,
    Error(Error),
}

impl From<sqlx::Error> for Stop {
    fn from(error: sqlx::Error) -> Self {
        let code = error.as_database_error().and_then(DatabaseError::code);
        match code.as_deref() {
            // Canceled by its timeout, or out of temporary files or memory: a smaller sample takes less of each.
            Some("57014" | "53400" | "53200") => Self::TooSlow,
            _ => Self::Error(database(error)),
        }
    }
}

impl Tables {
    pub(super) async fn kept_statistics(&self, version: &Version) -> Result<Option<Statistics>> {
        let sql = "select content::text from larder.statistics where version_id = $1 and revision = $2 and form = $3";
        let content: Option<String> = sqlx::query_scalar(sql)
            .bind(version.id)
            .bind(version.revision)
            .bind(FORM)
            .fetch_optional(&self.catalogue.control)
            .await
            .map_err(database)?;
        Ok(content.map(|content| Statistics { revision: version.revision, content }))
    }

    /// Keeps them in the place of those of an earlier revision; not in the place of others of the same, and not of a version that is gone.
    pub(super) async fn keep_statistics(&self, version: Uuid, statistics: &Statistics) -> Result<()> {
        sqlx::query(
            "insert into larder.statistics (version_id, revision, form, content) select id, $2, $3, $4::json from larder.versions where id = $1 for key share
             on conflict (version_id) do update set revision = excluded.revision, form = excluded.form, content = excluded.content, computed_at = now()
             where statistics.revision < excluded.revision or (statistics.revision = excluded.revision and statistics.form <> excluded.form)",
        )
        .bind(version)
        .bind(statistics.revision)
        .bind(FORM)
        .bind(&statistics.content)
        .execute(&self.catalogue.control)
        .await
        .map_err(database)?;
        Ok(())
    }

    /// Reads all columns, of about `rows_max` rows at most, until then.
    ///
    /// # Errors
    /// `NotFound` if the version is gone.
    pub(super) async fn read_columns(
        &self,
        version: Uuid,
        table: Uuid,
        rows_max: u64,
        until: Instant,
    ) -> Result<Reading> {
        let mut connection = self.queries.acquire().await?;
        let mut snapshot = Snapshot { connection: &mut connection, table, until };
        let read = snapshot.read(version, rows_max).await;
        // It only read: what its end says changes nothing.
        if sqlx::raw_sql("rollback").execute(&mut *connection).await.is_ok() {
            connection.give_back();
        }
        match read {
            Ok(read) => Ok(Reading::Done(Box::new(read))),
            Err(Stop::TooSlow) => Ok(Reading::TooSlow),
            Err(Stop::Error(error)) => Err(error),
        }
    }
}

struct Snapshot<'a> {
    connection: &'a mut PgConnection,
    table: Uuid,
    until: Instant,
}

impl Snapshot<'_> {
    async fn read(&mut self, version: Uuid, rows_max: u64) -> Result<Read, Stop> {
        sqlx::raw_sql(BEGIN).execute(&mut *self.connection).await?;
        let sql = "select revision, row_count, columns from larder.versions where id = $1";
        let shown: Option<Shown> = sqlx::query_as(sql).bind(version).fetch_optional(&mut *self.connection).await?;
        let shown = shown.ok_or(Stop::Error(Error::NotFound { what: "version" }))?;
        let rows = shown.row_count.unsigned_abs();
        let (bytes,): (i64,) = self.one(sql::table_bytes(self.table)).await?;
        let sample = sample(rows_max, rows, bytes.unsigned_abs());
        let batch = batch_columns(rows.min(rows_max));
        let columns = shown.columns.0.into_iter().map(|column| (column, ReadColumn::default())).collect();
        let mut read = Read { revision: shown.revision, rows, sample, rows_read: rows, columns };
        self.read_moments(&mut read).await?;
        for column_type in ColumnType::ALL {
            let of_type = read.columns.iter().enumerate().filter(|(_, (column, _))| column.column_type == column_type);
            let positions: Vec<usize> = of_type.map(|(position, _)| position).collect();
            for positions in positions.chunks(batch) {
                self.read_values(&mut read, column_type, positions).await?;
            }
        }
        Ok(read)
    }

    async fn read_moments(&mut self, read: &mut Read) -> Result<(), Stop> {
        // Of few rows as of many: nothing is grouped.
        for batch in read.columns.chunks_mut(batch_columns(0)).scan(0, |from, batch| {
            *from += batch.len();
            Some((*from - batch.len(), batch))
        }) {
            let (from, batch) = batch;
            let types: Vec<_> = (from..).zip(batch.iter().map(|(column, _)| column.column_type)).collect();
            let moments: Moments = self.one(sql::moments(self.table, read.sample, &types)).await?;
            read.rows_read = moments.rows.unsigned_abs();
            let values = moments.present.into_iter().zip(moments.means).zip(moments.deviations);
            for ((_, column), ((present, mean), deviation)) in batch.iter_mut().zip(values) {
                (column.present, column.mean, column.deviation) = (present.unsigned_abs(), mean, deviation);
            }
        }
        Ok(())
    }

    async fn read_values(&mut self, read: &mut Read, column_type: ColumnType, positions: &[usize]) -> Result<(), Stop> {
        if column_type == ColumnType::Json {
            let kinds: Vec<(i32, String)> = self.all(sql::kinds(self.table, read.sample, positions)).await?;
            let mut kinds: BTreeMap<_, _> = kinds.into_iter().collect();
            for position in positions {
                if let Some((_, column)) = read.columns.get_mut(*position) {
                    column.kinds = i32::try_from(*position).ok().and_then(|k| kinds.remove(&k));
                }
            }
            return Ok(());
        }
        let summaries: Vec<Summary> = self.all(sql::summaries(self.table, read.sample, column_type, positions)).await?;
        for summary in summaries {
            let position = usize::try_from(summary.k).map_err(|error| Stop::Error(Error::internal(error)))?;
            if let Some((_, column)) = read.columns.get_mut(position) {
                column.summary = Some(summary);
            }
        }
        Ok(())
    }

    async fn one<T: for<'r> FromRow<'r, PgRow> + Send + Unpin>(&mut self, statement: String) -> Result<T, Stop> {
        self.all(statement).await?.pop().ok_or_else(|| Stop::Error(Error::internal("a statement gave no row")))
    }

    /// The rows of a statement, which has the time that is left.
    async fn all<T: for<'r> FromRow<'r, PgRow> + Send + Unpin>(&mut self, statement: String) -> Result<Vec<T>, Stop> {
        let left = self.until.saturating_duration_since(Instant::now()).as_millis();
        // No time at all would mean no limit.
        if left == 0 {
            return Err(Stop::TooSlow);
        }
        let limit = "select set_config('statement_timeout', $1, true)";
        sqlx::query(limit).bind(left.to_string()).execute(&mut *self.connection).await?;
        let query = sqlx::query_as(AssertSqlSafe(statement)).persistent(false);
        Ok(query.fetch_all(&mut *self.connection).await?)
    }
}
