//! Lines and columns for error messages: both count from 1, a column counts characters, and LF, CRLF and CR each end a line.

use std::str;

use memchr::memchr2_iter;

use crate::error::{Malformed, Result};

const EXCERPT_CHARACTERS_MAX: usize = 60;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Position {
    pub line: u64,
    pub column: u64,
}

impl Position {
    pub const START: Self = Self { line: 1, column: 1 };

    pub fn line_start(line: u64) -> Self {
        Self { line, column: 1 }
    }

    /// The position behind `text`, which begins at this one. A CR at its very end is not yet a line end: an LF may follow.
    pub fn after(self, text: &[u8]) -> Self {
        let mut position = self;
        let mut line_start = 0;
        for end in memchr2_iter(b'\n', b'\r', text) {
            if text[end] == b'\r' && text.get(end + 1).is_none_or(|next| *next == b'\n') {
                continue;
            }
            position = Self::line_start(position.line + 1);
            line_start = end + 1;
        }
        position.column += characters(&text[line_start..]);
        position
    }

    /// An error at `at` in `text`, which begins at this position.
    pub fn malformed(self, text: &[u8], at: usize, detail: impl Into<String>) -> Malformed {
        let place = self.after(&text[..at]);
        Malformed {
            detail: detail.into(),
            line: Some(place.line),
            column: Some(place.column),
            excerpt: excerpt(&text[at..]),
            ..Malformed::default()
        }
    }

    /// Fails unless `text`, which begins at this position, is UTF-8 without NUL, which Postgres cannot store.
    pub fn check_text(self, text: &[u8]) -> Result<&str> {
        let checked = str::from_utf8(text).map_err(|error| {
            let hint = "Save the file as UTF-8, or convert it: `iconv -f WINDOWS-1252 -t UTF-8`.".to_owned();
            let malformed = self.malformed(text, error.valid_up_to(), "The bytes here are not UTF-8.");
            Malformed { hint: Some(hint), ..malformed }
        })?;
        match memchr::memchr(0, text) {
            Some(at) => Err(self.malformed(text, at, "A NUL character stands here, which a table cannot hold.").into()),
            None => Ok(checked),
        }
    }
}

/// Each character has one byte that is not a continuation.
fn characters(text: &[u8]) -> u64 {
    text.iter().filter(|byte| **byte & 0xc0 != 0x80).count() as u64
}

/// The beginning of `text`, to the end of its line.
fn excerpt(text: &[u8]) -> Option<String> {
    let head = &text[..text.len().min(EXCERPT_CHARACTERS_MAX * 4)];
    let line = head.split(|byte| matches!(byte, b'\n' | b'\r')).next().unwrap_or_default();
    let excerpt: String = String::from_utf8_lossy(line).chars().take(EXCERPT_CHARACTERS_MAX).collect();
    Some(excerpt).filter(|excerpt| !excerpt.is_empty())
}
