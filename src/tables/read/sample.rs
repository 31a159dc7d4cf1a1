//! The first rows of a file as one candidate syntax cuts them.

use memchr::memchr2;

use super::Span;
use super::dialect::Syntax;
use super::kind::Kind;
use super::lenient::{Stray, split_any, unescape};
use super::split::{Fields, Split};

/// Together they bound what judging one candidate costs …
const ROWS_MAX: usize = 1000;
const SAMPLE_BYTES: usize = 128 * 1024;
/// … but so many rows are looked at however long they are.
const ROWS_MIN: usize = 3;

#[derive(Debug, Clone)]
pub(super) struct SampleRow {
    /// Where it begins, and its line.
    pub start: usize,
    pub line: u64,
    /// Where the next line begins.
    pub next: usize,
    pub next_line: u64,
    /// Begins with `#`; it may be a comment.
    pub hash: bool,
    cells: (usize, usize),
}

#[derive(Debug, Clone, Copy)]
pub(super) struct SampleCell {
    pub start: usize,
    pub end: usize,
    pub kind: Kind,
    pub quoted: bool,
    mend: bool,
}

pub(super) struct Sample<'a> {
    pub bytes: &'a [u8],
    pub syntax: Syntax,
    pub rows: Vec<SampleRow>,
    cells: Vec<SampleCell>,
    /// Fields that begin with a quote and end with one as they should; those that do not.
    pub quotes_clean: usize,
    pub quotes_stray: usize,
    /// The quote that is never closed.
    pub unclosed: Option<usize>,
    /// The only row does not end within these bytes.
    pub cut_off: bool,
}

impl<'a> Sample<'a> {
    /// Cuts `bytes` from `start` on, which is the beginning of `line`. `comment`: lines that begin so are passed over.
    pub fn read(
        bytes: &'a [u8],
        (start, line): (usize, u64),
        whole: bool,
        syntax: Syntax,
        comment: Option<&[u8]>,
        fields_max: usize,
    ) -> Self {
        let mut sample = Self {
            bytes,
            syntax,
            rows: Vec::new(),
            cells: Vec::new(),
            quotes_clean: 0,
            quotes_stray: 0,
            unclosed: None,
            cut_off: false,
        };
        let mut fields = Fields::default();
        let (mut at, mut line) = (start, line);
        while at < bytes.len()
            && sample.rows.len() < ROWS_MAX
            && (at - start < SAMPLE_BYTES || sample.rows.len() < ROWS_MIN)
        {
            let rest = &bytes[at..];
            let told = comment.is_some_and(|comment| rest.starts_with(comment));
            let hash = comment.is_none() && rest.starts_with(b"#");
            if told || hash || is_blank(rest, syntax) {
                // No quote of a comment opens a field.
                let (content, len) = physical_line(rest);
                if hash {
                    split_any(&rest[..content], true, syntax, Stray::Literal, fields_max, &mut fields);
                    sample.push(&fields, (at, line), (at + len, line + 1), hash);
                }
                (at, line) = (at + len, line + 1);
                continue;
            }
            match split_any(rest, whole, syntax, Stray::SameLine, fields_max, &mut fields) {
                Split::Record { content, len } => {
                    let lines = if fields.quoted { line_ends(&rest[..content]) } else { 0 };
                    sample.push(&fields, (at, line), (at + len, line + lines + 1), hash);
                    (at, line) = (at + len, line + lines + 1);
                }
                Split::Unfinished { field, quoted } => {
                    sample.unclosed = (quoted && whole).then_some(at + field);
                    sample.push_cut_off(rest, &fields, (at, line));
                    break;
                }
                Split::TooMany => {
                    let (_, len) = physical_line(rest);
                    sample.push(&fields, (at, line), (at + len, line + 1), hash);
                    (at, line) = (at + len, line + 1);
                }
                Split::AfterQuote => break,
            }
        }
        sample
    }

    pub fn cells(&self, row: &SampleRow) -> &[SampleCell] {
        &self.cells[row.cells.0..row.cells.1]
    }

    /// Whether no row has anything.
    pub fn is_blank(&self) -> bool {
        self.cells.iter().all(|cell| cell.kind == Kind::Empty && !cell.quoted)
    }

    pub fn text(&self, cell: &SampleCell) -> &'a [u8] {
        &self.bytes[cell.start..cell.end]
    }

    /// What the cell says, without quotes and escapes.
    pub fn name(&self, cell: &SampleCell) -> String {
        let mut text = self.text(cell).to_vec();
        if cell.mend {
            let len = unescape(&mut text, self.syntax, cell.quoted);
            text.truncate(len);
        }
        String::from_utf8_lossy(&text).into_owned()
    }

    /// The first row is all there is if it does not end here.
    fn push_cut_off(&mut self, rest: &[u8], fields: &Fields, place: (usize, u64)) {
        if self.rows.is_empty() {
            self.cut_off = true;
            self.push(fields, place, (place.0 + rest.len(), place.1 + 1), false);
        }
    }

    fn push(&mut self, fields: &Fields, (start, line): (usize, u64), (next, next_line): (usize, u64), hash: bool) {
        let first = self.cells.len();
        for (span, raw) in fields.spans.iter().zip(&fields.raw) {
            let cell = match *span {
                Span::Text { start: from, end } => {
                    let quoted = from > raw.0;
                    let kind = Kind::of(&self.bytes[start + from..start + end]);
                    let mend = quoted || self.syntax.plain().is_none();
                    SampleCell { start: start + from, end: start + end, kind, quoted, mend }
                }
                _ => {
                    let at = start + raw.0;
                    // `\N` is there to see, and stands for nothing.
                    let kind = if raw.1 > raw.0 { Kind::Missing } else { Kind::Empty };
                    SampleCell { start: at, end: at, kind, quoted: false, mend: false }
                }
            };
            self.quotes_clean += usize::from(cell.quoted);
            self.cells.push(cell);
        }
        self.quotes_stray += usize::from(fields.stray.is_some());
        self.rows.push(SampleRow { start, line, next, next_line, hash, cells: (first, self.cells.len()) });
    }
}

/// Whether the line holds nothing; spaces are nothing unless they delimit.
fn is_blank(rest: &[u8], syntax: Syntax) -> bool {
    let delimits = |byte: u8| syntax.delimiter == Some(super::options::Delimiter::Byte(byte));
    let end = rest.iter().position(|byte| !matches!(byte, b' ' | b'\t') || delimits(*byte));
    end.is_none_or(|end| matches!(rest.get(end), Some(b'\n' | b'\r')))
}

/// The length of the line at the start of `rest`, without and with its end.
pub(super) fn physical_line(rest: &[u8]) -> (usize, usize) {
    let content = memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
    let end = match (rest.get(content), rest.get(content + 1)) {
        (Some(b'\r'), Some(b'\n')) => 2,
        (Some(_), _) => 1,
        (None, _) => 0,
    };
    (content, content + end)
}

fn line_ends(text: &[u8]) -> u64 {
    super::position::Position::START.after(text).line - 1
}
