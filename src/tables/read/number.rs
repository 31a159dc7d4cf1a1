//! Decimal numbers as text, in parts.

use std::str;

/// Postgres' own maximum for a declared precision; without one it holds many more.
const NUMERIC_DIGITS_MAX: usize = 1000;

/// `-12.50e+3` in parts; none of them is parsed further.
pub(super) struct Number<'a> {
    pub text: &'a [u8],
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

    /// Whether its point could as well be a thousands mark: `1.234`.
    pub fn may_be_a_group(&self) -> bool {
        matches!(self.whole.len(), 1..=3) && self.whole != b"0" && self.fraction.len() == 3 && self.exponent.is_none()
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

    /// All its digits, and before which of them the point stands; that may lie outside of them.
    pub fn digits_and_point(&self) -> (Vec<u8>, i64) {
        let exponent = self.exponent.map_or(0, |exponent| exponent.value);
        let mut digits = self.whole.to_vec();
        digits.extend_from_slice(self.fraction);
        let point = self.whole.len() as i64 + exponent;
        // An exponent moves the point past the last digit: zeros stand between.
        if let Ok(zeros) = usize::try_from(point.saturating_sub(digits.len() as i64)) {
            digits.resize(digits.len() + zeros, b'0');
        }
        (digits, point)
    }

    /// The digits of the number without zeros at either end, and where the point stands among them.
    pub fn significant(&self) -> Significant<'a> {
        let (whole, fraction) = (self.whole, self.fraction);
        let exponent = self.exponent.map_or(0, |exponent| exponent.value);
        let zeros = |digits: &[u8]| digits.iter().take_while(|digit| **digit == b'0').count();
        let zeros_behind = |digits: &[u8]| digits.iter().rev().take_while(|digit| **digit == b'0').count();
        let fraction = &fraction[..fraction.len() - zeros_behind(fraction)];
        let (head, tail) = match (whole, fraction) {
            ([] | b"0", fraction) => (&fraction[..0], &fraction[zeros(fraction)..]),
            (whole, []) => (&whole[..whole.len() - zeros_behind(whole)], &whole[..0]),
            parts => parts,
        };
        let scale = match (head, tail) {
            ([], []) => 0,
            ([], tail) => tail.len() as i64 - fraction.len() as i64 + exponent,
            _ => whole.len() as i64 + exponent,
        };
        Significant { head, tail, scale }
    }
}

/// `0.d₁d₂d₃… · 10ⁿ`: the digits in two parts, and n. Equal numbers have the same; zero has no digits.
pub(super) struct Significant<'a> {
    head: &'a [u8],
    tail: &'a [u8],
    pub scale: i64,
}

impl Significant<'_> {
    pub fn len(&self) -> usize {
        self.head.len() + self.tail.len()
    }

    pub fn digits(&self) -> impl Iterator<Item = u8> {
        self.head.iter().chain(self.tail).copied()
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

pub(super) fn parsed<T: str::FromStr>(text: &[u8]) -> Option<T> {
    str::from_utf8(text).ok()?.parse().ok()
}
