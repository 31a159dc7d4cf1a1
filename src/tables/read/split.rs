//! Cutting the text of a delimited file into the fields of one record: the plain case, which nearly every record of nearly every file is. Fields stay where they
//! are; nothing is copied. `lenient` cuts whatever this cannot.

use memchr::{memchr, memchr3};

use super::Span;

pub(super) enum Split {
    /// A whole record: `content` bytes, of `len` with its line end.
    Record { content: usize, len: usize },
    /// The record goes on behind the bytes that are here, or its quote is never closed. `field` is where its last field begins.
    Unfinished { field: usize, quoted: bool },
    /// Text stands between a closing quote and the next delimiter; `lenient` never says so.
    AfterQuote,
    /// More fields than asked for.
    TooMany,
}

/// What [`split`] needs to know of a dialect.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plain {
    /// LF where there is none: every line is one field.
    pub delimiter: u8,
    pub quote: Option<u8>,
}

/// The fields of the record being split, kept to be filled again.
#[derive(Default)]
pub(super) struct Fields {
    pub spans: Vec<Span>,
    /// Indexes of the spans with doubled quotes or escapes in them.
    pub doubled: Vec<usize>,
    pub quoted: bool,
    /// Where each field begins and ends with its quotes; only `lenient` fills it.
    pub raw: Vec<(usize, usize)>,
    /// The first quote that is neither escaped nor closes its field; only `lenient` finds it.
    pub stray: Option<usize>,
}

impl Fields {
    pub fn clear(&mut self) {
        self.spans.clear();
        self.doubled.clear();
        self.quoted = false;
        self.raw.clear();
        self.stray = None;
    }
}

/// Splits the record that begins at the start of `bytes`. `ended`: no byte follows them. An unquoted empty field is `Null`, a quoted one an empty `Text`.
/// A quote inside an unquoted field is an ordinary character.
pub(super) fn split(bytes: &[u8], ended: bool, plain: Plain, fields_max: usize, fields: &mut Fields) -> Split {
    fields.clear();
    let mut at = 0;
    loop {
        let field = at;
        if fields.spans.len() == fields_max {
            return Split::TooMany;
        }
        match plain.quote {
            Some(quote) if bytes.get(at) == Some(&quote) => {
                let Some((close, doubled)) = closing_quote(bytes, at + 1, quote, ended) else {
                    return Split::Unfinished { field, quoted: true };
                };
                fields.quoted = true;
                if doubled {
                    fields.doubled.push(fields.spans.len());
                }
                fields.spans.push(Span::Text { start: field + 1, end: close });
                at = close + 1;
            }
            _ => {
                match memchr3(plain.delimiter, b'\n', b'\r', &bytes[at..]) {
                    Some(len) => at += len,
                    None if ended => at = bytes.len(),
                    None => return Split::Unfinished { field, quoted: false },
                }
                fields.spans.push(if at == field { Span::Null } else { Span::Text { start: field, end: at } });
            }
        }
        match bytes.get(at) {
            Some(b'\n') => return Split::Record { content: at, len: at + 1 },
            Some(byte) if *byte == plain.delimiter => at += 1,
            Some(b'\r') => match bytes.get(at + 1) {
                None if !ended => return Split::Unfinished { field, quoted: false },
                next => return Split::Record { content: at, len: at + 1 + usize::from(next == Some(&b'\n')) },
            },
            None if ended => return Split::Record { content: at, len: at },
            None => return Split::Unfinished { field, quoted: false },
            Some(_) => return Split::AfterQuote,
        }
    }
}

/// Where the quote closes that opened before `at`, and whether doubled ones stand between. `None` if that cannot be told from these bytes.
fn closing_quote(bytes: &[u8], mut at: usize, quote: u8, ended: bool) -> Option<(usize, bool)> {
    let mut doubled = false;
    loop {
        at += memchr(quote, &bytes[at..])?;
        match bytes.get(at + 1) {
            Some(next) if *next == quote => {
                doubled = true;
                at += 2;
            }
            None if !ended => return None,
            _ => return Some((at, doubled)),
        }
    }
}

/// Makes one of every doubled quote, in place; the new length.
pub(super) fn undouble(field: &mut [u8], quote: u8) -> usize {
    let (mut read, mut written) = (0, 0);
    while read < field.len() {
        let run = memchr(quote, &field[read..]).map_or(field.len() - read, |to_quote| to_quote + 1);
        field.copy_within(read..read + run, written);
        written += run;
        // Behind the first quote of a pair stands the second; a stray one stands alone.
        read += run;
        read += usize::from(field.get(read - 1) == Some(&quote) && field.get(read) == Some(&quote));
    }
    written
}
