//! Workbooks, as `tests/fixtures/make_workbooks.py` makes them.

use super::packings::zip_of;
use super::{Hint, SourceLimits, limit, limits, malformed, open, open_within, text};
use crate::support::cpu::measured;
use larder::error::Limit;
use std::{fs, path::Path, time::Duration};
use zip::CompressionMethod;

pub(super) fn fixture(name: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)).unwrap()
}

const ROWS: &str = "id,code,amount,day,moment,clock,yes,note
1,007,1234.5,2026-01-31,2026-01-31T10:30:00,08:15:00,true,plain
2,010,0.30000000000000004,1999-12-31,2026-02-01T00:00:00,23:59:59,false,\"a \"\"quoted\"\", text\"
3,123,-2,2024-02-29,2026-02-01T00:00:01,00:00:00,true,\"two
lines\"
12345678901,,,,,,,\"Grüße, 数据\"
";

#[test]
fn the_first_sheet_with_anything_in_it_is_read_and_the_others_are_named() {
    for name in ["people.xls", "people.ods"] {
        let read = text(&fixture(name), &[]).unwrap();
        assert_eq!(read.text, format!("\n\n{ROWS}"), "{name}");
        assert_eq!(read.sheet.as_deref(), Some("Data"));
        assert_eq!(read.notes.len(), 1);
        assert_eq!(read.notes[0].code, "sheets-not-read");
        assert!(read.notes[0].detail.contains("Second"), "{:?}", read.notes);
    }
}

#[test]
fn an_xlsx_keeps_its_rows_and_shows_what_its_cells_show() {
    let read = text(&fixture("people.xlsx"), &[]).unwrap();
    // The table begins in the third row and the second column of the sheet, and a row of it is hidden.
    // What makes it writes numbers with 15 digits.
    let rows = ROWS.replace("0.30000000000000004", "0.3");
    assert_eq!(read.text, format!("\n\n{rows}5,,26:30:00,,,,,merged\n"));
    let codes: Vec<_> = read.notes.iter().map(|note| note.code).collect();
    assert_eq!(codes, ["sheets-not-read", "cell-errors"]);
    assert!(read.notes[0].detail.contains("Second, Hidden"), "{:?}", read.notes);
    // Made by another program, which keeps texts once and numbers with all their digits.
    let shared = text(&fixture("shared.xlsx"), &[]).unwrap();
    assert_eq!(
        shared.text,
        "name,part,price,serial\nAnn,0.5,12.5,1e21\nAnn,0.1,-0.25,123456789012\nbold text,,1e-9,\n"
    );
    assert_eq!(text(&fixture("epoch_1904.xlsx"), &[]).unwrap().text, "day\n2026-01-31\n");
}

#[test]
fn a_sheet_is_read_by_its_name() {
    for name in ["people.xlsx", "people.xls", "people.ods"] {
        assert!(text(&fixture(name), &[("sheet", "Second")]).unwrap().text.starts_with("other\n"), "{name}");
        let unknown = malformed(text(&fixture(name), &[("sheet", "Third")])).detail;
        assert!(unknown.contains("`Empty`, `Data`, `Second`"), "{unknown}");
    }
    assert_eq!(text(&fixture("people.xlsx"), &[("sheet", "Hidden")]).unwrap().text, "secret\n");
    assert_eq!(text(&fixture("people.xlsx"), &[("sheet", "Empty")]).unwrap().text, "");
}

#[test]
fn a_workbook_may_be_called_by_the_name_of_another_kind_but_not_told_so() {
    assert!(super::hinted(&fixture("people.xlsx"), larder::tables::TableFormat::Xls).is_ok());
    malformed(open(&fixture("people.xlsx"), &[("format", "xls")]));
    assert!(open(&fixture("people.xlsx"), &[("format", "xlsx")]).is_ok());
}

#[test]
fn a_workbook_in_a_zip_is_one_file() {
    let packed = zip_of(&[("people.xls", &fixture("people.xls"))], CompressionMethod::Deflated);
    assert!(text(&packed, &[]).unwrap().text.contains("1,007,1234.5"));
}

#[test]
fn a_workbook_over_its_limits_is_refused_by_name() {
    for name in ["people.xlsx", "people.xls", "people.ods"] {
        let small = SourceLimits { workbook_bytes_max: 1800, ..limits() };
        assert_eq!(limit(open_within(&small, &fixture(name), &[], Hint::default())), Limit::WorkbookBytes, "{name}");
        let narrow = SourceLimits { columns_max: 7, ..limits() };
        assert_eq!(limit(open_within(&narrow, &fixture(name), &[], Hint::default())), Limit::Columns, "{name}");
    }
}

/// Each of many sheets is looked for once, not from the beginning of the file for each: that took minutes.
#[test]
fn a_workbook_of_many_sheets_is_read_in_time() {
    let row = "<table:table-row><table:table-cell/></table:table-row>".repeat(150);
    let sheet = |n: usize| format!("<table:table table:name=\"S{n}\">{row}</table:table>");
    let last = "<table:table table:name=\"Last\"><table:table-row><table:table-cell office:value-type=\"string\"><text:p>a</text:p></table:table-cell></table:table-row></table:table>";
    let sheets: String = (0..900).map(sheet).collect();
    let content = format!("<office:document-content>{sheets}{last}</office:document-content>");
    let kind = b"application/vnd.oasis.opendocument.spreadsheet";
    let file = zip_of(&[("mimetype", &kind[..]), ("content.xml", content.as_bytes())], CompressionMethod::Deflated);
    let (read, work) = measured(|| text(&file, &[]).unwrap());
    assert_eq!((read.text.as_str(), read.sheet.as_deref()), ("a\n", Some("Last")));
    assert!(work < Duration::from_secs(60), "{work:?}");
}
