//! Limits, memory, and errors of what is read from and written to.

use super::{CSV, JSON, LIMITS, NDJSON, Nothing, pass};
use bytes::Bytes;
use larder::{
    error::{Error, Result},
    tables::read::{ColumnType, ReadLimits, RowSink},
};
use std::io::{self, Cursor, Read};

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
