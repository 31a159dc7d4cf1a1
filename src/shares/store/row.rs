//! What a row of `larder.shares` is.

use crate::{
    auth::{Caller, Origin, Scopes},
    catalogue::Kind,
    config::Secret,
    error::{Error, Result},
    shares::{Allow, Expiry, Query, Share, Target, Terms},
};
use sqlx::{FromRow, Row, postgres::PgRow};
use std::time::Duration;
use time::OffsetDateTime;
use uuid::Uuid;

macro_rules! over {
    () => {
        "(s.revoked_at is not null or coalesce(s.expires_at <= now(), false) or coalesce(s.downloads >= s.downloads_max, false) \
         or (s.pinned and s.version_id is null) or m.disabled_at is not null)"
    };
}

macro_rules! there {
    () => {
        "(d.id is not null and d.deleted_at is null and (d.visibility <> 'private' or d.owner = s.created_by or m.admin)) is true"
    };
}

/// Whether a share is over, whatever has become of its dataset and of downloads that were given up.
pub(super) const OVER: &str = over!();
/// Whether the dataset is there, for the share's maker.
pub(super) const THERE: &str = there!();
/// What a [`Share`] is read from.
pub(super) const SHARE_COLUMNS: &str = concat!(
    "s.id as s_id, s.generation as s_generation, s.dataset_id as s_dataset_id, s.document_id as s_document_id, s.incarnation as s_incarnation, \
     s.folder as s_folder, s.query as s_query, s.format as s_format, s.pinned as s_pinned, case when s.pinned then v.number end as s_version, \
     s.label as s_label, s.password as s_password, s.may_view as s_may_view, s.may_download as s_may_download, s.may_upload as s_may_upload, \
     s.downloads_max as s_downloads_max, s.downloads as s_downloads, s.upload_bytes_max as s_upload_bytes_max, \
     s.upload_files_max as s_upload_files_max, s.upload_bytes as s_upload_bytes, s.upload_files as s_upload_files, s.created_by as s_created_by, \
     (select count(*)::int from larder.pending w where w.share_id = s.id and w.lease_until > clock_timestamp()) as s_coming_files, \
     (select coalesce(sum(w.share_bytes), 0)::bigint from larder.pending w where w.share_id = s.id and w.lease_until > clock_timestamp()) as s_coming_bytes, \
     m.name as s_maker, s.expires_at as s_expires_at, s.revoked_at as s_revoked_at, s.created_at as s_created_at, d.kind as d_kind, d.name as d_name, ",
    over!(),
    " or (s.folder is null and not ",
    there!(),
    // As `places` counts those that were given up.
    ") or coalesce(s.downloads + greatest((select count(*) from larder.share_downloads g where g.share_id = s.id and g.confirmed_at is null \
     and g.lease_until <= clock_timestamp()) - 3 * s.downloads_max, 0) >= s.downloads_max, false) as s_over"
);
/// `s` is the share, `m` its maker, `d` its dataset, deleted or not, and `v` the version that it shows.
pub(super) const SHARE_JOINS: &str = "join larder.principals m on m.id = s.created_by left join larder.datasets d on d.id = s.dataset_id \
     left join larder.versions v on v.id = case when s.pinned then s.version_id else d.current end";

/// A share, and what its dataset is called by now.
#[derive(Debug, Clone)]
pub struct Listed {
    pub share: Share,
    /// `None`: of a folder.
    pub dataset: Option<(Kind, String)>,
}

/// A life from now, or a moment; neither: never.
pub(super) fn expiry_parts(expiry: Expiry) -> (Option<Duration>, Option<OffsetDateTime>) {
    match expiry {
        Expiry::In(life) => (Some(life), None),
        Expiry::At(at) => (None, Some(at)),
        Expiry::Never => (None, None),
    }
}

pub(super) fn whole(number: u32) -> Result<i32> {
    i32::try_from(number).map_err(Error::internal)
}

pub(super) fn big(number: u64) -> Result<i64> {
    i64::try_from(number).map_err(Error::internal)
}

/// The columns of a target.
#[derive(Default)]
pub(super) struct TargetRow<'a> {
    pub dataset_id: Option<Uuid>,
    pub document_id: Option<&'a str>,
    pub incarnation: Option<&'a str>,
    pub folder: Option<&'a str>,
    pub query: Option<&'a Query>,
}

impl<'a> TargetRow<'a> {
    pub fn of(target: &'a Target) -> Self {
        let none = Self::default();
        match target {
            Target::Dataset(id) => Self { dataset_id: Some(*id), ..none },
            Target::Query { dataset_id, query } => Self { dataset_id: Some(*dataset_id), query: Some(query), ..none },
            Target::Document { dataset_id, id, incarnation } => {
                Self { dataset_id: Some(*dataset_id), document_id: Some(id), incarnation: Some(incarnation), ..none }
            }
            Target::Folder(folder) => Self { folder: Some(folder), ..none },
        }
    }
}

fn target_from_row(row: &PgRow) -> sqlx::Result<Target> {
    if let Some(folder) = row.try_get("s_folder")? {
        return Ok(Target::Folder(folder));
    }
    let dataset_id = row.try_get("s_dataset_id")?;
    Ok(match (row.try_get("s_document_id")?, row.try_get("s_incarnation")?, row.try_get("s_query")?) {
        (Some(id), Some(incarnation), _) => Target::Document { dataset_id, id, incarnation },
        (_, _, Some(text)) => Target::Query { dataset_id, query: Query { text, format: row.try_get("s_format")? } },
        _ => Target::Dataset(dataset_id),
    })
}

impl FromRow<'_, PgRow> for Share {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        let count = |name: &str| row.try_get::<i32, _>(name).map(i32::unsigned_abs);
        let limit = |name: &str| row.try_get::<Option<i32>, _>(name).map(|max| max.map(i32::unsigned_abs));
        let bytes = |name: &str| row.try_get::<Option<i64>, _>(name).map(|max| max.map(i64::unsigned_abs));
        Ok(Self {
            id: row.try_get("s_id")?,
            generation: row.try_get("s_generation")?,
            target: target_from_row(row)?,
            terms: Terms {
                allow: Allow {
                    view: row.try_get("s_may_view")?,
                    download: row.try_get("s_may_download")?,
                    upload: row.try_get("s_may_upload")?,
                },
                label: row.try_get("s_label")?,
                password: row.try_get::<Option<String>, _>("s_password")?.map(Secret::new),
                downloads_max: limit("s_downloads_max")?,
                upload_bytes_max: bytes("s_upload_bytes_max")?,
                upload_files_max: limit("s_upload_files_max")?,
            },
            maker: maker(row)?,
            expires_at: row.try_get("s_expires_at")?,
            revoked_at: row.try_get("s_revoked_at")?,
            created_at: row.try_get("s_created_at")?,
            pinned: row.try_get("s_pinned")?,
            version: row.try_get("s_version")?,
            downloads: count("s_downloads")?,
            uploaded_bytes: bytes("s_upload_bytes")?.unwrap_or_default(),
            uploaded_files: count("s_upload_files")?,
            coming_bytes: bytes("s_coming_bytes")?.unwrap_or_default(),
            coming_files: count("s_coming_files")?,
            over: row.try_get("s_over")?,
        })
    }
}

/// Who made the share, as far as the share reaches: into a folder, and there not into what is private to others.
fn maker(row: &PgRow) -> sqlx::Result<Caller> {
    let folder: Option<&str> = row.try_get("s_folder")?;
    let scopes = folder.map(|folder| ["read", "write"].map(|action| format!("{action}:blobs/{folder}**")));
    let scopes = scopes.and_then(|scopes| Scopes::parse(&scopes).ok()).unwrap_or_else(Scopes::none);
    let mut maker = Caller::new(row.try_get("s_created_by")?, row.try_get::<&str, _>("s_maker")?, false, scopes);
    maker.origin = Origin { share: row.try_get("s_id")?, ..Origin::default() };
    Ok(maker)
}

impl FromRow<'_, PgRow> for Listed {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        let kind: Option<Kind> = row.try_get("d_kind")?;
        let dataset = kind.map(|kind| Ok::<_, sqlx::Error>((kind, row.try_get("d_name")?))).transpose()?;
        Ok(Self { share: Share::from_row(row)?, dataset })
    }
}
