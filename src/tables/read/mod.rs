//! Reading tabular files: bytes in; types inferred from all the values and Postgres COPY text out.
//!
//! Pure and synchronous: it knows no HTTP, no SQL connection and no async. The loader runs it on a blocking thread and takes what it makes through a
//! [`RowSink`].
//!
//! The road of a byte: [`RowReader`] cuts the input into rows of [`Cell`]s (`delimited`, `json`), `facts` says what one cell's text can be, `infer` collects that
//! into a [`ColumnType`] per column, `copy` writes the row as COPY text, and `pass` drives it all in one of two passes.
//!
//! - **A type holds for all the values of a column, never just for the first rows**, and only if the value printed back denotes the same value.
//! - **No value is rewritten**: COPY receives the text of the file, escaped.
//! - **Memory is bounded** by the limits and never grows with the file: one window of input, one chunk of output.
//! - **Nothing is repaired or dropped silently**: what cannot be read is an error with its line and column. Blank lines are the one thing skipped.

mod append;
mod copy;
mod delimited;
mod double;
mod elements;
mod facts;
mod format;
mod infer;
mod json;
mod names;
mod number;
mod options;
mod pass;
mod position;
mod split;
mod temporal;
mod warnings;
mod window;

use std::io::Read;

pub use crate::catalogue::{Column, ColumnType};
pub use append::{Target, append_pass, lines_of};
pub use format::TableFormat;
pub use options::{DateOrder, DecimalMark, Delimiter, Escape, Options, Told, ToldTypes};
pub use pass::{Outcome, RowSink, first_pass, second_pass};
pub use warnings::{Trouble, Warning, Warnings};

use self::position::Position;
use crate::error::{Limit, Result};

/// What a file is; decided before reading begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Lines of fields, the first of them the header.
    Delimited(Dialect),
    /// One JSON object a line.
    NdJson,
    /// One JSON array of objects.
    JsonArray,
}

/// How a delimited file is written. UTF-8, with or without a byte order mark; lines end with LF, CRLF or CR.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dialect {
    pub delimiter: u8,
    /// A field that begins with it runs to its next single occurrence; a doubled one stands for itself. `None`: fields are never quoted.
    pub quote: Option<u8>,
}

impl Dialect {
    /// RFC 4180.
    pub const CSV: Self = Self { delimiter: b',', quote: Some(b'"') };
    pub const TSV: Self = Self { delimiter: b'\t', quote: Some(b'"') };
}

/// What a file may ask of us. Together they bound the memory of a pass.
#[derive(Debug, Clone, Copy)]
pub struct ReadLimits {
    pub columns_max: usize,
    pub cell_bytes_max: usize,
    /// Of one row as it stands in the file, all its cells together.
    pub row_bytes_max: usize,
}

impl ReadLimits {
    /// A Postgres table has at most 1,600 columns, and `_row` is one of them.
    pub const COLUMNS_HARD_MAX: usize = 1599;

    fn columns(&self) -> usize {
        self.columns_max.min(Self::COLUMNS_HARD_MAX)
    }

    /// Fails if `row`, which begins at `position` and need not be whole, is too long.
    fn check_row(&self, position: Position, row: &[u8]) -> Result<()> {
        match row.len() > self.row_bytes_max {
            true => Err(Limit::RowBytes.passed(self.row_bytes_max as u64, Some(position.line))),
            false => Ok(()),
        }
    }
}

/// One value of a row. The bytes are always valid UTF-8 and lie in the reader's buffer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Cell<'a> {
    /// An unquoted empty field, a JSON null, or a key that the object does not have.
    Null,
    /// A field of a delimited file, unquoted. Empty only if it was quoted.
    Text(&'a [u8]),
    /// A JSON string: what it says, and its JSON text with the quotes.
    String { value: &'a [u8], json: &'a [u8] },
    /// The JSON text, as it stands in the file, of a number, a boolean, an object or an array.
    Json(&'a [u8]),
    /// A value of a file that keeps types: Parquet, Arrow.
    Value(Value<'a>),
}

/// A value that has its type from the file.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    Boolean(bool),
    Bigint(i64),
    Double(f64),
    /// Days since 1970-01-01.
    Date(i32),
    /// Microseconds since midnight, less than a day.
    Time(i64),
    /// Microseconds since 1970-01-01, of a clock whose zone is not known.
    Timestamp(i64),
    /// Microseconds since 1970-01-01 UTC.
    Timestamptz(i64),
    Uuid([u8; 16]),
    /// Its decimal text: `-12.50`.
    Numeric(&'a [u8]),
    /// JSON text.
    Json(&'a [u8]),
    Text(&'a [u8]),
}

/// Where a cell lies in the bytes of its row.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Span {
    /// No such key in this object. Differs from `Null` only in telling a key that comes twice.
    Absent,
    Null,
    Text {
        start: usize,
        end: usize,
    },
    String {
        start: usize,
        end: usize,
        value_start: usize,
        value_end: usize,
    },
    Json {
        start: usize,
        end: usize,
    },
    /// One that needs no bytes, or those between the two places: see [`Value`].
    Value(Value<'static>),
    NumericValue {
        start: usize,
        end: usize,
    },
    JsonValue {
        start: usize,
        end: usize,
    },
    TextValue {
        start: usize,
        end: usize,
    },
}

/// The row that a [`RowReader`] stands at.
#[derive(Clone, Copy)]
pub struct Row<'a> {
    /// Where it begins in the file; counts from 1.
    pub line: u64,
    bytes: &'a [u8],
    spans: &'a [Span],
}

impl<'a> Row<'a> {
    /// In the order of [`RowReader::names`]. A JSON file's row has as many as there were keys so far.
    pub fn cells(self) -> impl Iterator<Item = Cell<'a>> {
        let bytes = self.bytes;
        self.spans.iter().map(move |span| match *span {
            Span::Absent | Span::Null => Cell::Null,
            Span::Text { start, end } => Cell::Text(&bytes[start..end]),
            Span::Json { start, end } => Cell::Json(&bytes[start..end]),
            Span::Value(value) => Cell::Value(value),
            Span::NumericValue { start, end } => Cell::Value(Value::Numeric(&bytes[start..end])),
            Span::JsonValue { start, end } => Cell::Value(Value::Json(&bytes[start..end])),
            Span::TextValue { start, end } => Cell::Value(Value::Text(&bytes[start..end])),
            Span::String { start, end, value_start, value_end } => {
                Cell::String { value: &bytes[value_start..value_end], json: &bytes[start..end] }
            }
        })
    }
}

/// One walk over the rows of a file of any format.
pub enum RowReader<R> {
    Delimited(delimited::Reader<R>),
    Json(json::Reader<R>),
}

impl<R: Read> RowReader<R> {
    /// Reads the header, where the format has one.
    ///
    /// # Errors
    /// `Malformed` if there is no header, `Limit` if it has too many columns, and whatever `input` fails with: an [`Error`](crate::error::Error) wrapped in an
    /// `io::Error` comes out as it was.
    pub fn open(format: Format, input: R, limits: ReadLimits) -> Result<Self> {
        Ok(match format {
            Format::Delimited(dialect) => Self::Delimited(delimited::Reader::open(dialect, input, limits)?),
            Format::NdJson => Self::Json(json::Reader::open(elements::Layout::Lines, input, limits)?),
            Format::JsonArray => Self::Json(json::Reader::open(elements::Layout::Array, input, limits)?),
        })
    }

    /// The names of the columns, unique and never empty. Those of a JSON file are the keys met so far, in the order of their first appearance.
    pub fn names(&self) -> &[String] {
        match self {
            Self::Delimited(reader) => reader.names(),
            Self::Json(reader) => reader.names(),
        }
    }

    /// Goes to the next row; false at the end of the file.
    ///
    /// # Errors
    /// `Malformed` with line and column; `Limit`; or what the input failed with.
    pub fn advance(&mut self) -> Result<bool> {
        match self {
            Self::Delimited(reader) => reader.advance(),
            Self::Json(reader) => reader.advance(),
        }
    }

    /// The row that [`advance`](Self::advance) went to.
    pub fn row(&self) -> Row<'_> {
        match self {
            Self::Delimited(reader) => reader.row(),
            Self::Json(reader) => reader.row(),
        }
    }
}
