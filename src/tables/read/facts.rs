//! What the text of one cell can be. A column's type follows from the union of the facts of all its cells, in whatever order they come.

use std::ops::BitOr;

use serde::de::IgnoredAny;

use super::Cell;
use super::double;
use super::number::Number;
use super::temporal::{self, Temporal};

/// Postgres reads JSON by recursion, and so do many clients.
pub(super) const JSON_DEPTH_MAX: usize = 512;

/// A set of facts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Facts(u32);

impl Facts {
    pub const NONE: Self = Self(0);

    /// Nothing but text.
    pub const TEXT: Self = Self(1);

    /// The two words of a boolean, each casing by itself.
    pub const LOWER: Self = Self(1 << 1);
    pub const TITLE: Self = Self(1 << 2);
    pub const UPPER: Self = Self(1 << 3);

    /// An integer in the range of `bigint`.
    pub const INTEGER: Self = Self(1 << 4);
    /// Another number without an exponent.
    pub const DECIMAL: Self = Self(1 << 5);
    /// Evidently a number: with an exponent and a point or a sign.
    pub const FLOAT: Self = Self(1 << 6);
    /// `1e5`: a number, or a code that looks like one.
    pub const CODE: Self = Self(1 << 7);
    /// `NaN` or an infinity.
    pub const SPECIAL: Self = Self(1 << 8);
    /// A number that a double would not print back.
    pub const NOT_DOUBLE: Self = Self(1 << 9);
    /// A number too long for `numeric`.
    pub const NOT_NUMERIC: Self = Self(1 << 10);

    pub const DATE: Self = Self(1 << 11);
    pub const TIMESTAMP: Self = Self(1 << 12);
    pub const TIMESTAMPTZ: Self = Self(1 << 13);

    /// A JSON object or array.
    pub const NESTED: Self = Self(1 << 14);

    /// The kinds that values of JSON files are of; cells of delimited files have none.
    pub const KIND_STRING: Self = Self(1 << 15);
    pub const KIND_NUMBER: Self = Self(1 << 16);
    pub const KIND_BOOLEAN: Self = Self(1 << 17);
    pub const KIND_NESTED: Self = Self(1 << 18);

    pub const BOOLEANS: Self = Self(Self::LOWER.0 | Self::TITLE.0 | Self::UPPER.0);
    /// Numbers written with digits.
    pub const NUMBERS: Self = Self(
        Self::INTEGER.0 | Self::DECIMAL.0 | Self::FLOAT.0 | Self::CODE.0 | Self::NOT_DOUBLE.0 | Self::NOT_NUMERIC.0,
    );
    pub const TEMPORAL: Self = Self(Self::DATE.0 | Self::TIMESTAMP.0 | Self::TIMESTAMPTZ.0);
    pub const KINDS: Self =
        Self(Self::KIND_STRING.0 | Self::KIND_NUMBER.0 | Self::KIND_BOOLEAN.0 | Self::KIND_NESTED.0);

    /// Whether all of `other` is in here.
    pub fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether any of `other` is in here.
    pub fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    pub fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    pub fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub fn len(self) -> u32 {
        self.0.count_ones()
    }

    /// What `cell` can be. `Null` can be anything.
    pub fn of(cell: Cell<'_>) -> Self {
        match cell {
            Cell::Null | Cell::Value(_) => Self::NONE,
            Cell::Text(text) => of_text(text),
            Cell::String { value, .. } => Self::KIND_STRING | of_temporal(value),
            Cell::Json(json) => match json.first() {
                Some(b'{' | b'[') => Self::KIND_NESTED | Self::NESTED,
                Some(b't' | b'f') => Self::KIND_BOOLEAN | Self::LOWER,
                _ => Self::KIND_NUMBER | of_json_number(json),
            },
        }
    }
}

impl BitOr for Facts {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// How deep the arrays and objects of valid JSON are nested.
pub(super) fn json_depth(json: &[u8]) -> usize {
    let (mut depth, mut deepest, mut at) = (0_usize, 0, 0);
    while let Some(byte) = json.get(at) {
        match byte {
            b'{' | b'[' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            b'"' => at = json_string_end(json, at + 1).unwrap_or(json.len()),
            _ => {}
        }
        at += 1;
    }
    deepest
}

/// Where the JSON string ends whose first character is at `at`: the index of its closing quote.
pub(super) fn json_string_end(json: &[u8], mut at: usize) -> Option<usize> {
    loop {
        at += memchr::memchr2(b'"', b'\\', json.get(at..)?)?;
        match json[at] {
            b'"' => return Some(at),
            _ => at += 2,
        }
    }
}

/// The first character decides what is tried, so that plain text costs one look.
fn of_text(text: &[u8]) -> Facts {
    match text {
        [b'0'..=b'9', b'0'..=b'9', b'0'..=b'9', b'0'..=b'9', b'-', ..] => of_temporal(text),
        [b'-', b'i' | b'I', ..] | [b'N' | b'n' | b'I' | b'i', ..] => of_special(text),
        [b'0'..=b'9' | b'-' | b'.', ..] => of_number(text),
        [b't' | b'T' | b'f' | b'F', ..] => of_boolean(text),
        [b'{' | b'[', ..] => of_nested(text),
        _ => Facts::TEXT,
    }
}

fn of_boolean(text: &[u8]) -> Facts {
    match text {
        b"true" | b"false" => Facts::LOWER,
        b"True" | b"False" => Facts::TITLE,
        b"TRUE" | b"FALSE" => Facts::UPPER,
        _ => Facts::TEXT,
    }
}

/// As JavaScript, numpy, pandas and R write them.
fn of_special(text: &[u8]) -> Facts {
    let size = text.strip_prefix(b"-").unwrap_or(text);
    match size {
        b"NaN" | b"nan" if size.len() == text.len() => Facts::SPECIAL,
        b"inf" | b"Inf" | b"Infinity" => Facts::SPECIAL,
        _ => Facts::TEXT,
    }
}

fn of_temporal(text: &[u8]) -> Facts {
    match temporal::parse(text) {
        Some(Temporal::Date) => Facts::DATE,
        Some(Temporal::Timestamp) => Facts::TIMESTAMP,
        Some(Temporal::Timestamptz) => Facts::TIMESTAMPTZ,
        None => Facts::TEXT,
    }
}

fn of_nested(text: &[u8]) -> Facts {
    let valid = serde_json::from_slice::<IgnoredAny>(text).is_ok() && json_depth(text) <= JSON_DEPTH_MAX;
    if valid { Facts::NESTED } else { Facts::TEXT }
}

/// Integers beyond `bigint` are identifiers, so they are text; so is `-0`, which a `bigint` would not give back.
fn of_number(text: &[u8]) -> Facts {
    let Some(number) = Number::parse(text) else { return Facts::TEXT };
    let shape = match number.exponent {
        None if number.has_point() => Facts::DECIMAL,
        None if number.is_bigint() => Facts::INTEGER,
        None => return Facts::TEXT,
        Some(exponent) if number.has_point() || number.negative || exponent.signed => Facts::FLOAT,
        Some(_) => Facts::CODE,
    };
    shape | of_range(&number)
}

/// JSON says itself what is a number, so nothing is a code here, and a long integer is a number too.
fn of_json_number(json: &[u8]) -> Facts {
    let Some(number) = Number::parse(json) else { return Facts::TEXT };
    let shape = match number.exponent {
        Some(_) => Facts::FLOAT,
        None if number.is_bigint() => Facts::INTEGER,
        None => Facts::DECIMAL,
    };
    shape | of_range(&number)
}

fn of_range(number: &Number<'_>) -> Facts {
    let double = if double::prints_back(number) { Facts::NONE } else { Facts::NOT_DOUBLE };
    let numeric = if number.is_numeric() { Facts::NONE } else { Facts::NOT_NUMERIC };
    double | numeric
}
