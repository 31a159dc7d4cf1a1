//! The two passes over a file.
//!
//! The **first pass** guesses how the columns are read from the beginning of the file, hands out binary COPY while that holds for every value, and infers from all
//! the values in any case. Most files fit the guess, so most are read once. At the first value that does not fit it stops handing out; the loader empties its table,
//! reads the raw upload again and makes the **second pass** with what is now known.

use std::io::{self, Cursor, ErrorKind, Read};
use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::encoder::Encoder;
use super::infer::{Basis, Decision, Inference, Reading};
use super::names::Names;
use super::source::lock;
use super::window::failure;
use super::{
    Column, ColumnType, Delimiter, Escape, Layout, Options, ReadLimits, RowReader, Source, TableFormat, Text, Warnings,
    columnar,
};
use crate::error::{Error, Malformed, Result};

/// How much of a file the guess is made from.
const GUESS_BYTES: u64 = 4 * 1024 * 1024;

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

/// What is asked of a reading.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    pub options: &'a Options,
    /// What the file's name or Content-Type say it is.
    pub hint: Option<TableFormat>,
    pub limits: ReadLimits,
    /// The table that the rows are for, if there is one.
    pub target: Option<Target<'a>>,
}

/// A table whose columns keep their types, whatever the file alone would make of them.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    pub columns: &'a [Column],
    /// Whether a column that it does not have is a new one, else an error.
    pub add_columns: bool,
}

/// What a first pass found.
#[derive(Debug, Clone)]
pub struct Outcome {
    pub format: TableFormat,
    /// How a text is cut into rows.
    pub layout: Option<Layout>,
    /// From all the values; in the file's order.
    pub columns: Vec<Column>,
    /// How each of them is read, for the second pass.
    pub readings: Vec<Reading>,
    pub rows: u64,
    /// Whether the sink has got all the rows.
    pub fits: bool,
    /// What was assumed of the file, for the descriptor.
    pub ingest: Map<String, Value>,
}

/// Infers the types of all of a file and hands out its rows for as long as they fit those of its beginning.
///
/// # Errors
/// `Malformed` with line and column, `Limit`, what the input or `sink` fails with. What the sink has got by then is a part, to be thrown away.
pub fn first_pass(source: Source, ask: Ask<'_>, sink: &mut dyn RowSink) -> Result<Outcome> {
    let (reader, format) = match source {
        Source::Text(text) => return text_pass(text, ask, sink),
        Source::Parquet(file) => (columnar::Reader::parquet(file, ask.limits)?, TableFormat::Parquet),
        Source::ArrowFile(file) => (columnar::Reader::arrow_file(file, ask.limits)?, TableFormat::Arrow),
        Source::ArrowStream(input) => (columnar::Reader::arrow_stream(input, ask.limits)?, TableFormat::Arrow),
    };
    let inference = Inference::new(ask, None, Some(reader.declared()));
    let columns = reader.names().to_vec();
    let reader: RowReader<io::Empty> = RowReader::Columnar(Box::new(reader));
    let mut outcome = infer(reader, inference, &columns, ask, sink)?;
    outcome.format = format;
    outcome.ingest.insert("format".to_owned(), json!(format));
    Ok(outcome)
}

fn text_pass(mut text: Text, ask: Ask<'_>, sink: &mut dyn RowSink) -> Result<Outcome> {
    let beginning = begin(&mut text)?;
    let layout = detect(&text, &beginning.bytes, beginning.whole, ask)?;
    let (inference, columns) = guess(&text, &layout, &beginning, ask);
    let reader = RowReader::open(&layout, beginning.chain(text.input), ask.limits)?.strict(ask.options.strict);
    let notes = Arc::clone(&text.notes);
    let mut outcome = infer(reader, inference, &columns, ask, sink)?;
    let format = layout.format();
    let ingest = &mut outcome.ingest;
    ingest.extend(layout.describe().into_iter().filter(|(name, _)| name != "skipped"));
    let above = layout.describe().get("skipped").and_then(Value::as_u64).unwrap_or(0);
    let below = ingest.get("skipped").and_then(Value::as_u64).unwrap_or(0);
    ingest.insert("skipped".to_owned(), json!(above + below));
    ingest.insert("format".to_owned(), json!(ask.hint.filter(|_| text.of_workbook).unwrap_or(format)));
    ingest.insert("encoding".to_owned(), json!(text.encoding));
    if let Some(sheet) = text.sheet {
        ingest.insert("sheet".to_owned(), json!(sheet));
    }
    if let Some(Value::Array(warnings)) = ingest.get_mut("warnings") {
        warnings.extend(lock(&notes).list().iter().map(|warning| json!(warning)));
    }
    outcome.format = ask.hint.filter(|_| text.of_workbook).unwrap_or(format);
    outcome.layout = Some(layout);
    Ok(outcome)
}

/// The first bytes of a text.
struct Beginning {
    bytes: Vec<u8>,
    /// There are no more.
    whole: bool,
    /// What the input failed with behind them.
    failed: Option<io::Error>,
}

impl Beginning {
    /// The whole text again.
    fn chain(self, rest: Box<dyn Read + Send>) -> Box<dyn Read + Send> {
        Box::new(Cursor::new(self.bytes).chain(Failed(self.failed)).chain(rest))
    }
}

/// Reads the beginning of a text. A file that fails there fails for that reason, not for what its beginning lacks.
fn begin(text: &mut Text) -> Result<Beginning> {
    let mut bytes = Vec::new();
    let failed = text.input.by_ref().take(GUESS_BYTES).read_to_end(&mut bytes).err();
    let whole = failed.is_none() && (bytes.len() as u64) < GUESS_BYTES;
    match failed {
        Some(error) if bytes.len() < Layout::BEGINNING_BYTES => Err(failure(error)),
        failed => Ok(Beginning { bytes, whole, failed }),
    }
}

/// The layout of a text; that of a workbook's sheet is known, but for its header.
fn detect(text: &Text, beginning: &[u8], whole: bool, ask: Ask<'_>) -> Result<Layout> {
    let head = &beginning[..beginning.len().min(Layout::BEGINNING_BYTES)];
    let (beginning, whole) = (head, whole && head.len() == beginning.len());
    if !text.of_workbook {
        return Layout::detect(beginning, whole, ask.options, ask.hint, ask.limits);
    }
    let options = Options {
        format: Some(TableFormat::Csv),
        delimiter: Some(Delimiter::Byte(b',')),
        quote: Some(Some(b'"')),
        escape: Some(Escape::Doubled),
        ..ask.options.clone()
    };
    Layout::detect(beginning, whole, &options, Some(TableFormat::Csv), ask.limits)
}

/// `expected`: the columns that the beginning has; the names of a JSON file come with its rows.
fn infer<R: Read>(
    mut reader: RowReader<R>,
    mut inference: Inference,
    expected: &[String],
    ask: Ask<'_>,
    sink: &mut dyn RowSink,
) -> Result<Outcome> {
    let mut names = Names::new(&ask.options.renames);
    inference.name(Names::new(&ask.options.renames).update(expected)?);
    let guess = inference.decide(expected.len());
    let mut out = Encoder::new(sink, &guess, ask.limits)?;
    out.refresh(&inference);
    let mut checked = 0;
    let mut fits = guess.iter().all(|decision| decision.reading.basis == Basis::Inferred || decision.doubt.is_none());
    if !fits {
        out.sink.misfit()?;
    }
    while reader.advance()? {
        let row = reader.row();
        let names = names.update(reader.names())?;
        if names.len() > checked {
            check_target(names, ask.target, Some(row.line))?;
            inference.name(names);
            checked = names.len();
        }
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
    let names = names.update(reader.names())?;
    check_target(names, ask.target, None)?;
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
    let mut warnings = reader.warnings();
    warnings.check(ask.options.strict)?;
    note_doubts(names, &decisions, &inference, &mut warnings)?;
    let mut nulls = inference.nulls(&decisions);
    if reader.has_null_marks() && !nulls.iter().any(|null| null == "\\N") {
        nulls.push("\\N".to_owned());
    }
    let readings: Vec<_> = decisions.iter().map(|decision| decision.reading).collect();
    let column = |(index, name): (usize, &String)| inference.column(index, name, readings[index]);
    let ingest = json!({
        "format": null,
        "skipped": reader.footer_lines(),
        "nulls": nulls,
        "warnings": warnings.list(),
    });
    Ok(Outcome {
        format: TableFormat::Csv,
        layout: None,
        columns: names.iter().take(readings.len()).enumerate().map(column).collect(),
        readings,
        rows,
        fits,
        ingest: if let Value::Object(ingest) = ingest { ingest } else { Map::new() },
    })
}

/// Fails at a column that the table lacks and may not get.
fn check_target(names: &[String], target: Option<Target<'_>>, line: Option<u64>) -> Result<()> {
    let Some(target) = target.filter(|target| !target.add_columns) else { return Ok(()) };
    // Names come at the end of the list, if any come.
    match names.iter().find(|name| !target.columns.iter().any(|column| column.name == **name)) {
        None => Ok(()),
        Some(name) => Err(Malformed {
            detail: format!("The table has no column `{name}`."),
            line,
            field: Some(name.clone()),
            hint: Some("Send `?add_columns=true` to add it to the table.".to_owned()),
            ..Malformed::default()
        }
        .into()),
    }
}

/// Columns that stay text for want of evidence are warned of; a type that was told is not to be had so.
fn note_doubts(names: &[String], decisions: &[Decision], inference: &Inference, warnings: &mut Warnings) -> Result<()> {
    for (index, (name, decision)) in names.iter().zip(decisions).enumerate() {
        let Some(doubt) = decision.doubt else { continue };
        if decision.reading.basis != Basis::Inferred {
            return Err(doubt.refuse(name, inference.open(index)).into());
        }
        warnings.note_file(doubt.trouble(name))?;
    }
    Ok(())
}

/// Hands out all the rows of a file, which a first pass has read to its end.
///
/// # Errors
/// As for the first pass; and `Internal` for a value that its column does not hold, since the types were inferred from this very file.
pub fn second_pass(source: Source, first: &Outcome, ask: Ask<'_>, sink: &mut dyn RowSink) -> Result<()> {
    let mut reader = reopen(source, first.layout.as_ref(), ask.limits)?;
    let inference = Inference::new(ask, None, None);
    let decision = |reading: &Reading| Decision { reading: *reading, doubt: None };
    let decisions: Vec<_> = first.readings.iter().map(decision).collect();
    let mut names = Names::new(&ask.options.renames);
    let mut out = Encoder::new(sink, &decisions, ask.limits)?;
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
    match out.rows == first.rows {
        true => Ok(()),
        false => Err(Error::internal("the rows are not those of the first pass")),
    }
}

/// The lines on which rows of a file begin; rows count from 1 and ascend.
pub fn lines_of(source: Source, ask: Ask<'_>, rows: &[u64]) -> Result<Vec<u64>> {
    let mut reader = match source {
        Source::Text(mut text) => {
            let beginning = begin(&mut text)?;
            let layout = detect(&text, &beginning.bytes, beginning.whole, ask)?;
            RowReader::open(&layout, beginning.chain(text.input), ask.limits)?
        }
        other => reopen(other, None, ask.limits)?,
    };
    let (mut lines, mut row) = (Vec::with_capacity(rows.len()), 0);
    while lines.len() < rows.len() && reader.advance()? {
        row += 1;
        lines.extend((rows[lines.len()] == row).then(|| reader.row().line));
    }
    Ok(lines)
}

/// `layout`: that of a text.
fn reopen(source: Source, layout: Option<&Layout>, limits: ReadLimits) -> Result<RowReader<Box<dyn Read + Send>>> {
    let reader = match source {
        Source::Text(text) => {
            let layout = layout.ok_or_else(|| Error::internal("the file was no text at first"))?;
            return RowReader::open(layout, text.input, limits);
        }
        Source::Parquet(file) => columnar::Reader::parquet(file, limits)?,
        Source::ArrowFile(file) => columnar::Reader::arrow_file(file, limits)?,
        Source::ArrowStream(input) => columnar::Reader::arrow_stream(input, limits)?,
    };
    Ok(RowReader::Columnar(Box::new(reader)))
}

/// What the beginning of the file tells of its columns, and their names. Whatever is wrong with the file, the pass over all of it will say.
fn guess(text: &Text, layout: &Layout, beginning: &Beginning, ask: Ask<'_>) -> (Inference, Vec<String>) {
    let cut_off = (!beginning.whole).then(|| io::Error::from(ErrorKind::UnexpectedEof));
    let mut inference = Inference::new(ask, layout.delimiter(), None);
    if text.of_workbook {
        inference.of_workbook(&text.pointed);
    }
    let input = beginning.bytes.chain(Failed(cut_off));
    let Ok(mut reader) = RowReader::open(layout, input, ask.limits) else {
        return (inference, Vec::new());
    };
    let mut names = Names::new(&ask.options.renames);
    while matches!(reader.advance(), Ok(true)) {
        // Two columns of one name are an error of the pass over all of it.
        inference.name(names.update(reader.names()).unwrap_or_default());
        inference.observe_row(&reader.row());
    }
    inference.name(names.update(reader.names()).unwrap_or_default());
    (inference, reader.names().to_vec())
}

pub(super) fn same(guess: &[Decision], decisions: &[Decision]) -> bool {
    guess.iter().map(|decision| decision.reading).eq(decisions.iter().map(|decision| decision.reading))
}

/// An input that has failed already, or is empty.
struct Failed(Option<io::Error>);

impl Read for Failed {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        self.0.take().map_or(Ok(0), Err)
    }
}
