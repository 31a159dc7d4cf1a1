//! A table that was written reads back as it was, through the whole service.

use super::{
    runner,
    table::{Table, any_table, evident_table},
    writer::{Dialect, any_dialect, evident_dialect},
};
use crate::{corpus::same, support};
use proptest::{prelude::*, test_runner::TestCaseError};
use reqwest::Method;
use serde_json::{Value, json, value::RawValue};
use std::collections::BTreeMap;
use tokio::runtime::Runtime;

const CASES: u32 = 48;

#[test]
fn any_table_in_any_dialect_reads_back_equal_when_the_dialect_is_told() {
    let runtime = Runtime::new().expect("a runtime");
    let cases = (any_table(), any_dialect()).prop_map(|(table, dialect)| (dialect.writable(table), dialect));
    let told = |table: &Table, dialect: &Dialect| {
        let types =
            table.columns.iter().map(|(name, column_type)| format!("\"{}\":{column_type}", name.replace('"', "\"\"")));
        let mut told = dialect.told();
        told.push(("types", types.collect::<Vec<_>>().join(",")));
        told
    };
    let check = |(table, dialect): (Table, Dialect)| {
        runtime.block_on(reads_back("properties-told", &table, &dialect, told(&table, &dialect)))
    };
    runner(CASES).run(&cases, check).unwrap_or_else(|failure| panic!("{failure}"));
}

#[test]
fn a_table_of_evident_types_reads_back_equal_from_its_file_alone() {
    let runtime = Runtime::new().expect("a runtime");
    let check = |(table, dialect): (Table, Dialect)| {
        runtime.block_on(reads_back("properties-alone", &table, &dialect, Vec::new()))
    };
    let cases = (evident_table(), evident_dialect());
    runner(CASES).run(&cases, check).unwrap_or_else(|failure| panic!("{failure}"));
}

/// Uploads `table` as `dialect` writes it, and compares its columns and cells.
async fn reads_back(
    name: &str,
    table: &Table,
    dialect: &Dialect,
    told: Vec<(&'static str, String)>,
) -> Result<(), TestCaseError> {
    let service = support::shared();
    let file = dialect.write(table).await;
    let shown = String::from_utf8_lossy(&file).into_owned();
    let path = format!("/v1/tables/{name}");
    let response = service.request(Method::PUT, &path).query(&told).body(file).send().await.expect("an answer");
    let status = response.status();
    let answer: Value = serde_json::from_str(&response.text().await.expect("a body")).expect("JSON");
    prop_assert!(status.is_success(), "{} for {:?} of {:?}", answer["detail"], told, shown);
    let columns: Vec<_> =
        table.columns.iter().map(|(name, column_type)| json!({"name": name, "type": column_type})).collect();
    prop_assert_eq!(&answer["columns"], &json!(columns), "{:?} of {:?}", told, shown);

    let rows = service.text(&format!("{path}/rows.ndjson")).await;
    prop_assert_eq!(rows.lines().count(), table.rows.len(), "{:?} of {:?}", told, shown);
    for (line, row) in rows.lines().zip(&table.rows) {
        let found: BTreeMap<String, Box<RawValue>> = serde_json::from_str(line).expect("a row");
        for ((name, column_type), cell) in table.columns.iter().zip(row) {
            let expected = value(column_type, cell.as_deref());
            let found = found.get(name).map_or("(none)", |value| value.get());
            prop_assert!(same(column_type, &expected, found), "{} is {} in {:?} of {:?}", expected, found, told, shown);
        }
    }
    Ok(())
}

fn value(column_type: &str, cell: Option<&str>) -> Value {
    match (column_type, cell) {
        (_, None) => Value::Null,
        ("bigint" | "boolean", Some(cell)) => serde_json::from_str(cell).expect("a number or a word"),
        (_, Some(cell)) => json!(cell),
    }
}
