//! Numbers with decimal commas and thousands marks.

/// How the numbers of a column are written. Groups are of three digits and may be left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum NumberStyle {
    /// `1234.5`
    Plain,
    /// `1,234.5`
    CommaGroups,
    /// `1 234.5`, with any space that does not break either
    SpaceGroups,
    /// `1'234.5`
    ApostropheGroups,
    /// `1234,5`
    DecimalComma,
    /// `1.234,5`
    PointGroups,
    /// `1 234,5`
    SpaceGroupsDecimalComma,
    /// `1'234,5`
    ApostropheGroupsDecimalComma,
}

impl NumberStyle {
    pub const ALL: [Self; 8] = [
        Self::Plain,
        Self::CommaGroups,
        Self::SpaceGroups,
        Self::ApostropheGroups,
        Self::DecimalComma,
        Self::PointGroups,
        Self::SpaceGroupsDecimalComma,
        Self::ApostropheGroupsDecimalComma,
    ];

    pub fn has_decimal_comma(self) -> bool {
        self as usize >= Self::DecimalComma as usize
    }

    fn group(self) -> Option<Group> {
        match self {
            Self::Plain | Self::DecimalComma => None,
            Self::CommaGroups => Some(Group::Comma),
            Self::PointGroups => Some(Group::Point),
            Self::SpaceGroups | Self::SpaceGroupsDecimalComma => Some(Group::Space),
            Self::ApostropheGroups | Self::ApostropheGroupsDecimalComma => Some(Group::Apostrophe),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Group {
    Comma,
    Point,
    Space,
    Apostrophe,
}

impl Group {
    /// What follows the mark, if `text` begins with it.
    fn strip(self, text: &[u8]) -> Option<&[u8]> {
        let marks: &[&[u8]] = match self {
            Self::Comma => &[b","],
            Self::Point => &[b"."],
            // A space, and the ones that do not break a line: U+00A0, U+202F and U+2009.
            Self::Space => &[b" ", b"\xc2\xa0", b"\xe2\x80\xaf", b"\xe2\x80\x89"],
            Self::Apostrophe => &[b"'", b"\xe2\x80\x99"],
        };
        marks.iter().find_map(|mark| text.strip_prefix(*mark))
    }
}

/// Whether a text could be a number with marks; most texts are not, and this tells so at a glance.
pub(super) fn is_possible(text: &[u8]) -> bool {
    text.len() <= NUMBER_BYTES_MAX && text.last().is_some_and(u8::is_ascii_digit)
}

/// More than any number that a table holds as one.
const NUMBER_BYTES_MAX: usize = 64;

/// Writes a number of this style as one with a point and no groups into `plain`, which is emptied first; false if it is none.
pub(super) fn plain(text: &[u8], style: NumberStyle, plain: &mut Vec<u8>) -> bool {
    plain.clear();
    let rest = match text {
        [b'-', rest @ ..] => {
            plain.push(b'-');
            rest
        }
        rest => rest,
    };
    let Some(rest) = whole(rest, style.group(), plain) else { return false };
    let decimal = if style.has_decimal_comma() { b',' } else { b'.' };
    match rest.split_first() {
        None => true,
        Some((mark, fraction)) if *mark == decimal => {
            plain.push(b'.');
            plain.extend_from_slice(fraction);
            // An exponent may follow; `Number::parse` judges it.
            fraction.first().is_some_and(u8::is_ascii_digit)
                && fraction.iter().all(|byte| byte.is_ascii_digit() || matches!(byte, b'e' | b'E' | b'+' | b'-'))
        }
        Some((b'e' | b'E', _)) => {
            plain.extend_from_slice(rest);
            true
        }
        Some(_) => false,
    }
}

/// Copies the digits before the decimal mark; what follows them. `None` if the groups are not of three digits.
fn whole<'a>(text: &'a [u8], group: Option<Group>, plain: &mut Vec<u8>) -> Option<&'a [u8]> {
    let digits = |text: &[u8]| text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let first = digits(text);
    plain.extend_from_slice(&text[..first]);
    let mut rest = &text[first..];
    let (Some(group), 1..=3) = (group, first) else { return Some(rest) };
    while let Some(behind) = group.strip(rest) {
        if digits(behind) != 3 || text[0] == b'0' {
            return None;
        }
        plain.extend_from_slice(&behind[..3]);
        rest = &behind[3..];
    }
    Some(rest)
}

#[cfg(test)]
mod tests {
    use super::{NumberStyle, plain};

    #[test]
    fn marks_are_told_apart_by_the_style() {
        use NumberStyle::*;
        let read = |text: &str, style| {
            let mut out = Vec::new();
            plain(text.as_bytes(), style, &mut out).then(|| String::from_utf8(out).unwrap())
        };
        assert_eq!(read("1,234.5", CommaGroups).as_deref(), Some("1234.5"));
        assert_eq!(read("-1.234.567,5", PointGroups).as_deref(), Some("-1234567.5"));
        assert_eq!(read("1\u{202f}234,5", SpaceGroupsDecimalComma).as_deref(), Some("1234.5"));
        assert_eq!(read("1'234", ApostropheGroups).as_deref(), Some("1234"));
        assert_eq!(read("1,5", DecimalComma).as_deref(), Some("1.5"));
        assert_eq!(read("1,5E+03", DecimalComma).as_deref(), Some("1.5E+03"));
        assert_eq!(read("1,23", CommaGroups), None);
        assert_eq!(read("0,123", CommaGroups), None);
        assert_eq!(read("12,345,67", CommaGroups), None);
        assert_eq!(read("1,", DecimalComma), None);
    }
}
