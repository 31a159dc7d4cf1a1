//! The XML of a sheet: its rows and cells.

use super::{
    cell::{Moment, Value},
    html::escape,
    numeric::Numeric,
    text::{self, POSTGRES},
    xlsx::XLSX_ROWS_MAX,
};
use crate::{
    catalogue::{Column, ColumnType},
    error::{Error, Result},
};

const BEGIN: &str = r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetViews><sheetView tabSelected="1" workbookViewId="0"><pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/></sheetView></sheetViews>"#;

/// Characters of a cell, counted in UTF-16 as Excel does.
const CELL_CHARACTERS_MAX: usize = 32_767;
/// Integers up to here, of either sign, are doubles.
const EXACT_INTEGERS_MAX: u64 = 1 << 53;
/// 1899-12-30, from which Excel counts the days since 1900-03-01; before that its calendar is none, with a 29th of February in 1900.
const EPOCH_DAYS: i64 = -25_569;
const DAYS: std::ops::RangeInclusive<i64> = 61..=2_958_465;
const DAY_MICROS: f64 = 86_400_000_000.0;

/// Places in the workbook's list of formats.
#[derive(Debug, Clone, Copy)]
enum Style {
    Header = 1,
    Date = 2,
    Timestamp = 3,
    TimestampMillis = 4,
    Time = 5,
    TimeMillis = 6,
}

pub struct Sheet {
    columns: Vec<Column>,
    /// `A`, `B`, …
    letters: Vec<String>,
    rows: u64,
    /// A value on its way to be text.
    text: Vec<u8>,
}

impl Sheet {
    pub fn new(columns: &[Column]) -> Self {
        Self {
            columns: columns.to_vec(),
            letters: (0..columns.len()).map(letters).collect(),
            rows: 0,
            text: Vec::new(),
        }
    }

    pub fn begin(&self, out: &mut Vec<u8>) -> Result<()> {
        out.extend_from_slice(BEGIN.as_bytes());
        if !self.columns.is_empty() {
            out.extend_from_slice(b"<cols>");
            for (at, column) in (1..).zip(&self.columns) {
                let width = match column.column_type {
                    ColumnType::Timestamp | ColumnType::Timestamptz => 24,
                    ColumnType::Uuid => 38,
                    ColumnType::Date | ColumnType::Time => 14,
                    _ => 16,
                };
                let column = format!("<col min=\"{at}\" max=\"{at}\" width=\"{width}\" customWidth=\"1\"/>");
                out.extend_from_slice(column.as_bytes());
            }
            out.extend_from_slice(b"</cols>");
        }
        out.extend_from_slice(b"<sheetData><row r=\"1\">");
        for (letters, column) in self.letters.iter().zip(&self.columns) {
            open(letters, 1, Some(Style::Header), out);
            inline(column.name.as_bytes(), out)?;
        }
        out.extend_from_slice(b"</row>");
        Ok(())
    }

    pub fn row(&mut self, cells: &[Option<&[u8]>], out: &mut Vec<u8>) -> Result<()> {
        self.rows += 1;
        if self.rows > XLSX_ROWS_MAX {
            let detail = format!(
                "a sheet has at most {XLSX_ROWS_MAX} rows below its header; ask for fewer with `limit`, or for csv or parquet."
            );
            return Err(Error::DoesNotFit { detail });
        }
        let row = self.rows + 1;
        out.extend_from_slice(b"<row r=\"");
        text::unsigned(row, out);
        out.extend_from_slice(b"\">");
        for ((column, letters), cell) in self.columns.iter().zip(&self.letters).zip(cells) {
            let Some(cell) = cell else { continue };
            let value = Value::read(column.column_type, cell)?;
            write(value, (letters, row), &mut self.text, out)
                .map_err(|error| at_column(error, &column.name, self.rows))?;
        }
        out.extend_from_slice(b"</row>");
        Ok(())
    }

    pub fn end(out: &mut Vec<u8>) {
        out.extend_from_slice(b"</sheetData></worksheet>");
    }
}

fn at_column(error: Error, name: &str, row: u64) -> Error {
    match error {
        Error::DoesNotFit { detail } => Error::DoesNotFit { detail: format!("row {row}, `{name}`: {detail}") },
        error => error,
    }
}

fn write(value: Value<'_>, (letters, row): (&str, u64), buffer: &mut Vec<u8>, out: &mut Vec<u8>) -> Result<()> {
    let day = |moment: Moment| match moment {
        Moment::At { days, micros } => Some((days - EPOCH_DAYS, micros)).filter(|(days, _)| DAYS.contains(days)),
        Moment::Past | Moment::Future => None,
    };
    buffer.clear();
    let (style, number) = match value {
        Value::Boolean(value) => {
            open(letters, row, None, out);
            out.extend_from_slice(if value { b" t=\"b\"><v>1</v></c>" } else { b" t=\"b\"><v>0</v></c>" });
            return Ok(());
        }
        Value::Text(text) | Value::Json(text) => {
            open(letters, row, None, out);
            return inline(text, out);
        }
        Value::Bigint(value) if value.unsigned_abs() <= EXACT_INTEGERS_MAX => {
            open(letters, row, None, out);
            out.extend_from_slice(b"><v>");
            text::integer(value, out);
            out.extend_from_slice(b"</v></c>");
            return Ok(());
        }
        Value::Double(value) => (None, Some(value).filter(|value| value.is_finite())),
        Value::Numeric(Numeric::Finite(digits)) => {
            digits.write(buffer);
            (None, digits.exact_double(buffer))
        }
        Value::Date(moment) => (Some(Style::Date), day(moment).map(|(days, _)| serial(days, 0))),
        Value::Timestamp(moment) | Value::Timestamptz(moment) => {
            let day = day(moment);
            let whole = day.is_none_or(|(_, micros)| micros % 1_000_000 == 0);
            let style = if whole { Style::Timestamp } else { Style::TimestampMillis };
            (Some(style), day.map(|(days, micros)| serial(days, micros)))
        }
        Value::Time(micros) => {
            let style = if micros % 1_000_000 == 0 { Style::Time } else { Style::TimeMillis };
            (Some(style), Some(serial(0, micros)).filter(|day| *day < 1.0))
        }
        Value::Bigint(_) | Value::Numeric(_) | Value::Uuid(_) => (None, None),
    };
    match number {
        Some(number) => {
            open(letters, row, style, out);
            out.extend_from_slice(b"><v>");
            text::value(Value::Double(number), POSTGRES, out)?;
            out.extend_from_slice(b"</v></c>");
            Ok(())
        }
        None => {
            buffer.clear();
            text::value(value, POSTGRES, buffer)?;
            open(letters, row, None, out);
            inline(buffer, out)
        }
    }
}

/// A day and the part of it: a double has room for the microsecond until the year 9999.
#[expect(clippy::cast_precision_loss, reason = "both are far below 2^53")]
fn serial(days: i64, micros: i64) -> f64 {
    days as f64 + micros as f64 / DAY_MICROS
}

/// `<c r="A1" s="2"`
fn open(letters: &str, row: u64, style: Option<Style>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"<c r=\"");
    out.extend_from_slice(letters.as_bytes());
    text::unsigned(row, out);
    out.push(b'"');
    if let Some(style) = style {
        out.extend_from_slice(b" s=\"");
        text::unsigned(style as u64, out);
        out.push(b'"');
    }
}

/// The rest of a cell that is text.
fn inline(text: &[u8], out: &mut Vec<u8>) -> Result<()> {
    // No text has more UTF-16 units than bytes.
    if text.len() > CELL_CHARACTERS_MAX {
        let text = std::str::from_utf8(text).map_err(Error::internal)?;
        if text.encode_utf16().count() > CELL_CHARACTERS_MAX {
            let detail =
                format!("a cell of a sheet holds at most {CELL_CHARACTERS_MAX} characters; ask for csv or parquet.");
            return Err(Error::DoesNotFit { detail });
        }
    }
    out.extend_from_slice(b" t=\"inlineStr\"><is><t xml:space=\"preserve\">");
    characters(text, out);
    out.extend_from_slice(b"</t></is></c>");
    Ok(())
}

/// Text as XML: what XML cannot hold is `_xHHHH_`, and what looks like that has its underscore written so.
fn characters(text: &[u8], out: &mut Vec<u8>) {
    let mut rest = text;
    loop {
        let special = rest.iter().enumerate().position(|(at, byte)| match byte {
            0..=8 | 11..=31 => true,
            b'_' => looks_escaped(&rest[at..]),
            0xEF => matches!(rest.get(at + 1..at + 3), Some([0xBF, 0xBE | 0xBF])),
            _ => false,
        });
        let Some((before, after)) = special.and_then(|at| rest.split_at_checked(at)) else { break };
        escape(before, out);
        let (code, length) = match after {
            [0xEF, _, last, ..] => (0xFF00 | u16::from(*last) | 0x40, 3),
            [byte, ..] => (u16::from(*byte), 1),
            [] => break,
        };
        out.extend_from_slice(format!("_x{code:04X}_").as_bytes());
        rest = after.get(length..).unwrap_or_default();
    }
    escape(rest, out);
}

/// `_xHHHH_`
fn looks_escaped(text: &[u8]) -> bool {
    matches!(text, [b'_', b'x', a, b, c, d, b'_', ..] if [a, b, c, d].iter().all(|digit| digit.is_ascii_hexdigit()))
}

/// The name of a column that counts from 0.
fn letters(mut at: usize) -> String {
    let mut letters = Vec::new();
    loop {
        letters.push(char::from(b'A' + u8::try_from(at % 26).unwrap_or(0)));
        match (at / 26).checked_sub(1) {
            Some(rest) => at = rest,
            None => break,
        }
    }
    letters.iter().rev().collect()
}

#[cfg(test)]
mod tests {
    use super::{characters, letters};

    #[test]
    fn columns_have_letters_and_texts_only_what_xml_can_hold() {
        assert_eq!([0, 25, 26, 701, 702, 16_383].map(letters), ["A", "Z", "AA", "ZZ", "AAA", "XFD"]);
        let mut out = Vec::new();
        characters("a\u{1}<_x0041_ _x\u{fffe}\u{ffff}\u{fffd}\r\n".as_bytes(), &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), "a_x0001_&lt;_x005F_x0041_ _x_xFFFE__xFFFF_\u{fffd}_x000D_\n");
    }
}
