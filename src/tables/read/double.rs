//! Whether a double gives a decimal number back.
//!
//! Postgres prints the shortest decimal that lies strictly between the two midpoints to the neighbouring doubles; of several the one nearest to the double, of two
//! equally near the even one. Rust prints the same but for numbers that are a midpoint (`2e23`) and for those equally near, so neither may decide alone.

use std::io::Write;

use super::number::{Number, Significant, parsed};

/// A double keeps every decimal number of so many significant digits …
const DIGITS_KEPT: usize = f64::DIGITS as usize;
/// … and tells all doubles apart with so many.
const DIGITS_MAX: usize = 17;
/// Down to this power of ten a number is not subnormal.
const SCALE_MIN: i64 = -290;
/// From here on a number of few digits can be a midpoint.
const SCALE_EXACT_MAX: i64 = 15;

/// Whether the nearest double, as Postgres prints it, denotes this very number.
pub(super) fn prints_back(number: &Number<'_>) -> bool {
    let decimal = number.significant();
    let digits = decimal.len();
    if digits <= DIGITS_KEPT && (SCALE_MIN..=SCALE_EXACT_MAX).contains(&decimal.scale) {
        return true;
    }
    let Some(double) = parsed::<f64>(number.text).filter(|double| double.is_finite()) else { return false };
    digits == 0
        || digits <= DIGITS_MAX
            && has_digits(double.abs(), digits)
            && is_nearest(double.abs(), &decimal)
            && (decimal.scale <= SCALE_EXACT_MAX || !is_midpoint(&decimal))
}

/// Whether the shortest decimal of `double` has so many digits.
fn has_digits(double: f64, digits: usize) -> bool {
    let mut printed = [0; 32];
    Number::parse(print(&mut printed, double, None)).is_some_and(|shortest| shortest.significant().len() == digits)
}

/// Whether `decimal` is the nearest to `double` of all decimals with so many digits.
fn is_nearest(double: f64, decimal: &Significant<'_>) -> bool {
    let mut printed = [0; 32];
    Number::parse(print(&mut printed, double, Some(decimal.len()))).is_some_and(|nearest| {
        let nearest = nearest.significant();
        nearest.scale == decimal.scale && nearest.digits().eq(decimal.digits())
    })
}

/// Whether the least bit more and the least bit less are different doubles.
fn is_midpoint(decimal: &Significant<'_>) -> bool {
    let (mut more, mut less) = (b"0.".to_vec(), b"0.".to_vec());
    more.extend(decimal.digits());
    less.extend(decimal.digits());
    // The last significant digit is no zero.
    less.last_mut().into_iter().for_each(|digit| *digit -= 1);
    // At the fortieth digit no other midpoint lies between.
    more.resize(2 + 40, b'0');
    less.resize(2 + 40, b'9');
    let exponent = format!("e{}", decimal.scale);
    more.extend_from_slice(format!("1{exponent}").as_bytes());
    less.extend_from_slice(exponent.as_bytes());
    parsed::<f64>(&more) != parsed::<f64>(&less)
}

/// In scientific notation with `digits` digits, or as few as tell it apart. All forms fit.
fn print(buffer: &mut [u8; 32], double: f64, digits: Option<usize>) -> &[u8] {
    let mut rest = &mut buffer[..];
    let written = match digits {
        Some(digits) => write!(rest, "{double:.*e}", digits - 1),
        None => write!(rest, "{double:e}"),
    };
    debug_assert!(written.is_ok(), "{double}");
    let unused = rest.len();
    &buffer[..buffer.len() - unused]
}
