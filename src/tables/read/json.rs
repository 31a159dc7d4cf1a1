//! Rows of NDJSON and of JSON arrays of objects: a key is a column, in the order of first appearance.
//!
//! Values stay the text that they are in the file, so that numbers keep all their digits.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::io::Read;
use std::sync::LazyLock;

use memchr::memmem::Finder;
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::elements::{Elements, Layout};
use super::facts::{JSON_DEPTH_MAX, json_depth};
use super::position::Position;
use super::{ReadLimits, Row, Span, Trouble, Warnings, names};
use crate::error::{Error, Limit, Malformed, Result};

/// A NUL character as JSON has it, and what it is read as: of the same length, so that places stay.
const NUL: &[u8] = b"\\u0000";
static NUL_FINDER: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(NUL));
const REPLACEMENT: &[u8] = b"\\ufffd";

pub struct Reader<R> {
    elements: Elements<R>,
    object: Object,
    line: u64,
    warnings: Warnings,
}

/// The object that the reader stands at, and the columns so far.
struct Object {
    limits: ReadLimits,
    /// Of each column, as the file has it; and the way back.
    keys: Vec<String>,
    columns: HashMap<String, usize>,
    names: Vec<String>,
    bytes: Vec<u8>,
    spans: Vec<Span>,
    /// What is wrong with it beside its syntax, and where the value is that is wrong.
    failure: Option<(Error, Option<usize>)>,
}

impl<R: Read> Reader<R> {
    pub(super) fn open(layout: Layout, input: R, limits: ReadLimits) -> Result<Self> {
        let object = Object {
            limits,
            keys: Vec::new(),
            columns: HashMap::new(),
            names: Vec::new(),
            bytes: Vec::new(),
            spans: Vec::new(),
            failure: None,
        };
        let elements = Elements::open(layout, input, limits)?;
        Ok(Self { elements, object, line: 1, warnings: Warnings::default() })
    }

    /// From here on a repair is an error.
    pub(super) fn be_strict(&mut self) {
        self.warnings = Warnings::new(true);
    }

    pub(super) fn warnings(&self) -> &Warnings {
        &self.warnings
    }

    pub(super) fn names(&self) -> &[String] {
        &self.object.names
    }

    pub(super) fn row(&self) -> Row<'_> {
        Row { line: self.line, bytes: &self.object.bytes, spans: &self.object.spans }
    }

    pub(super) fn advance(&mut self) -> Result<bool> {
        let Some((position, json)) = self.elements.next()? else {
            if self.object.names.is_empty() {
                let detail = "No object of the file has a key, so the table would have no column.".to_owned();
                return Err(Malformed { detail, ..Malformed::default() }.into());
            }
            return Ok(false);
        };
        self.line = position.line;
        let json = position.check_text(json)?;
        match NUL_FINDER.find(json.as_bytes()) {
            None => self.object.read(position, json)?,
            Some(_) => self.object.read(position, &mend_nul(position, json, &mut self.warnings)?)?,
        }
        Ok(true)
    }
}

impl Object {
    fn read(&mut self, position: Position, json: &str) -> Result<()> {
        self.bytes.clear();
        self.spans.clear();
        self.spans.resize(self.names.len(), Span::Absent);
        let mut deserializer = serde_json::Deserializer::from_str(json);
        let read = deserializer.deserialize_map(Entries { object: self, json }).and_then(|()| deserializer.end());
        read.map_err(|error| {
            let json = json.as_bytes();
            let at = offset(json, &error);
            match self.failure.take() {
                Some((Error::Malformed(malformed), value)) => {
                    let place = position.malformed(json, value.unwrap_or(at), malformed.detail);
                    Malformed { field: malformed.field, ..place }.into()
                }
                Some((failure, _)) => failure,
                None => {
                    let detail = format!("This is not a JSON object: {}.", reason(&error));
                    position.malformed(json, at, detail).into()
                }
            }
        })
    }

    /// The column of `key`; `guess` is the one that it is if objects keep their order.
    fn column(&mut self, key: &str, guess: usize) -> Result<usize> {
        if self.keys.get(guess).is_some_and(|expected| expected == key) {
            return Ok(guess);
        }
        if let Some(column) = self.columns.get(key) {
            return Ok(*column);
        }
        let column = self.names.len();
        if column == self.limits.columns() {
            return Err(Limit::Columns.passed(column as u64, None));
        }
        let name = names::invent(key, column, |name| self.names.iter().any(|taken| taken == name));
        self.keys.push(key.to_owned());
        self.columns.insert(key.to_owned(), column);
        self.names.push(name);
        self.spans.push(Span::Absent);
        Ok(column)
    }

    fn set(&mut self, column: usize, json: &str) -> Result<()> {
        let name = || self.names.get(column).cloned();
        if self.spans[column] != Span::Absent {
            return Err(malformed("The object has this key twice.", name()));
        }
        let max = self.limits.cell_bytes_max;
        if json.len() > max {
            return Err(Limit::CellBytes.passed(max as u64, None));
        }
        let start = self.bytes.len();
        let end = start + json.len();
        self.spans[column] = match json.as_bytes().first() {
            Some(b'n') => Span::Null,
            Some(b'"') => {
                let value = string(json).map_err(|detail| malformed(detail, name()))?;
                self.bytes.extend_from_slice(json.as_bytes());
                let (value_start, value_end) = match value {
                    Cow::Borrowed(_) => (start + 1, end - 1),
                    Cow::Owned(value) => {
                        self.bytes.extend_from_slice(value.as_bytes());
                        (end, end + value.len())
                    }
                };
                Span::String { start, end, value_start, value_end }
            }
            Some(b'{' | b'[') if json_depth(json.as_bytes()) > JSON_DEPTH_MAX => {
                let detail = format!("The value is nested more than {JSON_DEPTH_MAX} deep.");
                return Err(malformed(detail, name()));
            }
            _ => {
                self.bytes.extend_from_slice(json.as_bytes());
                Span::Json { start, end }
            }
        };
        Ok(())
    }
}

/// What a JSON string says, borrowed unless it holds escapes.
fn string(json: &str) -> Result<Cow<'_, str>, &'static str> {
    if memchr::memchr(b'\\', json.as_bytes()).is_none() {
        return Ok(Cow::Borrowed(&json[1..json.len() - 1]));
    }
    serde_json::from_str(json)
        .map(Cow::Owned)
        .map_err(|_| "The string holds half of a surrogate pair, which is no character.")
}

/// The same with U+FFFD for every escaped NUL, in values as in keys. `json` begins at `position`.
fn mend_nul(position: Position, json: &str, warnings: &mut Warnings) -> Result<String> {
    let mut mended = Vec::with_capacity(json.len());
    let mut rest = json.as_bytes();
    while let Some(at) = memchr::memchr(b'\\', rest) {
        let (before, escape) = rest.split_at(at);
        mended.extend_from_slice(before);
        let len = if escape.starts_with(NUL) { NUL.len() } else { escape.len().min(2) };
        let (escape, behind) = escape.split_at(len);
        if escape == NUL {
            warnings.note(Trouble::Nul, position, json.as_bytes(), mended.len())?;
        }
        mended.extend_from_slice(if escape == NUL { REPLACEMENT } else { escape });
        rest = behind;
    }
    mended.extend_from_slice(rest);
    String::from_utf8(mended).map_err(|error| Error::internal(error.to_string()))
}

/// To be given its line and column by the reader.
fn malformed(detail: impl Into<String>, field: Option<String>) -> Error {
    Malformed { detail: detail.into(), field, ..Malformed::default() }.into()
}

/// Reads the entries of the object that `json` is into the row.
struct Entries<'a> {
    object: &'a mut Object,
    json: &'a str,
}

impl<'de> Visitor<'de> for Entries<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let Self { object, json } = self;
        let mut guess = 0;
        while let Some(found) = entries.next_key_seed(Key { object, guess })? {
            let set = match found {
                Ok(column) => {
                    guess = column + 1;
                    let value: &RawValue = entries.next_value()?;
                    // It is a part of `json`, so their addresses tell where it stands.
                    let at = value.get().as_ptr().addr() - json.as_ptr().addr();
                    object.set(column, value.get()).map_err(|failure| (failure, Some(at)))
                }
                Err(failure) => Err((failure, None)),
            };
            if let Err(failure) = set {
                object.failure = Some(failure);
                return Err(A::Error::custom("failure"));
            }
        }
        Ok(())
    }
}

/// Looks a key up without taking it out of the line.
struct Key<'a> {
    object: &'a mut Object,
    guess: usize,
}

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = Result<usize>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = Result<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        Ok(self.object.column(key, self.guess))
    }
}

/// Where in `json` the parser stopped.
fn offset(json: &[u8], error: &serde_json::Error) -> usize {
    let line_start = match error.line() {
        0 | 1 => 0,
        line => memchr::memchr_iter(b'\n', json).nth(line - 2).map_or(0, |end| end + 1),
    };
    let at = (line_start + error.column().saturating_sub(1)).min(json.len());
    // The parser counts bytes; we point at whole characters.
    (0..=at).rev().find(|at| json.get(*at).is_none_or(|byte| byte & 0xc0 != 0x80)).unwrap_or(0)
}

/// The parser's sentence without its own line and column.
fn reason(error: &serde_json::Error) -> String {
    let sentence = error.to_string();
    sentence.rsplit_once(" at line ").map_or(sentence.as_str(), |(reason, _)| reason).to_owned()
}
