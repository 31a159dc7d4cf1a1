//! The files of the corpus and what they hold.

use serde::Deserialize;
use serde_json::{Map, Value};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt, fs,
    path::{Path, PathBuf},
};

const EXPECTED: &str = ".expected.json";
/// Beside the files and their expectations.
const OTHERS: [&str; 1] = ["make.py"];

pub struct Case {
    /// With its number and its ending.
    pub file: String,
    pub bytes: Vec<u8>,
    pub expected: Expectation,
}

/// Either a table or an `error`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expectation {
    /// The trouble with the file, in a sentence.
    why: String,
    /// Parameters of the upload.
    #[serde(default)]
    pub options: BTreeMap<String, String>,
    /// That of the file's ending if not given.
    content_type: Option<String>,
    /// Names and types.
    #[serde(default)]
    pub columns: Vec<(String, String)>,
    /// Integers and doubles are numbers, everything else but JSON and booleans is text: `"1.50"`, `"2026-11-23"`, `"NaN"`.
    #[serde(default)]
    pub rows: Vec<Vec<Value>>,
    /// What must stand in the descriptor's `ingest`, beside whatever else does.
    #[serde(default)]
    pub ingest: Map<String, Value>,
    /// All the kinds of warnings; not compared if absent.
    pub warnings: Option<BTreeSet<String>>,
    pub error: Option<ExpectedError>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectedError {
    pub status: u16,
    pub line: Option<u64>,
    pub column: Option<u64>,
    /// A part of the sentence.
    pub contains: Option<String>,
}

/// One difference between what a file holds and what was read.
pub struct Failure {
    pub file: String,
    what: String,
    expected: String,
    found: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, what, expected, found } = self;
        write!(f, "{file:44} {what:20} expected {expected}\n{:44} {:20}    found {found}", "", "")
    }
}

impl Case {
    pub fn number(&self) -> &str {
        self.file.split('-').next().unwrap_or_default()
    }

    pub fn failure(&self, what: &str, expected: impl fmt::Display, found: impl fmt::Display) -> Failure {
        failure(&self.file, what, expected, found)
    }

    /// What a client says of a file of this name.
    pub fn content_type(&self) -> Option<&str> {
        let of_ending = match self.file.rsplit('.').next().unwrap_or_default() {
            "csv" => Some("text/csv"),
            "tsv" => Some("text/tab-separated-values"),
            "ndjson" => Some("application/x-ndjson"),
            "json" => Some("application/json"),
            "parquet" => Some("application/vnd.apache.parquet"),
            "arrow" | "feather" => Some("application/vnd.apache.arrow.file"),
            "arrows" => Some("application/vnd.apache.arrow.stream"),
            "xlsx" => Some("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
            "xls" => Some("application/vnd.ms-excel"),
            "ods" => Some("application/vnd.oasis.opendocument.spreadsheet"),
            _ => None,
        };
        self.expected.content_type.as_deref().or(of_ending)
    }
}

/// The folder's files in the order of their numbers, and what is wrong with the folder itself.
pub fn cases() -> (Vec<Case>, Vec<Failure>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let entries = fs::read_dir(&folder).expect("the corpus").map(|entry| entry.expect("a file").path());
    let (expectations, files): (Vec<_>, Vec<_>) =
        entries.filter(|path| !OTHERS.contains(&&*name(path))).partition(|path| name(path).ends_with(EXPECTED));
    let mut expectations: BTreeMap<String, PathBuf> =
        expectations.into_iter().map(|path| (stem(&path), path)).collect();
    let (mut cases, mut failures) = (Vec::new(), Vec::new());
    for path in files {
        let file = name(&path);
        match expectations.remove(&stem(&path)).map(|path| fs::read(path).expect("an expectation")) {
            None => failures.push(failure(&file, "expectation", "one beside the file", "none")),
            Some(json) => match serde_json::from_slice(&json) {
                Ok(expected) => cases.push(Case { file, bytes: fs::read(&path).expect("a file"), expected }),
                Err(error) => failures.push(failure(&file, "expectation", "JSON of its form", error)),
            },
        }
    }
    failures.extend(expectations.into_values().map(|path| failure(&name(&path), "file", "one beside it", "none")));
    cases.sort_by(|a, b| a.file.cmp(&b.file));
    failures.extend(cases.iter().filter_map(misshapen));
    let numbers: BTreeSet<_> = cases.iter().map(Case::number).collect();
    assert!(numbers.len() == cases.len(), "each file has a number of its own");
    (cases, failures)
}

/// What is wrong with an expectation by itself.
fn misshapen(case: &Case) -> Option<Failure> {
    let Expectation { why, columns, rows, error, .. } = &case.expected;
    let ragged = rows.iter().any(|row| row.len() != columns.len());
    if ragged || columns.is_empty() != error.is_some() {
        return Some(case.failure("expectation", "an error, or columns and rows as wide", "neither"));
    }
    (!why.ends_with('.')).then(|| case.failure("why", "a sentence", why))
}

fn failure(file: &str, what: &str, expected: impl fmt::Display, found: impl fmt::Display) -> Failure {
    Failure { file: file.to_owned(), what: what.to_owned(), expected: expected.to_string(), found: found.to_string() }
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// The name without its endings.
fn stem(path: &Path) -> String {
    name(path).split('.').next().unwrap_or_default().to_owned()
}
