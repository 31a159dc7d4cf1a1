//! Values as text, in Postgres' own spelling or that of RFC 3339; every byte is written once, and nothing is allocated for a cell.

use super::{
    cell::{Moment, Value},
    decimal::Decimal,
    numeric::Numeric,
};
use crate::error::Result;

/// `00` to `99`.
const PAIRS: [[u8; 2]; 100] = {
    let mut pairs = [[0; 2]; 100];
    let mut value: u8 = 0;
    while value < 100 {
        pairs[value as usize] = [b'0' + value / 10, b'0' + value % 10];
        value += 1;
    }
    pairs
};

/// How days and instants are written.
#[derive(Debug, Clone, Copy)]
pub struct Spelling {
    /// Between a day and its time.
    between: u8,
    utc: &'static [u8],
    /// Years before the first as negative ones and 0, not as `BC`.
    astronomical: bool,
}

/// `2026-01-02 03:04:05+00`
pub const POSTGRES: Spelling = Spelling { between: b' ', utc: b"+00", astronomical: false };
/// `2026-01-02T03:04:05+00:00`
pub const RFC3339: Spelling = Spelling { between: b'T', utc: b"+00:00", astronomical: true };

/// Appends a value, without quotes.
pub fn value(value: Value<'_>, spelling: Spelling, out: &mut Vec<u8>) -> Result<()> {
    match value {
        Value::Boolean(value) => out.extend_from_slice(if value { b"true" } else { b"false" }),
        Value::Bigint(value) => integer(value, out),
        Value::Double(value) => double(value, out)?,
        Value::Numeric(Numeric::Finite(digits)) => digits.write(out),
        Value::Numeric(Numeric::NaN) => out.extend_from_slice(b"NaN"),
        Value::Numeric(Numeric::Infinity) => out.extend_from_slice(b"Infinity"),
        Value::Numeric(Numeric::NegativeInfinity) => out.extend_from_slice(b"-Infinity"),
        Value::Date(day) => moment(day, spelling, out, |_, _| {}),
        Value::Time(micros) => clock(micros, out),
        Value::Timestamp(instant) => moment(instant, spelling, out, |out, micros| {
            out.push(spelling.between);
            clock(micros, out);
        }),
        Value::Timestamptz(instant) => moment(instant, spelling, out, |out, micros| {
            out.push(spelling.between);
            clock(micros, out);
            out.extend_from_slice(spelling.utc);
        }),
        Value::Uuid(bytes) => uuid(bytes, out),
        Value::Text(bytes) | Value::Json(bytes) => out.extend_from_slice(bytes),
    }
    Ok(())
}

pub fn integer(value: i64, out: &mut Vec<u8>) {
    if value < 0 {
        out.push(b'-');
    }
    unsigned(value.unsigned_abs(), out);
}

#[expect(clippy::cast_possible_truncation, reason = "a remainder of 100 is less than 100")]
pub(super) fn unsigned(mut value: u64, out: &mut Vec<u8>) {
    let mut digits = [0; 20];
    let mut start = digits.len();
    while value >= 10 {
        start -= 2;
        digits[start..start + 2].copy_from_slice(&pair((value % 100) as u8));
        value /= 100;
    }
    if value > 0 || start == digits.len() {
        start -= 1;
        digits[start] = b'0' + value as u8;
    } else if digits[start] == b'0' {
        start += 1;
    }
    out.extend_from_slice(&digits[start..]);
}

fn pair(value: u8) -> [u8; 2] {
    PAIRS[usize::from(value % 100)]
}

/// Four digits of a number below 10,000.
pub(super) fn four(value: u16) -> [u8; 4] {
    let ([a, b], [c, d]) = (pair((value / 100 % 100) as u8), pair((value % 100) as u8));
    [a, b, c, d]
}

fn double(value: f64, out: &mut Vec<u8>) -> Result<()> {
    if value.is_nan() {
        out.extend_from_slice(b"NaN");
        return Ok(());
    }
    if value.is_sign_negative() {
        out.push(b'-');
    }
    if value.is_infinite() {
        out.extend_from_slice(b"Infinity");
        return Ok(());
    }
    if value == 0.0 {
        out.push(b'0');
        return Ok(());
    }
    Decimal::of(value.abs())?.write(out);
    Ok(())
}

/// A day, with what `behind` writes of its time.
fn moment(moment: Moment, spelling: Spelling, out: &mut Vec<u8>, behind: impl FnOnce(&mut Vec<u8>, i64)) {
    let (days, micros) = match moment {
        Moment::Past => return out.extend_from_slice(b"-infinity"),
        Moment::Future => return out.extend_from_slice(b"infinity"),
        Moment::At { days, micros } => (days, micros),
    };
    let (year, month, of_month) = civil(days);
    // There is no year 0: the one before 1 is 1 BC.
    let before_christ = year < 1 && !spelling.astronomical;
    let shown = if before_christ { 1 - year } else { year };
    if shown < 0 {
        out.push(b'-');
    }
    match u16::try_from(shown.unsigned_abs()) {
        Ok(shown @ ..10_000) => out.extend_from_slice(&four(shown)),
        _ => unsigned(shown.unsigned_abs(), out),
    }
    let ([a, b], [c, d]) = (pair(month), pair(of_month));
    out.extend_from_slice(&[b'-', a, b, b'-', c, d]);
    behind(out, micros);
    if before_christ {
        out.extend_from_slice(b" BC");
    }
}

/// Year, month and day of a count of days from 1970-01-01, in the Gregorian calendar also before it was one.
///
/// Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "days and months are below 32")]
fn civil(days: i64) -> (i64, u8, u8) {
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = (of_year - (153 * shifted + 2) / 5 + 1) as u8;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 } as u8;
    (year + era * 400 + i64::from(month <= 2), month, day)
}

/// `03:04:05`, and the fraction without zeros at its end.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "each is a remainder, and small")]
fn clock(micros: i64, out: &mut Vec<u8>) {
    let (seconds, mut fraction) = (micros / 1_000_000, (micros % 1_000_000) as u32);
    let [hours, minutes, seconds] =
        [(seconds / 3_600) as u8, (seconds / 60 % 60) as u8, (seconds % 60) as u8].map(pair);
    out.extend_from_slice(&[hours[0], hours[1], b':', minutes[0], minutes[1], b':', seconds[0], seconds[1]]);
    if fraction == 0 {
        return;
    }
    let mut digits = *b".000000";
    for digit in digits.iter_mut().skip(1).rev() {
        *digit = b'0' + (fraction % 10) as u8;
        fraction /= 10;
    }
    let end = digits.iter().rposition(|digit| *digit != b'0').map_or(0, |at| at + 1);
    out.extend_from_slice(&digits[..end]);
}

fn uuid(bytes: [u8; 16], out: &mut Vec<u8>) {
    let mut buffer = [0; uuid::fmt::Hyphenated::LENGTH];
    out.extend_from_slice(uuid::Uuid::from_bytes(bytes).hyphenated().encode_lower(&mut buffer).as_bytes());
}
