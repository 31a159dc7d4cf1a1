//! The grammar of queries: that it means what its documentation and that of PostgREST say, and that nothing else comes through it.
//!
//! `tests/grammar/*.txt` are the cases, `cases` runs them.

use crate::support::shared;
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use reqwest::Response;
use std::path::PathBuf;

mod cases;

/// The folder of the cases.
fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/grammar")
}

fn encode(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

/// Pairs of a query as a person writes them, `a=eq.x y&b=…`, in which `%26` is an ampersand that separates none.
fn pairs(query: &str) -> Vec<(String, String)> {
    let decode = |text: &str| percent_decode_str(text).decode_utf8().expect("UTF-8").into_owned();
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(name), decode(value))
    };
    query.split('&').map(pair).collect()
}

/// The query of a URL.
fn query(pairs: &[(String, String)]) -> String {
    let pairs: Vec<_> = pairs.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
    pairs.join("&")
}

async fn rows(table: &str, extension: &str, pairs: &[(String, String)]) -> Response {
    shared().get(&format!("/v1/tables/{table}/rows.{extension}?{}", query(pairs))).await
}
