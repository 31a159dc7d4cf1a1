//! The folder of hostile files: each goes through the real service and must come back as the table that a person would read in it.
//!
//! `tests/corpus/NNN-name.ext` is a file, `NNN-name.expected.json` what it holds. All that differs is listed, not just the first.

use crate::support::{self, Service};
use expectation::{Case, Failure, cases};
use futures::StreamExt;
use larder::tables::read::{Options, Told};
use reqwest::{Method, header::CONTENT_TYPE};
use serde_json::{Value, value::RawValue};
use std::collections::{BTreeMap, BTreeSet};

pub mod expectation;
mod late;

const UPLOADS_AT_ONCE: usize = 8;

#[tokio::test]
async fn every_file_of_the_corpus_reads_as_a_person_reads_it() {
    let (cases, mut failures) = cases();
    let service = support::shared();
    let checks = cases.iter().map(|case| check(service, case));
    let found: Vec<_> = futures::stream::iter(checks).buffered(UPLOADS_AT_ONCE).collect().await;
    failures.extend(found.into_iter().flatten());
    let files: BTreeSet<_> = failures.iter().map(|failure| &failure.file).collect();
    let table: String = failures.iter().map(|failure| format!("{failure}\n")).collect();
    assert!(failures.is_empty(), "{} of {} files differ:\n{table}", files.len(), cases.len());
}

/// Uploads the file and compares everything that its expectation says.
async fn check(service: &Service, case: &Case) -> Vec<Failure> {
    let name = format!("corpus-{}", case.number());
    let options: Vec<_> = case.expected.options.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let mut request = service.request(Method::PUT, &format!("/v1/tables/{name}")).query(&options);
    if let Some(content_type) = case.content_type() {
        request = request.header(CONTENT_TYPE, content_type);
    }
    let response = request.body(case.bytes.clone()).send().await.expect("an answer");
    let status = response.status().as_u16();
    let answer: Value = serde_json::from_str(&response.text().await.expect("a body")).expect("JSON");
    match (&case.expected.error, status) {
        (Some(_), _) => check_problem(case, status, &answer),
        (None, 200 | 201) => check_table(service, case, &name).await,
        (None, _) => vec![case.failure("status", "200 or 201", format!("{status} {}", answer["detail"]))],
    }
}

fn check_problem(case: &Case, status: u16, problem: &Value) -> Vec<Failure> {
    let Some(expected) = &case.expected.error else { return Vec::new() };
    if status != expected.status {
        let what = problem.get("detail").or_else(|| problem.get("columns")).unwrap_or(problem);
        return vec![case.failure("status", expected.status, format!("{status} {what}"))];
    }
    let mut failures = Vec::new();
    for (what, expected) in [("line", expected.line), ("column", expected.column)] {
        if expected.is_some_and(|expected| problem[what] != expected) {
            failures.push(case.failure(
                what,
                expected.unwrap_or_default(),
                format!("{} {}", problem[what], problem["detail"]),
            ));
        }
    }
    let detail = problem["detail"].as_str().unwrap_or_default();
    if let Some(part) = expected.contains.as_ref().filter(|part| !detail.contains(*part)) {
        failures.push(case.failure("detail", format!("…{part}…"), detail));
    }
    failures
}

async fn check_table(service: &Service, case: &Case, name: &str) -> Vec<Failure> {
    let descriptor: Value =
        serde_json::from_str(&service.text(&format!("/v1/tables/{name}")).await).expect("a descriptor");
    let mut failures = check_ingest(case, &descriptor["ingest"]);
    let found: Vec<(String, String)> = descriptor["columns"]
        .as_array()
        .expect("columns")
        .iter()
        .map(|column| (string(&column["name"]), string(&column["type"])))
        .collect();
    let named = found.iter().map(|(name, _)| name).eq(case.expected.columns.iter().map(|(name, _)| name));
    if found != case.expected.columns {
        failures.push(case.failure("columns", shown(&case.expected.columns), shown(&found)));
    }
    let rows = service.text(&format!("/v1/tables/{name}/rows.ndjson")).await;
    let rows: Vec<BTreeMap<String, Box<RawValue>>> =
        rows.lines().map(|line| serde_json::from_str(line).expect("a row")).collect();
    if rows.len() != case.expected.rows.len() || descriptor["rows"] != rows.len() {
        let found = format!("{} and {} described", rows.len(), descriptor["rows"]);
        failures.push(case.failure("rows", case.expected.rows.len(), found));
    }
    // Other columns have other cells: nothing to compare.
    for (index, (expected, found)) in case.expected.rows.iter().zip(&rows).enumerate().filter(|_| named) {
        for ((column, column_type), expected) in case.expected.columns.iter().zip(expected) {
            let found = found.get(column).map_or("(none)", |value| value.get());
            if !same(column_type, expected, found) {
                failures.push(case.failure(&format!("row {}, {column}", index + 1), expected, found));
            }
        }
    }
    failures.extend(check_special(service, case, name).await);
    failures
}

/// NaN and infinities, which rows in JSON do not tell from NULL.
async fn check_special(service: &Service, case: &Case, name: &str) -> Vec<Failure> {
    let mut failures = Vec::new();
    for (index, (column, column_type)) in case.expected.columns.iter().enumerate() {
        let is_special = |row: &&Vec<Value>| column_type == "double" && row[index].is_string();
        if case.expected.rows.iter().filter(is_special).count() == 0 {
            continue;
        }
        let path = format!("/v1/tables/{name}/rows.csv");
        let response =
            service.request(Method::GET, &path).query(&[("select", column)]).send().await.expect("an answer");
        let text = response.text().await.expect("a body");
        for (row, (expected, found)) in case.expected.rows.iter().zip(text.lines().skip(1)).enumerate() {
            if let Some(expected) = expected[index].as_str().filter(|expected| *expected != found) {
                failures.push(case.failure(&format!("row {}, {column}", row + 1), expected, found));
            }
        }
    }
    failures
}

/// What was assumed, as far as the expectation says it; and the kinds of warnings, all of them.
fn check_ingest(case: &Case, ingest: &Value) -> Vec<Failure> {
    let mut failures = Vec::new();
    for (key, expected) in &case.expected.ingest {
        let found = &ingest[key];
        let equal = match key.as_str() {
            // `tab` and a tab are the same told delimiter.
            "delimiter" | "quote" | "escape" => {
                told(key, expected).is_some() && told(key, expected) == told(key, found)
            }
            _ => expected == found,
        };
        if !equal {
            failures.push(case.failure(&format!("ingest.{key}"), expected, found));
        }
    }
    let codes = ingest["warnings"].as_array().into_iter().flatten().map(|warning| string(&warning["code"]));
    let codes: BTreeSet<String> = codes.collect();
    if let Some(expected) = case.expected.warnings.as_ref().filter(|expected| **expected != codes) {
        failures.push(case.failure("warnings", format!("{expected:?}"), format!("{codes:?}")));
    }
    failures
}

fn told(parameter: &str, value: &Value) -> Option<Options> {
    let told = Told::from([(parameter.to_owned(), value.as_str()?.to_owned())]);
    Options::parse(&told).ok()
}

/// Whether a cell of `rows.ndjson` is the value expected. Numbers are compared as they are written, so that no digit is lost on the way.
pub fn same(column_type: &str, expected: &Value, found: &str) -> bool {
    match (column_type, expected) {
        (_, Value::Null) | ("double", Value::String(_)) => found == "null",
        ("numeric", Value::String(expected)) => found == expected,
        ("bigint", expected) => found.parse().ok().is_some_and(|found: i64| expected.as_i64() == Some(found)),
        ("double", expected) => found.parse().ok().is_some_and(|found: f64| expected.as_f64() == Some(found)),
        _ => serde_json::from_str::<Value>(found).is_ok_and(|found| found == *expected),
    }
}

fn string(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn shown(columns: &[(String, String)]) -> String {
    columns.iter().map(|(name, column_type)| format!("{name:?} {column_type}")).collect::<Vec<_>>().join(", ")
}
