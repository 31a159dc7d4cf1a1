//! Doubles in decimal digits: as few as are read back as the same double, written as Postgres does, with an exponent where it has one.

use crate::error::{Error, Result};
use std::io::Write;

/// 17 digits tell each double from all others, and writers add a zero or two.
const DIGITS_MAX: usize = 24;
const SIGNIFICANT_MAX: usize = 17;
/// From here on doubles are whole numbers two or more apart, so that what lies halfway between two of them may have few digits; and until here.
const HALVES: std::ops::Range<f64> = 9_007_199_254_740_992.0..1e41;

/// d.ddd × 10^`exponent`, without zeros at either end.
#[derive(Debug, Clone, Copy)]
pub struct Decimal {
    digits: [u8; DIGITS_MAX],
    count: usize,
    exponent: i32,
}

impl Decimal {
    /// Of a finite value above zero: the fewest digits of a number that is nearer to it than to any other double. Postgres does not take what lies halfway between
    /// two, though it would be read back as the even one.
    pub fn of(value: f64) -> Result<Self> {
        // Its writer of doubles is the fastest in the tree.
        let shortest = Self::read(|mut buffer| {
            serde_json::to_writer(&mut buffer, &value).map_err(Error::internal)?;
            Ok(buffer.len())
        })?;
        if !HALVES.contains(&value) || !shortest.is_halfway(value) {
            return Ok(shortest);
        }
        for significant in shortest.count..SIGNIFICANT_MAX {
            let rounded = Self::rounded(value, significant)?;
            if rounded.value() == Some(value) && !rounded.is_halfway(value) {
                return Ok(rounded);
            }
        }
        Self::rounded(value, SIGNIFICANT_MAX)
    }

    fn rounded(value: f64, significant: usize) -> Result<Self> {
        Self::read(|mut buffer| {
            write!(buffer, "{value:.0$e}", significant.saturating_sub(1)).map_err(Error::internal)?;
            Ok(buffer.len())
        })
    }

    /// Reads what `write` writes; it gives how much of the buffer is left.
    fn read(write: impl FnOnce(&mut [u8]) -> Result<usize>) -> Result<Self> {
        let mut buffer = [0; 40];
        let left = write(&mut buffer)?;
        let written = buffer.get(..buffer.len() - left).unwrap_or_default();
        let (mut digits, mut count, mut leading, mut point, mut exponent) = ([0; DIGITS_MAX], 0, 0, None, 0_i32);
        for (at, byte) in written.iter().enumerate() {
            match byte {
                b'.' => point = Some(leading + count),
                b'e' => {
                    let text = written.get(at + 1..).and_then(|text| std::str::from_utf8(text).ok());
                    exponent = text.and_then(|text| text.parse().ok()).ok_or_else(unreadable)?;
                    break;
                }
                b'0' if count == 0 => leading += 1,
                digit => {
                    *digits.get_mut(count).ok_or_else(unreadable)? = *digit;
                    count += 1;
                }
            }
        }
        let point = point.unwrap_or(leading + count);
        let end = digits.iter().take(count).rposition(|digit| *digit != b'0').map_or(0, |at| at + 1);
        let first = i32::try_from(point).map_err(Error::internal)? - i32::try_from(leading).map_err(Error::internal)?;
        Ok(Self { digits, count: end, exponent: exponent + first - 1 })
    }

    fn digits(&self) -> &[u8] {
        self.digits.get(..self.count).unwrap_or_default()
    }

    fn value(&self) -> Option<f64> {
        let mut text = Vec::new();
        self.write(&mut text);
        std::str::from_utf8(&text).ok()?.parse().ok()
    }

    /// Whether it lies halfway between `value`, one of `HALVES`, and one of its neighbours. All is compared in whole numbers.
    fn is_halfway(&self, value: f64) -> bool {
        let bits = value.to_bits();
        let mantissa = u128::from(bits & ((1 << 52) - 1) | (1 << 52));
        let digits = self.digits().iter().fold(0_u128, |number, digit| number * 10 + u128::from(digit - b'0'));
        // The value is mantissa × 2^power, and this is digits × 10^tens; with tens below zero it is no whole number.
        let power = i32::try_from(bits >> 52).unwrap_or(0) - 1075;
        let places = i32::try_from(self.count).unwrap_or(0) - 1;
        let Ok(tens) = u32::try_from(self.exponent - places) else { return false };
        let fives = 5_u128.checked_pow(tens).and_then(|fives| digits.checked_mul(fives));
        let (Some(fives), Some(twos)) = (fives, i32::try_from(tens).ok().map(|tens| power - tens)) else {
            return false;
        };
        // Halves of the value's unit; below a power of two the unit is half as large.
        let is = |halves: u128, twos: i32| {
            u32::try_from(twos).is_ok_and(|twos| fives.trailing_zeros() >= twos && fives >> twos == halves)
        };
        let below_power = mantissa == 1 << 52 && is(4 * mantissa - 1, twos - 2);
        below_power || is(2 * mantissa + 1, twos - 1) || (mantissa != 1 << 52 && is(2 * mantissa - 1, twos - 1))
    }

    pub fn write(&self, out: &mut Vec<u8>) {
        let digits = self.digits();
        let Some((first, rest)) = digits.split_first() else { return };
        if !(-4..15).contains(&self.exponent) {
            out.push(*first);
            if !rest.is_empty() {
                out.push(b'.');
                out.extend_from_slice(rest);
            }
            let sign = if self.exponent < 0 { '-' } else { '+' };
            write!(out, "e{sign}{:02}", self.exponent.abs()).unwrap_or_default();
            return;
        }
        let Ok(exponent) = usize::try_from(self.exponent) else {
            out.extend_from_slice(b"0.");
            out.resize(out.len() + usize::try_from(-1 - self.exponent).unwrap_or(0), b'0');
            out.extend_from_slice(digits);
            return;
        };
        match digits.split_at_checked(exponent + 1) {
            Some((whole, [])) => out.extend_from_slice(whole),
            Some((whole, fraction)) => {
                out.extend_from_slice(whole);
                out.push(b'.');
                out.extend_from_slice(fraction);
            }
            None => {
                out.extend_from_slice(digits);
                out.resize(out.len() + exponent + 1 - digits.len(), b'0');
            }
        }
    }
}

fn unreadable() -> Error {
    Error::internal("a double was written in a form that is not known")
}
