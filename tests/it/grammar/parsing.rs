//! No text at all makes the parser of queries panic or hang; what it refuses is the caller's. `fuzz/fuzz_targets/queries.rs` goes on from here.

use super::pairs;
use crate::{support::cpu::measured, table_properties::runner};
use larder::{
    catalogue::{Column, ColumnType},
    error::Error,
    tables::{Parameters, RowQuery},
};
use proptest::{collection::vec, prelude::*, test_runner::TestCaseError};
use std::{fs, time::Duration};

/// Processor time for one query, in a build that is not optimised: many times what any takes.
const WORK_MAX: Duration = Duration::from_secs(20);

/// One column of each type, called as it is, and some of awkward names.
fn columns() -> Vec<Column> {
    let typed = ColumnType::ALL.into_iter().map(|column_type| Column::new(column_type.name(), column_type));
    let awkward = ["a.b", "c:d", "e,f", "and", "select", "\"", "x->y", "é", "", " "];
    typed.chain(awkward.map(|name| Column::new(name, ColumnType::Json))).collect()
}

/// The answer is a query or the caller's error, and costs little.
fn is_answered(pairs: Vec<(String, String)>) -> Result<(), TestCaseError> {
    let (answer, work) = measured(|| {
        let mut parameters = Parameters::default();
        let taken = pairs.iter().try_for_each(|(name, value)| parameters.take(name, value.clone()));
        taken.and_then(|()| RowQuery::parse(&columns(), &parameters).map(drop))
    });
    prop_assert!(work < WORK_MAX, "{work:?}");
    match answer {
        Ok(()) | Err(Error::Invalid { .. }) => Ok(()),
        Err(error) => Err(TestCaseError::fail(format!("{error:?}"))),
    }
}

/// What the grammar is made of.
const TOKENS: [&str; 70] = [
    "bigint",
    "text",
    "json",
    "date",
    "double",
    "timestamptz",
    "boolean",
    "a.b",
    "c:d",
    "\"e,f\"",
    "and",
    "or",
    "not.and",
    "not.",
    "select",
    "\"select\"",
    "é",
    ".",
    ",",
    ":",
    "::",
    "(",
    ")",
    "{",
    "}",
    "[",
    "]",
    "\"",
    "\\",
    "\\\"",
    "->",
    "->>",
    "*",
    "%",
    " ",
    "-",
    "+",
    "eq",
    "neq",
    "gt",
    "lte",
    "like",
    "in",
    "is",
    "isdistinct",
    "fts",
    "cs",
    "ov",
    "(any)",
    "(all)",
    ".eq.",
    ".in.(",
    "is.null",
    "eq.1",
    "sum()",
    ".trunc(day)",
    ".bin(10)",
    "percentile(0.5)",
    "count()",
    ".desc",
    ".nullslast",
    "0",
    "1",
    "-1",
    "9223372036854775808",
    "2026-01-31",
    "1e400",
    "\0",
    "\u{10ffff}",
    "(and(or(",
];

#[test]
fn parameters_of_chance_are_understood_or_refused() {
    let names =
        prop::sample::select(vec!["select", "order", "having", "limit", "or", "and", "not.or", "distinct", "offset"]);
    let text = || {
        vec(prop_oneof![9 => prop::sample::select(TOKENS.to_vec()).prop_map(str::to_owned), 1 => ".{0,3}"], 0..16)
            .prop_map(|tokens| tokens.concat())
    };
    let name = prop_oneof![names.prop_map(str::to_owned), text()];
    let run = runner(20_000).run(&vec((name, text()), 1..4), is_answered);
    run.unwrap_or_else(|failure| panic!("{failure}"));
}

#[test]
fn cases_of_the_grammar_with_mishaps_are_understood_or_refused() {
    let mut queries = Vec::new();
    for entry in fs::read_dir(super::folder()).expect("the folder").flatten() {
        let text = fs::read_to_string(entry.path()).expect("cases");
        queries.extend(text.lines().filter_map(|line| Some(line.split_once(" ⇒ ")?.0.to_owned())));
    }
    assert!(queries.len() > 300);
    let mishaps = vec((any::<prop::sample::Index>(), 0..4_usize, prop::sample::select(TOKENS.to_vec())), 1..4);
    let mutated = (prop::sample::select(queries), mishaps).prop_map(|(query, mishaps)| {
        let mut chars: Vec<char> = query.chars().collect();
        for (at, removed, inserted) in mishaps {
            let at = at.index(chars.len() + 1);
            let end = chars.len().min(at + removed);
            chars.splice(at..end, inserted.chars());
        }
        pairs(&chars.into_iter().collect::<String>())
    });
    runner(20_000).run(&mutated, is_answered).unwrap_or_else(|failure| panic!("{failure}"));
}

#[test]
fn long_and_deep_texts_are_answered_soon() {
    for piece in [
        "(",
        "and(",
        "\"",
        "\\",
        "->a",
        "::text",
        ".bin(1)",
        "bigint,",
        "bigint.eq.1,",
        "{",
        "[",
        "not.",
        "a:",
        "text,",
        "é",
        " ",
    ] {
        let text = piece.repeat(200_000 / piece.len());
        for (name, value) in [
            ("select", text.clone()),
            ("order", text.clone()),
            ("having", text.clone()),
            ("or", format!("({text}")),
            ("json", format!("eq.{text}")),
            ("json", format!("in.({text}")),
            (text.as_str(), "eq.1".to_owned()),
        ] {
            is_answered(vec![(name.to_owned(), value)]).unwrap_or_else(|failure| panic!("{piece}: {failure}"));
        }
    }
}
