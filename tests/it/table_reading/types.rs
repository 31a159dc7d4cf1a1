//! What type a column gets.

use super::{CSV, NDJSON, TSV, copy_text, load};
use larder::tables::read::ColumnType;

/// The type of a CSV column of these cells, given in both orders.
fn csv_type(cells: &[&str]) -> ColumnType {
    let of = |cells: &[&str]| {
        let lines: String = cells.iter().map(|cell| format!("\"{}\",x\n", cell.replace('"', "\"\""))).collect();
        load(CSV, format!("c,d\n{lines}").as_bytes()).unwrap().0.columns[0].column_type
    };
    let reversed: Vec<&str> = cells.iter().rev().copied().collect();
    assert_eq!(of(cells), of(&reversed), "the order of {cells:?} does not matter");
    of(cells)
}

/// The type of a column of these JSON values.
fn json_type(values: &[&str]) -> ColumnType {
    let lines: String = values.iter().map(|value| format!("{{\"c\": {value}}}\n")).collect();
    load(NDJSON, lines.as_bytes()).unwrap().0.columns[0].column_type
}

#[test]
fn a_type_holds_only_if_it_holds_for_all_values_and_loses_nothing() {
    use ColumnType::*;
    let cases: &[(&[&str], ColumnType)] = &[
        (&["1", "-5", "0", "9223372036854775807", "-9223372036854775808"], Bigint),
        (&["9223372036854775808"], Text),
        (&["12345678901234567890", "1"], Text),
        (&["007", "1"], Text),
        (&["-01"], Text),
        (&["00.5"], Text),
        (&["-0"], Text),
        (&["+4915112345"], Text),
        (&["1,000"], Bigint),
        (&["1,000", "2,5"], Numeric),
        (&["1,000", "2,5", "1.5"], Text),
        (&["1_000"], Text),
        (&[" 1", "1 "], Bigint),
        (&["-"], Text),
        (&["."], Text),
        (&["5."], Text),
        (&["1.2.3"], Text),
        (&["0x10"], Text),
        (&["1.50", "-0.25", ".5", "-.5", "-0.0"], Numeric),
        (&["1", "2.5"], Numeric),
        (&["123456789012345678901234567890.12345678901234567890", "1"], Numeric),
        (&["1e5"], Text),
        (&["1e5", "12"], Text),
        (&["1e5", "1.5"], Double),
        (&["1e5", "2e-3"], Double),
        (&["12E5", "NaN"], Text),
        (&["1.5e10", "1E+05", "-2e3", "3"], Double),
        (&["1e-7", "0.1"], Double),
        (&["0.1", "0.30000000000000004", "1e-7"], Double),
        // Seventeen digits that are not the shortest, and an integer beyond 2⁵³: a double would print another number.
        (&["0.10000000000000001", "1e-7"], Numeric),
        (&["9007199254740993", "1e-7"], Numeric),
        (&["9007199254740992", "1e-7"], Double),
        (&["9007199254740993", "inf"], Text),
        (&["1.7976931348623157e308", "5e-324", "2.2250738585072014e-308"], Double),
        // Midpoints between two doubles: Postgres prints the first as 1.9999999999999998e+23.
        (&["2e+23"], Numeric),
        (&["6.02214076e23", "8.163e+27", "1e-320"], Double),
        (&["1.5000076293945312e+0"], Double),
        (&["1.5000076293945313e+0"], Numeric),
        (&["1.5e400"], Numeric),
        (&["1.5e4000"], Text),
        (&["1.5e99999999999999999999"], Text),
        (&["1e-"], Text),
        (&["1.0e5x"], Text),
        (&["1.5", "NaN", "inf", "-inf", "Infinity", "-Infinity", "Inf"], Double),
        (&["1", "NaN"], Double),
        (&["NaN"], Text),
        (&["inf", "nan"], Text),
        (&["1", "-NaN"], Text),
        (&["true", "false"], Boolean),
        (&["True", "False"], Boolean),
        (&["TRUE", "FALSE"], Boolean),
        (&["true", "True"], Text),
        (&["t", "f"], Text),
        (&["yes", "no"], Text),
        (&["0", "1"], Bigint),
        (&["true", "1"], Text),
        (&["2024-02-29", "0001-01-01", "9999-12-31"], Date),
        (&["2023-02-29"], Text),
        (&["1900-02-29"], Text),
        (&["2000-02-29"], Date),
        (&["0000-01-01"], Text),
        (&["2024-13-01"], Text),
        (&["2024-1-1"], Date),
        (&["20240101"], Bigint),
        (&["01/02/2024"], Text),
        (&["01/02/2024", "13/02/2024"], Date),
        (&["10:30", "9:30:15.5"], Time),
        (&["f47ac10b-58cc-4372-a567-0e02b2c3d479"], Uuid),
        (&["2024-01-01T10:00", "2024-01-01 10:00:59", "2024-01-01T10:00:00.123456", "2024-01-01"], Timestamp),
        (&["2024-01-01 10:00:00.123456000"], Timestamp),
        (&["2024-01-01 10:00:00.1234567"], Text),
        (&["2024-01-01 24:00"], Text),
        (&["2024-01-01 23:59:60"], Text),
        (&["2024-01-01T10"], Text),
        (&["2024-01-01T10:00:00."], Text),
        (&["2024-01-01t10:00"], Text),
        (
            &["2024-01-01T10:00Z", "2024-01-01 10:00:00+02", "2024-01-01 10:00:00.5-0330", "2024-01-01 10:00:00+05:45"],
            Timestamptz,
        ),
        (&["2024-01-01T10:00:00+16:00"], Text),
        (&["2024-01-01T10:00:00+05:60"], Text),
        (&["9999-12-31T23:59:59Z"], Timestamptz),
        (&["9999-12-31T23:59:59-01"], Text),
        (&["2024-01-01T10:00Z", "2024-01-01T10:00"], Text),
        (&["2024-01-01T10:00Z", "2024-01-01"], Text),
        (&["2024-01-01", "1"], Text),
        (&["{\"a\": [1, null]}", "[]"], Json),
        (&["{\"a\": 1}", "1"], Text),
        (&["{a: 1}"], Text),
        (&["[1", "[2]"], Text),
        (&["a", "ä"], Text),
        (&[""], Text),
        (&["1", ""], Bigint),
    ];
    for (cells, expected) in cases {
        assert_eq!(csv_type(cells), *expected, "{cells:?}");
    }
}

#[test]
fn json_values_keep_their_kind() {
    use ColumnType::*;
    let cases: &[(&[&str], ColumnType)] = &[
        (&["1", "null", "-9223372036854775808"], Bigint),
        (&["9223372036854775808", "1"], Numeric),
        (&["12345678901234567890123456789012345678"], Numeric),
        (&["1.50", "2"], Numeric),
        (&["1e5"], Double),
        (&["1E5", "0.1", "3"], Double),
        (&["0.10000000000000001", "1e5"], Numeric),
        (&["1e5000"], Json),
        (&["\"123\"", "\"a\""], Text),
        (&["\"true\""], Text),
        (&["\"\""], Text),
        (&["\"2024-01-01\""], Date),
        (&["\"2024-01-01\"", "\"2024-01-01T10:00\""], Timestamp),
        (&["\"2024-01-01T10:00:00Z\""], Timestamptz),
        (&["\"2024-01-01\"", "\"soon\""], Text),
        (&["true", "false"], Boolean),
        (&["{}", "[1]"], Json),
        (&["1", "\"1\""], Json),
        (&["true", "1"], Json),
        (&["\"a\"", "{}"], Json),
        (&["null"], Text),
    ];
    for (values, expected) in cases {
        assert_eq!(json_type(values), *expected, "{values:?}");
    }
    assert_eq!(copy_text(NDJSON, "{\"c\":1}\n{\"c\":\"1\"}\n{\"c\":null}\n"), "1\t1\n2\t\"1\"\n3\t\\N\n");
}

#[test]
fn an_unquoted_empty_field_is_null_and_a_quoted_one_is_empty() {
    assert_eq!(copy_text(CSV, "a,b\n,\"\"\n\"\",\n"), "1\t\\N\t\n2\t\t\\N\n");
    assert_eq!(copy_text(TSV, "a\tb\n\t\"\"\n"), "1\t\\N\t\n");
}
