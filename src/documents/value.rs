//! JSON text and DynamoDB's attribute values, both ways, without losing a digit.

use super::number::canonical;
use crate::error::{Error, Malformed, Result};
use aws_sdk_dynamodb::{primitives::Blob, types::AttributeValue};
use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::value::RawValue;
use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
};

/// Objects and arrays inside one another, the document itself included. DynamoDB counts 32 levels down to the scalars; a document's begin at the attribute `body`.
pub const DEPTH_MAX: usize = 31;
/// Bytes of a body as DynamoDB counts them. The rest of its 400 KB is for the other attributes: eight index keys of at most 1 KB, the id, names and times.
pub const NATIVE_BYTES_MAX: usize = 380 << 10;
const KEY_BYTES_MAX: usize = 65_535;

/// Without the byte order mark that some editors write.
pub fn without_mark(json: &[u8]) -> &[u8] {
    json.strip_prefix(b"\xef\xbb\xbf").unwrap_or(json)
}

/// Reads a document: one JSON object. `None` for one that is valid, but that DynamoDB cannot hold as a native map: larger than [`NATIVE_BYTES_MAX`], or with an empty key.
///
/// # Errors
/// `Malformed`: no JSON, no object, a duplicate key, deeper than [`DEPTH_MAX`], half a surrogate pair, or a number beyond 38 digits or 1e-130…9.99e125. In the last
/// four the `field` is a JSON Pointer. Whether a document is accepted never depends on its size.
pub fn parse(json: &[u8]) -> Result<Option<AttributeValue>> {
    let raw: &RawValue = serde_json::from_slice(without_mark(json)).map_err(|error| syntax(&error))?;
    let text = raw.get();
    if !text.starts_with('{') {
        return Err(Malformed {
            detail: "A document is one JSON object, and this is none.".to_owned(),
            hint: Some("Put it into an object, or store the file as a blob.".to_owned()),
            ..Malformed::default()
        }
        .into());
    }
    let mut scanner = Scanner { rest: text, path: Vec::new(), native_bytes: 0, native: true };
    let value = scanner.value()?;
    Ok(scanner.native.then_some(value))
}

fn syntax(error: &serde_json::Error) -> Error {
    let text = error.to_string();
    let detail = text.split(" at line ").next().unwrap_or_default();
    Malformed {
        detail: format!("this is not JSON: {detail}."),
        line: Some(error.line() as u64),
        column: Some(error.column() as u64),
        ..Malformed::default()
    }
    .into()
}

/// Goes once through text whose syntax has been checked, so it looks at nothing but the first byte of each token.
struct Scanner<'a> {
    rest: &'a str,
    path: Vec<Segment<'a>>,
    native_bytes: usize,
    /// Once false, values are checked but no longer built, so memory does not grow with a large document.
    native: bool,
}

enum Segment<'a> {
    Key(Cow<'a, str>),
    Index(usize),
}

impl<'a> Scanner<'a> {
    fn value(&mut self) -> Result<AttributeValue> {
        match self.peek() {
            b'{' => self.object(),
            b'[' => self.array(),
            b'"' => {
                let text = self.string()?;
                self.grow(text.len());
                Ok(if self.native { AttributeValue::S(text.into_owned()) } else { AttributeValue::Null(true) })
            }
            b't' => Ok(self.word("true", AttributeValue::Bool(true))),
            b'f' => Ok(self.word("false", AttributeValue::Bool(false))),
            b'n' => Ok(self.word("null", AttributeValue::Null(true))),
            _ => self.number(),
        }
    }

    fn object(&mut self) -> Result<AttributeValue> {
        self.enter()?;
        let mut map = HashMap::new();
        let mut keys = HashSet::new();
        while self.more(b'}') {
            let key = self.string()?;
            if !keys.insert(key.clone()) {
                self.path.push(Segment::Key(key));
                return Err(self.malformed("the key occurs twice in its object", "Keep one of the two."));
            }
            self.peek();
            self.advance(1);
            self.native &= (1..=KEY_BYTES_MAX).contains(&key.len());
            self.grow(1 + key.len());
            self.path.push(Segment::Key(key.clone()));
            let value = self.value()?;
            self.path.pop();
            if self.native {
                map.insert(key.into_owned(), value);
            }
        }
        Ok(AttributeValue::M(map))
    }

    fn array(&mut self) -> Result<AttributeValue> {
        self.enter()?;
        let mut list = Vec::new();
        let mut index = 0;
        while self.more(b']') {
            self.grow(1);
            self.path.push(Segment::Index(index));
            let value = self.value()?;
            self.path.pop();
            index += 1;
            if self.native {
                list.push(value);
            }
        }
        Ok(AttributeValue::L(list))
    }

    fn enter(&mut self) -> Result<()> {
        if self.path.len() >= DEPTH_MAX {
            let detail =
                format!("objects and arrays nest deeper than the {DEPTH_MAX} levels that the document store holds");
            return Err(self.malformed(&detail, "Flatten it, or store the file as a blob."));
        }
        self.grow(3);
        self.advance(1);
        Ok(())
    }

    /// Whether another element follows, up to whose first byte it goes.
    fn more(&mut self, end: u8) -> bool {
        let mut next = self.peek();
        if next == b',' {
            self.advance(1);
            next = self.peek();
        }
        if next == end {
            self.advance(1);
        }
        next != end
    }

    fn string(&mut self) -> Result<Cow<'a, str>> {
        self.peek();
        let bytes = self.rest.as_bytes();
        let (mut end, mut escaped) = (1, false);
        while let Some(found) = memchr::memchr2(b'"', b'\\', bytes.get(end..).unwrap_or_default()) {
            end += found;
            if bytes[end] == b'"' {
                break;
            }
            escaped = true;
            end += 2;
        }
        let token = self.advance(end + 1);
        if !escaped {
            return Ok(Cow::Borrowed(token.trim_matches('"')));
        }
        let unescaped = serde_json::from_str(token).map(Cow::Owned);
        unescaped.map_err(|_| self.malformed("a string holds half of a surrogate pair", "Mend the `\\u` escape."))
    }

    fn number(&mut self) -> Result<AttributeValue> {
        let end = self.rest.find(|c: char| !matches!(c, '0'..='9' | '+' | '-' | '.' | 'e' | 'E'));
        let token = self.advance(end.unwrap_or(self.rest.len()));
        let number = canonical(token)
            .map_err(|unfit| self.malformed(&unfit.to_string(), "Send it as a string, or store the file as a blob."))?;
        self.grow(2 + number.len().div_ceil(2));
        Ok(AttributeValue::N(number))
    }

    fn word(&mut self, word: &str, value: AttributeValue) -> AttributeValue {
        self.advance(word.len());
        self.grow(1);
        value
    }

    /// The first byte after white space, which is left behind.
    fn peek(&mut self) -> u8 {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
        self.rest.bytes().next().unwrap_or_default()
    }

    fn advance(&mut self, bytes: usize) -> &'a str {
        let (token, rest) = self.rest.split_at_checked(bytes).unwrap_or((self.rest, ""));
        self.rest = rest;
        token
    }

    fn grow(&mut self, bytes: usize) {
        self.native_bytes += bytes;
        self.native &= self.native_bytes <= NATIVE_BYTES_MAX;
    }

    fn malformed(&self, detail: &str, hint: &str) -> Error {
        let pointer = self.path.iter().map(|segment| match segment {
            Segment::Key(key) => format!("/{}", key.replace('~', "~0").replace('/', "~1")),
            Segment::Index(index) => format!("/{index}"),
        });
        Malformed {
            detail: format!("{detail}."),
            field: Some(pointer.collect()),
            hint: Some(hint.to_owned()),
            ..Malformed::default()
        }
        .into()
    }
}

/// The JSON text of a value: keys sorted, no white space, each number in its one spelling. What only other tools write: a set is an array, bytes are base64.
pub fn to_json(value: &AttributeValue) -> Result<Vec<u8>> {
    let mut json = Vec::new();
    write(value, &mut json)?;
    Ok(json)
}

fn write(value: &AttributeValue, json: &mut Vec<u8>) -> Result<()> {
    match value {
        AttributeValue::S(text) => write_string(text, json)?,
        AttributeValue::N(number) => write_number(number, json)?,
        AttributeValue::Bool(truth) => json.extend(if *truth { &b"true"[..] } else { b"false" }),
        AttributeValue::Null(_) => json.extend(b"null"),
        AttributeValue::L(list) => write_array(list, json, write)?,
        AttributeValue::M(map) => write_object(map, json)?,
        AttributeValue::B(bytes) => write_bytes(bytes, json)?,
        AttributeValue::Ss(texts) => write_array(texts, json, |text, json| write_string(text, json))?,
        AttributeValue::Ns(numbers) => write_array(numbers, json, |number, json| write_number(number, json))?,
        AttributeValue::Bs(blobs) => write_array(blobs, json, write_bytes)?,
        _ => return Err(Error::internal("DynamoDB answered with a type of value that we do not know")),
    }
    Ok(())
}

fn write_object(map: &HashMap<String, AttributeValue>, json: &mut Vec<u8>) -> Result<()> {
    let mut entries: Vec<_> = map.iter().collect();
    entries.sort_unstable_by_key(|(key, _)| key.as_str());
    json.push(b'{');
    for (n, (key, value)) in entries.into_iter().enumerate() {
        if n > 0 {
            json.push(b',');
        }
        write_string(key, json)?;
        json.push(b':');
        write(value, json)?;
    }
    json.push(b'}');
    Ok(())
}

fn write_array<T>(items: &[T], json: &mut Vec<u8>, write_one: impl Fn(&T, &mut Vec<u8>) -> Result<()>) -> Result<()> {
    json.push(b'[');
    for (n, item) in items.iter().enumerate() {
        if n > 0 {
            json.push(b',');
        }
        write_one(item, json)?;
    }
    json.push(b']');
    Ok(())
}

fn write_string(text: &str, json: &mut Vec<u8>) -> Result<()> {
    serde_json::to_writer(json, text).map_err(Error::internal)
}

fn write_number(number: &str, json: &mut Vec<u8>) -> Result<()> {
    json.extend(canonical(number).map_err(|unfit| Error::internal(unfit.to_string()))?.bytes());
    Ok(())
}

fn write_bytes(bytes: &Blob, json: &mut Vec<u8>) -> Result<()> {
    write_string(&BASE64_STANDARD.encode(bytes), json)
}
