//! Errors as pages, for those who read them in a browser, and the pages that explain their kinds.

use super::{
    icon::Icon,
    layout::Page,
    login::{login_address, login_page},
    negotiate::wants_page,
    share::password_page,
    words::plural,
};
use crate::{
    error::Error,
    http::{PROBLEMS, Path, Problem, ProblemType, Told},
};
use axum::{
    extract::Request,
    response::{IntoResponse, Response},
};
use http::{
    HeaderMap, Method,
    header::{CONTENT_LENGTH, CONTENT_TYPE, VARY, WWW_AUTHENTICATE},
    uri::PathAndQuery,
};
use maud::{Markup, html};

/// For a browser, the problem of an answer becomes a page of the same status, with the same headers beside it.
pub async fn problem_as_page<F: Future<Output = Response>>(
    request: Request,
    next: impl FnOnce(Request) -> F,
) -> Response {
    let method = request.method().clone();
    if !matches!(method, Method::GET | Method::POST) || !wants_page(request.headers()) {
        return next(request).await;
    }
    let uri = request.uri().clone();
    let token = uri.path().strip_prefix("/s/").map(|path| path.split('/').next().unwrap_or(path).to_owned());
    let response = next(request).await;
    let Some(told) = response.extensions().get::<Told>() else { return response };
    // Pages that ask have no challenge, to which the browser would ask in a window of its own.
    let asking = &[CONTENT_TYPE, CONTENT_LENGTH, WWW_AUTHENTICATE][..];
    let (page, not_kept) = match (&token, told.kind.slug) {
        (Some(token), "password-needed") => (password_page(token, method == Method::POST), asking),
        (None, "unauthenticated") if uri.path() == "/login" => (login_page(&uri, true), asking),
        _ => {
            let here = uri.path_and_query().filter(|_| method == Method::GET);
            (render(told, token.is_some(), here.map(PathAndQuery::as_str)), &[CONTENT_TYPE, CONTENT_LENGTH][..])
        }
    };
    let mut page = page.into_response();
    for (name, value) in response.headers().iter().filter(|(name, _)| !not_kept.contains(name)) {
        page.headers_mut().append(name, value.clone());
    }
    page
}

/// `here` is where somebody who signs in comes back to.
fn render(told: &Told, of_link: bool, here: Option<&str>) -> Page {
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
        ("unauthenticated", _) => (Icon::Lock, told.kind.title, "Sign in with a token of yours, and come back."),
        _ => (Icon::Warning, told.kind.title, told.detail.as_str()),
    };
    let main = html! {
        div.card.narrow {
            p.kind { (icon.draw()) (told.kind.status.as_u16()) }
            h1 { (heading) }
            p.note { (advice) }
            @if told.kind.slug == "unauthenticated" {
                div.actions { a.button.main href=(login_address(here.unwrap_or("/"))) { "Sign in" } }
            }
            @if told.kind.status.is_server_error() { p.note.small { "Request " code { (told.request_id) } } }
        }
    };
    let mut page = Page::new(format!("{heading} · Larder"), main);
    page.status = told.kind.status;
    page
}

/// `GET /problems`: every kind of problem.
pub async fn problem_kinds(headers: HeaderMap) -> Response {
    if wants_page(&headers) {
        return Page::new("Problems · Larder", all_kinds()).into_response();
    }
    let all: Vec<_> = PROBLEMS.iter().map(ProblemType::json).collect();
    ([(VARY, "Accept")], axum::Json(all)).into_response()
}

/// `GET /problems/{slug}`: one kind of problem, explained.
pub async fn problem_kind(Path(slug): Path<String>, headers: HeaderMap) -> Result<Response, Problem> {
    let kind = PROBLEMS.iter().find(|kind| kind.slug == slug).ok_or(Error::NotFound { what: "kind of problem" })?;
    if wants_page(&headers) {
        return Ok(Page::new(format!("{} · Larder", kind.title), one_kind(kind)).into_response());
    }
    Ok(([(VARY, "Accept")], axum::Json(kind.json())).into_response())
}

fn all_kinds() -> Markup {
    html! {
        article.card {
            p.kind { (Icon::Question.draw()) "Reference" }
            h1 { "Problems" }
            p.note { "An answer that is an error is " code { "application/problem+json" } " to a program. Its " code { "type" } " is the address of one of these pages." }
        }
        section.preview aria-labelledby="kinds" {
            h2 #kinds { (plural(PROBLEMS.len() as u64, "kind")) }
            div.pane {
                ul.files {
                    @for kind in PROBLEMS {
                        li { a href=(kind.path()) { span.name { (kind.title) } span.size { (kind.slug) } span.size { (kind.status.as_u16()) } } }
                    }
                }
            }
        }
    }
}

fn one_kind(kind: &ProblemType) -> Markup {
    html! {
        div.card.narrow {
            p.kind { (Icon::Question.draw()) "Problem" }
            h1 { (kind.title) }
            p.note { (kind.explanation) }
            dl.facts {
                div { dt { "Type" } dd { code { (kind.path()) } } }
                div { dt { "Status" } dd { (kind.status) } }
            }
            div.actions { a.button href="/problems" { "All problems" } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::render;
    use crate::http::{PROBLEMS, Told};

    #[test]
    fn a_problem_is_told_in_words_and_escaped() {
        let kind = PROBLEMS.iter().find(|kind| kind.slug == "bad-request").unwrap();
        let told = Told { kind, detail: "`<script>` is none.".to_owned(), request_id: "1".to_owned() };
        let page = render(&told, false, None);
        assert_eq!(page.status.as_u16(), 400);
        assert!(page.main.into_string().contains("`&lt;script&gt;` is none."));
        let kind = PROBLEMS.iter().find(|kind| kind.slug == "gone").unwrap();
        let told = Told { kind, ..told };
        assert!(render(&told, true, None).title.starts_with("This link is no longer available"));
    }
}
