//! The audit in Postgres: its rows as they are written.

mod intent;
mod trail;

pub use intent::Intent;
pub use trail::{Audit, Entry, Filter, ReadEntry};

use super::Note;
use crate::{
    auth::{Caller, Origin},
    catalogue::database,
    error::Result,
};
use sqlx::{AssertSqlSafe, PgConnection, Postgres, postgres::PgArguments, query::Query};
use uuid::Uuid;

const COLUMNS: &str = "id, principal_id, principal, token_id, share_id, action, kind, dataset_id, name, outcome, intent, request_id, address, agent, detail, count";
const VALUES: &str = "$1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13::inet, $14, $15, $16";

#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type, serde::Serialize, serde::Deserialize)]
#[sqlx(type_name = "text", rename_all = "lowercase")]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    Begun,
    Done,
    Failed,
    /// The other store's answer was lost: it may have been done.
    Unknown,
    Refused,
}

/// A row as it is written.
#[derive(Debug)]
pub struct Row<'a> {
    pub id: Uuid,
    pub caller: Option<&'a Caller>,
    pub origin: &'a Origin,
    pub note: &'a Note,
    pub outcome: Outcome,
    pub intent: Option<Uuid>,
    pub count: i64,
}

impl<'a> Row<'a> {
    pub fn of(caller: &'a Caller, note: &'a Note, outcome: Outcome) -> Self {
        let (id, origin) = (Uuid::now_v7(), &caller.origin);
        Self { id, caller: Some(caller), origin, note, outcome, intent: None, count: 1 }
    }

    fn bind<'q>(&self, query: Query<'q, Postgres, PgArguments>) -> Query<'q, Postgres, PgArguments> {
        query
            .bind(self.id)
            .bind(self.caller.map(|caller| caller.principal))
            .bind(self.caller.map(|caller| caller.name.clone()))
            .bind(self.origin.token)
            .bind(self.origin.share)
            .bind(self.note.action)
            .bind(self.note.kind)
            .bind(self.note.dataset)
            .bind(self.note.name.clone())
            .bind(self.outcome)
            .bind(self.intent)
            .bind(self.origin.request_id.to_string())
            .bind(self.origin.address.map(|address| address.to_string()))
            .bind(self.origin.agent.as_deref().map(str::to_owned))
            .bind(self.note.detail.clone())
            .bind(self.count)
    }

    pub async fn insert(&self, connection: &mut PgConnection) -> Result<()> {
        let sql = format!("insert into larder.audit ({COLUMNS}) values ({VALUES})");
        self.bind(sqlx::query(AssertSqlSafe(sql))).execute(connection).await.map_err(database)?;
        Ok(())
    }
}

/// Writes down a change, in the transaction that makes it.
pub async fn record(connection: &mut PgConnection, caller: &Caller, note: &Note) -> Result<()> {
    Row::of(caller, note, Outcome::Done).insert(connection).await
}

/// The same for what a lease began, under whose id the first row stands.
pub async fn record_for(connection: &mut PgConnection, caller: &Caller, lease: Uuid, note: &Note) -> Result<()> {
    Row { intent: Some(lease), ..Row::of(caller, note, Outcome::Done) }.insert(connection).await
}

/// Writes down that something begins, by one statement with what makes it so: `and` is an insert whose parameters begin at 17.
pub fn begin_with<'q>(row: &Row<'_>, and: &str) -> Query<'q, Postgres, PgArguments> {
    let sql = format!("with begun as (insert into larder.audit ({COLUMNS}) values ({VALUES})) {and}");
    row.bind(sqlx::query(AssertSqlSafe(sql)))
}

/// An insert of the outcome of everything that a query named `gone` gives up by its `id`, if it was begun: `$OUTCOME` is text of ours.
pub fn close_begun(outcome: &'static str) -> String {
    format!(
        "insert into larder.audit (id, principal_id, principal, token_id, share_id, action, kind, dataset_id, name, outcome, intent, request_id, address, agent)
         select gen_random_uuid(), a.principal_id, a.principal, a.token_id, a.share_id, a.action, a.kind, a.dataset_id, a.name, '{outcome}', a.id, a.request_id, a.address, a.agent
         from gone join larder.audit a on a.id = gone.id and a.outcome = 'begun'"
    )
}
