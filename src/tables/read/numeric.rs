//! Postgres' `numeric` in its binary form: digits of base 10,000, the power of the first of them, the sign, and the digits shown behind the point.

use super::number::Number;

const NEGATIVE: u16 = 0x4000;
/// Groups of the numbers that have a short way: 15 decimal digits lie in five groups at most.
const SHORT_GROUPS: usize = 6;

/// Appends a number, exactly and with the scale that it is written with; `None` if it has too many digits.
pub(super) fn append(out: &mut Vec<u8>, number: &Number<'_>) -> Option<()> {
    let (digits, point) = number.digits_and_point();
    let scale = i64::try_from(digits.len()).ok()?.checked_sub(point)?.max(0);
    // Where the first group begins, so that the point stands between two groups.
    let weight = (point - 1).div_euclid(4);
    let skip = usize::try_from((weight + 1) * 4 - point).ok()?;
    let mut groups: Vec<u16> = Vec::with_capacity(digits.len() / 4 + 2);
    let padded = std::iter::repeat_n(0, skip).chain(digits.iter().map(|digit| u16::from(digit - b'0')));
    let mut place = 0;
    for digit in padded {
        if place == 0 {
            groups.push(0);
        }
        let unit = [1000, 100, 10, 1][place];
        if let Some(group) = groups.last_mut() {
            *group += digit * unit;
        }
        place = (place + 1) % 4;
    }
    let leading = groups.iter().take_while(|group| **group == 0).count();
    let trailing = groups[leading..].iter().rev().take_while(|group| **group == 0).count();
    let groups = &groups[leading..groups.len() - trailing];
    let weight = if groups.is_empty() { 0 } else { weight - i64::try_from(leading).ok()? };
    write(out, groups, i16::try_from(weight).ok()?, number.negative && !groups.is_empty(), u16::try_from(scale).ok()?);
    Some(())
}

/// The same for the ordinary form, `-?digits.digits` of up to 15 digits without a leading zero; false, and nothing appended, if it is any other.
#[expect(clippy::cast_possible_truncation, reason = "there are at most 15 digits and 12 groups")]
pub(super) fn append_short(out: &mut Vec<u8>, text: &[u8]) -> bool {
    let (negative, text) = match text {
        [b'-', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    if text.len() > 16 {
        return false;
    }
    let Some(point) = text.iter().position(|byte| *byte == b'.') else { return false };
    let (whole, fraction) = (&text[..point], &text[point + 1..]);
    let canonical = matches!(whole, [b'0'] | [b'1'..=b'9', ..]) && !fraction.is_empty();
    let (Some(high), Some(low)) = (value(whole), value(fraction)) else { return false };
    // `1.234` may have a thousands mark in it, and adds that to what is known.
    if !canonical || (fraction.len() == 3 && whole.len() <= 3 && whole != b"0") {
        return false;
    }
    let mut groups = [0_u16; SHORT_GROUPS * 2];
    let mut rest = high;
    let mut start = SHORT_GROUPS;
    while rest > 0 {
        start -= 1;
        groups[start] = (rest % 10_000) as u16;
        rest /= 10_000;
    }
    let behind = fraction.len().div_ceil(4);
    let mut rest = low * 10_u64.pow((behind * 4 - fraction.len()) as u32);
    for group in groups[SHORT_GROUPS..SHORT_GROUPS + behind].iter_mut().rev() {
        *group = (rest % 10_000) as u16;
        rest /= 10_000;
    }
    let mut end = SHORT_GROUPS + behind;
    while start < end && groups[end - 1] == 0 {
        end -= 1;
    }
    while start < end && groups[start] == 0 {
        start += 1;
    }
    let weight = if start == end { 0 } else { SHORT_GROUPS as i16 - 1 - start as i16 };
    write(out, &groups[start..end], weight, negative && start < end, fraction.len() as u16);
    true
}

/// The value of up to 15 digits.
fn value(digits: &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for digit in digits {
        let digit = digit.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value * 10 + u64::from(digit);
    }
    Some(value)
}

#[expect(clippy::cast_possible_truncation, reason = "a numeric of Postgres has at most 37,000 groups")]
fn write(out: &mut Vec<u8>, groups: &[u16], weight: i16, negative: bool, scale: u16) {
    let count = groups.len() as u16;
    out.extend_from_slice(&(8 + 2 * i32::from(count)).to_be_bytes());
    for part in [count, weight.cast_unsigned(), if negative { NEGATIVE } else { 0 }, scale] {
        out.extend_from_slice(&part.to_be_bytes());
    }
    for group in groups {
        out.extend_from_slice(&group.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::{append, append_short};
    use crate::tables::read::number::Number;

    #[test]
    fn the_short_way_writes_what_the_long_way_does() {
        for text in [
            "0.5",
            "12.50",
            "-1234.5678",
            "123456789.012345",
            "0.0",
            "-0.0001",
            "10000.0",
            "99999999.9999",
            "0.00012345",
            "1.2345",
        ] {
            let (mut long, mut short) = (Vec::new(), Vec::new());
            append(&mut long, &Number::parse(text.as_bytes()).unwrap()).unwrap();
            assert!(append_short(&mut short, text.as_bytes()), "{text}");
            assert_eq!(long, short, "{text}");
        }
        for text in ["1", "1.", ".5", "01.5", "1e5", "1.234", "1234567890.1234567"] {
            assert!(!append_short(&mut Vec::new(), text.as_bytes()), "{text}");
        }
    }
}
