//! CSV (RFC 4180, with LF as COPY writes it) and TSV: NULL is nothing, an empty text is `""`, and only what needs quotes has them.

use super::{
    ExportOptions,
    cell::Value,
    text::{self, POSTGRES},
};
use crate::{
    catalogue::{Column, ColumnType},
    error::Result,
};

/// By which Excel knows UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

pub struct Csv {
    columns: Vec<Column>,
    separator: u8,
    options: ExportOptions,
}

impl Csv {
    pub fn new(columns: &[Column], separator: u8, options: ExportOptions) -> Self {
        Self { columns: columns.to_vec(), separator, options }
    }

    pub fn begin(&self, out: &mut Vec<u8>) {
        if self.options.excel {
            out.extend_from_slice(BYTE_ORDER_MARK);
        }
        for (at, column) in self.columns.iter().enumerate() {
            if at > 0 {
                out.push(self.separator);
            }
            let name = &column.name;
            self.append(name.as_bytes(), name.trim() != name, out);
        }
        out.push(b'\n');
    }

    pub fn row(&self, cells: &[Option<&[u8]>], out: &mut Vec<u8>) -> Result<()> {
        // Readers skip a blank line, which one NULL alone would be.
        if let [None] = cells {
            out.extend_from_slice(b"\"\"");
        }
        for (at, (cell, column)) in cells.iter().zip(&self.columns).enumerate() {
            if at > 0 {
                out.push(self.separator);
            }
            match (cell, column.column_type) {
                (None, _) => {}
                // COPY reads `\.` alone on a line as the end of the data.
                (Some(text), ColumnType::Text) => self.append(text, *text == b"\\.", out),
                (Some(json), ColumnType::Json) => append(json, self.separator, false, out),
                (Some(cell), column_type) => text::value(Value::read(column_type, cell)?, POSTGRES, out)?,
            }
        }
        out.push(b'\n');
        Ok(())
    }

    /// Appends a text that may look like a formula to who opens the file.
    fn append(&self, text: &[u8], quoted: bool, out: &mut Vec<u8>) {
        if self.options.escape_formulas && matches!(text, [b'=' | b'+' | b'-' | b'@' | b'\t' | b'\r', ..]) {
            let plain = [b"'", text].concat();
            return append(&plain, self.separator, quoted, out);
        }
        append(text, self.separator, quoted, out);
    }
}

/// Appends a text, in quotes if it needs them or is to have them.
#[expect(clippy::needless_bitwise_bool, reason = "without an early exit it is done many bytes at a time")]
fn append(text: &[u8], separator: u8, quoted: bool, out: &mut Vec<u8>) {
    let special = |byte: u8| (byte == separator) | (byte == b'"') | (byte == b'\n') | (byte == b'\r');
    if !quoted && !text.is_empty() && !text.iter().fold(false, |found, byte| found | special(*byte)) {
        out.extend_from_slice(text);
        return;
    }
    out.push(b'"');
    let mut rest = text;
    while let Some((before, after)) = memchr::memchr(b'"', rest).and_then(|at| rest.split_at_checked(at + 1)) {
        out.extend_from_slice(before);
        out.push(b'"');
        rest = after;
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}
