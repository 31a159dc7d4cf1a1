//! An answer that must be whole before it begins, since its headers tell of its end: in memory while it is small, else in a temporary file without a name.

use super::read::SourceLimits;
use crate::error::{Error, Limit, Result};
use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
use std::{
    fs::File,
    io::{Read, Seek, Write},
    mem,
};
use tokio::task::spawn_blocking;

const MEMORY_BYTES_MAX: usize = 1 << 20;
const CHUNK_BYTES: usize = 256 << 10;

#[derive(Debug, Default)]
pub struct Spool {
    memory: Vec<u8>,
    file: Option<File>,
    file_bytes: u64,
}

impl Spool {
    /// Takes what `out` holds and leaves it empty.
    ///
    /// # Errors
    /// `Limit::ScratchBytes`, or `Internal` if the folder of temporary files takes no more.
    pub async fn take(&mut self, out: &mut Vec<u8>, limits: &SourceLimits) -> Result<()> {
        match self.memory.is_empty() {
            true => mem::swap(&mut self.memory, out),
            false => self.memory.append(out),
        }
        if self.memory.len() <= MEMORY_BYTES_MAX {
            return Ok(());
        }
        let (memory, file) = (mem::take(&mut self.memory), self.file.take());
        self.file_bytes = self.file_bytes.saturating_add(memory.len() as u64);
        if self.file_bytes > limits.scratch_bytes_max {
            return Err(Limit::ScratchBytes.passed(limits.scratch_bytes_max, None));
        }
        let folder = limits.scratch_dir.clone();
        let written = spawn_blocking(move || {
            let mut file = match (file, folder) {
                (Some(file), _) => file,
                (None, Some(folder)) => tempfile::tempfile_in(folder)?,
                (None, None) => tempfile::tempfile()?,
            };
            file.write_all(&memory).map(|()| file)
        });
        self.file = Some(written.await.map_err(Error::internal)?.map_err(Error::internal)?);
        Ok(())
    }

    pub fn bytes(&self) -> u64 {
        self.file_bytes.saturating_add(self.memory.len() as u64)
    }

    /// All that was taken, in order.
    pub async fn stream(self) -> Result<impl Stream<Item = Result<Bytes>> + Send + use<>> {
        let file = match self.file {
            None => None,
            Some(mut file) => {
                let rewound = spawn_blocking(move || file.rewind().map(|()| file));
                Some(rewound.await.map_err(Error::internal)?.map_err(Error::internal)?)
            }
        };
        let memory = stream::iter([Ok(Bytes::from(self.memory))]);
        Ok(stream::try_unfold(file, next_chunk).chain(memory))
    }
}

async fn next_chunk(file: Option<File>) -> Result<Option<(Bytes, Option<File>)>> {
    let Some(mut file) = file else { return Ok(None) };
    let read = spawn_blocking(move || {
        let mut chunk = Vec::new();
        (&mut file).take(CHUNK_BYTES as u64).read_to_end(&mut chunk).map(|_| (chunk, file))
    });
    let (chunk, file) = read.await.map_err(Error::internal)?.map_err(Error::internal)?;
    Ok((!chunk.is_empty()).then(|| (chunk.into(), Some(file))))
}
