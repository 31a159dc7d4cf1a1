//! OpenDocument spreadsheets (ODF 1.3, part 3).
//!
//! Read here and not by `calamine`, which does not end with a document that breaks off, and takes memory for every cell that a document says to repeat.

use std::collections::HashSet;
use std::io::Read;

use super::archive::{Archive, broken};
use super::sheet::Content;
use super::source::{Opening, Text};
use super::workbook::{Book, See, Sheet, check_size, malformed, read};
use super::xml::{Document, Event, Tag, unescape};
use crate::error::Result;
use crate::tables::decompress::read_error;

/// Of any sheet there is.
const ROWS_MAX: u32 = 1_048_576;
const COLUMNS_MAX: u32 = 16_384;
/// More spaces in one place are not believed.
const SPACES_MAX: usize = 1000;
/// Elements of a cell whose text is not the cell's.
const ASIDE: [&str; 3] = ["office:annotation", "draw:frame", "draw:custom-shape"];

pub(super) fn open(opening: &mut Opening<'_>, mut archive: Archive, length: u64) -> Result<Text> {
    check_size(opening, &mut archive, length)?;
    let encrypted = |manifest: &str| manifest.contains("manifest:encryption-data");
    if part(&mut archive, "META-INF/manifest.xml").is_ok_and(|manifest| encrypted(&manifest)) {
        return Err(malformed("The workbook has a password; save it without one."));
    }
    let text = part(&mut archive, "content.xml")?;
    read(opening, || OdsBook::new(text))
}

fn part(archive: &mut Archive, name: &str) -> Result<String> {
    let mut part = Vec::new();
    archive.by_name(name).map_err(broken)?.read_to_end(&mut part).map_err(read_error)?;
    Ok(String::from_utf8(part).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
}

struct OdsBook {
    text: String,
    sheets: Vec<Sheet>,
    /// Where the rows of each of them begin in `text`; none if it ends at once.
    starts: Vec<Option<usize>>,
}

impl OdsBook {
    fn new(text: String) -> Result<Self> {
        let mut hidden = HashSet::new();
        let mut style = None;
        let (mut sheets, mut starts) = (Vec::new(), Vec::new());
        let mut document = Document::new(&text);
        let mut depth = 0_usize;
        while let Some(event) = document.next() {
            match event {
                Event::Open { tag, .. } if tag.name == "style:style" => style = tag.get("style:name"),
                Event::Open { tag, .. } if tag.get("table:display").is_some_and(|display| display == "false") => {
                    hidden.extend(style.take());
                }
                Event::Open { tag, closed } if tag.name == "table:table" => {
                    if depth == 0 {
                        let name = tag.get("table:name").unwrap_or_default();
                        let visible = tag.get("table:style-name").is_none_or(|style| !hidden.contains(&style));
                        sheets.push(Sheet { name, visible });
                        starts.push((!closed).then(|| text.len() - document.rest().len()));
                    }
                    depth += usize::from(!closed);
                }
                Event::Close("table:table") => depth = depth.saturating_sub(1),
                _ => {}
            }
        }
        match document.ended() && depth == 0 {
            true => Ok(Self { text, sheets, starts }),
            false => Err(malformed("The workbook is broken: its content breaks off.")),
        }
    }
}

impl Book for OdsBook {
    fn sheets(&self) -> Vec<Sheet> {
        self.sheets.clone()
    }

    fn walk(&mut self, index: usize, see: See<'_>) -> Result<()> {
        let start = self.starts.get(index).copied().flatten();
        match start.and_then(|start| self.text.get(start..)) {
            Some(rows) => walk_rows(&mut Document::new(rows), see),
            None => Ok(()),
        }
    }
}

/// One cell of a row, which may stand for several in a row.
struct Cell {
    column: u32,
    repeated: u32,
    value: Value,
}

/// Up to the end of the table that `document` stands in.
fn walk_rows(document: &mut Document<'_>, see: See<'_>) -> Result<()> {
    let mut row = 0_u32;
    while let Some(event) = document.next() {
        match event {
            Event::Close("table:table") => break,
            // A header or a group of rows is rows.
            Event::Open { tag, closed } if tag.name == "table:table-row" => {
                let cells = if closed { Vec::new() } else { cells(document) };
                let repeated = count(tag, "table:number-rows-repeated");
                let end = row.saturating_add(repeated).min(ROWS_MAX);
                if !cells.is_empty() && !see_rows(row..end, &cells, see)? {
                    break;
                }
                row = end;
            }
            _ => {}
        }
    }
    Ok(())
}

fn see_rows(rows: std::ops::Range<u32>, cells: &[Cell], see: See<'_>) -> Result<bool> {
    for row in rows {
        for cell in cells {
            let end = cell.column.saturating_add(cell.repeated).min(COLUMNS_MAX);
            for column in cell.column..end {
                if !see(row, column, cell.value.content())? {
                    return Ok(false);
                }
            }
        }
    }
    Ok(true)
}

/// The cells with a value of the row that `document` stands in.
fn cells(document: &mut Document<'_>) -> Vec<Cell> {
    let mut cells = Vec::new();
    let mut column = 0_u32;
    while let Some(event) = document.next() {
        let (tag, closed) = match event {
            Event::Close("table:table-row") => break,
            Event::Open { tag, closed } => (tag, closed),
            _ => continue,
        };
        // A covered one lies below a merged cell.
        let covered = tag.name == "table:covered-table-cell";
        if !covered && tag.name != "table:table-cell" {
            continue;
        }
        let text = if closed { String::new() } else { cell_text(document, tag.name) };
        let repeated = count(tag, "table:number-columns-repeated");
        let value = value(tag, text);
        if !covered && !value.content().is_empty() {
            cells.push(Cell { column, repeated, value });
        }
        column = column.saturating_add(repeated);
    }
    cells
}

/// More than any limit on cells allows in a workbook of 64 MiB.
const CELL_BYTES_MAX: usize = 64 << 20;

/// The paragraphs of a cell, up to its end.
fn cell_text(document: &mut Document<'_>, cell: &str) -> String {
    let mut text = String::new();
    let mut paragraphs = 0;
    let (mut inner, mut aside) = (0_usize, 0_usize);
    for event in document.by_ref() {
        match event {
            Event::Open { tag, closed: false } if tag.name == cell => inner += 1,
            Event::Close(name) if name == cell && inner == 0 => break,
            Event::Close(name) if name == cell => inner -= 1,
            Event::Open { tag, closed: false } if ASIDE.contains(&tag.name) => aside += 1,
            Event::Close(name) if ASIDE.contains(&name) => aside = aside.saturating_sub(1),
            _ if aside > 0 || inner > 0 => {}
            Event::Open { tag, .. } => match tag.name {
                "text:p" | "text:h" => {
                    paragraphs += 1;
                    if paragraphs > 1 {
                        text.push('\n');
                    }
                }
                "text:s" => {
                    let spaces = usize::try_from(count(tag, "text:c")).unwrap_or(SPACES_MAX).min(SPACES_MAX);
                    // Beyond this the cell is refused in any case.
                    let room = CELL_BYTES_MAX.saturating_sub(text.len());
                    text.extend(std::iter::repeat_n(' ', spaces.min(room)));
                }
                "text:tab" => text.push('\t'),
                "text:line-break" => text.push('\n'),
                _ => {}
            },
            Event::Text(part) if paragraphs > 0 => text.push_str(&unescape(part)),
            Event::Literal(part) if paragraphs > 0 => text.push_str(part),
            _ => {}
        }
    }
    text
}

enum Value {
    Text(String),
    Number(f64),
    Boolean(bool),
    Moment(String),
    Duration(String),
    Error,
}

impl Value {
    fn content(&self) -> Content<'_> {
        match self {
            Self::Text(text) => Content::Text(text),
            Self::Number(number) => Content::Number(*number),
            Self::Boolean(truth) => Content::Boolean(*truth),
            Self::Moment(text) => Content::IsoMoment(text),
            Self::Duration(text) => Content::IsoDuration(text),
            Self::Error => Content::Error,
        }
    }
}

/// By the type that the cell says it has; its text is only what is shown.
fn value(tag: Tag<'_>, text: String) -> Value {
    if tag.get("calcext:value-type").is_some_and(|kind| kind == "error") {
        return Value::Error;
    }
    let of = |name| tag.get(name).filter(|value: &String| !value.is_empty());
    let typed = match tag.get("office:value-type").as_deref() {
        Some("float" | "percentage" | "currency") => {
            of("office:value").and_then(|value| value.parse().ok()).map(Value::Number)
        }
        Some("date") => of("office:date-value").map(Value::Moment),
        Some("time") => of("office:time-value").map(Value::Duration),
        Some("boolean") => of("office:boolean-value").map(|value| Value::Boolean(value == "true")),
        _ => of("office:string-value").map(Value::Text),
    };
    typed.unwrap_or(Value::Text(text))
}

/// An attribute that says how often something stands there; once if it does not.
fn count(tag: Tag<'_>, name: &str) -> u32 {
    tag.get(name).and_then(|value| value.trim().parse().ok()).unwrap_or(1)
}
