//! What axum's extractors refuse, as problems.

use super::Problem;
use crate::error::Error;
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};

impl From<JsonRejection> for Problem {
    fn from(rejection: JsonRejection) -> Self {
        match rejection {
            JsonRejection::MissingJsonContentType(_) => {
                Error::UnsupportedMediaType { detail: "Send `Content-Type: application/json`.".to_owned() }
            }
            JsonRejection::BytesRejection(_) => Error::Interrupted { detail: rejection.body_text() },
            _ => Error::invalid("body", rejection.body_text()),
        }
        .into()
    }
}

impl From<QueryRejection> for Problem {
    fn from(rejection: QueryRejection) -> Self {
        let text = rejection.body_text();
        let text = text.strip_prefix("Failed to deserialize query string: ").unwrap_or(&text);
        // `limit: invalid digit…`, or the parameter in backquotes when it is unknown or comes twice.
        let quoted = text.split_once("field `").and_then(|(_, rest)| rest.split_once('`'));
        let told = text.split_once(": ").filter(|(parameter, _)| !parameter.contains([' ', '`']));
        let parameter = quoted.or(told).map_or("query", |(parameter, _)| parameter);
        let detail = told.map_or(text, |(_, detail)| detail);
        Error::invalid(parameter, format!("{detail}.")).into()
    }
}

impl From<PathRejection> for Problem {
    fn from(rejection: PathRejection) -> Self {
        Error::invalid("path", rejection.body_text()).into()
    }
}
