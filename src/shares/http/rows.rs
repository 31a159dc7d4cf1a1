//! A table behind a link: all of it in any format, or what a fixed query finds.

use super::{
    target::{check_columns, pairs},
    visit::Visit,
};
use crate::{
    catalogue::Dataset,
    error::{Error, Result},
    http::{encode_path, serve_object},
    shares::{Query, Target},
    tables::{
        RowFormat,
        http::{Asked, Shape, accepted, rendition, serve_rows},
    },
};
use axum::response::Response;
use http::{Method, header::RANGE};
use std::mem;

/// What a fixed query asks of the table, with the page that its holder asks for.
///
/// # Errors
/// `Gone` if the table has not its columns any more: that is not the holder's, who may not know of them.
pub fn fixed(dataset: &Dataset, query: &Query, added: Vec<(String, String)>) -> Result<Asked> {
    let asked = Asked::within(pairs(&query.text)?, added)?;
    let gone = |_| Error::Gone { detail: "The columns that this link shows are no longer there.".to_owned() };
    check_columns(dataset, &asked).map_err(gone)?;
    Ok(asked)
}

impl Visit<'_> {
    pub async fn give_rows(&mut self, dataset: Dataset) -> Result<Response> {
        let extension = self.path.and_then(|path| path.rsplit_once('.')).map(|(_, extension)| extension);
        let added = mem::take(&mut self.query);
        let (shape, mut asked) = match &self.share.target {
            Target::Query { query, .. } => {
                let asked = fixed(&dataset, query, added)?;
                (self.shape(query.format.as_deref(), extension)?, asked)
            }
            _ => (self.shape(None, extension)?, Asked::parse(added)?),
        };
        asked.pinned = self.share.version;
        self.hit.format = Some(shape.extension().into());
        // Whoever asks for the length or a part of a file reads it by parts, and a download of which nobody knows the length cannot be taken up again.
        let by_parts = self.headers.get(RANGE).is_some_and(|range| range.as_bytes().starts_with(b"bytes="));
        let wanted = by_parts || self.method == Method::HEAD || self.share.terms.downloads_max.is_some();
        if let Some(file) = rendition(self.app, &dataset, (shape, &asked), wanted).await? {
            return serve_object(&self.app.objects, self.method, self.headers, &file).await;
        }
        let name = self.path.map(|path| format!("/{}", encode_path(path))).unwrap_or_default();
        let path = format!("/s/{}{name}", self.token);
        serve_rows(self.app, dataset, (shape, &asked), &path, self.method, self.headers).await
    }

    /// The one format that the share says, else by extension, else by `Accept`.
    fn shape(&self, fixed: Option<&str>, extension: Option<&str>) -> Result<Shape> {
        if let Some(fixed) = fixed {
            let other = extension.and_then(|extension| RowFormat::from_extension(extension).ok());
            let fixed = RowFormat::from_extension(fixed)?;
            return match other.is_none_or(|other| other == fixed) {
                true => Ok(Shape::Rows(fixed)),
                false => Err(Error::NotAcceptable { detail: format!("this link gives {} alone.", fixed.extension()) }),
            };
        }
        match extension {
            Some(extension) => RowFormat::from_extension(extension).map(Shape::Rows),
            // A browser names HTML first whatever it follows, and all rows of a table are no page.
            None => Ok(match accepted(self.headers, RowFormat::Csv)? {
                Shape::Rows(RowFormat::Html) => Shape::Rows(RowFormat::Csv),
                shape => shape,
            }),
        }
    }
}
