//! One cell, from Postgres' binary form to the text that Postgres itself would write, or to JSON.
//!
//! The forms are those of the `…send` functions in Postgres' sources; a form that is none of them is an error of ours, never a panic.

use crate::{
    catalogue::ColumnType,
    error::{Error, Result},
};
use std::io::Write;

/// Days from 1970-01-01 to Postgres' epoch, 2000-01-01.
const EPOCH_DAYS: i64 = 10_957;
const DAY_MICROS: i64 = 86_400_000_000;

/// Appends a value as Postgres spells it; `false` for booleans and their like in lower case.
pub fn text(column_type: ColumnType, cell: &[u8], out: &mut Vec<u8>) -> Result<()> {
    match column_type {
        ColumnType::Boolean => out.extend_from_slice(if array::<1>(cell)? == [0] { b"false" } else { b"true" }),
        ColumnType::Bigint => integer(i64::from_be_bytes(array(cell)?), out),
        ColumnType::Numeric => numeric(cell, out)?,
        ColumnType::Double => double(f64::from_be_bytes(array(cell)?), out),
        ColumnType::Date => moment(Moment::of_date(array(cell)?), Style::POSTGRES, out),
        ColumnType::Timestamp => moment(Moment::of_timestamp(array(cell)?, false), Style::POSTGRES, out),
        ColumnType::Timestamptz => moment(Moment::of_timestamp(array(cell)?, true), Style::POSTGRES, out),
        ColumnType::Time => clock(i64::from_be_bytes(array(cell)?), out),
        ColumnType::Uuid => {
            let mut buffer = uuid::Uuid::encode_buffer();
            let spelled = uuid::Uuid::from_bytes(array(cell)?).as_hyphenated().encode_lower(&mut buffer);
            out.extend_from_slice(spelled.as_bytes());
        }
        ColumnType::Text | ColumnType::Json => out.extend_from_slice(cell),
    }
    Ok(())
}

/// Appends a value as JSON. JSON has no NaN and no infinity: they become null.
pub fn json(column_type: ColumnType, cell: &[u8], out: &mut Vec<u8>) -> Result<()> {
    match column_type {
        ColumnType::Boolean | ColumnType::Bigint => text(column_type, cell, out)?,
        ColumnType::Double => match f64::from_be_bytes(array(cell)?) {
            value if value.is_finite() => double(value, out),
            _ => out.extend_from_slice(b"null"),
        },
        ColumnType::Numeric => match array::<2>(cell.get(4..6).unwrap_or_default())? {
            [0x00 | 0x40, _] => numeric(cell, out)?,
            _ => out.extend_from_slice(b"null"),
        },
        // A line end in valid JSON is white space between its tokens, and would cut a line of NDJSON in two.
        ColumnType::Json => {
            out.extend(cell.iter().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte }));
        }
        ColumnType::Text => {
            let text = std::str::from_utf8(cell).map_err(Error::internal)?;
            serde_json::to_writer(out, text).map_err(Error::internal)?;
        }
        ColumnType::Date | ColumnType::Timestamp | ColumnType::Timestamptz => {
            let value = match column_type {
                ColumnType::Date => Moment::of_date(array(cell)?),
                column_type => Moment::of_timestamp(array(cell)?, column_type == ColumnType::Timestamptz),
            };
            out.push(b'"');
            moment(value, Style::RFC_3339, out);
            out.push(b'"');
        }
        ColumnType::Time | ColumnType::Uuid => {
            out.push(b'"');
            text(column_type, cell, out)?;
            out.push(b'"');
        }
    }
    Ok(())
}

fn array<const N: usize>(cell: &[u8]) -> Result<[u8; N]> {
    cell.try_into().map_err(|_| Error::internal("a cell is not in the binary form of its type"))
}

fn integer(value: i64, out: &mut Vec<u8>) {
    if value < 0 {
        out.push(b'-');
    }
    digits(value.unsigned_abs(), 1, out);
}

/// At least `width` digits.
fn digits(mut value: u64, width: usize, out: &mut Vec<u8>) {
    const DIGITS_MAX: usize = 20;
    let mut buffer = [b'0'; DIGITS_MAX];
    let mut start = DIGITS_MAX;
    for place in buffer.iter_mut().rev() {
        if value == 0 {
            break;
        }
        *place = b'0' + u8::try_from(value % 10).unwrap_or_default();
        value /= 10;
        start -= 1;
    }
    let start = start.min(DIGITS_MAX.saturating_sub(width));
    out.extend_from_slice(buffer.get(start..).unwrap_or_default());
}

/// The shortest digits that read back as the same value; exponents where Postgres writes them.
fn double(value: f64, out: &mut Vec<u8>) {
    const BYTES_MAX: usize = 32;
    if !value.is_finite() {
        let name: &[u8] = if value.is_nan() {
            b"NaN"
        } else if value > 0.0 {
            b"Infinity"
        } else {
            b"-Infinity"
        };
        return out.extend_from_slice(name);
    }
    let mut buffer = [0; BYTES_MAX];
    let mut rest = buffer.as_mut_slice();
    let written = match write!(rest, "{:e}", value.abs()) {
        Ok(()) => BYTES_MAX - rest.len(),
        Err(_) => 0,
    };
    let shortest = std::str::from_utf8(buffer.get(..written).unwrap_or_default()).unwrap_or_default();
    let (mantissa, exponent) = shortest.split_once('e').unwrap_or((shortest, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if value.is_sign_negative() {
        out.push(b'-');
    }
    if !(-4..15).contains(&exponent) {
        out.extend_from_slice(mantissa.as_bytes());
        out.extend_from_slice(if exponent < 0 { b"e-" } else { b"e+" });
        return digits(exponent.unsigned_abs().into(), 2, out);
    }
    let significant = mantissa.bytes().filter(|byte| *byte != b'.');
    let before = usize::try_from(exponent + 1).unwrap_or(0);
    if before == 0 {
        out.extend_from_slice(b"0.");
        out.extend(std::iter::repeat_n(b'0', usize::try_from(-exponent - 1).unwrap_or(0)));
        return out.extend(significant);
    }
    let count = significant.clone().count();
    out.extend(significant.clone().take(before));
    out.extend(std::iter::repeat_n(b'0', before.saturating_sub(count)));
    if count > before {
        out.push(b'.');
        out.extend(significant.skip(before));
    }
}

/// A count of digits to the base 10,000, the weight of the first, a sign, how many decimals are shown, and the digits.
fn numeric(cell: &[u8], out: &mut Vec<u8>) -> Result<()> {
    let word = |at: usize| -> Result<[u8; 2]> { array(cell.get(at * 2..at * 2 + 2).unwrap_or_default()) };
    let weight = i32::from(i16::from_be_bytes(word(1)?));
    let decimals = usize::from(u16::from_be_bytes(word(3)?));
    match u16::from_be_bytes(word(2)?) {
        0x0000 => {}
        0x4000 => out.push(b'-'),
        special => {
            let name: &[u8] = match special {
                0xD000 => b"Infinity",
                0xF000 => b"-Infinity",
                _ => b"NaN",
            };
            out.extend_from_slice(name);
            return Ok(());
        }
    }
    let groups = cell.get(8..).unwrap_or_default();
    let group = |at: i32| -> u64 {
        let at = usize::try_from(at).unwrap_or(usize::MAX).saturating_mul(2);
        groups
            .get(at..at.saturating_add(2))
            .map_or(0, |group| u64::from(u16::from_be_bytes(group.try_into().unwrap_or_default())))
    };
    if weight < 0 {
        out.push(b'0');
    }
    for at in 0..=weight {
        digits(group(at), if at == 0 { 1 } else { 4 }, out);
    }
    if decimals > 0 {
        out.push(b'.');
        let start = out.len();
        // Groups before the first that is kept are zero.
        for at in (weight + 1..).take(decimals.div_ceil(4)) {
            digits(group(at), 4, out);
        }
        out.truncate(start + decimals);
    }
    Ok(())
}

/// Of a date, a timestamp or an instant.
#[derive(Clone, Copy)]
enum Moment {
    Infinity,
    MinusInfinity,
    At {
        /// From 1970-01-01.
        days: i64,
        /// `None` for a date.
        micros: Option<i64>,
        zoned: bool,
    },
}

#[derive(Clone, Copy)]
struct Style {
    between: u8,
    utc: &'static [u8],
    /// Years before the first as negative ones and 0, not as `BC`.
    astronomical: bool,
}

impl Style {
    const POSTGRES: Self = Self { between: b' ', utc: b"+00", astronomical: false };
    const RFC_3339: Self = Self { between: b'T', utc: b"+00:00", astronomical: true };
}

impl Moment {
    fn of_date(cell: [u8; 4]) -> Self {
        match i32::from_be_bytes(cell) {
            i32::MAX => Self::Infinity,
            i32::MIN => Self::MinusInfinity,
            days => Self::At { days: i64::from(days) + EPOCH_DAYS, micros: None, zoned: false },
        }
    }

    fn of_timestamp(cell: [u8; 8], zoned: bool) -> Self {
        match i64::from_be_bytes(cell) {
            i64::MAX => Self::Infinity,
            i64::MIN => Self::MinusInfinity,
            micros => Self::At {
                days: micros.div_euclid(DAY_MICROS) + EPOCH_DAYS,
                micros: Some(micros.rem_euclid(DAY_MICROS)),
                zoned,
            },
        }
    }
}

fn moment(moment: Moment, style: Style, out: &mut Vec<u8>) {
    let (days, micros, zoned) = match moment {
        Moment::Infinity => return out.extend_from_slice(b"infinity"),
        Moment::MinusInfinity => return out.extend_from_slice(b"-infinity"),
        Moment::At { days, micros, zoned } => (days, micros, zoned),
    };
    let (year, month, day) = civil(days);
    let before_christ = year < 1 && !style.astronomical;
    let shown = if before_christ { 1 - year } else { year };
    if shown < 0 {
        out.push(b'-');
    }
    digits(shown.unsigned_abs(), 4, out);
    for part in [month, day] {
        out.push(b'-');
        digits(part, 2, out);
    }
    if let Some(micros) = micros {
        out.push(style.between);
        clock(micros, out);
        if zoned {
            out.extend_from_slice(style.utc);
        }
    }
    if before_christ {
        out.extend_from_slice(b" BC");
    }
}

/// `HH:MM:SS`, and as many decimals as are needed.
fn clock(micros: i64, out: &mut Vec<u8>) {
    let micros = micros.unsigned_abs();
    let (seconds, part) = (micros / 1_000_000, micros % 1_000_000);
    digits(seconds / 3600, 2, out);
    out.push(b':');
    digits(seconds / 60 % 60, 2, out);
    out.push(b':');
    digits(seconds % 60, 2, out);
    if part > 0 {
        out.push(b'.');
        digits(part, 6, out);
        while out.last() == Some(&b'0') {
            out.pop();
        }
    }
}

/// Year, month and day of the proleptic Gregorian calendar, from days since 1970-01-01: years begin in March and go in cycles of 400.
fn civil(days: i64) -> (i64, u64, u64) {
    let days = days + 719_468;
    let (cycle, day_of_cycle) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_cycle = (day_of_cycle - day_of_cycle / 1460 + day_of_cycle / 36_524 - day_of_cycle / 146_096) / 365;
    let day_of_year = day_of_cycle - (365 * year_of_cycle + year_of_cycle / 4 - year_of_cycle / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year_of_cycle + cycle * 400 + i64::from(month <= 2);
    (year, month.unsigned_abs(), day.unsigned_abs())
}
