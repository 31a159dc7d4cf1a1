//! Parquet and Arrow IPC: files whose columns have types, row by row.
//!
//! A batch of rows is decoded at a time, and every column of it downcast once. What the libraries say of a broken file, by an error or by a panic, is an error of
//! the file.

mod arrays;
mod column;
mod footer;
mod ipc;
mod json;
mod moment;
mod number;
mod parquet;
mod types;

use std::fs::File;
use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind};

use arrow_array::RecordBatch;
use arrow_schema::Fields;

use self::column::{Column, Out};
use self::types::kept;
use super::position::Position;
use super::warnings::{Trouble, Warnings};
use super::{ColumnType, ReadLimits, Row, Span, names};
use crate::error::{Error, Limit, Malformed, Result};

/// One walk over the rows of a Parquet or Arrow file.
pub struct Reader {
    source: Source,
    limits: ReadLimits,
    fields: Fields,
    names: Vec<String>,
    declared: Vec<ColumnType>,
    /// Of the batch that is read, and where in it the next row is.
    columns: Vec<Column>,
    rows: usize,
    next: usize,
    /// The row that was read last; counts from 1.
    row: u64,
    spans: Vec<Span>,
    out: Out,
    warnings: Warnings,
}

enum Source {
    Parquet(Box<parquet::Source>),
    Arrow(Box<ipc::Source>),
}

impl Reader {
    /// # Errors
    /// `Malformed` if it is no Parquet file, an encrypted one or a broken one; `Limit` if it has too many columns.
    pub fn parquet(file: File, limits: ReadLimits) -> Result<Self> {
        guarded(|| {
            let source = parquet::Source::open(file, limits.cell_bytes_max)?;
            let (fields, has_int96) = (source.fields.clone(), source.has_int96);
            let mut reader = Self::new(Source::Parquet(Box::new(source)), fields, limits)?;
            if has_int96 {
                let detail = "Timestamps of 96 bits are kept in microseconds; digits beyond them are cut off.";
                reader.warnings.note_file(Trouble::Other { code: "int96", detail: detail.to_owned() })?;
            }
            Ok(reader)
        })
    }

    /// # Errors
    /// `Malformed` if it is no Arrow IPC file, or a broken one; `Limit` if it has too many columns.
    pub fn arrow_file(file: File, limits: ReadLimits) -> Result<Self> {
        guarded(|| {
            let source = ipc::Source::file(file)?;
            let fields = source.fields().clone();
            Self::new(Source::Arrow(Box::new(source)), fields, limits)
        })
    }

    /// # Errors
    /// As [`arrow_file`](Self::arrow_file); and what `input` fails with, which comes out as it was if it is one of our errors.
    pub fn arrow_stream(input: Box<dyn Read + Send>, limits: ReadLimits) -> Result<Self> {
        guarded(|| {
            let source = ipc::Source::stream(input)?;
            let fields = source.fields().clone();
            Self::new(Source::Arrow(Box::new(source)), fields, limits)
        })
    }

    fn new(source: Source, fields: Fields, limits: ReadLimits) -> Result<Self> {
        if fields.is_empty() {
            return Err(malformed("The file has no columns."));
        }
        if fields.len() > limits.columns() {
            return Err(Limit::Columns.passed(limits.columns() as u64, None));
        }
        let mut warnings = Warnings::default();
        let mut header = Vec::with_capacity(fields.len());
        for field in &fields {
            if field.name().contains('\0') {
                warnings.note_file(Trouble::Nul)?;
            }
            header.push(field.name().replace('\0', "\u{fffd}"));
        }
        let names = names::of_header(header.clone());
        for (from, to) in header.into_iter().zip(&names).filter(|(from, to)| from != *to) {
            warnings.note_file(Trouble::Renamed { from, to: to.clone() })?;
        }
        let declared = fields.iter().map(|field| kept(field)).collect();
        let spans = Vec::with_capacity(fields.len());
        let out = Out { bytes: Vec::new(), bytes_max: 0, nul: false };
        let (columns, rows, next, row) = (Vec::new(), 0, 0, 0);
        Ok(Self { source, limits, fields, names, declared, columns, rows, next, row, spans, out, warnings })
    }

    /// The names of the columns, unique and never empty.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The type that each column has in the file. A cell of it is a [`Value`](super::Value) of this type or NULL; or text, where the type cannot say the value.
    pub fn declared(&self) -> &[ColumnType] {
        &self.declared
    }

    /// What was mended so far.
    pub fn warnings(&self) -> &Warnings {
        &self.warnings
    }

    /// The row that [`advance`](Self::advance) went to; its line is its number, counting from 1.
    pub fn row(&self) -> Row<'_> {
        Row { line: self.row, bytes: &self.out.bytes, spans: &self.spans }
    }

    /// Goes to the next row; false at the end of the file.
    ///
    /// # Errors
    /// `Malformed` if the file is broken; `Limit` with the number of the row; or what the input failed with.
    pub fn advance(&mut self) -> Result<bool> {
        guarded(|| {
            while self.next >= self.rows {
                let batch = match &mut self.source {
                    Source::Parquet(source) => source.next()?,
                    Source::Arrow(source) => source.next()?,
                };
                match batch {
                    Some(batch) => self.enter(&batch)?,
                    None => return Ok(false),
                }
            }
            self.read(self.next)?;
            self.next += 1;
            Ok(true)
        })
    }

    fn enter(&mut self, batch: &RecordBatch) -> Result<()> {
        let arrays = self.fields.iter().zip(batch.columns());
        self.columns = arrays.filter_map(|(field, array)| Column::new(field, array)).collect();
        if self.columns.len() != self.fields.len() {
            return Err(malformed("The columns of the file are not those that its schema says."));
        }
        (self.rows, self.next) = (batch.num_rows(), 0);
        Ok(())
    }

    fn read(&mut self, index: usize) -> Result<()> {
        self.row += 1;
        self.spans.clear();
        self.out.bytes.clear();
        self.out.nul = false;
        let cell_bytes_max = self.limits.cell_bytes_max;
        for column in &self.columns {
            self.out.bytes_max = self.out.bytes.len().saturating_add(cell_bytes_max);
            match column.cell(index, &mut self.out) {
                Ok(span) if !self.out.is_full() => self.spans.push(span),
                _ => return Err(Limit::CellBytes.passed(cell_bytes_max as u64, Some(self.row))),
            }
        }
        if self.out.bytes.len() > self.limits.row_bytes_max {
            return Err(Limit::RowBytes.passed(self.limits.row_bytes_max as u64, Some(self.row)));
        }
        if self.out.nul {
            self.warnings.note(Trouble::Nul, Position::line_start(self.row), &[], 0)?;
        }
        Ok(())
    }
}

/// The libraries panic on some files that are broken.
fn guarded<T>(read: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(read))
        .unwrap_or_else(|_| Err(malformed("The file is broken in a way that its reader did not expect.")))
}

fn malformed(detail: impl Into<String>) -> Error {
    Malformed { detail: detail.into(), ..Malformed::default() }.into()
}
