//! Rows as Postgres' binary `COPY … FROM STDIN`: each value as its type's `recv` function takes it.
//!
//! Source: PostgreSQL's documentation of COPY, "Binary Format", and of the `numeric` type's external form in `src/backend/utils/adt/numeric.c`.

use std::io::Write;

use super::double;
use super::facts::{Facts, JSON_DEPTH_MAX, json_depth};
use super::infer::{Basis, Reading};
use super::marks::{self, NumberStyle};
use super::missing;
use super::number::{Number, parsed};
use super::numeric;
use super::temporal::{self, DateStyle, Temporal};
use super::{Cell, ColumnType, Value};

/// What the file begins with: the signature, no flags, no extension.
pub(super) const BEGIN: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// What it ends with.
pub(super) const END: &[u8] = &(-1_i16).to_be_bytes();

/// Postgres counts from 2000-01-01.
const EPOCH_DAYS: i32 = 10_957;
const EPOCH_MICROS: i64 = EPOCH_DAYS as i64 * 86_400_000_000;

#[expect(clippy::cast_possible_truncation, reason = "Postgres has at most 1,600 columns")]
pub(super) fn append_field_count(out: &mut Vec<u8>, fields: usize) {
    out.extend_from_slice(&(fields as i16).to_be_bytes());
}

pub(super) fn append_null(out: &mut Vec<u8>) {
    out.extend_from_slice(&(-1_i32).to_be_bytes());
}

#[expect(clippy::cast_possible_truncation, reason = "no cell is as long as 2 GiB")]
pub(super) fn append_bytes(out: &mut Vec<u8>, value: &[u8]) {
    out.extend_from_slice(&(value.len() as i32).to_be_bytes());
    out.extend_from_slice(value);
}

pub(super) fn append_bigint(out: &mut Vec<u8>, value: i64) {
    fixed(out, value.to_be_bytes());
}

/// The length and the value in one write.
#[expect(clippy::cast_possible_truncation, reason = "no value of a fixed length is longer than 16 bytes")]
fn fixed<const N: usize>(out: &mut Vec<u8>, value: [u8; N]) {
    out.extend_from_slice(&(N as i32).to_be_bytes());
    out.extend_from_slice(&value);
}

/// Appends a cell as `reading` has it; false, and nothing appended, if it is no such value.
pub(super) fn append_cell(out: &mut Vec<u8>, cell: Cell<'_>, reading: Reading) -> bool {
    match (cell, reading.column_type) {
        (Cell::Null, _) => append_null(out),
        (Cell::String { json, .. } | Cell::Json(json), ColumnType::Json) => append_bytes(out, json),
        // JSON says itself what is a string and what is not; only who tells a type may think otherwise.
        (Cell::Json(_), ColumnType::Text)
        | (Cell::String { .. }, ColumnType::Bigint | ColumnType::Numeric | ColumnType::Double | ColumnType::Boolean)
            if reading.basis == Basis::Inferred =>
        {
            return false;
        }
        (Cell::String { value: text, .. } | Cell::Text(text) | Cell::Json(text), ColumnType::Text) => {
            append_bytes(out, text);
        }
        (Cell::String { value: text, .. } | Cell::Text(text), _) => {
            return append_text(out, text.trim_ascii(), reading);
        }
        // JSON's numbers have a point, whatever those of texts have.
        (Cell::Json(text), _) => return append_text(out, text, Reading { numbers: NumberStyle::Plain, ..reading }),
        (Cell::Value(value), column_type) => return append_value(out, value, column_type, reading),
    }
    true
}

fn append_text(out: &mut Vec<u8>, text: &[u8], reading: Reading) -> bool {
    let start = out.len();
    let fits = match reading.column_type {
        ColumnType::Boolean => boolean(text).map(|value| fixed(out, [u8::from(value)])),
        ColumnType::Bigint | ColumnType::Numeric | ColumnType::Double => append_number(out, text, reading),
        ColumnType::Date | ColumnType::Timestamp | ColumnType::Timestamptz => append_temporal(out, text, reading),
        ColumnType::Time => temporal::time_of_day(text).map(|micros| fixed(out, micros.to_be_bytes())),
        ColumnType::Uuid => uuid(text).map(|value| fixed(out, value)),
        ColumnType::Json => is_json(text).then(|| append_bytes(out, text)),
        ColumnType::Text => {
            append_bytes(out, text);
            Some(())
        }
    };
    if fits.is_some() {
        return true;
    }
    out.truncate(start);
    let missing =
        text.is_empty() || reading.words && (missing::word(text).is_some() || matches!(text, b"NaN" | b"nan"));
    if missing {
        append_null(out);
    }
    missing
}

fn boolean(text: &[u8]) -> Option<bool> {
    match text {
        b"true" | b"True" | b"TRUE" => Some(true),
        b"false" | b"False" | b"FALSE" => Some(false),
        _ => None,
    }
}

fn append_number(out: &mut Vec<u8>, text: &[u8], reading: Reading) -> Option<()> {
    if let Some(special) = special(text).filter(|_| reading.column_type == ColumnType::Double) {
        fixed(out, special.to_be_bytes());
        return Some(());
    }
    let mut plain = Vec::new();
    let text = match reading.numbers {
        NumberStyle::Plain => text,
        style => marks::plain(text, style, &mut plain).then_some(plain.as_slice())?,
    };
    let mut unpadded = Vec::new();
    let text = if reading.basis == Basis::Told { without_padding(text, &mut unpadded) } else { text };
    match reading.column_type {
        ColumnType::Bigint => fixed(out, bigint(text)?.to_be_bytes()),
        ColumnType::Double => {
            let number = Number::parse(text)?;
            // What a table holds already is as exact as what made it.
            if reading.basis == Basis::Table && !double::prints_back(&number) {
                return None;
            }
            fixed(out, parsed::<f64>(text).filter(|double| double.is_finite())?.to_be_bytes());
        }
        _ => {
            let number = Number::parse(text).filter(Number::is_numeric)?;
            numeric::append(out, &number)?;
        }
    }
    Some(())
}

/// `007` and `+7` are numbers to who says so.
fn without_padding<'a>(text: &'a [u8], unpadded: &'a mut Vec<u8>) -> &'a [u8] {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] | rest => (false, rest),
    };
    let zeros = digits
        .iter()
        .zip(digits.iter().skip(1))
        .take_while(|(zero, next)| **zero == b'0' && next.is_ascii_digit())
        .count();
    unpadded.extend(negative.then_some(b'-'));
    unpadded.extend_from_slice(&digits[zeros..]);
    unpadded
}

fn bigint(text: &[u8]) -> Option<i64> {
    Number::parse(text).filter(Number::is_bigint)?;
    parsed(text)
}

fn special(text: &[u8]) -> Option<f64> {
    match text {
        b"NaN" | b"nan" => Some(f64::NAN),
        b"inf" | b"Inf" | b"Infinity" => Some(f64::INFINITY),
        b"-inf" | b"-Inf" | b"-Infinity" => Some(f64::NEG_INFINITY),
        _ => None,
    }
}

fn append_temporal(out: &mut Vec<u8>, text: &[u8], reading: Reading) -> Option<()> {
    let value = match reading.column_type {
        ColumnType::Timestamptz => temporal::iso(text)?,
        _ => temporal::styled(text, reading.dates)?,
    };
    match (value, reading.column_type) {
        (Temporal::Date(days), ColumnType::Date) => fixed(out, (days - EPOCH_DAYS).to_be_bytes()),
        (Temporal::Date(days), ColumnType::Timestamp) => {
            fixed(out, (i64::from(days - EPOCH_DAYS) * 86_400_000_000).to_be_bytes());
        }
        (Temporal::Timestamp(micros), ColumnType::Timestamp)
        | (Temporal::Timestamptz(micros), ColumnType::Timestamptz) => {
            fixed(out, (micros - EPOCH_MICROS).to_be_bytes());
        }
        _ => return None,
    }
    Some(())
}

fn uuid(text: &[u8]) -> Option<[u8; 16]> {
    uuid::Uuid::try_parse_ascii(text).ok().map(uuid::Uuid::into_bytes)
}

fn is_json(text: &[u8]) -> bool {
    serde_json::from_slice::<serde::de::IgnoredAny>(text).is_ok() && json_depth(text) <= JSON_DEPTH_MAX
}

/// A value of the column's own type, or rendered where the caller told, or another value made, another type.
fn append_value(out: &mut Vec<u8>, value: Value<'_>, column_type: ColumnType, reading: Reading) -> bool {
    match (value, column_type) {
        (Value::Boolean(value), ColumnType::Boolean) => fixed(out, [u8::from(value)]),
        (Value::Bigint(value), ColumnType::Bigint) => append_bigint(out, value),
        (Value::Double(value), ColumnType::Double) => fixed(out, value.to_be_bytes()),
        (Value::Date(days), ColumnType::Date) => match days.checked_sub(EPOCH_DAYS) {
            Some(days) => fixed(out, days.to_be_bytes()),
            None => return false,
        },
        (Value::Time(micros), ColumnType::Time) => append_bigint(out, micros),
        (Value::Timestamp(micros), ColumnType::Timestamp) | (Value::Timestamptz(micros), ColumnType::Timestamptz) => {
            match micros.checked_sub(EPOCH_MICROS) {
                Some(micros) => append_bigint(out, micros),
                None => return false,
            }
        }
        (Value::Uuid(value), ColumnType::Uuid) => fixed(out, value),
        (Value::Json(text), ColumnType::Json) | (Value::Text(text), ColumnType::Text) => append_bytes(out, text),
        (Value::Text(text), _) => {
            return reading.basis != Basis::Inferred && append_text(out, text.trim_ascii(), reading);
        }
        (value, ColumnType::Text) => {
            let mut text = Vec::new();
            render(value, &mut text);
            append_bytes(out, &text);
        }
        (value, _) => {
            let mut text = Vec::new();
            render(value, &mut text);
            return append_text(out, &text, Reading { dates: DateStyle::Iso, numbers: NumberStyle::Plain, ..reading });
        }
    }
    true
}

/// A value as text, as Postgres or ISO 8601 writes it.
fn render(value: Value<'_>, out: &mut Vec<u8>) {
    let instant = |out: &mut Vec<u8>, micros: i64, zone: &str| {
        let days = micros.div_euclid(86_400_000_000);
        date(out, i32::try_from(days).unwrap_or(i32::MAX));
        out.push(b'T');
        clock(out, micros.rem_euclid(86_400_000_000));
        out.extend_from_slice(zone.as_bytes());
    };
    let written = match value {
        Value::Boolean(value) => write!(out, "{value}"),
        Value::Bigint(value) => write!(out, "{value}"),
        Value::Double(value) if value.is_infinite() => write!(out, "{}Infinity", if value < 0.0 { "-" } else { "" }),
        Value::Double(value) => write!(out, "{value}"),
        Value::Uuid(value) => write!(out, "{}", uuid::Uuid::from_bytes(value)),
        Value::Date(days) => return date(out, days),
        Value::Time(micros) => return clock(out, micros),
        Value::Timestamp(micros) => return instant(out, micros, ""),
        Value::Timestamptz(micros) => return instant(out, micros, "Z"),
        Value::Numeric(text) | Value::Json(text) | Value::Text(text) => return out.extend_from_slice(text),
    };
    debug_assert!(written.is_ok(), "memory takes all that is written");
}

fn date(out: &mut Vec<u8>, days: i32) {
    let (year, month, day) = temporal::civil(days);
    write!(out, "{year:04}-{month:02}-{day:02}").unwrap_or_default();
}

fn clock(out: &mut Vec<u8>, micros: i64) {
    let (seconds, fraction) = (micros / 1_000_000, micros % 1_000_000);
    write!(out, "{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60).unwrap_or_default();
    if fraction != 0 {
        let text = format!(".{fraction:06}");
        out.extend_from_slice(text.trim_end_matches('0').as_bytes());
    }
}

/// The short way for the values that most cells are: no number is parsed twice and no facts are gathered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quick {
    /// Nothing can change the column, which is text.
    Text,
    /// Integers of up to 15 digits.
    Bigint,
    /// Decimals of up to 15 digits with a point.
    Numeric,
    IsoDate,
    IsoTimestamp,
    Boolean,
}

impl Quick {
    /// The one for a column of which so much has been seen that a value of the ordinary form adds nothing.
    pub fn of(reading: Reading, seen: Facts, settled: bool) -> Option<Self> {
        let plain = reading.numbers == NumberStyle::Plain && reading.dates == DateStyle::Iso;
        match reading.column_type {
            ColumnType::Text if settled || reading.basis != Basis::Inferred => Some(Self::Text),
            ColumnType::Bigint if plain && seen.contains(Facts::INTEGER) => Some(Self::Bigint),
            ColumnType::Numeric if plain && seen.contains(Facts::PLAIN_DECIMAL | Facts::NOT_IN_POINT_GROUPS) => {
                Some(Self::Numeric)
            }
            ColumnType::Date if plain && seen.contains(Facts::DATE | Facts::ISO_STYLES) => Some(Self::IsoDate),
            ColumnType::Timestamp if plain && seen.contains(Facts::TIMESTAMP | Facts::ISO_STYLES) => {
                Some(Self::IsoTimestamp)
            }
            ColumnType::Boolean if seen.meets(Facts::BOOLEANS) => Some(Self::Boolean),
            _ => None,
        }
    }

    /// Appends a cell of the ordinary form; false, and nothing appended, if it is any other.
    pub fn append(self, out: &mut Vec<u8>, cell: Cell<'_>, seen: Facts) -> bool {
        let text = match cell {
            Cell::Null => {
                append_null(out);
                return true;
            }
            Cell::Text(text) => text,
            _ => return false,
        };
        match self {
            Self::Text => append_bytes(out, text),
            Self::Bigint => match short_integer(text) {
                Some(value) => append_bigint(out, value),
                None => return false,
            },
            Self::Numeric => return numeric::append_short(out, text),
            Self::IsoDate => match temporal::iso(text) {
                Some(Temporal::Date(days)) => fixed(out, (days - EPOCH_DAYS).to_be_bytes()),
                _ => return false,
            },
            Self::IsoTimestamp => match temporal::iso(text) {
                Some(Temporal::Timestamp(micros)) => append_bigint(out, micros - EPOCH_MICROS),
                _ => return false,
            },
            Self::Boolean => match text {
                b"true" | b"false" if seen.contains(Facts::LOWER) => fixed(out, [u8::from(text[0] == b't')]),
                _ => return false,
            },
        }
        true
    }
}

/// An integer of up to 15 digits, written as Postgres prints it.
fn short_integer(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    let canonical = match digits {
        [b'0'] => !negative,
        [b'1'..=b'9', ..] => digits.len() <= 15,
        _ => false,
    };
    let mut value = 0_i64;
    for digit in digits {
        let digit = digit.wrapping_sub(b'0');
        if !canonical || digit > 9 {
            return None;
        }
        value = value * 10 + i64::from(digit);
    }
    canonical.then_some(if negative { -value } else { value })
}
