//! One level of a folder.

use crate::web::{
    icon::Icon,
    words::{bytes, file_name, moment},
};
use maud::{Markup, html};
use time::OffsetDateTime;

/// Folders first, then files.
pub struct Level {
    /// The folders above, from the outermost: their names and addresses.
    pub above: Vec<(String, String)>,
    pub entries: Vec<Entry>,
    /// The address of the next page, if there is one.
    pub next: Option<String>,
}

pub struct Entry {
    /// A folder's ends with a slash.
    pub name: String,
    pub href: String,
    /// Of a file: its size, and when it was written.
    pub file: Option<(u64, OffsetDateTime)>,
}

pub fn level(level: &Level) -> Markup {
    html! {
        section.preview aria-labelledby="preview" {
            h2 #preview {
                @for (name, href) in &level.above { a href=(href) { (name) } " / " }
                "Files"
            }
            div.pane {
                @if level.entries.is_empty() {
                    p.empty { "There is nothing in it." }
                } @else {
                    ul.files { @for entry in &level.entries { li { (entry.render()) } } }
                }
                @if let Some(next) = &level.next { p.foot { a href=(next) rel="next" { "More files" } } }
            }
        }
    }
}

impl Entry {
    fn render(&self) -> Markup {
        let name = file_name(&self.name);
        html! {
            a href=(self.href) {
                @match self.file {
                    None => { (Icon::Folder.draw()) span.name { (name) "/" } }
                    Some((size, at)) => {
                        (Icon::File.draw()) span.name { (name) }
                        span.size { (moment(at)) }
                        span.size { (bytes(size)) }
                    }
                }
            }
        }
    }
}
