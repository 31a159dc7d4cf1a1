//! Rows for a table that exists: its columns keep their types, whatever this file alone would make of them.

use std::io::{Cursor, ErrorKind, Read};

use super::infer::{Inference, holds};
use super::pass::{Chunks, Failed, GUESS_BYTES, Outcome, RowSink};
use super::{Cell, Column, ColumnType, Format, ReadLimits, Row, RowReader};
use crate::error::{Malformed, Result};

/// Characters shown of a value that does not fit.
const EXCERPT_CHARACTERS_MAX: usize = 60;

/// The table that the rows are for.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    pub columns: &'a [Column],
    /// Whether a column that it does not have is a new one, else an error.
    pub add_columns: bool,
}

/// Hands out the rows of `input` with the types that the target's columns of the same names have, and those of new columns inferred as for a new table. The
/// outcome's columns are those of the file, in its order.
///
/// # Errors
/// `Malformed` with line and the column's name for a value that does not fit or a column that the target lacks; else as `first_pass`.
pub fn append_pass(
    format: Format,
    mut input: impl Read,
    target: Target<'_>,
    limits: ReadLimits,
    sink: &mut dyn RowSink,
) -> Result<Outcome> {
    let mut beginning = Vec::new();
    let failed = input.by_ref().take(GUESS_BYTES).read_to_end(&mut beginning).err();
    let whole = failed.is_none() && (beginning.len() as u64) < GUESS_BYTES;
    let guess = guess(format, &beginning, whole, target, limits);
    sink.begin(&guess)?;

    let rest = Failed(failed).chain(input);
    let mut reader = RowReader::open(format, Cursor::new(beginning).chain(rest), limits)?;
    let mut out = Chunks { sink, columns: &guess, buffer: Vec::new(), rows: 0 };
    let (mut known, mut inference, mut fits) = (Known::default(), Inference::default(), true);
    known.learn(reader.names(), target, None)?;
    while reader.advance()? {
        let row = reader.row();
        known.learn(reader.names(), target, Some(row.line))?;
        known.check(&row, reader.names())?;
        let changed = known.any_new() && inference.observe(&row);
        if fits
            && (changed || reader.names().len() != guess.len())
            && guess != known.columns(reader.names(), &inference)
        {
            fits = false;
            out.sink.misfit()?;
        }
        match fits {
            true => out.append(&row)?,
            false => out.rows += 1,
        }
    }
    let columns = known.columns(reader.names(), &inference);
    if fits && guess != columns {
        fits = false;
        out.sink.misfit()?;
    }
    if fits {
        out.flush()?;
    }
    Ok(Outcome { columns, rows: out.rows, fits })
}

/// The lines of some rows of a file, which count from 1 and ascend.
///
/// # Errors
/// As reading the file for the first time.
pub fn lines_of(format: Format, input: impl Read, limits: ReadLimits, rows: &[u64]) -> Result<Vec<u64>> {
    let mut reader = RowReader::open(format, input, limits)?;
    let (mut lines, mut at) = (Vec::with_capacity(rows.len()), 0);
    for row in rows {
        while at < *row {
            if !reader.advance()? {
                return Ok(lines);
            }
            at += 1;
        }
        lines.push(reader.row().line);
    }
    Ok(lines)
}

/// The types of the file's columns, as far as the target has them.
#[derive(Default)]
struct Known {
    types: Vec<Option<ColumnType>>,
}

impl Known {
    /// Takes in the names that are new since the last row.
    fn learn(&mut self, names: &[String], target: Target<'_>, line: Option<u64>) -> Result<()> {
        for name in names.iter().skip(self.types.len()) {
            let found = target.columns.iter().find(|column| column.name == *name).map(|column| column.column_type);
            if found.is_none() && !target.add_columns {
                return Err(Malformed {
                    detail: format!("The table has no column `{name}`."),
                    line,
                    field: Some(name.clone()),
                    hint: Some("Send `?add_columns=true` to add it.".to_owned()),
                    ..Malformed::default()
                }
                .into());
            }
            self.types.push(found);
        }
        Ok(())
    }

    fn any_new(&self) -> bool {
        self.types.iter().any(Option::is_none)
    }

    fn check(&self, row: &Row<'_>, names: &[String]) -> Result<()> {
        for (index, cell) in row.cells().enumerate() {
            let Some(Some(column_type)) = self.types.get(index) else { continue };
            if cell != Cell::Null && !holds(*column_type, cell) {
                let name = names.get(index).cloned().unwrap_or_default();
                return Err(Malformed {
                    detail: format!("The column `{name}` is {}, which this value is not.", column_type.name()),
                    line: Some(row.line),
                    field: Some(name),
                    excerpt: excerpt(cell),
                    ..Malformed::default()
                }
                .into());
            }
        }
        Ok(())
    }

    fn columns(&self, names: &[String], inference: &Inference) -> Vec<Column> {
        let column = |(index, name): (usize, &String)| Column {
            name: name.clone(),
            column_type: self.types.get(index).copied().flatten().unwrap_or_else(|| inference.column_type(index)),
        };
        names.iter().enumerate().map(column).collect()
    }
}

fn excerpt(cell: Cell<'_>) -> Option<String> {
    let (Cell::Text(text) | Cell::Json(text) | Cell::String { value: text, .. }) = cell else { return None };
    let head = text.get(..EXCERPT_CHARACTERS_MAX * 4).unwrap_or(text);
    Some(String::from_utf8_lossy(head).chars().take(EXCERPT_CHARACTERS_MAX).collect())
}

/// The columns as the beginning has them; whatever is wrong with the file, the pass over all of it will say.
fn guess(format: Format, beginning: &[u8], whole: bool, target: Target<'_>, limits: ReadLimits) -> Vec<Column> {
    let cut_off = (!whole).then(|| ErrorKind::UnexpectedEof.into());
    let Ok(mut reader) = RowReader::open(format, beginning.chain(Failed(cut_off)), limits) else { return Vec::new() };
    let mut inference = Inference::default();
    while matches!(reader.advance(), Ok(true)) {
        inference.observe(&reader.row());
    }
    let mut known = Known::default();
    let any = Target { add_columns: true, ..target };
    match known.learn(reader.names(), any, None) {
        Ok(()) => known.columns(reader.names(), &inference),
        Err(_) => Vec::new(),
    }
}
