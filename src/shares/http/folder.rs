//! A folder behind a link: what is in it, and its blobs by their paths, as far as the share's maker sees them at that moment.

use super::visit::Visit;
use crate::{
    auth::Action,
    catalogue::{Dataset, Kind, blob_key, list_behind},
    error::{Error, Result},
    http::{PageOf, Paging, encode_path},
};
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, VARY};
use serde::Serialize;
use time::OffsetDateTime;

/// One level of a folder; names are below the folder that is shared.
#[derive(Debug, Serialize)]
pub struct Listing {
    pub folders: Vec<String>,
    pub blobs: Vec<ListedBlob>,
    /// The cursor of the next page, if there is one.
    pub next: Option<String>,
}

#[derive(Debug, Serialize)]
pub struct ListedBlob {
    pub name: String,
    pub url: String,
    pub size_bytes: u64,
    pub content_type: String,
    pub etag: String,
    #[serde(with = "time::serde::rfc3339")]
    pub updated_at: OffsetDateTime,
}

impl Visit<'_> {
    /// Whether the path is that of a folder.
    pub fn lists(&self) -> bool {
        self.path.is_none_or(|path| path.ends_with('/'))
    }

    pub async fn give_folder(&mut self) -> Result<Response> {
        let folder = self.share.folder().ok_or_else(|| Error::internal("a share of nothing"))?.to_owned();
        let path = self.path.unwrap_or_default();
        if self.lists() {
            if !self.share.terms.allow.view {
                return Err(Error::NotShared { action: "looking at what is in it" });
            }
            if self.hit.outcome == "streamed" {
                self.hit.outcome = "listed";
            }
            self.hit.format = Some("json".into());
            let listing = self.list(&folder, path).await?;
            let headers = [(CACHE_CONTROL, "private, no-cache"), (VARY, "Accept, Authorization, Cookie")];
            return Ok((headers, axum::Json(listing)).into_response());
        }
        let key = format!("{folder}{path}");
        blob_key(&key).map_err(|_| Kind::Blob.not_found())?;
        let blob = self.app.catalogue.find(&self.maker(), Action::Read, Kind::Blob, &key).await?;
        self.give_blob(&blob).await
    }

    /// A page of one level.
    pub async fn list(&self, folder: &str, below: &str) -> Result<Listing> {
        let asked = PageOf::parse(&self.query)?;
        let (app, prefix) = (self.app, format!("{folder}{below}"));
        let list = format!("share {} {below}", self.share.id);
        let page = Paging::of(app, list, (asked.cursor.as_deref(), asked.limit))?;
        let from = page.behind.clone();
        let entries = app.catalogue.list_blobs(&self.maker(), &prefix, true, from, page.wanted()).await?;
        let (entries, next) = page.cut(entries, list_behind)?;
        let mut listing = Listing { folders: Vec::new(), blobs: Vec::new(), next };
        for (name, blob) in entries {
            let name = name.strip_prefix(folder).unwrap_or(&name).to_owned();
            match blob {
                None => listing.folders.push(name),
                Some(blob) => listing.blobs.push(self.entry(name, &blob)?),
            }
        }
        Ok(listing)
    }

    fn entry(&self, name: String, blob: &Dataset) -> Result<ListedBlob> {
        let version = blob.current()?;
        Ok(ListedBlob {
            url: format!("{}/s/{}/{}", self.app.public_url, self.token, encode_path(&name)),
            name,
            size_bytes: version.size_bytes,
            content_type: version.content_type.clone(),
            etag: version.etag(),
            updated_at: version.created_at,
        })
    }
}
