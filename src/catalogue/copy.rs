//! The catalogue as a whole, out of one installation and into another.
//!
//! **Invariant.** What is copied in is named by garbage that is due in a week, until the commit that publishes all of it at once: an import that is given up leaves
//! nothing behind.
//! **Invariant.** No text of a copy is SQL: names of tables and columns are those that this database has.

use super::{Catalogue, store::database};
use crate::error::{BoxError, Error, Result};
use bytes::Bytes;
use futures::{Stream, StreamExt, TryStreamExt};
use serde::{Deserialize, Serialize};
use sqlx::{AssertSqlSafe, FromRow, PgConnection, Postgres, Transaction};
use std::{collections::HashSet, time::Duration};
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

/// Of the installation itself, or over when the process that wrote them is.
const NOT_CARRIED: [&str; 7] =
    ["_sqlx_migrations", "garbage", "holds", "installation", "jobs", "search_builds", "statistics"];
/// Of these only what a later sweep must know of: hidden documents whose bodies are objects.
const PENDING: &str = "pending";
const HOLD_LIFE: Duration = Duration::from_secs(600);
const HOLD_RENEWAL: Duration = Duration::from_secs(60);
const IMPORT_DAYS: i32 = 7;
const OBJECTS_AT_ONCE: i64 = 10_000;

/// A table of the catalogue, and the statements that copy it as text.
#[derive(Debug, FromRow)]
pub struct CatalogueTable {
    pub name: String,
    /// Their order is that of the text.
    pub columns: Vec<String>,
    text_out: String,
    text_in: String,
}

/// An object as the catalogue describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, FromRow)]
pub struct CarriedObject {
    pub id: Uuid,
    #[sqlx(try_from = "i64")]
    pub size_bytes: u64,
    /// Hexadecimal, like the next; unknown of what was sent straight to the bucket.
    pub sha256: Option<String>,
    pub crc64nvme: String,
}

/// One moment of the catalogue and of all rows, for as long as it lives.
pub struct Snapshot {
    tx: Transaction<'static, Postgres>,
}

/// As long as it lives, no sweep deletes anything.
pub struct Hold {
    catalogue: Catalogue,
    id: Uuid,
    _renewal: AbortOnDropHandle<()>,
}

impl Catalogue {
    /// Keeps the sweeps of all replicas from deleting what a snapshot still refers to.
    pub async fn hold(&self) -> Result<Hold> {
        let id = Uuid::now_v7();
        self.renew_hold(id).await?;
        let catalogue = self.clone();
        let renewal = AbortOnDropHandle::new(tokio::spawn(async move {
            loop {
                tokio::time::sleep(HOLD_RENEWAL).await;
                if let Err(error) = catalogue.renew_hold(id).await {
                    tracing::warn!(?error, "the hold on sweeps was not renewed; trying again");
                }
            }
        }));
        Ok(Hold { catalogue: self.clone(), id, _renewal: renewal })
    }

    async fn renew_hold(&self, id: Uuid) -> Result<()> {
        let sql = "insert into larder.holds (id, held_until) values ($1, now() + $2)
             on conflict (id) do update set held_until = excluded.held_until";
        sqlx::query(sql).bind(id).bind(HOLD_LIFE).execute(&self.control).await.map_err(database)?;
        Ok(())
    }

    pub async fn snapshot(&self) -> Result<Snapshot> {
        let mut tx = self.control.begin().await.map_err(database)?;
        let begin = "set transaction isolation level repeatable read read only; set local statement_timeout = 0; \
             set local idle_in_transaction_session_timeout = 0";
        sqlx::raw_sql(begin).execute(&mut *tx).await.map_err(database)?;
        Ok(Snapshot { tx })
    }

    /// The migrations that the database has: two with the same can take over from one another.
    pub async fn migrations(&self) -> Result<Vec<i64>> {
        let sql = "select version from larder._sqlx_migrations where success order by version";
        sqlx::query_scalar(sql).fetch_all(&self.control).await.map_err(database)
    }

    /// Whether nobody has ever served from here.
    pub async fn is_unused(&self) -> Result<bool> {
        let sql = "select not exists (select from larder.principals) and not exists (select from larder.datasets)";
        sqlx::query_scalar(sql).fetch_one(&self.control).await.map_err(database)
    }

    /// Names what an import is about to make, so that a sweep finds it if the import never ends.
    pub async fn name_import(&self, kind: Imported, ids: &[Uuid]) -> Result<()> {
        let column = match kind {
            Imported::Object => "object_id",
            Imported::Table => "table_id",
            Imported::Collection { .. } => "collection_id",
        };
        let shards = match kind {
            Imported::Collection { shards } => Some(shards),
            _ => None,
        };
        let sql = format!(
            "insert into larder.garbage (id, {column}, shards, due_at) select id, id, $2, now() + make_interval(days => $3) from unnest($1::uuid[]) as id
             on conflict (id) do update set due_at = excluded.due_at"
        );
        let query = sqlx::query(AssertSqlSafe(sql)).bind(ids).bind(shards).bind(IMPORT_DAYS);
        query.execute(&self.control).await.map_err(database)?;
        Ok(())
    }

    /// The commit of an import: the text of each table, as `text` gives it, and the end of the garbage that named what it refers to.
    pub async fn publish_import<S>(&self, text: impl AsyncFn(&CatalogueTable) -> Result<S>, ids: &[Uuid]) -> Result<()>
    where
        S: Stream<Item = Result<Bytes>> + Unpin,
    {
        let mut tx = self.control.begin().await.map_err(database)?;
        sqlx::raw_sql("set local statement_timeout = 0").execute(&mut *tx).await.map_err(database)?;
        for table in in_order_of_references(&mut tx).await? {
            let mut text = text(&table).await?;
            let mut copy = tx.copy_in_raw(&table.text_in).await.map_err(database)?;
            while let Some(bytes) = text.next().await {
                copy.send(bytes?).await.map_err(database)?;
            }
            copy.finish().await.map_err(database)?;
        }
        for sql in sequences(&mut tx).await? {
            sqlx::query(AssertSqlSafe(sql)).execute(&mut *tx).await.map_err(database)?;
        }
        let gone = "delete from larder.garbage where id = any($1)";
        sqlx::query(gone).bind(ids).execute(&mut *tx).await.map_err(database)?;
        tx.commit().await.map_err(database)
    }
}

/// What an import makes in the stores.
#[derive(Debug, Clone, Copy)]
pub enum Imported {
    Object,
    Table,
    Collection { shards: i32 },
}

impl Hold {
    pub async fn release(self) -> Result<()> {
        let sql = "delete from larder.holds where id = $1 or held_until < now()";
        sqlx::query(sql).bind(self.id).execute(&self.catalogue.control).await.map_err(database)?;
        Ok(())
    }
}

impl Snapshot {
    pub fn connection(&mut self) -> &mut PgConnection {
        &mut self.tx
    }

    pub async fn tables(&mut self) -> Result<Vec<CatalogueTable>> {
        tables(&mut self.tx).await
    }

    /// A table of the catalogue as Postgres' text of COPY.
    pub async fn copy_out(
        &mut self,
        table: &CatalogueTable,
    ) -> Result<impl Stream<Item = Result<Bytes>> + Unpin + use<'_>> {
        copy_out(&mut self.tx, &table.text_out).await
    }

    /// The physical tables of all versions, and those that keep rows of before a change.
    pub async fn row_tables(&mut self) -> Result<Vec<Uuid>> {
        let sql = "select table_id from larder.versions where table_id is not null
             union select table_id from larder.changes where table_id is not null order by 1";
        sqlx::query_scalar(sql).fetch_all(&mut *self.tx).await.map_err(database)
    }

    /// Collections and their numbers of shards, hidden ones included.
    pub async fn collections(&mut self) -> Result<Vec<(Uuid, i32)>> {
        let sql = "select id, shards from larder.datasets where kind = 'collection' and shards is not null order by id";
        sqlx::query_as(sql).fetch_all(&mut *self.tx).await.map_err(database)
    }

    /// Some objects in the order of their ids, after `after`; none at the end.
    pub async fn objects(&mut self, after: Uuid) -> Result<Vec<CarriedObject>> {
        let sql = "select id, size_bytes, encode(sha256, 'hex') as sha256, encode(crc64nvme, 'hex') as crc64nvme from larder.objects where id > $1 order by id limit $2";
        sqlx::query_as(sql).bind(after).bind(OBJECTS_AT_ONCE).fetch_all(&mut *self.tx).await.map_err(database)
    }
}

/// What a COPY gives.
pub async fn copy_out<'a>(
    connection: &'a mut PgConnection,
    statement: &str,
) -> Result<impl Stream<Item = Result<Bytes>> + Unpin + use<'a>> {
    Ok(connection.copy_out_raw(statement).await.map_err(database)?.map_err(database))
}

async fn tables(connection: &mut PgConnection) -> Result<Vec<CatalogueTable>> {
    let sql = "select relname::text as name, array_agg(attname::text order by attnum) as columns,
             format('copy (select %s from larder.%I%s) to stdout', string_agg(quote_ident(attname), ', ' order by attnum), relname,
                 case when relname = $2 then ' where document_id is not null' else '' end) as text_out,
             format('copy larder.%I (%s) from stdin', relname, string_agg(quote_ident(attname), ', ' order by attnum)) as text_in
         from pg_class join pg_attribute on attrelid = pg_class.oid and attnum > 0 and not attisdropped and attgenerated = ''
         where relnamespace = 'larder'::regnamespace and relkind in ('r', 'p') and not relispartition and relname <> all($1)
         group by relname order by relname";
    sqlx::query_as(sql).bind(NOT_CARRIED.as_slice()).bind(PENDING).fetch_all(connection).await.map_err(database)
}

/// Each table behind those that it refers to; references that wait for the commit are in nobody's way.
async fn in_order_of_references(connection: &mut PgConnection) -> Result<Vec<CatalogueTable>> {
    let mut left = tables(connection).await?;
    let sql = "select a.relname::text, b.relname::text from pg_constraint
         join pg_class a on a.oid = conrelid join pg_class b on b.oid = confrelid
         where contype = 'f' and not condeferrable and a.oid <> b.oid and a.relnamespace = 'larder'::regnamespace";
    let references: Vec<(String, String)> = sqlx::query_as(sql).fetch_all(connection).await.map_err(database)?;
    let mut ordered: Vec<CatalogueTable> = Vec::new();
    while !left.is_empty() {
        let waiting: HashSet<&str> = left.iter().map(|table| table.name.as_str()).collect();
        let is_free = |table: &CatalogueTable| {
            !references.iter().any(|(of, to)| *of == table.name && waiting.contains(to.as_str()))
        };
        let at = left.iter().position(is_free);
        let circle = || -> BoxError { "tables of the catalogue refer to one another in a circle".into() };
        ordered.push(left.remove(at.ok_or_else(|| Error::internal(circle()))?));
    }
    Ok(ordered)
}

/// Statements that let the numbers of columns go on behind those that were copied in.
async fn sequences(connection: &mut PgConnection) -> Result<Vec<String>> {
    let sql =
        "select format('select setval(%L, coalesce(max(%I), 0) + 1, false) from larder.%I', sequence, attname, relname)
         from (select relname, attname, pg_get_serial_sequence(format('larder.%I', relname), attname) as sequence
             from pg_class join pg_attribute on attrelid = pg_class.oid and attnum > 0 and not attisdropped
             where relnamespace = 'larder'::regnamespace and relkind in ('r', 'p')) as columns
         where sequence is not null";
    sqlx::query_scalar(sql).fetch_all(connection).await.map_err(database)
}
