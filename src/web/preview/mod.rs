//! What is in a thing, or the beginning of it, shown without leaving the page.
//!
//! **Invariant.** A preview reads and shows a bounded part: of a text its first bytes, of a table its first rows, of JSON its first values.

mod chart;
mod folder;
mod json;
mod media;
mod rows;
mod summary;
mod text;

pub use folder::{Entry, Level, level};
pub use json::{tree, tree_of};
pub use media::Media;
pub use rows::table;

use crate::{app::App, catalogue::Dataset, error::Result};
use maud::{Markup, html};

/// Bytes of JSON that are shown as a tree.
const TREE_BYTES_MAX: u64 = 256 << 10;

/// Of a blob. `media` is the address of its bytes for what the browser itself shows, if they may be shown.
pub async fn blob(app: &App, dataset: &Dataset, media: Option<&str>) -> Result<Option<Markup>> {
    let version = dataset.current()?;
    if let Some(shown) = Media::of(version) {
        return Ok(media.map(|address| shown.render(address, &dataset.title)));
    }
    if version.content_encoding.is_some() || !text::may_be(&version.content_type) {
        return Ok(None);
    }
    let Some(text) = text::beginning(app, version).await? else { return Ok(None) };
    if version.size_bytes <= TREE_BYTES_MAX
        && let Some(tree) = text.json()
    {
        return Ok(Some(pane("Preview", &tree)));
    }
    Ok(Some(text.render(&dataset.name, version.size_bytes)))
}

/// A preview under its heading.
pub fn pane(heading: &str, content: &Markup) -> Markup {
    html! {
        section.preview aria-labelledby="preview" {
            h2 #preview { (heading) }
            div.pane { (content) }
        }
    }
}
