//! How sizes, numbers and times are told to people.

use maud::{Markup, html};
use time::{OffsetDateTime, UtcOffset, format_description::well_known::Rfc3339, macros::format_description};

const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];

/// `812 bytes`, `1.2 MB`: in powers of 1000, as browsers show downloads.
pub fn bytes(count: u64) -> String {
    if count < 1000 {
        return plural(count, "byte");
    }
    let (mut tenths, mut unit) = (u128::from(count) * 10 / 1000, 0);
    // 999.95 kB would read as 1000 kB.
    while tenths >= 9995 && unit + 1 < UNITS.len() {
        (tenths, unit) = ((tenths + 500) / 1000, unit + 1);
    }
    let unit = UNITS.get(unit).copied().unwrap_or_default();
    if tenths < 100 {
        format!("{}.{} {unit}", tenths / 10, tenths % 10)
    } else {
        format!("{} {unit}", (tenths + 5) / 10)
    }
}

/// `1,234,567`
pub fn number(count: u64) -> String {
    let digits = count.to_string();
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// `1 row`, `1,234 rows`
pub fn plural(count: u64, what: &str) -> String {
    format!("{} {what}{}", number(count), if count == 1 { "" } else { "s" })
}

/// A moment that scripts find: in UTC, until one shows it by the reader's clock.
pub fn moment(at: OffsetDateTime) -> Markup {
    let at = at.to_offset(UtcOffset::UTC).replace_nanosecond(0).unwrap_or(at);
    let format = format_description!("[day padding:none] [month repr:long] [year], [hour]:[minute] UTC");
    let shown = at.format(format).unwrap_or_default();
    html! { time datetime=(at.format(&Rfc3339).unwrap_or_default()) { (shown) } }
}

/// At most so many characters, and whether some are left out.
pub fn cut(text: &str, chars_max: usize) -> (&str, bool) {
    match text.char_indices().nth(chars_max) {
        Some((end, _)) => (text.get(..end).unwrap_or(text), true),
        None => (text, false),
    }
}

/// The last part of a path.
pub fn file_name(path: &str) -> &str {
    path.trim_end_matches('/').rsplit('/').next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::{bytes, cut, moment, number, plural};
    use time::macros::datetime;

    #[test]
    fn sizes_are_told_in_units_that_fit() {
        let told =
            [0, 1, 999, 1000, 1234, 9_949, 12_345, 999_499, 999_600, 1_000_000, 5_400_000_000, u64::MAX].map(bytes);
        assert_eq!(
            told,
            [
                "0 bytes",
                "1 byte",
                "999 bytes",
                "1.0 kB",
                "1.2 kB",
                "9.9 kB",
                "12 kB",
                "999 kB",
                "1.0 MB",
                "1.0 MB",
                "5.4 GB",
                "18447 PB"
            ]
        );
    }

    #[test]
    fn numbers_have_separators_and_nouns_their_plural() {
        assert_eq!([0, 12, 123, 1234, 1_234_567].map(number), ["0", "12", "123", "1,234", "1,234,567"]);
        assert_eq!([plural(1, "row"), plural(0, "row")], ["1 row", "0 rows"]);
    }

    #[test]
    fn a_moment_is_in_utc_and_a_cut_is_told() {
        let shown = moment(datetime!(2026-11-26 15:04:05.5 +1)).into_string();
        assert_eq!(shown, "<time datetime=\"2026-11-26T14:04:05Z\">26 November 2026, 14:04 UTC</time>");
        assert_eq!((cut("äöü", 2), cut("äöü", 3)), (("äö", true), ("äöü", false)));
    }
}
