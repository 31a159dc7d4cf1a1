//! Days and times that a query compares with, in ISO 8601; each comes out in a spelling that Postgres reads.

use time::{Date, Month, Time, format_description::BorrowedFormatItem, macros::format_description};

const TIME: &[BorrowedFormatItem<'_>] =
    format_description!("[hour]:[minute][optional [:[second][optional [.[subsecond]]]]]");
/// The last ones that Postgres has whole.
const DATE_YEAR_MAX: u32 = 5_874_897;
const TIMESTAMP_YEAR_MAX: u32 = 294_275;
/// Postgres takes less than 16 hours.
const OFFSET_HOURS_MAX: u8 = 15;

/// `2026-01-31`, or one of the two that lie beyond all days.
pub fn date(text: &str) -> Option<String> {
    infinite(text).or_else(|| is_day(text, DATE_YEAR_MAX).then(|| text.to_owned()))
}

/// `13:45`, `13:45:00.5`; a day ends at `24:00`.
pub fn clock(text: &str) -> Option<String> {
    let zeros = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte == b'0');
    let end = text
        .strip_prefix("24:00")
        .is_some_and(|rest| matches!(rest, "" | ":00") || rest.strip_prefix(":00.").is_some_and(zeros));
    (end || Time::parse(text, TIME).is_ok()).then(|| text.to_owned())
}

/// `T` or a space in the middle; a date alone is its midnight. Without an offset a `zoned` one is UTC; a `+` that a URL has turned into a space is one.
pub fn timestamp(text: &str, zoned: bool) -> Option<String> {
    if let Some(infinite) = infinite(text) {
        return Some(infinite);
    }
    let (day, rest) = text.split_once(['T', 't', ' ']).unwrap_or((text, "00:00"));
    let (time, shift) = rest.split_at(rest.find(['Z', 'z', '+', '-', ' ']).unwrap_or(rest.len()));
    Time::parse(time, TIME).ok()?;
    let shift = match (zoned, shift) {
        (false, "") => String::new(),
        (false, _) => return None,
        (true, "" | "Z" | "z") => "Z".to_owned(),
        (true, shift) => offset(shift)?,
    };
    is_day(day, TIMESTAMP_YEAR_MAX).then(|| format!("{day} {time}{shift}"))
}

fn infinite(text: &str) -> Option<String> {
    ["infinity", "-infinity"].into_iter().find(|name| text.eq_ignore_ascii_case(name)).map(str::to_owned)
}

/// Of a year of at least four digits, from 1 on.
fn is_day(text: &str, year_max: u32) -> bool {
    let number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<u32>().ok())?;
    let mut parts = text.split('-');
    let (Some(year), Some(month), Some(day), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return false;
    };
    if year.len() < 4 || month.len() != 2 || day.len() != 2 {
        return false;
    }
    let Some(year) = number(year).filter(|year| (1..=year_max).contains(year)) else { return false };
    // The calendar repeats itself after 400 years.
    let year = i32::try_from(2000 + year % 400).ok();
    let month = number(month).and_then(|month| u8::try_from(month).ok()).and_then(|month| Month::try_from(month).ok());
    let day = number(day).and_then(|day| u8::try_from(day).ok());
    let (Some(year), Some(month), Some(day)) = (year, month, day) else { return false };
    Date::from_calendar_date(year, month, day).is_ok()
}

/// `+02`, `-0230`, `+02:30`.
fn offset(text: &str) -> Option<String> {
    let (sign, digits) = text.split_at_checked(1)?;
    let sign = if sign == "-" { "-" } else { "+" };
    let (hours, minutes) = digits.split_at_checked(2)?;
    let minutes = match minutes {
        "" => "00",
        minutes => minutes.strip_prefix(':').unwrap_or(minutes),
    };
    let within = |text: &str, max: u8| {
        text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse().is_ok_and(|n: u8| n <= max)
    };
    (within(hours, OFFSET_HOURS_MAX) && within(minutes, 59)).then(|| format!("{sign}{hours}:{minutes}"))
}
