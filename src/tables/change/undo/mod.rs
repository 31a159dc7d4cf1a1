//! Rows of a change, back as they were. Changes of the same rows come back from the last to the first.

mod store;

use super::store::unexpected;
use crate::{
    auth::{Action, Caller},
    catalogue::{Change, Dataset, Kind, Precondition},
    error::{Error, Result},
    tables::store::Tables,
};
use uuid::Uuid;

impl Tables {
    /// Brings the rows of a change back, in a new revision; the table as it then is. A change that was undone already stays so.
    ///
    /// # Errors
    /// `NotFound`, `PreconditionFailed`, `Gone` once the rows are no longer kept; `Conflict` if the table was replaced, or something touched the rows
    /// later; `DuplicateKey` if other rows bear their keys now.
    pub async fn undo_change(
        &self,
        caller: &Caller,
        name: &str,
        id: Uuid,
        condition: &Precondition,
    ) -> Result<Dataset> {
        let dataset = self.catalogue.find(caller, Action::Write, Kind::Table, name).await?;
        self.commit_undo(caller, dataset.id, id, condition).await
    }
}

fn replaced() -> Error {
    let detail = "The table was replaced after this change, which belongs to an older version of it.".to_owned();
    Error::Conflict { detail }
}

fn expired() -> Error {
    let detail = "The rows of before this change are no longer kept (LARDER_DELETED_DAYS).".to_owned();
    Error::Gone { detail }
}

fn in_the_way(later: &Change) -> Error {
    let detail = format!(
        "Some of these rows were changed again, by the {} {} of revision {}: undo that first.",
        later.kind.as_str(),
        later.id,
        later.revision
    );
    Error::Conflict { detail }
}

fn merged(rows: u64) -> Error {
    let detail = format!(
        "{rows} of these rows have other values now than the change gave them: rows were merged into them later, which cannot be undone."
    );
    Error::Conflict { detail }
}
