//! Floating point numbers and decimals, each as the decimal text that denotes it.

use std::io::Write;
use std::str;

use arrow_array::types::{ArrowPrimitiveType, Float16Type};

type Half = <Float16Type as ArrowPrimitiveType>::Native;

/// Digits that tell all halves apart.
const HALF_DIGITS_MAX: usize = 5;
/// From here on not every integer is a single.
const SINGLE_INTEGER_MAX: f32 = 16_777_216.0;

/// The double that is printed as `single` is: 0.1 and not 0.10000000149011612.
pub(super) fn widened(single: f32) -> f64 {
    let exact = f64::from(single);
    if !single.is_finite() || single.fract() == 0.0 && single.abs() < SINGLE_INTEGER_MAX {
        return exact;
    }
    reread(exact, format_args!("{single:e}"))
}

/// The same for a half, whose shortest decimal is the first that reads back as it.
pub(super) fn widened_half(half: Half) -> f64 {
    let exact = half.to_f64();
    if !exact.is_finite() || exact.fract() == 0.0 {
        return exact;
    }
    (0..HALF_DIGITS_MAX)
        .map(|digits| reread(exact, format_args!("{exact:.digits$e}")))
        .find(|shorter| Half::from_f64(*shorter) == half)
        .unwrap_or(exact)
}

/// The double of a text that was printed from `exact`.
fn reread(exact: f64, text: std::fmt::Arguments<'_>) -> f64 {
    let mut printed = [0; 32];
    let mut rest = &mut printed[..];
    rest.write_fmt(text).unwrap_or_default();
    let unused = rest.len();
    let length = printed.len() - unused;
    let text = printed.get(..length).and_then(|text| str::from_utf8(text).ok());
    text.and_then(|text| text.parse().ok()).unwrap_or(exact)
}

/// Appends the decimal whose digits without a point, and with a sign before them, stand in `out` from `start` on: all `scale` digits of its fraction.
pub(super) fn set_point(out: &mut Vec<u8>, start: usize, scale: i8) {
    let first = start + usize::from(out.get(start) == Some(&b'-'));
    let zero = out.get(first..) == Some(b"0");
    let Ok(scale) = usize::try_from(scale) else {
        let zeros = if zero { 0 } else { usize::from(scale.unsigned_abs()) };
        out.resize(out.len() + zeros, b'0');
        return;
    };
    if scale == 0 {
        return;
    }
    let digits = out.len() - first;
    if digits <= scale {
        out.splice(first..first, std::iter::repeat_n(b'0', scale + 1 - digits));
    }
    out.insert(out.len() - scale, b'.');
}

#[cfg(test)]
mod tests {
    use super::{Half, set_point, widened, widened_half};

    #[test]
    fn a_single_is_printed_as_a_single() {
        for (single, double) in
            [(0.1, 0.1), (-16_777_217.0, -16_777_216.0), (3.4e38, 3.4e38), (1e-45, 1e-45), (7.0, 7.0)]
        {
            assert_eq!(widened(single).to_bits(), f64::to_bits(double));
        }
        assert!(widened(-0.0).is_sign_negative() && widened(f32::NAN).is_nan() && widened(f32::INFINITY).is_infinite());
        for (half, double) in [(0.1, 0.1), (3.15, 3.15), (65504.0, 65504.0), (6e-8, 6e-8)] {
            assert_eq!(widened_half(Half::from_f64(half)).to_bits(), f64::to_bits(double));
        }
    }

    #[test]
    fn a_decimal_keeps_its_scale() {
        let text = |digits: &str, scale| {
            let mut out = [b"x", digits.as_bytes()].concat();
            set_point(&mut out, 1, scale);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(text("1250", 2), "x12.50");
        assert_eq!(text("-5", 2), "x-0.05");
        assert_eq!(text("0", 3), "x0.000");
        assert_eq!(text("12", 0), "x12");
        assert_eq!(text("-12", -3), "x-12000");
        assert_eq!(text("0", -3), "x0");
    }
}
