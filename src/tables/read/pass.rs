//! The two passes over a file.
//!
//! The **first pass** guesses the types from the beginning of the file, hands out COPY text while they hold for every value, and infers from all the values in any
//! case. Most files fit the guess, so most are read once. At the first value that does not fit it stops handing out; the loader empties its table, reads the raw
//! upload again and makes the **second pass** with the types that are now known.

use std::io::{self, Cursor, ErrorKind, Read};
use std::mem;

use bytes::Bytes;

use super::copy::append_row;
use super::infer::{Inference, holds};
use super::{Column, Format, ReadLimits, Row, RowReader};
use crate::error::{Error, Result};

/// How much of a file the guess is made from.
pub(super) const GUESS_BYTES: u64 = 4 * 1024 * 1024;
const CHUNK_BYTES: usize = 256 * 1024;

/// Where a pass puts what it makes. An error that it returns ends the pass.
pub trait RowSink {
    /// The columns whose rows follow; called once, before anything else, and not in the second pass.
    fn begin(&mut self, columns: &[Column]) -> Result<()>;

    /// Whole rows of COPY text: `_row`, then the columns of `begin`. At least 256 KiB but for the last, and longer only by its last row.
    fn rows(&mut self, copy_text: Bytes) -> Result<()>;

    /// The columns of `begin` were wrong: drop all rows; no more follow. Called at most once.
    fn misfit(&mut self) -> Result<()>;
}

/// What a first pass found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// From all the values.
    pub columns: Vec<Column>,
    pub rows: u64,
    /// Whether `columns` are those of `begin`, and so the sink has got all the rows.
    pub fits: bool,
}

/// Infers the types of all of `input` and hands out its rows for as long as they fit those of its beginning.
///
/// # Errors
/// `Malformed` with line and column, `Limit`, what `input` or `sink` fails with. What the sink has got by then is a part, to be thrown away.
pub fn first_pass(format: Format, mut input: impl Read, limits: ReadLimits, sink: &mut dyn RowSink) -> Result<Outcome> {
    let mut beginning = Vec::new();
    let failed = input.by_ref().take(GUESS_BYTES).read_to_end(&mut beginning).err();
    let whole = failed.is_none() && (beginning.len() as u64) < GUESS_BYTES;
    let (guess, mut inference) = guess(format, &beginning, whole, limits);
    sink.begin(&guess)?;

    let rest = Failed(failed).chain(input);
    let mut reader = RowReader::open(format, Cursor::new(beginning).chain(rest), limits)?;
    let mut out = Chunks { sink, columns: &guess, buffer: Vec::new(), rows: 0 };
    let mut fits = true;
    while reader.advance()? {
        let row = reader.row();
        if inference.observe(&row) && fits && !same(&guess, reader.names(), &inference) {
            fits = false;
            out.sink.misfit()?;
        }
        match fits {
            true => out.append(&row)?,
            false => out.rows += 1,
        }
    }
    if fits && !same(&guess, reader.names(), &inference) {
        fits = false;
        out.sink.misfit()?;
    }
    if fits {
        out.flush()?;
    }
    let rows = out.rows;
    Ok(Outcome { columns: columns(reader.names(), &inference), rows, fits })
}

/// Hands out all the rows of `input`, whose `columns` are known; how many there were.
///
/// # Errors
/// As for the first pass; and `Internal` for a value that its column does not hold, since the types were inferred from this very file.
pub fn second_pass(
    format: Format,
    input: impl Read,
    columns: &[Column],
    limits: ReadLimits,
    sink: &mut dyn RowSink,
) -> Result<u64> {
    let mut reader = RowReader::open(format, input, limits)?;
    let mut out = Chunks { sink, columns, buffer: Vec::new(), rows: 0 };
    while reader.advance()? {
        let row = reader.row();
        for (index, cell) in row.cells().enumerate() {
            if !columns.get(index).is_some_and(|column| holds(column.column_type, cell)) {
                return Err(Error::internal(format!("line {}: column {} does not fit", row.line, index + 1)));
            }
        }
        out.append(&row)?;
    }
    if !columns.iter().map(|column| &column.name).eq(reader.names()) {
        return Err(Error::internal("the names of the columns are not those of the first pass"));
    }
    out.flush()?;
    Ok(out.rows)
}

/// Collects rows into chunks for the sink.
pub(super) struct Chunks<'a> {
    pub sink: &'a mut dyn RowSink,
    pub columns: &'a [Column],
    pub buffer: Vec<u8>,
    pub rows: u64,
}

impl Chunks<'_> {
    pub fn append(&mut self, row: &Row<'_>) -> Result<()> {
        self.rows += 1;
        append_row(&mut self.buffer, self.rows, row, self.columns);
        if self.buffer.len() < CHUNK_BYTES {
            return Ok(());
        }
        self.flush()?;
        // Room for the last row, so that the buffer seldom moves.
        self.buffer.reserve_exact(CHUNK_BYTES + CHUNK_BYTES / 4);
        Ok(())
    }

    pub fn flush(&mut self) -> Result<()> {
        match self.buffer.is_empty() {
            true => Ok(()),
            false => self.sink.rows(Bytes::from(mem::take(&mut self.buffer))),
        }
    }
}

/// The columns as the beginning has them, and what was learned there. Whatever is wrong with the file, the pass over all of it will say.
fn guess(format: Format, beginning: &[u8], whole: bool, limits: ReadLimits) -> (Vec<Column>, Inference) {
    let cut_off = (!whole).then(|| io::Error::from(ErrorKind::UnexpectedEof));
    let mut inference = Inference::default();
    let Ok(mut reader) = RowReader::open(format, beginning.chain(Failed(cut_off)), limits) else {
        return (Vec::new(), inference);
    };
    while matches!(reader.advance(), Ok(true)) {
        inference.observe(&reader.row());
    }
    (columns(reader.names(), &inference), inference)
}

fn columns(names: &[String], inference: &Inference) -> Vec<Column> {
    let column =
        |(index, name): (usize, &String)| Column { name: name.clone(), column_type: inference.column_type(index) };
    names.iter().enumerate().map(column).collect()
}

fn same(guess: &[Column], names: &[String], inference: &Inference) -> bool {
    let types = guess.iter().enumerate().all(|(index, column)| column.column_type == inference.column_type(index));
    types && guess.iter().map(|column| &column.name).eq(names)
}

/// An input that has failed already, or is empty.
pub(super) struct Failed(pub Option<io::Error>);

impl Read for Failed {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        self.0.take().map_or(Ok(0), Err)
    }
}
