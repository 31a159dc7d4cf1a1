//! Rows as text of Postgres' `COPY … FROM STDIN`: tabs between values, `\N` for NULL, backslash escapes.
//!
//! Source: PostgreSQL's documentation of COPY, "Text Format".

use super::{Cell, Column, ColumnType, Row};

/// Appends the row: `_row`, then each column; those that the row does not reach are NULL.
pub(super) fn append_row(out: &mut Vec<u8>, number: u64, row: &Row<'_>, columns: &[Column]) {
    append_number(out, number);
    let mut cells = row.cells();
    for column in columns {
        out.push(b'\t');
        match (cells.next().unwrap_or(Cell::Null), column.column_type) {
            (Cell::Null | Cell::Value(_), _) => out.extend_from_slice(b"\\N"),
            (Cell::String { json, .. }, ColumnType::Json) => append_escaped(out, json),
            (Cell::String { value: text, .. } | Cell::Text(text) | Cell::Json(text), column_type) => {
                match column_type {
                    ColumnType::Text | ColumnType::Json => append_escaped(out, text),
                    // Their texts have nothing to escape.
                    _ => out.extend_from_slice(text),
                }
            }
        }
    }
    out.push(b'\n');
}

fn append_escaped(out: &mut Vec<u8>, text: &[u8]) {
    // No early exit, so that the compiler makes vector instructions of it.
    if !text.iter().fold(false, |any, byte| any || (*byte < b' ') || (*byte == b'\\')) {
        out.extend_from_slice(text);
        return;
    }
    for byte in text {
        match byte {
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\t' => out.extend_from_slice(b"\\t"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            byte => out.push(*byte),
        }
    }
}

fn append_number(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0; 20];
    let mut start = digits.len();
    loop {
        start -= 1;
        digits[start] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[start..]);
}
