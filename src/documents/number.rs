//! Decimal numbers, digit for digit: one spelling for each value, which is valid both as a JSON number and as DynamoDB's `N`.

/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html>
const DIGITS_MAX: usize = 38;
const MAGNITUDE_MIN: i64 = -130;
const MAGNITUDE_MAX: i64 = 125;
/// Below 1e-7 a number is written with an exponent, as JavaScript does.
const PLAIN_MAGNITUDE_MIN: i64 = -7;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unfit {
    NotANumber,
    Digits(usize),
    Magnitude,
}

impl std::fmt::Display for Unfit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotANumber => f.write_str("this is not a number"),
            Self::Digits(digits) => {
                write!(f, "the number has {digits} significant digits; the document store holds {DIGITS_MAX}")
            }
            Self::Magnitude => {
                f.write_str("the number lies outside of 1e-130 to 9.99…e125, which the document store holds")
            }
        }
    }
}

/// The one spelling of a number: an integer without an exponent as long as its digits and zeros are at most 38, so that readers keep taking it for an integer.
/// Negative zero is zero.
pub(super) fn canonical(number: &str) -> Result<String, Unfit> {
    let (sign, unsigned) = match number.strip_prefix('-') {
        Some(unsigned) => ("-", unsigned),
        None => ("", number.strip_prefix('+').unwrap_or(number)),
    };
    let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all = [whole, fraction].concat();
    if all.is_empty() || !all.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Unfit::NotANumber);
    }
    let exponent = parse_exponent(exponent)?;
    let leading = all.trim_start_matches('0');
    let digits = leading.trim_end_matches('0');
    if digits.is_empty() {
        return Ok("0".to_owned());
    }
    if digits.len() > DIGITS_MAX {
        return Err(Unfit::Digits(digits.len()));
    }
    // The value is 0.digits × 10^point.
    let point = exponent.saturating_add(leading.len() as i64 - fraction.len() as i64);
    if !(MAGNITUDE_MIN..=MAGNITUDE_MAX).contains(&(point - 1)) {
        return Err(Unfit::Magnitude);
    }
    Ok(format!("{sign}{}", spell(digits, point)))
}

fn spell(digits: &str, point: i64) -> String {
    let places = usize::try_from(point.unsigned_abs()).unwrap_or(usize::MAX);
    if point > 0 && places >= digits.len() && places <= DIGITS_MAX {
        return format!("{digits:0<places$}");
    }
    if point > 0 && places < digits.len() {
        return format!("{}.{}", &digits[..places], &digits[places..]);
    }
    if point <= 0 && point > PLAIN_MAGNITUDE_MIN {
        return format!("0.{}{digits}", "0".repeat(places));
    }
    let (first, rest) = digits.split_at(1);
    let dot = if rest.is_empty() { "" } else { "." };
    format!("{first}{dot}{rest}e{}", point - 1)
}

/// One too long for an `i64` is as good as any that lies outside.
fn parse_exponent(exponent: &str) -> Result<i64, Unfit> {
    let digits = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Unfit::NotANumber);
    }
    let outside = i64::from(i32::MAX) * if exponent.starts_with('-') { -1 } else { 1 };
    Ok(exponent.parse().unwrap_or(outside).clamp(-i64::from(i32::MAX), i64::from(i32::MAX)))
}

#[cfg(test)]
mod tests {
    use super::{Unfit, canonical};

    #[test]
    fn every_spelling_of_a_value_becomes_the_same_one() {
        for (number, expected) in [
            ("0", "0"),
            ("-0", "0"),
            ("0.000", "0"),
            ("0e999999999999999999999", "0"),
            ("1.0", "1"),
            ("1E+2", "100"),
            ("1e2", "100"),
            ("-120", "-120"),
            ("12.50", "12.5"),
            ("0.001", "0.001"),
            ("1E-7", "0.0000001"),
            ("0.00000001", "1e-8"),
            ("1.5e-9", "1.5e-9"),
            ("1e37", "10000000000000000000000000000000000000"),
            ("1e38", "1e38"),
            ("12345678901234567890123456789012345678", "12345678901234567890123456789012345678"),
            ("1.2345678901234567890123456789012345678", "1.2345678901234567890123456789012345678"),
            ("9.9999999999999999999999999999999999999E+125", "9.9999999999999999999999999999999999999e125"),
            ("1E-130", "1e-130"),
            ("+7", "7"),
        ] {
            assert_eq!(canonical(number).as_deref(), Ok(expected), "{number}");
        }
    }

    #[test]
    fn what_dynamodb_cannot_hold_is_refused() {
        for (number, unfit) in [
            ("123456789012345678901234567890123456789", Unfit::Digits(39)),
            ("1.00000000000000000000000000000000000001", Unfit::Digits(39)),
            ("1e126", Unfit::Magnitude),
            ("9e-131", Unfit::Magnitude),
            ("1e99999999999999999999", Unfit::Magnitude),
            ("1e-99999999999999999999", Unfit::Magnitude),
            ("", Unfit::NotANumber),
            ("NaN", Unfit::NotANumber),
            ("1e", Unfit::NotANumber),
        ] {
            assert_eq!(canonical(number), Err(unfit), "{number}");
        }
    }
}
