//! Mending text: bytes that are not UTF-8, and NUL. Counts lines, to say where.

use std::sync::{Arc, Mutex};

use encoding_rs::WINDOWS_1252;

use super::position::Position;
use super::source::lock;
use super::{Trouble, Warnings};
use crate::error::{Malformed, Result};

const REPLACEMENT: &str = "\u{fffd}";

/// Walks over a text from its beginning.
pub(super) struct Mender {
    notes: Arc<Mutex<Warnings>>,
    /// UTF-8 was told, so anything else is an error.
    told: bool,
    position: Position,
    /// The text so far ends with a CR, which is a line end unless an LF follows.
    cr: bool,
}

impl Mender {
    pub fn new(notes: Arc<Mutex<Warnings>>, told: bool) -> Self {
        Self { notes, told, position: Position::START, cr: false }
    }

    /// Goes over text that is as it should be.
    pub fn pass(&mut self, text: &[u8]) {
        let Some(first) = text.first() else { return };
        if self.cr && *first != b'\n' {
            self.position = Position::line_start(self.position.line + 1);
        }
        self.position = self.position.after(text);
        self.cr = text.last() == Some(&b'\r');
    }

    /// Writes `text` to `mended`, and returns what is the beginning of a character at its end; nothing if the file `ended` here.
    ///
    /// # Errors
    /// `Malformed` with its place, if UTF-8 was told or nothing may be mended.
    pub fn mend<'a>(&mut self, text: &'a [u8], ended: bool, mended: &mut Vec<u8>) -> Result<&'a [u8]> {
        let mut at = 0;
        for chunk in text.utf8_chunks() {
            let (valid, invalid) = (chunk.valid(), chunk.invalid());
            self.mend_nul(valid, text.get(at..).unwrap_or_default(), mended)?;
            at += valid.len();
            let rest = text.get(at..).unwrap_or_default();
            let cut_off = std::str::from_utf8(rest).is_err_and(|error| error.error_len().is_none());
            if rest.len() == invalid.len() && !ended && cut_off {
                return Ok(rest);
            }
            if !invalid.is_empty() {
                self.note_encoding(rest)?;
                mended.extend(invalid.iter().flat_map(|byte| windows_1252(*byte).as_bytes().to_vec()));
                self.pass(invalid);
            }
            at += invalid.len();
        }
        Ok(&[])
    }

    /// Writes `valid`, which `text` begins with, without the NUL characters in it.
    pub fn mend_nul(&mut self, valid: &str, text: &[u8], mended: &mut Vec<u8>) -> Result<()> {
        let mut start = 0;
        for nul in memchr::memchr_iter(0, valid.as_bytes()) {
            let before = valid.as_bytes().get(start..nul).unwrap_or_default();
            self.pass(before);
            mended.extend_from_slice(before);
            let notes = self.notes.clone();
            lock(&notes).note(Trouble::Nul, self.position(), text.get(nul..).unwrap_or_default(), 0)?;
            mended.extend_from_slice(REPLACEMENT.as_bytes());
            self.pass(&[0]);
            start = nul + 1;
        }
        let rest = valid.as_bytes().get(start..).unwrap_or_default();
        self.pass(rest);
        mended.extend_from_slice(rest);
        Ok(())
    }

    /// Counts bytes that are no text in the file's encoding; `text` begins with them.
    pub fn note_encoding(&mut self, text: &[u8]) -> Result<()> {
        let position = self.position();
        if self.told {
            let malformed = position.malformed(text, 0, "The bytes here are not UTF-8, as `encoding=` says.");
            let hint = "Say what they are, such as `encoding=windows-1252`, or leave it to detection.".to_owned();
            return Err(Malformed { hint: Some(hint), ..malformed }.into());
        }
        lock(&self.notes).note(Trouble::BadEncoding, position, text, 0)
    }

    /// Where the next character stands that is no line end.
    fn position(&mut self) -> Position {
        if self.cr {
            self.position = Position::line_start(self.position.line + 1);
            self.cr = false;
        }
        self.position
    }
}

/// The character of one byte; U+FFFD for the five that have none.
fn windows_1252(byte: u8) -> String {
    match byte {
        0x81 | 0x8d | 0x8f | 0x90 | 0x9d => REPLACEMENT.to_owned(),
        _ => WINDOWS_1252.decode_without_bom_handling(&[byte]).0.into_owned(),
    }
}
