//! The grammar of queries: that it means what its documentation and that of PostgREST say, and that nothing else comes through it.
//!
//! `tests/grammar/*.txt` are the cases, `cases` runs them.

use crate::support::{json, shared};
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use reqwest::Response;
use std::path::PathBuf;

mod agreement;
mod cases;
mod cells;
mod cursors;
mod datum;
mod pages;
mod parsing;
mod predicate;
mod unbound;
mod wide;

/// The folder of the cases.
fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/grammar")
}

fn encode(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

/// Pairs of a query as a person writes them, `a=eq.x y&b=…`, in which `%26` is an ampersand that separates none.
fn pairs(query: &str) -> Vec<(String, String)> {
    let decode = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(name), decode(value))
    };
    query.split('&').filter(|pair| !pair.is_empty()).map(pair).collect()
}

/// The query of a URL.
fn query(pairs: &[(String, String)]) -> String {
    let pairs: Vec<_> = pairs.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
    pairs.join("&")
}

async fn rows(table: &str, extension: &str, pairs: &[(String, String)]) -> Response {
    shared().get(&format!("/v1/tables/{table}/rows.{extension}?{}", query(pairs))).await
}

/// Makes a table of no rows with columns of these names and types; where its rows are to be inserted, as `_row` and one value for each column.
async fn typed_table(name: &str, columns: &[(&str, &str)]) -> String {
    let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
    let sample = |column_type: &str| match column_type {
        "boolean" => "true",
        "bigint" => "1",
        "numeric" => "1.5",
        "double" => "1.5e3",
        "date" => "2026-01-31",
        "time" => "10:00:00",
        "timestamp" => "2026-01-31T10:00:00",
        "timestamptz" => "2026-01-31T10:00:00Z",
        "uuid" => "00000000-0000-0000-0000-000000000001",
        "json" => "{\"a\":1}",
        _ => "x",
    };
    let names: Vec<_> = columns.iter().map(|(name, _)| quoted(name)).collect();
    let samples: Vec<_> = columns.iter().map(|(_, column_type)| quoted(sample(column_type))).collect();
    let file = format!("{}\n{}\n", names.join(","), samples.join(","));
    let made = json(shared().put(&format!("/v1/tables/{name}"), file).await, 201).await;
    for (found, (name, column_type)) in made["columns"].as_array().expect("columns").iter().zip(columns) {
        assert!(found["name"] == *name && found["type"] == *column_type, "{found}, not {name} {column_type}");
    }
    let table = physical_table(name).await;
    shared().sql(&format!("delete from {table}")).await;
    table
}

/// Where the rows of a table's current version are.
async fn physical_table(name: &str) -> String {
    let query = "select v.table_id from larder.datasets d join larder.versions v on v.id = d.current where d.name";
    let id = shared().column(&format!("{query} = '{name}'")).await.concat();
    format!("rows.t_{}", id.replace('-', ""))
}
