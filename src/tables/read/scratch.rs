//! Temporary files, for formats that are read from their end. They have no name, and go with whoever holds them.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, Write};

use super::source::SourceLimits;
use crate::error::{Error, Limit, Result};
use crate::tables::decompress::read_error;

const CHUNK_BYTES: usize = 256 * 1024;

/// The temporary space of one upload.
pub(super) struct Scratch<'a> {
    limits: &'a SourceLimits,
    left: u64,
}

impl<'a> Scratch<'a> {
    pub fn new(limits: &'a SourceLimits) -> Self {
        Self { limits, left: limits.scratch_bytes_max }
    }

    /// All of `input` in a file, rewound; and its length.
    ///
    /// # Errors
    /// `Limit::ScratchBytes`, what `input` fails with, or `Internal` if the folder takes no more.
    pub fn spool(&mut self, mut input: impl Read) -> Result<(File, u64)> {
        let mut file = self.file()?;
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            match input.read(&mut chunk) {
                Ok(0) => break,
                Ok(read) => file.write_all(chunk.get(..read).unwrap_or_default()).map_err(write_error)?,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(read_error(error)),
            }
        }
        let length = file.written;
        Ok((self.rewound(file)?, length))
    }

    /// An empty file, for so many bytes as are left.
    pub fn file(&self) -> Result<ScratchFile> {
        let file = match &self.limits.scratch_dir {
            Some(folder) => tempfile::tempfile_in(folder),
            None => tempfile::tempfile(),
        };
        let max = self.limits.scratch_bytes_max;
        Ok(ScratchFile { file: file.map_err(Error::internal)?, written: 0, left: self.left, max })
    }

    /// The file to be read from its beginning; what it has taken is taken.
    pub fn rewound(&mut self, mut file: ScratchFile) -> Result<File> {
        self.left = file.left;
        file.file.rewind().map_err(Error::internal)?;
        Ok(file.file)
    }
}

/// A temporary file that is written; an error of ours comes wrapped in an `io::Error`.
pub(super) struct ScratchFile {
    file: File,
    written: u64,
    left: u64,
    max: u64,
}

impl Write for ScratchFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let passed = || io::Error::other(Limit::ScratchBytes.passed(self.max, None));
        let left = self.left.checked_sub(bytes.len() as u64).ok_or_else(passed)?;
        self.file.write_all(bytes)?;
        self.left = left;
        self.written = self.written.saturating_add(bytes.len() as u64);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// The error that was wrapped, or else that of the disk.
pub(super) fn write_error(error: io::Error) -> Error {
    error.downcast::<Error>().unwrap_or_else(Error::internal)
}
