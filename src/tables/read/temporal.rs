//! Dates and times: ISO 8601, and the orders and marks that people write elsewhere.
//!
//! Years are 0001 to 9999. `24:00` and leap seconds are none, since Postgres would print the next day or minute.

/// Days and microseconds count from 1970-01-01.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Temporal {
    Date(i32),
    Timestamp(i64),
    Timestamptz(i64),
}

/// How the dates of a column are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum DateStyle {
    Iso,
    /// `2026/11/23`, and ISO among them.
    YearFirst,
    /// `23/11/2026`, `23.11.26`
    DayFirst,
    /// `11/23/2026`
    MonthFirst,
    /// `23 Nov 2026`, `Nov 23, 2026`
    MonthName,
}

impl DateStyle {
    pub const ALL: [Self; 5] = [Self::Iso, Self::YearFirst, Self::DayFirst, Self::MonthFirst, Self::MonthName];
}

const MICROS: i64 = 1_000_000;
const DAY_MICROS: i64 = 86_400 * MICROS;
/// Postgres keeps microseconds.
const FRACTION_DIGITS_MAX: usize = 6;
/// Postgres takes offsets below sixteen hours.
const OFFSET_HOURS_MAX: i64 = 15;
/// Two digits up to this one are of this century.
const PIVOT: i32 = 68;

/// `YYYY-MM-DD`, or that with `T` or a space and `HH:MM[:SS[.fraction]]`, or that with `Z`, ` UTC`, `±HH`, `±HHMM` or `±HH:MM`. Digits of the fraction beyond
/// microseconds may only be zeros.
pub(super) fn iso(text: &[u8]) -> Option<Temporal> {
    let (date, rest) = text.split_at_checked(10)?;
    let days = iso_date(date)?;
    let rest = match rest {
        [] => return Some(Temporal::Date(days)),
        [b'T' | b' ', rest @ ..] => rest,
        _ => return None,
    };
    let (micros, rest) = clock(rest, 2)?;
    let instant = i64::from(days) * DAY_MICROS + micros;
    match rest {
        [] => Some(Temporal::Timestamp(instant)),
        b"Z" | b" UTC" => Some(Temporal::Timestamptz(instant)),
        // An offset could move these into a year that has no four digits.
        _ if date == b"0001-01-01" || date == b"9999-12-31" => None,
        offset => Some(Temporal::Timestamptz(instant - offset_seconds(offset)? * MICROS)),
    }
}

fn iso_date(text: &[u8]) -> Option<i32> {
    let [y0, y1, y2, y3, b'-', m0, m1, b'-', d0, d1] = *text else { return None };
    let year = two(y0, y1)? * 100 + two(y2, y3)?;
    days(i32::from(year), i32::from(two(m0, m1)?), i32::from(two(d0, d1)?))
}

/// A text in one of the styles.
pub(super) fn styled(text: &[u8], style: DateStyle) -> Option<Temporal> {
    if style == DateStyle::Iso {
        return iso(text);
    }
    let written = Written::parse(text)?;
    let days = written.days(style)?;
    Some(match written.clock {
        None => Temporal::Date(days),
        Some(micros) => Temporal::Timestamp(i64::from(days) * DAY_MICROS + micros),
    })
}

/// The styles that a text can be in, and what it is in them; `None` if there is none. Not for ISO's own form.
pub(super) fn styles(text: &[u8]) -> Option<(Temporal, impl Fn(DateStyle) -> bool)> {
    let written = Written::parse(text)?;
    let first = DateStyle::ALL.into_iter().find(|style| written.days(*style).is_some())?;
    let kind = match written.clock {
        None => Temporal::Date(written.days(first)?),
        Some(micros) => Temporal::Timestamp(micros),
    };
    Some((kind, move |style| written.days(style).is_some()))
}

/// A time of day in microseconds: `9:30`, `09:30:15.25`, `9:30 PM`.
pub(super) fn time_of_day(text: &[u8]) -> Option<i64> {
    match clock(text, 1)? {
        (micros, []) => Some(micros),
        (micros, rest) => half_of_day(micros, rest),
    }
}

/// A date as it stands in a text, its parts not yet told apart.
struct Written {
    date: Parts,
    /// Microseconds since midnight.
    clock: Option<i64>,
}

#[derive(Clone, Copy)]
enum Parts {
    /// `2026/11/23`, with the dashes of ISO too.
    YearFirst(i32, i32, i32),
    /// Day and month in the order that is to be told; `dots` are only written with the day first.
    Open {
        first: i32,
        second: i32,
        year: i32,
        dots: bool,
    },
    Named(i32, i32, i32),
}

impl Written {
    fn parse(text: &[u8]) -> Option<Self> {
        let (date, rest) = match text.first()? {
            b'0'..=b'9' => numbered(text)?,
            _ => month_first(text)?,
        };
        let clock = match rest {
            [] => None,
            [b' ' | b'T', rest @ ..] | [b',', b' ', rest @ ..] => Some(time_of_day(rest)?),
            _ => return None,
        };
        Some(Self { date, clock })
    }

    fn days(&self, style: DateStyle) -> Option<i32> {
        match (style, self.date) {
            (DateStyle::YearFirst, Parts::YearFirst(year, month, day))
            | (DateStyle::MonthName, Parts::Named(year, month, day)) => days(year, month, day),
            (DateStyle::DayFirst, Parts::Open { first, second, year, .. }) => days(year, second, first),
            (DateStyle::MonthFirst, Parts::Open { first, second, year, dots: false }) => days(year, first, second),
            _ => None,
        }
    }
}

/// What begins with a digit.
fn numbered(text: &[u8]) -> Option<(Parts, &[u8])> {
    let (first, digits, rest) = number(text)?;
    let (separator, rest) = rest.split_first()?;
    if !matches!(separator, b'/' | b'-' | b'.' | b' ') {
        return None;
    }
    if rest.first()?.is_ascii_alphabetic() {
        let (month, rest) = month(rest)?;
        let rest = rest.strip_prefix(&[*separator]).or_else(|| rest.strip_prefix(b", "))?;
        let (year, rest) = year(rest)?;
        return (digits <= 2).then_some((Parts::Named(year, month, first), rest));
    }
    if *separator == b' ' {
        return None;
    }
    let (second, second_digits, rest) = number(rest)?;
    let rest = rest.strip_prefix(&[*separator])?;
    match digits {
        4 => {
            let (third, third_digits, rest) = number(rest)?;
            let short = second_digits <= 2 && third_digits <= 2;
            short.then_some((Parts::YearFirst(first, second, third), rest))
        }
        1 | 2 if second_digits <= 2 => {
            let (year, rest) = year(rest)?;
            Some((Parts::Open { first, second, year, dots: *separator == b'.' }, rest))
        }
        _ => None,
    }
}

/// `Nov 23, 2026` and `Nov 23 2026`.
fn month_first(text: &[u8]) -> Option<(Parts, &[u8])> {
    let (month, rest) = month(text)?;
    let (day, digits, rest) = number(rest.strip_prefix(b" ")?)?;
    let rest = rest.strip_prefix(b", ").or_else(|| rest.strip_prefix(b" "))?;
    let (year, rest) = year(rest)?;
    (digits <= 2).then_some((Parts::Named(year, month, day), rest))
}

const MONTHS: [&[u8]; 12] = [
    b"january",
    b"february",
    b"march",
    b"april",
    b"may",
    b"june",
    b"july",
    b"august",
    b"september",
    b"october",
    b"november",
    b"december",
];

/// An English month, whole or its first three letters (`Sept` too), perhaps with a point.
fn month(text: &[u8]) -> Option<(i32, &[u8])> {
    let letters = text.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
    let (word, rest) = text.split_at(letters);
    let is = |name: &&[u8]| {
        word.eq_ignore_ascii_case(name)
            || word.eq_ignore_ascii_case(&name[..3])
            || (word.len() == 4 && word.eq_ignore_ascii_case(b"sept") && name.starts_with(b"sept"))
    };
    let index = MONTHS.iter().position(is)?;
    Some((i32::try_from(index).ok()? + 1, rest.strip_prefix(b".").unwrap_or(rest)))
}

/// Four digits, or two of which the century is understood.
fn year(text: &[u8]) -> Option<(i32, &[u8])> {
    let (year, digits, rest) = number(text)?;
    match digits {
        4 => Some((year, rest)),
        2 if year <= PIVOT => Some((2000 + year, rest)),
        2 => Some((1900 + year, rest)),
        _ => None,
    }
}

/// One to four digits, and how many.
fn number(text: &[u8]) -> Option<(i32, usize, &[u8])> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if !(1..=4).contains(&digits) {
        return None;
    }
    let value = text[..digits].iter().fold(0, |value, digit| value * 10 + i32::from(digit - b'0'));
    Some((value, digits, &text[digits..]))
}

/// Microseconds since midnight, and what follows. `hour_digits_min`: ISO has two.
fn clock(text: &[u8], hour_digits_min: usize) -> Option<(i64, &[u8])> {
    let (hour, digits, rest) = number(text)?;
    let [b':', m0, m1, rest @ ..] = rest else { return None };
    let minute = two(*m0, *m1)?;
    if !(hour_digits_min..=2).contains(&digits) || hour > 23 || minute > 59 {
        return None;
    }
    let minutes = i64::from(hour) * 60 + i64::from(minute);
    let [b':', s0, s1, rest @ ..] = rest else { return Some((minutes * 60 * MICROS, rest)) };
    let second = two(*s0, *s1)?;
    if second > 59 {
        return None;
    }
    let micros = (minutes * 60 + i64::from(second)) * MICROS;
    let [b'.', rest @ ..] = rest else { return Some((micros, rest)) };
    let (fraction, rest) = rest.split_at(rest.iter().take_while(|byte| byte.is_ascii_digit()).count());
    let lost = fraction.iter().skip(FRACTION_DIGITS_MAX).any(|digit| *digit != b'0');
    let digit = |at| fraction.get(at).map_or(0, |digit| i64::from(digit - b'0'));
    let fraction_micros = (0..FRACTION_DIGITS_MAX).fold(0, |value, at| value * 10 + digit(at));
    (!fraction.is_empty() && !lost).then_some((micros + fraction_micros, rest))
}

/// ` PM` behind a time: 12 is the hour 0 of its half.
fn half_of_day(micros: i64, rest: &[u8]) -> Option<i64> {
    const HOUR: i64 = 3600 * MICROS;
    let afternoon = match rest.strip_prefix(b" ").unwrap_or(rest) {
        [b'a' | b'A', b'm' | b'M'] => false,
        [b'p' | b'P', b'm' | b'M'] => true,
        _ => return None,
    };
    let hour = micros / HOUR;
    (1..=12).contains(&hour).then(|| micros + ((hour % 12) + if afternoon { 12 } else { 0 } - hour) * HOUR)
}

fn offset_seconds(text: &[u8]) -> Option<i64> {
    let (sign, hours, minutes) = match *text {
        [sign @ (b'+' | b'-'), h0, h1] => (sign, two(h0, h1)?, 0),
        [sign @ (b'+' | b'-'), h0, h1, m0, m1] | [sign @ (b'+' | b'-'), h0, h1, b':', m0, m1] => {
            (sign, two(h0, h1)?, two(m0, m1)?)
        }
        _ => return None,
    };
    let (hours, minutes) = (i64::from(hours), i64::from(minutes));
    let seconds = hours * 3600 + minutes * 60;
    (hours <= OFFSET_HOURS_MAX && minutes < 60).then_some(if sign == b'-' { -seconds } else { seconds })
}

fn two(tens: u8, ones: u8) -> Option<u16> {
    let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
    (tens < 10 && ones < 10).then(|| u16::from(tens) * 10 + u16::from(ones))
}

/// Days since 1970-01-01 of a day of the Gregorian calendar, if there is such a day.
///
/// Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `days_from_civil`.
fn days(year: i32, month: i32, day: i32) -> Option<i32> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let last = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => return None,
    };
    if !(1..=9999).contains(&year) || !(1..=last).contains(&day) {
        return None;
    }
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    Some(era * 146_097 + day_of_era - 719_468)
}

/// Year, month and day of a number of days since 1970-01-01; the way back of `days`.
pub(super) fn civil(days: i32) -> (i64, i64, i64) {
    let days = i64::from(days) + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day_of_year - (153 * shifted + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::{DateStyle, Temporal, civil, days, iso, styled, styles, time_of_day};

    #[test]
    fn days_are_counted_through_the_whole_calendar_and_back() {
        assert_eq!(days(1970, 1, 1), Some(0));
        assert_eq!(days(2000, 1, 1), Some(10_957));
        assert_eq!(days(1, 1, 1), Some(-719_162));
        let mut expected = -719_162;
        for year in 1..=9999 {
            for month in 1..=12 {
                for day in 1..=31 {
                    let Some(found) = days(year, month, day) else { continue };
                    assert_eq!(found, expected);
                    assert_eq!(civil(found), (i64::from(year), i64::from(month), i64::from(day)));
                    expected += 1;
                }
            }
        }
        assert_eq!(expected, 2_932_897);
    }

    #[test]
    fn dates_are_read_in_the_style_that_the_column_has() {
        let at = |text: &str, style| match styled(text.as_bytes(), style) {
            Some(Temporal::Date(days)) => Some(civil(days)),
            _ => None,
        };
        assert_eq!(at("23/11/2026", DateStyle::DayFirst), Some((2026, 11, 23)));
        assert_eq!(at("11/23/2026", DateStyle::MonthFirst), Some((2026, 11, 23)));
        assert_eq!(at("23/11/2026", DateStyle::MonthFirst), None);
        assert_eq!(at("3.4.26", DateStyle::DayFirst), Some((2026, 4, 3)));
        assert_eq!(at("3.4.26", DateStyle::MonthFirst), None);
        assert_eq!(at("31-Dec-99", DateStyle::MonthName), Some((1999, 12, 31)));
        assert_eq!(at("Dec 31, 2026", DateStyle::MonthName), Some((2026, 12, 31)));
        assert_eq!(at("2026/1/2", DateStyle::YearFirst), Some((2026, 1, 2)));
        assert_eq!(at("2026-01-02", DateStyle::YearFirst), Some((2026, 1, 2)));
        assert_eq!(at("30/02/2026", DateStyle::DayFirst), None);
        let possible = |text: &str| {
            styles(text.as_bytes()).map(|(_, is)| DateStyle::ALL.into_iter().filter(|style| is(*style)).count())
        };
        assert_eq!(possible("01/02/2026"), Some(2));
        assert_eq!(possible("13/02/2026"), Some(1));
        assert_eq!(possible("13/13/2026"), None);
        assert_eq!(possible("555-1234"), None);
    }

    #[test]
    fn times_are_counted_in_microseconds() {
        assert_eq!(time_of_day(b"9:30"), Some(34_200_000_000));
        assert_eq!(time_of_day(b"12:00 AM"), Some(0));
        assert_eq!(time_of_day(b"12:00:00.5 pm"), Some(43_200_500_000));
        assert_eq!(time_of_day(b"13:00 PM"), None);
        assert_eq!(time_of_day(b"24:00"), None);
        assert_eq!(iso(b"1970-01-01T00:00:01+01:00"), Some(Temporal::Timestamptz(-3_599_000_000)));
        assert_eq!(iso(b"1969-12-31 23:59:59.25"), Some(Temporal::Timestamp(-750_000)));
    }
}
