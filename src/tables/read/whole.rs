//! Reading a file that is in memory, as the loader reads one that arrives: what the fuzz target and the tests of properties call.

use std::io::Cursor;

use bytes::Bytes;

use super::{Ask, ColumnType, Options, Outcome, ReadLimits, RowSink, Source, SourceLimits, first_pass, second_pass};
use crate::error::{Error, Result};

/// A file read to its end, and its rows as binary COPY.
#[derive(Debug)]
pub struct Whole {
    pub outcome: Outcome,
    pub copy: Vec<u8>,
}

/// Makes both passes over `file`, and compares what they hand out.
///
/// # Errors
/// Those of the passes; `Internal` if they disagree, which no file may bring about.
pub fn read_whole(file: &[u8], options: &Options, limits: ReadLimits) -> Result<Whole> {
    let open = || {
        let input = Box::new(Cursor::new(file.to_vec()));
        Source::open(input, options, super::Hint::default(), &SourceLimits::of_memory(limits))
    };
    let ask = Ask { options, hint: None, limits, target: None };
    let mut first = Kept::default();
    let outcome = first_pass(open()?, ask, &mut first)?;
    let mut second = Kept::default();
    second_pass(open()?, &outcome, ask, &mut second)?;
    let types: Vec<_> = outcome.columns.iter().map(|column| column.column_type).collect();
    let same = !outcome.fits || (first.types == types && first.copy == second.copy);
    match second.types == types && same && first.misfits == usize::from(!outcome.fits) {
        true => Ok(Whole { outcome, copy: second.copy }),
        false => Err(Error::internal("the two passes over a file do not agree")),
    }
}

impl SourceLimits {
    /// For files in memory: what they grow to stays there too.
    fn of_memory(limits: ReadLimits) -> Self {
        Self {
            decompressed_bytes_max: 64 << 20,
            decompressed_ratio_max: 1000,
            scratch_bytes_max: 64 << 20,
            scratch_dir: None,
            workbook_bytes_max: 16 << 20,
            columns_max: limits.columns(),
        }
    }
}

/// Keeps what a pass hands out.
#[derive(Default)]
struct Kept {
    types: Vec<ColumnType>,
    copy: Vec<u8>,
    misfits: usize,
}

impl RowSink for Kept {
    fn begin(&mut self, types: &[ColumnType]) -> Result<()> {
        self.types = types.to_vec();
        Ok(())
    }

    fn rows(&mut self, copy: Bytes, _: u64) -> Result<()> {
        match self.misfits {
            0 => self.copy.extend_from_slice(&copy),
            _ => return Err(Error::internal("rows follow a misfit")),
        }
        Ok(())
    }

    fn misfit(&mut self) -> Result<()> {
        self.misfits += 1;
        self.copy.clear();
        Ok(())
    }
}
