//! Changes of single rows. A change is noted in the transaction that makes it, with a physical table of the rows as they were.
//!
//! **Invariant.** A kept table belongs to one row of `larder.changes`; it becomes garbage with its version, when the change is undone, or after
//! `LARDER_DELETED_DAYS`. The row itself stays as long as its version: it says that the table is no longer what its uploads make of it.

use super::{Catalogue, Dataset, Version, publish, store::database};
use crate::{
    auth::Caller,
    error::{Error, Result},
};
use sqlx::{AssertSqlSafe, FromRow, PgConnection, types::Json};
use time::OffsetDateTime;
use uuid::Uuid;

/// Columns by their positions, which count from 0, and their new values as text that Postgres reads; `None` is NULL.
pub type Assigned = Vec<(usize, Option<String>)>;

#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "lowercase")]
pub enum ChangeKind {
    Update,
    Delete,
}

impl ChangeKind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Update => "update",
            Self::Delete => "delete",
        }
    }
}

/// Rows that were changed or deleted by one request.
#[derive(Debug, Clone, FromRow)]
pub struct Change {
    pub id: Uuid,
    pub kind: ChangeKind,
    pub version_id: Uuid,
    /// What it made of the version.
    pub revision: i64,
    /// Where the rows are kept, if they are.
    pub table_id: Option<Uuid>,
    /// Of the kept rows; the version may have got more since.
    pub column_count: i32,
    pub row_count: i64,
    pub row_min: i64,
    pub row_max: i64,
    pub assigned: Json<Assigned>,
    pub created_by: String,
    pub created_at: OffsetDateTime,
    /// Until when it can be undone.
    pub kept_until: Option<OffsetDateTime>,
    pub undone_at: Option<OffsetDateTime>,
}

/// A change that is about to commit.
#[derive(Debug)]
pub struct NewChange<'a> {
    pub id: Uuid,
    pub kind: ChangeKind,
    pub table_id: Uuid,
    pub column_count: usize,
    pub rows: u64,
    /// The first and the last `_row`.
    pub span: (i64, i64),
    pub assigned: &'a Assigned,
}

/// `$1` is `LARDER_DELETED_DAYS`.
const COLUMNS: &str = "select c.id, c.kind, c.version_id, c.revision, c.table_id, c.column_count, c.row_count, c.row_min, c.row_max, c.assigned, \
     p.name as created_by, c.created_at, c.undone_at, \
     case when c.table_id is not null then c.created_at + make_interval(days => $1) end as kept_until \
     from larder.changes c join larder.versions v on v.id = c.version_id join larder.principals p on p.id = c.created_by";

impl Catalogue {
    /// Notes the change and raises the revision; the dataset as it then is.
    pub async fn record_change(
        &self,
        connection: &mut PgConnection,
        caller: &Caller,
        (dataset, version): (Uuid, &Version),
        new: &NewChange<'_>,
    ) -> Result<Dataset> {
        let rows = i64::try_from(new.rows).map_err(Error::internal)?;
        sqlx::query(
            "insert into larder.changes (id, version_id, kind, revision, table_id, column_count, row_count, row_min, row_max, assigned, created_by)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        )
        .bind(new.id)
        .bind(version.id)
        .bind(new.kind)
        .bind(version.revision.saturating_add(1))
        .bind(new.table_id)
        .bind(i32::try_from(new.column_count).map_err(Error::internal)?)
        .bind(rows)
        .bind(new.span.0)
        .bind(new.span.1)
        .bind(Json(new.assigned))
        .bind(caller.principal)
        .execute(&mut *connection)
        .await
        .map_err(database)?;
        let more = if new.kind == ChangeKind::Delete { -rows } else { 0 };
        raise_revision(connection, dataset, version.id, more).await
    }

    /// Notes that the rows are back as they were; the dataset as it then is.
    pub async fn record_undo(
        &self,
        connection: &mut PgConnection,
        caller: &Caller,
        dataset: Uuid,
        change: &Change,
    ) -> Result<Dataset> {
        sqlx::query("update larder.changes set table_id = null, undone_at = now(), undone_by = $2 where id = $1")
            .bind(change.id)
            .bind(caller.principal)
            .execute(&mut *connection)
            .await
            .map_err(database)?;
        self.discard(connection, None, change.table_id).await?;
        let more = if change.kind == ChangeKind::Delete { change.row_count } else { 0 };
        raise_revision(connection, dataset, change.version_id, more).await
    }

    /// The changes of a version, newest first, older than `before`.
    pub async fn changes(&self, version: Uuid, before: Option<Uuid>, limit: u64) -> Result<Vec<Change>> {
        let sql = format!(
            "{COLUMNS} where c.version_id = $2 and ($3::uuid is null or c.id < $3) order by c.id desc limit $4"
        );
        let query = sqlx::query_as(AssertSqlSafe(sql)).bind(self.deleted_days()).bind(version).bind(before);
        query.bind(i64::try_from(limit).unwrap_or(i64::MAX)).fetch_all(&self.control).await.map_err(database)
    }

    /// Locks it until the transaction ends, so that no sweep takes its rows.
    pub async fn change(&self, connection: &mut PgConnection, dataset: Uuid, id: Uuid) -> Result<Change> {
        let sql = format!("{COLUMNS} where v.dataset_id = $2 and c.id = $3 for update of c");
        let query = sqlx::query_as(AssertSqlSafe(sql)).bind(self.deleted_days()).bind(dataset).bind(id);
        query.fetch_optional(connection).await.map_err(database)?.ok_or(Error::NotFound { what: "change" })
    }

    /// Later changes of the same version whose rows are kept and may be the same, newest first.
    pub async fn changes_behind(&self, connection: &mut PgConnection, change: &Change) -> Result<Vec<Change>> {
        let sql = format!(
            "{COLUMNS} where c.version_id = $2 and c.revision > $3 and c.table_id is not null and c.row_min <= $4 and c.row_max >= $5 order by c.revision desc"
        );
        let query = sqlx::query_as(AssertSqlSafe(sql)).bind(self.deleted_days()).bind(change.version_id);
        query
            .bind(change.revision)
            .bind(change.row_max)
            .bind(change.row_min)
            .fetch_all(connection)
            .await
            .map_err(database)
    }

    /// Whether rows of the version differ from what its uploads make of them.
    pub async fn is_changed(&self, version: Uuid) -> Result<bool> {
        let sql = "select exists (select from larder.changes where version_id = $1 and undone_at is null)";
        sqlx::query_scalar(sql).bind(version).fetch_one(&self.control).await.map_err(database)
    }

    /// The largest `_row` of those that were changed or deleted, so that none is given to another row; 0 if there are none.
    pub async fn last_changed_row(&self, connection: &mut PgConnection, version: Uuid) -> Result<u64> {
        let sql = "select coalesce(max(row_max), 0) from larder.changes where version_id = $1";
        let last: i64 = sqlx::query_scalar(sql).bind(version).fetch_one(connection).await.map_err(database)?;
        Ok(last.unsigned_abs())
    }

    /// Rows that were kept for long enough become garbage.
    pub async fn expire_changes(&self) -> Result<()> {
        sqlx::query(
            "with old as (select id, table_id from larder.changes where table_id is not null and created_at < now() - make_interval(days => $1) for update skip locked),
             gone as (update larder.changes c set table_id = null from old where c.id = old.id returning old.table_id)
             insert into larder.garbage (id, table_id, due_at) select gen_random_uuid(), table_id, now() + make_interval(secs => $2) from gone",
        )
        .bind(self.deleted_days())
        .bind(self.garbage_seconds())
        .execute(&self.control)
        .await
        .map_err(database)?;
        Ok(())
    }
}

async fn raise_revision(connection: &mut PgConnection, dataset: Uuid, version: Uuid, more: i64) -> Result<Dataset> {
    sqlx::query("update larder.versions set revision = revision + 1, row_count = row_count + $2 where id = $1")
        .bind(version)
        .bind(more)
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
