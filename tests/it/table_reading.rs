//! Reading tabular files: rows, types, COPY text, errors with their places.

use std::io::{self, Cursor, Read};

use crate::support::copy::decode;
use bytes::Bytes;
use larder::error::{Error, Malformed, Result};
use larder::tables::read::{
    Ask, Cell, Column, ColumnType, Layout, Options, Outcome, ReadLimits, RowReader, RowSink, Source, Text, Told,
    first_pass, read_whole, second_pass,
};

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

#[test]
fn limits_are_answered_with_their_own_error() {
    let small = ReadLimits { columns_max: 2, cell_bytes_max: 10, row_bytes_max: 30, rows_max: 1 << 20 };
    let pass = |format, file: &'static str| pass(format, file.as_bytes(), small, &mut Nothing).unwrap_err();
    assert!(pass(CSV, "a,b,c\n").to_string().contains("LARDER_COLUMNS_MAX"));
    assert!(pass(NDJSON, "{\"a\":1,\"b\":2,\"c\":3}\n").to_string().contains("LARDER_COLUMNS_MAX"));
    assert!(pass(CSV, "a,b\n1,12345678901\n").to_string().contains("LARDER_CELL_BYTES_MAX"));
    assert!(pass(NDJSON, "{\"a\":\"12345678901\"}\n").to_string().contains("LARDER_CELL_BYTES_MAX"));
    let row = format!("{{\"a\":1{}}}\n", " ".repeat(30));
    let too_long = pass(NDJSON, row.leak()).to_string();
    assert!(too_long.starts_with("Line 1: ") && too_long.contains("LARDER_ROW_BYTES_MAX"), "{too_long}");
}

#[test]
fn an_unclosed_quote_does_not_eat_memory() {
    let endless = Cursor::new("a,b\n1,2\n3,\"4\n").chain(io::repeat(b'x'));
    let error = pass(CSV, endless, LIMITS, &mut Nothing).unwrap_err().to_string();
    assert!(
        error.starts_with("Line 3, column 3: The quoted field that opens here is longer than 1048576 bytes."),
        "{error}"
    );
    let endless = Cursor::new("[").chain(io::repeat(b'{'));
    assert!(pass(JSON, endless, LIMITS, &mut Nothing).is_err());
    let endless = Cursor::new("a").chain(io::repeat(b','));
    assert!(pass(CSV, endless, LIMITS, &mut Nothing).is_err());
}

/// The same lines again and again, in pieces of odd lengths.
struct Repeated {
    line: &'static [u8],
    at: usize,
    left: usize,
}

impl Read for Repeated {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let here = &self.line[self.at..];
        let len = here.len().min(out.len()).min(self.left);
        out[..len].copy_from_slice(&here[..len]);
        self.at = (self.at + len) % self.line.len();
        self.left -= len;
        Ok(len)
    }
}

/// Counts, and keeps nothing.
#[derive(Default)]
struct Counted {
    bytes: usize,
    chunk_bytes_max: usize,
}

impl RowSink for Counted {
    fn begin(&mut self, _: &[ColumnType]) -> Result<()> {
        Ok(())
    }

    fn rows(&mut self, copy: Bytes, _: u64) -> Result<()> {
        self.bytes += copy.len();
        self.chunk_bytes_max = self.chunk_bytes_max.max(copy.len());
        Ok(())
    }

    fn misfit(&mut self) -> Result<()> {
        panic!("every line is the same")
    }
}

#[test]
fn what_is_held_does_not_grow_with_the_file() {
    let line = b"123456,some text,\"more, with \"\"quotes\"\"\",2024-01-01\n";
    let bytes = if cfg!(debug_assertions) { 20 << 20 } else { 200 << 20 };
    let rows = bytes / line.len();
    let file = Cursor::new("a,b,c,d\n").chain(Repeated { line, at: 0, left: rows * line.len() });
    let mut counted = Counted::default();
    let outcome = pass(CSV, file, LIMITS, &mut counted).unwrap();
    assert_eq!(outcome.rows, rows as u64);
    assert!(counted.bytes > bytes && counted.chunk_bytes_max < 257 * 1024, "{}", counted.chunk_bytes_max);
}

#[test]
fn an_error_of_the_input_comes_out_as_it_was() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other(Error::LeaseLost))
        }
    }
    for head in ["", "a,b\n1,2\n"] {
        let outcome = pass(CSV, head.as_bytes().chain(Broken), LIMITS, &mut Nothing);
        assert!(matches!(outcome, Err(Error::LeaseLost)));
    }
}

#[test]
fn an_error_of_the_sink_ends_the_pass() {
    struct Full;
    impl RowSink for Full {
        fn begin(&mut self, _: &[ColumnType]) -> Result<()> {
            Ok(())
        }
        fn rows(&mut self, _: Bytes, _: u64) -> Result<()> {
            Err(Error::LeaseLost)
        }
        fn misfit(&mut self) -> Result<()> {
            Ok(())
        }
    }
    let endless = Cursor::new("a,b\n").chain(Repeated { line: b"1,2\n", at: 0, left: usize::MAX });
    assert!(matches!(pass(CSV, endless, LIMITS, &mut Full), Err(Error::LeaseLost)));
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

/// Marsaglia's xorshift.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end as u64) as usize
    }

    fn cell(&mut self) -> Option<String> {
        const PIECES: [&str; 16] =
            ["\"", "\"\"", ",", "\n", "\r\n", "\r", "\t", "\\", "ä", "😀", "{", "]", "a", "12", " ", "null"];
        match self.below(8) {
            0 => None,
            1 => Some(String::new()),
            // Now and then one longer than the window.
            2 if self.below(400) == 0 => Some("long\"\n".repeat(60_000)),
            _ => Some((0..self.below(9)).map(|_| PIECES[self.below(PIECES.len())]).collect()),
        }
    }
}

fn quoted(cell: &Option<String>, always: bool) -> String {
    match cell {
        None => String::new(),
        Some(text) if always || text.is_empty() || text.contains(['"', ',', '\n', '\r']) => {
            format!("\"{}\"", text.replace('"', "\"\""))
        }
        Some(text) => text.clone(),
    }
}

fn read_back(format: Format, file: &str) -> Vec<Vec<Option<String>>> {
    let mut reader =
        RowReader::open(&layout(format, file.as_bytes(), LIMITS).unwrap(), file.as_bytes(), LIMITS).unwrap();
    let mut rows = Vec::new();
    while reader.advance().unwrap() {
        let cells = reader.row().cells().map(|cell| match cell {
            Cell::Value(value) => Some(format!("{value:?}")),
            Cell::Null => None,
            Cell::Text(text) | Cell::String { value: text, .. } | Cell::Json(text) => {
                Some(String::from_utf8(text.to_vec()).unwrap())
            }
        });
        rows.push(cells.collect());
    }
    rows
}

#[test]
fn random_tables_are_read_back_as_they_were_written() {
    for seed in 1..=12 {
        let random = &mut Random(0x9e37_79b9_7f4a_7c15 ^ seed);
        let columns = 2 + random.below(5);
        let table: Vec<Vec<Option<String>>> =
            (0..random.below(1500)).map(|_| (0..columns).map(|_| random.cell()).collect()).collect();
        let header: Vec<String> = (0..columns).map(|column| format!("c{column}")).collect();
        let line_end = ["\n", "\r\n", "\r"][random.below(3)];

        let mut csv = header.join(",") + line_end;
        let mut objects = Vec::new();
        for row in &table {
            let always = random.below(2) == 0;
            let cells: Vec<String> = row.iter().map(|cell| quoted(cell, always)).collect();
            csv += &(cells.join(",") + line_end);
            let object: serde_json::Map<_, _> =
                header.iter().zip(row).map(|(name, cell)| (name.clone(), serde_json::json!(cell))).collect();
            objects.push(serde_json::Value::Object(object));
        }
        assert!(read_back(CSV, &csv) == table, "seed {seed}");
        let lines: String = objects.iter().map(|object| format!("{object}\n")).collect();
        assert!(read_back(NDJSON, &lines) == table, "seed {seed}");
        let array = serde_json::to_string_pretty(&objects).unwrap();
        assert!(read_back(JSON, &array) == table, "seed {seed}");
    }
}
