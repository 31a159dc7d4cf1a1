//! A workbook of one sheet (ECMA-376), its XML packed as the rows come.
//!
//! Cells keep their value or become text: a number of more digits than a double shows, and a day that Excel has no number for, are never rounded. An instant is
//! that of UTC, since a sheet knows no zones.

use super::{
    background::{Background, Sink},
    sheet::Sheet,
};
use crate::{
    catalogue::Column,
    error::{Error, Result},
};
use std::io::Write;
use zip::{
    CompressionMethod, ZipWriter,
    write::{SimpleFileOptions, StreamWriter},
};

/// Rows of XML that are packed in one piece.
const PIECE_BYTES: usize = 256 << 10;
/// Of the sheet's XML, unpacked: readers of zip without 64 bits stop there.
const SHEET_BYTES_MAX: u64 = u32::MAX as u64;

/// The rows that a sheet has below its header.
pub const XLSX_ROWS_MAX: u64 = (1 << 20) - 1;

pub struct Xlsx {
    sheet: Sheet,
    /// Rows that are not packed yet.
    piece: Vec<u8>,
    bytes: u64,
    writer: Background<ZipWriter<StreamWriter<Sink>>>,
}

const CONTENT_TYPES: &str = r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" ContentType="application/xml"/><Override PartName="/xl/workbook.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/><Override PartName="/xl/worksheets/sheet1.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/><Override PartName="/xl/styles.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.styles+xml"/></Types>"#;

const PACKAGE: &str = r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="xl/workbook.xml"/></Relationships>"#;

const WORKBOOK: &str = r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets><sheet name="{name}" sheetId="1" r:id="rId1"/></sheets></workbook>"#;

const PARTS: &str = r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" Target="worksheets/sheet1.xml"/><Relationship Id="rId2" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/styles" Target="styles.xml"/></Relationships>"#;

/// The formats of cells, in the order of `sheet::Style`.
const STYLES: &str = r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<styleSheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><numFmts count="5"><numFmt numFmtId="164" formatCode="yyyy\-mm\-dd"/><numFmt numFmtId="165" formatCode="yyyy\-mm\-dd\ hh:mm:ss"/><numFmt numFmtId="166" formatCode="yyyy\-mm\-dd\ hh:mm:ss.000"/><numFmt numFmtId="167" formatCode="hh:mm:ss"/><numFmt numFmtId="168" formatCode="hh:mm:ss.000"/></numFmts><fonts count="2"><font><sz val="11"/><name val="Calibri"/><family val="2"/></font><font><b/><sz val="11"/><name val="Calibri"/><family val="2"/></font></fonts><fills count="2"><fill><patternFill patternType="none"/></fill><fill><patternFill patternType="gray125"/></fill></fills><borders count="1"><border><left/><right/><top/><bottom/><diagonal/></border></borders><cellStyleXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0"/></cellStyleXfs><cellXfs count="7"><xf numFmtId="0" fontId="0" fillId="0" borderId="0" xfId="0"/><xf numFmtId="0" fontId="1" fillId="0" borderId="0" xfId="0" applyFont="1"/><xf numFmtId="164" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/><xf numFmtId="165" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/><xf numFmtId="166" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/><xf numFmtId="167" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/><xf numFmtId="168" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/></cellXfs><cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles></styleSheet>"#;

impl Xlsx {
    /// `title` is the name of a table, of which the sheet's is made.
    pub fn new(columns: &[Column], title: &str) -> Result<Self> {
        let workbook = WORKBOOK.replace("{name}", &sheet_name(title));
        let writer = Background::new(|sink| {
            let mut zip = ZipWriter::new_stream(sink);
            for (name, content) in [
                ("[Content_Types].xml", CONTENT_TYPES),
                ("_rels/.rels", PACKAGE),
                ("xl/workbook.xml", workbook.as_str()),
                ("xl/_rels/workbook.xml.rels", PARTS),
                ("xl/styles.xml", STYLES),
                ("xl/worksheets/sheet1.xml", ""),
            ] {
                let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
                zip.start_file(name, options).map_err(Error::internal)?;
                zip.write_all(content.as_bytes()).map_err(Error::internal)?;
            }
            Ok(zip)
        })?;
        let sheet = Sheet::new(columns);
        let mut piece = Vec::new();
        sheet.begin(&mut piece)?;
        Ok(Self { sheet, piece, bytes: 0, writer })
    }

    /// # Errors
    /// `DoesNotFit` for what a workbook cannot hold.
    pub fn row(&mut self, cells: &[Option<&[u8]>]) -> Result<()> {
        self.sheet.row(cells, &mut self.piece)
    }

    pub fn is_full(&self) -> bool {
        self.piece.len() >= PIECE_BYTES
    }

    /// Begins to pack what has been gathered; what was packed before goes to `out`.
    pub async fn drain(&mut self, out: &mut Vec<u8>) -> Result<()> {
        let piece = std::mem::take(&mut self.piece);
        self.bytes = self.bytes.saturating_add(piece.len() as u64);
        if self.bytes > SHEET_BYTES_MAX {
            let detail = format!("a workbook holds at most {SHEET_BYTES_MAX} bytes of XML in one sheet.");
            return Err(Error::DoesNotFit { detail });
        }
        self.writer.run(out, move |zip| zip.write_all(&piece).map_err(Error::internal)).await
    }

    pub async fn end(&mut self, out: &mut Vec<u8>) -> Result<()> {
        Sheet::end(&mut self.piece);
        self.drain(out).await?;
        self.writer
            .run(out, |zip| {
                // Its end is written with its last file; the writer itself stays, empty.
                let zip = std::mem::replace(zip, ZipWriter::new_stream(Sink::default()));
                zip.finish().map(drop).map_err(Error::internal)
            })
            .await?;
        self.writer.finish(out).await
    }
}

/// Excel takes up to 31 characters, none of `[]:*?/\`, and not `History`, which is its own.
fn sheet_name(title: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | ' ') { c } else { '-' };
    let name: String = title.chars().map(plain).take(31).collect();
    match name.to_ascii_lowercase().as_str() {
        "" => "rows".to_owned(),
        "history" => format!("{name}_"),
        _ => name,
    }
}
