//! Which dialect a file is written in: each candidate cuts the beginning of the file, and the one wins by which rows have the same number of fields and cells look
//! like values. That a file is one column of text is a candidate like any other.

use memchr::memmem;

use super::dialect::{Dialect, Syntax};
use super::header;
use super::kind::Kind;
use super::options::{Delimiter, Escape, Options};
use super::sample::{Sample, physical_line};
use super::shape::{Shape, real};
use super::{ReadLimits, TableFormat};
use crate::error::{Malformed, Result};

/// In the order of preference, with how likely they are to be meant.
const DELIMITERS: [(Delimiter, f64); 11] = [
    (Delimiter::Byte(b','), 1.0),
    (Delimiter::Byte(b';'), 1.0),
    (Delimiter::Byte(b'\t'), 1.0),
    (Delimiter::Byte(b'|'), 0.99),
    (Delimiter::Byte(0x1f), 1.0),
    (Delimiter::Byte(0x01), 1.0),
    (Delimiter::Byte(b'^'), 0.95),
    (Delimiter::Byte(b'~'), 0.95),
    (Delimiter::Spaces, 0.82),
    (Delimiter::Byte(b' '), 0.8),
    (Delimiter::Byte(b':'), 0.75),
];
/// Where candidates are looked for.
const LOOK_BYTES: usize = 64 * 1024;

/// The dialect of a file that begins with `bytes`, which have no byte order mark.
pub(super) fn dialect(
    bytes: &[u8],
    whole: bool,
    options: &Options,
    hint: Option<TableFormat>,
    limits: ReadLimits,
) -> Result<Dialect> {
    let (mut start, mut line) = skip_lines(bytes, options.skip.unwrap_or(0));
    let (content, len) = physical_line(&bytes[start..]);
    let excel = excel_delimiter(&bytes[start..start + content]).filter(|_| options.delimiter.is_none());
    if excel.is_some() {
        (start, line) = (start + len, line + 1);
    }
    let told = options.delimiter.or(excel.map(Delimiter::Byte));
    let looked = Looked { bytes: &bytes[start..] };
    let read = |syntax| {
        let comment = options.comment.as_deref().map(str::as_bytes);
        Sample::read(bytes, (start, line), whole, syntax, comment, limits.columns() + 2)
    };
    let mut best: Option<(f64, Sample<'_>, Shape)> = None;
    // The delimiter with which no field that begins with a quote ends with one.
    let mut unquoted = None;
    for (syntax, weight) in candidates(&looked, told, options) {
        if syntax.quote.is_none() && options.quote.is_none() && unquoted != Some(syntax.delimiter) {
            continue;
        }
        let sample = read(syntax);
        if sample.quotes_stray > 1 && sample.quotes_clean == 0 {
            unquoted = Some(syntax.delimiter);
        }
        let told = told.is_some();
        let Some(shape) = Shape::of(&sample, options.skip.is_some()).or_else(|| told.then(|| Shape::single(&sample)))
        else {
            continue;
        };
        let score = score(&sample, &shape) * weight * hinted(hint, syntax);
        if best.as_ref().is_none_or(|(best, ..)| score > *best + 1e-9) {
            best = Some((score, sample, shape));
        }
    }
    if told.is_none()
        && let Some((_, sample, shape)) = &best
        && shape.width > 1
    {
        let single = read(Syntax { delimiter: None, padded: false, ..sample.syntax });
        if let Some(single_shape) = Shape::of(&single, options.skip.is_some())
            && is_list(&single, sample, shape, hint, options.header)
        {
            best = Some((1.0, single, single_shape));
        }
    }
    match best {
        Some((_, sample, shape)) if !sample.is_blank() => header::dialect(&sample, &shape, options, limits),
        _ if !whole => {
            let detail = format!("No line that could name columns ends within the first {} bytes.", bytes.len());
            Err(Malformed { detail, line: Some(line), ..Malformed::default() }.into())
        }
        _ => {
            let hint = Some("A table has at least a line that names its columns.".to_owned());
            Err(Malformed { detail: "The file is empty.".to_owned(), hint, ..Malformed::default() }.into())
        }
    }
}

/// The place and the line behind so many lines.
fn skip_lines(bytes: &[u8], lines: u64) -> (usize, u64) {
    let (mut at, mut line) = (0, 1);
    while line <= lines && at < bytes.len() {
        at += physical_line(&bytes[at..]).1;
        line += 1;
    }
    (at, line)
}

/// Of the line `sep=;`, by which Excel is told.
fn excel_delimiter(line: &[u8]) -> Option<u8> {
    let line = line.strip_prefix(b"\"").and_then(|line| line.strip_suffix(b"\"")).unwrap_or(line);
    match line.split_at_checked(4) {
        Some((sep, [delimiter])) if sep.eq_ignore_ascii_case(b"sep=") && !delimiter.is_ascii_alphanumeric() => {
            Some(*delimiter)
        }
        _ => None,
    }
}

/// A hint decides only what is otherwise equal.
fn hinted(hint: Option<TableFormat>, syntax: Syntax) -> f64 {
    match (hint, syntax.delimiter) {
        (Some(TableFormat::Tsv), Some(Delimiter::Byte(b'\t')))
        | (Some(TableFormat::Csv), Some(Delimiter::Byte(b',' | b';'))) => 1.03,
        _ => 1.0,
    }
}

/// What candidates are made from.
struct Looked<'a> {
    bytes: &'a [u8],
}

impl Looked<'_> {
    fn beginning(&self) -> &[u8] {
        &self.bytes[..self.bytes.len().min(LOOK_BYTES)]
    }

    fn has(&self, byte: u8) -> bool {
        memchr::memchr(byte, self.beginning()).is_some()
    }

    /// Whether spaces follow nearly every delimiter: they belong to it.
    fn is_padded(&self, delimiter: Delimiter) -> bool {
        let Delimiter::Byte(byte @ (b',' | b';' | b'|' | b':')) = delimiter else { return false };
        let bytes = self.beginning();
        let (mut all, mut spaced) = (0, 0);
        for at in memchr::memchr_iter(byte, bytes) {
            match bytes.get(at + 1) {
                Some(b' ') => (all, spaced) = (all + 1, spaced + 1),
                // What is empty has no need of a space.
                Some(next) if matches!(next, b'\n' | b'\r') || *next == byte => {}
                // The ruler of a table of Markdown.
                Some(b'-' | b':') if byte == b'|' => {}
                Some(_) => all += 1,
                None => {}
            }
        }
        all > 0 && spaced * 10 >= all * 9
    }

    /// Whether fields seem to be quoted with it.
    fn is_quoted(&self, delimiter: Option<Delimiter>, quote: u8) -> bool {
        let bytes = self.beginning();
        memchr::memchr_iter(quote, bytes).any(|at| {
            let before = bytes[..at].iter().rev().find(|byte| **byte != b' ');
            match (before, delimiter) {
                (None | Some(b'\n' | b'\r'), _) => true,
                (Some(byte), Some(Delimiter::Byte(delimiter))) => *byte == delimiter,
                (Some(_), Some(Delimiter::Spaces)) => bytes.get(at.wrapping_sub(1)) == Some(&b' '),
                (Some(_), None) => false,
            }
        })
    }

    /// Whether the byte stands between digits more often than not, as in times.
    fn is_within_digits(&self, byte: u8) -> bool {
        let bytes = self.beginning();
        let digit = |at: Option<usize>| at.and_then(|at| bytes.get(at)).is_some_and(u8::is_ascii_digit);
        let (mut all, mut within) = (0, 0);
        for at in memchr::memchr_iter(byte, bytes) {
            all += 1;
            within += usize::from(digit(at.checked_sub(1)) && digit(Some(at + 1)));
        }
        within * 2 >= all
    }

    /// Whether backslashes seem to escape. `\N` alone says so only in a dump, which has tabs: other programs write it for want of a better word.
    fn has_backslashes(&self, delimiter: Option<Delimiter>) -> bool {
        let bytes = self.beginning();
        memchr::memchr_iter(b'\\', bytes).any(|at| match (bytes.get(at + 1), delimiter) {
            (Some(b'"' | b'\'' | b'\n'), _) | (Some(b'N'), Some(Delimiter::Byte(b'\t'))) => true,
            (Some(next), Some(Delimiter::Byte(delimiter))) => *next == delimiter,
            _ => false,
        })
    }
}

/// Every syntax worth trying, with the weight of its delimiter. The single column is the last.
fn candidates(looked: &Looked<'_>, told: Option<Delimiter>, options: &Options) -> Vec<(Syntax, f64)> {
    let delimiters: Vec<(Option<Delimiter>, f64)> = match told {
        Some(delimiter) => vec![(Some(delimiter), 1.0)],
        None => {
            let present = |delimiter: &Delimiter| match delimiter {
                Delimiter::Byte(b':') => looked.has(b':') && !looked.is_within_digits(b':'),
                Delimiter::Byte(byte) => looked.has(*byte),
                Delimiter::Spaces => looked.has(b' '),
            };
            let some = DELIMITERS.iter().filter(|(delimiter, _)| present(delimiter));
            some.map(|(delimiter, weight)| (Some(*delimiter), *weight)).chain([(None, 1.0)]).collect()
        }
    };
    let mut candidates = Vec::new();
    for (delimiter, weight) in delimiters {
        let padded = delimiter.is_some_and(|delimiter| looked.is_padded(delimiter));
        let quotes = match options.quote {
            Some(quote) => vec![quote],
            None => {
                let mut quotes = vec![Some(b'"')];
                if looked.is_quoted(delimiter, b'\'') {
                    quotes.push(Some(b'\''));
                }
                if looked.is_quoted(delimiter, b'"') {
                    quotes.push(None);
                }
                quotes
            }
        };
        for quote in quotes {
            let escapes = match options.escape {
                Some(escape) => vec![escape],
                None if looked.has_backslashes(delimiter) => vec![Escape::Doubled, Escape::Backslash],
                None => vec![Escape::Doubled],
            };
            for escape in escapes {
                candidates.push((Syntax { delimiter, quote, escape, padded }, weight));
            }
        }
    }
    candidates
}

/// How much a candidate makes of a file, from 0 to 1.
fn score(sample: &Sample<'_>, shape: &Shape) -> f64 {
    let (mut cells, mut quality) = (0_usize, 0.0);
    let mut numbers = 0_usize;
    let mut words = 0_usize;
    let dumped = sample.syntax.delimiter == Some(Delimiter::Byte(b'\t'));
    let mut torn = 0_usize;
    for row in &shape.table {
        torn += usize::from(starts_torn(sample, *row));
        for cell in shape.inner(sample.cells(&sample.rows[*row])) {
            cells += 1;
            numbers += usize::from(cell.kind.is_typed());
            words += usize::from(sample.text(cell).iter().filter(|byte| byte.is_ascii_alphabetic()).count() > 2);
            quality += match (cell.kind, cell.quoted) {
                (_, true) => 1.0,
                (Kind::Missing, _) if dumped && sample.text(cell) == b"\\N" => 0.7,
                (Kind::Empty, _) if sample.syntax.delimiter == Some(Delimiter::Byte(b' ')) => 0.4,
                (Kind::Empty, _) => 0.9,
                (Kind::Code | Kind::Text, _) => looks(sample.text(cell), sample.syntax),
                _ => 1.0,
            };
        }
    }
    let width = real(shape.columns()) + if shape.trailing { 0.5 } else { 0.0 };
    let quality = quality / real(cells.max(1));
    let colons = sample.syntax.delimiter == Some(Delimiter::Byte(b':'));
    let odd = colons && (shape.columns() < 3 || numbers == 0 || words == 0);
    // `name` above lines of `Smith, John`.
    let above = match shape.before.as_slice() {
        [row] if numbers == 0 && sample.syntax.padded => {
            let cells = sample.cells(&sample.rows[*row]);
            if cells.iter().all(|cell| !sample.text(cell).contains(&b' ')) { 0.7 } else { 1.0 }
        }
        _ => 1.0,
    };
    // `1,some words` above and below others of the kind.
    let torn = if shape.before.is_empty() || torn < shape.table.len() { 1.0 } else { 0.7 };
    let odd = torn * if odd { 0.3 } else { above };
    let quotes = sample.quotes_clean + sample.quotes_stray;
    let clean = match quotes {
        0 => 1.0,
        _ => 1.0 - 0.5 * real(sample.quotes_stray) / real(quotes),
    };
    let closed = if sample.unclosed.is_some() { 0.6 } else { 1.0 };
    let escaped = if sample.syntax.escape == Escape::Backslash { 0.995 } else { 1.0 };
    shape.consistency() * quality * clean * closed * escaped * (width / (width + 0.5)) * odd
}

/// Whether a row that is cut at spaces begins with two values that a better delimiter holds together.
fn starts_torn(sample: &Sample<'_>, row: usize) -> bool {
    let spaced = matches!(sample.syntax.delimiter, Some(Delimiter::Spaces | Delimiter::Byte(b' ')));
    let first = sample.cells(&sample.rows[row]).first().filter(|cell| spaced && cell.kind == Kind::Text);
    first.is_some_and(|cell| memchr::memchr3(b',', b';', b'\t', sample.text(cell)).is_some())
}

/// How well a text looks as one value.
fn looks(text: &[u8], syntax: Syntax) -> f64 {
    let (mut tight, mut loose, mut weak) = (false, false, 0);
    for (at, byte) in text.iter().enumerate() {
        let spaced = matches!(text.get(at + 1), Some(b' ') | None);
        match byte {
            b',' | b';' | b'\t' | b'|' | 0x1f | 0x01 => (tight, loose) = (tight || !spaced, loose || spaced),
            b'^' | b'~' | b':' if !spaced => weak += 1,
            _ => {}
        }
    }
    let address = memmem::find(text, b"://").is_some();
    let edges = text.starts_with(b" ") || text.ends_with(b" ");
    if text.first() == Some(&b'"') && syntax.quote.is_some() {
        0.3
    } else if tight {
        0.4
    } else if text.first() == Some(&b'"') {
        0.7
    } else if edges || (weak > 1 && !address) {
        0.6
    } else if loose || (syntax.padded && text.contains(&b' ')) {
        0.8
    } else {
        0.9
    }
}

/// Whether every line is one value by itself, such as `2,5` or `12:30`, which a delimiter would only tear apart.
fn is_list(
    single: &Sample<'_>,
    split: &Sample<'_>,
    shape: &Shape,
    hint: Option<TableFormat>,
    header: Option<usize>,
) -> bool {
    let kinds: Vec<Kind> =
        single.rows.iter().filter_map(|row| single.cells(row).first()).map(|cell| cell.kind).collect();
    let Some((first, rest)) = kinds.split_first() else { return false };
    let typed = |kinds: &[Kind]| kinds.iter().all(|kind| kind.is_typed() || *kind == Kind::Missing);
    // A comma, unless a name says that it is no file of commas: two columns of integers are as likely as one of decimals.
    let expected = matches!(
        (hint, split.syntax.delimiter),
        (None | Some(TableFormat::Csv), Some(Delimiter::Byte(b',')))
            | (Some(TableFormat::Tsv), Some(Delimiter::Byte(b'\t')))
    );
    match first.is_typed() && header.is_none_or(|rows| rows == 0) {
        true => typed(rest) && !expected,
        false => {
            let names = split.rows.first().map_or(0, |row| split.cells(row).len());
            !rest.is_empty() && typed(rest) && names < shape.width
        }
    }
}
