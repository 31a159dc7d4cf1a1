//! The frame of every page, and the headers that keep a browser from running or loading anything that is not ours.

use super::{assets, icon::Icon};
use axum::response::{IntoResponse, Response};
use http::{
    HeaderName, StatusCode,
    header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS},
};
use maud::{DOCTYPE, Markup, html};

/// Scripts, styles, pictures and requests of this service alone; no frames around it or in it, no plugins, no forms that send elsewhere.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self'; connect-src 'self'; \
     form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
/// And for the browser's viewer of PDFs, which is a frame to some and a plugin to others, a file of this service.
const EMBEDS: &str = "; frame-src 'self'; object-src 'self'";

pub struct Page {
    pub status: StatusCode,
    /// Of the window.
    pub title: String,
    /// More for `<head>`: what previews of the link show.
    pub head: Markup,
    pub main: Markup,
    /// Whether it shows a file of ours in the browser's own viewer.
    pub embeds: bool,
}

impl Page {
    pub fn new(title: impl Into<String>, main: Markup) -> Self {
        Self { status: StatusCode::OK, title: title.into(), head: html! {}, main, embeds: false }
    }

    fn render(&self) -> Markup {
        html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    title { (self.title) }
                    meta name="robots" content="noindex, nofollow";
                    meta name="theme-color" content="#f7f6f2" media="(prefers-color-scheme: light)";
                    meta name="theme-color" content="#131512" media="(prefers-color-scheme: dark)";
                    (self.head)
                    link rel="icon" type="image/svg+xml" href=(assets::icon());
                    link rel="stylesheet" href=(assets::style());
                    script type="module" src=(assets::script()) {}
                }
                body {
                    a.skip href="#main" { "Skip to the content" }
                    header.top {
                        a.brand href="/" { (Icon::Jar.draw()) "Larder" }
                    }
                    main #main { (self.main) }
                    footer.bottom {
                        span { "Put any file in, get a link that works." }
                        span { a href="/openapi.json" { "API reference" } " · " a href="/problems" { "Problems" } }
                    }
                }
            }
        }
    }
}

impl IntoResponse for Page {
    fn into_response(self) -> Response {
        let policy = format!("{POLICY}{}", if self.embeds { EMBEDS } else { "" });
        let headers = [
            (CONTENT_TYPE, "text/html; charset=utf-8"),
            (CONTENT_SECURITY_POLICY, policy.as_str()),
            (X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (REFERRER_POLICY, "no-referrer"),
            (CACHE_CONTROL, "no-store"),
            (VARY, "Accept, Cookie"),
            (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
            (HeaderName::from_static("x-robots-tag"), "noindex, nofollow"),
        ];
        (self.status, headers, self.render().into_string()).into_response()
    }
}
