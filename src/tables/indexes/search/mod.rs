//! Search indexes. They are built behind everybody's back: a version is there before its index is, and is read and changed meanwhile.
//!
//! `create index concurrently` leaves an index of no use where it is broken off. So each try is a row of the catalogue and makes an index of its own name, and what tries
//! have left is taken away later.

mod store;

use self::store::Broken;
use super::{BuiltIndex, State, store::physical};
use crate::{
    audit::{Note, record},
    auth::{Action, Caller},
    catalogue::{
        Build, BuildState, Dataset, Index, IndexKind, Kind, Patience, Progress, database, is_busy, text_positions,
    },
    error::{Error, Result},
    tables::{sql, store::Tables},
};
use serde_json::json;
use std::{sync::Arc, time::Duration};
use uuid::Uuid;

/// Before a building that gave way begins again.
const PAUSE: Duration = Duration::from_secs(1);
const TRIES_MAX: u32 = 8;

/// How a try has ended, if not by a fault of the moment.
#[derive(Debug, PartialEq, Eq)]
enum Ended {
    Ready,
    /// Another change of the table went before, or it is not the current version any more.
    GaveWay,
    /// Postgres cannot build it.
    Failed,
}

impl Tables {
    /// Says that the table is to have a search index; the index, and whether it is now to be built: it is new, or had failed.
    ///
    /// # Errors
    /// `Invalid` for a table without text, `Limit` for one with too many indexes.
    pub async fn want_search(&self, caller: &Caller, name: &str) -> Result<(BuiltIndex, bool)> {
        let dataset = self.catalogue.find(caller, Action::Write, Kind::Table, name).await?;
        let place = physical(&dataset)?;
        if text_positions(place.1).is_empty() {
            return Err(Error::invalid("kind", "the table has no text column to search."));
        }
        let mut patience = Patience::default();
        let (index, new) = loop {
            match self.declare_search(caller, dataset.id).await {
                Err(error) if is_busy(&error) => patience.pause().await?,
                declared => break declared?,
            }
        };
        let built = self.built_search(index, place).await?;
        let again = built.state == State::Failed;
        if again {
            self.catalogue.forget_failed_builds(built.index.id).await?;
        }
        Ok((built, new || again))
    }

    /// The index, and whether it is new.
    async fn declare_search(&self, caller: &Caller, dataset: Uuid) -> Result<(Index, bool)> {
        let mut tx = self.catalogue.control.begin().await.map_err(database)?;
        let now = self.catalogue.lock(&mut tx, Kind::Table, dataset).await?;
        let there = self.catalogue.indexes_in(&mut tx, dataset).await?;
        if let Some(index) = there.iter().find(|index| index.kind == IndexKind::Search) {
            return Ok((index.clone(), false));
        }
        self.check_number(there.len() + 1)?;
        let index = Index::of_words();
        self.catalogue.insert_index(&mut tx, dataset, &index).await?;
        let detail = json!({ "index": index.id, "kind": "search" });
        record(&mut tx, caller, &Note::of("create-index", &now).with(detail)).await?;
        tx.commit().await.map_err(database)?;
        Ok((index, true))
    }

    /// The work of a job: builds the index, or waits until another has. Given up midway, as when the job is cancelled, there is to be none.
    pub async fn build_search(&self, dataset: Uuid, index: Uuid, job: Uuid, progress: Arc<Progress>) -> Result<()> {
        progress.set_received();
        let mut withdrawal = Withdrawal { tables: self.clone(), index: Some(index) };
        let built = self.build_until_ready(dataset, index, job).await;
        withdrawal.index = None;
        built
    }

    async fn build_until_ready(&self, dataset: Uuid, index: Uuid, job: Uuid) -> Result<()> {
        loop {
            self.tend(Some(dataset), Some(job)).await?;
            let now = self.catalogue.find_shared(dataset).await?.ok_or(Error::NotFound { what: "table" })?;
            if !self.catalogue.indexes(dataset).await?.iter().any(|one| one.id == index) {
                return Err(Error::Conflict { detail: "The index was dropped before it was built.".to_owned() });
            }
            let (table, columns) = physical(&now)?;
            match self.catalogue.build_state(index, table, &text_positions(columns)).await? {
                BuildState::Ready(_) => return Ok(()),
                BuildState::Failed => return Err(Error::internal("a search index could not be built")),
                BuildState::Building => tokio::time::sleep(PAUSE).await,
            }
        }
    }

    /// After a change of the table: its search index, if it is to have one, is built in the background.
    pub fn search_soon(&self, dataset: Uuid) {
        let tables = self.clone();
        tokio::spawn(async move {
            let done = match tables.catalogue.indexes(dataset).await {
                Ok(indexes) if indexes.iter().all(|index| index.kind != IndexKind::Search) => Ok(()),
                Ok(_) => tables.tend(Some(dataset), None).await,
                Err(error) => Err(error),
            };
            note(done);
        });
    }

    /// From time to time: takes up what was broken off, and takes away what is of no use. Nothing if this replica builds as much as it may.
    pub fn tend_searches(&self) {
        if self.building.available_permits() > 0 {
            let tables = self.clone();
            tokio::spawn(async move { note(tables.tend(None, None).await) });
        }
    }

    /// Builds what lacks building, of a dataset or of all, and clears up.
    async fn tend(&self, dataset: Option<Uuid>, job: Option<Uuid>) -> Result<()> {
        let _turn = self.building.acquire().await.map_err(Error::internal)?;
        self.catalogue.retire_builds().await?;
        let mut tries = 0;
        while tries < TRIES_MAX
            && let Some(build) = self.catalogue.claim_build(dataset).await?
        {
            if self.build(build, job).await? == Ended::GaveWay {
                tries += 1;
                tokio::time::sleep(PAUSE).await;
            }
        }
        self.clear_builds().await
    }

    async fn build(&self, build: Build, job: Option<Uuid>) -> Result<Ended> {
        let mut running = Running { tables: self.clone(), build: Some(build.clone()) };
        let made = tokio::select! {
            made = self.make(&build) => made,
            () = self.lost(build.id) => Err(Broken::Cancelled),
        };
        let ended = match made {
            Ok(bytes) => {
                self.catalogue.finish_build(build.id, bytes, job).await?;
                Ended::Ready
            }
            Err(Broken::Faulty(error)) => {
                tracing::warn!(?error, build.id = %build.id, "a search index cannot be built");
                note(self.drop_physical_search(build.id).await);
                self.catalogue.fail_build(build.id).await?;
                Ended::Failed
            }
            // `running` gives the try up.
            Err(Broken::Cancelled) => return Ok(Ended::GaveWay),
            Err(Broken::Other(error)) => return Err(error),
        };
        running.build = None;
        Ok(ended)
    }

    /// Ends when the building is to end, because nobody wants it any more.
    async fn lost(&self, build: Uuid) {
        loop {
            tokio::time::sleep(self.lease / 4).await;
            match self.catalogue.renew_build(build).await {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => tracing::warn!(?error, build.id = %build, "a building was not renewed; trying again"),
            }
        }
    }

    /// What an index of the kind has become on a physical table with these columns.
    pub(super) async fn built_search(
        &self,
        mut index: Index,
        (table, columns): (Uuid, &[crate::catalogue::Column]),
    ) -> Result<BuiltIndex> {
        let positions = text_positions(columns);
        index.columns = positions.iter().filter_map(|at| columns.get(*at)).map(|column| column.name.clone()).collect();
        if positions.is_empty() {
            return Ok(BuiltIndex { index, bytes: None, state: State::Missing });
        }
        Ok(match self.catalogue.build_state(index.id, table, &positions).await? {
            BuildState::Building => BuiltIndex { index, bytes: None, state: State::Building },
            BuildState::Failed => BuiltIndex { index, bytes: None, state: State::Failed },
            BuildState::Ready(build) => {
                let bytes = self.bytes_of(sql::search_index_bytes(build)).await?;
                BuiltIndex { index, bytes, state: State::Ready }
            }
        })
    }

    /// The table is to have no search index any more.
    pub(super) async fn drop_search(&self, caller: &Caller, dataset: &Dataset, index: Uuid) -> Result<()> {
        let mut tx = self.catalogue.control.begin().await.map_err(database)?;
        self.catalogue.delete_index(&mut tx, index).await?;
        let detail = json!({ "index": index, "kind": "search" });
        record(&mut tx, caller, &Note::of("drop-index", dataset).with(detail)).await?;
        tx.commit().await.map_err(database)?;
        self.give_way(physical(dataset)?.0).await?;
        self.clear_builds().await
    }

    /// Takes away what tries have left, and indexes that nobody wants.
    async fn clear_builds(&self) -> Result<()> {
        self.catalogue.retire_builds().await?;
        for build in self.catalogue.builds_to_drop().await? {
            match self.drop_physical_search(build).await {
                Ok(()) => self.catalogue.forget_build(build).await?,
                Err(error) => tracing::debug!(?error, build.id = %build, "a search index stays until the next sweep"),
            }
        }
        Ok(())
    }
}

fn note(done: Result<()>) {
    if let Err(error) = done {
        tracing::warn!(?error, "search indexes are left to the next sweep");
    }
}

/// A try whose task ends before it does is given up at once.
struct Running {
    tables: Tables,
    build: Option<Build>,
}

impl Drop for Running {
    fn drop(&mut self) {
        let Some(build) = self.build.take() else { return };
        let tables = self.tables.clone();
        tokio::spawn(async move {
            note(tables.catalogue.drop_build(build.id).await);
            note(tables.give_way(build.table_id).await);
        });
    }
}

/// A job that is cancelled leaves no index behind.
struct Withdrawal {
    tables: Tables,
    index: Option<Uuid>,
}

impl Drop for Withdrawal {
    fn drop(&mut self) {
        let Some(index) = self.index.take() else { return };
        let tables = self.tables.clone();
        tokio::spawn(async move { note(tables.catalogue.withdraw_search(index).await) });
    }
}
