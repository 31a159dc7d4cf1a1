//! The two passes over a file.
//!
//! The **first pass** guesses how the columns are read from the beginning of the file, hands out binary COPY while that holds for every value, and infers from all
//! the values in any case. Most files fit the guess, so most are read once. At the first value that does not fit it stops handing out; the loader empties its table,
//! reads the raw upload again and makes the **second pass** with what is now known.

use std::io::{self, Cursor, ErrorKind, Read};
use std::mem;

use bytes::Bytes;

use super::encode::{self, Quick};
use super::infer::{Decision, Inference, Reading};
use super::names::Names;
use super::wide::check_width;
use super::{Column, ColumnType, Format, Options, ReadLimits, Row, RowReader, Warnings};
use crate::error::{Error, Limit, Malformed, Result};

/// How much of a file the guess is made from.
const GUESS_BYTES: u64 = 4 * 1024 * 1024;
const CHUNK_BYTES: usize = 256 * 1024;

/// Where a pass puts what it makes. An error that it returns ends the pass.
pub trait RowSink {
    /// The types of the columns whose rows follow; called once, before anything else.
    fn begin(&mut self, types: &[ColumnType]) -> Result<()>;

    /// Binary COPY: `_row`, then the columns of `begin`. At least 256 KiB but for the last, and longer only by its last row.
    /// `rows`: how many there were so far.
    fn rows(&mut self, copy: Bytes, rows: u64) -> Result<()>;

    /// The types of `begin` were wrong: drop all rows; no more follow. Called at most once.
    fn misfit(&mut self) -> Result<()>;
}

/// What a first pass found.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// From all the values.
    pub columns: Vec<Column>,
    /// How each of them is read, for the second pass.
    pub readings: Vec<Reading>,
    pub rows: u64,
    /// Whether the sink has got all the rows.
    pub fits: bool,
    /// Words that were read as NULL.
    pub nulls: Vec<String>,
    pub warnings: Warnings,
}

/// Infers the types of all of `input` and hands out its rows for as long as they fit those of its beginning.
///
/// # Errors
/// `Malformed` with line and column, `Limit`, what `input` or `sink` fails with. What the sink has got by then is a part, to be thrown away.
pub fn first_pass(
    format: Format,
    mut input: impl Read,
    options: &Options,
    limits: ReadLimits,
    sink: &mut dyn RowSink,
) -> Result<Outcome> {
    let mut beginning = Vec::new();
    let failed = input.by_ref().take(GUESS_BYTES).read_to_end(&mut beginning).err();
    let whole = failed.is_none() && (beginning.len() as u64) < GUESS_BYTES;
    let (inference, columns) = guess(format, &beginning, whole, options, limits);
    let rest = Failed(failed).chain(input);
    let reader = RowReader::open(format, Cursor::new(beginning).chain(rest), limits)?;
    infer(reader, inference, columns, (options, limits), sink)
}

/// `columns`: how many are expected; the names of a JSON file come with its rows.
fn infer<R: Read>(
    mut reader: RowReader<R>,
    mut inference: Inference,
    columns: usize,
    (options, limits): (&Options, ReadLimits),
    sink: &mut dyn RowSink,
) -> Result<Outcome> {
    let mut names = Names::new(&options.renames);
    let guess = inference.decide(columns);
    let mut out = Encoder::new(sink, &guess, limits)?;
    out.refresh(&inference);
    let mut fits = guess.iter().all(|decision| !decision.reading.told || decision.doubt.is_none());
    if !fits {
        out.sink.misfit()?;
    }
    while reader.advance()? {
        let row = reader.row();
        let names = names.update(reader.names())?;
        inference.name(names);
        let known = names.len() <= guess.len();
        if fits && !(known && out.infer(&row, names, &mut inference, &guess)?) {
            fits = false;
            out.sink.misfit()?;
        }
        if !fits {
            inference.observe_row(&row);
            out.count(row.line)?;
        }
    }
    let mut warnings = reader.take_warnings();
    let names = names.update(reader.names())?;
    inference.name(names);
    let decisions = inference.decide(names.len());
    if fits && !same(&guess, &decisions) {
        fits = false;
        out.sink.misfit()?;
    }
    if fits {
        out.finish()?;
    }
    let rows = out.rows;
    for (name, decision) in names.iter().zip(&decisions) {
        let Some(doubt) = decision.doubt else { continue };
        if decision.reading.told {
            let detail = doubt.trouble(name).to_string();
            return Err(Malformed { detail, field: Some(name.clone()), ..Malformed::default() }.into());
        }
        warnings.note_file(doubt.trouble(name))?;
    }
    let column = |(name, decision): (&String, &Decision)| Column {
        name: name.clone(),
        column_type: decision.reading.column_type,
    };
    Ok(Outcome {
        columns: names.iter().zip(&decisions).map(column).collect(),
        nulls: inference.nulls(&decisions),
        readings: decisions.iter().map(|decision| decision.reading).collect(),
        rows,
        fits,
        warnings,
    })
}

/// Hands out all the rows of `input`, whose columns are known from a first pass; how many there were.
///
/// # Errors
/// As for the first pass; and `Internal` for a value that its column does not hold, since the types were inferred from this very file.
pub fn second_pass(
    layout: &Layout,
    input: impl Read,
    first: &Outcome,
    options: &Options,
    limits: ReadLimits,
    sink: &mut dyn RowSink,
) -> Result<u64> {
    let mut reader = RowReader::open(format, input, limits)?;
    let inference = Inference::new(options, None, None);
    let decision = |reading: &Reading| Decision { reading: *reading, doubt: None };
    let decisions: Vec<_> = first.readings.iter().map(decision).collect();
    let mut names = Names::new(&options.renames);
    let mut out = Encoder::new(sink, &decisions, limits)?;
    while reader.advance()? {
        let row = reader.row();
        if row.len() > decisions.len() {
            return Err(Error::internal(format!("line {}: more cells than columns", row.line)));
        }
        out.append(&row, names.update(reader.names())?, &inference)?;
    }
    if !first.columns.iter().map(|column| &column.name).eq(names.update(reader.names())?) {
        return Err(Error::internal("the names of the columns are not those of the first pass"));
    }
    out.finish()?;
    Ok(out.rows)
}

/// Collects rows into chunks for the sink.
struct Encoder<'a> {
    sink: &'a mut dyn RowSink,
    readings: Vec<Reading>,
    /// Of each column, the short way for its ordinary values, if there is one.
    quick: Vec<Option<Quick>>,
    limits: ReadLimits,
    buffer: Vec<u8>,
    rows: u64,
}

impl<'a> Encoder<'a> {
    fn new(sink: &'a mut dyn RowSink, decisions: &[Decision], limits: ReadLimits) -> Result<Self> {
        let readings: Vec<_> = decisions.iter().map(|decision| decision.reading).collect();
        sink.begin(&readings.iter().map(|reading| reading.column_type).collect::<Vec<_>>())?;
        let quick = vec![None; readings.len()];
        Ok(Self { sink, readings, quick, limits, buffer: encode::BEGIN.to_vec(), rows: 0 })
    }

    /// Finds the short ways anew, after something was learned.
    fn refresh(&mut self, inference: &Inference) {
        for (index, (quick, reading)) in self.quick.iter_mut().zip(&self.readings).enumerate() {
            *quick = Quick::of(*reading, inference.seen(index), inference.is_settled(index));
        }
    }

    /// Appends a row and learns from it; false, and nothing appended, if the columns are not what they were guessed to be.
    fn infer(
        &mut self,
        row: &Row<'_>,
        names: &[String],
        inference: &mut Inference,
        guess: &[Decision],
    ) -> Result<bool> {
        let start = self.begin_row(row)?;
        let mut cells = row.cells();
        for index in 0..self.readings.len() {
            let cell = cells.next().unwrap_or(super::Cell::Null);
            if inference.is_missing(cell) {
                encode::append_null(&mut self.buffer);
                continue;
            }
            if self.quick[index].is_some_and(|quick| quick.append(&mut self.buffer, cell, inference.seen(index))) {
                continue;
            }
            if inference.observe(index, cell) {
                if !same(guess, &inference.decide(guess.len())) {
                    self.buffer.truncate(start);
                    self.rows -= 1;
                    return Ok(false);
                }
                self.refresh(inference);
            }
            self.append_cell(row, names, index, cell)?;
        }
        self.end_row(row, start)?;
        Ok(true)
    }

    /// Appends a row of which nothing is to be learned.
    fn append(&mut self, row: &Row<'_>, names: &[String], inference: &Inference) -> Result<()> {
        let start = self.begin_row(row)?;
        let mut cells = row.cells();
        for index in 0..self.readings.len() {
            let cell = cells.next().unwrap_or(super::Cell::Null);
            match inference.is_missing(cell) {
                true => encode::append_null(&mut self.buffer),
                false => self.append_cell(row, names, index, cell)?,
            }
        }
        self.end_row(row, start)
    }

    fn append_cell(&mut self, row: &Row<'_>, names: &[String], index: usize, cell: super::Cell<'_>) -> Result<()> {
        let reading = self.readings[index];
        if encode::append_cell(&mut self.buffer, cell, reading) {
            return Ok(());
        }
        if !reading.told {
            return Err(Error::internal(format!("line {}: column {} does not fit", row.line, index + 1)));
        }
        let name = names.get(index).cloned().unwrap_or_default();
        let detail =
            format!("The value is no {}, which the column `{name}` is told to be.", reading.column_type.name());
        Err(Malformed { field: Some(name), ..row.malformed(index, detail) }.into())
    }

    fn begin_row(&mut self, row: &Row<'_>) -> Result<usize> {
        self.count(row.line)?;
        let start = self.buffer.len();
        encode::append_field_count(&mut self.buffer, self.readings.len() + 1);
        encode::append_bigint(&mut self.buffer, self.rows as i64);
        Ok(start)
    }

    fn end_row(&mut self, row: &Row<'_>, start: usize) -> Result<()> {
        check_width(&self.buffer[start..], &self.readings, row.line)?;
        if self.buffer.len() < CHUNK_BYTES {
            return Ok(());
        }
        self.flush()?;
        // Room for the last row, so that the buffer seldom moves.
        self.buffer.reserve_exact(CHUNK_BYTES + CHUNK_BYTES / 4);
        Ok(())
    }

    fn count(&mut self, line: u64) -> Result<()> {
        self.rows += 1;
        match self.rows > self.limits.rows_max {
            true => Err(Limit::Rows.passed(self.limits.rows_max, Some(line))),
            false => Ok(()),
        }
    }

    fn finish(&mut self) -> Result<()> {
        self.buffer.extend_from_slice(encode::END);
        self.flush()
    }

    fn flush(&mut self) -> Result<()> {
        self.sink.rows(Bytes::from(mem::take(&mut self.buffer)), self.rows)
    }
}

/// What the beginning of the file tells of its columns, and how many they are. Whatever is wrong with the file, the pass over all of it will say.
fn guess(format: Format, beginning: &[u8], whole: bool, options: &Options, limits: ReadLimits) -> (Inference, usize) {
    let cut_off = (!whole).then(|| io::Error::from(ErrorKind::UnexpectedEof));
    let mut inference = Inference::new(options, format.delimiter(), None);
    let Ok(mut reader) = RowReader::open(format, beginning.chain(Failed(cut_off)), limits) else {
        return (inference, 0);
    };
    let mut names = Names::new(&options.renames);
    while matches!(reader.advance(), Ok(true)) {
        // Two columns of one name are an error of the pass over all of it.
        inference.name(names.update(reader.names()).unwrap_or_default());
        inference.observe_row(&reader.row());
    }
    inference.name(names.update(reader.names()).unwrap_or_default());
    (inference, reader.names().len())
}

fn same(guess: &[Decision], decisions: &[Decision]) -> bool {
    guess.iter().map(|decision| decision.reading).eq(decisions.iter().map(|decision| decision.reading))
}

/// An input that has failed already, or is empty.
struct Failed(Option<io::Error>);

impl Read for Failed {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        self.0.take().map_or(Ok(0), Err)
    }
}
