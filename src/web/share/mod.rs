//! The page of a link: what it leads to, from whom and until when, with a preview and the ways to take it away.

mod dataset;
mod folder;
mod snippets;

use super::{
    card::Card,
    icon::Icon,
    layout::Page,
    preview::{Level, Media},
    words::moment,
};
use crate::{
    app::App,
    catalogue::{Dataset, Version},
    documents::Document,
    error::Result,
    http::encode_path,
};
use http::StatusCode;
use maud::{Markup, html};
use time::OffsetDateTime;

/// A picture that previews of the link may show: their services fetch it for each reader.
const PREVIEW_BYTES_MAX: u64 = 8 << 20;

/// A link, as its page tells of it.
pub struct Shown<'a> {
    pub token: &'a str,
    pub what: What<'a>,
    /// The name of who shares it.
    pub from: &'a str,
    pub label: Option<&'a str>,
    /// `None`: never.
    pub expires_at: Option<OffsetDateTime>,
    /// How often it may still be downloaded.
    pub downloads_left: Option<u32>,
    pub may_view: bool,
    pub may_download: bool,
    /// Nothing of it is told to those who show a link where it was posted.
    pub protected: bool,
}

pub enum What<'a> {
    Blob(&'a Dataset),
    /// All of a table, or what a fixed query finds of it, in one format if it says so.
    Table {
        dataset: &'a Dataset,
        query: &'a [(String, String)],
        format: Option<&'a str>,
    },
    Document {
        collection: &'a Dataset,
        document: &'a Document,
    },
    /// The first documents of a collection, and whether others follow.
    Collection {
        collection: &'a Dataset,
        documents: &'a [Document],
        more: bool,
    },
    /// A folder of blobs, or one below it. Without a level nothing in it is shown; `room` is how many files and bytes it still takes.
    Folder {
        name: &'a str,
        level: Option<&'a Level>,
        room: Option<(u64, u64)>,
    },
}

/// `GET /s/{token}` of a browser.
pub async fn share_page(app: &App, shown: &Shown<'_>) -> Result<Page> {
    let card = shown.card(app).await?;
    let mut page = Page::new(format!("{} · Larder", card.title), card.render());
    page.head = shown.open_graph(app, &card);
    page.embeds = shown.media() == Some(Media::Pdf);
    Ok(page)
}

/// The page that asks for the password of a link; it tells nothing of what is behind it.
pub fn password_page(token: &str, wrong: bool) -> Page {
    let main = html! {
        div.card.narrow {
            p.kind { (Icon::Lock.draw()) "Protected link" }
            h1 { "What is the password?" }
            p.note { "Whoever sent you this link knows it." }
            form method="post" action={ "/s/" (token) } {
                @if wrong { p.alert role="alert" { "That is not the password of this link." } }
                // For what keeps passwords: it tells links apart by such a name.
                input type="text" name="name" value=(token) autocomplete="username" hidden;
                p {
                    label for="password" { "Password" }
                    input #password type="password" name="password" autocomplete="current-password" required autofocus;
                }
                button.button.main type="submit" { "Open" }
            }
        }
    };
    let mut page = Page::new("Protected link · Larder", main);
    page.status = if wrong { StatusCode::FORBIDDEN } else { StatusCode::OK };
    page
}

impl Shown<'_> {
    async fn card(&self, app: &App) -> Result<Card> {
        let mut card = match &self.what {
            What::Blob(dataset) => self.blob(app, dataset).await?,
            What::Table { dataset, query, format } => self.table(app, dataset, query, *format).await?,
            What::Document { collection, document } => self.document(app, collection, document),
            What::Collection { collection, documents, more } => self.collection(app, collection, documents, *more),
            What::Folder { name, level, room } => self.folder(app, name, *level, *room),
        };
        card.note = self.label.map(str::to_owned);
        card.link = Some(self.address(app, ""));
        card.facts.insert(0, ("From", html! { (self.from) }));
        card.facts.push(("Link ends", self.expires_at.map_or_else(|| html! { "Never" }, moment)));
        if let Some(left) = self.downloads_left {
            card.facts.push(("Downloads left", html! { (left) }));
        }
        if !self.may_download && !matches!(self.what, What::Folder { .. }) {
            (card.downloads, card.snippets) = (Vec::new(), Vec::new());
        }
        Ok(card)
    }

    /// The link, or a name below it.
    fn address(&self, app: &App, name: &str) -> String {
        format!("{}{}", app.public_url, self.path(name))
    }

    fn path(&self, name: &str) -> String {
        let name = if name.is_empty() { String::new() } else { format!("/{}", encode_path(name)) };
        format!("/s/{}{name}", self.token)
    }

    /// The version of a blob whose bytes the page may show: none are given for that where downloads are counted.
    fn version(&self) -> Option<&Version> {
        match &self.what {
            What::Blob(dataset) if self.may_view && self.downloads_left.is_none() => dataset.version.as_ref(),
            _ => None,
        }
    }

    /// What the browser itself shows of it.
    fn media(&self) -> Option<Media> {
        self.version().and_then(Media::of)
    }

    /// What services show of the link where somebody posts it.
    fn open_graph(&self, app: &App, card: &Card) -> Markup {
        if self.protected {
            return html! {};
        }
        let small = |version: &Version| version.size_bytes <= PREVIEW_BYTES_MAX;
        let picture = self.media() == Some(Media::Picture) && self.version().is_some_and(small);
        html! {
            meta property="og:site_name" content="Larder";
            meta property="og:type" content="website";
            meta property="og:title" content=(card.title);
            meta property="og:description" content={ (card.kind) " from " (self.from) };
            @if picture { meta property="og:image" content={ (self.address(app, "")) "?preview" }; }
            meta name="twitter:card" content=(if picture { "summary_large_image" } else { "summary" });
        }
    }
}
