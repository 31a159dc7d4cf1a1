//! Collections: their row is committed before their first document.

use super::{Catalogue, Dataset, Kind, publish::find_by_id, store::database};
use crate::{
    audit::{Note, record},
    auth::{Action, Caller},
    error::{Error, Result},
};
use uuid::Uuid;

impl Catalogue {
    /// The collection of that name, made if there is none: it is committed before its first document.
    pub async fn find_or_create_collection(&self, caller: &Caller, name: &str) -> Result<Dataset> {
        super::table_name(name)?;
        caller.require(Action::Write, Kind::Collection, name)?;
        let found =
            self.one("where d.kind = $1 and d.name = $2 and d.deleted_at is null", (Kind::Collection, name)).await?;
        let found = match found {
            Some(found) => Some(found),
            None => {
                self.create_collection(caller, name).await?;
                self.one("where d.kind = $1 and d.name = $2 and d.deleted_at is null", (Kind::Collection, name)).await?
            }
        };
        let collection = found.ok_or_else(|| Error::Conflict {
            detail: format!("The collection `{name}` was deleted at this moment."),
        })?;
        if collection.visible_to(caller) {
            Ok(collection)
        } else {
            Err(Error::NameTakenUnseen { name: name.to_owned(), dataset: collection.id })
        }
    }

    /// Nothing if another was faster.
    async fn create_collection(&self, caller: &Caller, name: &str) -> Result<()> {
        let mut tx = self.control.begin().await.map_err(database)?;
        let id = Uuid::now_v7();
        let created = sqlx::query(
            "insert into larder.datasets (id, kind, name, title, owner, visibility, shards) values ($1, 'collection', $2, $2, $3, $4, $5)
             on conflict (kind, name) where deleted_at is null do nothing",
        )
        .bind(id)
        .bind(name)
        .bind(caller.principal)
        .bind(self.visibility)
        .bind(i32::try_from(self.collection_shards).map_err(Error::internal)?)
        .execute(&mut *tx)
        .await
        .map_err(database)?;
        if created.rows_affected() > 0 {
            let note = Note { dataset: Some(id), ..Note::new("create", Kind::Collection.as_str(), name) };
            record(&mut tx, caller, &note).await?;
            let created = find_by_id(&mut tx, id).await?;
            self.check_quota(&mut tx, &created, true).await?;
        }
        tx.commit().await.map_err(database)
    }

    /// No write lasts a day: one that has not ended by then does not keep what it is counted with from being remembered any more.
    pub async fn settle_documents(&self) -> Result<()> {
        let sql =
            "update larder.document_writes set ended = begun where ended <> begun and at < now() - interval '1 day'";
        sqlx::query(sql).execute(&self.control).await.map_err(database)?;
        Ok(())
    }
}
