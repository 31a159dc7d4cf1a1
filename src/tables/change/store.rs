//! The transaction of a change.

use super::{ChangedRows, RowChange, RowEdit, query, values::assigned};
use crate::{
    audit::{Note, record},
    auth::Caller,
    catalogue::{Assigned, ChangeKind, ColumnType, Dataset, KeptAnswer, Kind, NewChange, Patience, database},
    error::{Error, Limit, Result},
    tables::{
        export::{Export, RowEncoder},
        fetch::{bound, cells},
        indexes::{Refusal, physical, run},
        query::RowQuery,
        rows::CHUNK_BYTES,
        spool::Spool,
        sql::{self, Statement},
        store::Tables,
    },
};
use bytes::Bytes;
use futures::TryStreamExt;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, PgConnection, error::DatabaseError};
use uuid::Uuid;

/// Of rows that are returned to a request with an `Idempotency-Key`: they are kept with its answer.
const KEPT_BODY_BYTES_MAX: u64 = 1 << 20;

/// What the rows become.
enum Edit {
    Update(Assigned),
    Delete,
}

/// The table that is changed, locked, and what is asked of it.
struct Target<'a> {
    table: Uuid,
    /// Where the rows are kept as they were.
    kept: Uuid,
    types: Vec<ColumnType>,
    query: RowQuery,
    /// The same of all rows that are kept.
    output: RowQuery,
    change: &'a RowChange,
}

/// What was done to the physical table.
struct Done {
    rows: u64,
    /// The first and the last `_row`, if there are any rows.
    span: Option<(i64, i64)>,
    body: Option<Spool>,
}

impl Tables {
    pub(super) async fn commit_rows(&self, caller: &Caller, dataset: Uuid, change: &RowChange) -> Result<ChangedRows> {
        let mut patience = Patience::default();
        loop {
            match self.try_change_rows(caller, dataset, change).await {
                Ok(changed) => return Ok(changed),
                Err(Refusal::Busy) => patience.pause().await?,
                Err(refusal) => return Err(unexpected(refusal)),
            }
        }
    }

    async fn try_change_rows(
        &self,
        caller: &Caller,
        dataset: Uuid,
        change: &RowChange,
    ) -> Result<ChangedRows, Refusal> {
        let mut tx = self.loads.begin().await.map_err(database)?;
        let now = self.catalogue.lock(&mut tx, Kind::Table, dataset).await?;
        if let Some((key, fingerprint)) = &change.idempotency {
            // Its answer follows in the same transaction.
            let claimed = KeptAnswer { fingerprint: fingerprint.clone(), answer: Value::Null };
            if let Some(found) = claimed.keep_or_find(&mut tx, caller, key).await? {
                return Ok(self.replay(&found.answer).await?);
            }
        }
        let version = now.current()?;
        change.condition.check(Some(&version.etag()))?;
        if version.pinned && !change.rehearse {
            tx.rollback().await.map_err(database)?;
            self.fork(dataset).await?;
            return Err(Refusal::Busy);
        }
        let target = Target::new(&now, change)?;
        let edit = match &change.edit {
            RowEdit::Update(body) => Edit::Update(assigned(body, &version.columns, self.limits.cell_bytes_max)?),
            RowEdit::Delete => Edit::Delete,
        };
        self.bound_time(&mut tx).await?;
        let done = match self.edit(&mut tx, &target, &edit).await {
            Ok(done) => done,
            Err(refusal) => {
                tx.rollback().await.map_err(database)?;
                return Err(self.explain_edit(refusal, dataset, target.table).await);
            }
        };
        let mut answer =
            ChangedRows { etag: version.etag(), change: None, rows: done.rows, body: done.body, replayed: false };
        if change.rehearse {
            tx.rollback().await.map_err(database)?;
            return Ok(answer);
        }
        if let Some(span) = done.span {
            let (after, id) = self.note(&mut tx, caller, (&now, &target), &edit, (done.rows, span)).await?;
            (answer.etag, answer.change) = (after.current()?.etag(), Some(id));
        }
        if let Some((key, fingerprint)) = &change.idempotency {
            let kept = KeptAnswer { fingerprint: fingerprint.clone(), answer: self.keep_answer(&mut answer).await? };
            self.catalogue.answer_key(&mut tx, caller, key, Uuid::nil(), &kept).await?;
        }
        tx.commit().await.map_err(database)?;
        Ok(answer)
    }

    /// From here on, statements may take as long as a query.
    pub(super) async fn bound_time(&self, connection: &mut PgConnection) -> Result<(), Refusal> {
        run(connection, format!("select set_config('statement_timeout', '{}s', true)", self.query_seconds)).await
    }

    async fn edit(&self, connection: &mut PgConnection, target: &Target<'_>, edit: &Edit) -> Result<Done, Refusal> {
        let (table, kept) = (target.table, target.kept);
        run(connection, sql::create_table(kept, &target.types)).await?;
        let keep = sql::keep(table, kept, target.types.len(), &target.query);
        let found = bound(&keep).persistent(false).execute(&mut *connection).await;
        let rows = found.map_err(|error| self.query_error(error))?.rows_affected();
        if let Some(max) = target.change.affected_max.filter(|max| rows > *max) {
            return Err(Error::TooManyAffected { rows, max }.into());
        }
        run(connection, sql::add_primary_key(kept)).await?;
        let (affected, body) = match edit {
            Edit::Update(assigned) => {
                let affected = self.run_bound(connection, &sql::update(table, kept, assigned, &target.types)).await?;
                (affected, self.returned(connection, target, &sql::changed_rows(table, kept, &target.output)).await?)
            }
            Edit::Delete => {
                let body = self.returned(connection, target, &sql::rows(kept, &target.output)).await?;
                (self.run_plain(connection, sql::delete(table, kept)).await?, body)
            }
        };
        if affected != rows {
            return Err(Error::internal(format!("{affected} of {rows} rows were changed")).into());
        }
        let span: (Option<i64>, Option<i64>) =
            sqlx::query_as(AssertSqlSafe(sql::kept_span(kept))).fetch_one(&mut *connection).await?;
        let span = span.0.zip(span.1);
        if span.is_none() {
            run(connection, sql::drop_table(kept)).await?;
        }
        Ok(Done { rows, span, body })
    }

    /// The number of rows that a statement with values affects.
    async fn run_bound(&self, connection: &mut PgConnection, statement: &Statement) -> Result<u64, Refusal> {
        let done = bound(statement).persistent(false).execute(connection).await;
        Ok(done.map_err(|error| self.timed(error))?.rows_affected())
    }

    pub(super) async fn run_plain(&self, connection: &mut PgConnection, statement: String) -> Result<u64, Refusal> {
        let done = sqlx::query(AssertSqlSafe(statement)).persistent(false).execute(connection).await;
        Ok(done.map_err(|error| self.timed(error))?.rows_affected())
    }

    pub(super) fn timed(&self, error: sqlx::Error) -> Refusal {
        let code = error.as_database_error().and_then(DatabaseError::code).unwrap_or_default().into_owned();
        match code.as_str() {
            "57014" => Limit::QuerySeconds.passed(self.query_seconds, None).into(),
            _ => error.into(),
        }
    }

    /// The rows of a statement, in the format that was asked for.
    async fn returned(
        &self,
        connection: &mut PgConnection,
        target: &Target<'_>,
        statement: &Statement,
    ) -> Result<Option<Spool>> {
        let Some((format, options)) = target.change.returned else { return Ok(None) };
        let (mut spool, mut out) = (Spool::default(), Vec::new());
        let export = Export { format, options, title: target.change.name.clone(), columns: target.query.columns() };
        let mut encoder = RowEncoder::new(&export, &[])?;
        encoder.begin(&mut out);
        {
            let mut rows = bound(statement).persistent(false).fetch(connection);
            while let Some(row) = rows.try_next().await.map_err(|error| self.query_error(error))? {
                encoder.row(&cells(&row, export.columns.len())?, &mut out)?;
                if out.len() >= CHUNK_BYTES {
                    spool.take(&mut out, &self.source_limits).await?;
                }
            }
        }
        encoder.end(&mut out).await?;
        spool.take(&mut out, &self.source_limits).await?;
        Ok(Some(spool))
    }

    async fn note(
        &self,
        connection: &mut PgConnection,
        caller: &Caller,
        (now, target): (&Dataset, &Target<'_>),
        edit: &Edit,
        (rows, span): (u64, (i64, i64)),
    ) -> Result<(Dataset, Uuid)> {
        let (kind, assigned) = match edit {
            Edit::Update(assigned) => (ChangeKind::Update, assigned.clone()),
            Edit::Delete => (ChangeKind::Delete, Assigned::new()),
        };
        let id = Uuid::now_v7();
        let (table_id, column_count) = (target.kept, target.types.len());
        let new = NewChange { id, kind, table_id, column_count, rows, span, assigned: &assigned };
        let after = self.catalogue.record_change(connection, caller, (now.id, now.current()?), &new).await?;
        let action = if kind == ChangeKind::Update { "update-rows" } else { "delete-rows" };
        record(connection, caller, &Note::of(action, now).with(json!({ "rows": rows, "change": id }))).await?;
        Ok((after, id))
    }

    /// The answer as it is given again.
    async fn keep_answer(&self, answer: &mut ChangedRows) -> Result<Value> {
        let mut kept = json!({ "etag": answer.etag, "change": answer.change, "rows": answer.rows });
        if let Some(spool) = answer.body.take() {
            if spool.bytes() > KEPT_BODY_BYTES_MAX {
                let detail = format!(
                    "with an Idempotency-Key at most {KEPT_BODY_BYTES_MAX} bytes of rows are returned; ask for `return=minimal`, or for fewer columns."
                );
                return Err(Error::invalid("Prefer", detail));
            }
            let body: Vec<Bytes> = spool.stream().await?.try_collect().await?;
            let body = String::from_utf8(body.concat()).map_err(|_| Error::NotAcceptable {
                detail: "With an Idempotency-Key rows are returned as text alone, such as JSON.".to_owned(),
            })?;
            kept["body"] = Value::from(body.as_str());
            answer.body = Some(self.spool_of(body).await?);
        }
        Ok(kept)
    }

    async fn replay(&self, kept: &Value) -> Result<ChangedRows> {
        let text = |name: &str| kept.get(name).and_then(Value::as_str);
        let (Some(etag), Some(rows)) = (text("etag"), kept.get("rows").and_then(Value::as_u64)) else {
            return Err(Error::internal("an answer kept for a change is of something else"));
        };
        let body = match text("body") {
            Some(body) => Some(self.spool_of(body.to_owned()).await?),
            None => None,
        };
        let change = text("change").and_then(|id| id.parse().ok());
        Ok(ChangedRows { etag: etag.to_owned(), change, rows, body, replayed: true })
    }

    async fn spool_of(&self, body: String) -> Result<Spool> {
        let mut spool = Spool::default();
        spool.take(&mut body.into_bytes(), &self.source_limits).await?;
        Ok(spool)
    }

    /// What the caller is told of rows that would break a key; another refusal stays as it is.
    pub(super) async fn explain_edit(&self, refusal: Refusal, dataset: Uuid, table: Uuid) -> Refusal {
        let name = match refusal {
            Refusal::Duplicate(name) => Some(name),
            Refusal::Missing => None,
            Refusal::Busy | Refusal::Other(_) => return refusal,
        };
        let indexes = match self.catalogue.indexes(dataset).await {
            Ok(indexes) => indexes,
            Err(error) => return error.into(),
        };
        let broken = indexes.into_iter().find(|index| match &name {
            Some(name) => name.ends_with(&index.physical(table).simple().to_string()),
            None => index.key,
        });
        Refusal::Other(match broken {
            Some(index) => Error::DuplicateKey { columns: index.columns, lines: Vec::new(), missing: name.is_none() },
            None => Error::Conflict { detail: "An index of the table changed at this moment.".to_owned() },
        })
    }
}

impl<'a> Target<'a> {
    fn new(now: &Dataset, change: &'a RowChange) -> Result<Self> {
        let (table, columns) = physical(now)?;
        let query = query(columns, &change.parameters)?;
        let output = RowQuery { filter: Vec::new(), limit: None, ..query.clone() };
        let types = columns.iter().map(|column| column.column_type).collect();
        Ok(Self { table, kept: Uuid::now_v7(), types, query, output, change })
    }
}

pub(super) fn unexpected(refusal: Refusal) -> Error {
    match refusal {
        Refusal::Other(error) => error,
        refusal => Error::internal(format!("changing rows: {refusal:?}")),
    }
}
