//! Compressed tables: gzip, zstd, bzip2 and xz, seen by their first bytes. `bounded` says how much may come of them.

use super::bounded::{Counted, Received};
use crate::error::{Error, Malformed, Result};
use async_compression::tokio::bufread::{BzDecoder, GzipDecoder, XzDecoder, ZstdDecoder};
use std::{
    io::{self, Cursor, Read},
    pin::Pin,
    task::{Context, Poll, Waker},
};
use tokio::io::{AsyncBufRead, AsyncRead, AsyncReadExt, BufReader, ReadBuf};

/// A file names the dictionary that is needed to read it; `xz -9` takes 65 MiB, and no file may take more than this.
const XZ_BYTES_MAX: u64 = 128 << 20;
/// How many first bytes tell all the codecs.
const MAGIC_BYTES: usize = 10;
const BUFFER_BYTES: usize = 64 << 10;

/// A way of compressing that tables are read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codec {
    Gzip,
    Zstd,
    Bzip2,
    Xz,
}

impl Codec {
    /// By the first bytes of a file; ten of them are enough.
    pub fn of(beginning: &[u8]) -> Option<Self> {
        match beginning {
            [0x1f, 0x8b, ..] => Some(Self::Gzip),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Self::Zstd),
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Some(Self::Xz),
            // The first three alone may begin a text: a block, or the end of a file without any, must follow.
            [b'B', b'Z', b'h', b'1'..=b'9', block @ ..]
                if block.starts_with(&[0x31, 0x41, 0x59, 0x26, 0x53, 0x59])
                    || block.starts_with(&[0x17, 0x72, 0x45, 0x38, 0x50, 0x90]) =>
            {
                Some(Self::Bzip2)
            }
            _ => None,
        }
    }

    fn decoder(self, input: impl AsyncBufRead + Send + Unpin + 'static) -> Box<dyn AsyncRead + Send + Unpin> {
        /// Concatenated files are one.
        macro_rules! whole {
            ($decoder:expr) => {{
                let mut decoder = $decoder;
                decoder.multiple_members(true);
                Box::new(decoder)
            }};
        }
        match self {
            Self::Gzip => whole!(GzipDecoder::new(input)),
            Self::Zstd => whole!(ZstdDecoder::new(input)),
            Self::Bzip2 => whole!(BzDecoder::new(input)),
            Self::Xz => whole!(XzDecoder::with_mem_limit(input, XZ_BYTES_MAX)),
        }
    }

    /// Decompresses what is read on a thread of its own. Broken compression is an `io::Error`; see [`read_error`].
    pub fn read(self, input: impl Read + Send + Unpin + 'static) -> impl Read + Send + Unpin + 'static {
        Blocking(self.decoder(BufReader::with_capacity(BUFFER_BYTES, AtOnce(input))))
    }
}

/// Whether a file that begins so is compressed in a way that tables are read from.
pub fn is_compressed(beginning: &[u8]) -> bool {
    Codec::of(beginning).is_some()
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

/// Decompresses what begins as a compressed file does, twice at most: a `.csv.gz` sent with `Content-Encoding: gzip` is read as well. What `encoding` says
/// must be so: nobody could read the raw upload, which is given back under the same header. Beside the bytes: how many of `input` were taken for them.
pub async fn decompress(
    input: impl AsyncBufRead + Send + Unpin + 'static,
    encoding: Option<&str>,
) -> Result<(Box<dyn AsyncRead + Send + Unpin>, Received)> {
    let received = Received::default();
    let mut input: Box<dyn AsyncBufRead + Send + Unpin> = Box::new(Counted::new(input, received.clone()));
    for turn in 0..2 {
        // The magic number may come in pieces.
        let mut beginning = Vec::new();
        (&mut input).take(MAGIC_BYTES as u64).read_to_end(&mut beginning).await.map_err(read_error)?;
        let codec = Codec::of(&beginning);
        let told = encoding.filter(|encoding| turn == 0 && *encoding != "identity");
        if let Some(told) = told {
            let expected = if told == "zstd" { Codec::Zstd } else { Codec::Gzip };
            if codec != Some(expected) {
                let detail =
                    format!("`Content-Encoding: {told}` says how it is compressed, but it does not begin like that.");
                return Err(Malformed { detail, ..Malformed::default() }.into());
            }
        }
        let whole = AsyncReadExt::chain(Cursor::new(beginning), input);
        input = match codec {
            Some(codec) => Box::new(BufReader::with_capacity(BUFFER_BYTES, codec.decoder(whole))),
            None => return Ok((Box::new(whole), received)),
        };
    }
    Ok((Box::new(input), received))
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

/// Bytes that are at hand, for a decoder that would wait for them.
struct AtOnce<R>(R);

impl<R: Read + Unpin> AsyncRead for AtOnce<R> {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let read = self.get_mut().0.read(buffer.initialize_unfilled());
        Poll::Ready(read.map(|read| buffer.advance(read)))
    }
}

/// A decoder over [`AtOnce`], which never has to wait.
struct Blocking<R>(R);

impl<R: AsyncRead + Unpin> Read for Blocking<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut buffer = ReadBuf::new(buffer);
        match Pin::new(&mut self.0).poll_read(&mut Context::from_waker(Waker::noop()), &mut buffer) {
            Poll::Ready(read) => read.map(|()| buffer.filled().len()),
            Poll::Pending => Err(io::Error::other("a decoder waits for bytes that are there")),
        }
    }
}
