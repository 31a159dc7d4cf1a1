//! Errors as RFC 9457 problems. The caller reads `Display`; the log gets the causes.

mod describe;
mod kinds;

use self::describe::describe;
pub use self::kinds::{PROBLEMS, ProblemType};
use super::{again, request_id};
use crate::{
    error::{Error, Limit},
    metrics,
};
use axum::response::{IntoResponse, Response};
use http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{CONTENT_RANGE, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE},
};
use serde_json::{Map, Value, json};
use uuid::Uuid;

/// On the response of a request that was refused for what its caller may: for the audit, and never sent.
#[derive(Debug, Clone, Copy)]
pub struct Refusal {
    pub slug: &'static str,
    /// The dataset that was hidden.
    pub dataset: Option<Uuid>,
}

impl Refusal {
    /// Whether it is answered as what is not there.
    pub fn is_hidden(&self) -> bool {
        self.slug == "not-found"
    }

    fn of(error: &Error) -> Option<Self> {
        let dataset = match error {
            Error::Hidden { dataset, .. } | Error::NameTakenUnseen { dataset, .. } => Some(*dataset),
            Error::Unauthenticated
            | Error::Forbidden { .. }
            | Error::ScopeNeeded { .. }
            | Error::TooManyAttempts { .. } => None,
            _ => return None,
        };
        Some(Self { slug: slug(error), dataset })
    }
}

/// By which a kind of problem is known.
pub fn slug(error: &Error) -> &'static str {
    describe(error).0
}

/// What an answer that is a problem tells; it goes with the answer, for whoever writes it as a page.
#[derive(Debug, Clone)]
pub struct Told {
    pub kind: &'static ProblemType,
    pub detail: String,
    pub request_id: String,
}

/// An error for the log, with what lies behind it.
pub fn with_causes(error: &dyn std::error::Error) -> String {
    let mut told = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        told.push_str(": ");
        told.push_str(&cause.to_string());
        source = cause.source();
    }
    told
}

/// An error on its way out.
#[derive(Debug)]
pub struct Problem {
    error: Error,
    more: Option<Box<More>>,
}

/// What an answer tells beside its error.
#[derive(Debug)]
struct More {
    sentence: String,
    field: (&'static str, Value),
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        Self { error, more: None }
    }
}

impl Problem {
    /// The same with a sentence behind its detail, and a field that says it to programs.
    #[must_use]
    pub fn with(self, sentence: String, field: (&'static str, Value)) -> Self {
        Self { more: Some(Box::new(More { sentence, field })), ..self }
    }

    /// The status and the JSON body; the causes go to the log.
    pub fn render(&self) -> (StatusCode, Value) {
        let (told, body) = self.tell();
        (told.kind.status, body)
    }

    fn tell(&self) -> (Told, Value) {
        let (slug, fields) = describe(&self.error);
        let Some(kind) = PROBLEMS.iter().find(|kind| kind.slug == slug) else {
            unreachable!("every slug stands in PROBLEMS, as a test shows")
        };
        self.log(slug, kind.status);
        let request_id = request_id().to_string();
        let mut detail = self.error.to_string();
        if let Some(more) = &self.more {
            detail.push(' ');
            detail.push_str(&more.sentence);
        }
        let told = Told { kind, detail, request_id };
        let mut body = Map::new();
        body.insert("type".into(), kind.path().into());
        body.insert("title".into(), kind.title.into());
        body.insert("status".into(), kind.status.as_u16().into());
        body.insert("detail".into(), told.detail.clone().into());
        body.insert("request_id".into(), told.request_id.clone().into());
        if let Value::Object(fields) = fields {
            body.extend(fields.into_iter().filter(|(_, value)| !value.is_null()));
        }
        body.extend(self.more.as_ref().map(|more| (more.field.0.to_owned(), more.field.1.clone())));
        (told, Value::Object(body))
    }

    fn log(&self, slug: &'static str, status: StatusCode) {
        if let Error::Store { store, .. } = self.error {
            metrics::unavailable(store);
        }
        if status.is_server_error() {
            tracing::error!(problem = slug, error = with_causes(&self.error));
        } else {
            tracing::debug!(problem = slug, error = %self.error);
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (told, body) = self.tell();
        let mut response = (told.kind.status, body.to_string()).into_response();
        response.extensions_mut().insert(told);
        if let Some(refusal) = Refusal::of(&self.error) {
            response.extensions_mut().insert(refusal);
        }
        again::mark(&self.error, &mut response);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        match self.error {
            Error::Unauthenticated => {
                headers.append(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"larder\""));
                headers.append(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"larder\", charset=\"UTF-8\""));
            }
            Error::PasswordNeeded => {
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"link\", charset=\"UTF-8\""));
            }
            Error::DownloadsInUse => {
                headers.insert(RETRY_AFTER, HeaderValue::from_static("60"));
            }
            Error::Store { .. }
            | Error::LeaseLost
            | Error::InProgress
            | Error::Limit { limit: Limit::Loads | Limit::PasswordChecks, .. } => {
                headers.insert(RETRY_AFTER, HeaderValue::from_static("5"));
            }
            Error::TooManyAttempts { seconds } => _ = headers.insert(RETRY_AFTER, HeaderValue::from(seconds)),
            Error::Limit { limit: Limit::TokenRequests | Limit::AddressRequests, .. } => {
                headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
            }
            Error::RangeNotSatisfiable { size } => content_range(headers, &format!("bytes */{size}")),
            Error::RowsNotSatisfiable { rows } => content_range(headers, &format!("items */{rows}")),
            _ => {}
        }
        response
    }
}

fn content_range(headers: &mut HeaderMap, value: &str) {
    headers.extend(HeaderValue::from_str(value).ok().map(|value| (CONTENT_RANGE, value)));
}

pub async fn not_found() -> Problem {
    Error::NotFound { what: "page" }.into()
}

impl ProblemType {
    /// What `type` says: the path of the page that explains it.
    pub fn path(&self) -> String {
        format!("/problems/{}", self.slug)
    }

    /// What programs are told of it.
    pub fn json(&self) -> Value {
        json!({ "type": self.path(), "title": self.title, "status": self.status.as_u16(), "explanation": self.explanation })
    }
}
