//! Text of another encoding than UTF-8, decoded as it is read.

use std::io::{self, Read};

use encoding_rs::{Decoder, DecoderResult, Encoding};

use super::mend::Mender;
use super::source::wrapped;
use crate::error::Result;

const CHUNK_BYTES: usize = 64 * 1024;

pub(super) struct Transcoder<R> {
    input: R,
    decoder: Decoder,
    mender: Mender,
    encoded: Vec<u8>,
    /// UTF-8 that is ready, from `at` on.
    ready: Vec<u8>,
    at: usize,
    ended: bool,
}

impl<R: Read> Transcoder<R> {
    pub fn new(input: R, encoding: &'static Encoding, mender: Mender) -> Self {
        let decoder = encoding.new_decoder_with_bom_removal();
        Self { input, decoder, mender, encoded: vec![0; CHUNK_BYTES], ready: Vec::new(), at: 0, ended: false }
    }

    /// Decodes one more chunk into `ready`, which may stay empty.
    fn fill(&mut self) -> io::Result<()> {
        self.ready.clear();
        self.at = 0;
        let read = self.input.read(&mut self.encoded)?;
        self.ended = read == 0;
        let encoded = std::mem::take(&mut self.encoded);
        let decoded = self.decode(encoded.get(..read).unwrap_or_default());
        self.encoded = encoded;
        decoded.map_err(wrapped)
    }

    fn decode(&mut self, mut encoded: &[u8]) -> Result<()> {
        // Each unit becomes at most three bytes; a whole character always fits, so each turn takes some.
        let mut decoded = vec![0; encoded.len().saturating_mul(3).saturating_add(64)];
        loop {
            let (result, read, written) =
                self.decoder.decode_to_utf8_without_replacement(encoded, &mut decoded, self.ended);
            encoded = encoded.get(read..).unwrap_or_default();
            let text = String::from_utf8_lossy(decoded.get(..written).unwrap_or_default());
            self.mender.mend_nul(&text, text.as_bytes(), &mut self.ready)?;
            match result {
                DecoderResult::InputEmpty => return Ok(()),
                DecoderResult::OutputFull => {}
                DecoderResult::Malformed(..) => {
                    self.mender.note_encoding(&[])?;
                    self.mender.pass(b"?");
                    self.ready.extend_from_slice("\u{fffd}".as_bytes());
                }
            }
        }
    }
}

impl<R: Read> Read for Transcoder<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.at == self.ready.len() && !self.ended && !buffer.is_empty() {
            self.fill()?;
        }
        let ready = self.ready.get(self.at..).unwrap_or_default();
        let taken = ready.len().min(buffer.len());
        if let (Some(from), Some(to)) = (ready.get(..taken), buffer.get_mut(..taken)) {
            to.copy_from_slice(from);
        }
        self.at += taken;
        Ok(taken)
    }
}
