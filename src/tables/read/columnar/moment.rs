//! Dates, times and durations: their values where Postgres can hold them, else their text in ISO 8601.

use std::io::Write;

use super::super::Value;
use arrow_schema::{DataType, IntervalUnit, TimeUnit};

const MICROSECONDS: i64 = 1_000_000;
const DAY_SECONDS: i64 = 86_400;
/// The dates of Postgres, as days since 1970-01-01: 4714-11-24 BC …
const DATE_MIN: i64 = -2_440_588;
/// … to 5874897-12-31.
const DATE_MAX: i64 = 2_145_042_905;
/// Its first timestamp; the last is later than any that 64 bits of microseconds since 1970 can say.
const TIMESTAMP_MIN: i64 = DATE_MIN * DAY_SECONDS * MICROSECONDS;

/// What a number of a temporal column counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moment {
    /// Days since 1970-01-01.
    Date,
    /// Milliseconds since 1970-01-01, which should be whole days.
    DateMilliseconds,
    /// So many units a second, since midnight.
    Time(i64),
    /// Since 1970-01-01, in a zone that is not known.
    Timestamp(i64),
    /// Since 1970-01-01 UTC.
    Timestamptz(i64),
    Duration(i64),
    /// An interval of months.
    Months,
}

impl Moment {
    pub fn of(data_type: &DataType) -> Option<Self> {
        Some(match data_type {
            DataType::Date32 => Self::Date,
            DataType::Date64 => Self::DateMilliseconds,
            DataType::Time32(unit) | DataType::Time64(unit) => Self::Time(per_second(*unit)),
            DataType::Timestamp(unit, None) => Self::Timestamp(per_second(*unit)),
            DataType::Timestamp(unit, Some(_)) => Self::Timestamptz(per_second(*unit)),
            DataType::Duration(unit) => Self::Duration(per_second(*unit)),
            DataType::Interval(IntervalUnit::YearMonth) => Self::Months,
            _ => return None,
        })
    }

    /// `None` if Postgres has no such value, or only one that is not quite the same.
    pub fn value(self, raw: i64) -> Option<Value<'static>> {
        match self {
            Self::Date => date(raw),
            Self::DateMilliseconds => {
                let day = DAY_SECONDS * 1000;
                (raw % day == 0).then_some(raw / day).and_then(date)
            }
            Self::Time(per_second) => {
                let time = microseconds(raw, per_second)?;
                (0..DAY_SECONDS * MICROSECONDS).contains(&time).then_some(Value::Time(time))
            }
            Self::Timestamp(per_second) => timestamp(raw, per_second).map(Value::Timestamp),
            Self::Timestamptz(per_second) => timestamp(raw, per_second).map(Value::Timestamptz),
            Self::Duration(_) | Self::Months => None,
        }
    }

    /// Appends the text, with all digits that are no zeros at the end.
    pub fn text(self, raw: i64, out: &mut Vec<u8>) {
        match self {
            Self::Date => append_date(out, raw),
            Self::DateMilliseconds if raw % (DAY_SECONDS * 1000) == 0 => append_date(out, raw / (DAY_SECONDS * 1000)),
            Self::DateMilliseconds => append_timestamp(out, raw, 1000),
            Self::Time(per_second) => {
                sign(out, raw < 0);
                append_time(out, raw.unsigned_abs(), per_second.unsigned_abs());
            }
            Self::Timestamp(per_second) => append_timestamp(out, raw, per_second),
            Self::Timestamptz(per_second) => {
                append_timestamp(out, raw, per_second);
                out.push(b'Z');
            }
            Self::Duration(per_second) => {
                sign(out, raw < 0);
                out.push(b'P');
                append_duration(out, raw, per_second, false);
            }
            Self::Months => interval(out, raw, 0, 0),
        }
    }
}

/// Appends an interval of months, days and nanoseconds: `P1Y2M3DT4.5S`, each part with its own sign.
pub(super) fn interval(out: &mut Vec<u8>, months: i64, days: i64, nanoseconds: i64) {
    out.push(b'P');
    for (amount, unit) in [(months / 12, 'Y'), (months % 12, 'M'), (days, 'D')] {
        if amount != 0 {
            write!(out, "{amount}{unit}").unwrap_or_default();
        }
    }
    if nanoseconds != 0 || (months == 0 && days == 0) {
        append_duration(out, nanoseconds, 1_000_000_000, nanoseconds < 0);
    }
}

fn per_second(unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Second => 1,
        TimeUnit::Millisecond => 1000,
        TimeUnit::Microsecond => MICROSECONDS,
        TimeUnit::Nanosecond => 1_000_000_000,
    }
}

/// `None` if it is no whole number of them, or too many.
fn microseconds(raw: i64, per_second: i64) -> Option<i64> {
    if per_second > MICROSECONDS {
        let per_microsecond = per_second / MICROSECONDS;
        (raw % per_microsecond == 0).then_some(raw / per_microsecond)
    } else {
        raw.checked_mul(MICROSECONDS / per_second)
    }
}

fn date(days: i64) -> Option<Value<'static>> {
    let days = i32::try_from(days).ok()?;
    (DATE_MIN..=DATE_MAX).contains(&days.into()).then_some(Value::Date(days))
}

fn timestamp(raw: i64, per_second: i64) -> Option<i64> {
    microseconds(raw, per_second).filter(|microseconds| *microseconds >= TIMESTAMP_MIN)
}

fn append_timestamp(out: &mut Vec<u8>, raw: i64, per_second: i64) {
    let day = DAY_SECONDS * per_second;
    append_date(out, raw.div_euclid(day));
    out.push(b'T');
    append_time(out, raw.rem_euclid(day).unsigned_abs(), per_second.unsigned_abs());
}

/// The proleptic Gregorian calendar, with a sign before years that have not four digits; the year before 0001 is 0000.
///
/// Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`.
fn append_date(out: &mut Vec<u8>, days: i64) {
    // The era of 400 years begins on March 1st of year 0; 64 bits of seconds are far fewer days than would overflow.
    let days = days.saturating_add(719_468);
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    match year {
        0..=9999 => write!(out, "{year:04}-{month:02}-{day:02}"),
        _ => write!(out, "{year:+05}-{month:02}-{day:02}"),
    }
    .unwrap_or_default();
}

fn append_time(out: &mut Vec<u8>, units: u64, per_second: u64) {
    let seconds = units / per_second;
    write!(out, "{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60).unwrap_or_default();
    append_fraction(out, units % per_second, per_second);
}

/// `T4H3M2.5S`; the sign of `units` is before each part, or nowhere.
fn append_duration(out: &mut Vec<u8>, units: i64, per_second: i64, signed: bool) {
    let (units, per_second) = (units.unsigned_abs(), per_second.unsigned_abs());
    let seconds = units / per_second;
    out.push(b'T');
    for (amount, unit) in [(seconds / 3600, 'H'), (seconds / 60 % 60, 'M')] {
        if amount != 0 {
            sign(out, signed);
            write!(out, "{amount}{unit}").unwrap_or_default();
        }
    }
    if units % (60 * per_second) != 0 || units == 0 {
        sign(out, signed);
        write!(out, "{}", seconds % 60).unwrap_or_default();
        append_fraction(out, units % per_second, per_second);
        out.push(b'S');
    }
}

fn append_fraction(out: &mut Vec<u8>, mut units: u64, mut per_second: u64) {
    if units == 0 {
        return;
    }
    out.push(b'.');
    while units > 0 && per_second >= 10 {
        per_second /= 10;
        out.push(b'0' + u8::try_from(units / per_second).unwrap_or(0));
        units %= per_second;
    }
}

fn sign(out: &mut Vec<u8>, negative: bool) {
    if negative {
        out.push(b'-');
    }
}

#[cfg(test)]
mod tests {
    use super::{DATE_MAX, DATE_MIN, Moment, Value, interval};

    fn text(moment: Moment, raw: i64) -> String {
        let mut out = Vec::new();
        moment.text(raw, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn every_number_of_64_bits_has_a_text() {
        assert_eq!(text(Moment::Date, 0), "1970-01-01");
        assert_eq!(text(Moment::Date, 11_016), "2000-02-29");
        assert_eq!(text(Moment::Date, DATE_MIN), "-4713-11-24");
        assert_eq!(text(Moment::Date, DATE_MAX), "+5874897-12-31");
        assert_eq!(text(Moment::Timestamp(1), -1), "1969-12-31T23:59:59");
        assert_eq!(text(Moment::Timestamptz(1_000_000_000), 1_000_000_001), "1970-01-01T00:00:01.000000001Z");
        assert_eq!(text(Moment::Time(1000), 3_723_500), "01:02:03.5");
        assert_eq!(text(Moment::Time(1), 90_000), "25:00:00");
        assert_eq!(text(Moment::Duration(1000), 3500), "PT3.5S");
        assert_eq!(text(Moment::Duration(1), -93_784), "-PT26H3M4S");
        assert_eq!(text(Moment::Duration(1), 0), "PT0S");
        assert_eq!(text(Moment::Duration(1), 3600), "PT1H");
        assert_eq!(text(Moment::Months, 14), "P1Y2M");
        for raw in [i64::MIN, i64::MAX] {
            for moment in [Moment::Date, Moment::DateMilliseconds, Moment::Months] {
                assert!(!text(moment, raw).is_empty());
            }
            for unit in [1, 1000, 1_000_000, 1_000_000_000] {
                for moment in
                    [Moment::Time(unit), Moment::Timestamp(unit), Moment::Timestamptz(unit), Moment::Duration(unit)]
                {
                    assert!(!text(moment, raw).is_empty());
                    assert_eq!(
                        moment.value(raw).is_some(),
                        raw > 0 && unit == 1_000_000 && text(moment, raw).contains('+')
                    );
                }
            }
        }
    }

    #[test]
    fn intervals_keep_the_sign_of_each_part() {
        let text = |months, days, nanoseconds| {
            let mut out = Vec::new();
            interval(&mut out, months, days, nanoseconds);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(text(-14, 3, 0), "P-1Y-2M3D");
        assert_eq!(text(0, 0, -61_500_000_000), "PT-1M-1.5S");
        assert_eq!(text(0, 0, 0), "PT0S");
    }

    #[test]
    fn what_is_no_whole_microsecond_or_out_of_range_is_no_value() {
        assert_eq!(Moment::Timestamp(1_000_000_000).value(1_000), Some(Value::Timestamp(1)));
        assert_eq!(Moment::Timestamp(1_000_000_000).value(1_001), None);
        assert_eq!(Moment::Timestamp(1).value(i64::MAX), None);
        assert_eq!(Moment::Date.value(DATE_MIN - 1), None);
        assert_eq!(Moment::Date.value(DATE_MAX), Some(Value::Date(2_145_042_905)));
        assert_eq!(Moment::DateMilliseconds.value(86_400_000), Some(Value::Date(1)));
        assert_eq!(Moment::DateMilliseconds.value(86_400_001), None);
        assert_eq!(Moment::Time(1).value(86_400), None);
    }
}
