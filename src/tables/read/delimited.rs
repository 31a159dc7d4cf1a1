//! Rows of a delimited file: CSV, TSV and their kin. What does not fit its columns is mended and noted.

use std::io::Read;
use std::mem;
use std::sync::Arc;

use memchr::memchr2;

use super::dialect::Dialect;
use super::footer::{Held, HeldRow, is_note, is_padded_note};
use super::lenient::{Stray, split_any, unescape};
use super::position::Position;
use super::repair::{merge, trim};
use super::sample::physical_line;
use super::split::{Fields, Plain, Split, split, undouble};
use super::window::Window;
use super::{ReadLimits, Row, Span, Trouble, Warnings};
use crate::error::{Limit, Malformed, Result};

/// What databases write for NULL.
const NULL_MARK: &[u8] = b"\\N";
/// How far a quote is looked for that would make a row whole.
const STRAY_BYTES_MAX: usize = 16 * 1024;
/// How much of a file is read in several ways, all rows together: a file that is wrong everywhere costs no more than that.
const PATIENCE_BYTES: usize = 64 * 1024 * 1024;

pub struct Reader<R> {
    window: Window<R>,
    dialect: Arc<Dialect>,
    plain: Option<Plain>,
    limits: ReadLimits,
    fields: Fields,
    /// Line of the record that the window stands at, and of the one behind it.
    line: u64,
    line_next: u64,
    /// Length of the record that the window stands at, with its line end.
    record_len: usize,
    /// A blank line stands above it.
    apart: bool,
    held: Held,
    /// The row that the reader stands at, if it was held back; else it is the window's.
    current: Option<HeldRow>,
    /// They are being handed out.
    releasing: bool,
    /// The window stands at a row that comes after those held back.
    behind: bool,
    footer_lines: u64,
    /// How often `\N` was read as NULL.
    null_marks: u64,
    patience: usize,
    warnings: Warnings,
}

impl<R: Read> Reader<R> {
    pub(super) fn open(dialect: Arc<Dialect>, input: R, limits: ReadLimits) -> Result<Self> {
        let mut window = Window::open(input)?;
        let mut left = dialect.start;
        while left > 0 && !(window.unread().is_empty() && window.ended()) {
            let here = left.min(window.unread().len());
            window.consume(here);
            left -= here;
            if left > 0 {
                window.fill()?;
            }
        }
        Ok(Self {
            window,
            plain: dialect.syntax.plain(),
            limits,
            fields: Fields::default(),
            line: dialect.start_line,
            line_next: dialect.start_line,
            record_len: 0,
            apart: false,
            held: Held::default(),
            current: None,
            releasing: false,
            behind: false,
            footer_lines: 0,
            null_marks: 0,
            patience: PATIENCE_BYTES,
            warnings: dialect.warnings.clone(),
            dialect,
        })
    }

    pub(super) fn names(&self) -> &[String] {
        &self.dialect.names
    }

    pub(super) fn warnings(&self) -> &Warnings {
        &self.warnings
    }

    /// Lines below the table that were left out; all of them are known at the end of the file.
    pub(super) fn footer_lines(&self) -> u64 {
        self.footer_lines
    }

    pub(super) fn has_null_marks(&self) -> bool {
        self.null_marks > 0
    }

    pub(super) fn row(&self) -> Row<'_> {
        match &self.current {
            Some(held) => Row { line: held.line, bytes: &held.bytes, spans: &held.spans },
            None => Row { line: self.line, bytes: self.window.unread(), spans: &self.fields.spans },
        }
    }

    pub(super) fn advance(&mut self) -> Result<bool> {
        self.current = None;
        if self.releasing {
            return self.release();
        }
        loop {
            if !self.next_record()? {
                return self.leave_out();
            }
            let fits = self.fit()?;
            if fits && self.held.is_empty() {
                return Ok(true);
            }
            if fits || self.held.is_full() {
                (self.releasing, self.behind) = (true, fits);
                return self.release();
            }
        }
    }

    /// Goes to the next row of those held back, which are rows after all, then to the one behind them.
    fn release(&mut self) -> Result<bool> {
        if let Some(row) = self.held.pop() {
            if row.spans.len() < self.dialect.names.len() {
                let position = Position::line_start(row.line);
                self.warnings.note(Trouble::ShortRow, position, &row.bytes, row.bytes.len())?;
            }
            self.current = Some(row);
            return Ok(true);
        }
        self.releasing = false;
        match mem::take(&mut self.behind) {
            true => Ok(true),
            false => self.advance(),
        }
    }

    /// The file ends behind what was held back: it is no part of the table.
    fn leave_out(&mut self) -> Result<bool> {
        while let Some(row) = self.held.pop() {
            self.warnings.note(Trouble::Footer, Position::line_start(row.line), &row.bytes, 0)?;
            self.footer_lines += 1;
        }
        Ok(false)
    }

    /// Goes to the next record that is neither a blank line nor a comment.
    fn next_record(&mut self) -> Result<bool> {
        self.apart = false;
        loop {
            self.window.consume(mem::take(&mut self.record_len));
            self.line = self.line_next;
            if self.dialect.comment.is_some() && self.skip_comment()? {
                continue;
            }
            let Some((content, len)) = self.find_record()? else { return Ok(false) };
            self.record_len = len;
            let text = &self.window.unread()[..content];
            self.line_next = match self.fields.quoted {
                true => self.position().after(text).line + 1,
                false => self.line + 1,
            };
            let one = self.fields.spans.len() == 1;
            if content > 0 && !(one && text.iter().all(u8::is_ascii_whitespace)) {
                self.position().check_text(text)?;
                self.check_size(content)?;
                return Ok(true);
            }
            self.apart = true;
        }
    }

    /// Whether a comment stood here, which is passed then.
    fn skip_comment(&mut self) -> Result<bool> {
        let dialect = Arc::clone(&self.dialect);
        let Some(prefix) = dialect.comment.as_deref() else { return Ok(false) };
        while self.window.unread().len() < prefix.len() && !self.window.ended() {
            self.window.fill()?;
        }
        if !self.window.unread().starts_with(prefix) {
            return Ok(false);
        }
        loop {
            let (content, len) = physical_line(self.window.unread());
            // A CR at the very end may be half of a line end.
            if len > content && len < self.window.unread().len() || self.window.ended() {
                self.record_len = len;
                self.line_next = self.line + 1;
                return Ok(true);
            }
            self.limits.check_row(self.position(), self.window.unread())?;
            self.window.fill()?;
        }
    }

    /// The length of the record at the start of the window, without and with its line end.
    fn find_record(&mut self) -> Result<Option<(usize, usize)>> {
        loop {
            let (bytes, ended) = (self.window.unread(), self.window.ended());
            if bytes.is_empty() && ended {
                return Ok(None);
            }
            let max = self.limits.columns() + 2;
            let plain = self.plain.map(|plain| split(bytes, ended, plain, max, &mut self.fields));
            match plain.filter(|split| !matches!(split, Split::AfterQuote)).unwrap_or_else(|| self.split_odd(max)) {
                Split::Record { content, len } => return Ok(Some((content, len))),
                Split::Unfinished { field, quoted } => self.check_unfinished(field, quoted)?,
                Split::TooMany | Split::AfterQuote => {
                    let (expected, found) = (self.dialect.names.len(), self.limits.columns());
                    let detail = format!("Expected {expected} fields, found more than {found}.");
                    let at = self.fields.raw.get(expected).map_or(0, |raw| raw.0);
                    return Err(self.position().malformed(self.window.unread(), at, detail).into());
                }
            }
            self.window.fill()?;
        }
    }

    /// Splits what the fast path does not. A quote that stands where it should not can be understood in several ways: the one is right that makes the row whole.
    fn split_odd(&mut self, max: usize) -> Split {
        let (bytes, ended, syntax) = (self.window.unread(), self.window.ended(), self.dialect.syntax);
        let width = self.dialect.width();
        let fields = &mut self.fields;
        let first = split_any(bytes, ended, syntax, Stray::SameLine, max, fields);
        let Split::Record { content, .. } = first else { return first };
        let fits = fields.spans.len() == width;
        let lines = memchr2(b'\n', b'\r', &bytes[..content]).is_some();
        if fields.stray.is_none() || (fits && !lines) || self.patience == 0 {
            return first;
        }
        self.patience = self.patience.saturating_sub(content);
        if lines && let Split::Record { content, len } = split_any(bytes, ended, syntax, Stray::Literal, max, fields) {
            let whole = fields.spans.len() == width;
            let next = split_any(&bytes[len..], ended, syntax, Stray::SameLine, max, fields);
            if whole && matches!(next, Split::Record { .. }) && fields.spans.len() == width {
                split_any(bytes, ended, syntax, Stray::Literal, max, fields);
                return Split::Record { content, len };
            }
        }
        if !fits {
            self.patience = self.patience.saturating_sub(STRAY_BYTES_MAX);
            match split_any(bytes, ended, syntax, Stray::Within(STRAY_BYTES_MAX), max, fields) {
                Split::Record { content, len } if fields.spans.len() == width => return Split::Record { content, len },
                Split::Unfinished { field, quoted } if !ended => return Split::Unfinished { field, quoted },
                _ => {}
            }
        }
        split_any(bytes, ended, syntax, Stray::SameLine, max, fields)
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

    /// Makes the fields those of a row. False if the row is held back: it may be a footer.
    fn fit(&mut self) -> Result<bool> {
        let expected = self.dialect.names.len();
        if let Some(at) = self.fields.stray {
            self.note(Trouble::StrayQuote, at)?;
        }
        if self.fields.spans.len() != expected && !self.refit()? {
            return Ok(false);
        }
        if self.dialect.null_mark {
            self.read_null_marks();
        }
        let padded = self.fields.spans.last() == Some(&Span::Null);
        let apart = self.apart || !self.held.is_empty();
        if padded && is_padded_note(self.window.unread(), &self.fields.spans, &self.dialect.kinds, apart) {
            self.hold();
            return Ok(false);
        }
        self.unescape_fields();
        Ok(true)
    }

    /// An unquoted `\N` has no value in any column.
    fn read_null_marks(&mut self) {
        let (bytes, quote) = (self.window.unread(), self.dialect.syntax.quote);
        for span in &mut self.fields.spans {
            if let Span::Text { start, end } = *span
                && end - start == NULL_MARK.len()
                && bytes.get(start..end) == Some(NULL_MARK)
                && (start == 0 || quote.is_none() || bytes.get(start - 1).copied() != quote)
            {
                *span = Span::Null;
                self.null_marks += 1;
            }
        }
    }

    /// Keeps the record aside until it is clear whether rows follow.
    fn hold(&mut self) {
        self.unescape_fields();
        let bytes = self.window.unread()[..self.content()].to_vec();
        self.held.push(HeldRow { line: self.line, bytes, spans: self.fields.spans.clone() });
    }

    /// As [`fit`](Self::fit), for a record of another number of fields.
    fn refit(&mut self) -> Result<bool> {
        let dialect = Arc::clone(&self.dialect);
        let expected = dialect.names.len();
        if trim(&mut self.fields, &dialect) {
            self.note(Trouble::TrailingFields, self.content().saturating_sub(1))?;
        }
        if self.fields.spans.len() < expected {
            let apart = self.apart || !self.held.is_empty();
            if expected > 1 && is_note(self.window.unread(), &self.fields.spans, &dialect.kinds, apart) {
                self.hold();
                return Ok(false);
            }
            self.note(Trouble::ShortRow, self.content())?;
        }
        if self.fields.spans.len() > expected {
            if self.fields.raw.is_empty() {
                let (bytes, ended) = (self.window.unread(), self.window.ended());
                let max = self.limits.columns() + 2;
                split_any(bytes, ended, dialect.syntax, Stray::SameLine, max, &mut self.fields);
                trim(&mut self.fields, &dialect);
            }
            let (found, at) = (self.fields.spans.len(), self.fields.raw.get(expected).map_or(0, |raw| raw.0));
            if !merge(self.window.unread(), &mut self.fields, &dialect) {
                let detail = format!("Expected {expected} fields, found {found}.");
                let hint = Some("Put a field in which the delimiter stands in quotes.".to_owned());
                return Err(Malformed { hint, ..self.position().malformed(self.window.unread(), at, detail) }.into());
            }
            self.note(Trouble::LongRow, at)?;
        }
        Ok(true)
    }

    fn unescape_fields(&mut self) {
        let (syntax, plain) = (self.dialect.syntax, self.plain);
        for index in &self.fields.doubled {
            let Some(Span::Text { start, end }) = self.fields.spans.get_mut(*index) else { continue };
            let quoted = self.fields.raw.get(*index).is_none_or(|raw| *start > raw.0);
            let text = &mut self.window.unread_mut()[*start..*end];
            *end = *start
                + match plain.and_then(|plain| plain.quote) {
                    Some(quote) if quoted => undouble(text, quote),
                    _ => unescape(text, syntax, quoted),
                };
        }
    }

    /// The length of the record without its line end.
    fn content(&self) -> usize {
        let record = &self.window.unread()[..self.record_len];
        let record = record.strip_suffix(b"\n").unwrap_or(record);
        record.strip_suffix(b"\r").unwrap_or(record).len()
    }

    fn note(&mut self, trouble: Trouble, at: usize) -> Result<()> {
        let position = self.position();
        let text = &self.window.unread()[..self.record_len];
        self.warnings.note(trouble, position, text, at.min(text.len()))
    }

    fn position(&self) -> Position {
        Position::line_start(self.line)
    }
}
