//! Rows into chunks of binary COPY for the sink, learning from each cell what it says of its column.

use std::mem;

use bytes::Bytes;

use super::encode::{self, Quick};
use super::infer::{Basis, Decision, Inference, Reading};
use super::pass::{RowSink, same};
use super::wide::check_width;
use super::{Cell, ReadLimits, Row};
use crate::error::{Error, Limit, Malformed, Result};

const CHUNK_BYTES: usize = 256 * 1024;

/// Collects rows into chunks for the sink.
pub(super) struct Encoder<'a> {
    pub sink: &'a mut dyn RowSink,
    readings: Vec<Reading>,
    /// Of each column, the short way for its ordinary values, if there is one.
    quick: Vec<Option<Quick>>,
    limits: ReadLimits,
    buffer: Vec<u8>,
    pub rows: u64,
}

impl<'a> Encoder<'a> {
    pub fn new(sink: &'a mut dyn RowSink, decisions: &[Decision], limits: ReadLimits) -> Result<Self> {
        let readings: Vec<_> = decisions.iter().map(|decision| decision.reading).collect();
        sink.begin(&readings.iter().map(|reading| reading.column_type).collect::<Vec<_>>())?;
        let quick = vec![None; readings.len()];
        Ok(Self { sink, readings, quick, limits, buffer: encode::BEGIN.to_vec(), rows: 0 })
    }

    /// Finds the short ways anew, after something was learned.
    pub fn refresh(&mut self, inference: &Inference) {
        for (index, (quick, reading)) in self.quick.iter_mut().zip(&self.readings).enumerate() {
            *quick = Quick::of(*reading, inference.seen(index), inference.is_settled(index));
        }
    }

    /// Appends a row and learns from it; false, and nothing appended, if the columns are not what they were guessed to be.
    pub fn infer(
        &mut self,
        row: &Row<'_>,
        names: &[String],
        inference: &mut Inference,
        guess: &[Decision],
    ) -> Result<bool> {
        let start = self.begin_row(row)?;
        let mut cells = row.cells();
        for index in 0..self.readings.len() {
            let cell = cells.next().unwrap_or(Cell::Null);
            if inference.is_missing(cell) {
                encode::append_null(&mut self.buffer);
                continue;
            }
            if self.quick[index].is_some_and(|quick| quick.append(&mut self.buffer, cell, inference.seen(index))) {
                continue;
            }
            if inference.observe(index, cell, row) {
                if !same(guess, &inference.decide(guess.len())) {
                    self.buffer.truncate(start);
                    self.rows -= 1;
                    return Ok(false);
                }
                self.refresh(inference);
            }
            self.append_cell(row, names, index, cell)?;
        }
        self.end_row(row, start)?;
        Ok(true)
    }

    /// Appends a row of which nothing is to be learned.
    pub fn append(&mut self, row: &Row<'_>, names: &[String], inference: &Inference) -> Result<()> {
        let start = self.begin_row(row)?;
        let mut cells = row.cells();
        for index in 0..self.readings.len() {
            let cell = cells.next().unwrap_or(Cell::Null);
            match inference.is_missing(cell) {
                true => encode::append_null(&mut self.buffer),
                false => self.append_cell(row, names, index, cell)?,
            }
        }
        self.end_row(row, start)
    }

    fn append_cell(&mut self, row: &Row<'_>, names: &[String], index: usize, cell: Cell<'_>) -> Result<()> {
        let reading = self.readings[index];
        if encode::append_cell(&mut self.buffer, cell, reading) {
            return Ok(());
        }
        if reading.basis == Basis::Inferred {
            return Err(Error::internal(format!("line {}: column {} does not fit", row.line, index + 1)));
        }
        let name = names.get(index).cloned().unwrap_or_default();
        let detail =
            format!("The value is no {}, which the column `{name}` is told to be.", reading.column_type.name());
        Err(Malformed { field: Some(name), ..row.malformed(index, detail) }.into())
    }

    fn begin_row(&mut self, row: &Row<'_>) -> Result<usize> {
        self.count(row.line)?;
        let start = self.buffer.len();
        encode::append_field_count(&mut self.buffer, self.readings.len() + 1);
        encode::append_bigint(&mut self.buffer, self.rows as i64);
        Ok(start)
    }

    fn end_row(&mut self, row: &Row<'_>, start: usize) -> Result<()> {
        check_width(&self.buffer[start..], &self.readings, row.line)?;
        if self.buffer.len() < CHUNK_BYTES {
            return Ok(());
        }
        self.flush()?;
        // Room for the last row, so that the buffer seldom moves.
        self.buffer.reserve_exact(CHUNK_BYTES + CHUNK_BYTES / 4);
        Ok(())
    }

    pub fn count(&mut self, line: u64) -> Result<()> {
        self.rows += 1;
        match self.rows > self.limits.rows_max {
            true => Err(Limit::Rows.passed(self.limits.rows_max, Some(line))),
            false => Ok(()),
        }
    }

    pub fn finish(&mut self) -> Result<()> {
        self.buffer.extend_from_slice(encode::END);
        self.flush()
    }

    fn flush(&mut self) -> Result<()> {
        self.sink.rows(Bytes::from(mem::take(&mut self.buffer)), self.rows)
    }
}
