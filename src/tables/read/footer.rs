//! Lines below a table that are no rows: totals, sources, counts. They are short, so short rows are held back until a full one follows.

use std::collections::VecDeque;

use super::Span;
use super::kind::Kind;
use super::titles::words;

/// More than any footer has; from here on they are rows, and memory stays bounded.
const ROWS_MAX: usize = 20;
const BYTES_MAX: usize = 64 * 1024;

/// A row that is kept aside.
#[derive(Debug, Default)]
pub(super) struct HeldRow {
    pub line: u64,
    pub bytes: Vec<u8>,
    pub spans: Vec<Span>,
}

#[derive(Debug, Default)]
pub(super) struct Held {
    rows: VecDeque<HeldRow>,
    bytes: usize,
}

impl Held {
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Whether these are too many to be a footer.
    pub fn is_full(&self) -> bool {
        self.rows.len() >= ROWS_MAX || self.bytes > BYTES_MAX
    }

    pub fn push(&mut self, row: HeldRow) {
        self.bytes += row.bytes.len();
        self.rows.push_back(row);
    }

    pub fn pop(&mut self) -> Option<HeldRow> {
        let row = self.rows.pop_front()?;
        self.bytes -= row.bytes.len();
        Some(row)
    }
}

/// How notes below a table begin, in lower case.
const NOTES: [&str; 14] = [
    "source",
    "note",
    "copyright",
    "generated",
    "exported",
    "©",
    "quelle",
    "last updated",
    "footnote",
    "legend",
    "*",
    "#",
    "disclaimer",
    "--",
];
/// How lines begin that sum up, if nothing else stands there.
const SUMS: [&str; 8] = ["total", "rows", "records", "end of", "sum", "summe", "count", "==="];
/// A row's first value has seldom so many.
const WORDS_MIN: usize = 5;

/// Whether a row of too few fields is rather a note than a row: it must look like one, since a row that was cut short is still data. `apart`: a blank line stands
/// above, or another such note.
pub(super) fn is_note(bytes: &[u8], spans: &[Span], kinds: &[Kind], apart: bool) -> bool {
    let text = |span: &Span| match *span {
        Span::Text { start, end } => &bytes[start..end],
        _ => &[],
    };
    let first = spans.first().map(text).unwrap_or_default();
    let start = String::from_utf8_lossy(&first[..first.len().min(32)]).trim_start().to_lowercase();
    let begins = |words: &[&str]| words.iter().any(|word| start.starts_with(word));
    // Files may have nothing but short rows, so the cells are looked at last.
    if spans.len() > 1 && !apart && !begins(&NOTES) {
        return false;
    }
    let fits = |(span, kind): (&Span, &Kind)| {
        let fits = |found: Kind| !found.is_value() || found == *kind;
        !kind.is_typed() || fits(Kind::of(text(span)))
    };
    let typed = kinds.iter().take(spans.len()).any(|kind| kind.is_typed());
    let fit = spans.iter().zip(kinds).all(fits);
    if typed && fit {
        return false;
    }
    match spans.len() {
        1 => {
            let counted = start.starts_with('(') && first.trim_ascii_end().ends_with(b")");
            !fit || apart || counted || words(first) >= WORDS_MIN || begins(&NOTES) || begins(&SUMS)
        }
        _ => begins(&NOTES) || (apart && !fit),
    }
}

/// Whether a row whose other fields are all empty is rather a note, which a spreadsheet has padded: words where the column has numbers or dates. Anything else is a
/// row that lacks values. `apart` as for [`is_note`].
pub(super) fn is_padded_note(bytes: &[u8], spans: &[Span], kinds: &[Kind], apart: bool) -> bool {
    let Some((Span::Text { start, end }, rest)) = spans.split_first() else { return false };
    if rest.is_empty() || rest.iter().any(|span| *span != Span::Null) {
        return false;
    }
    let first = bytes.get(*start..*end).unwrap_or_default();
    let typed = kinds.first().is_some_and(|kind| kind.is_typed());
    let filled = kinds.iter().skip(1).any(|kind| *kind != Kind::Empty);
    let name = String::from_utf8_lossy(first.trim_ascii()).to_lowercase();
    let summed = SUMS.iter().any(|sum| name == *sum);
    typed && filled && Kind::of(first) == Kind::Text && (words(first) > 1 || summed || apart)
}
