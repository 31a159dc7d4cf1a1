//! A share as its maker sees it.

use crate::{
    app::App,
    catalogue::Kind,
    http::encode_path,
    shares::{Listed, Right, Share, Target},
};
use serde::Serialize;
use time::OffsetDateTime;
use uuid::Uuid;

#[derive(Debug, Serialize)]
pub struct ShareView {
    id: Uuid,
    url: String,
    /// Its path in the API, by the name that it has now.
    target: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    dataset_id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    document_id: Option<String>,
    label: Option<String>,
    allow: Vec<Right>,
    /// Whether it asks for one.
    password: bool,
    max_downloads: Option<u32>,
    /// Of a share that counts them: those whose bytes have all gone out.
    #[serde(skip_serializing_if = "Option::is_none")]
    downloads: Option<u32>,
    /// The version that it is for; the newest if none is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    uploads: Option<Uploads>,
    created_by: String,
    /// `null`: never.
    #[serde(with = "time::serde::rfc3339::option")]
    expires_at: Option<OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339::option")]
    revoked_at: Option<OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    /// Whether it is answered 410 now: expired, revoked, used up, or of a dataset that is not there any more for its maker.
    over: bool,
}

/// What a drop box has taken, those under way at their greatest, and may.
#[derive(Debug, Serialize)]
struct Uploads {
    files: u32,
    files_max: u32,
    bytes: u64,
    bytes_max: u64,
}

impl ShareView {
    pub fn of(app: &App, listed: &Listed) -> Self {
        let (share, limits) = (&listed.share, &app.config.sharing);
        let terms = &share.terms;
        let uploads = || Uploads {
            files: share.uploaded_files.saturating_add(share.coming_files),
            files_max: terms.upload_files_max.unwrap_or(limits.drop_box_files_max),
            bytes: share.uploaded_bytes.saturating_add(share.coming_bytes),
            bytes_max: terms.upload_bytes_max.unwrap_or(limits.drop_box_bytes_max),
        };
        Self {
            id: share.id,
            url: app.share_url(share),
            target: path(share, listed.dataset.as_ref()),
            dataset_id: share.dataset_id(),
            document_id: match &share.target {
                Target::Document { id, .. } => Some(id.clone()),
                _ => None,
            },
            label: terms.label.clone(),
            allow: terms.allow.rights(),
            password: terms.password.is_some(),
            max_downloads: terms.downloads_max,
            downloads: terms.downloads_max.map(|_| share.downloads),
            version: share.version,
            uploads: terms.allow.upload.then(uploads),
            created_by: share.maker.name.clone(),
            expires_at: share.expires_at,
            revoked_at: share.revoked_at,
            created_at: share.created_at,
            over: share.over,
        }
    }
}

fn path(share: &Share, dataset: Option<&(Kind, String)>) -> String {
    let name = dataset.map(|(_, name)| encode_path(name)).unwrap_or_default();
    match (&share.target, dataset.map(|(kind, _)| *kind)) {
        (Target::Folder(folder), _) => format!("/v1/blobs/{}", encode_path(folder)),
        (Target::Document { id, .. }, _) => format!("/v1/documents/{name}/{}", encode_path(id)),
        (Target::Query { query, .. }, _) => {
            let format = query.format.as_ref().map(|format| format!(".{format}")).unwrap_or_default();
            let text = if query.text.is_empty() { String::new() } else { format!("?{}", query.text) };
            format!("/v1/tables/{name}/rows{format}{text}")
        }
        (Target::Dataset(_), Some(Kind::Table)) => format!("/v1/tables/{name}"),
        (Target::Dataset(_), Some(Kind::Collection)) => format!("/v1/collections/{name}"),
        (Target::Dataset(_), _) => format!("/v1/blobs/{name}"),
    }
}
