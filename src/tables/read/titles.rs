//! Titles above a table and notes below it that have as many fields as its rows: a spreadsheet pads them with empty cells, and prose has commas of its own.

use super::kind::Kind;
use super::sample::SampleCell;

/// More than any sheet has above its header.
pub(super) const TITLES_MAX: usize = 20;

/// What a row above the names of the columns can be, if it is none of the table's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Above {
    /// All its cells are empty.
    Blank,
    /// Only the first cell has anything, in several words or in one.
    Padded { words: usize },
    /// A sentence that its commas have cut.
    Prose,
}

impl Above {
    /// Of the cells of a row; `text` is what a cell says.
    pub fn of<'a>(cells: &[SampleCell], text: impl Fn(&SampleCell) -> &'a [u8]) -> Option<Self> {
        let (first, rest) = cells.split_first()?;
        let spaced = |cell: &SampleCell| text(cell).starts_with(b" ") && !cell.quoted;
        if rest.is_empty() {
            None
        } else if is_padding(first) && rest.iter().all(is_padding) {
            Some(Self::Blank)
        } else if matches!(first.kind, Kind::Text | Kind::Code) && rest.iter().all(is_padding) {
            Some(Self::Padded { words: words(text(first)) })
        } else if first.kind == Kind::Text && rest.iter().all(spaced) {
            Some(Self::Prose)
        } else {
            None
        }
    }
}

fn is_padding(cell: &SampleCell) -> bool {
    cell.kind == Kind::Empty && !cell.quoted
}

/// How many words a text has.
pub(super) fn words(text: &[u8]) -> usize {
    text.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).count()
}
