//! JSON: an array of objects, one a line, or such lines alone (NDJSON).

use super::cell;
use crate::{
    catalogue::{Column, ColumnType},
    error::{Error, Result},
};

pub struct Json {
    /// Of each column: what stands before its value, such as `,"name":`.
    fields: Vec<(Vec<u8>, ColumnType)>,
    array: bool,
    rows: u64,
}

impl Json {
    pub fn new(columns: &[Column], array: bool) -> Result<Self> {
        let fields = columns.iter().enumerate().map(|(at, column)| {
            let mut before = if at == 0 { b"{".to_vec() } else { b",".to_vec() };
            serde_json::to_writer(&mut before, &column.name).map_err(Error::internal)?;
            before.push(b':');
            Ok((before, column.column_type))
        });
        Ok(Self { fields: fields.collect::<Result<_>>()?, array, rows: 0 })
    }

    pub fn begin(&self, out: &mut Vec<u8>) {
        if self.array {
            out.push(b'[');
        }
    }

    pub fn row(&mut self, cells: &[Option<&[u8]>], out: &mut Vec<u8>) -> Result<()> {
        if self.array {
            out.extend_from_slice(if self.rows == 0 { b"\n" } else { b",\n" });
        }
        self.rows += 1;
        for (cell, (before, column_type)) in cells.iter().zip(&self.fields) {
            out.extend_from_slice(before);
            match cell {
                None => out.extend_from_slice(b"null"),
                Some(cell) => cell::json(*column_type, cell, out)?,
            }
        }
        if self.fields.is_empty() {
            out.push(b'{');
        }
        out.push(b'}');
        if !self.array {
            out.push(b'\n');
        }
        Ok(())
    }

    pub fn end(&self, out: &mut Vec<u8>) {
        if self.array {
            out.extend_from_slice(b"\n]\n");
        }
    }
}
