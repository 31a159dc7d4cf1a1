//! Decimal numbers as text: their parts, and whether a double holds them exactly enough to print them back.

use std::io::Write;
use std::str;

/// A double keeps every decimal number of so many significant digits.
const DOUBLE_DIGITS: usize = f64::DIGITS as usize;
/// Within these powers of ten a number of `DOUBLE_DIGITS` is neither infinite nor subnormal.
const DOUBLE_EXPONENT_MAX: i64 = 290;
/// Postgres' own maximum for a declared precision; without one it holds many more.
const NUMERIC_DIGITS_MAX: usize = 1000;

/// `-12.50e+3` in parts; none of them is parsed further.
pub(super) struct Number<'a> {
    text: &'a [u8],
    pub negative: bool,
    /// Digits before the point: none, or without a leading zero unless that is the only one.
    whole: &'a [u8],
    /// Digits behind the point; at least one if there is a point.
    fraction: &'a [u8],
    pub exponent: Option<Exponent>,
}

#[derive(Clone, Copy)]
pub(super) struct Exponent {
    pub signed: bool,
    value: i64,
}

impl<'a> Number<'a> {
    /// `None` for what is no number, and for what a number would not give back as it looks: `007`, `+49`, `5.`. Every number of JSON's grammar is one.
    pub fn parse(text: &'a [u8]) -> Option<Self> {
        let (negative, rest) = match text {
            [b'-', rest @ ..] => (true, rest),
            rest => (false, rest),
        };
        let (whole, rest) = digits(rest);
        let (fraction, rest) = match rest {
            [b'.', rest @ ..] => match digits(rest) {
                ([], _) => return None,
                parts => parts,
            },
            rest => (&rest[..0], rest),
        };
        let exponent = match rest {
            [] => None,
            [b'e' | b'E', rest @ ..] => Some(Exponent::parse(rest)?),
            _ => return None,
        };
        let zero_led = whole.len() > 1 && whole[0] == b'0';
        let empty = whole.is_empty() && fraction.is_empty();
        (!zero_led && !empty).then_some(Self { text, negative, whole, fraction, exponent })
    }

    pub fn has_point(&self) -> bool {
        !self.fraction.is_empty()
    }

    /// The number as a `bigint`: one without a point and an exponent, in its range. Not `-0`.
    pub fn is_bigint(&self) -> bool {
        let short = self.whole.len() < 19;
        let is_integer = !self.has_point() && self.exponent.is_none();
        let is_negative_zero = self.negative && self.whole == b"0";
        is_integer && !is_negative_zero && (short || parsed::<i64>(self.text).is_some())
    }

    /// Whether `numeric` holds it without an absurd row of zeros.
    pub fn is_numeric(&self) -> bool {
        let zeros = self.exponent.map_or(0, |exponent| exponent.value.unsigned_abs());
        let digits = (self.whole.len() + self.fraction.len()) as u64;
        digits.saturating_add(zeros) <= NUMERIC_DIGITS_MAX as u64
    }

    /// Whether the nearest double, printed in the shortest way that reads back, denotes this very number.
    pub fn is_double(&self) -> bool {
        let (significant, scale) = self.significant();
        let mut digits = self.digits().skip(significant.0).take(significant.1);
        if significant.1 <= DOUBLE_DIGITS && scale.abs() <= DOUBLE_EXPONENT_MAX {
            return true;
        }
        let Some(double) = parsed::<f64>(self.text).filter(|double| double.is_finite()) else { return false };
        let mut printed = [0; 32];
        let mut rest = &mut printed[..];
        // Twenty-four bytes are the longest.
        if write!(rest, "{:e}", double.abs()).is_err() {
            return false;
        }
        let unused = rest.len();
        let printed = &printed[..printed.len() - unused];
        let shortest = Number::parse(printed);
        shortest.is_some_and(|shortest| {
            let (theirs, their_scale) = shortest.significant();
            their_scale == scale && digits.by_ref().eq(shortest.digits().skip(theirs.0).take(theirs.1))
        })
    }

    fn digits(&self) -> impl Iterator<Item = u8> {
        self.whole.iter().chain(self.fraction).copied()
    }

    /// Where the significant digits begin in `digits` and how many there are; and `n`, if the number is `0.d1d2d3… · 10ⁿ`.
    fn significant(&self) -> ((usize, usize), i64) {
        let all = self.whole.len() + self.fraction.len();
        let leading = self.digits().take_while(|digit| *digit == b'0').count();
        if leading == all {
            return ((0, 0), 0);
        }
        let zeros = |digits: &[u8]| digits.iter().rev().take_while(|digit| **digit == b'0').count();
        let trailing = match zeros(self.fraction) {
            run if run == self.fraction.len() => run + zeros(self.whole),
            run => run,
        };
        let exponent = self.exponent.map_or(0, |exponent| exponent.value);
        ((leading, all - leading - trailing), self.whole.len() as i64 - leading as i64 + exponent)
    }
}

impl Exponent {
    fn parse(text: &[u8]) -> Option<Self> {
        let (signed, negative, rest) = match text {
            [b'-', rest @ ..] => (true, true, rest),
            [b'+', rest @ ..] => (true, false, rest),
            rest => (false, false, rest),
        };
        let (digits, rest) = digits(rest);
        if digits.is_empty() || !rest.is_empty() {
            return None;
        }
        // One beyond `i32` is out of every type's range, whatever it is.
        let size = i64::from(parsed::<i32>(digits).unwrap_or(i32::MAX));
        Some(Self { signed, value: if negative { -size } else { size } })
    }
}

fn digits(text: &[u8]) -> (&[u8], &[u8]) {
    text.split_at(text.iter().take_while(|byte| byte.is_ascii_digit()).count())
}

fn parsed<T: str::FromStr>(text: &[u8]) -> Option<T> {
    str::from_utf8(text).ok()?.parse().ok()
}
