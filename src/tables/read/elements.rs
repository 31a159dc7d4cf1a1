//! Finding the JSON objects of a file one after another: a line each, or the elements of one array, of which no more than one is ever held.

use std::io::Read;

use super::ReadLimits;
use super::facts::json_string_end;
use super::position::Position;
use super::window::Window;
use crate::error::{Malformed, Result};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    Lines,
    Array,
}

pub(super) struct Elements<R> {
    window: Window<R>,
    layout: Layout,
    limits: ReadLimits,
    /// Where the window begins.
    position: Position,
    /// How much of the window the element found last takes, with its line end.
    found: usize,
    place: Place,
}

/// How far into an array we are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Before,
    Opened,
    BehindElement,
}

impl<R: Read> Elements<R> {
    pub fn open(layout: Layout, input: R, limits: ReadLimits) -> Result<Self> {
        let window = Window::open(input)?;
        Ok(Self { window, layout, limits, position: Position::START, found: 0, place: Place::Before })
    }

    /// Finds the next element: where it begins and the bytes that it takes. They are not yet known to be valid JSON. `None` at the end of the file.
    pub fn next(&mut self) -> Result<Option<(Position, &[u8])>> {
        self.skip(self.found);
        let len = match self.layout {
            Layout::Lines => self.next_line()?,
            Layout::Array => self.next_of_array()?,
        };
        Ok(len.map(|len| (self.position, &self.window.unread()[..len])))
    }

    fn next_line(&mut self) -> Result<Option<usize>> {
        loop {
            let bytes = self.window.unread();
            let (len, taken) = match memchr::memchr(b'\n', bytes) {
                Some(len) => (len, len + 1),
                None if self.window.ended() => (bytes.len(), bytes.len()),
                None => {
                    self.limits.check_row(self.position, bytes)?;
                    self.window.fill()?;
                    continue;
                }
            };
            if taken == 0 {
                return Ok(None);
            }
            self.limits.check_row(self.position, &bytes[..len])?;
            if bytes[..len].iter().all(u8::is_ascii_whitespace) {
                self.skip(taken);
                continue;
            }
            self.found = taken;
            return Ok(Some(len));
        }
    }

    fn next_of_array(&mut self) -> Result<Option<usize>> {
        loop {
            let byte = self.skip_space()?;
            match (self.place, byte) {
                (Place::Before, Some(b'[')) => self.place = Place::Opened,
                (Place::Opened | Place::BehindElement, Some(b']')) => {
                    self.skip(1);
                    return match self.skip_space()? {
                        None => Ok(None),
                        Some(_) => Err(self.malformed("The array ends before here, yet more text follows.").into()),
                    };
                }
                (Place::BehindElement, Some(b',')) => {
                    self.skip(1);
                    return self.object_behind_comma();
                }
                (Place::Opened, Some(b'{')) => return self.object().map(Some),
                (Place::Before, None) => return Err(self.malformed("The file is empty.").into()),
                (Place::Before, Some(_)) => return Err(self.malformed("An array must begin here with `[`.").into()),
                (Place::Opened, Some(_)) => return Err(self.malformed("Every element must be an object.").into()),
                (Place::BehindElement, Some(_)) => return Err(self.malformed("Expected `,` or `]`.").into()),
                (_, None) => return Err(self.malformed("The file ends within the array: `]` is missing.").into()),
            }
            self.skip(1);
        }
    }

    fn object_behind_comma(&mut self) -> Result<Option<usize>> {
        match self.skip_space()? {
            Some(b'{') => self.object().map(Some),
            Some(_) => Err(self.malformed("Every element must be an object.").into()),
            None => Err(self.malformed("The file ends within the array: `]` is missing.").into()),
        }
    }

    /// The length of the object that begins here. One that never ends is all the rest of the file, for the parser to say what it lacks.
    fn object(&mut self) -> Result<usize> {
        loop {
            let bytes = self.window.unread();
            let len = match object_len(bytes) {
                None if self.window.ended() => Some(bytes.len()),
                len => len,
            };
            self.limits.check_row(self.position, &bytes[..len.unwrap_or(bytes.len())])?;
            if let Some(len) = len {
                self.place = Place::BehindElement;
                self.found = len;
                return Ok(len);
            }
            self.window.fill()?;
        }
    }

    /// Goes to the next byte that is not a space and returns it.
    fn skip_space(&mut self) -> Result<Option<u8>> {
        loop {
            let bytes = self.window.unread();
            let spaces = bytes.iter().take_while(|byte| matches!(byte, b' ' | b'\n' | b'\r' | b'\t')).count();
            let next = bytes.get(spaces).copied();
            self.skip(spaces);
            if next.is_some() || self.window.ended() {
                return Ok(next);
            }
            self.window.fill()?;
        }
    }

    fn skip(&mut self, bytes: usize) {
        self.position = self.position.after(&self.window.unread()[..bytes]);
        self.window.consume(bytes);
        self.found = 0;
    }

    fn malformed(&self, detail: &str) -> Malformed {
        self.position.malformed(self.window.unread(), 0, detail)
    }
}

/// Where the brackets balance that open at the start of `bytes`.
fn object_len(bytes: &[u8]) -> Option<usize> {
    let (mut depth, mut at) = (0_usize, 0);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth == 1 => return Some(at + 1),
            b'}' | b']' => depth = depth.saturating_sub(1),
            b'"' => at = json_string_end(bytes, at + 1)?,
            _ => {}
        }
        at += 1;
    }
    None
}
