//! Dates and times of spreadsheets, as ISO 8601.
//!
//! A cell says that it is a date or a time, and not which of the two. That follows from its column: one moment that is no midnight makes all of them timestamps.

use time::Date;

const DAY_MILLISECONDS: i64 = 86_400_000;
/// Days of the Julian calendar at 1899-12-30, which a serial of the 1900 system counts from since 1900-03-01.
const JULIAN_1899_12_30: i64 = 2_415_019;
/// From that day to 1904-01-01.
const DAYS_TO_1904: i64 = 1462;

/// A count of days since the epoch of its workbook.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Serial {
    pub days: f64,
    pub since_1904: bool,
}

/// What the dates of one column are, all of them together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Moments {
    /// There are dates with a time of day.
    stamps: bool,
}

impl Moments {
    pub fn see(&mut self, serial: Serial) {
        if let Some((days, milliseconds)) = split(serial) {
            self.stamps |= days != 0 && milliseconds != 0;
        }
    }

    pub fn see_iso(&mut self, text: &str) {
        self.stamps |= text.contains('T');
    }

    /// `2026-01-31`, `2026-01-31T10:00:00`, `10:00:00`; none of a serial that is no date of years 1 to 9999.
    pub fn print(self, serial: Serial) -> Option<String> {
        let (days, milliseconds) = split(serial)?;
        if days == 0 && !(serial.since_1904 && milliseconds == 0) {
            return Some(clock(milliseconds));
        }
        // Excel has a 1900-02-29, and so counts the days before it from one day later.
        let days = match days {
            days if serial.since_1904 => days + DAYS_TO_1904,
            60 => return Some("1900-02-29".to_owned()),
            1..=59 => days + 1,
            days => days,
        };
        let julian = i32::try_from(days.checked_add(JULIAN_1899_12_30)?).ok()?;
        let date = Date::from_julian_day(julian).ok().filter(|date| (1..=9999).contains(&date.year()))?;
        let date = format!("{:04}-{:02}-{:02}", date.year(), u8::from(date.month()), date.day());
        Some(if self.stamps { format!("{date}T{}", clock(milliseconds)) } else { date })
    }

    /// A date that is text already.
    pub fn print_iso(self, text: &str) -> String {
        match self.stamps && text.len() == 10 {
            true => format!("{text}T00:00:00"),
            false => text.to_owned(),
        }
    }
}

/// Whole days, and milliseconds of the last one, to which spreadsheets round.
fn split(serial: Serial) -> Option<(i64, i64)> {
    if !(-1e7..1e7).contains(&serial.days) {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, reason = "below 10^15, as just checked")]
    let milliseconds = (serial.days * 86_400_000.0).round() as i64;
    Some((milliseconds.div_euclid(DAY_MILLISECONDS), milliseconds.rem_euclid(DAY_MILLISECONDS)))
}

fn clock(milliseconds: i64) -> String {
    let seconds = milliseconds / 1000;
    let clock = format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    match milliseconds % 1000 {
        0 => clock,
        fraction => format!("{clock}.{fraction:03}"),
    }
}

/// A length of time in days as `[h]:mm:ss`; none if it is longer than any.
pub(super) fn duration(days: f64) -> Option<String> {
    let (whole, rest) = split(Serial { days: days.abs(), since_1904: false })?;
    let sign = if days < 0.0 { "-" } else { "" };
    Some(format!("{sign}{}", clock(whole.checked_mul(DAY_MILLISECONDS)?.checked_add(rest)?)))
}

/// `PT26H30M05S` as `26:30:05`; anything else as it stands.
pub(super) fn iso_duration(text: &str) -> String {
    parse_iso_duration(text).and_then(duration).unwrap_or_else(|| text.to_owned())
}

/// In days.
fn parse_iso_duration(text: &str) -> Option<f64> {
    let (sign, rest) = text.strip_prefix('-').map_or((1.0, text), |rest| (-1.0, rest));
    let rest = rest.strip_prefix('P')?;
    let (days, mut rest) = rest.split_once('T')?;
    let mut total = match days {
        "" => 0.0,
        days => days.strip_suffix('D')?.parse::<f64>().ok()? * 86_400.0,
    };
    for (unit, seconds) in [('H', 3600.0), ('M', 60.0), ('S', 1.0)] {
        if let Some((count, behind)) = rest.split_once(unit) {
            total += count.replace(',', ".").parse::<f64>().ok()? * seconds;
            rest = behind;
        }
    }
    rest.is_empty().then_some(sign * total / 86_400.0)
}
