//! What a browser's window gets of a link: a page, which counts as no download.

use super::{
    folder::Listing,
    rows::fixed,
    target::pairs,
    visit::{Visit, over},
};
use crate::{
    catalogue::{Dataset, Kind},
    documents::{self, Document},
    error::{Error, Result},
    http::encode_path,
    shares::Target,
    web::{Entry, Level, Shown, What, share_page},
};
use axum::response::{IntoResponse, Response};

/// Of a collection, whose documents are read whole.
const DOCUMENTS_MAX: usize = 25;

/// What a page shows; it lives as long as the page is written.
enum Found {
    Blob,
    Rows { query: Vec<(String, String)>, format: Option<String> },
    Document(Document),
    Documents { documents: Vec<Document>, more: bool },
}

impl Visit<'_> {
    pub async fn give_page(&mut self) -> Result<Response> {
        self.hit.format = Some("html".into());
        let Some(dataset) = self.dataset.clone() else { return self.give_folder_page().await };
        let found = self.look_into(&dataset).await?;
        let dataset = &dataset;
        let what = match &found {
            Found::Blob => What::Blob(dataset),
            Found::Rows { query, format } => What::Table { dataset, query, format: format.as_deref() },
            Found::Document(document) => What::Document { collection: dataset, document },
            Found::Documents { documents, more } => What::Collection { collection: dataset, documents, more: *more },
        };
        Ok(share_page(self.app, &self.shown(what)).await?.into_response())
    }

    async fn look_into(&self, dataset: &Dataset) -> Result<Found> {
        Ok(match (&self.share.target, dataset.kind) {
            (Target::Document { id, incarnation, .. }, _) => {
                let found = documents::http::find_shared(self.app, dataset, (id, Some(incarnation))).await?;
                Found::Document(found.ok_or_else(over)?)
            }
            (Target::Query { query, .. }, _) => {
                fixed(dataset, query, Vec::new())?;
                Found::Rows { query: pairs(&query.text)?, format: query.format.clone() }
            }
            (_, Kind::Blob) => Found::Blob,
            (_, Kind::Table) => Found::Rows { query: Vec::new(), format: None },
            (_, Kind::Collection) => {
                let page = self.app.documents.list(dataset, None, DOCUMENTS_MAX).await?;
                Found::Documents { documents: page.documents, more: page.more }
            }
        })
    }

    fn shown<'a>(&'a self, what: What<'a>) -> Shown<'a> {
        let terms = &self.share.terms;
        Shown {
            token: self.token,
            what,
            from: &self.share.maker.name,
            label: terms.label.as_deref(),
            expires_at: self.share.expires_at,
            downloads_left: terms.downloads_max.map(|max| max.saturating_sub(self.share.downloads)),
            may_view: terms.allow.view,
            may_download: terms.allow.download,
            protected: terms.password.is_some(),
        }
    }

    async fn give_folder_page(&mut self) -> Result<Response> {
        let folder = self.share.folder().ok_or_else(|| Error::internal("a share of nothing"))?.to_owned();
        let below = self.path.unwrap_or_default();
        let (terms, limits) = (&self.share.terms, &self.app.config.sharing);
        let level = match terms.allow.view {
            true => Some(self.level(&folder, below).await?),
            false => None,
        };
        // Files go right into the folder of the link.
        let room = (terms.allow.upload && below.is_empty()).then(|| {
            let files = terms.upload_files_max.unwrap_or(limits.drop_box_files_max);
            let bytes = terms.upload_bytes_max.unwrap_or(limits.drop_box_bytes_max);
            (files.saturating_sub(self.share.uploaded_files).into(), bytes.saturating_sub(self.share.uploaded_bytes))
        });
        if level.is_none() && room.is_none() {
            return Err(Error::NotShared { action: "looking at what is in it" });
        }
        let what = What::Folder { name: &format!("{folder}{below}"), level: level.as_ref(), room };
        Ok(share_page(self.app, &self.shown(what)).await?.into_response())
    }

    async fn level(&self, folder: &str, below: &str) -> Result<Level> {
        let Listing { folders, blobs, next } = self.list(folder, below).await?;
        let address = |path: &str| format!("/s/{}/{}", self.token, encode_path(path));
        let folders = folders.into_iter().map(|name| Entry { href: address(&name), name, file: None });
        let blobs = blobs.into_iter().map(|blob| Entry {
            href: address(&blob.name),
            name: blob.name,
            file: Some((blob.size_bytes, blob.updated_at)),
        });
        let entries = folders.chain(blobs).collect();
        let mut above = Vec::new();
        if !below.is_empty() {
            above.push((
                folder.trim_end_matches('/').rsplit('/').next().unwrap_or(folder).to_owned(),
                format!("/s/{}", self.token),
            ));
            let parents = below.trim_end_matches('/').match_indices('/').map(|(at, _)| &below[..=at]);
            above.extend(parents.map(|path| {
                let name = path.trim_end_matches('/').rsplit('/').next().unwrap_or(path);
                (name.to_owned(), address(path))
            }));
        }
        let here = if below.is_empty() { format!("/s/{}", self.token) } else { address(below) };
        Ok(Level { above, entries, next: next.map(|cursor| format!("{here}?cursor={cursor}")) })
    }
}
