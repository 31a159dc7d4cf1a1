//! Errors as pages, for those who read them in a browser.

use super::{icon::Icon, layout::Page, negotiate::wants_page, share::password_page};
use crate::http::Told;
use axum::{
    extract::Request,
    response::{IntoResponse, Response},
};
use http::{
    Method,
    header::{CONTENT_LENGTH, CONTENT_TYPE, WWW_AUTHENTICATE},
};
use maud::html;

/// For a browser, the problem of an answer becomes a page of the same status, with the same headers beside it.
pub async fn problem_as_page<F: Future<Output = Response>>(
    request: Request,
    next: impl FnOnce(Request) -> F,
) -> Response {
    let method = request.method().clone();
    if !matches!(method, Method::GET | Method::POST) || !wants_page(request.headers()) {
        return next(request).await;
    }
    let token = request.uri().path().strip_prefix("/s/").map(|path| path.split('/').next().unwrap_or(path).to_owned());
    let response = next(request).await;
    let Some(told) = response.extensions().get::<Told>() else { return response };
    let (page, not_kept) = match &token {
        // Without a challenge, to which the browser would ask in a window of its own.
        Some(token) if told.kind.slug == "password-needed" => {
            (password_page(token, method == Method::POST), &[CONTENT_TYPE, CONTENT_LENGTH, WWW_AUTHENTICATE][..])
        }
        _ => (render(told, token.is_some()), &[CONTENT_TYPE, CONTENT_LENGTH][..]),
    };
    let mut page = page.into_response();
    for (name, value) in response.headers().iter().filter(|(name, _)| !not_kept.contains(name)) {
        page.headers_mut().append(name, value.clone());
    }
    page
}

fn render(told: &Told, of_link: bool) -> Page {
    let (icon, heading, advice) = match (told.kind.slug, of_link) {
        ("gone", true) => (
            Icon::Clock,
            "This link is no longer available",
            "It has expired, was revoked, or what it led to was deleted. Whoever sent it to you can make a new one.",
        ),
        ("not-found", true) => (
            Icon::Question,
            "This link leads nowhere",
            "Look whether all of it was copied: each character of it counts. Or ask whoever sent it to you.",
        ),
        ("not-found", _) => (Icon::Question, "There is nothing here", told.kind.explanation),
        ("unauthenticated", _) => (Icon::Lock, told.kind.title, "Log in with a token of yours, and come back."),
        _ => (Icon::Warning, told.kind.title, told.detail.as_str()),
    };
    let main = html! {
        div.card.narrow {
            p.kind { (icon.draw()) (told.kind.status.as_u16()) }
            h1 { (heading) }
            p.note { (advice) }
            @if told.kind.status.is_server_error() { p.note.small { "Request " code { (told.request_id) } } }
        }
    };
    let mut page = Page::new(format!("{heading} · Larder"), main);
    page.status = told.kind.status;
    page
}

#[cfg(test)]
mod tests {
    use super::render;
    use crate::http::{PROBLEMS, Told};

    #[test]
    fn a_problem_is_told_in_words_and_escaped() {
        let kind = PROBLEMS.iter().find(|kind| kind.slug == "bad-request").unwrap();
        let told = Told { kind, detail: "`<script>` is none.".to_owned(), request_id: "1".to_owned() };
        let page = render(&told, false);
        assert_eq!(page.status.as_u16(), 400);
        assert!(page.main.into_string().contains("`&lt;script&gt;` is none."));
        let kind = PROBLEMS.iter().find(|kind| kind.slug == "gone").unwrap();
        let told = Told { kind, ..told };
        assert!(render(&told, true).title.starts_with("This link is no longer available"));
    }
}
