//! `/`: what this is, and the way in.

use super::{icon::Icon, layout::Page};
use crate::{app::App, auth::session::http::session_cookie, guards::http::Counted};
use axum::extract::State;
use http::HeaderMap;
use maud::{Markup, html};

/// `GET /`, which tells a browser as whom it has signed in.
pub async fn home(_: Counted, State(app): State<App>, headers: HeaderMap) -> Page {
    let caller = match session_cookie(&app, &headers) {
        // The page is there whatever the database is.
        Some(cookie) => app.auth.caller_of_session(cookie.expose()).await.ok(),
        None => None,
    };
    Page::new("Larder", welcome(&app.public_url, caller.as_ref().map(|caller| caller.name.as_str())))
}

fn welcome(address: &str, name: Option<&str>) -> Markup {
    let command = format!("curl --fail-with-body -u :TOKEN -T sales.csv '{address}/sales.csv?share=7d'");
    html! {
        section.hero {
            h1 { "Put any file in. Get a link that works at once." }
            p.note { "It goes to the store made for its structure, and people, programs and dashboards use it by the same link." }
            @match name {
                Some(name) => form method="post" action="/logout" {
                    p { "Signed in as " strong { (name) } ". " button.button.plain type="submit" { "Sign out" } }
                }
                None => p { a href="/login" { "Sign in" } },
            }
        }
        ul.kinds {
            li.card { (Icon::Picture.draw()) h2 { "Files" } p { "Photos, films, models, archives: kept as they are, of any size, and served straight from the object store." } }
            li.card { (Icon::Table.draw()) h2 { "Tables" } p { "CSV, Excel, Parquet and their kin: typed, filtered and summed up, and given in any format." } }
            li.card { (Icon::Document.draw()) h2 { "Documents" } p { "JSON objects: read and written one by one, and listed in collections." } }
        }
        section.card {
            h2 { "Begin" }
            p { "With a token, from any terminal:" }
            figure.snippet {
                figcaption { "curl" button.button.plain type="button" hidden data-copy=(command) { span aria-live="polite" { "Copy" } } }
                pre tabindex="0" { code { (command) } }
            }
            p { "The answer says what was made of the file, and has a link for " strong { "a browser, pandas, R or DuckDB" } " that works for seven days." }
        }
    }
}
