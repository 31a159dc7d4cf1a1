//! How much may come of a compressed file: so many bytes, and so many for each byte of its own.

use super::decompress::read_error;
use crate::error::Limit;
use std::{
    io::{self, Read},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
};
use tokio::io::{AsyncBufRead, AsyncRead, ReadBuf};

/// What a file may grow to whatever its ratio: a small one that compresses well does no harm.
const FREE_BYTES: u64 = 64 << 20;

/// Bytes of a compressed file that were taken so far.
#[derive(Debug, Clone, Default)]
pub struct Received(Arc<AtomicU64>);

impl Received {
    fn add(&self, bytes: usize) {
        self.0.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    fn bytes(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Counts what is taken of an input.
pub struct Counted<R> {
    input: R,
    received: Received,
}

impl<R> Counted<R> {
    pub fn new(input: R, received: Received) -> Self {
        Self { input, received }
    }
}

impl<R: AsyncBufRead + Unpin> AsyncRead for Counted<R> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let counted = self.get_mut();
        let before = buffer.filled().len();
        let read = Pin::new(&mut counted.input).poll_read(context, buffer);
        counted.received.add(buffer.filled().len() - before);
        read
    }
}

impl<R: AsyncBufRead + Unpin> AsyncBufRead for Counted<R> {
    fn poll_fill_buf(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        Pin::new(&mut self.get_mut().input).poll_fill_buf(context)
    }

    fn consume(self: Pin<&mut Self>, bytes: usize) {
        let counted = self.get_mut();
        counted.received.add(bytes);
        Pin::new(&mut counted.input).consume(bytes);
    }
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(buffer)?;
        self.received.add(read);
        Ok(read)
    }
}

/// Ends a file that decompresses to more than the limits, and names broken compression for what it is.
pub struct Bounded<R> {
    input: R,
    received: Received,
    read: u64,
    bytes_max: u64,
    ratio_max: u64,
}

impl<R> Bounded<R> {
    /// `received` counts what `input` is decompressed from.
    pub fn new(input: R, received: Received, bytes_max: u64, ratio_max: u64) -> Self {
        Self { input, received, read: 0, bytes_max, ratio_max }
    }
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(buffer).map_err(|error| match error.kind() {
            io::ErrorKind::Interrupted => error,
            _ => io::Error::other(read_error(error)),
        })?;
        self.read = self.read.saturating_add(read as u64);
        if self.read > self.bytes_max {
            return Err(io::Error::other(Limit::DecompressedBytes.passed(self.bytes_max, None)));
        }
        if self.read > FREE_BYTES.max(self.received.bytes().saturating_mul(self.ratio_max)) {
            return Err(io::Error::other(Limit::DecompressedRatio.passed(self.ratio_max, None)));
        }
        Ok(read)
    }
}
