//! How a delimited file is written: everything that is decided before its rows are read.

use serde_json::{Map, Value, json};

use super::kind::Kind;
use super::options::{Delimiter, Escape};
use super::split::Plain;
use super::warnings::Warnings;

/// How fields are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Syntax {
    /// `None`: every line is one field.
    pub delimiter: Option<Delimiter>,
    /// A field that begins with it runs to its next single occurrence. `None`: fields are never quoted.
    pub quote: Option<u8>,
    pub escape: Escape,
    /// Spaces around a delimiter belong to it.
    pub padded: bool,
}

impl Syntax {
    /// What the fast path needs, if it can read this.
    pub fn plain(self) -> Option<Plain> {
        let delimiter = match self.delimiter {
            None => b'\n',
            Some(Delimiter::Byte(byte)) => byte,
            Some(Delimiter::Spaces) => return None,
        };
        (self.escape == Escape::Doubled && !self.padded).then_some(Plain { delimiter, quote: self.quote })
    }
}

/// A delimited file: UTF-8, with or without a byte order mark; lines end with LF, CRLF or CR.
#[derive(Debug, Clone)]
pub struct Dialect {
    pub(super) syntax: Syntax,
    /// An unquoted `\N` is NULL, in a text column too: the caller told no other words for it.
    pub(super) null_mark: bool,
    /// Lines that begin with it are no rows.
    pub(super) comment: Option<Vec<u8>>,
    /// Every row begins with a delimiter, as tables of Markdown do.
    pub(super) leading: bool,
    /// Every row ends with a delimiter, behind which nothing stands.
    pub(super) trailing: bool,
    /// Where the rows begin: bytes from the beginning of the file, without its byte order mark, and the line there.
    pub(super) start: usize,
    pub(super) start_line: u64,
    /// Lines before the header, or before the first row if there is none.
    pub(super) skipped: u64,
    pub(super) header_rows: usize,
    pub(super) names: Vec<String>,
    /// What the values of each column look like; `Text` where they differ, `Empty` where there are none.
    pub(super) kinds: Vec<Kind>,
    /// What was met on the way here.
    pub(super) warnings: Warnings,
}

impl Dialect {
    /// Fields of a whole row as they stand in the file.
    pub(super) fn width(&self) -> usize {
        self.names.len() + usize::from(self.leading) + usize::from(self.trailing)
    }

    /// As the parameters of a request would tell it.
    pub(super) fn describe(&self) -> Map<String, Value> {
        let delimiter = self.syntax.delimiter.map(|delimiter| match delimiter {
            Delimiter::Spaces => "spaces".to_owned(),
            Delimiter::Byte(b'\t') => "tab".to_owned(),
            Delimiter::Byte(b' ') => "space".to_owned(),
            Delimiter::Byte(byte) => char::from(byte).to_string(),
        });
        let quote = self.syntax.quote.map_or_else(|| "none".to_owned(), |quote| char::from(quote).to_string());
        let escape = match self.syntax.escape {
            Escape::Doubled => "double",
            Escape::Backslash => "backslash",
        };
        let comment = self.comment.as_deref().map(String::from_utf8_lossy);
        let mut described = Map::new();
        for (name, value) in [
            ("delimiter", json!(delimiter)),
            ("quote", json!(quote)),
            ("escape", json!(escape)),
            ("comment", json!(comment)),
            ("header_rows", json!(self.header_rows)),
            ("skipped", json!(self.skipped)),
        ] {
            described.insert(name.to_owned(), value);
        }
        described
    }
}
