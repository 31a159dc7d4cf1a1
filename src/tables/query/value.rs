//! Values that a query compares with, each checked against the type that it is compared as. They reach Postgres bound, never as SQL.

use crate::catalogue::ColumnType;
use time::{
    Date, PrimitiveDateTime, Time, UtcOffset, format_description::BorrowedFormatItem, macros::format_description,
};
use uuid::Uuid;

#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Boolean(bool),
    Bigint(i64),
    Double(f64),
    /// Of any other type, in a spelling that Postgres reads.
    Text(String),
}

const DATE: &[BorrowedFormatItem<'_>] = format_description!("[year]-[month]-[day]");
const TIME: &[BorrowedFormatItem<'_>] =
    format_description!("[hour]:[minute][optional [:[second][optional [.[subsecond]]]]]");
const OFFSET: &[BorrowedFormatItem<'_>] =
    format_description!("[offset_hour sign:mandatory][optional [:[offset_minute]]]");

impl Value {
    /// `None` if `text` denotes no value of the type.
    pub fn parse(column_type: ColumnType, text: &str) -> Option<Self> {
        let checked = |holds: bool| holds.then(|| Self::Text(text.to_owned()));
        match column_type {
            ColumnType::Boolean => match text.to_ascii_lowercase().as_str() {
                "true" | "t" | "yes" | "on" | "1" => Some(Self::Boolean(true)),
                "false" | "f" | "no" | "off" | "0" => Some(Self::Boolean(false)),
                _ => None,
            },
            ColumnType::Bigint => text.parse().ok().map(Self::Bigint),
            ColumnType::Double => double(text).map(Self::Double),
            ColumnType::Numeric => checked(is_decimal(text) || text.eq_ignore_ascii_case("nan")),
            ColumnType::Date => checked(date(text).is_some()),
            ColumnType::Time => checked(Time::parse(text, TIME).is_ok()),
            ColumnType::Timestamp => timestamp(text, false).map(Self::Text),
            ColumnType::Timestamptz => timestamp(text, true).map(Self::Text),
            ColumnType::Uuid => Uuid::try_parse(text).ok().map(|uuid| Self::Text(uuid.to_string())),
            ColumnType::Text => checked(!text.contains('\0')),
            ColumnType::Json => {
                checked(!text.contains("\\u0000") && serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok())
            }
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
            ColumnType::Json => "JSON without U+0000",
        }
    }
}

fn double(text: &str) -> Option<f64> {
    let known = is_decimal(text) || matches!(text, "NaN" | "Infinity" | "-Infinity");
    text.parse().ok().filter(|value: &f64| known && (value.is_finite() || !is_decimal(text)))
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

/// ISO 8601, `T` or a space in the middle; a date alone is its midnight. Without an offset a `zoned` one is UTC; a `+` that a URL has turned into a space is one.
fn timestamp(text: &str, zoned: bool) -> Option<String> {
    let (day, rest) = text.split_at_checked(10)?;
    let date = date(day)?;
    let (time, offset) = match rest.strip_prefix(['T', 't', ' ']) {
        None if rest.is_empty() => (Time::MIDNIGHT, None),
        None => return None,
        Some(rest) => {
            let (time, offset) = rest.split_at(rest.find(['Z', 'z', '+', '-', ' ']).unwrap_or(rest.len()));
            (Time::parse(time, TIME).ok()?, Some(offset).filter(|offset| !offset.is_empty()))
        }
    };
    let local = PrimitiveDateTime::new(date, time);
    if !zoned {
        return offset.is_none().then(|| spelling(local));
    }
    let offset = match offset {
        None | Some("Z" | "z") => UtcOffset::UTC,
        Some(offset) => UtcOffset::parse(&offset.replacen(' ', "+", 1), OFFSET).ok()?,
    };
    let instant = local.assume_offset(offset).checked_to_offset(UtcOffset::UTC)?;
    Some(spelling(PrimitiveDateTime::new(instant.date(), instant.time())) + "Z")
}

/// Of the years that four digits write.
fn date(text: &str) -> Option<Date> {
    Date::parse(text, DATE).ok().filter(|date| date.year() > 0 && text.len() == 10)
}

fn spelling(time: PrimitiveDateTime) -> String {
    let (date, clock) = (time.date(), time.time());
    format!(
        "{:04}-{:02}-{:02} {:02}:{:02}:{:02}.{:06}",
        date.year(),
        u8::from(date.month()),
        date.day(),
        clock.hour(),
        clock.minute(),
        clock.second(),
        clock.microsecond()
    )
}
