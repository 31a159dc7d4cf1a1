//! What a dataset is called and who sees it: changes that leave its version, and so its ETag, as they are.

use super::{Catalogue, Dataset, Kind, Patience, Precondition, is_busy, publish::find_by_id, store::database};
use crate::{
    audit::{Note, record},
    auth::{Action, Caller},
    config::Visibility,
    error::{Error, Result},
};
use serde::Deserialize;
use serde_json::json;
use sqlx::PgConnection;
use uuid::Uuid;

const TITLE_CHARS_MAX: usize = 1000;

/// What is not named stays.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatasetChanges {
    pub title: Option<String>,
    pub visibility: Option<Visibility>,
}

impl DatasetChanges {
    pub fn is_empty(&self) -> bool {
        self.title.is_none() && self.visibility.is_none()
    }
}

impl Catalogue {
    /// Makes the changes; the dataset as it then is.
    ///
    /// # Errors
    /// Those of `check_changes`, `NotFound`, `PreconditionFailed`.
    pub async fn describe(
        &self,
        caller: &Caller,
        (kind, name): (Kind, &str),
        changes: &DatasetChanges,
        condition: &Precondition,
    ) -> Result<Dataset> {
        let dataset = self.find(caller, Action::Write, kind, name).await?;
        self.check_changes(caller, &dataset, changes)?;
        self.describe_found(caller, &dataset, changes, condition).await
    }

    /// A title is for whoever may write; who sees the dataset is for its owner and admins to say.
    ///
    /// # Errors
    /// `Forbidden`, `ScopeNeeded`, `Invalid`.
    pub fn check_changes(&self, caller: &Caller, dataset: &Dataset, changes: &DatasetChanges) -> Result<()> {
        if let Some(title) = &changes.title
            && (title.trim().is_empty() || title.chars().count() > TITLE_CHARS_MAX || title.contains('\0'))
        {
            return Err(Error::invalid("title", format!("it has 1 to {TITLE_CHARS_MAX} characters.")));
        }
        let Some(visibility) = changes.visibility.filter(|visibility| *visibility != dataset.visibility) else {
            return Ok(());
        };
        if visibility == Visibility::Public && !self.public_datasets {
            return Err(Error::invalid(
                "visibility",
                "here it can be `team` or `private`: LARDER_PUBLIC_DATASETS is not set.",
            ));
        }
        dataset.require(caller, Action::Admin)
    }

    /// The same of a dataset whose changes were checked.
    pub async fn describe_found(
        &self,
        caller: &Caller,
        dataset: &Dataset,
        changes: &DatasetChanges,
        condition: &Precondition,
    ) -> Result<Dataset> {
        let mut patience = Patience::default();
        loop {
            match self.try_describe(caller, dataset, changes, condition).await {
                Err(error) if is_busy(&error) => patience.pause().await?,
                result => return result,
            }
        }
    }

    async fn try_describe(
        &self,
        caller: &Caller,
        dataset: &Dataset,
        changes: &DatasetChanges,
        condition: &Precondition,
    ) -> Result<Dataset> {
        let mut tx = self.control.begin().await.map_err(database)?;
        let now = self.lock(&mut tx, dataset.kind, dataset.id).await?;
        condition.check(now.version.as_ref().map(super::Version::etag).as_deref())?;
        self.set_described(&mut tx, dataset.id, changes).await?;
        let described = find_by_id(&mut tx, dataset.id).await?;
        let detail = json!({ "title": changes.title, "visibility": changes.visibility });
        record(&mut tx, caller, &Note::of("patch", &described).with(detail)).await?;
        tx.commit().await.map_err(database)?;
        Ok(described)
    }

    /// Under the dataset's lock.
    pub async fn set_described(&self, connection: &mut PgConnection, id: Uuid, changes: &DatasetChanges) -> Result<()> {
        if changes.is_empty() {
            return Ok(());
        }
        let sql = "update larder.datasets set title = coalesce($2, title), visibility = coalesce($3, visibility), updated_at = now() where id = $1";
        let query = sqlx::query(sql).bind(id).bind(&changes.title).bind(changes.visibility);
        query.execute(connection).await.map_err(database)?;
        Ok(())
    }
}
