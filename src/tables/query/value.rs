//! Values that a query compares with, each checked against the type that it is compared as. They reach Postgres bound, never as SQL.

use super::moment;
use crate::catalogue::ColumnType;
use uuid::Uuid;

#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Boolean(bool),
    Bigint(i64),
    Double(f64),
    /// Of any other type, in a spelling that Postgres reads.
    Text(String),
}

impl Value {
    /// `None` if `text` denotes no value of the type. Spaces around it count only in text, as in Postgres.
    pub fn parse(column_type: ColumnType, text: &str) -> Option<Self> {
        let text = if column_type == ColumnType::Text { text } else { text.trim_ascii() };
        let checked = |holds: bool| holds.then(|| Self::Text(text.to_owned()));
        match column_type {
            ColumnType::Boolean => match text.to_ascii_lowercase().as_str() {
                "true" | "t" | "yes" | "y" | "on" | "1" => Some(Self::Boolean(true)),
                "false" | "f" | "no" | "n" | "off" | "0" => Some(Self::Boolean(false)),
                _ => None,
            },
            ColumnType::Bigint => text.parse().ok().map(Self::Bigint),
            ColumnType::Double => double(text).map(Self::Double),
            ColumnType::Numeric => checked(is_decimal(text) || text.eq_ignore_ascii_case("nan")),
            ColumnType::Date => moment::date(text).map(Self::Text),
            ColumnType::Time => moment::clock(text).map(Self::Text),
            ColumnType::Timestamp => moment::timestamp(text, false).map(Self::Text),
            ColumnType::Timestamptz => moment::timestamp(text, true).map(Self::Text),
            ColumnType::Uuid => Uuid::try_parse(text).ok().map(|uuid| Self::Text(uuid.to_string())),
            ColumnType::Text => checked(!text.contains('\0')),
            ColumnType::Json => checked(is_json(text)),
        }
    }

    /// What a value of the type looks like, for the caller whose value is none.
    pub fn example(column_type: ColumnType) -> &'static str {
        match column_type {
            ColumnType::Boolean => "`true` or `false`",
            ColumnType::Bigint => "a whole number of at most 64 bits, such as `42`",
            ColumnType::Numeric => "a decimal number, such as `12.50`",
            ColumnType::Double => "a number, such as `1.5` or `1e-3`",
            ColumnType::Date => "a date, such as `2026-01-31`",
            ColumnType::Time => "a time of day, such as `13:45:00`",
            ColumnType::Timestamp => "a time without an offset, such as `2026-01-31T13:45:00`",
            ColumnType::Timestamptz => "a time, such as `2026-01-31T13:45:00Z`",
            ColumnType::Uuid => "a UUID",
            ColumnType::Text => "a text without U+0000",
            ColumnType::Json => "JSON, its texts without U+0000 and its numbers such as a double holds",
        }
    }
}

fn double(text: &str) -> Option<f64> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let named = text.eq_ignore_ascii_case("nan")
        || ["inf", "infinity"].into_iter().any(|name| unsigned.eq_ignore_ascii_case(name));
    text.parse().ok().filter(|value: &f64| named || (is_decimal(text) && value.is_finite()))
}

/// JSON that `jsonb` holds: no U+0000 in its texts, and no number out of reach.
fn is_json(text: &str) -> bool {
    // What it takes is valid, and its numbers are at most as large as doubles.
    if serde_json::from_str::<serde_json::Value>(text).is_err() {
        return false;
    }
    let mut rest = text;
    while let Some(at) = rest.find(|c: char| c == '"' || c == '-' || c.is_ascii_digit()) {
        let (_, token) = rest.split_at(at);
        let length = if token.starts_with('"') { string(token) } else { number(token) };
        let Some((_, after)) = length.and_then(|length| token.split_at_checked(length)) else { return false };
        rest = after;
    }
    true
}

/// The bytes of the string at the beginning of valid JSON; `None` if it holds U+0000.
fn string(token: &str) -> Option<usize> {
    let mut escaped = false;
    for (at, c) in token.char_indices().skip(1) {
        match c {
            'u' if escaped && token.split_at(at).1.starts_with("u0000") => return None,
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return Some(at + 1),
            _ => {}
        }
    }
    None
}

/// The bytes of the number at the beginning of valid JSON; `None` if `numeric` might not hold it.
fn number(token: &str) -> Option<usize> {
    let end = token.find(|c: char| !matches!(c, '0'..='9' | '-' | '+' | '.' | 'e' | 'E')).unwrap_or(token.len());
    is_decimal(token.split_at(end).0).then_some(end)
}

/// Digits with a point, a sign and an exponent, within what `numeric` holds.
fn is_decimal(text: &str) -> bool {
    const DIGITS_MAX: usize = 1000;
    const EXPONENT_MAX: u32 = 1000;
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
    let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
    let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    mantissa.len() <= DIGITS_MAX
        && (!whole.is_empty() || !part.is_empty())
        && digits(whole)
        && digits(part)
        && !exponent.is_empty()
        && digits(exponent)
        && exponent.parse::<u32>().is_ok_and(|exponent| exponent <= EXPONENT_MAX)
}
