//! No text makes the parser of queries panic, hang or fail with an error of ours: each line is a parameter, `name=value`.
//!
//! `just fuzz-queries` runs it until it finds something; `tests/it/grammar/parsing.rs` is the bounded run of every test.
#![no_main]

use larder::{
    catalogue::{Column, ColumnType},
    error::Error,
    tables::{Parameters, RowQuery},
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let typed = ColumnType::ALL.into_iter().map(|column_type| Column::new(column_type.name(), column_type));
    let awkward = ["a.b", "c:d", "and", "select", "\"", "x->y"].map(|name| Column::new(name, ColumnType::Json));
    let columns: Vec<Column> = typed.chain(awkward).collect();
    let mut parameters = Parameters::default();
    let taken = text.lines().try_for_each(|line| {
        let (name, value) = line.split_once('=').unwrap_or((line, ""));
        parameters.take(name, value.to_owned())
    });
    match taken.and_then(|()| RowQuery::parse(&columns, &parameters).map(drop)) {
        Ok(()) | Err(Error::Invalid { .. }) => {}
        Err(error) => panic!("{error:?}"),
    }
});
