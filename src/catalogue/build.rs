//! Search indexes being built: who builds which, and what has become of it.
//!
//! **Invariant.** What is to be built follows from the current versions alone: of each table with a search index, the one whose text columns have no building that is
//! ready or has failed. So whatever makes a version need not ask for it, and a building whose process is gone is begun anew.

use super::{Catalogue, job::finish_job, store::database};
use crate::error::{Error, Result};
use sqlx::{AssertSqlSafe, FromRow};
use uuid::Uuid;

/// The right to build, held as long as its lease is renewed.
#[derive(Debug, Clone, FromRow)]
pub struct Build {
    pub id: Uuid,
    pub index_id: Uuid,
    pub table_id: Uuid,
    columns: Vec<i32>,
}

impl Build {
    /// Positions of the columns that it covers.
    pub fn columns(&self) -> Vec<usize> {
        self.columns.iter().filter_map(|position| usize::try_from(*position).ok()).collect()
    }
}

/// What has become of a search index on one physical table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BuildState {
    /// Or about to be built.
    Building,
    /// Of this id.
    Ready(Uuid),
    Failed,
}

/// The current version of each table with a search index, `v`, and its text columns.
const WANTED: &str = "larder.indexes i
     join larder.datasets d on d.id = i.dataset_id and d.deleted_at is null
     join larder.versions v on v.id = d.current and v.table_id is not null
     cross join lateral (select array_agg((n - 1)::int order by n) as columns
                         from jsonb_array_elements(v.columns) with ordinality as c (value, n) where c.value ->> 'type' = 'text') as text";

impl Catalogue {
    /// Takes one index that lacks its building, of the dataset or of any.
    pub async fn claim_build(&self, dataset: Option<Uuid>) -> Result<Option<Build>> {
        let sql = format!(
            "insert into larder.search_builds (id, index_id, table_id, columns, state, lease_until)
             select $1, i.id, v.table_id, text.columns, 'building', now() + $2 from {WANTED}
             where i.kind = 'search' and ($3::uuid is null or i.dataset_id = $3) and text.columns is not null and not exists (
                 select from larder.search_builds b where b.index_id = i.id and b.table_id = v.table_id
                 and (b.state = 'building' or b.state in ('ready', 'failed') and b.columns = text.columns))
             order by i.id limit 1 on conflict do nothing returning id, index_id, table_id, columns"
        );
        let claimed = sqlx::query_as(AssertSqlSafe(sql)).bind(Uuid::now_v7()).bind(self.times.lease()).bind(dataset);
        claimed.fetch_optional(&self.control).await.map_err(database)
    }

    /// A whole lease from now; false if the building is of no use any more, or is to give way.
    pub async fn renew_build(&self, id: Uuid) -> Result<bool> {
        let sql = format!(
            "update larder.search_builds b set lease_until = now() + $2 where b.id = $1 and b.state = 'building'
             and exists (select from {WANTED} where i.id = b.index_id and v.table_id = b.table_id and text.columns = b.columns)"
        );
        let renewed = sqlx::query(AssertSqlSafe(sql)).bind(id).bind(self.times.lease()).execute(&self.control).await;
        Ok(renewed.map_err(database)?.rows_affected() > 0)
    }

    /// It is built: its job ends with it.
    pub async fn finish_build(&self, id: Uuid, bytes: u64, job: Option<Uuid>) -> Result<()> {
        let mut tx = self.control.begin().await.map_err(database)?;
        let sql = "update larder.search_builds set state = 'ready' where id = $1 and state = 'building'";
        if sqlx::query(sql).bind(id).execute(&mut *tx).await.map_err(database)?.rows_affected() == 0 {
            return Err(Error::LeaseLost);
        }
        if let Some(job) = job {
            finish_job(&mut tx, job, None, bytes).await?;
        }
        tx.commit().await.map_err(database)
    }

    /// Of no use, or of none yet: what it has made goes, and another may begin.
    pub async fn drop_build(&self, id: Uuid) -> Result<()> {
        self.set_builds("update larder.search_builds set state = 'dropped' where id = $1", id).await
    }

    /// It cannot be built on this table; another version may do.
    pub async fn fail_build(&self, id: Uuid) -> Result<()> {
        let sql = "update larder.search_builds set state = 'failed' where id = $1 and state = 'building'";
        self.set_builds(sql, id).await
    }

    /// Buildings of an index that have failed are tried again.
    pub async fn forget_failed_builds(&self, index: Uuid) -> Result<()> {
        let sql = "update larder.search_builds set state = 'dropped' where index_id = $1 and state = 'failed'";
        self.set_builds(sql, index).await
    }

    /// Those that are under way on a physical table end, so that it can be changed.
    pub async fn drop_builds_on(&self, table: Uuid) -> Result<()> {
        let sql = "update larder.search_builds set state = 'dropped' where table_id = $1 and state = 'building'";
        self.set_builds(sql, table).await
    }

    async fn set_builds(&self, sql: &'static str, id: Uuid) -> Result<()> {
        sqlx::query(sql).bind(id).execute(&self.control).await.map_err(database)?;
        Ok(())
    }

    /// Gives up what has expired, is of an index or a version that is gone, or is followed by another that is ready.
    pub async fn retire_builds(&self) -> Result<()> {
        sqlx::query(
            "update larder.search_builds b set state = 'dropped' where b.state = 'building' and b.lease_until < now()
             or b.state in ('ready', 'failed') and (
                 not exists (select from larder.indexes i where i.id = b.index_id)
                 or not exists (select from larder.versions v where v.table_id = b.table_id)
                 or exists (select from larder.search_builds n where n.index_id = b.index_id and n.table_id = b.table_id and n.state = 'ready' and n.id > b.id))",
        )
        .execute(&self.control)
        .await
        .map_err(database)
        .map(|_| ())
    }

    /// Those given up, whose indexes are to be taken away.
    pub async fn builds_to_drop(&self) -> Result<Vec<Uuid>> {
        let dropped = sqlx::query_scalar("select id from larder.search_builds where state = 'dropped' order by id");
        dropped.fetch_all(&self.control).await.map_err(database)
    }

    /// What it had made is gone.
    pub async fn forget_build(&self, id: Uuid) -> Result<()> {
        self.set_builds("delete from larder.search_builds where id = $1 and state = 'dropped'", id).await
    }

    /// Of an index on a physical table whose text columns these are.
    pub async fn build_state(&self, index: Uuid, table: Uuid, columns: &[usize]) -> Result<BuildState> {
        let ended: Option<(Uuid, bool)> = sqlx::query_as(
            "select id, state = 'ready' from larder.search_builds where index_id = $1 and table_id = $2 and columns = $3 and state in ('ready', 'failed')
             order by state = 'ready' desc, id desc limit 1",
        )
        .bind(index)
        .bind(table)
        .bind(positions(columns)?)
        .fetch_optional(&self.control)
        .await
        .map_err(database)?;
        Ok(match ended {
            None => BuildState::Building,
            Some((id, true)) => BuildState::Ready(id),
            Some((_, false)) => BuildState::Failed,
        })
    }

    /// Whether a search of these columns of a physical table has an index.
    pub async fn is_searchable(&self, table: Uuid, columns: &[usize]) -> Result<bool> {
        let sql =
            "select exists (select from larder.search_builds where table_id = $1 and columns = $2 and state = 'ready')";
        let found = sqlx::query_scalar(sql).bind(table).bind(positions(columns)?);
        found.fetch_one(&self.control).await.map_err(database)
    }

    /// A table is to have no search index any more; what was built goes by and by.
    pub async fn withdraw_search(&self, index: Uuid) -> Result<()> {
        self.set_builds("delete from larder.indexes where id = $1 and kind = 'search'", index).await
    }
}

fn positions(columns: &[usize]) -> Result<Vec<i32>> {
    columns.iter().map(|position| i32::try_from(*position)).collect::<Result<_, _>>().map_err(Error::internal)
}
