//! What a link leads to, if it is one dataset or one document.

use super::{
    Shown,
    snippets::{curl, curl_to_screen, table_snippets},
};
use crate::{
    app::App,
    catalogue::{Dataset, Version},
    documents::Document,
    error::Result,
    tables::{RowFormat, XLSX_ROWS_MAX},
    web::{
        card::{Card, Download, Snippet, extent},
        icon::Icon,
        preview,
        words::{bytes, file_name, moment, plural},
    },
};
use maud::html;

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

impl Shown<'_> {
    pub(super) async fn blob(&self, app: &App, dataset: &Dataset) -> Result<Card> {
        let version = dataset.current()?;
        let name = file_name(&dataset.name);
        let media = self.media().map(|_| format!("{}?preview", self.path("")));
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
            preview: preview.unwrap_or_default(),
            snippets: vec![Snippet { tool: "curl", code: format!("curl -fLO {password}'{address}'") }],
        })
    }

    pub(super) async fn table(
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
                // A hint of all of it; of a part it would tell how much else there is.
                size_bytes: whole.then_some(version.size_bytes),
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
            preview,
            snippets: match format {
                Some(format) => vec![curl(&address(format), self.protected)],
                None => table_snippets(&address, self.protected),
            },
        })
    }

    pub(super) fn document(&self, app: &App, collection: &Dataset, document: &Document) -> Card {
        let name = document.file_name();
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
            preview,
            snippets: vec![curl(&address, self.protected), Snippet { tool: "Python", code: python }],
        }
    }

    pub(super) fn collection(&self, app: &App, collection: &Dataset, documents: &[Document], more: bool) -> Card {
        let shown = documents.iter().map(|document| (document.id.as_str(), &*document.body));
        let tree = Some(shown).filter(|_| self.may_view).and_then(preview::tree_of);
        let heading = if more { "The first documents" } else { "Documents" };
        Card {
            icon: Icon::Document,
            kind: "Collection",
            title: collection.title.clone(),
            note: None,
            facts: vec![("Changed", moment(collection.updated_at))],
            downloads: vec![Download {
                format: "NDJSON".to_owned(),
                about: "",
                href: format!("{}?download", self.path("")),
                file_name: format!("{}.ndjson", collection.name),
                size_bytes: None,
            }],
            link: None,
            preview: tree.map(|tree| preview::pane(heading, &tree)).unwrap_or_default(),
            snippets: vec![curl_to_screen(&self.address(app, ""), self.protected)],
        }
    }
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
