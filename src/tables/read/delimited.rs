//! Rows of a delimited file: CSV, TSV and their kin.

use std::io::Read;
use std::mem;

use super::position::Position;
use super::split::{Fields, Split, split, undouble};
use super::window::Window;
use super::{Dialect, ReadLimits, Row, Span, names};
use crate::error::{Limit, Malformed, Result};

pub struct Reader<R> {
    window: Window<R>,
    dialect: Dialect,
    limits: ReadLimits,
    names: Vec<String>,
    fields: Fields,
    /// Line of the record that the reader stands at, and of the one behind it.
    line: u64,
    line_next: u64,
    /// Length of the record that the reader stands at, with its line end.
    record_len: usize,
}

impl<R: Read> Reader<R> {
    pub(super) fn open(dialect: Dialect, input: R, limits: ReadLimits) -> Result<Self> {
        let window = Window::open(input)?;
        let fields = Fields::default();
        let mut reader =
            Self { window, dialect, limits, names: Vec::new(), fields, line: 1, line_next: 1, record_len: 0 };
        if !reader.next_record()? {
            let hint = Some("The first line of a table names its columns.".to_owned());
            return Err(Malformed { detail: "The file is empty.".to_owned(), hint, ..Malformed::default() }.into());
        }
        let row = reader.row();
        let header = row.spans.iter().map(|span| match *span {
            Span::Text { start, end } => String::from_utf8_lossy(&row.bytes[start..end]).into_owned(),
            _ => String::new(),
        });
        reader.names = names::of_header(header.collect());
        Ok(reader)
    }

    pub(super) fn names(&self) -> &[String] {
        &self.names
    }

    pub(super) fn row(&self) -> Row<'_> {
        Row { line: self.line, bytes: self.window.unread(), spans: &self.fields.spans }
    }

    pub(super) fn advance(&mut self) -> Result<bool> {
        self.next_record()
    }

    /// Goes to the next record that is not a blank line.
    fn next_record(&mut self) -> Result<bool> {
        loop {
            self.window.consume(mem::take(&mut self.record_len));
            self.line = self.line_next;
            let Some((content, len)) = self.find_record()? else { return Ok(false) };
            self.record_len = len;
            let text = &self.window.unread()[..content];
            self.line_next = match self.fields.quoted {
                true => self.position().after(text).line + 1,
                false => self.line + 1,
            };
            if content > 0 {
                self.position().check_text(text)?;
                self.check_size(content)?;
                self.check_count()?;
                self.undouble_quotes();
                return Ok(true);
            }
        }
    }

    /// The length of the record at the start of the window, without and with its line end.
    fn find_record(&mut self) -> Result<Option<(usize, usize)>> {
        loop {
            let (bytes, ended) = (self.window.unread(), self.window.ended());
            if bytes.is_empty() && ended {
                return Ok(None);
            }
            match split(bytes, ended, self.dialect, self.limits.columns(), &mut self.fields) {
                Split::Record { content, len } => return Ok(Some((content, len))),
                Split::Unfinished { field, quoted } => self.check_unfinished(field, quoted)?,
                Split::AfterQuote { at } => {
                    let hint = Some("Inside a quoted field, write a quote twice.".to_owned());
                    let detail = "The field's closing quote is followed by text.";
                    return Err(Malformed { hint, ..self.position().malformed(bytes, at, detail) }.into());
                }
                Split::TooMany { .. } if self.names.is_empty() => {
                    return Err(Limit::Columns.passed(self.limits.columns() as u64, Some(self.position().line)));
                }
                Split::TooMany { at } => {
                    let (expected, found) = (self.names.len(), self.limits.columns());
                    let detail = format!("Expected {expected} fields, found more than {found}.");
                    return Err(self.position().malformed(bytes, at, detail).into());
                }
            }
            self.window.fill()?;
        }
    }

    /// Fails if more input cannot make a row of what is here.
    fn check_unfinished(&self, field: usize, quoted: bool) -> Result<()> {
        let bytes = self.window.unread();
        let max = self.limits.cell_bytes_max;
        let long = bytes.len() - field > max.saturating_add(2);
        match quoted {
            true if self.window.ended() => {
                Err(self.position().malformed(bytes, field, "The quote that opens here is never closed.").into())
            }
            true if long => {
                let detail = format!("The quoted field that opens here is longer than {max} bytes.");
                let hint =
                    Some(format!("Is its closing quote missing? {} sets the limit.", Limit::CellBytes.setting()));
                Err(Malformed { hint, ..self.position().malformed(bytes, field, detail) }.into())
            }
            false if long => Err(Limit::CellBytes.passed(max as u64, Some(self.position().line))),
            _ => self.limits.check_row(self.position(), bytes),
        }
    }

    fn check_size(&self, content: usize) -> Result<()> {
        let max = self.limits.cell_bytes_max;
        let long = |span: &Span| matches!(*span, Span::Text { start, end } if end - start > max);
        match content > max && self.fields.spans.iter().any(long) {
            true => Err(Limit::CellBytes.passed(max as u64, Some(self.position().line))),
            false => self.limits.check_row(self.position(), &self.window.unread()[..content]),
        }
    }

    fn undouble_quotes(&mut self) {
        let Some(quote) = self.dialect.quote else { return };
        for index in &self.fields.doubled {
            if let Span::Text { start, end } = &mut self.fields.spans[*index] {
                *end = *start + undouble(&mut self.window.unread_mut()[*start..*end], quote);
            }
        }
    }

    /// Fails at the first field too many, or behind the last one there is. The header has no number of fields to keep to.
    fn check_count(&self) -> Result<()> {
        let (expected, found) = (self.names.len(), self.fields.spans.len());
        if found == expected || self.names.is_empty() {
            return Ok(());
        }
        let bytes = self.window.unread();
        let mut again = Fields::default();
        let at = match split(bytes, self.window.ended(), self.dialect, expected, &mut again) {
            Split::TooMany { at } => at,
            Split::Record { content, .. } => content,
            Split::Unfinished { .. } | Split::AfterQuote { .. } => 0,
        };
        Err(self.position().malformed(bytes, at, format!("Expected {expected} fields, found {found}.")).into())
    }

    fn position(&self) -> Position {
        Position::line_start(self.line)
    }
}
