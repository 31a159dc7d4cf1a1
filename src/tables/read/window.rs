//! The part of the input that is in memory: it slides over the file and grows only while one row does not fit.

use std::io::{self, ErrorKind, Read};

use crate::error::{Error, Result};

/// Fits the second-level cache of common processors.
const WINDOW_BYTES: usize = 256 * 1024;
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

pub(super) struct Window<R> {
    input: R,
    bytes: Vec<u8>,
    start: usize,
    end: usize,
    ended: bool,
    /// The input failed behind the bytes that are here, which are to be read first.
    failed: Option<io::Error>,
}

impl<R: Read> Window<R> {
    /// Reads the beginning and drops a byte order mark.
    pub fn open(input: R) -> Result<Self> {
        let mut window = Self { input, bytes: vec![0; WINDOW_BYTES], start: 0, end: 0, ended: false, failed: None };
        window.fill()?;
        if window.unread().starts_with(BYTE_ORDER_MARK) {
            window.consume(BYTE_ORDER_MARK.len());
        }
        Ok(window)
    }

    pub fn unread(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    pub fn unread_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..self.end]
    }

    /// Whether no byte follows those of `unread`.
    pub fn ended(&self) -> bool {
        self.ended
    }

    pub fn consume(&mut self, bytes: usize) {
        debug_assert!(self.start + bytes <= self.end);
        self.start += bytes;
    }

    /// Reads until the window is full or the input ends, doubling it when it was full: a row that is scanned again from its beginning after every
    /// fill then costs time linear in its length, however small the pieces are in which the input comes.
    pub fn fill(&mut self) -> Result<()> {
        if let Some(error) = self.failed.take() {
            return Err(failure(error));
        }
        self.bytes.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        if self.end == self.bytes.len() {
            self.bytes.resize(self.bytes.len() * 2, 0);
        }
        let before = self.end;
        while self.end < self.bytes.len() && !self.ended {
            match self.input.read(&mut self.bytes[self.end..]) {
                Ok(0) => self.ended = true,
                Ok(read) => self.end += read,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if self.end == before => return Err(failure(error)),
                Err(error) => {
                    self.failed = Some(error);
                    break;
                }
            }
        }
        Ok(())
    }
}

/// The input's own `Error`, if it wrapped one.
pub(super) fn failure(error: io::Error) -> Error {
    error.downcast::<Error>().unwrap_or_else(|error| Error::Interrupted { detail: error.to_string() })
}
