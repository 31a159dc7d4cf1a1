//! Compressed tables: gzip and zstd, seen by their first bytes, and never more of them than the limit.

use crate::error::{Error, Limit, Malformed, Result};
use async_compression::tokio::bufread::{GzipDecoder, ZstdDecoder};
use std::io::{self, Cursor, Read};
use tokio::io::{AsyncBufRead, AsyncRead, AsyncReadExt, BufReader};

const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// Whether a file that begins so is compressed in a way that tables are read from.
pub fn is_compressed(beginning: &[u8]) -> bool {
    beginning.starts_with(&GZIP_MAGIC) || beginning.starts_with(&ZSTD_MAGIC)
}

pub fn check_encoding(encoding: Option<&str>) -> Result<()> {
    match encoding {
        None | Some("gzip" | "x-gzip" | "zstd") => Ok(()),
        Some(other) => {
            let detail =
                format!("`Content-Encoding: {other}` is not read here; send the table plain, or as gzip or zstd.");
            Err(Error::UnsupportedMediaType { detail })
        }
    }
}

/// Decompresses what begins as gzip or zstd does, as often as it does: a `.csv.gz` sent with `Content-Encoding: gzip` is read as well. What `encoding` says
/// must be so: nobody could read the raw upload, which is given back under the same header.
pub async fn decompress(
    input: impl AsyncBufRead + Send + Unpin + 'static,
    encoding: Option<&str>,
) -> Result<Box<dyn AsyncRead + Send + Unpin>> {
    let mut input: Box<dyn AsyncBufRead + Send + Unpin> = Box::new(input);
    for turn in 0..2 {
        // The magic number may come in pieces.
        let mut beginning = Vec::new();
        (&mut input).take(ZSTD_MAGIC.len() as u64).read_to_end(&mut beginning).await.map_err(read_error)?;
        let (gzip, zstd) = (beginning.starts_with(&GZIP_MAGIC), beginning.starts_with(&ZSTD_MAGIC));
        let told = encoding.filter(|encoding| turn == 0 && *encoding != "identity");
        if let Some(told) = told.filter(|told| if *told == "zstd" { !zstd } else { !gzip }) {
            let detail =
                format!("`Content-Encoding: {told}` says how it is compressed, but it does not begin like that.");
            return Err(Malformed { detail, ..Malformed::default() }.into());
        }
        let whole = AsyncReadExt::chain(Cursor::new(beginning), input);
        input = if gzip {
            let mut decoder = GzipDecoder::new(whole);
            decoder.multiple_members(true);
            Box::new(BufReader::with_capacity(64 << 10, decoder))
        } else if zstd {
            let mut decoder = ZstdDecoder::new(whole);
            decoder.multiple_members(true);
            Box::new(BufReader::with_capacity(64 << 10, decoder))
        } else {
            return Ok(Box::new(whole));
        };
    }
    Ok(Box::new(input))
}

/// Ends a file that decompresses to more than the limit, and names broken compression for what it is.
pub struct Bounded<R> {
    input: R,
    left: u64,
    max: u64,
}

impl<R> Bounded<R> {
    pub fn new(input: R, max: u64) -> Self {
        Self { input, left: max, max }
    }
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(buffer).map_err(|error| io::Error::other(read_error(error)))?;
        let limit = || io::Error::other(Limit::DecompressedBytes.passed(self.max, None));
        self.left = self.left.checked_sub(read as u64).ok_or_else(limit)?;
        Ok(read)
    }
}

/// The error that we wrapped, or else that of a decoder: the compressed data are broken.
pub fn read_error(error: io::Error) -> Error {
    match error.downcast::<Error>() {
        Ok(error) => error,
        Err(error) => {
            Malformed { detail: format!("The compressed file is broken: {error}."), ..Malformed::default() }.into()
        }
    }
}
