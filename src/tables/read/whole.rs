//! Reading a file that is in memory, as the loader reads one that arrives: what the fuzz target and the tests of properties call.

use super::{Column, Dialect, Format, Outcome, ReadLimits, RowSink, first_pass, second_pass};
use crate::error::{Error, Result};
use bytes::Bytes;

/// Makes both passes over `file`, and compares what they hand out.
///
/// # Errors
/// Those of the passes; `Internal` if they disagree, which no file may bring about.
pub fn read_whole(file: &[u8], limits: ReadLimits) -> Result<Outcome> {
    let format = format(file);
    let mut first = Kept::default();
    let outcome = first_pass(format, file, limits, &mut first)?;
    let mut second = Kept::default();
    let rows = second_pass(format, file, &outcome.columns, limits, &mut second)?;
    let begun_right = first.columns == outcome.columns;
    let same = !outcome.fits || first.rows == second.rows;
    match rows == outcome.rows && begun_right == outcome.fits && same {
        true => Ok(outcome),
        false => Err(Error::internal("the two passes over a file do not agree")),
    }
}

fn format(file: &[u8]) -> Format {
    let text = file.strip_prefix(b"\xef\xbb\xbf").unwrap_or(file).trim_ascii_start();
    let line = text.split(|byte| matches!(byte, b'\n' | b'\r')).next().unwrap_or_default();
    match text.first() {
        Some(b'[') => Format::JsonArray,
        Some(b'{') => Format::NdJson,
        _ if line.contains(&b'\t') => Format::Delimited(Dialect::TSV),
        _ => Format::Delimited(Dialect::CSV),
    }
}

/// Keeps what a pass hands out.
#[derive(Default)]
struct Kept {
    columns: Vec<Column>,
    rows: Vec<u8>,
}

impl RowSink for Kept {
    fn begin(&mut self, columns: &[Column]) -> Result<()> {
        self.columns = columns.to_vec();
        Ok(())
    }

    fn rows(&mut self, copy_text: Bytes) -> Result<()> {
        self.rows.extend_from_slice(&copy_text);
        Ok(())
    }

    fn misfit(&mut self) -> Result<()> {
        self.rows.clear();
        Ok(())
    }
}
