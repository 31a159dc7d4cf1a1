//! `GET /login`: where a browser gives a token once.

use super::{icon::Icon, layout::Page};
use crate::auth::session::http::is_ours;
use axum::extract::Query;
use http::{StatusCode, Uri};
use maud::html;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

#[derive(Debug, Default, Deserialize)]
struct LoginQuery {
    #[serde(default)]
    next: String,
}

/// `GET /login`
pub async fn login(uri: Uri) -> Page {
    login_page(&uri, false)
}

/// The address of the page, for somebody who is to go on to `next` from there.
pub fn login_address(next: &str) -> String {
    format!("/login?next={}", utf8_percent_encode(next, NON_ALPHANUMERIC))
}

/// The form leads on to the `next` of its address, if that is ours; it is sent to that address, so a token that is wrong does not lose it.
pub fn login_page(uri: &Uri, wrong: bool) -> Page {
    let next = Query::<LoginQuery>::try_from_uri(uri).map(|Query(query)| query.next).ok().filter(|next| is_ours(next));
    let main = html! {
        div.card.narrow {
            p.kind { (Icon::Lock.draw()) "Larder" }
            h1 { "Sign in" }
            p.note { "With a token that an admin gave you, or that you have made. It is asked for once." }
            form method="post" action=(next.as_deref().map_or_else(|| "/login".to_owned(), login_address)) {
                @if wrong { p.alert role="alert" { "That is no valid token. It may have expired, or been revoked." } }
                @if let Some(next) = &next { input type="hidden" name="next" value=(next); }
                p {
                    label for="token" { "Token" }
                    input #token type="password" name="token" autocomplete="current-password" required autofocus;
                }
                button.button.main type="submit" { "Sign in" }
            }
        }
    };
    let mut page = Page::new("Sign in · Larder", main);
    page.status = if wrong { StatusCode::FORBIDDEN } else { StatusCode::OK };
    page
}
