//! Files made to break their reader: they are refused, and take neither long nor much.

use super::packings::zip_of;
use super::workbooks::fixture;
use super::{Error, Source, limit, malformed, open, read_text, text};
use larder::error::Limit;
use std::io::Read;
use zip::{CompressionMethod, ZipArchive};

fn read(file: &[u8]) -> Result<(), Error> {
    match open(file, &[])? {
        Source::Text(text) => read_text(text).map(drop),
        _ => Ok(()),
    }
}

/// The same bytes for the same seed.
fn random(seed: &mut u64) -> usize {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    usize::try_from(*seed >> 33).unwrap()
}

#[test]
fn workbooks_with_any_bytes_changed_or_cut_off_are_read_or_refused() {
    let mut seed = 1;
    for name in ["people.xls", "people.xlsx", "people.ods", "shared.xlsx", "epoch_1904.xlsx"] {
        let whole = fixture(name);
        for round in 0..300 {
            let mut file = whole.clone();
            for _ in 0..=round % 4 {
                let at = random(&mut seed) % file.len();
                file[at] = if round % 3 == 0 { 0xff } else { u8::try_from(random(&mut seed) % 256).unwrap() };
            }
            if round % 5 == 0 {
                file.truncate(random(&mut seed) % whole.len());
            }
            match read(&file) {
                Ok(()) | Err(Error::Malformed(_) | Error::Limit { .. }) => {}
                Err(other) => panic!("{name}, round {round}: {other:?}"),
            }
        }
    }
}

/// The parts of a packed workbook with one of them changed.
fn with(name: &str, part: &str, change: impl Fn(String) -> String) -> Vec<u8> {
    let mut archive = ZipArchive::new(std::io::Cursor::new(fixture(name))).unwrap();
    assert!(archive.by_name(part).is_ok(), "{part}");
    let mut parts = Vec::new();
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).unwrap();
        let (name, mut content) = (entry.name().unwrap().into_owned(), String::new());
        entry.read_to_string(&mut content).unwrap();
        let content = if name == part { change(content) } else { content };
        parts.push((name, content));
    }
    let parts: Vec<(&str, &[u8])> = parts.iter().map(|(name, text)| (name.as_str(), text.as_bytes())).collect();
    zip_of(&parts, CompressionMethod::Deflated)
}

#[test]
fn the_parts_of_packed_workbooks_may_break_off_anywhere() {
    for (name, part) in [
        ("people.ods", "content.xml"),
        ("people.xlsx", "xl/worksheets/sheet2.xml"),
        ("shared.xlsx", "xl/sharedStrings.xml"),
        ("people.xlsx", "xl/styles.xml"),
        ("people.xlsx", "xl/workbook.xml"),
        ("people.xlsx", "xl/_rels/workbook.xml.rels"),
        ("people.xlsx", "_rels/.rels"),
    ] {
        for eighth in 0..8 {
            let cut = with(name, part, |text| text.chars().take(text.chars().count() * eighth / 8).collect());
            match read(&cut) {
                Ok(()) | Err(Error::Malformed(_)) => {}
                Err(other) => panic!("{part}: {other:?}"),
            }
        }
    }
}

#[test]
fn claims_that_would_take_memory_are_not_believed() {
    let texts = with("shared.xlsx", "xl/sharedStrings.xml", |text| {
        text.replacen("uniqueCount=\"", "uniqueCount=\"99999999", 1)
    });
    assert!(malformed(read(&texts)).detail.contains("fewer texts"));
    let formats = with("people.xlsx", "xl/styles.xml", |text| {
        text.replacen("<cellXfs", &format!("<cellXfs a=\"{}\">{}", "x".repeat(300_000), "<xf/>".repeat(2000)), 1)
    });
    assert!(malformed(read(&formats)).detail.contains("formats"));
    let corners = with("people.xlsx", "xl/worksheets/sheet2.xml", |text| {
        text.replace("</sheetData>", "<row r=\"1048576\"><c r=\"XFD1048576\"><v>1</v></c></row></sheetData>")
    });
    assert_eq!(limit(read(&corners)), Limit::Columns);
    let rows = with("people.xlsx", "xl/worksheets/sheet2.xml", |text| {
        text.replace("</sheetData>", "<row r=\"1048576\"><c r=\"B1048576\"><v>1</v></c></row></sheetData>")
    });
    assert_eq!(text(&rows, &[]).unwrap().text.lines().count(), 1_048_576 + 1);
}

#[test]
fn a_spreadsheet_that_repeats_its_cells_is_bounded() {
    let repeated = |from: &str, to: &str| with("people.ods", "content.xml", |text| text.replacen(from, to, 1));
    let columns = repeated("office:value=\"1\"", "office:value=\"1\" table:number-columns-repeated=\"4000000000\"");
    assert_eq!(limit(read(&columns)), Limit::Columns);
    let rows = with("people.ods", "content.xml", |text| {
        let row = "<table:table-row table:number-rows-repeated=\"4000000000\"><table:table-cell \
                   table:number-columns-repeated=\"100\" office:value-type=\"float\" office:value=\"1\"/></table:table-row>";
        text.replacen("<table:table table:name=\"Data\">", &format!("<table:table table:name=\"Data\">{row}"), 1)
    });
    assert_eq!(limit(read(&rows)), Limit::WorkbookBytes);
}

#[test]
fn an_xls_whose_corners_lie_far_apart_is_bounded() {
    let mut file = fixture("people.xls");
    // Number records: row and column of the last of them, far out.
    let at = file
        .windows(4)
        .rposition(|window| window == [0x03, 0x02, 14, 0])
        .unwrap_or_else(|| file.windows(4).rposition(|window| window == [0x7e, 0x02, 10, 0]).unwrap());
    file[at + 4..at + 8].fill(0xff);
    assert_eq!(limit(read(&file)), Limit::WorkbookBytes);
}
