//! JSON: an array of objects, one a line, or such lines alone (NDJSON).

use super::{
    cell::Value,
    numeric::Numeric,
    text::{self, RFC3339},
};
use crate::{
    catalogue::{Column, ColumnType},
    error::{Error, Result},
};

pub struct Json {
    /// Of each column: what stands before its value, such as `,"name":`.
    fields: Vec<(Vec<u8>, ColumnType)>,
    array: bool,
    /// Bigints as strings, for readers that know doubles alone.
    bigint_strings: bool,
    rows: u64,
}

impl Json {
    pub fn new(columns: &[Column], array: bool, bigint_strings: bool) -> Result<Self> {
        let fields = columns.iter().enumerate().map(|(at, column)| {
            let mut before = if at == 0 { b"{".to_vec() } else { b",".to_vec() };
            serde_json::to_writer(&mut before, &column.name).map_err(Error::internal)?;
            before.push(b':');
            Ok((before, column.column_type))
        });
        Ok(Self { fields: fields.collect::<Result<_>>()?, array, bigint_strings, rows: 0 })
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
                Some(cell) => match Value::read(*column_type, cell)? {
                    Value::Bigint(value) if self.bigint_strings => {
                        out.push(b'"');
                        text::integer(value, out);
                        out.push(b'"');
                    }
                    value => append(value, out)?,
                },
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

/// JSON has no NaN and no infinite number: they become null.
fn append(value: Value<'_>, out: &mut Vec<u8>) -> Result<()> {
    match value {
        Value::Double(double) if !double.is_finite() => out.extend_from_slice(b"null"),
        Value::Numeric(Numeric::NaN | Numeric::Infinity | Numeric::NegativeInfinity) => out.extend_from_slice(b"null"),
        Value::Boolean(_) | Value::Bigint(_) | Value::Double(_) | Value::Numeric(_) => {
            text::value(value, RFC3339, out)?;
        }
        // A line end in valid JSON is white space between its tokens, and would cut a line of NDJSON in two.
        Value::Json(json) => {
            out.extend(json.iter().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte }));
        }
        Value::Text(text) => string(text, out),
        Value::Date(_) | Value::Time(_) | Value::Timestamp(_) | Value::Timestamptz(_) | Value::Uuid(_) => {
            out.push(b'"');
            text::value(value, RFC3339, out)?;
            out.push(b'"');
        }
    }
    Ok(())
}

/// A string of RFC 8259, with no more escapes than it asks for.
#[expect(clippy::needless_bitwise_bool, reason = "without an early exit it is done many bytes at a time")]
fn string(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    if !text.iter().fold(false, |found, byte| found | (*byte < b' ') | (*byte == b'"') | (*byte == b'\\')) {
        out.extend_from_slice(text);
        out.push(b'"');
        return;
    }
    let mut rest = text;
    while let Some(at) = rest.iter().position(|byte| matches!(byte, ..b' ' | b'"' | b'\\')) {
        let (before, after) = rest.split_at(at);
        out.extend_from_slice(before);
        let Some((special, after)) = after.split_first() else { break };
        escape(*special, out);
        rest = after;
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

fn escape(byte: u8, out: &mut Vec<u8>) {
    let short = match byte {
        b'"' | b'\\' => byte,
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        0x08 => b'b',
        0x0C => b'f',
        _ => {
            let hex = |digit: u8| char::from_digit(u32::from(digit), 16).map_or(b'0', |digit| digit as u8);
            out.extend_from_slice(&[b'\\', b'u', b'0', b'0', hex(byte >> 4), hex(byte & 0xF)]);
            return;
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}
