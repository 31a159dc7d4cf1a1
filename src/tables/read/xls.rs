//! Excel workbooks up to 2003 (MS-XLS), read by `calamine`.
//!
//! It follows chains of sectors in circles, and takes memory for as many cells as the corners of a sheet span. So it is given the workbook's stream alone, in a
//! container of our own, once the corners of all sheets were seen.

use std::fs::File;
use std::io::{Cursor, Read};

use calamine::{Data, Reader, SheetType, SheetVisible, Xls, XlsError};

use super::compound::{Compound, compound_of, u16_at, u32_at};
use super::moment::Serial;
use super::sheet::Content;
use super::source::{Opening, Text, not_a_table};
use super::workbook::{Book, See, Sheet, check_length, malformed, read};
use crate::error::{Error, Limit, Result};
use crate::tables::decompress::read_error;

/// What the library holds of each cell between the corners: the value, and the text of a formula.
const CELL_BYTES: u64 = 56;
/// Held of a workbook, beside its own bytes, for each byte that it may have.
const HELD_FACTOR: u64 = 4;

// Types of records.
const BOUND_SHEET: u16 = 0x0085;
const BEGIN: u16 = 0x0809;
const END: u16 = 0x000a;
const DIMENSIONS: u16 = 0x0200;
const MULTIPLE_NUMBERS: u16 = 0x00bd;
/// Number, Label, RString, BoolErr, RK, LabelSst, Formula: each begins with its row and column.
const CELLS: [u16; 7] = [0x0203, 0x0204, 0x00d6, 0x0205, 0x027e, 0x00fd, FORMULA];
const FORMULA: u16 = 0x0006;
/// The length of a formula within its record, of which the header is part.
const FORMULA_LENGTH_AT: usize = 4 + 20;
/// One that means nothing here, in place of the dimensions.
const IGNORED: u16 = 0x01c0;

pub(super) fn open(opening: &mut Opening<'_>, mut file: File, length: u64) -> Result<Text> {
    let bytes_max = opening.limits.workbook_bytes_max;
    check_length(length, bytes_max)?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(read_error)?;
    drop(file);
    let workbook = workbook(&bytes)?;
    drop(bytes);
    let workbook = bounded(workbook, bytes_max)?;
    read(opening, || {
        let container = compound_of(workbook).ok_or_else(|| Limit::WorkbookBytes.passed(bytes_max, None))?;
        let workbook = Xls::new(Cursor::new(container)).map_err(refused)?;
        let table = |sheet: &&calamine::Sheet| sheet.typ == SheetType::WorkSheet;
        let sheets = workbook
            .sheets_metadata()
            .iter()
            .filter(table)
            .map(|sheet| Sheet { name: sheet.name.clone(), visible: sheet.visible == SheetVisible::Visible });
        Ok(XlsBook { sheets: sheets.collect(), since_1904: workbook.has_1904_epoch(), workbook })
    })
}

/// The stream of a workbook.
fn workbook(bytes: &[u8]) -> Result<Vec<u8>> {
    let broken = || malformed("The workbook is broken: its container is not whole.");
    let compound = Compound::open(bytes).ok_or_else(broken)?;
    let named = ["Workbook", "Book"].into_iter().find(|name| compound.has(name));
    match named {
        Some(name) => compound.stream(name).ok_or_else(broken),
        None if compound.has("EncryptedPackage") => Err(malformed("The workbook has a password; save it without one.")),
        None if compound.has("WordDocument") => Err(not_a_table("a Word document", "Send a table")),
        None => Err(not_a_table("a file of Microsoft Office without a workbook", "Send a table")),
    }
}

/// The workbook without what its sheets say of their dimensions, which is only a promise, and without formulas, whose text can be much longer than they.
fn bounded(mut workbook: Vec<u8>, bytes_max: u64) -> Result<Vec<u8>> {
    let starts: Vec<usize> = records(&workbook, 0)
        .take_while(|record| record.kind != END)
        .filter(|record| record.kind == BOUND_SHEET)
        .filter_map(|record| usize::try_from(u32_at(record.data, 0)?).ok())
        .collect();
    let mut scanned = 0_usize;
    for start in &starts {
        let mut changes: Vec<(usize, u16)> = Vec::new();
        for record in sheet(&workbook, *start) {
            scanned = scanned.saturating_add(4 + record.data.len());
            match record.kind {
                DIMENSIONS => changes.push((record.at, IGNORED)),
                FORMULA => changes.push((record.at.saturating_add(FORMULA_LENGTH_AT), 0)),
                _ => {}
            }
        }
        // Sheets that lie within one another would be read again and again; no program writes such.
        if scanned > workbook.len() {
            return Err(overlapping());
        }
        for (at, value) in changes {
            if let Some(bytes) = workbook.get_mut(at..at.saturating_add(2)) {
                bytes.copy_from_slice(&value.to_le_bytes());
            }
        }
    }
    let mut cells = 0_u64;
    for start in starts {
        let mut corners = Corners::default();
        for record in sheet(&workbook, start) {
            match record.kind {
                DIMENSIONS => return Err(overlapping()),
                kind if CELLS.contains(&kind) || kind == MULTIPLE_NUMBERS => corners.see(&record),
                _ => {}
            }
        }
        cells = cells.saturating_add(corners.cells());
    }
    match cells.saturating_mul(CELL_BYTES) > bytes_max.saturating_mul(HELD_FACTOR) {
        true => Err(Limit::WorkbookBytes.passed(bytes_max, None)),
        false => Ok(workbook),
    }
}

fn overlapping() -> Error {
    malformed("The workbook is broken: its sheets overlap.")
}

struct Record<'a> {
    /// Where it begins in the stream.
    at: usize,
    kind: u16,
    data: &'a [u8],
}

/// The records from `start` on, up to the end or to one that is not whole.
fn records(stream: &[u8], start: usize) -> impl Iterator<Item = Record<'_>> {
    let mut at = start;
    std::iter::from_fn(move || {
        let (kind, length) = (u16_at(stream, at)?, usize::from(u16_at(stream, at.checked_add(2)?)?));
        let data = stream.get(at.checked_add(4)?..at.checked_add(4 + length)?)?;
        let record = Record { at, kind, data };
        at += 4 + length;
        Some(record)
    })
}

/// Those of the sheet that begins at `start`, without what is embedded in it, such as a chart.
fn sheet(stream: &[u8], start: usize) -> impl Iterator<Item = Record<'_>> {
    let mut depth = 0_usize;
    let own = records(stream, start).take_while(move |record| {
        let within = record.kind != END || depth > 1;
        match record.kind {
            BEGIN => depth += 1,
            END => depth = depth.saturating_sub(1),
            _ => {}
        }
        within
    });
    let mut depth = 0_usize;
    own.filter(move |record| {
        match record.kind {
            BEGIN => depth += 1,
            END => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth <= 1
    })
}

/// The first and last row and column that have a cell.
#[derive(Default)]
struct Corners {
    rows: Option<(u64, u64)>,
    columns: Option<(u64, u64)>,
}

impl Corners {
    fn see(&mut self, record: &Record<'_>) {
        let (Some(row), Some(column)) = (u16_at(record.data, 0), u16_at(record.data, 2)) else { return };
        // As many as fit into the record, whatever it says.
        let more = if record.kind == MULTIPLE_NUMBERS { record.data.len() as u64 / 6 } else { 0 };
        widen(&mut self.rows, u64::from(row), u64::from(row));
        widen(&mut self.columns, u64::from(column), u64::from(column) + more);
    }

    fn cells(&self) -> u64 {
        let span = |ends: Option<(u64, u64)>| ends.map_or(0, |(first, last)| last - first + 1);
        span(self.rows).saturating_mul(span(self.columns))
    }
}

fn widen(ends: &mut Option<(u64, u64)>, first: u64, last: u64) {
    *ends = Some(ends.map_or((first, last), |ends| (ends.0.min(first), ends.1.max(last))));
}

struct XlsBook {
    workbook: Xls<Cursor<Vec<u8>>>,
    sheets: Vec<Sheet>,
    since_1904: bool,
}

impl Book for XlsBook {
    fn sheets(&self) -> Vec<Sheet> {
        self.sheets.clone()
    }

    fn walk(&mut self, index: usize, see: See<'_>) -> Result<()> {
        let Some(sheet) = self.sheets.get(index) else { return Ok(()) };
        let range = self.workbook.worksheet_range(&sheet.name).map_err(refused)?;
        let (first_row, first_column) = range.start().unwrap_or_default();
        for (row, cells) in (first_row..).zip(range.rows()) {
            for (column, value) in (first_column..).zip(cells) {
                let content = content(value, self.since_1904);
                if !content.is_empty() && !see(row, column, content)? {
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}

fn content(value: &Data, since_1904: bool) -> Content<'_> {
    match value {
        Data::Empty => Content::Empty,
        Data::Int(number) => Content::Integer(*number),
        Data::Float(number) => Content::Number(*number),
        Data::String(text) => Content::Text(text),
        Data::Bool(truth) => Content::Boolean(*truth),
        Data::DateTime(moment) if moment.is_duration() => Content::Duration(moment.as_f64()),
        Data::DateTime(moment) => Content::Moment(Serial { days: moment.as_f64(), since_1904 }),
        Data::DateTimeIso(text) => Content::IsoMoment(text),
        Data::DurationIso(text) => Content::IsoDuration(text),
        Data::Error(_) => Content::Error,
    }
}

fn refused(error: XlsError) -> Error {
    match error {
        XlsError::Io(error) => read_error(error),
        XlsError::Password => malformed("The workbook has a password; save it without one."),
        error => malformed(&format!("The workbook is broken: {error}.")),
    }
}
