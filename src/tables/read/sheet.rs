//! The cells of a sheet as the CSV of RFC 4180: one line for each row, so that a line of the text is a row of the sheet.

use std::io::{BufWriter, Write};
use std::iter;

use super::moment::{Moments, Serial, duration, iso_duration};
use super::scratch::{ScratchFile, write_error};
use crate::error::{Limit, Malformed, Result};

/// Columns of any sheet there is.
/// Of Excel and of LibreOffice alike.
const ROWS_MAX: u32 = 1 << 20;

const COLUMNS_MAX: usize = 16_384;
/// How much more than the workbook its CSV may be: texts that stand in many cells are kept once.
const GROWTH_MAX: u64 = 16;

/// What one cell holds.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Content<'a> {
    Empty,
    Text(&'a str),
    Number(f64),
    Integer(i64),
    Boolean(bool),
    /// A date, a time or both.
    Moment(Serial),
    /// The same, as ISO 8601 has it.
    IsoMoment(&'a str),
    /// A length of time in days.
    Duration(f64),
    IsoDuration(&'a str),
    /// `#N/A` and its like.
    Error,
}

impl Content<'_> {
    pub fn is_empty(&self) -> bool {
        matches!(self, Self::Empty | Self::Text(""))
    }

    fn text(&self, moments: Moments) -> String {
        match *self {
            Self::Empty | Self::Error => String::new(),
            Self::Text(text) => text.to_owned(),
            Self::Number(number) => print(number),
            Self::Integer(number) => number.to_string(),
            Self::Boolean(truth) => truth.to_string(),
            Self::Moment(serial) => moments.print(serial).unwrap_or_else(|| print(serial.days)),
            Self::IsoMoment(text) => moments.print_iso(text),
            Self::Duration(days) => duration(days).unwrap_or_else(|| print(days)),
            Self::IsoDuration(text) => iso_duration(text),
        }
    }
}

/// The shortest decimal that is this number; without an exponent where that is short.
fn print(number: f64) -> String {
    match number.abs() {
        _ if !number.is_finite() => String::new(),
        0.0 => "0".to_owned(),
        1e-7..1e21 => number.to_string(),
        _ => format!("{number:e}"),
    }
}

/// What must be known of all the cells before the first is written.
#[derive(Debug, Default)]
pub(super) struct Survey {
    /// By the column of the sheet, from 0.
    columns: Vec<Option<Moments>>,
    /// Of each of them, whether a number with a fraction stands in it.
    pointed: Vec<bool>,
    pub errors: u64,
    pub nuls: u64,
    bytes: u64,
}

impl Survey {
    /// # Errors
    /// `Malformed` if there is no such column in any sheet, `Limit` if the text would grow too long.
    pub fn see(&mut self, column: u32, content: &Content<'_>, workbook_bytes_max: u64) -> Result<()> {
        let index = usize::try_from(column).unwrap_or(usize::MAX);
        if index >= COLUMNS_MAX {
            let detail = format!("A cell stands in column {}, which no sheet has.", u64::from(column) + 1);
            return Err(Malformed { detail, ..Malformed::default() }.into());
        }
        if index >= self.columns.len() {
            self.columns.resize(index + 1, None);
            self.pointed.resize(index + 1, false);
        }
        let Some(moments) = self.columns.get_mut(index) else { return Ok(()) };
        let moments = moments.get_or_insert_default();
        let length = match content {
            Content::Text(text) => {
                self.nuls += u64::from(text.contains('\0'));
                text.len()
            }
            Content::Moment(serial) => {
                moments.see(*serial);
                10
            }
            Content::IsoMoment(text) => {
                moments.see_iso(text);
                text.len()
            }
            Content::Number(number) => {
                if let Some(pointed) = self.pointed.get_mut(index).filter(|_| number.fract() != 0.0) {
                    *pointed = true;
                }
                1
            }
            Content::Error => {
                self.errors += 1;
                0
            }
            _ => 1,
        };
        self.bytes = self.bytes.saturating_add(length as u64 + 1);
        match self.bytes > workbook_bytes_max.saturating_mul(GROWTH_MAX) {
            true => Err(Limit::WorkbookBytes.passed(workbook_bytes_max, None)),
            false => Ok(()),
        }
    }

    /// The first column that has something, and how many there are from it to the last that has.
    pub fn extent(&self) -> (usize, usize) {
        let first = self.columns.iter().position(Option::is_some).unwrap_or_default();
        (first, self.columns.len() - first)
    }

    /// Of each field of the text, whether a number with a fraction stands in it.
    pub fn pointed(&self) -> Vec<bool> {
        self.pointed.get(self.extent().0..).unwrap_or_default().to_vec()
    }
}

/// Writes cells in their order, filling up what lies between them.
pub(super) struct CsvWriter<'a> {
    survey: &'a Survey,
    first: usize,
    out: BufWriter<ScratchFile>,
    /// The row and, within it, the column that the next field is of; both from 0.
    row: u32,
    column: usize,
}

impl<'a> CsvWriter<'a> {
    pub fn new(survey: &'a Survey, out: ScratchFile) -> Self {
        let (first, _) = survey.extent();
        Self { survey, first, out: BufWriter::new(out), row: 0, column: first }
    }

    /// # Errors
    /// `Malformed` if a cell behind this one was written already; `Limit` if there is no more space.
    pub fn write(&mut self, row: u32, column: u32, content: &Content<'_>) -> Result<()> {
        let column = usize::try_from(column).unwrap_or(usize::MAX);
        if row < self.row || (row == self.row && column < self.column) || column >= self.survey.columns.len() {
            let detail = format!("The cells of row {} are not in their order.", u64::from(row) + 1);
            return Err(Malformed { detail, line: Some(u64::from(row) + 1), ..Malformed::default() }.into());
        }
        if row >= ROWS_MAX {
            let detail = format!("A sheet has no row {}.", u64::from(row) + 1);
            return Err(Malformed { detail, ..Malformed::default() }.into());
        }
        while self.row < row {
            self.end_row()?;
        }
        while self.column < column {
            self.separate()?;
            self.column += 1;
        }
        self.separate()?;
        self.column += 1;
        let moments = self.survey.columns.get(column).copied().flatten().unwrap_or_default();
        let text = content.text(moments);
        self.field(&text).map_err(write_error)
    }

    /// The comma before a field that is not the first.
    fn separate(&mut self) -> Result<()> {
        match self.column > self.first {
            true => self.out.write_all(b",").map_err(write_error),
            false => Ok(()),
        }
    }

    fn end_row(&mut self) -> Result<()> {
        // A row without any cell is a blank line.
        if self.column > self.first {
            let missing = self.survey.columns.len().saturating_sub(self.column);
            let commas: Vec<u8> = iter::repeat_n(b',', missing).collect();
            self.out.write_all(&commas).map_err(write_error)?;
        }
        self.out.write_all(b"\n").map_err(write_error)?;
        self.row += 1;
        self.column = self.first;
        Ok(())
    }

    fn field(&mut self, text: &str) -> std::io::Result<()> {
        let outer = |c: char| matches!(c, ' ' | '\t' | '#');
        let quoted = text.contains([',', '"', '\n', '\r']) || text.starts_with(outer) || text.ends_with(outer);
        let text = match text.contains('\0') {
            true => &text.replace('\0', "\u{fffd}"),
            false => text,
        };
        match quoted {
            true => write!(self.out, "\"{}\"", text.replace('"', "\"\"")),
            false => self.out.write_all(text.as_bytes()),
        }
    }

    pub fn finish(mut self) -> Result<ScratchFile> {
        if self.column > self.first {
            self.end_row()?;
        }
        self.out.into_inner().map_err(|error| write_error(error.into_error()))
    }
}
