//! Excel workbooks of the packed kind, read by `calamine`, a cell at a time.
//!
//! Before it sees a file, two things that it believes are checked: what the shared texts say of their number, for which it takes memory at once, and that the
//! formats are not many and long, since it copies them for each other.

use std::io::Read;

use calamine::{DataRef, Reader, SheetType, SheetVisible, Xlsx, XlsxError};
use memchr::memmem;

use super::archive::{Archive, Metered, broken};
use super::moment::Serial;
use super::sheet::Content;
use super::source::{Opening, Text};
use super::workbook::{Book, See, Sheet, check_size, malformed, read};
use crate::error::{Error, Result};
use crate::tables::decompress::read_error;

const STYLES_BYTES_MAX: u64 = 16 << 20;
/// Excel has at most 65,490 formats of cells; each is named in two lists, by an opening and a closing tag.
const FORMATS_MAX: usize = 4 * 65_490;
/// Of all formats, each as long as the longest text among them.
const FORMAT_BYTES_MAX: usize = 256 << 20;

pub(super) fn open(opening: &mut Opening<'_>, mut archive: Archive, length: u64) -> Result<Text> {
    check_size(opening, &mut archive, length)?;
    check_claims(&mut archive, opening.limits.workbook_bytes_max)?;
    read(opening, || {
        let workbook = Xlsx::new(archive.into_inner()).map_err(refused)?;
        let table = |sheet: &&calamine::Sheet| sheet.typ == SheetType::WorkSheet;
        let sheets = workbook
            .sheets_metadata()
            .iter()
            .filter(table)
            .map(|sheet| Sheet { name: sheet.name.clone(), visible: sheet.visible == SheetVisible::Visible });
        Ok(XlsxBook { sheets: sheets.collect(), since_1904: workbook.has_1904_epoch(), workbook })
    })
}

struct XlsxBook {
    workbook: Xlsx<Metered>,
    sheets: Vec<Sheet>,
    since_1904: bool,
}

impl Book for XlsxBook {
    fn sheets(&self) -> Vec<Sheet> {
        self.sheets.clone()
    }

    fn walk(&mut self, index: usize, see: See<'_>) -> Result<()> {
        let Some(sheet) = self.sheets.get(index) else { return Ok(()) };
        let since_1904 = self.since_1904;
        let mut cells = self.workbook.worksheet_cells_reader(&sheet.name).map_err(refused)?;
        while let Some(cell) = cells.next_cell().map_err(refused)? {
            let (row, column) = cell.get_position();
            if !see(row, column, content(cell.get_value(), since_1904))? {
                break;
            }
        }
        Ok(())
    }
}

fn content<'a>(value: &'a DataRef<'_>, since_1904: bool) -> Content<'a> {
    match value {
        DataRef::Empty => Content::Empty,
        DataRef::Int(number) => Content::Integer(*number),
        DataRef::Float(number) => Content::Number(*number),
        DataRef::String(text) => Content::Text(text),
        DataRef::SharedString(text) => Content::Text(text),
        DataRef::Bool(truth) => Content::Boolean(*truth),
        DataRef::DateTime(moment) if moment.is_duration() => Content::Duration(moment.as_f64()),
        DataRef::DateTime(moment) => Content::Moment(Serial { days: moment.as_f64(), since_1904 }),
        DataRef::DateTimeIso(text) => Content::IsoMoment(text),
        DataRef::DurationIso(text) => Content::IsoDuration(text),
        DataRef::Error(_) => Content::Error,
    }
}

fn check_claims(archive: &mut Archive, bytes_max: u64) -> Result<()> {
    for index in 0..archive.len() {
        let entry = archive.by_index(index).map_err(broken)?;
        let name = String::from_utf8_lossy(entry.name_raw()).to_ascii_lowercase();
        let styles = name.ends_with("styles.xml");
        if !styles && !name.ends_with("sharedstrings.xml") {
            continue;
        }
        let mut text = Vec::new();
        entry.take(bytes_max).read_to_end(&mut text).map_err(read_error)?;
        match styles {
            true => check_styles(&text)?,
            false => check_strings(&text)?,
        }
    }
    Ok(())
}

/// A text takes at least four bytes of markup: `<si>`.
fn check_strings(text: &[u8]) -> Result<()> {
    const NAME: &[u8] = b"uniqueCount";
    for at in memmem::find_iter(text, NAME) {
        let claim = text.get(at + NAME.len()..).unwrap_or_default();
        let digits = claim.iter().skip_while(|byte| !byte.is_ascii_digit() && **byte != b'>');
        let count = digits
            .take_while(|byte| byte.is_ascii_digit())
            .fold(0_u64, |count, digit| count.saturating_mul(10).saturating_add(u64::from(digit - b'0')));
        if count > text.len() as u64 {
            return Err(malformed("The workbook is broken: it has fewer texts than it says."));
        }
    }
    Ok(())
}

fn check_styles(text: &[u8]) -> Result<()> {
    let formats = memmem::find_iter(text, b"xf").count();
    let mut longest = 0;
    let mut start = 0;
    for quote in memchr::memchr_iter(b'"', text) {
        longest = longest.max(quote - start);
        start = quote;
    }
    longest = longest.max(text.len() - start);
    let too_many = formats > FORMATS_MAX || formats.saturating_mul(longest) > FORMAT_BYTES_MAX;
    match too_many || text.len() as u64 > STYLES_BYTES_MAX {
        true => Err(malformed("The workbook has more formats of cells than Excel has.")),
        false => Ok(()),
    }
}

fn refused(error: XlsxError) -> Error {
    match error {
        XlsxError::Io(error) => read_error(error),
        XlsxError::Password => malformed("The workbook has a password; save it without one."),
        error => malformed(&format!("The workbook is broken: {error}.")),
    }
}
