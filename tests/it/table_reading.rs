//! Reading tabular files: rows, types, COPY text, errors with their places.

mod bounds;
mod late;
mod random;
mod types;

use crate::support::copy::decode;
use bytes::Bytes;
use larder::{
    error::{Error, Malformed, Result},
    tables::read::{
        Ask, Column, ColumnType, Layout, Options, Outcome, ReadLimits, RowSink, Source, Text, Told, first_pass,
        read_whole, second_pass,
    },
};
use std::io::Read;

/// What is told about a file; the rest is detected.
type Format = &'static [(&'static str, &'static str)];

const CSV: Format = &[("delimiter", ","), ("quote", "\""), ("escape", "double"), ("header", "1"), ("skip", "0")];
const TSV: Format = &[("delimiter", "tab"), ("quote", "\""), ("escape", "double"), ("header", "1"), ("skip", "0")];
const NDJSON: Format = &[("format", "ndjson")];
const JSON: Format = &[("format", "json")];
const LIMITS: ReadLimits =
    ReadLimits { columns_max: 1599, cell_bytes_max: 1 << 20, row_bytes_max: 4 << 20, rows_max: u64::MAX };

/// Passes over what comes.
struct Nothing;

impl RowSink for Nothing {
    fn begin(&mut self, _: &[ColumnType]) -> Result<()> {
        Ok(())
    }

    fn rows(&mut self, _: Bytes, _: u64) -> Result<()> {
        Ok(())
    }

    fn misfit(&mut self) -> Result<()> {
        Ok(())
    }
}

fn options(format: Format) -> Options {
    let told: Told = format.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Options::parse(&told).unwrap()
}

fn layout(format: Format, file: &[u8], limits: ReadLimits) -> Result<Layout> {
    let beginning = &file[..file.len().min(Layout::BEGINNING_BYTES)];
    Layout::detect(beginning, beginning.len() == file.len(), &options(format), None, limits)
}

/// A first pass over what may never end.
fn pass(
    format: Format,
    input: impl Read + Send + 'static,
    limits: ReadLimits,
    sink: &mut dyn RowSink,
) -> Result<Outcome> {
    let options = options(format);
    let ask = Ask { options: &options, hint: None, limits, target: None };
    first_pass(Source::Text(Text::utf8(Box::new(input))), ask, sink)
}

/// Both passes, as the loader makes them.
fn load(format: Format, file: &[u8]) -> Result<(Outcome, String)> {
    let whole = read_whole(file, &options(format), LIMITS)?;
    let types: Vec<_> = whole.outcome.columns.iter().map(|column| column.column_type).collect();
    let text = decode(&types, &whole.copy);
    Ok((whole.outcome, text))
}

fn copy_text(format: Format, file: &str) -> String {
    load(format, file.as_bytes()).unwrap().1
}

fn names(format: Format, file: &str) -> Vec<String> {
    load(format, file.as_bytes()).unwrap().0.columns.into_iter().map(|column| column.name).collect()
}

fn malformed(format: Format, file: &[u8]) -> Malformed {
    match load(format, file) {
        Err(Error::Malformed(malformed)) => *malformed,
        other => panic!("{other:?}"),
    }
}

fn place(format: Format, file: &[u8]) -> (u64, u64) {
    let malformed = malformed(format, file);
    (malformed.line.unwrap(), malformed.column.unwrap())
}

#[test]
fn delimited_files_are_cut_as_the_standard_says() {
    let cases: &[(&str, &str)] = &[
        // The cases of csv-spectrum, and the ends of lines.
        ("a,b\n1,\"ha \n\"\"ha\"\" \nha\"\n", "1\t1\tha \\n\"ha\" \\nha\n"),
        ("a,b\n1,\"x,y\"\n", "1\t1\tx,y\n"),
        ("key,val\n1,\"{\"\"type\"\": [1, 2]}\"\n", "1\t1\t{\"type\": [1, 2]}\n"),
        ("a\nb c\u{20ac}ʤ\n", "1\tb c\u{20ac}ʤ\n"),
        ("a,b\r\n1,x\r\n2,\"y\r\nz\"\r\n", "1\t1\tx\n2\t2\ty\\r\\nz\n"),
        ("a,b\r1,x\r2,y", "1\t1\tx\n2\t2\ty\n"),
        ("a,b\n1,x\n2,y", "1\t1\tx\n2\t2\ty\n"),
        ("a,b\n1,", "1\t1\t\\N\n"),
        ("a,b\n1,\"\"", "1\t1\t\n"),
        ("\u{feff}a,b\n\n1,x\n\r\n\n2,y\n\n", "1\t1\tx\n2\t2\ty\n"),
        ("\"a\",\"b\"\n\"1\",\"\"\"\"\n", "1\t1\t\"\n"),
        ("a\n5\" pipe\nb\"\n", "1\t5\" pipe\n2\tb\"\n"),
        ("a\n\\N\nc:\\new\n\\.\n", "1\t\\N\n2\tc:\\\\new\n3\t\\\\.\n"),
        ("a\n\"\"\n\"x\ty\"\n", "1\t\n2\tx\\ty\n"),
        ("a,b\n", ""),
    ];
    for (file, expected) in cases {
        assert_eq!(copy_text(CSV, file), *expected, "{file:?}");
    }
    assert_eq!(copy_text(&[("delimiter", "tab"), ("quote", "none")], "a\tb\n\"x\t\"\n"), "1\t\"x\t\"\n");
}

#[test]
fn names_of_columns_are_unique_and_never_empty() {
    assert_eq!(names(CSV, "a,a,,a_2,a,,column_3\n"), ["a", "a_3", "column_3_2", "a_2", "a_4", "column_6", "column_3"]);
    assert_eq!(names(CSV, "\u{feff}\"x, y\", z\n"), ["x, y", "z"]);
    assert_eq!(names(NDJSON, "{\"\":1,\"column_1\":2,\"b\":3}\n"), ["column_1", "column_1_2", "b"]);
}

#[test]
fn errors_in_delimited_files_say_where() {
    let cases: &[(&[u8], (u64, u64), &str)] = &[
        (b"a,b\n1,2\n1,2,3,4\n", (3, 5), "Expected 2 fields, found 4."),
        (b"a,b\n\"1\nx\",\"2\n\xc3\xa4y\",3\n", (4, 5), "Expected 2 fields, found 3."),
        (b"a,b\n1,\"x\n\ny\n", (2, 3), "The quote that opens here is never closed."),
    ];
    for (file, expected, detail) in cases {
        let malformed = malformed(CSV, file);
        let file = String::from_utf8_lossy(file);
        assert_eq!((malformed.line, malformed.column), (Some(expected.0), Some(expected.1)), "{file:?}");
        assert_eq!(malformed.detail, *detail, "{file:?}");
    }
    assert_eq!(malformed(CSV, b"a,b\n1,2,3\n").excerpt.as_deref(), Some("3"));
    for empty in [&b""[..], b"\n\n", b"\xef\xbb\xbf"] {
        assert_eq!(malformed(CSV, empty).detail, "The file is empty.");
    }
    for endless in ["0".repeat(2 << 20), "\n".repeat(2 << 20) + "a\n1\n"] {
        let malformed = malformed(CSV, endless.as_bytes());
        assert!(malformed.detail.starts_with("No line that could name columns ends within"), "{}", malformed.detail);
    }
}

#[test]
fn json_files_are_tables_of_their_keys() {
    let rows = "1\t1\tx\t\\N\t\\N\n2\t2\t\\N\t{\"z\": 1.00,\\n \"a\": [ ]}\t\\N\n3\t\\N\t\\N\t\\N\ttrue\n";
    let array =
        "\u{feff} [ {\"a\":1,\"b\":\"x\"} ,\n{\"c\":{\"z\": 1.00,\n \"a\": [ ]}, \"a\":2,\"b\":null},{\"d\":true}]\n ";
    assert_eq!(copy_text(JSON, array), rows);
    let lines = "{\"a\":1,\"b\":\"\\u0041\\ud83d\\ude00\\n\\\\\"}\r\n\n \t\n{\"b\":\"]}\\\"\"}";
    assert_eq!(copy_text(NDJSON, lines), "1\t1\tA😀\\n\\\\\n2\t\\N\t]}\"\n");
    let digits = "12345678901234567890123456789012345678";
    assert_eq!(copy_text(JSON, &format!("[{{\"n\":{digits}}},{{\"n\":0.10}}]")), format!("1\t{digits}\n2\t0.10\n"));
}

#[test]
fn errors_in_json_files_say_where() {
    let lines: &[(&[u8], (u64, u64))] = &[
        (b"{\"a\":1}\n\n{\"a\":\"\xc3\xa4\",}\n", (3, 10)),
        (b"{\"a\":1}\n[1]\n", (2, 1)),
        (b"{\"a\":1} {\"a\":2}\n", (1, 9)),
        (b"{\"a\":1}\n{\"a\":1\n", (2, 6)),
        (b"{\"a\":1,\"b\":2,\"a\":3}\n", (1, 18)),
        (b"{\"a\":\"\\ud800\"}\n", (1, 6)),
        (b"{\"a\":01}\n", (1, 7)),
    ];
    for (file, expected) in lines {
        assert_eq!(place(NDJSON, file), *expected, "{:?}", String::from_utf8_lossy(file));
    }
    let arrays: &[(&[u8], (u64, u64), &str)] = &[
        (b"[{\"a\":1},\n {\"a\": x}]", (2, 8), "This is not a JSON object: expected value."),
        (b"[{\"a\":1},\n {\"a\":\n2]", (3, 2), "This is not a JSON object: expected `,` or `}`."),
        (b"[{\"a\":1},\n 2]", (2, 2), "Every element must be an object."),
        (b"[{\"a\":1},\n]", (2, 1), "Every element must be an object."),
        (b"[{\"a\":1} {\"a\":1}]", (1, 10), "Expected `,` or `]`."),
        (b"[{\"a\":1}\n", (2, 1), "The file ends within the array: `]` is missing."),
        (b"[{\"a\":1}]\n{}", (2, 1), "The array ends before here, yet more text follows."),
        (b"{\"a\":1}", (1, 1), "An array must begin here with `[`."),
        (b"", (1, 1), "The file is empty."),
    ];
    for (file, expected, detail) in arrays {
        assert_eq!(place(JSON, file), *expected, "{:?}", String::from_utf8_lossy(file));
        assert_eq!(malformed(JSON, file).detail, *detail);
    }
    for nothing in [&b"[]"[..], b"[{},{}]"] {
        assert_eq!(malformed(JSON, nothing).line, None);
    }
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(600), "]".repeat(600));
    assert_eq!(malformed(NDJSON, deep.as_bytes()).field.as_deref(), Some("a"));
}

#[test]
fn the_second_pass_refuses_columns_that_are_not_those_of_the_file() {
    for (format, first, second) in [
        (CSV, "a\n1\n", "a\n1.5\n"),
        (CSV, "a\n1\n", "a\n1\n2\n"),
        (NDJSON, "{\"a\":1}\n", "{\"a\":\"1\"}\n"),
        (NDJSON, "{\"a\":\"1\"}\n", "{\"a\":1}\n"),
        (NDJSON, "{\"a\":1}\n", "{\"a\":1}\n{\"b\":1}\n"),
    ] {
        let outcome = load(format, first.as_bytes()).unwrap().0;
        let options = options(format);
        let ask = Ask { options: &options, hint: None, limits: LIMITS, target: None };
        let pass = second_pass(Source::Text(Text::utf8(Box::new(second.as_bytes()))), &outcome, ask, &mut Nothing);
        assert!(matches!(pass, Err(Error::Internal(_))), "{second:?}");
    }
}

#[test]
fn a_column_is_described_by_its_name_and_type() {
    let column = Column::new("a", ColumnType::Double);
    assert_eq!(serde_json::to_string(&column).unwrap(), r#"{"name":"a","type":"double"}"#);
    assert_eq!(ColumnType::Double.sql(), "double precision");
}
