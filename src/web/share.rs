//! The page of a link: what it leads to, from whom and until when, with a preview and the ways to take it away.

use super::{
    card::{Card, Download, Snippet, extent, progress},
    icon::Icon,
    layout::Page,
    preview::{self, Level, Media},
    words::{bytes, file_name, moment, plural},
};
use crate::{
    app::App,
    catalogue::{Dataset, Version},
    documents::Document,
    error::Result,
    http::encode_path,
    tables::{RowFormat, XLSX_ROWS_MAX},
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
    /// How often it may still be downloaded; such a link sends its bytes for nothing else.
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
        if !self.may_download {
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

    async fn blob(&self, app: &App, dataset: &Dataset) -> Result<Card> {
        let version = dataset.current()?;
        let name = file_name(&dataset.name);
        // Showing the whole of it is giving it away uncounted.
        let media = (self.may_view && self.downloads_left.is_none()).then(|| format!("{}?preview", self.path("")));
        let preview = match self.may_view {
            true => preview::blob(app, dataset, media.as_deref()).await?,
            false => None,
        };
        let (icon, kind) = kind_of_blob(version);
        let address = self.address(app, name);
        let password = if self.protected { "-u :PASSWORD " } else { "" };
        Ok(Card {
            icon,
            kind,
            title: dataset.title.clone(),
            note: None,
            facts: vec![
                ("Size", html! { span title=(plural(version.size_bytes, "byte")) { (bytes(version.size_bytes)) } }),
                ("Type", html! { (essence(&version.content_type)) }),
                ("Changed", moment(version.created_at)),
            ],
            downloads: vec![Download {
                format: String::new(),
                about: "",
                href: format!("{}?download", self.path(name)),
                file_name: name.to_owned(),
                size_bytes: Some(version.size_bytes),
            }],
            link: None,
            actions: html! {},
            preview: preview.unwrap_or_default(),
            snippets: vec![Snippet { tool: "curl", code: format!("curl -fLO {password}'{address}'") }],
        })
    }

    async fn table(
        &self,
        app: &App,
        dataset: &Dataset,
        query: &[(String, String)],
        format: Option<&str>,
    ) -> Result<Card> {
        let version = dataset.current()?;
        let preview = match self.may_view {
            true => preview::table(app, dataset, query).await?,
            false => html! {},
        };
        let whole = query.is_empty();
        let formats = FORMATS.iter().filter(|(row_format, ..)| {
            format.is_none_or(|only| only == row_format.extension())
                && (*row_format != RowFormat::Xlsx || version.row_count <= XLSX_ROWS_MAX)
        });
        let downloads = formats.map(|(row_format, name, about)| {
            let file_name = format!("{}.{}", dataset.name, row_format.extension());
            Download {
                format: (*name).to_owned(),
                about,
                href: self.path(&file_name),
                file_name,
                size_bytes: Some(version.size_bytes),
            }
        });
        let mut facts = vec![("Changed", moment(dataset.updated_at))];
        if whole {
            facts.insert(0, ("Extent", html! { (extent(version.row_count, version.columns.len())) }));
        }
        let address = |extension: &str| self.address(app, &format!("{}.{extension}", dataset.name));
        Ok(Card {
            icon: Icon::Table,
            kind: if whole { "Table" } else { "Part of a table" },
            title: dataset.title.clone(),
            note: None,
            facts,
            downloads: downloads.collect(),
            link: None,
            actions: html! {},
            preview,
            snippets: match format {
                Some(format) => vec![curl(&address(format), self.protected)],
                None => table_snippets(&address, self.protected),
            },
        })
    }

    fn document(&self, app: &App, collection: &Dataset, document: &Document) -> Card {
        let name = format!("{}.json", document.id);
        let address = self.address(app, &name);
        let tree = std::str::from_utf8(&document.body).ok().filter(|_| self.may_view).and_then(preview::tree);
        let preview = tree.map(|tree| preview::pane("Content", &tree)).unwrap_or_default();
        let python = match self.protected {
            true => format!("import requests\n\ndata = requests.get(\"{address}\", auth=(\"\", \"PASSWORD\")).json()"),
            false => format!("import requests\n\ndata = requests.get(\"{address}\").json()"),
        };
        Card {
            icon: Icon::Document,
            kind: "Document",
            title: document.id.clone(),
            note: None,
            facts: vec![
                ("Collection", html! { (collection.title) }),
                ("Size", html! { (bytes(document.size_bytes)) }),
                ("Changed", moment(document.updated_at)),
            ],
            downloads: vec![Download {
                format: "JSON".to_owned(),
                about: "",
                href: self.path(&name),
                file_name: name,
                size_bytes: Some(document.size_bytes),
            }],
            link: None,
            actions: html! {},
            preview,
            snippets: vec![curl(&address, self.protected), Snippet { tool: "Python", code: python }],
        }
    }

    fn collection(&self, app: &App, collection: &Dataset, documents: &[Document], more: bool) -> Card {
        let shown = documents.iter().map(|document| (document.id.as_str(), &*document.body));
        let tree = Some(shown).filter(|_| self.may_view).and_then(preview::tree_of);
        let heading = if more { "The first documents" } else { "Documents" };
        Card {
            icon: Icon::Document,
            kind: "Collection",
            title: collection.title.clone(),
            note: None,
            facts: vec![("Changed", moment(collection.updated_at))],
            downloads: Vec::new(),
            link: None,
            actions: html! {},
            preview: tree.map(|tree| preview::pane(heading, &tree)).unwrap_or_default(),
            snippets: vec![curl_to_screen(&self.address(app, ""), self.protected)],
        }
    }

    fn folder(&self, app: &App, name: &str, level: Option<&Level>, room: Option<(u64, u64)>) -> Card {
        let mut snippets = Vec::new();
        if level.is_some() {
            snippets.push(curl_to_screen(&self.address(app, ""), self.protected));
        }
        if room.is_some() {
            let password = if self.protected { "-u :PASSWORD " } else { "" };
            let code = format!("curl --fail-with-body {password}-T FILE '{}/'", self.address(app, ""));
            snippets.push(Snippet { tool: "curl, to send a file", code });
        }
        Card {
            icon: if room.is_some() { Icon::Upload } else { Icon::Folder },
            kind: if room.is_some() { "Drop box" } else { "Folder" },
            title: file_name(name).to_owned(),
            note: None,
            facts: Vec::new(),
            downloads: Vec::new(),
            link: None,
            actions: html! {},
            preview: html! {
                @if let Some(room) = room { (self.drop_box(room)) }
                @if let Some(level) = level { (preview::level(level)) }
            },
            snippets,
        }
    }

    fn drop_box(&self, (files, size): (u64, u64)) -> Markup {
        html! {
            section.card aria-labelledby="send" {
                h2 #send { "Send files" }
                p.done #received role="status" { "Your files have arrived." }
                form method="post" action=(self.path("")) enctype="multipart/form-data" data-upload {
                    div.row {
                        div {
                            label for="files" { "Files" }
                            input #files type="file" name="file" multiple required;
                        }
                        button.button.main type="submit" { (Icon::Upload.draw()) "Send" }
                    }
                    (progress())
                }
                p.quiet.small { "There is room for " (plural(files, "file")) " and " (bytes(size)) ". A file never replaces another." }
            }
        }
    }

    /// What services show of the link where somebody posts it.
    fn open_graph(&self, app: &App, card: &Card) -> Markup {
        if self.protected {
            return html! {};
        }
        let picture = match &self.what {
            What::Blob(dataset) if self.may_view && self.downloads_left.is_none() => dataset.version.as_ref(),
            _ => None,
        };
        let picture = picture
            .filter(|version| Media::of(version) == Some(Media::Picture) && version.size_bytes <= PREVIEW_BYTES_MAX);
        html! {
            meta property="og:site_name" content="Larder";
            meta property="og:type" content="website";
            meta property="og:title" content=(card.title);
            meta property="og:description" content={ (card.kind) " from " (self.from) };
            @if picture.is_some() { meta property="og:image" content={ (self.address(app, "")) "?preview" }; }
            meta name="twitter:card" content=(if picture.is_some() { "summary_large_image" } else { "summary" });
        }
    }
}

/// The formats of rows, with what each is good for.
const FORMATS: [(RowFormat, &str, &str); 7] = [
    (RowFormat::Csv, "CSV", "opens anywhere"),
    (RowFormat::Xlsx, "Excel", "a workbook"),
    (RowFormat::Parquet, "Parquet", "typed, small"),
    (RowFormat::Json, "JSON", "one list"),
    (RowFormat::NdJson, "NDJSON", "one object a line"),
    (RowFormat::Arrow, "Arrow", "a typed stream"),
    (RowFormat::Tsv, "TSV", "tabs between"),
];

fn curl(address: &str, protected: bool) -> Snippet {
    let password = if protected { "-u :PASSWORD " } else { "" };
    Snippet { tool: "curl", code: format!("curl -fLO {password}'{address}'") }
}

/// What is JSON is read at once rather than saved.
fn curl_to_screen(address: &str, protected: bool) -> Snippet {
    let password = if protected { "-u :PASSWORD " } else { "" };
    Snippet { tool: "curl", code: format!("curl -f {password}'{address}'") }
}

/// Addresses are percent-encoded, so no quote can end a text here.
fn table_snippets(address: &impl Fn(&str) -> String, protected: bool) -> Vec<Snippet> {
    let (csv, parquet) = (address("csv"), address("parquet"));
    let mut snippets = vec![curl(&csv, protected)];
    if protected {
        let code = format!(
            "import io, requests, pandas as pd\n\nanswer = requests.get(\"{csv}\", auth=(\"\", \"PASSWORD\"))\ndata = pd.read_csv(io.BytesIO(answer.content))"
        );
        snippets.push(Snippet { tool: "pandas", code });
        return snippets;
    }
    snippets.extend([
        Snippet { tool: "pandas", code: format!("import pandas as pd\n\ndata = pd.read_csv(\"{csv}\")") },
        Snippet { tool: "R", code: format!("data <- read.csv(\"{csv}\")") },
        Snippet { tool: "DuckDB", code: format!("select * from read_parquet('{parquet}');") },
    ]);
    snippets
}

/// The type without its parameters.
fn essence(content_type: &str) -> &str {
    content_type.split(';').next().unwrap_or_default().trim()
}

fn kind_of_blob(version: &Version) -> (Icon, &'static str) {
    let essence = essence(&version.content_type);
    match (essence.split('/').next().unwrap_or_default(), essence) {
        ("image", _) => (Icon::Picture, "Picture"),
        ("audio", _) => (Icon::Audio, "Sound"),
        ("video", _) => (Icon::Video, "Film"),
        (_, "application/pdf") => (Icon::Text, "PDF"),
        (_, "application/json") => (Icon::Document, "JSON file"),
        ("text", _) => (Icon::Text, "Text"),
        (_, "application/zip" | "application/gzip" | "application/x-tar" | "application/x-7z-compressed") => {
            (Icon::File, "Archive")
        }
        _ => (Icon::File, "File"),
    }
}
