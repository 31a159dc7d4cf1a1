//! Reading tabular files: bytes in; types inferred from all the values and Postgres COPY text out.
//!
//! Pure and synchronous: it knows no HTTP, no SQL connection and no async. The loader runs it on a blocking thread and takes what it makes through a
//! [`RowSink`].
//!
//! The road of a byte: [`Source`] says what a file is, a [`Layout`] how a text is written (`detect`, `sample`, `shape`, `header`), [`RowReader`] cuts it into
//! rows of [`Cell`]s (`delimited`, `json`, `columnar`), `facts` says what one cell's text can be, `infer` collects that
//! into a [`Reading`] per column, `encode` writes the row as binary COPY, and `pass` drives it all in one of two passes.
//!
//! - **A type holds for all the values of a column, never just for the first rows**, and only if the value printed back denotes the same value.
//! - **No value is rewritten**: COPY receives the value that the text of the file denotes, or else the text.
//! - **Memory is bounded** by the limits and never grows with the file: one window of input, one chunk of output.
//! - **Nothing is repaired or dropped silently**: what is mended or left out is in the [`Warnings`], what cannot be read is an error with its line and column. Blank
//!   lines and comments are the one thing skipped.

mod archive;
pub mod columnar;
mod compound;
mod decode;
mod delimited;
mod detect;
mod dialect;
mod double;
mod elements;
mod encode;
mod encoder;
mod facts;
mod footer;
mod format;
mod header;
mod infer;
mod json;
mod kind;
mod layout;
mod lenient;
mod marks;
mod mend;
mod missing;
mod moment;
mod names;
mod number;
mod numeric;
mod ods;
mod options;
mod pass;
mod position;
mod repair;
mod sample;
mod scratch;
mod shape;
mod sheet;
mod signature;
mod source;
mod split;
mod styles;
mod temporal;
mod titles;
mod transcode;
mod warnings;
mod whole;
mod wide;
mod window;
mod workbook;
mod xls;
mod xlsx;
mod xml;

use std::io::Read;
use std::sync::Arc;

pub use crate::catalogue::{Column, ColumnType, DateOrder, DecimalMark};
pub(super) use facts::{JSON_DEPTH_MAX, json_depth};
pub use format::TableFormat;
pub use infer::{Basis, Reading};
pub use layout::Layout;
pub use options::{Delimiter, Escape, Options, Told, ToldTypes, write_pairs};
pub use pass::{Ask, Outcome, RowSink, Target, first_pass, lines_of, second_pass};
pub use source::{Hint, Source, SourceLimits, Text};
pub use warnings::{Trouble, Warning, Warnings};
pub use whole::{Whole, read_whole};

use self::position::Position;
use crate::error::{Limit, Malformed, Result};

/// What a file may ask of us. Together they bound the memory of a pass.
#[derive(Debug, Clone, Copy)]
pub struct ReadLimits {
    pub columns_max: usize,
    pub cell_bytes_max: usize,
    /// Of one row as it stands in the file, all its cells together.
    pub row_bytes_max: usize,
    pub rows_max: u64,
}

impl ReadLimits {
    /// A Postgres table has at most 1,600 columns, and `_row` is one of them.
    pub const COLUMNS_HARD_MAX: usize = 1599;

    pub fn columns(&self) -> usize {
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
    fn len(self) -> usize {
        self.spans.len()
    }

    /// An error at the cell of the column at `index`.
    fn malformed(self, index: usize, detail: String) -> Malformed {
        let (start, end) = match self.spans.get(index) {
            Some(
                Span::Text { start, end }
                | Span::Json { start, end }
                | Span::String { value_start: start, value_end: end, .. }
                | Span::TextValue { start, end },
            ) => (*start, *end),
            _ => (0, 0),
        };
        let excerpt = Position::START.malformed(self.bytes.get(start..end).unwrap_or_default(), 0, "").excerpt;
        let place = Position::line_start(self.line).malformed(self.bytes, start, detail);
        // Only the row of a delimited file stands here as it does in the file.
        match self.spans.get(index) {
            Some(Span::Text { .. }) => Malformed { excerpt, ..place },
            _ => Malformed { line: Some(self.line), column: None, excerpt, ..place },
        }
    }

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
    /// Parquet and Arrow. They are opened by [`columnar::Reader`], since they need not be read from their beginning.
    Columnar(Box<columnar::Reader>),
}

impl<R: Read> RowReader<R> {
    /// Goes to the first row of `input`, from whose beginning `layout` was told.
    ///
    /// # Errors
    /// Whatever `input` fails with: an [`Error`](crate::error::Error) wrapped in an `io::Error` comes out as it was.
    pub fn open(layout: &Layout, input: R, limits: ReadLimits) -> Result<Self> {
        Ok(match layout {
            Layout::Delimited(dialect) => Self::Delimited(delimited::Reader::open(Arc::clone(dialect), input, limits)?),
            Layout::NdJson => Self::Json(json::Reader::open(elements::Layout::Lines, input, limits)?),
            Layout::JsonArray => Self::Json(json::Reader::open(elements::Layout::Array, input, limits)?),
        })
    }

    /// From here on the first repair is an error, if so `told`; a delimited file's [`Layout`] says it itself.
    #[must_use]
    pub fn strict(mut self, told: bool) -> Self {
        if let (Self::Json(reader), true) = (&mut self, told) {
            reader.be_strict();
        }
        self
    }

    /// The names of the columns, unique and never empty. Those of a JSON file are the keys met so far, in the order of their first appearance.
    pub fn names(&self) -> &[String] {
        match self {
            Self::Delimited(reader) => reader.names(),
            Self::Json(reader) => reader.names(),
            Self::Columnar(reader) => reader.names(),
        }
    }

    /// The types of the columns, if the file says them itself.
    pub fn declared(&self) -> Option<&[ColumnType]> {
        match self {
            Self::Delimited(_) | Self::Json(_) => None,
            Self::Columnar(reader) => Some(reader.declared()),
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
            Self::Columnar(reader) => reader.advance(),
        }
    }

    /// The row that [`advance`](Self::advance) went to.
    pub fn row(&self) -> Row<'_> {
        match self {
            Self::Delimited(reader) => reader.row(),
            Self::Json(reader) => reader.row(),
            Self::Columnar(reader) => reader.row(),
        }
    }

    /// What was mended or left out so far, the header included.
    pub fn warnings(&self) -> Warnings {
        match self {
            Self::Delimited(reader) => reader.warnings().clone(),
            Self::Json(reader) => reader.warnings().clone(),
            Self::Columnar(reader) => reader.warnings().clone(),
        }
    }

    /// Whether a `\N` was read as NULL.
    pub fn has_null_marks(&self) -> bool {
        matches!(self, Self::Delimited(reader) if reader.has_null_marks())
    }

    /// Lines below the table that were left out; all of them are known at the end of the file.
    pub fn footer_lines(&self) -> u64 {
        match self {
            Self::Delimited(reader) => reader.footer_lines(),
            Self::Json(_) | Self::Columnar(_) => 0,
        }
    }
}
