//! What the text of one cell can be. A column's type follows from the union of the facts of all its cells, in whatever order they come.

use std::ops::BitOr;

use serde::de::IgnoredAny;

use super::double;
use super::marks::{self, NumberStyle};
use super::missing;
use super::number::Number;
use super::temporal::{self, DateStyle, Temporal};
use super::{Cell, Value};

/// Postgres reads JSON by recursion, and so do many clients.
pub(in crate::tables) const JSON_DEPTH_MAX: usize = 512;

/// A set of facts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Facts(u64);

impl Facts {
    pub const NONE: Self = Self(0);

    /// Nothing but text.
    pub const TEXT: Self = Self(1);

    /// The two words of a boolean, each casing by itself.
    pub const LOWER: Self = Self(1 << 1);
    pub const TITLE: Self = Self(1 << 2);
    pub const UPPER: Self = Self(1 << 3);

    /// An integer in the range of `bigint`, in some style.
    pub const INTEGER: Self = Self(1 << 4);
    /// A number with a fraction, in the styles with a decimal point.
    pub const DECIMAL: Self = Self(1 << 5);
    /// A number with a fraction, in the styles with a decimal comma.
    pub const DECIMAL_COMMA: Self = Self(1 << 6);
    /// Evidently a number: with an exponent and a fraction or a sign.
    pub const FLOAT: Self = Self(1 << 7);
    /// `1e5`: a number, or a code that looks like one.
    pub const CODE: Self = Self(1 << 8);
    pub const NAN: Self = Self(1 << 9);
    pub const INFINITY: Self = Self(1 << 10);
    /// A number that a double would not print back.
    pub const NOT_DOUBLE: Self = Self(1 << 11);
    /// A number too long for `numeric`.
    pub const NOT_NUMERIC: Self = Self(1 << 12);

    pub const DATE: Self = Self(1 << 13);
    pub const TIMESTAMP: Self = Self(1 << 14);
    pub const TIMESTAMPTZ: Self = Self(1 << 15);
    pub const TIME: Self = Self(1 << 16);
    pub const UUID: Self = Self(1 << 17);

    /// A JSON object or array.
    pub const NESTED: Self = Self(1 << 18);
    /// A word for a missing value.
    pub const MISSING: Self = Self(1 << 19);

    /// The kinds that values of JSON files are of; cells of delimited files have none.
    pub const KIND_STRING: Self = Self(1 << 20);
    pub const KIND_NUMBER: Self = Self(1 << 21);
    pub const KIND_BOOLEAN: Self = Self(1 << 22);
    pub const KIND_NESTED: Self = Self(1 << 23);

    /// A value that is not of the type that the file declares for its column.
    pub const UNDECLARED: Self = Self(1 << 24);

    /// A number that is another one with a decimal comma than with a decimal point.
    pub const EITHER_MARK: Self = Self(1 << 25);
    /// A date that may be day first or month first.
    pub const EITHER_ORDER: Self = Self(1 << 26);
    pub const EITHER: Self = Self(Self::EITHER_MARK.0 | Self::EITHER_ORDER.0);

    const NOT_NUMBER_STYLES: u64 = 0xff << 32;
    const NOT_DATE_STYLES: u64 = 0x1f << 40;

    pub const BOOLEANS: Self = Self(Self::LOWER.0 | Self::TITLE.0 | Self::UPPER.0);
    pub const SPECIAL: Self = Self(Self::NAN.0 | Self::INFINITY.0);
    /// Numbers written with digits, and the styles that they are not in.
    pub const NUMBERS: Self = Self(
        Self::INTEGER.0
            | Self::DECIMAL.0
            | Self::DECIMAL_COMMA.0
            | Self::FLOAT.0
            | Self::CODE.0
            | Self::NOT_DOUBLE.0
            | Self::NOT_NUMERIC.0
            | Self::EITHER_MARK.0
            | Self::NOT_NUMBER_STYLES,
    );
    pub const TEMPORAL: Self =
        Self(Self::DATE.0 | Self::TIMESTAMP.0 | Self::TIMESTAMPTZ.0 | Self::EITHER_ORDER.0 | Self::NOT_DATE_STYLES);
    pub const KINDS: Self =
        Self(Self::KIND_STRING.0 | Self::KIND_NUMBER.0 | Self::KIND_BOOLEAN.0 | Self::KIND_NESTED.0);

    /// Those of every number with a fraction behind a point, but for [`Self::not_in_groups`].
    pub const PLAIN_DECIMAL: Self = Self(
        Self::DECIMAL.0
            | not_in(NumberStyle::DecimalComma).0
            | not_in(NumberStyle::SpaceGroupsDecimalComma).0
            | not_in(NumberStyle::ApostropheGroupsDecimalComma).0,
    );
    /// A point that is no thousands mark.
    pub const NOT_IN_POINT_GROUPS: Self = not_in(NumberStyle::PointGroups);
    /// Those of every date of ISO 8601; its timestamps have the same styles.
    pub const ISO_STYLES: Self = Self(
        date_not_in(DateStyle::DayFirst).0 | date_not_in(DateStyle::MonthFirst).0 | date_not_in(DateStyle::MonthName).0,
    );

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

    /// The styles that every number so far is in.
    pub fn number_styles(self) -> impl Iterator<Item = NumberStyle> {
        NumberStyle::ALL.into_iter().filter(move |style| !self.contains(not_in(*style)))
    }

    /// The styles that every date so far is in.
    pub fn date_styles(self) -> impl Iterator<Item = DateStyle> {
        DateStyle::ALL.into_iter().filter(move |style| !self.contains(date_not_in(*style)))
    }

    /// What `cell` can be. `Null` can be anything.
    pub fn of(cell: Cell<'_>) -> Self {
        match cell {
            Cell::Null => Self::NONE,
            Cell::Text(text) => of_text(text.trim_ascii()),
            Cell::String { value, .. } => Self::KIND_STRING | of_string(value),
            Cell::Json(json) => match json.first() {
                Some(b'{' | b'[') => Self::KIND_NESTED | Self::NESTED,
                Some(b't' | b'f') => Self::KIND_BOOLEAN | Self::LOWER,
                _ => Self::KIND_NUMBER | of_json_number(json),
            },
            Cell::Value(value) => of_value(value),
        }
    }
}

impl BitOr for Facts {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

const fn not_in(style: NumberStyle) -> Facts {
    Facts(1 << (32 + style as u64))
}

const fn date_not_in(style: DateStyle) -> Facts {
    Facts(1 << (40 + style as u64))
}

/// How deep the arrays and objects of valid JSON are nested.
pub(in crate::tables) fn json_depth(json: &[u8]) -> usize {
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

/// The first character decides what is tried, so that plain text costs few looks.
fn of_text(text: &[u8]) -> Facts {
    let facts = match text {
        [b'0'..=b'9', b'0'..=b'9', b'0'..=b'9', b'0'..=b'9', b'-', _, _, b'-', ..] => of_iso(text),
        [b'-', b'i' | b'I', ..] | [b'N' | b'n' | b'I' | b'i', ..] => of_special(text),
        [b'0'..=b'9' | b'-' | b'.' | b',', ..] => of_number(text),
        [b't' | b'T' | b'f' | b'F', ..] => of_boolean(text),
        [b'{' | b'[', ..] => of_nested(text),
        _ => Facts::TEXT,
    };
    if facts != Facts::TEXT {
        return facts;
    }
    if missing::word(text).is_some() {
        return Facts::MISSING;
    }
    if is_uuid(text) {
        return Facts::UUID;
    }
    match text.first() {
        Some(b'0'..=b'9') => of_clock(text),
        Some(_) => of_date(text),
        None => Facts::TEXT,
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
    match text {
        b"NaN" | b"nan" => Facts::NAN,
        b"inf" | b"Inf" | b"Infinity" | b"-inf" | b"-Inf" | b"-Infinity" => Facts::INFINITY,
        _ => Facts::TEXT,
    }
}

fn of_string(value: &[u8]) -> Facts {
    match temporal::iso(value) {
        Some(_) => of_iso(value),
        None if is_uuid(value) => Facts::UUID,
        None if is_iso_time(value) => Facts::TIME,
        None => Facts::TEXT,
    }
}

/// `HH:MM:SS` with or without a fraction: what programs write. Anything shorter may be a score or a length.
fn is_iso_time(text: &[u8]) -> bool {
    matches!(text, [_, _, b':', _, _, b':', _, _] | [_, _, b':', _, _, b':', _, _, b'.', ..])
        && temporal::time_of_day(text).is_some()
}

fn of_iso(text: &[u8]) -> Facts {
    match temporal::iso(text) {
        Some(Temporal::Date(_)) => Facts::DATE | Facts::ISO_STYLES,
        Some(Temporal::Timestamp(_)) => Facts::TIMESTAMP | Facts::ISO_STYLES,
        // No other style has zones.
        Some(Temporal::Timestamptz(_)) => Facts::TIMESTAMPTZ | Facts::ISO_STYLES | date_not_in(DateStyle::YearFirst),
        None => Facts::TEXT,
    }
}

fn of_clock(text: &[u8]) -> Facts {
    match temporal::time_of_day(text) {
        Some(_) => Facts::TIME,
        None => of_date(text),
    }
}

fn of_date(text: &[u8]) -> Facts {
    let Some((kind, is)) = temporal::styles(text) else { return Facts::TEXT };
    let kind = match kind {
        Temporal::Date(_) => Facts::DATE,
        Temporal::Timestamp(_) | Temporal::Timestamptz(_) => Facts::TIMESTAMP,
    };
    let either = is(DateStyle::DayFirst) && is(DateStyle::MonthFirst);
    let kind = if either { kind | Facts::EITHER_ORDER } else { kind };
    let not = DateStyle::ALL.into_iter().filter(|style| !is(*style));
    not.fold(kind, |facts, style| facts | date_not_in(style))
}

/// In lower case only: Postgres would not print another back.
fn is_uuid(text: &[u8]) -> bool {
    text.len() == 36
        && text.iter().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
        })
}

fn of_nested(text: &[u8]) -> Facts {
    let valid = serde_json::from_slice::<IgnoredAny>(text).is_ok() && json_depth(text) <= JSON_DEPTH_MAX;
    if valid { Facts::NESTED } else { Facts::TEXT }
}

/// Integers beyond `bigint` are identifiers, so they are text; so is `-0`, which a `bigint` would not give back.
fn of_number(text: &[u8]) -> Facts {
    let Some(number) = Number::parse(text) else { return of_marked(text) };
    let shape = match number.exponent {
        None if number.has_point() => Facts::DECIMAL,
        None if number.is_bigint() => Facts::INTEGER,
        None => return Facts::TEXT,
        Some(exponent) if number.has_point() || number.negative || exponent.signed => Facts::FLOAT,
        Some(_) => Facts::CODE,
    };
    let styles = match () {
        () if number.has_point() && number.may_be_a_group() => Facts::PLAIN_DECIMAL | Facts::EITHER_MARK,
        () if number.has_point() => Facts::PLAIN_DECIMAL | Facts::NOT_IN_POINT_GROUPS,
        () => Facts::NONE,
    };
    // The fraction of a float says nothing of the fractions of the others.
    let styles = if shape == Facts::FLOAT { styles.without(Facts::DECIMAL) } else { styles };
    shape | styles | of_range(&number)
}

/// A number with a decimal comma or thousands marks.
fn of_marked(text: &[u8]) -> Facts {
    if !marks::is_possible(text) {
        return Facts::TEXT;
    }
    let mut facts = Facts::NONE;
    let mut plain = Vec::with_capacity(text.len());
    // Whether it has a fraction in the styles with a decimal point, and in the others.
    let mut fractions = [None; 2];
    for style in NumberStyle::ALL {
        let number = marks::plain(text, style, &mut plain).then(|| Number::parse(&plain)).flatten();
        let Some(number) = number else {
            facts = facts | not_in(style);
            continue;
        };
        fractions[usize::from(style.has_decimal_comma())] = Some(number.has_point());
        let fraction = if style.has_decimal_comma() { Facts::DECIMAL_COMMA } else { Facts::DECIMAL };
        let shape = match number.exponent {
            Some(_) => Facts::FLOAT,
            None if number.has_point() => fraction | Facts::INTEGER,
            None if number.is_bigint() => Facts::INTEGER,
            // So long a number in groups is a number, not an identifier.
            None => fraction | Facts::INTEGER,
        };
        facts = facts | shape | of_range(&number);
    }
    match fractions {
        [None, None] => Facts::TEXT,
        [Some(with_point), Some(with_comma)] if with_point != with_comma => facts | Facts::EITHER_MARK,
        _ => facts,
    }
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

/// The type is declared: only text where another type is declared says something.
fn of_value(value: Value<'_>) -> Facts {
    match value {
        Value::Text(_) => Facts::UNDECLARED,
        _ => Facts::NONE,
    }
}
