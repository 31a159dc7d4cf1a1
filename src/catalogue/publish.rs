//! The commit of a new version: in one transaction the version appears, versions past their keep become garbage, and the lease ends.

use super::{
    Basis, Catalogue, Column, Dataset, KeptAppend, Kind, Lease, NewIndexes, Precondition, free_name,
    job::finish_job,
    lock::{Patience, is_busy, lock_named},
    names::{KEY_BYTES_MAX, NAME_BYTES_MAX},
    store::{database, is_unique_violation},
};
use crate::{
    audit::{Note, record_for},
    auth::{Action, Caller},
    error::{Error, Result},
    objects::Stored,
};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, PgConnection, types::Json};
use uuid::Uuid;

/// What is to become the current version of `(kind, name)`.
#[derive(Debug, Clone)]
pub struct NewVersion {
    pub kind: Kind,
    pub name: String,
    pub title: String,
    /// The file name of a smart upload.
    pub original_name: Option<String>,
    pub object: Stored,
    pub content_type: String,
    pub content_encoding: Option<String>,
    pub table: Option<NewTable>,
    /// The job that this publication ends.
    pub job: Option<Uuid>,
    /// What the caller told about the file; identical bytes and options are the same version.
    pub options: Value,
}

/// The physical table `rows.t_{id}` that has been loaded for it.
#[derive(Debug, Clone)]
pub struct NewTable {
    pub id: Uuid,
    pub columns: Vec<Column>,
    pub row_count: u64,
    pub ingest: Value,
    /// Those of the version before that the rows were read from as well.
    pub appends: Vec<KeptAppend>,
    pub indexes: NewIndexes,
    /// What its file was read by; `None` if the condition on the version says as much.
    pub basis: Option<Basis>,
}

/// Which dataset of the same name an upload may replace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replace {
    /// Any that the caller may see: a typed route, or `?replace=true`.
    Any,
    /// Only one of the same owner and the same original file name: a smart upload.
    SameFile,
}

#[derive(Debug)]
pub enum Outcome {
    Created(Dataset),
    Replaced(Dataset),
    /// Identical bytes and options: the version and its ETag stay.
    Unchanged(Dataset),
}

impl Outcome {
    pub fn dataset(&self) -> &Dataset {
        match self {
            Self::Created(dataset) | Self::Replaced(dataset) | Self::Unchanged(dataset) => dataset,
        }
    }
}

impl Catalogue {
    /// Refuses early what `publish` would refuse at the end, so that no bytes are sent in vain. What is there to be replaced.
    pub async fn check_upload(
        &self,
        caller: &Caller,
        kind: Kind,
        name: &str,
        original_name: Option<&str>,
        replace: Replace,
        condition: &Precondition,
    ) -> Result<Option<Dataset>> {
        let mut connection = self.control.acquire().await.map_err(database)?;
        let existing = find_named(&mut connection, kind, name).await?;
        self.check_existing(
            &mut connection,
            caller,
            (kind, name),
            existing.as_ref(),
            original_name,
            replace,
            condition,
        )
        .await?;
        Ok(existing)
    }

    /// Publishes under the lease. On any error nothing has changed and the lease gives up what was stored.
    pub async fn publish(
        &self,
        caller: &Caller,
        lease: Lease,
        new: &NewVersion,
        replace: Replace,
        condition: &Precondition,
    ) -> Result<Outcome> {
        let published = self.publish_on_basis(caller, &lease, new, replace, condition).await?;
        let outcome = published.ok_or_else(|| Error::internal("a version without a basis has lost it"))?;
        lease.committed();
        Ok(outcome)
    }

    /// The same for a table with a [`Basis`]; `None`, and nothing has changed, if that holds no more. The lease is the caller's to end.
    pub async fn publish_on_basis(
        &self,
        caller: &Caller,
        lease: &Lease,
        new: &NewVersion,
        replace: Replace,
        condition: &Precondition,
    ) -> Result<Option<Outcome>> {
        let mut patience = Patience::default();
        // Two uploads that create the same name at once: the loser finds the winner's row at the second try.
        let mut tries = 0;
        loop {
            match self.try_publish(caller, lease.id, new, replace, condition).await {
                Err(error) if is_busy(&error) => patience.pause().await?,
                Err(Error::Store { source, .. }) if tries < 2 && is_unique_violation(&*source) => tries += 1,
                result => return result,
            }
        }
    }

    async fn try_publish(
        &self,
        caller: &Caller,
        lease: Uuid,
        new: &NewVersion,
        replace: Replace,
        condition: &Precondition,
    ) -> Result<Option<Outcome>> {
        let mut tx = self.control.begin().await.map_err(database)?;
        let existing = lock_named(&mut tx, new.kind, &new.name).await?;
        let original_name = new.original_name.as_deref();
        self.check_existing(
            &mut tx,
            caller,
            (new.kind, &new.name),
            existing.as_ref(),
            original_name,
            replace,
            condition,
        )
        .await?;
        let basis = new.table.as_ref().and_then(|table| table.basis.as_ref());
        if basis.is_some_and(|basis| !basis.holds(existing.as_ref())) {
            return Ok(None);
        }
        // The answer describes what this transaction made, whatever the next one makes of it.
        let outcome = match existing {
            // A raw upload that is read anew is the very object of the version before.
            Some(dataset) if is_same(&dataset, new) && !refers_to(&dataset, new) => {
                self.discard(&mut tx, Some(new.object.id), new.table.as_ref().map(|table| table.id)).await?;
                Outcome::Unchanged(dataset)
            }
            Some(dataset) => {
                let number = insert_version(&mut tx, caller, dataset.id, new).await?;
                self.index(&mut tx, dataset.id, new).await?;
                self.prune(&mut tx, dataset.id, number).await?;
                Outcome::Replaced(find_by_id(&mut tx, dataset.id).await?)
            }
            None => {
                let id = self.insert_dataset(&mut tx, caller, new).await?;
                insert_version(&mut tx, caller, id, new).await?;
                self.index(&mut tx, id, new).await?;
                Outcome::Created(find_by_id(&mut tx, id).await?)
            }
        };
        match &outcome {
            Outcome::Created(dataset) => self.check_quota(&mut tx, dataset, true).await?,
            Outcome::Replaced(dataset) => self.check_quota(&mut tx, dataset, false).await?,
            Outcome::Unchanged(_) => {}
        }
        let (action, unchanged) = match &outcome {
            Outcome::Created(_) => ("create", false),
            Outcome::Replaced(_) => ("replace", false),
            Outcome::Unchanged(_) => ("replace", true),
        };
        let detail = json!({ "bytes": new.object.size_bytes, "version": outcome.dataset().current()?.number, "unchanged": unchanged });
        record_for(&mut tx, caller, lease, &Note::of(action, outcome.dataset()).with(detail)).await?;
        if let Some(job) = new.job {
            finish_job(&mut tx, job, new.table.as_ref().map(|table| table.row_count), new.object.size_bytes).await?;
        }
        Lease::end(lease, &mut tx).await?;
        tx.commit().await.map_err(database)?;
        Ok(Some(outcome))
    }

    #[expect(clippy::too_many_arguments, reason = "everything that the rules of names ask about")]
    async fn check_existing(
        &self,
        connection: &mut PgConnection,
        caller: &Caller,
        (kind, name): (Kind, &str),
        existing: Option<&Dataset>,
        original_name: Option<&str>,
        replace: Replace,
        condition: &Precondition,
    ) -> Result<()> {
        caller.require(Action::Write, kind, name)?;
        let Some(existing) = existing else { return condition.check(None) };
        if !existing.visible_to(caller) {
            return Err(Error::NameTakenUnseen { name: name.to_owned(), dataset: existing.id });
        }
        let same_file = existing.owner == caller.principal && existing.original_name.as_deref() == original_name;
        if replace == Replace::SameFile && !same_file {
            let free = first_free(connection, kind, name).await?;
            let other = free
                .as_ref()
                .map_or_else(|| "another `?name=`".to_owned(), |free| format!("`?name={free}`, which is free"));
            let detail = format!(
                "There is already a {} `{name}`, which was not made from this file by you. Send `?replace=true` to replace it, or {other}.",
                kind.as_str()
            );
            return Err(Error::NameTaken { detail, free });
        }
        condition.check(existing.version.as_ref().map(super::Version::etag).as_deref())
    }

    async fn insert_dataset(&self, connection: &mut PgConnection, caller: &Caller, new: &NewVersion) -> Result<Uuid> {
        let id = Uuid::now_v7();
        sqlx::query("insert into larder.datasets (id, kind, name, title, original_name, owner, visibility) values ($1, $2, $3, $4, $5, $6, $7)")
            .bind(id)
            .bind(new.kind)
            .bind(&new.name)
            .bind(&new.title)
            .bind(&new.original_name)
            .bind(caller.principal)
            .bind(self.visibility)
            .execute(connection)
            .await
            .map_err(database)?;
        Ok(id)
    }

    async fn index(&self, connection: &mut PgConnection, dataset: Uuid, new: &NewVersion) -> Result<()> {
        match &new.table {
            Some(table) => self.replace_indexes(connection, dataset, &table.indexes).await,
            None => Ok(()),
        }
    }

    /// Versions beyond those kept become garbage, with what only they referred to.
    pub(super) async fn prune(&self, connection: &mut PgConnection, dataset: Uuid, newest: i64) -> Result<()> {
        let keep_after = newest.saturating_sub_unsigned(self.versions_kept);
        let old: Vec<Uuid> =
            sqlx::query_scalar("select id from larder.versions where dataset_id = $1 and number <= $2 and not pinned")
                .bind(dataset)
                .bind(keep_after)
                .fetch_all(&mut *connection)
                .await
                .map_err(database)?;
        self.discard_versions(connection, &old).await
    }
}

async fn find_named(connection: &mut PgConnection, kind: Kind, name: &str) -> Result<Option<Dataset>> {
    let sql = super::store::select_dataset("where d.kind = $1 and d.name = $2 and d.deleted_at is null");
    sqlx::query_as(AssertSqlSafe(sql)).bind(kind).bind(name).fetch_optional(connection).await.map_err(database)
}

pub(super) async fn find_by_id(connection: &mut PgConnection, id: Uuid) -> Result<Dataset> {
    let sql = super::store::select_dataset("where d.id = $1");
    sqlx::query_as(AssertSqlSafe(sql)).bind(id).fetch_one(connection).await.map_err(database)
}

/// `None` when all the names that we would propose are taken too.
async fn first_free(connection: &mut PgConnection, kind: Kind, name: &str) -> Result<Option<String>> {
    let bytes_max = if kind == Kind::Blob { KEY_BYTES_MAX } else { NAME_BYTES_MAX };
    let candidates: Vec<String> = (2..100).map(|n| free_name(name, n, bytes_max)).collect();
    sqlx::query_scalar(
        "select name from unnest($2::text[]) with ordinality as candidate (name, n)
         where not exists (select from larder.datasets d where d.kind = $1 and d.name = candidate.name collate \"C\" and d.deleted_at is null)
         order by n limit 1",
    )
    .bind(kind)
    .bind(&candidates)
    .fetch_optional(connection)
    .await
    .map_err(database)
}

fn refers_to(dataset: &Dataset, new: &NewVersion) -> bool {
    dataset.version.as_ref().is_some_and(|version| version.object_id == new.object.id)
}

fn is_same(dataset: &Dataset, new: &NewVersion) -> bool {
    dataset.version.as_ref().is_some_and(|version| {
        version.sha256.as_deref() == Some(&new.object.sha256)
            && version.size_bytes == new.object.size_bytes
            && version.revision == 0
            && version.content_type == new.content_type
            && version.content_encoding == new.content_encoding
            && version.options == new.options
    })
}

pub(super) async fn insert_object(connection: &mut PgConnection, object: &Stored) -> Result<()> {
    sqlx::query("insert into larder.objects (id, size_bytes, sha256, crc64nvme) values ($1, $2, $3, $4) on conflict (id) do nothing")
        .bind(object.id)
        .bind(i64::try_from(object.size_bytes).map_err(Error::internal)?)
        .bind(object.sha256.as_slice())
        .bind(object.crc64nvme.as_slice())
        .execute(connection)
        .await
        .map_err(database)?;
    Ok(())
}

/// Inserts the object and the version that refers to it, and makes it current. Answers its number.
async fn insert_version(
    connection: &mut PgConnection,
    caller: &Caller,
    dataset: Uuid,
    new: &NewVersion,
) -> Result<i64> {
    insert_object(connection, &new.object).await?;
    let id = Uuid::now_v7();
    let table = new.table.as_ref();
    let number = sqlx::query_scalar(
        "insert into larder.versions (id, dataset_id, number, object_id, content_type, content_encoding, table_id, columns, row_count, ingest, options, created_by)
         select $1, $2, coalesce(max(number), 0) + 1, $3, $4, $5, $6, $7, $8, $9, $10, $11 from larder.versions where dataset_id = $2
         returning number",
    )
    .bind(id)
    .bind(dataset)
    .bind(new.object.id)
    .bind(&new.content_type)
    .bind(&new.content_encoding)
    .bind(table.map(|table| table.id))
    .bind(table.map(|table| Json(&table.columns)))
    .bind(table.map(|table| i64::try_from(table.row_count)).transpose().map_err(Error::internal)?)
    .bind(table.map(|table| &table.ingest))
    .bind(&new.options)
    .bind(caller.principal)
    .fetch_one(&mut *connection)
    .await
    .map_err(database)?;
    for append in table.iter().flat_map(|table| &table.appends) {
        append.keep(connection, id).await?;
    }
    sqlx::query(
        "update larder.datasets set current = $2, updated_at = now(), original_name = coalesce($3, original_name),
         title = case when $3 is null then title else $4 end where id = $1",
    )
    .bind(dataset)
    .bind(id)
    .bind(&new.original_name)
    .bind(&new.title)
    .execute(connection)
    .await
    .map_err(database)?;
    Ok(number)
}
