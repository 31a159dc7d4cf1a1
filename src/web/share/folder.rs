//! A folder behind a link: what is in it, and the way to put something there.

use super::{Shown, snippets::curl_to_screen};
use crate::{
    app::App,
    web::{
        card::{Card, Snippet, progress},
        icon::Icon,
        preview::{self, Level},
        words::{bytes, file_name, plural},
    },
};
use maud::{Markup, html};

impl Shown<'_> {
    pub(super) fn folder(&self, app: &App, name: &str, level: Option<&Level>, room: Option<(u64, u64)>) -> Card {
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
}
