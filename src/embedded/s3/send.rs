//! Downloads: a run of bytes over one or more files, read in large chunks on the blocking threads, one chunk ahead of the client.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::Stream;
use s3s::StdError;
use s3s::dto::StreamingBlob;
use s3s::stream::{ByteStream, RemainingLength};
use tokio::task::spawn_blocking;

use super::fault::Outcome;
use super::files::{FileId, Files, Pinned};

const CHUNK_BYTES: u64 = 512 << 10;

/// A run of bytes of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    pub file: FileId,
    pub start: u64,
    pub length: u64,
}

/// The spans of a part of some content; `range` lies within its length.
pub fn cut(spans: Vec<Span>, range: &Range<u64>) -> Vec<Span> {
    let mut at = 0;
    let mut kept = Vec::new();
    for span in spans {
        let (begin, end) = (at, at + span.length);
        at = end;
        let (from, to) = (range.start.max(begin), range.end.min(end));
        if from < to {
            kept.push(Span { start: span.start + (from - begin), length: to - from, file: span.file });
        }
    }
    kept
}

/// Where a read stands. Holds at most one open file, and the pins that keep the others.
pub struct Cursor {
    files: Arc<Files>,
    left: VecDeque<Span>,
    open: Option<(FileId, File)>,
    _pinned: Arc<Pinned>,
}

impl Cursor {
    pub fn new(files: Arc<Files>, spans: Vec<Span>, pinned: Arc<Pinned>) -> Self {
        Self { files, left: spans.into(), open: None, _pinned: pinned }
    }

    /// The next chunk, empty at the end. Blocks.
    pub fn read(&mut self) -> io::Result<Bytes> {
        let mut chunk = Vec::new();
        while let Some(span) = self.left.front_mut() {
            let wanted = span.length.min(CHUNK_BYTES - chunk.len() as u64);
            if wanted == 0 {
                break;
            }
            if self.open.as_ref().is_none_or(|(id, _)| *id != span.file) {
                self.open = Some((span.file.clone(), File::open(self.files.path(&span.file))?));
            }
            let Some((_, file)) = &mut self.open else { break };
            file.seek(SeekFrom::Start(span.start))?;
            chunk.reserve_exact(usize::try_from(wanted).unwrap_or_default());
            let read = file.by_ref().take(wanted).read_to_end(&mut chunk)? as u64;
            if read < wanted {
                return Err(io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    format!("file {} is shorter than its row says", span.file),
                ));
            }
            span.start += read;
            span.length -= read;
            if span.length == 0 {
                self.left.pop_front();
            }
        }
        Ok(chunk.into())
    }

    /// Everything that is left, chunk by chunk. Blocks.
    pub fn for_each(mut self, mut use_chunk: impl FnMut(&[u8])) -> Outcome<()> {
        loop {
            let chunk = self.read()?;
            if chunk.is_empty() {
                return Ok(());
            }
            use_chunk(&chunk);
        }
    }

    /// The bytes as the body of a response of `length` bytes; a failure breaks it off visibly.
    pub fn into_body(self, length: u64) -> StreamingBlob {
        let ahead = read_on(self);
        let chunks = futures::stream::unfold(Some(ahead), async |reading| match reading?.await {
            Ok(Ok((chunk, _))) if chunk.is_empty() => None,
            Ok(Ok((chunk, cursor))) => Some((Ok(chunk), Some(read_on(cursor)))),
            Ok(Err(error)) => Some((Err(StdError::from(error)), None)),
            Err(error) => Some((Err(StdError::from(error)), None)),
        });
        StreamingBlob::new(Chunks { inner: Box::pin(chunks), remaining: length })
    }
}

fn read_on(mut cursor: Cursor) -> tokio::task::JoinHandle<io::Result<(Bytes, Cursor)>> {
    spawn_blocking(move || Ok((cursor.read()?, cursor)))
}

/// A stream that knows its length, so that the response carries it.
struct Chunks {
    inner: Pin<Box<dyn Stream<Item = Result<Bytes, StdError>> + Send + Sync>>,
    remaining: u64,
}

impl Stream for Chunks {
    type Item = Result<Bytes, StdError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = self.inner.as_mut().poll_next(context);
        if let Poll::Ready(Some(Ok(chunk))) = &next {
            self.remaining = self.remaining.saturating_sub(chunk.len() as u64);
        }
        next
    }
}

impl ByteStream for Chunks {
    fn remaining_length(&self) -> RemainingLength {
        usize::try_from(self.remaining).map_or_else(|_| RemainingLength::unknown(), RemainingLength::new_exact)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(file: &str, start: u64, length: u64) -> Span {
        Span { file: file.into(), start, length }
    }

    #[test]
    fn a_cut_keeps_only_the_spans_that_the_range_touches() {
        let spans = vec![span("a", 0, 10), span("b", 5, 10), span("c", 0, 10)];
        assert_eq!(cut(spans.clone(), &(8..12)), [span("a", 8, 2), span("b", 5, 2)]);
        assert_eq!(cut(spans.clone(), &(20..30)), [span("c", 0, 10)]);
        assert_eq!(cut(spans.clone(), &(0..30)), spans);
        assert!(cut(spans, &(3..3)).is_empty());
    }
}
