//! Cutting records that `split` cannot: runs of spaces between fields, spaces around them, backslashes, and quotes that stand where they should not.

use memchr::{memchr2, memchr3};

use super::Span;
use super::dialect::Syntax;
use super::options::{Delimiter, Escape};
use super::split::{Fields, Split, undouble};

/// How a quote that is followed by text is understood; the closing one is in any case the first that stands before a delimiter or a line end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stray {
    /// It closes on the same line, or the field is not quoted at all.
    SameLine,
    /// It closes within so many bytes.
    Within(usize),
    /// The field is not quoted at all, and ends at the first delimiter.
    Literal,
}

/// How a quoted field ends.
enum Closing {
    At {
        close: usize,
        mend: bool,
    },
    /// Not within these bytes.
    Open,
    /// The field is not quoted; it ends at the first delimiter from here on.
    Literal {
        from: usize,
    },
}

/// As [`split`](super::split::split), for any syntax.
pub(super) fn split_any(
    bytes: &[u8],
    ended: bool,
    syntax: Syntax,
    stray: Stray,
    fields_max: usize,
    fields: &mut Fields,
) -> Split {
    fields.clear();
    let mut at = syntax.pad(bytes, 0);
    let mut searched = None;
    loop {
        let field = at;
        if fields.spans.len() == fields_max {
            return Split::TooMany;
        }
        let unfinished = |quoted| Split::Unfinished { field, quoted };
        let mut from = field;
        let mut closed = None;
        if let Some(quote) = syntax.quote.filter(|quote| bytes.get(field) == Some(quote)) {
            match closing(bytes, (field, quote), ended, (syntax, stray), fields, &mut searched) {
                Closing::At { close, mend } => closed = Some((close, mend)),
                Closing::Open => return unfinished(true),
                Closing::Literal { from: behind } => from = behind,
            }
        }
        match closed {
            Some((close, mend)) => {
                fields.quoted = true;
                if mend {
                    fields.doubled.push(fields.spans.len());
                }
                fields.spans.push(Span::Text { start: field + 1, end: close });
                fields.raw.push((field, close + 1));
                at = syntax.spaces(bytes, close + 1);
            }
            None => {
                let Some((end, mend)) = unquoted_end(bytes, from, ended, syntax) else { return unfinished(false) };
                let trimmed = end - syntax.padding_before(&bytes[field..end]);
                let null = trimmed == field || (syntax.escape == Escape::Backslash && bytes[field..trimmed] == *b"\\N");
                // A line end may have been escaped.
                fields.quoted |= mend;
                if mend && !null {
                    fields.doubled.push(fields.spans.len());
                }
                fields.spans.push(if null { Span::Null } else { Span::Text { start: field, end: trimmed } });
                fields.raw.push((field, trimmed));
                at = end;
            }
        }
        match syntax.behind(bytes, at, ended) {
            Behind::Delimiter { len } => at = syntax.pad(bytes, at + len),
            Behind::End { len } => return Split::Record { content: at, len: at + len },
            Behind::Unknown => return unfinished(false),
        }
    }
}

/// What follows a field.
enum Behind {
    Delimiter {
        len: usize,
    },
    /// A line end of so many bytes, with spaces that belong to it, or the end of the file.
    End {
        len: usize,
    },
    Unknown,
}

impl Syntax {
    /// Behind the spaces that belong to a delimiter before `at`, or to the beginning of a line.
    fn pad(self, bytes: &[u8], at: usize) -> usize {
        match self.padded || self.delimiter == Some(Delimiter::Spaces) {
            true => self.spaces(bytes, at),
            false => at,
        }
    }

    /// Behind spaces that delimit nothing.
    fn spaces(self, bytes: &[u8], at: usize) -> usize {
        let is_space = |byte: &&u8| match self.delimiter {
            Some(Delimiter::Spaces) if at > 0 => false,
            Some(Delimiter::Byte(delimiter)) => matches!(**byte, b' ' | b'\t') && **byte != delimiter,
            _ => matches!(**byte, b' ' | b'\t'),
        };
        at + bytes.get(at..).unwrap_or_default().iter().take_while(is_space).count()
    }

    fn padding_before(self, field: &[u8]) -> usize {
        match self.padded {
            true => field.iter().rev().take_while(|byte| matches!(byte, b' ' | b'\t')).count(),
            false => 0,
        }
    }

    fn behind(self, bytes: &[u8], at: usize, ended: bool) -> Behind {
        if self.delimiter == Some(Delimiter::Spaces) {
            let run =
                bytes.get(at..).unwrap_or_default().iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
            return match line_end(bytes, at + run, ended) {
                Some(0) if at + run >= bytes.len() => Behind::End { len: run },
                Some(0) if run > 0 => Behind::Delimiter { len: run },
                Some(0) => Behind::Delimiter { len: 0 },
                Some(len) => Behind::End { len: run + len },
                None => Behind::Unknown,
            };
        }
        match (bytes.get(at), self.delimiter) {
            (Some(byte), Some(Delimiter::Byte(delimiter))) if *byte == delimiter => Behind::Delimiter { len: 1 },
            _ => line_end(bytes, at, ended).map_or(Behind::Unknown, |len| Behind::End { len }),
        }
    }

    /// Whether a field can end at `at`: `None` if that cannot be told from these bytes.
    fn ends(self, bytes: &[u8], at: usize, ended: bool) -> Option<bool> {
        let at = self.spaces(bytes, at);
        match (bytes.get(at), self.delimiter) {
            (None, _) => ended.then_some(true),
            (Some(b'\n' | b'\r'), _) | (Some(b' ' | b'\t'), Some(Delimiter::Spaces)) => Some(true),
            (Some(byte), Some(Delimiter::Byte(delimiter))) => Some(*byte == delimiter),
            _ => Some(false),
        }
    }
}

/// The length of the line end at `at`; 0 if there is none, or at the end of the file. `None` if it cannot be told from these bytes.
fn line_end(bytes: &[u8], at: usize, ended: bool) -> Option<usize> {
    match (bytes.get(at), bytes.get(at + 1)) {
        (Some(b'\r'), Some(b'\n')) => Some(2),
        (Some(b'\r'), None) | (None, _) if !ended => None,
        (Some(b'\n' | b'\r'), _) => Some(1),
        _ => Some(0),
    }
}

/// The end of an unquoted field that is looked for from `at` on, and whether escapes stand in it.
fn unquoted_end(bytes: &[u8], mut at: usize, ended: bool, syntax: Syntax) -> Option<(usize, bool)> {
    let mut mend = false;
    loop {
        let rest = bytes.get(at..).unwrap_or_default();
        let found = match syntax.delimiter {
            _ if syntax.escape == Escape::Backslash => {
                rest.iter().position(|byte| syntax.stops(*byte) || *byte == b'\\')
            }
            Some(Delimiter::Byte(delimiter)) => memchr3(delimiter, b'\n', b'\r', rest),
            Some(Delimiter::Spaces) => rest.iter().position(|byte| syntax.stops(*byte)),
            None => memchr2(b'\n', b'\r', rest),
        };
        match found {
            Some(len) if syntax.escape == Escape::Backslash && rest.get(len) == Some(&b'\\') => {
                mend = true;
                // What is escaped may lie behind these bytes.
                if at + len + 1 >= bytes.len() {
                    return ended.then_some((bytes.len(), mend));
                }
                at += len + 2;
            }
            Some(len) => return Some((at + len, mend)),
            None => return ended.then_some((bytes.len(), mend)),
        }
    }
}

impl Syntax {
    fn stops(self, byte: u8) -> bool {
        match self.delimiter {
            Some(Delimiter::Byte(delimiter)) if byte == delimiter => true,
            Some(Delimiter::Spaces) if matches!(byte, b' ' | b'\t') => true,
            _ => matches!(byte, b'\n' | b'\r'),
        }
    }
}

/// What the quotes of one record have shown already, so that none of them is looked at for every field before it: from a stray quote on it is of no account where
/// the field began.
#[derive(Clone, Copy)]
struct Searched {
    /// The stray quote from which on no quote closes …
    from: usize,
    /// … before this one, or the end of the bytes.
    to: usize,
    /// How far that was to be looked for.
    end: usize,
}

/// Where the field closes whose quote opens at `open`.
fn closing(
    bytes: &[u8],
    (open, quote): (usize, u8),
    ended: bool,
    (syntax, stray): (Syntax, Stray),
    fields: &mut Fields,
    searched: &mut Option<Searched>,
) -> Closing {
    let mut mend = false;
    let mut at = open + 1;
    // Where the first stray quote stands, and how far to look from there.
    let mut limit: Option<(usize, usize)> = None;
    loop {
        let rest = bytes.get(at..).unwrap_or_default();
        let backslash = if syntax.escape == Escape::Backslash { b'\\' } else { quote };
        let found = memchr2(quote, backslash, rest);
        at = found.map_or(bytes.len(), |found| at + found);
        if let Some((from, end)) = limit
            && (at >= end || found.is_none() && ended)
        {
            *searched = Some(Searched { from, to: at, end });
            return Closing::Literal { from };
        }
        if found.is_none() {
            return Closing::Open;
        }
        let escaped = bytes.get(at) == Some(&b'\\') && syntax.escape == Escape::Backslash;
        if escaped || bytes.get(at + 1) == Some(&quote) {
            mend = true;
            at += 2;
            continue;
        }
        match syntax.ends(bytes, at + 1, ended) {
            None => return Closing::Open,
            Some(true) => return Closing::At { close: at, mend },
            Some(false) => {}
        }
        fields.stray.get_or_insert(at);
        if limit.is_none() {
            let known = searched.filter(|known| (known.from..known.to).contains(&at));
            let end = match (stray, known) {
                (Stray::Literal, _) => return Closing::Literal { from: open },
                (Stray::Within(bytes), _) => at.saturating_add(bytes),
                (Stray::SameLine, Some(known)) if at < known.end => known.end,
                (Stray::SameLine, _) => match memchr2(b'\n', b'\r', &bytes[at..]) {
                    Some(len) => at + len,
                    None if ended => bytes.len(),
                    None => return Closing::Open,
                },
            };
            limit = Some((at, end));
            if let Some(known) = known {
                mend = true;
                at = known.to;
                continue;
            }
        }
        at += 1;
    }
}

/// Resolves doubled quotes and escapes of a field in place; the new length. `quoted`: quotes stood around it.
pub(super) fn unescape(field: &mut [u8], syntax: Syntax, quoted: bool) -> usize {
    let Some(quote) = syntax.quote.filter(|_| syntax.escape == Escape::Doubled) else {
        return match syntax.escape {
            Escape::Backslash => unescape_backslashes(field, syntax, quoted),
            Escape::Doubled => field.len(),
        };
    };
    if quoted { undouble(field, quote) } else { field.len() }
}

/// `\n`, `\r` and `\t` are control characters where tabs delimit and nothing is quoted: so Postgres and MySQL dump tables.
fn unescape_backslashes(field: &mut [u8], syntax: Syntax, quoted: bool) -> usize {
    let dumped = !quoted && syntax.delimiter == Some(Delimiter::Byte(b'\t'));
    let (mut read, mut written) = (0, 0);
    while let Some(byte) = field.get(read).copied() {
        let next = field.get(read + 1).copied();
        let (made, taken) = match (byte, next) {
            (b'\\', Some(b'n')) if dumped => (b'\n', 2),
            (b'\\', Some(b'r')) if dumped => (b'\r', 2),
            (b'\\', Some(b't')) if dumped => (b'\t', 2),
            (b'\\', Some(next)) => (next, 2),
            (byte, Some(next)) if quoted && byte == next && syntax.quote == Some(byte) => (byte, 2),
            (byte, _) => (byte, 1),
        };
        field[written] = made;
        written += 1;
        read += taken;
    }
    written
}

#[cfg(test)]
mod tests {
    use super::{Delimiter, Escape, Fields, Split, Stray, Syntax, split_any};
    use std::time::{Duration, Instant};

    /// Each quote may close any field before it, which must not be tried one by one: that took minutes.
    #[test]
    fn a_long_line_full_of_stray_quotes_is_read_in_time() {
        let cell = format!("\"{}", "a\"b ".repeat(650));
        let line = vec![cell.as_str(); 1599].join(",");
        let syntax = Syntax {
            delimiter: Some(Delimiter::Byte(b',')),
            quote: Some(b'"'),
            escape: Escape::Doubled,
            padded: false,
        };
        let mut fields = Fields::default();
        let started = Instant::now();
        for stray in [Stray::SameLine, Stray::Within(1 << 20), Stray::Literal] {
            let split = split_any(line.as_bytes(), true, syntax, stray, 1601, &mut fields);
            assert!(matches!(split, Split::Record { content, .. } if content == line.len()));
            assert_eq!(fields.spans.len(), 1599);
        }
        assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    }
}
