//! Writes of documents, between the row that they begin and the one that says what became of them. Both count them, so that a reader can tell that none has begun since.

use super::{COLUMNS, Outcome, Row, VALUES, begin_with};
use crate::{
    audit::{Note, without_nul},
    auth::Caller,
    catalogue::{Catalogue, Dataset, database},
    error::{Error, Result},
};
use serde_json::json;
use sqlx::{AssertSqlSafe, PgPool};
use std::future::Future;
use uuid::Uuid;

const BEGUN: &str =
    "insert into larder.document_writes as w (collection_id, bucket, begun) values ($8, larder.document_bucket($17), 1)
     on conflict (collection_id, bucket) do update set begun = w.begun + 1, at = now()";

/// A write of a document that has begun. Dropped without an end, its outcome is unknown.
#[derive(Debug)]
pub struct Intent {
    control: PgPool,
    caller: Caller,
    note: Note,
    document: String,
    id: Uuid,
    ended: bool,
}

impl Intent {
    /// Durable once this is done.
    async fn begin(catalogue: &Catalogue, caller: &Caller, note: Note, document: &str) -> Result<Self> {
        let row = Row::of(caller, &note, Outcome::Begun);
        let id = row.id;
        begin_with(&row, BEGUN).bind(document).execute(&catalogue.control).await.map_err(database)?;
        let (control, caller, document) = (catalogue.control.clone(), caller.clone(), document.to_owned());
        Ok(Self { control, caller, note, document, id, ended: false })
    }

    /// Runs `work`, which does an action with a document of a collection, between a row that says that it begins and one that says what became of it.
    ///
    /// # Errors
    /// Those of `work`; and if the first row cannot be written, in which case nothing was done. The second one is not waited for on the disk: it may be lost, as
    /// the answer may.
    pub async fn around<T>(
        catalogue: &Catalogue,
        caller: &Caller,
        (action, collection, document): (&'static str, &Dataset, &str),
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let name = format!("{}/{document}", collection.name);
        let note = Note { dataset: Some(collection.id), ..Note::new(action, "document", name) };
        let mut intent = Self::begin(catalogue, caller, note, document).await?;
        let done = work.await;
        let (outcome, detail) = match &done {
            Ok(_) => (Outcome::Done, json!({})),
            Err(Error::Store { .. } | Error::Internal(_)) => (Outcome::Unknown, json!({})),
            Err(error) => (Outcome::Failed, json!({ "error": without_nul(&error.to_string()) })),
        };
        intent.note.detail = detail;
        intent.ended = true;
        intent.end(outcome).await;
        done
    }

    /// Seen by all at once, and on the disk a moment later.
    async fn end(&self, outcome: Outcome) {
        // Of one that may yet be applied it is not known whether it has ended.
        let sql = format!(
            "with later as (select set_config('synchronous_commit', 'off', true)), ended as (
                 update larder.document_writes set ended = ended + 1
                 where $10 <> 'unknown' and collection_id = $8 and bucket = larder.document_bucket($17)
             ) insert into larder.audit ({COLUMNS}) select {VALUES} from later"
        );
        let row = Row { intent: Some(self.id), ..Row::of(&self.caller, &self.note, outcome) };
        let end = row.bind(sqlx::query(AssertSqlSafe(sql))).bind(&self.document);
        if let Err(error) = end.execute(&self.control).await {
            tracing::warn!(audit.id = %self.id, ?error, "what became of a write was not written down");
        }
    }
}

impl Drop for Intent {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        let (control, caller, note) = (self.control.clone(), self.caller.clone(), self.note.clone());
        let lost = Self { control, caller, note, document: self.document.clone(), id: self.id, ended: true };
        tokio::spawn(async move { lost.end(Outcome::Unknown).await });
    }
}
