//! The copy, in one transaction under the dataset's lock: a crash leaves all of it or nothing.

use crate::{
    catalogue::{IndexKind, Kind, database},
    error::Result,
    tables::{
        indexes::{Refusal, build, physical, run},
        query::position,
        sql::{self, Insertion},
        store::Tables,
    },
};
use uuid::Uuid;

impl Tables {
    /// Makes the current version of a dataset one that may change, if it is pinned. The copy has its ETag: nobody's `If-Match` is to fail for what did not change.
    ///
    /// # Errors
    /// `Busy` if somebody else has the lock.
    pub(in crate::tables) async fn fork(&self, dataset: Uuid) -> Result<(), Refusal> {
        let mut tx = self.loads.begin().await.map_err(database)?;
        let now = self.catalogue.lock(&mut tx, Kind::Table, dataset).await?;
        if !now.current()?.pinned {
            return Ok(());
        }
        let (table, columns) = physical(&now)?;
        let copy = Uuid::now_v7();
        let types: Vec<_> = columns.iter().map(|column| column.column_type).collect();
        run(&mut tx, sql::create_table(copy, &types)).await?;
        let all: Vec<usize> = (0..columns.len()).collect();
        run(&mut tx, sql::insert(&Insertion { table: copy, staging: table, columns: &all, base: 0 })).await?;
        run(&mut tx, sql::add_primary_key(copy)).await?;
        for index in self.catalogue.indexes_in(&mut tx, dataset).await? {
            if index.kind == IndexKind::Btree {
                let positions = index.columns.iter().map(|name| position("columns", columns, name));
                build(&mut tx, &index, copy, &positions.collect::<Result<Vec<_>>>()?).await?;
            }
        }
        run(&mut tx, sql::analyze(copy, columns.len())).await?;
        self.catalogue.fork(&mut tx, &now, copy).await?;
        tx.commit().await.map_err(database)?;
        self.search_soon(dataset);
        Ok(())
    }
}
