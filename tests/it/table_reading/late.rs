//! What a file shows only behind its beginning.

use super::{CSV, Format, NDJSON, load};
use larder::tables::read::{Column, ColumnType};

/// A file far longer than what the guess is made from, with something else at its end.
fn long(head: &str, line: &str, tail: &str) -> Vec<u8> {
    let lines = 6 * 1024 * 1024 / line.len();
    [head, &line.repeat(lines), tail].concat().into_bytes()
}

#[test]
fn a_late_value_widens_its_column() {
    let cases: &[(Format, &str, &str, &str, ColumnType)] = &[
        (CSV, "a,b\n", "12345678,some text of a row\n", "1.5,x\n", ColumnType::Numeric),
        (CSV, "a,b\n", "12345678,some text of a row\n", "n.d.,x\n", ColumnType::Text),
        (
            CSV,
            "a,b
",
            ",some text of a row but no value
",
            "7,x
",
            ColumnType::Bigint,
        ),
        (CSV, "a,b\n", "12e5,some text of a row\n", "1.5,x\n", ColumnType::Double),
        (NDJSON, "", "{\"a\":12345678,\"b\":\"some text\"}\n", "{\"a\":\"1\"}\n", ColumnType::Json),
    ];
    for (format, head, line, tail, expected) in cases {
        let (outcome, text) = load(format, &long(head, line, tail)).unwrap();
        assert!(!outcome.fits);
        assert_eq!(outcome.columns[0].column_type, *expected);
        assert_eq!(text.lines().count() as u64, outcome.rows);
    }
}

#[test]
fn a_late_key_is_a_column_of_its_own() {
    let (outcome, text) = load(NDJSON, &long("", "{\"a\":12345678}\n", "{\"b\":true,\"a\":null}\n")).unwrap();
    assert!(!outcome.fits);
    assert_eq!(outcome.columns[1], Column::new("b", ColumnType::Boolean));
    assert!(text.starts_with("1\t12345678\t\\N\n"));
    assert!(text.ends_with(&format!("\n{}\t\\N\ttrue\n", outcome.rows)));
}

#[test]
fn a_file_whose_beginning_is_like_the_rest_is_read_once() {
    let (outcome, _) = load(CSV, &long("a,b\n", "12345678,2024-01-01\n", "1,\n")).unwrap();
    assert!(outcome.fits);
    let types: Vec<_> = outcome.columns.iter().map(|column| column.column_type).collect();
    assert_eq!(types, [ColumnType::Bigint, ColumnType::Date]);
}
