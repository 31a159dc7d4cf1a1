//! Postgres' `numeric` in its binary form: digits of base 10,000, the power of the first of them, the sign, and the digits shown behind the point.

use super::text;
use arrow_array::ArrowNativeTypeOp;

const NEGATIVE: u16 = 0x4000;
const NAN: u16 = 0xC000;
const INFINITE: u16 = 0xD000;
const NEGATIVE_INFINITE: u16 = 0xF000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Numeric<'a> {
    Finite(Digits<'a>),
    NaN,
    Infinity,
    NegativeInfinity,
}

/// ±Σ group × 10,000^(weight − its place), of which `scale` decimal digits are shown behind the point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Digits<'a> {
    negative: bool,
    weight: i16,
    scale: u16,
    groups: &'a [[u8; 2]],
}

impl<'a> Numeric<'a> {
    /// `None` if it is no such form.
    pub fn read(bytes: &'a [u8]) -> Option<Self> {
        let (parts, rest) = bytes.as_chunks::<2>();
        let ([count, weight, sign, scale], groups) = parts.split_first_chunk::<4>()?;
        let sign = u16::from_be_bytes(*sign);
        match sign {
            NAN => return Some(Self::NaN),
            INFINITE => return Some(Self::Infinity),
            NEGATIVE_INFINITE => return Some(Self::NegativeInfinity),
            _ => {}
        }
        if groups.len() != usize::from(u16::from_be_bytes(*count)) || !rest.is_empty() {
            return None;
        }
        Some(Self::Finite(Digits {
            negative: sign == NEGATIVE,
            weight: i16::from_be_bytes(*weight),
            scale: u16::from_be_bytes(*scale),
            groups,
        }))
    }
}

impl Digits<'_> {
    /// The group of 10,000^`power`.
    fn group(&self, power: i32) -> u16 {
        let place = usize::try_from(i32::from(self.weight) - power).ok();
        let group = place.and_then(|place| self.groups.get(place));
        group.map_or(0, |group| u16::from_be_bytes(*group).min(9_999))
    }

    /// As Postgres prints it: at most 131,072 digits before the point and 16,383 behind.
    pub fn write(&self, out: &mut Vec<u8>) {
        if self.negative {
            out.push(b'-');
        }
        let first = i32::from(self.weight).max(0);
        text::unsigned(u64::from(self.group(first)), out);
        for power in (0..first).rev() {
            out.extend_from_slice(&text::four(self.group(power)));
        }
        let mut left = usize::from(self.scale);
        if left > 0 {
            out.push(b'.');
        }
        let mut power = -1;
        while left > 0 {
            let shown = left.min(4);
            out.extend(text::four(self.group(power)).iter().take(shown));
            left -= shown;
            power -= 1;
        }
    }

    /// The number × 10^`scale`; `None` if it has more decimals than that, or `T` cannot hold it.
    pub fn scaled<T: ArrowNativeTypeOp>(&self, scale: u32) -> Option<T> {
        let ten = |power: u32| T::usize_as(10).pow_checked(power).ok();
        let mut value = T::ZERO;
        // The decimals that are still to come behind the group.
        let mut left = i32::from(self.weight).checked_mul(4)?.checked_add(i32::try_from(scale).ok()?)?;
        for group in self.groups {
            let group = usize::from(u16::from_be_bytes(*group));
            let (shown, group) = match left {
                0.. => (4, group),
                _ => {
                    let (shown, cut) = (u32::try_from(4 + left).ok()?, 10_usize.checked_pow(left.unsigned_abs())?);
                    (group % cut == 0).then_some((shown, group / cut))?
                }
            };
            let factor = if shown == 4 { T::usize_as(10_000) } else { ten(shown)? };
            value = value.mul_checked(factor).ok()?.add_checked(T::usize_as(group)).ok()?;
            left -= 4;
        }
        let rest = u32::try_from(left + 4).unwrap_or(0);
        if value != T::ZERO {
            value = value.mul_checked(ten(rest)?).ok()?;
        }
        if self.negative { value.neg_checked().ok() } else { Some(value) }
    }

    /// As a double, if that is read back as the same number: of up to 15 digits it always is.
    pub fn exact_double(&self, text: &[u8]) -> Option<f64> {
        let digits = text.iter().filter(|byte| byte.is_ascii_digit()).copied();
        let significant: Vec<u8> = digits.skip_while(|digit| *digit == b'0').collect();
        let end = significant.iter().rposition(|digit| *digit != b'0').map_or(0, |at| at + 1);
        let value: f64 = std::str::from_utf8(text).ok()?.parse().ok()?;
        let normal = value.is_normal() || (end == 0 && value == 0.0);
        (end <= 15 && normal && i32::from(self.weight).abs() < 75).then_some(value)
    }
}
