//! Workbooks: one sheet of them, as CSV text in a temporary file.

use std::any::Any;
use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};

use super::archive::{Archive, broken};
use super::sheet::{Content, CsvWriter, Survey};
use super::source::{Opening, Text};
use super::{Trouble, Warnings};
use crate::error::{Error, Limit, Malformed, Result};

/// A sheet of a workbook.
#[derive(Debug, Clone)]
pub(super) struct Sheet {
    pub name: String,
    pub visible: bool,
}

/// What takes the cells of a sheet: row and column from 0, and what is there. False ends the walk.
pub(super) type See<'a> = &'a mut dyn FnMut(u32, u32, Content<'_>) -> Result<bool>;

/// A workbook of any format.
pub(super) trait Book {
    /// In the order of the workbook; those without cells, such as charts, left out.
    fn sheets(&self) -> Vec<Sheet>;

    /// Goes over the cells of the sheet at `index` of `sheets`, by rows; empty ones may be left out.
    fn walk(&mut self, index: usize, see: See<'_>) -> Result<()>;
}

/// The CSV of the sheet that is told, or of the first visible one with anything in it.
///
/// # Errors
/// `Malformed` if there is no such sheet or the workbook is broken, `Limit` if it is too large.
pub(super) fn read<B: Book>(opening: &mut Opening<'_>, open: impl FnOnce() -> Result<B>) -> Result<Text> {
    // The library that reads workbooks panics at some that are broken; it keeps nothing beyond them.
    let read = catch_unwind(AssertUnwindSafe(|| {
        let mut book = open()?;
        convert(opening, &mut book)
    }));
    read.unwrap_or_else(|panic| Err(panicked(&*panic)))
}

fn panicked(panic: &(dyn Any + Send)) -> Error {
    let said = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    tracing::warn!(panic = said, "a workbook could not be read");
    malformed("The workbook is broken: its parts do not fit one another.")
}

fn convert(opening: &mut Opening<'_>, book: &mut dyn Book) -> Result<Text> {
    let sheets = book.sheets();
    let index = choose(book, &sheets, opening.options.sheet.as_deref())?;
    let limits = opening.limits;
    let mut survey = Survey::default();
    book.walk(index, &mut |_, column, content| {
        if !content.is_empty() {
            survey.see(column, &content, limits.workbook_bytes_max)?;
        }
        Ok(true)
    })?;
    if survey.extent().1 > limits.columns_max {
        return Err(Limit::Columns.passed(limits.columns_max as u64, None));
    }
    let mut writer = CsvWriter::new(&survey, opening.scratch.file()?);
    book.walk(index, &mut |row, column, content| {
        if !content.is_empty() {
            writer.write(row, column, &content)?;
        }
        Ok(true)
    })?;
    let written = writer.finish()?;
    let input: Box<dyn Read + Send> = Box::new(opening.scratch.rewound(written)?);
    let mut notes = Warnings::new(opening.options.strict);
    note(&mut notes, &survey, unread(book, &sheets, index))?;
    let sheet = sheets.get(index).map(|sheet| sheet.name.clone());
    let (notes, pointed) = (Arc::new(Mutex::new(notes)), survey.pointed());
    Ok(Text { notes, sheet, of_workbook: true, pointed, ..Text::utf8(input) })
}

fn note(notes: &mut Warnings, survey: &Survey, unread: Vec<String>) -> Result<()> {
    if !unread.is_empty() {
        notes.note_file(Trouble::SheetsNotRead { names: unread })?;
    }
    for _ in 0..survey.nuls {
        notes.note_file(Trouble::Nul)?;
    }
    match survey.errors {
        0 => Ok(()),
        errors => {
            let detail = format!("{errors} cells hold an error, such as `#N/A`; they are read as empty.");
            notes.note_file(Trouble::Other { code: "cell-errors", detail })
        }
    }
}

/// More than any workbook of people has.
const SHEETS_MAX: usize = 1000;

/// The place of the sheet to read.
fn choose(book: &mut dyn Book, sheets: &[Sheet], told: Option<&str>) -> Result<usize> {
    // Each is looked through, so there is an end to how many there may be.
    if sheets.len() > SHEETS_MAX {
        return Err(malformed(&format!("The workbook has more than {SHEETS_MAX} sheets.")));
    }
    let names = || sheets.iter().map(|sheet| format!("`{}`", sheet.name)).collect::<Vec<_>>().join(", ");
    if let Some(told) = told {
        let by = |same: fn(&str, &str) -> bool| sheets.iter().position(|sheet| same(&sheet.name, told));
        let found =
            by(|name, told| name == told).or_else(|| by(|name, told| name.trim().eq_ignore_ascii_case(told.trim())));
        return found.ok_or_else(|| malformed(&format!("The workbook has no sheet `{told}`; it has {}.", names())));
    }
    for (index, sheet) in sheets.iter().enumerate() {
        if sheet.visible && is_filled(book, index)? {
            return Ok(index);
        }
    }
    let all = match sheets {
        [] => "it has none".to_owned(),
        _ => format!("it has {}; a hidden one is read with `sheet=`", names()),
    };
    Err(malformed(&format!("No visible sheet of the workbook holds anything: {all}.")))
}

fn is_filled(book: &mut dyn Book, index: usize) -> Result<bool> {
    let mut filled = false;
    book.walk(index, &mut |_, _, content| {
        filled |= !content.is_empty();
        Ok(!filled)
    })?;
    Ok(filled)
}

/// The names of the other sheets that hold something. One that cannot be read is not empty.
fn unread(book: &mut dyn Book, sheets: &[Sheet], read: usize) -> Vec<String> {
    let others = sheets.iter().enumerate().filter(|(index, _)| *index != read);
    others.filter(|(index, _)| is_filled(book, *index).unwrap_or(true)).map(|(_, sheet)| sheet.name.clone()).collect()
}

/// Fails if a packed workbook is longer than it may be, or its parts say that they are. What a part says of itself holds: no more of it is ever unpacked.
pub(super) fn check_size(opening: &Opening<'_>, archive: &mut Archive, length: u64) -> Result<()> {
    let max = opening.limits.workbook_bytes_max;
    let mut unpacked = 0_u64;
    for index in 0..archive.len() {
        let entry = archive.by_index_raw(index).map_err(broken)?;
        unpacked = unpacked.saturating_add(entry.size());
    }
    check_length(length.max(unpacked), max)
}

pub(super) fn check_length(length: u64, max: u64) -> Result<()> {
    match length > max {
        true => Err(Limit::WorkbookBytes.passed(max, None)),
        false => Ok(()),
    }
}

pub(super) fn malformed(detail: &str) -> Error {
    Malformed { detail: detail.to_owned(), ..Malformed::default() }.into()
}
