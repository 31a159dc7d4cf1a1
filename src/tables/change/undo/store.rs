//! The transaction of an undo.

use super::{expired, in_the_way, merged, replaced, unexpected};
use crate::{
    audit::{Note, record},
    auth::Caller,
    catalogue::{Change, ChangeKind, ColumnType, Dataset, Kind, Patience, Precondition, database},
    error::{Error, Result},
    tables::{
        fetch::bound,
        indexes::{Refusal, physical},
        sql,
        store::Tables,
    },
};
use serde_json::json;
use sqlx::{AssertSqlSafe, PgConnection};
use uuid::Uuid;

impl Tables {
    pub(super) async fn commit_undo(
        &self,
        caller: &Caller,
        dataset: Uuid,
        id: Uuid,
        condition: &Precondition,
    ) -> Result<Dataset> {
        let mut patience = Patience::default();
        loop {
            match self.try_undo(caller, dataset, id, condition).await {
                Ok(dataset) => return Ok(dataset),
                Err(Refusal::Busy) => patience.pause().await?,
                Err(refusal) => return Err(unexpected(refusal)),
            }
        }
    }

    async fn try_undo(
        &self,
        caller: &Caller,
        dataset: Uuid,
        id: Uuid,
        condition: &Precondition,
    ) -> Result<Dataset, Refusal> {
        let mut tx = self.loads.begin().await.map_err(database)?;
        let now = self.catalogue.lock(&mut tx, Kind::Table, dataset).await?;
        let change = self.catalogue.change(&mut tx, dataset, id).await?;
        if change.undone_at.is_some() {
            return Ok(now);
        }
        let version = now.current()?;
        condition.check(Some(&version.etag()))?;
        if version.pinned {
            tx.rollback().await.map_err(database)?;
            self.fork(dataset).await?;
            return Err(Refusal::Busy);
        }
        if change.version_id != version.id {
            return Err(replaced().into());
        }
        let kept = change.table_id.ok_or_else(expired)?;
        let (table, columns) = physical(&now)?;
        // The columns of then are the first of those of now.
        let types = columns.iter().map(|column| column.column_type);
        let types: Vec<ColumnType> = types.take(usize::try_from(change.column_count).unwrap_or_default()).collect();
        self.bound_time(&mut tx).await?;
        let done = self.bring_back(&mut tx, &change, (table, kept), &types).await;
        if let Err(refusal) = done {
            tx.rollback().await.map_err(database)?;
            return Err(self.explain_edit(refusal, dataset, table).await);
        }
        let after = self.catalogue.record_undo(&mut tx, caller, dataset, &change).await?;
        record(&mut tx, caller, &Note::of("undo", &now).with(json!({ "change": id }))).await?;
        tx.commit().await.map_err(database)?;
        Ok(after)
    }

    async fn bring_back(
        &self,
        connection: &mut PgConnection,
        change: &Change,
        (table, kept): (Uuid, Uuid),
        types: &[ColumnType],
    ) -> Result<(), Refusal> {
        for later in self.catalogue.changes_behind(connection, change).await? {
            let Some(other) = later.table_id else { continue };
            let query = sqlx::query_scalar(AssertSqlSafe(sql::shares_rows(kept, other)));
            if query.fetch_one(&mut *connection).await.map_err(|error| self.timed(error))? {
                return Err(in_the_way(&later).into());
            }
        }
        let restored = match change.kind {
            ChangeKind::Delete => self.run_plain(connection, sql::put_back(table, kept, types.len())).await?,
            ChangeKind::Update => {
                let touched = bound(&sql::touched(table, kept, &change.assigned, types)).persistent(false);
                let touched = touched.fetch_one(&mut *connection).await.map_err(|error| self.timed(error))?;
                let touched: i64 = sqlx::Row::try_get(&touched, 0)?;
                if touched > 0 {
                    return Err(merged(touched.unsigned_abs()).into());
                }
                self.run_plain(connection, sql::take_back(table, kept, &change.assigned)).await?
            }
        };
        match restored == change.row_count.unsigned_abs() {
            true => Ok(()),
            false => Err(Error::internal(format!("{restored} of {} rows came back", change.row_count)).into()),
        }
    }
}
