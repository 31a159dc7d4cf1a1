//! Any encoding to UTF-8 without NUL, which is what readers read and Postgres holds.
//!
//! The encoding is told, or said by a byte order mark, or seen. Bytes of a UTF-8 file that are none are read as Windows-1252 one by one: a file whose beginning
//! is ASCII may well be Windows-1252 further on.

use std::io::{self, ErrorKind, Read};
use std::sync::{Arc, Mutex};

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

use super::Options;
use super::Warnings;
use super::mend::Mender;
use super::source::{Text, wrapped};
use super::transcode::Transcoder;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
/// What is read at once where the caller's buffer is not used itself.
const CHUNK_BYTES: usize = 64 * 1024;
/// A shorter buffer is served from one of ours: a character need not fit into it.
const DIRECT_BYTES_MIN: usize = 4096;

/// `input` as text; `beginning` is what it begins with, some 64 KiB or all of it.
/// Reading it fails with `Malformed` at the first byte that is not UTF-8 if that was told, or nothing may be mended.
pub(super) fn open(
    beginning: &[u8],
    input: Box<dyn Read + Send>,
    options: &Options,
    hint: Option<&'static Encoding>,
) -> Text {
    let encoding = encoding(beginning, options.encoding, hint);
    let notes = Arc::new(Mutex::new(Warnings::new(options.strict)));
    let mender = Mender::new(notes.clone(), options.encoding == Some(UTF_8));
    let input: Box<dyn Read + Send> = match encoding == UTF_8 {
        true => Box::new(Utf8::new(input, mender)),
        false => Box::new(Transcoder::new(input, encoding, mender)),
    };
    Text { encoding: encoding.name().to_ascii_lowercase(), notes, ..Text::utf8(input) }
}

/// What is told holds, but that a mark says the order of bytes. A hint of Windows-1252, which is what Latin-1 means, is often only a default.
fn encoding(beginning: &[u8], told: Option<&'static Encoding>, hint: Option<&'static Encoding>) -> &'static Encoding {
    let marked = Encoding::for_bom(beginning).map(|(encoding, _)| encoding);
    let sixteen = |encoding| encoding == UTF_16LE || encoding == UTF_16BE;
    match (told, marked, hint) {
        (Some(told), Some(marked), _) if sixteen(told) && sixteen(marked) => marked,
        (Some(told), _, _) => told,
        (None, Some(marked), _) => marked,
        (None, None, Some(hint)) if hint != WINDOWS_1252 && hint != UTF_8 => hint,
        (None, None, Some(hint)) if hint == WINDOWS_1252 && beginning.is_ascii() => hint,
        (None, None, _) => sixteen_bits(beginning).unwrap_or_else(|| eight_bits(beginning)),
    }
}

/// UTF-16 without a mark: the first bytes of its delimiters and line ends, and of whole scripts, are no text of 8 bits, always on the same side.
fn sixteen_bits(beginning: &[u8]) -> Option<&'static Encoding> {
    let pairs = beginning.len() / 2;
    let side = |first: usize| beginning.iter().skip(first).step_by(2);
    let zeros = |first| side(first).filter(|byte| **byte == 0).count();
    let controls = |first| side(first).filter(|byte| matches!(byte, 0..=8 | 11 | 12 | 14..=31)).count();
    // Of scripts whose first bytes are text as well, only the delimiters tell; but all of it is hardly UTF-8.
    let utf_8 = std::str::from_utf8(beginning).is_ok();
    let many = |first: usize| match utf_8 {
        true => controls(first) * 2 >= pairs,
        false => zeros(first) * 10 >= pairs,
    };
    let one_sided = |first: usize| zeros(first) > 0 && zeros(1 - first) * 4 <= zeros(first);
    match pairs > 1 {
        true if one_sided(1) && many(1) => Some(UTF_16LE),
        true if one_sided(0) && many(0) => Some(UTF_16BE),
        _ => None,
    }
}

/// UTF-8, unless there are at least as many bytes that it cannot have as characters that only it has.
fn eight_bits(beginning: &[u8]) -> &'static Encoding {
    let (mut characters, mut wrong) = (0_usize, 0_usize);
    let mut chunks = beginning.utf8_chunks().peekable();
    while let Some(chunk) = chunks.next() {
        characters += chunk.valid().chars().filter(|character| !character.is_ascii()).count();
        // The last character may be cut off here.
        let cut =
            chunks.peek().is_none() && std::str::from_utf8(chunk.invalid()).is_err_and(|e| e.error_len().is_none());
        wrong += usize::from(!chunk.invalid().is_empty() && !cut);
    }
    if wrong > 0 && wrong >= characters { WINDOWS_1252 } else { UTF_8 }
}

/// UTF-8 as it comes, checked in place; only what must be mended is copied.
struct Utf8<R> {
    input: R,
    mender: Mender,
    /// The beginning of a character whose end has not come yet.
    tail: Vec<u8>,
    /// Text that is ready, from `at` on.
    ready: Vec<u8>,
    at: usize,
    begun: bool,
    ended: bool,
}

impl<R: Read> Utf8<R> {
    fn new(input: R, mender: Mender) -> Self {
        Self { input, mender, tail: Vec::new(), ready: Vec::new(), at: 0, begun: false, ended: false }
    }

    /// Drops the mark that a file may begin with.
    fn begin(&mut self) -> io::Result<()> {
        self.begun = true;
        let mut beginning = Vec::new();
        self.input.by_ref().take(BYTE_ORDER_MARK.len() as u64).read_to_end(&mut beginning)?;
        self.tail = if beginning == BYTE_ORDER_MARK { Vec::new() } else { beginning };
        Ok(())
    }

    /// Reads into `buffer`, which has at least `DIRECT_BYTES_MIN` bytes. None at the end; some, but 0 bytes, if what came is in `ready`.
    fn fill(&mut self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        let kept = self.tail.len();
        let (head, rest) = buffer.split_at_mut(kept);
        head.copy_from_slice(&self.tail);
        let read = self.input.read(rest)?;
        self.tail.clear();
        self.ended = read == 0;
        if self.ended && kept == 0 {
            return Ok(None);
        }
        let text = buffer.get(..kept + read).unwrap_or_default();
        let valid = Encoding::utf8_valid_up_to(text);
        let (good, bad) = text.split_at(valid);
        let cut_off = !self.ended && std::str::from_utf8(bad).is_err_and(|error| error.error_len().is_none());
        if (bad.is_empty() || cut_off) && memchr::memchr(0, good).is_none() {
            self.mender.pass(good);
            self.tail.extend_from_slice(bad);
            return Ok(Some(valid));
        }
        self.ready.clear();
        self.at = 0;
        let left = self.mender.mend(text, self.ended, &mut self.ready).map_err(wrapped)?;
        self.tail.extend_from_slice(left);
        Ok(Some(0))
    }

    fn take_ready(&mut self, buffer: &mut [u8]) -> usize {
        let ready = self.ready.get(self.at..).unwrap_or_default();
        let taken = ready.len().min(buffer.len());
        let (Some(from), Some(to)) = (ready.get(..taken), buffer.get_mut(..taken)) else { return 0 };
        to.copy_from_slice(from);
        self.at += taken;
        taken
    }
}

impl<R: Read> Read for Utf8<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        if !self.begun {
            self.begin()?;
        }
        loop {
            let taken = self.take_ready(buffer);
            if taken > 0 {
                return Ok(taken);
            }
            if self.ended {
                return Ok(0);
            }
            let filled = match buffer.len() < DIRECT_BYTES_MIN {
                false => self.fill(buffer),
                true => self.fill_ready(),
            };
            match filled {
                Ok(None) => return Ok(0),
                Ok(Some(0)) => {}
                Ok(Some(read)) => return Ok(read),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

impl<R: Read> Utf8<R> {
    /// As [`fill`](Self::fill), into a buffer of our own.
    fn fill_ready(&mut self) -> io::Result<Option<usize>> {
        let mut chunk = vec![0; CHUNK_BYTES];
        let filled = self.fill(&mut chunk)?;
        if let Some(read @ 1..) = filled {
            chunk.truncate(read);
            self.ready = chunk;
            self.at = 0;
        }
        Ok(filled.map(|_| 0))
    }
}
