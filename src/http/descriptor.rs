//! The descriptor: the answer to every upload, and of every dataset.

use super::{encode_path, mint, parse_life};
use crate::{
    app::App,
    audit::http::Gives,
    auth::{Action, Caller},
    catalogue::{Column, Dataset, Kind, Outcome, Version},
    config::Visibility,
    error::{Limit, Result},
    objects::Presigned,
    shares::{Expiry, Target},
};
use axum::response::{IntoResponse, Response};
use base64::{Engine, prelude::BASE64_STANDARD};
use http::{
    StatusCode,
    header::{CACHE_CONTROL, ETAG, LOCATION},
};
use serde::Serialize;
use serde_json::Value;
use std::time::Duration;
use time::OffsetDateTime;

#[derive(Debug, Serialize)]
pub struct Descriptor {
    pub id: String,
    pub name: String,
    pub kind: &'static str,
    pub title: String,
    /// Of a blob or table; documents and collections are told apart by their ETag alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    pub content_type: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size_bytes: Option<u64>,
    /// In hexadecimal, as `sha256sum` prints it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// In base64, as S3 prints it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crc64nvme: Option<String>,
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    pub updated_at: OffsetDateTime,
    pub owner: String,
    /// Who sees it; of a document, its collection.
    pub visibility: Visibility,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub columns: Option<Vec<Column>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ingest: Option<Value>,
    /// Why a smart upload went where it went.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub routed_because: Option<String>,
    pub links: Links,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub presigned: Option<PresignedLink>,
}

#[derive(Debug, Default, Serialize)]
pub struct Links {
    #[serde(rename = "self")]
    pub this: String,
    pub download: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub raw: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub share: Option<String>,
}

/// A URL that needs no token, until the true end of its life.
#[derive(Debug, Serialize)]
pub struct PresignedLink {
    pub url: String,
    #[serde(with = "time::serde::rfc3339")]
    pub expires_at: OffsetDateTime,
}

impl From<Presigned> for PresignedLink {
    fn from(Presigned { url, expires_at }: Presigned) -> Self {
        Self { url, expires_at }
    }
}

impl Descriptor {
    pub fn of(app: &App, dataset: &Dataset) -> Self {
        let version = dataset.version.as_ref();
        let table = version.filter(|_| dataset.kind == Kind::Table);
        Self {
            id: dataset.id.to_string(),
            name: dataset.name.clone(),
            kind: dataset.kind.as_str(),
            title: dataset.title.clone(),
            version: version.map(|version| version.number),
            etag: version.map(Version::etag),
            content_type: version.map_or_else(|| "application/json".to_owned(), |version| version.content_type.clone()),
            size_bytes: version.map(|version| version.size_bytes),
            sha256: version.and_then(|version| version.sha256.as_deref().map(hex::encode)),
            crc64nvme: version.map(|version| BASE64_STANDARD.encode(&version.crc64nvme)),
            created_at: dataset.created_at,
            updated_at: dataset.updated_at,
            owner: dataset.owner_name.clone(),
            visibility: dataset.visibility,
            rows: table.map(|version| version.row_count),
            columns: table.map(|version| version.columns.iter().cloned().map(Column::described).collect()),
            ingest: table.map(|version| version.ingest.clone()),
            routed_because: None,
            links: Links::of(app, dataset),
            presigned: None,
        }
    }
}

impl Links {
    fn of(app: &App, dataset: &Dataset) -> Self {
        let url = &app.public_url;
        let name = encode_path(&dataset.name);
        match dataset.kind {
            Kind::Blob => Self {
                this: format!("{url}/v1/blobs/{name}?descriptor"),
                download: format!("{url}/v1/blobs/{name}"),
                ..Self::default()
            },
            Kind::Table => {
                let this = format!("{url}/v1/tables/{name}");
                let download = format!("{this}/rows.csv");
                Self {
                    rows: Some(format!("{this}/rows")),
                    raw: Some(format!("{this}/raw")),
                    this,
                    download,
                    share: None,
                }
            }
            Kind::Collection => {
                let download = format!("{url}/v1/documents/{name}");
                Self { this: format!("{url}/v1/collections/{name}"), download, ..Self::default() }
            }
        }
    }
}

/// 201 with `Location` for something new, else 200; a minted URL is never cached.
pub fn answer_upload(descriptor: &Descriptor, created: bool) -> Response {
    let status = if created { StatusCode::CREATED } else { StatusCode::OK };
    let etag = descriptor.etag.clone().unwrap_or_default();
    let headers = [(ETAG, etag), (LOCATION, descriptor.links.this.clone()), (CACHE_CONTROL, "no-store".to_owned())];
    let response = (status, headers, axum::Json(descriptor)).into_response();
    match (&descriptor.presigned, descriptor.id.parse()) {
        (Some(_), Ok(dataset)) => Gives::minted(dataset, response),
        _ => response,
    }
}

impl Descriptor {
    /// The descriptor of a publication with all that its upload asked for, and whether it is new. A URL that cannot be minted now is left out: the upload is
    /// committed, and its answer says so.
    pub async fn of_upload(
        app: &App,
        caller: &Caller,
        outcome: &Outcome,
        share: Option<Duration>,
    ) -> Result<(Self, bool)> {
        let dataset = outcome.dataset();
        let mut descriptor = Self::of(app, dataset);
        if dataset.kind == Kind::Blob {
            let minted = mint(app, dataset, None).await;
            let minted =
                minted.inspect_err(|error| tracing::warn!(?error, "an upload is answered without a presigned URL"));
            descriptor.presigned = minted.ok().flatten().map(PresignedLink::from);
        }
        descriptor.share(app, caller, share, dataset.into()).await?;
        Ok((descriptor, matches!(outcome, Outcome::Created(_))))
    }

    /// Adds the share link that `?share=7d` asks for: the caller's live link of the same thing, extended, or a new one.
    pub async fn share(&mut self, app: &App, caller: &Caller, life: Option<Duration>, target: Target) -> Result<()> {
        if let Some(life) = life {
            let share = app.shares.create_or_extend(caller, &target, Expiry::In(life)).await?;
            self.links.share = Some(app.share_url(&share));
        }
        Ok(())
    }
}

/// Whether the caller may share what it uploads under that name; judged before anything is stored.
pub fn check_share(caller: &Caller, share: Option<Duration>, kind: Kind, name: &str) -> Result<()> {
    share.map_or(Ok(()), |_| caller.require(Action::Share, kind, name))
}

/// The life that an upload's `?share=` asks for; judged before anything is stored.
pub fn upload_share(app: &App, life: Option<&str>) -> Result<Option<Duration>> {
    life.map(|life| share_life(app, "share", Some(life))).transpose()
}

/// The life of a share within the limit; a week if nothing is said.
pub fn share_life(app: &App, parameter: &str, life: Option<&str>) -> Result<Duration> {
    let life = parse_life(parameter, life.unwrap_or("7d"))?;
    let max = app.config.times.share_seconds_max;
    if life.as_secs() > max { Err(Limit::ShareSeconds.passed(max, None)) } else { Ok(life) }
}
