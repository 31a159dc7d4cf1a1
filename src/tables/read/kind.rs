//! What the text of a cell looks like to a person, for judging dialects, headers and repairs. The types of columns are judged elsewhere, from all the values.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Empty,
    /// A word for a value that is not there.
    Missing,
    Number,
    /// A date, a time or both.
    Moment,
    Boolean,
    /// No prose: one word with digits in it, an address.
    Code,
    Text,
}

/// Nothing longer is a number or a date that a person wrote.
const TYPED_BYTES_MAX: usize = 64;
const MISSING: [&[u8]; 12] =
    [b"NA", b"N/A", b"n/a", b"na", b"null", b"NULL", b"None", b"-", b"--", b"?", b"NaN", b"#N/A"];

impl Kind {
    pub fn of(text: &[u8]) -> Self {
        let text = text.trim_ascii();
        if text.is_empty() {
            Self::Empty
        } else if text.len() > TYPED_BYTES_MAX {
            Self::Text
        } else if MISSING.contains(&text) || text == b"\\N" {
            Self::Missing
        } else if text.eq_ignore_ascii_case(b"true") || text.eq_ignore_ascii_case(b"false") {
            Self::Boolean
        } else if is_number(text) {
            Self::Number
        } else if is_moment(text) {
            Self::Moment
        } else if is_code(text) {
            Self::Code
        } else {
            Self::Text
        }
    }

    pub fn is_typed(self) -> bool {
        matches!(self, Self::Number | Self::Moment | Self::Boolean)
    }

    /// Whether there is a value at all.
    pub fn is_value(self) -> bool {
        !matches!(self, Self::Empty | Self::Missing)
    }
}

fn is_code(text: &[u8]) -> bool {
    let spaced = text.iter().any(u8::is_ascii_whitespace);
    !spaced && text.iter().any(|byte| byte.is_ascii_digit() || *byte == b'@')
}

/// With a sign, a currency, a percent sign, thousands marks, a decimal point or comma, an exponent.
fn is_number(text: &[u8]) -> bool {
    let text = text.strip_suffix(b"%").unwrap_or(text).trim_ascii_end();
    let text = ["€", "$", "£", "¥"]
        .iter()
        .find_map(|mark| text.strip_suffix(mark.as_bytes()))
        .map_or(text, <[u8]>::trim_ascii_end);
    let text = text.strip_prefix(b"-").or_else(|| text.strip_prefix(b"+")).unwrap_or(text);
    let text = ["€", "$", "£", "¥"]
        .iter()
        .find_map(|mark| text.strip_prefix(mark.as_bytes()))
        .map_or(text, <[u8]>::trim_ascii_start);
    let (body, exponent) = match memchr::memchr2(b'e', b'E', text) {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    };
    exponent.is_none_or(is_exponent) && is_decimal(body)
}

fn is_exponent(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"-").or_else(|| text.strip_prefix(b"+")).unwrap_or(text);
    !digits.is_empty() && digits.iter().all(u8::is_ascii_digit)
}

fn is_decimal(text: &[u8]) -> bool {
    if !text.is_empty() && text.iter().all(u8::is_ascii_digit) {
        return true;
    }
    let is_mark = |byte: &u8| matches!(byte, b'.' | b',' | b'\'');
    let marks: Vec<u8> = text.iter().copied().filter(is_mark).collect();
    let runs: Vec<&[u8]> = text.split(is_mark).collect();
    let (Some(first), Some(last)) = (runs.first(), runs.last()) else { return false };
    if last.is_empty() || !runs.iter().all(|run| run.iter().all(u8::is_ascii_digit)) {
        return false;
    }
    match marks.as_slice() {
        [] => true,
        [b'\''] => last.len() == 3 && !first.is_empty(),
        [mark] => !first.is_empty() || *mark == b'.',
        [thousands, .., decimal] => {
            let groups = &runs[1..runs.len() - 1];
            let same = marks[..marks.len() - 1].iter().all(|mark| mark == thousands);
            same && (1..=3).contains(&first.len())
                && groups.iter().all(|group| group.len() == 3)
                && (decimal != thousands || last.len() == 3)
        }
    }
}

fn is_moment(text: &[u8]) -> bool {
    if !text.first().is_some_and(u8::is_ascii_digit) {
        return false;
    }
    let (first, rest) = match text.iter().position(|byte| matches!(byte, b' ' | b'T')) {
        Some(at) => (&text[..at], text[at + 1..].trim_ascii()),
        None => (text, &text[..0]),
    };
    match is_date(first) {
        true => rest.is_empty() || is_time(rest),
        false => is_time(text),
    }
}

/// Three parts: a year of four digits at either end, or of two behind; the month may be letters.
fn is_date(text: &[u8]) -> bool {
    let Some(mark) = text.iter().copied().find(|byte| matches!(byte, b'-' | b'/' | b'.')) else { return false };
    let mut parts = text.split(|byte| *byte == mark);
    let (Some(a), Some(b), Some(c), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return false;
    };
    let digits = |part: &[u8], lengths: &[usize]| lengths.contains(&part.len()) && part.iter().all(u8::is_ascii_digit);
    let month = digits(b, &[1, 2]) || (b.len() == 3 && b.iter().all(u8::is_ascii_alphabetic));
    month && ((digits(a, &[4]) && digits(c, &[1, 2])) || (digits(a, &[1, 2]) && digits(c, &[2, 4])))
}

/// `H:MM`, with seconds, a fraction, `AM` or `PM`, an offset, `Z` or ` UTC`.
fn is_time(text: &[u8]) -> bool {
    let text = [&b"Z"[..], b" UTC"].iter().find_map(|zone| text.strip_suffix(*zone)).unwrap_or(text);
    let half =
        text.len() > 2 && [&b"am"[..], b"pm"].iter().any(|half| text[text.len() - 2..].eq_ignore_ascii_case(half));
    let text = if half { text[..text.len() - 2].trim_ascii_end() } else { text };
    let clock = text.iter().position(|byte| matches!(byte, b'+' | b'-')).unwrap_or(text.len());
    let (clock, offset) = text.split_at(clock);
    let mut parts = clock.trim_ascii_end().split(|byte| *byte == b':');
    let two = |part: &[u8]| part.len() == 2 && part.iter().all(u8::is_ascii_digit);
    let (Some(hours), Some(minutes), seconds, None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return false;
    };
    let seconds_fit = seconds.is_none_or(|part| {
        part.split_at_checked(2).is_some_and(|(whole, fraction)| {
            two(whole) && fraction.iter().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b','))
        })
    });
    let hours_fit = matches!(hours.len(), 1 | 2) && hours.iter().all(u8::is_ascii_digit);
    let offset_fits = offset.iter().skip(1).all(|byte| byte.is_ascii_digit() || *byte == b':');
    hours_fit && two(minutes) && seconds_fit && offset_fits
}

/// What the cells of one column look like.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Tally {
    pub values: usize,
    numbers: usize,
    moments: usize,
    booleans: usize,
    codes: usize,
}

impl Tally {
    pub fn add(&mut self, kind: Kind) {
        self.values += usize::from(kind.is_value());
        match kind {
            Kind::Number => self.numbers += 1,
            Kind::Moment => self.moments += 1,
            Kind::Boolean => self.booleans += 1,
            Kind::Code => self.codes += 1,
            Kind::Empty | Kind::Missing | Kind::Text => {}
        }
    }

    /// The kind of at least `percent` of the values; `Text` if there is none, `Empty` without values.
    pub fn kind(&self, percent: usize) -> Kind {
        if self.values == 0 {
            return Kind::Empty;
        }
        let of = [
            (self.numbers, Kind::Number),
            (self.moments, Kind::Moment),
            (self.booleans, Kind::Boolean),
            (self.codes, Kind::Code),
        ];
        of.into_iter().find(|(count, _)| count * 100 >= self.values * percent).map_or(Kind::Text, |(_, kind)| kind)
    }
}

#[cfg(test)]
mod tests {
    use super::Kind;

    #[test]
    fn a_cell_looks_like_what_a_person_sees_in_it() {
        for number in ["1", "-2,5", "1.234,56", "1,234,567.8", "$5", "3 €", "12%", ".5", "1e5", "1'000"] {
            assert_eq!(Kind::of(number.as_bytes()), Kind::Number, "{number}");
        }
        for moment in [
            "2024-01-31",
            "1.2.2024",
            "31/12/99",
            "12:30",
            "9:05 pm",
            "2024-01-01T10:00:00.5Z",
            "2024-01-01 10:00:00 UTC",
            "2-Jan-2024",
        ] {
            assert_eq!(Kind::of(moment.as_bytes()), Kind::Moment, "{moment}");
        }
        for text in ["Smith", "1,2,3 go", "abc def", ",5 x"] {
            assert_eq!(Kind::of(text.as_bytes()), Kind::Text, "{text}");
        }
        for code in ["A001", "a@b.org", "1,2,3", "00:1a:2b:3c"] {
            assert_eq!(Kind::of(code.as_bytes()), Kind::Code, "{code}");
        }
    }
}
