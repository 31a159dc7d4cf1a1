//! What was repaired or left out of a file, counted, with the lines where it happened first.

use super::position::Position;
use crate::error::{Error, Malformed, Result};
use serde::Serialize;
use std::fmt;

/// Lines named of each kind of trouble.
const LINES_MAX: usize = 5;

/// Kinds of trouble that are told apart; names of columns make kinds of their own.
const KINDS_MAX: usize = 100;

/// Kinds of trouble that a reader mends by itself. `Display` is the sentence of the descriptor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// Fewer fields than the header; the missing ones are NULL.
    ShortRow,
    /// More fields than the header, the surplus empty; it is dropped.
    TrailingFields,
    /// More fields than the header: the surplus belongs to a text in which the delimiter stands unquoted.
    LongRow,
    /// A quote within a field that is written as nothing special.
    StrayQuote,
    /// A note below the table, which is no row of it.
    Footer,
    /// Bytes that are no text in the file's encoding, read as Windows-1252 where that has a character, else U+FFFD.
    BadEncoding,
    /// NUL characters, which Postgres cannot hold: U+FFFD.
    Nul,
    /// Two columns of the header have this name; the later is called otherwise.
    Renamed { from: String, to: String },
    /// The header has fewer names than the rows have fields.
    UnnamedColumns { count: usize },
    /// Dates whose order of day and month cannot be told.
    AmbiguousDates { column: String },
    /// Numbers whose comma may be the decimal mark or a thousands mark.
    AmbiguousNumbers { column: String },
    /// Other sheets of the workbook.
    SheetsNotRead { names: Vec<String> },
    /// Anything else: a name, as `merged-cells`, and its sentence.
    Other { code: &'static str, detail: String },
}

impl Trouble {
    /// The name by which programs know it.
    pub fn code(&self) -> &'static str {
        match self {
            Self::ShortRow => "short-row",
            Self::TrailingFields => "trailing-fields",
            Self::LongRow => "long-row",
            Self::StrayQuote => "stray-quote",
            Self::Footer => "footer",
            Self::BadEncoding => "bad-encoding",
            Self::Nul => "nul",
            Self::Renamed { .. } => "renamed-column",
            Self::UnnamedColumns { .. } => "unnamed-columns",
            Self::AmbiguousDates { .. } => "ambiguous-dates",
            Self::AmbiguousNumbers { .. } => "ambiguous-numbers",
            Self::SheetsNotRead { .. } => "sheets-not-read",
            Self::Other { code, .. } => code,
        }
    }

    /// Whether a value or a row was changed; the others only tell.
    pub fn is_repair(&self) -> bool {
        matches!(
            self,
            Self::ShortRow
                | Self::TrailingFields
                | Self::LongRow
                | Self::StrayQuote
                | Self::Footer
                | Self::BadEncoding
                | Self::Nul
                | Self::Renamed { .. }
                | Self::UnnamedColumns { .. }
        )
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ShortRow => f.write_str("The row has fewer fields than the header; the missing ones are NULL."),
            Self::TrailingFields => f.write_str("The row has more fields than the header; the empty ones at its end are left out."),
            Self::LongRow => f.write_str("The row has more fields than the header; a delimiter stands unquoted in a text, which was put together again."),
            Self::StrayQuote => f.write_str("A quote stands within a field without being escaped; it is read as it stands."),
            Self::Footer => f.write_str("A note below the table, which is no row of it, is left out."),
            Self::BadEncoding => f.write_str("Bytes here are not in the encoding of the file; they are read as Windows-1252."),
            Self::Nul => f.write_str("A NUL character, which a table cannot hold, is read as U+FFFD."),
            Self::Renamed { from, to } if from.is_empty() => write!(f, "A column without a name is called `{to}`."),
            Self::Renamed { from, to } => write!(f, "Another column is called `{from}` already; this one is called `{to}`."),
            Self::UnnamedColumns { count } => write!(f, "The header names {count} columns too few."),
            Self::AmbiguousDates { column } => {
                write!(f, "The dates of `{column}` may be day first or month first, so it is text; say `dates=dmy` or `dates=mdy`.")
            }
            Self::AmbiguousNumbers { column } => {
                write!(f, "The commas of `{column}` may be decimal or thousands marks, so it is text; say `decimal=,` or `decimal=.`.")
            }
            Self::SheetsNotRead { names } => write!(f, "These sheets were not read: {}. Say `sheet=` for another one.", names.join(", ")),
            Self::Other { detail, .. } => f.write_str(detail),
        }
    }
}

/// One kind of trouble as the descriptor shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Warning {
    pub code: &'static str,
    pub detail: String,
    pub count: u64,
    /// The first few, counting from 1; none if it is of the whole file.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<u64>,
}

/// All that a pass has met.
#[derive(Debug, Clone, Default)]
pub struct Warnings {
    strict: bool,
    met: Vec<(Trouble, u64, Vec<u64>)>,
}

impl Warnings {
    /// `strict`: the first repair is an error.
    pub fn new(strict: bool) -> Self {
        Self { strict, met: Vec::new() }
    }

    /// Counts one case; `text` begins at `position`, and `at` is where in it the trouble stands.
    ///
    /// # Errors
    /// If the caller said `strict=true` and this is a repair: `Malformed` at that place.
    pub(super) fn note(&mut self, trouble: Trouble, position: Position, text: &[u8], at: usize) -> Result<()> {
        if self.strict && trouble.is_repair() {
            return Err(refused(&trouble, position.malformed(text, at, trouble.to_string())));
        }
        self.count(trouble, Some(position.line));
        Ok(())
    }

    /// Counts what concerns the file as a whole.
    ///
    /// # Errors
    /// As [`note`](Self::note), without a place.
    pub fn note_file(&mut self, trouble: Trouble) -> Result<()> {
        if self.strict && trouble.is_repair() {
            return Err(refused(&trouble, Malformed { detail: trouble.to_string(), ..Malformed::default() }));
        }
        self.count(trouble, None);
        Ok(())
    }

    /// For what was met by a reader that knows nothing of strictness.
    ///
    /// # Errors
    /// As [`note`](Self::note), at the first line of the first repair.
    pub fn check(&self, strict: bool) -> Result<()> {
        let repair = self.met.iter().find(|(trouble, _, _)| strict && trouble.is_repair());
        repair.map_or(Ok(()), |(trouble, _, lines)| {
            let line = lines.first().copied();
            Err(refused(trouble, Malformed { detail: trouble.to_string(), line, ..Malformed::default() }))
        })
    }

    /// Another reader's troubles behind these.
    pub fn extend(&mut self, other: Self) {
        self.met.extend(other.met);
    }

    pub fn list(&self) -> Vec<Warning> {
        let warning = |(trouble, count, lines): &(Trouble, u64, Vec<u64>)| Warning {
            code: trouble.code(),
            detail: trouble.to_string(),
            count: *count,
            lines: lines.clone(),
        };
        self.met.iter().map(warning).collect()
    }

    fn count(&mut self, trouble: Trouble, line: Option<u64>) {
        let known = |trouble: &Trouble| self.met.iter().position(|(met, _, _)| met == trouble);
        let (found, trouble) = match known(&trouble) {
            None if self.met.len() >= KINDS_MAX => {
                let detail = "There is more of the same in the file.".to_owned();
                let more = Trouble::Other { code: "more", detail };
                (known(&more), more)
            }
            found => (found, trouble),
        };
        let index = found.unwrap_or_else(|| {
            self.met.push((trouble, 0, Vec::new()));
            self.met.len() - 1
        });
        let (_, count, lines) = &mut self.met[index];
        *count += 1;
        lines.extend(line.filter(|line| lines.len() < LINES_MAX && lines.last() != Some(line)));
    }
}

fn refused(trouble: &Trouble, malformed: Malformed) -> Error {
    let hint =
        Some(format!("Without `strict=true` this is mended and listed in the warnings as `{}`.", trouble.code()));
    Malformed { hint, ..malformed }.into()
}
