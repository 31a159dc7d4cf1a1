//! CSV (RFC 4180, with LF as COPY writes it): NULL is empty, an empty text is `""`.

use super::cell;
use crate::{
    catalogue::{Column, ColumnType},
    error::Result,
};

pub struct Csv {
    columns: Vec<Column>,
}

impl Csv {
    pub fn new(columns: &[Column]) -> Self {
        Self { columns: columns.to_vec() }
    }

    pub fn begin(&self, out: &mut Vec<u8>) {
        let names: Vec<_> = self.columns.iter().map(|column| quoted_name(&column.name)).collect();
        out.extend_from_slice(names.join(",").as_bytes());
        out.push(b'\n');
    }

    pub fn row(&self, cells: &[Option<&[u8]>], out: &mut Vec<u8>) -> Result<()> {
        // Readers skip a blank line, which one NULL alone would be.
        if let [None] = cells {
            out.extend_from_slice(b"\"\"");
        }
        for (at, (cell, column)) in cells.iter().zip(&self.columns).enumerate() {
            if at > 0 {
                out.push(b',');
            }
            match (cell, column.column_type) {
                (None, _) => {}
                (Some(text), ColumnType::Text | ColumnType::Json) => quoted(text, out),
                (Some(cell), column_type) => cell::text(column_type, cell, out)?,
            }
        }
        out.push(b'\n');
        Ok(())
    }
}

fn quoted(text: &[u8], out: &mut Vec<u8>) {
    let special = |byte: &u8| matches!(byte, b'"' | b',' | b'\n' | b'\r');
    // COPY reads `\.` alone on a line as the end of the data.
    if !text.is_empty() && text != b"\\." && !text.iter().any(special) {
        return out.extend_from_slice(text);
    }
    out.push(b'"');
    let mut rest = text;
    while let Some(at) = memchr::memchr(b'"', rest) {
        out.extend_from_slice(&rest[..=at]);
        out.push(b'"');
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

fn quoted_name(name: &str) -> String {
    if name.is_empty() || name.contains(['"', ',', '\n', '\r']) || name.trim() != name {
        format!("\"{}\"", name.replace('"', "\"\""))
    } else {
        name.to_owned()
    }
}
