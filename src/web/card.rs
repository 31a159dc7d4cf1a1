//! One thing on a page: what it is, the ways to take it away, what is in it, and how programs read it.

use super::{
    icon::Icon,
    words::{bytes, plural},
};
use maud::{Markup, html};

pub struct Card {
    pub icon: Icon,
    /// Such as `Table`.
    pub kind: &'static str,
    pub title: String,
    /// What somebody wrote about it.
    pub note: Option<String>,
    pub facts: Vec<(&'static str, Markup)>,
    /// The first is what the button gives.
    pub downloads: Vec<Download>,
    /// The address that people pass on.
    pub link: Option<String>,
    pub preview: Markup,
    pub snippets: Vec<Snippet>,
}

pub struct Download {
    /// Such as `CSV`.
    pub format: String,
    pub about: &'static str,
    pub href: String,
    /// That it is saved under.
    pub file_name: String,
    /// Where it is known before, at least about.
    pub size_bytes: Option<u64>,
}

pub struct Snippet {
    pub tool: &'static str,
    pub code: String,
}

impl Card {
    pub fn render(&self) -> Markup {
        html! {
            article.card {
                p.kind { (self.icon.draw()) (self.kind) }
                h1 { (self.title) }
                @if let Some(note) = &self.note { p.note { (note) } }
                dl.facts {
                    @for (name, value) in &self.facts { div { dt { (name) } dd { (value) } } }
                }
                (self.buttons())
                @if !self.downloads.is_empty() { (progress()) }
            }
            (self.preview)
            @if !self.snippets.is_empty() { (self.programs()) }
        }
    }

    fn buttons(&self) -> Markup {
        let (first, others) = self.downloads.split_first().unzip();
        html! {
            div.actions {
                @if let Some(first) = first {
                    a.button.main href=(first.href) download=(first.file_name) data-download data-size=[first.size_bytes] {
                        (Icon::Download.draw())
                        @if self.downloads.len() > 1 { "Download " (first.format) } @else { "Download" }
                        @if let (Some(size), 1) = (first.size_bytes, self.downloads.len()) { span { (bytes(size)) } }
                    }
                }
                @if let Some(others) = others && !others.is_empty() {
                    details.menu {
                        summary.button { "Other formats" (Icon::Down.draw()) }
                        ul { @for other in others { li { (other.item()) } } }
                    }
                }
                @if let Some(link) = &self.link {
                    button.button type="button" hidden data-copy=(link) { (Icon::Copy.draw()) span aria-live="polite" { "Copy link" } }
                }
            }
        }
    }

    fn programs(&self) -> Markup {
        html! {
            details.use {
                summary { "Use it in a program" }
                div {
                    @for snippet in &self.snippets {
                        figure.snippet {
                            figcaption {
                                (snippet.tool)
                                button.button.plain type="button" hidden data-copy=(snippet.code) {
                                    span aria-live="polite" { "Copy" } span.sr { " the lines for " (snippet.tool) }
                                }
                            }
                            pre tabindex="0" { code { (snippet.code) } }
                        }
                    }
                }
            }
        }
    }
}

impl Download {
    fn item(&self) -> Markup {
        html! {
            a href=(self.href) download=(self.file_name) data-download data-size=[self.size_bytes] {
                (self.format) span { (self.about) }
            }
        }
    }
}

/// Shown by the script while bytes move.
pub fn progress() -> Markup {
    html! {
        div.progress #progress hidden {
            progress max="1" aria-label="Progress" {}
            output aria-live="polite" {}
            button.button.plain type="button" { "Cancel" }
        }
    }
}

/// `1,234 rows × 5 columns`
pub fn extent(rows: u64, columns: usize) -> String {
    format!("{} × {}", plural(rows, "row"), plural(columns as u64, "column"))
}
