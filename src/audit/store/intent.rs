//! Writes to other stores, between the row that they begin and the one that says what became of them.

use super::{COLUMNS, Outcome, Row, VALUES};
use crate::{
    audit::Note,
    auth::Caller,
    catalogue::{Catalogue, database},
    error::{Error, Result},
};
use serde_json::json;
use sqlx::{AssertSqlSafe, PgPool};
use std::future::Future;
use uuid::Uuid;

/// A write to another store that has begun. Dropped without an end, its outcome is unknown.
#[derive(Debug)]
pub struct Intent {
    control: PgPool,
    caller: Caller,
    note: Note,
    id: Uuid,
    ended: bool,
}

impl Intent {
    /// Durable once this is done.
    async fn begin(catalogue: &Catalogue, caller: &Caller, note: Note) -> Result<Self> {
        let row = Row::of(caller, &note, Outcome::Begun);
        let id = row.id;
        row.insert(&mut *catalogue.control.acquire().await.map_err(database)?).await?;
        Ok(Self { control: catalogue.control.clone(), caller: caller.clone(), note, id, ended: false })
    }

    /// Runs `work` between a row that says that it begins and one that says what became of it.
    ///
    /// # Errors
    /// Those of `work`; and if the first row cannot be written, in which case nothing was done. The second one is not waited for on the disk: it may be lost, as
    /// the answer may.
    pub async fn around<T>(
        catalogue: &Catalogue,
        caller: &Caller,
        note: Note,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let mut intent = Self::begin(catalogue, caller, note).await?;
        let done = work.await;
        let (outcome, detail) = match &done {
            Ok(_) => (Outcome::Done, json!({})),
            Err(Error::Store { .. } | Error::Internal(_)) => (Outcome::Unknown, json!({})),
            Err(error) => (Outcome::Failed, json!({ "error": error.to_string() })),
        };
        intent.note.detail = detail;
        intent.ended = true;
        if let Err(error) = end(&intent.control, &intent.caller, &intent.note, (intent.id, outcome)).await {
            tracing::warn!(audit.id = %intent.id, ?error, "what became of a write was not written down");
        }
        done
    }
}

/// Seen by all at once, and on the disk a moment later.
async fn end(control: &PgPool, caller: &Caller, note: &Note, (intent, outcome): (Uuid, Outcome)) -> Result<()> {
    let sql = format!(
        "insert into larder.audit ({COLUMNS}) select {VALUES} from (select set_config('synchronous_commit', 'off', true)) as later"
    );
    let row = Row { intent: Some(intent), ..Row::of(caller, note, outcome) };
    row.bind(sqlx::query(AssertSqlSafe(sql))).execute(control).await.map_err(database)?;
    Ok(())
}

impl Drop for Intent {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        let (control, caller, note, id) = (self.control.clone(), self.caller.clone(), self.note.clone(), self.id);
        tokio::spawn(async move {
            if let Err(error) = end(&control, &caller, &note, (id, Outcome::Unknown)).await {
                tracing::warn!(audit.id = %id, ?error, "what became of a write was not written down");
            }
        });
    }
}
