//! Shares for those who make them: found, listed, changed, ended.

use super::{
    Shares,
    row::{Listed, SHARE_COLUMNS, SHARE_JOINS, TargetRow, big, expiry_parts, whole},
    told,
};
use crate::{
    audit::{Note, record},
    auth::{Action, Caller},
    catalogue::{Patience, database, is_busy},
    config::Secret,
    error::{Error, Result},
    shares::{Changes, Share, Target},
};
use sqlx::{Arguments, AssertSqlSafe, postgres::PgArguments};
use uuid::Uuid;

/// `$1` is the caller, `$2` whether that is an admin, and `$3` are patterns of what its token may share: who sees a link can follow it. Of folders [`reaches`] tells.
const OWN: &str = "(s.created_by = $1 or $2 or d.owner = $1) and ($3::text[] is null or s.folder is not null or \
     case d.kind when 'blob' then 'blobs/' when 'table' then 'tables/' else 'documents/' end || d.name ~ any($3))";
/// `$4` to `$9` are dataset, document, folder, of a fixed query its text and format, and a version that is pinned: a thing's links are those of its queries and versions too.
const SAME: &str = "($4::uuid is null or s.dataset_id = $4) and ($5::text is null or s.document_id = $5) and ($6::text is null or s.folder = $6) \
     and ($7::text is null or (s.query = $7 and s.format is not distinct from $8)) and ($9::bigint is null or (s.pinned and v.number = $9))";

impl Shares {
    /// A share that the caller made, or of a dataset that is the caller's; an admin sees all.
    pub async fn find_own(&self, caller: &Caller, id: Uuid) -> Result<Listed> {
        let sql = format!("select {SHARE_COLUMNS} from larder.shares s {SHARE_JOINS} where {OWN} and s.id = $4");
        let query = sqlx::query_as(AssertSqlSafe(sql))
            .bind(caller.principal)
            .bind(caller.admin)
            .bind(caller.patterns(Action::Share))
            .bind(id);
        let found: Option<Listed> = query.fetch_optional(&self.catalogue.control).await.map_err(database)?;
        found.filter(|found| reaches(caller, found)).ok_or(Error::NotFound { what: "share" })
    }

    /// The caller's shares and those of the caller's datasets, an admin's view of all, newest first, older than `before`; of one thing, if `target` is given.
    pub async fn list(
        &self,
        caller: &Caller,
        target: Option<&(Target, Option<i64>)>,
        mut before: Option<Uuid>,
        limit: u64,
    ) -> Result<Vec<Listed>> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let sql = format!(
            "select {SHARE_COLUMNS} from larder.shares s {SHARE_JOINS} where {OWN} and {SAME} and ($10::uuid is null or s.id < $10) order by s.id desc limit $11"
        );
        let mut found = Vec::new();
        loop {
            let page: Vec<Listed> = sqlx::query_as_with(AssertSqlSafe(sql.as_str()), same(caller, target)?)
                .bind(before)
                .bind(i64::try_from(limit).unwrap_or(i64::MAX))
                .fetch_all(&self.catalogue.control)
                .await
                .map_err(database)?;
            let last = page.len() < limit;
            before = page.last().map(|last| last.share.id);
            found.extend(page.into_iter().filter(|found| reaches(caller, found)));
            if last || found.len() >= limit {
                found.truncate(limit);
                return Ok(found);
            }
        }
    }

    /// Changes what a share says.
    ///
    /// # Errors
    /// `NotFound`, of a pinned version too; `Gone` if it was revoked.
    pub async fn change(&self, caller: &Caller, id: Uuid, changes: &Changes) -> Result<Listed> {
        let found = self.find_own(caller, id).await?.share;
        if found.revoked_at.is_some() {
            return Err(Error::Gone { detail: "This share was revoked; make another one.".to_owned() });
        }
        let mut patience = Patience::default();
        loop {
            match self.try_change(caller, &found, changes).await {
                Err(error) if is_busy(&error) => patience.pause().await?,
                changed => return changed,
            }
        }
    }

    async fn try_change(&self, caller: &Caller, found: &Share, changes: &Changes) -> Result<Listed> {
        let mut tx = self.catalogue.control.begin().await.map_err(database)?;
        if let (true, Some(dataset)) = (found.pinned, found.dataset_id()) {
            // A share that was over may have let go of its version.
            let number = found.version.ok_or(Error::NotFound { what: "version" })?;
            self.catalogue.pin(&mut tx, dataset, Some(number)).await?;
        }
        let sql = format!(
            "with s as (update larder.shares set generation = generation + $2::int,
                 expires_at = case when $3 then coalesce($4, now() + $5) else expires_at end,
                 may_view = coalesce($6, may_view), may_download = coalesce($7, may_download), may_upload = coalesce($8, may_upload),
                 label = case when $9 then $10 else label end, password = case when $11 then $12 else password end,
                 downloads_max = case when $13 then $14 else downloads_max end,
                 upload_bytes_max = coalesce($15, upload_bytes_max), upload_files_max = coalesce($16, upload_files_max)
             where id = $1 and revoked_at is null returning *)
             select {SHARE_COLUMNS} from s {SHARE_JOINS}"
        );
        let (life, at) = changes.expiry.map(expiry_parts).unwrap_or_default();
        let changed: Option<Listed> = sqlx::query_as(AssertSqlSafe(sql))
            .bind(found.id)
            .bind(i32::from(changes.rotate))
            .bind(changes.expiry.is_some())
            .bind(at)
            .bind(life)
            .bind(changes.allow.map(|allow| allow.view))
            .bind(changes.allow.map(|allow| allow.download))
            .bind(changes.allow.map(|allow| allow.upload))
            .bind(changes.label.is_said())
            .bind(changes.label.value())
            .bind(changes.password.is_said())
            .bind(changes.password.value().map(Secret::expose))
            .bind(changes.downloads_max.is_said())
            .bind(changes.downloads_max.value().copied().map(whole).transpose()?)
            .bind(changes.upload_bytes_max.map(big).transpose()?)
            .bind(changes.upload_files_max.map(whole).transpose()?)
            .fetch_optional(&mut *tx)
            .await
            .map_err(database)?;
        let changed = changed.ok_or(Error::NotFound { what: "share" })?;
        record(&mut tx, caller, &told("patch", &changed.share)).await?;
        tx.commit().await.map_err(database)?;
        Ok(changed)
    }

    /// Ends a link and keeps the data; ending it twice is no error.
    pub async fn revoke(&self, caller: &Caller, id: Uuid) -> Result<()> {
        let share = self.find_own(caller, id).await?.share;
        let mut tx = self.catalogue.control.begin().await.map_err(database)?;
        let sql = "update larder.shares set revoked_at = now() where id = $1 and revoked_at is null";
        if sqlx::query(sql).bind(id).execute(&mut *tx).await.map_err(database)?.rows_affected() > 0 {
            record(&mut tx, caller, &told("revoke", &share)).await?;
        }
        tx.commit().await.map_err(database)
    }

    /// Ends all links of one thing that the caller may end; how many.
    pub async fn revoke_all(&self, caller: &Caller, target: &(Target, Option<i64>)) -> Result<u64> {
        let sql = format!(
            "update larder.shares set revoked_at = now() where revoked_at is null
             and id in (select s.id from larder.shares s {SHARE_JOINS} where {OWN} and {SAME}) returning id"
        );
        let mut tx = self.catalogue.control.begin().await.map_err(database)?;
        let revoked: Vec<Uuid> = sqlx::query_scalar_with(AssertSqlSafe(sql), same(caller, Some(target))?)
            .fetch_all(&mut *tx)
            .await
            .map_err(database)?;
        let dataset = TargetRow::of(&target.0).dataset_id;
        for id in &revoked {
            let note = Note { dataset, ..Note::new("revoke", "share", id.to_string()) };
            record(&mut tx, caller, &note).await?;
        }
        tx.commit().await.map_err(database)?;
        Ok(revoked.len() as u64)
    }
}

/// What [`OWN`] and [`SAME`] are asked with.
fn same(caller: &Caller, target: Option<&(Target, Option<i64>)>) -> Result<PgArguments> {
    let row = target.map(|(target, _)| TargetRow::of(target)).unwrap_or_default();
    let mut asked = PgArguments::default();
    asked
        .add(caller.principal)
        .and_then(|()| asked.add(caller.admin))
        .and_then(|()| asked.add(caller.patterns(Action::Share)))
        .and_then(|()| asked.add(row.dataset_id))
        .and_then(|()| asked.add(row.document_id))
        .and_then(|()| asked.add(row.folder))
        .and_then(|()| asked.add(row.query.map(|query| &query.text)))
        .and_then(|()| asked.add(row.query.and_then(|query| query.format.as_ref())))
        .and_then(|()| asked.add(target.and_then(|(_, version)| *version)))
        .map_err(|error| Error::internal(error.to_string()))?;
    Ok(asked)
}

/// Whether the caller's token may share all that a folder's link leads to; other links are found only if it may.
fn reaches(caller: &Caller, found: &Listed) -> bool {
    found.share.folder().is_none_or(|folder| caller.scopes.permit_below(Action::Share, folder))
}
