//! Dates and times of ISO 8601, in the forms that Postgres reads as the same value whatever its settings.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Temporal {
    Date,
    Timestamp,
    Timestamptz,
}

/// Postgres keeps microseconds.
const FRACTION_DIGITS_MAX: usize = 6;
/// Postgres takes offsets below sixteen hours.
const OFFSET_HOURS_MAX: u32 = 15;

/// `YYYY-MM-DD`, or that with `T` or a space and `HH:MM[:SS[.fraction]]`, or that with `Z`, `±HH`, `±HHMM` or `±HH:MM`. Years are 0001 to 9999. Digits of the
/// fraction beyond microseconds may only be zeros. `24:00` and leap seconds are none, since Postgres would print the next day or minute.
pub(super) fn parse(text: &[u8]) -> Option<Temporal> {
    let (date, rest) = text.split_at_checked(10)?;
    if !is_date(date) {
        return None;
    }
    let rest = match rest {
        [] => return Some(Temporal::Date),
        [b'T' | b' ', rest @ ..] => time(rest)?,
        _ => return None,
    };
    match rest {
        [] => Some(Temporal::Timestamp),
        b"Z" => Some(Temporal::Timestamptz),
        // An offset could move these into a year that has no four digits.
        _ if date == b"0001-01-01" || date == b"9999-12-31" => None,
        offset => is_offset(offset).then_some(Temporal::Timestamptz),
    }
}

fn is_date(text: &[u8]) -> bool {
    let [y0, y1, y2, y3, b'-', m0, m1, b'-', d0, d1] = *text else { return false };
    let (Some(century), Some(year), Some(month), Some(day)) = (two(y0, y1), two(y2, y3), two(m0, m1), two(d0, d1))
    else {
        return false;
    };
    let year = century * 100 + year;
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => 0,
    };
    year > 0 && (1..=days).contains(&day)
}

/// What follows a valid time of day.
fn time(text: &[u8]) -> Option<&[u8]> {
    let [h0, h1, b':', m0, m1, rest @ ..] = text else { return None };
    if two(*h0, *h1)? > 23 || two(*m0, *m1)? > 59 {
        return None;
    }
    let [b':', s0, s1, rest @ ..] = rest else { return Some(rest) };
    if two(*s0, *s1)? > 59 {
        return None;
    }
    let [b'.', rest @ ..] = rest else { return Some(rest) };
    let (fraction, rest) = rest.split_at(rest.iter().take_while(|byte| byte.is_ascii_digit()).count());
    let lost = fraction.iter().skip(FRACTION_DIGITS_MAX).any(|digit| *digit != b'0');
    (!fraction.is_empty() && !lost).then_some(rest)
}

fn is_offset(text: &[u8]) -> bool {
    let (hours, minutes) = match *text {
        [b'+' | b'-', h0, h1] => (two(h0, h1), Some(0)),
        [b'+' | b'-', h0, h1, m0, m1] | [b'+' | b'-', h0, h1, b':', m0, m1] => (two(h0, h1), two(m0, m1)),
        _ => return false,
    };
    hours.is_some_and(|hours| hours <= OFFSET_HOURS_MAX) && minutes.is_some_and(|minutes| minutes < 60)
}

fn two(tens: u8, ones: u8) -> Option<u32> {
    let digit = |byte: u8| char::from(byte).to_digit(10);
    Some(digit(tens)? * 10 + digit(ones)?)
}
