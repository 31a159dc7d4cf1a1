//! What the first bytes of a file say that it is.

/// The longest description of a batch of Arrow's that is believed; a text that begins with the same bytes would claim more.
const ARROW_METADATA_BYTES_MAX: u32 = 64 << 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signature {
    Parquet,
    ArrowFile,
    ArrowStream,
    /// And so an `.xlsx`, an `.ods`, or a packed file.
    Zip,
    /// Microsoft's container of an `.xls`, and of much else.
    Compound,
    /// No table, and no text that could be one.
    Foreign(&'static str),
    Text,
}

/// Formats that are sent by mistake. Where one begins with printable characters, no table begins so.
const FOREIGN: [(&[u8], &str); 22] = [
    (b"%PDF-", "a PDF"),
    (b"\x89PNG\r\n", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF87a", "a GIF image"),
    (b"GIF89a", "a GIF image"),
    (b"II*\0", "a TIFF image"),
    (b"MM\0*", "a TIFF image"),
    (b"SQLite format 3\0", "an SQLite database"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"\x7fELF", "a program"),
    (b"\x89HDF\r\n", "an HDF5 file"),
    (b"FEA1", "a Feather file of version 1"),
    (b"Obj\x01", "an Avro file"),
    (b"ORC", "an ORC file"),
    (b"\x80\x04\x95", "a Python pickle"),
    (b"\x80\x05\x95", "a Python pickle"),
    (b"RDX3\n", "an R data file"),
    (b"<stata_dta>", "a Stata file"),
    (b"$FL2@(#)", "an SPSS file"),
    (b"{\\rtf", "an RTF document"),
    (b"PK\x05\x06", "an empty zip file"),
];

/// Pages and documents that are text; in lower case.
const MARKUP: [(&[u8], &str); 7] = [
    (b"<!doctype html", "an HTML page"),
    (b"<html", "an HTML page"),
    (b"<head", "an HTML page"),
    (b"<body", "an HTML page"),
    (b"<table", "an HTML page"),
    (b"<svg", "an SVG image"),
    (b"<?xml", "an XML document"),
];

/// `arrow`: the caller says that it is Arrow, so a stream of its first version is believed as well.
pub(super) fn signature(beginning: &[u8], arrow: bool) -> Signature {
    match beginning {
        [b'P', b'A', b'R', b'1', ..] => Signature::Parquet,
        [b'A', b'R', b'R', b'O', b'W', b'1', 0, 0, ..] => Signature::ArrowFile,
        [b'P', b'K', 3, 4, ..] => Signature::Zip,
        [0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1, ..] => Signature::Compound,
        [0xff, 0xff, 0xff, 0xff, length @ ..] if plausible(length) => Signature::ArrowStream,
        length if arrow && plausible(length) => Signature::ArrowStream,
        _ => foreign(beginning).map_or(Signature::Text, Signature::Foreign),
    }
}

fn plausible(length: &[u8]) -> bool {
    let Some(length) = length.first_chunk() else { return false };
    (1..=ARROW_METADATA_BYTES_MAX).contains(&u32::from_le_bytes(*length))
}

fn foreign(beginning: &[u8]) -> Option<&'static str> {
    if let Some((_, what)) = FOREIGN.iter().find(|(magic, _)| beginning.starts_with(magic)) {
        // The one of them that may begin the name of a column.
        return (*what != "an ORC file" || !is_text(beginning)).then_some(what);
    }
    match beginning.get(4..12) {
        Some([b'f', b't', b'y', b'p', ..]) => return Some("a video or an image"),
        Some([.., b'W', b'E', b'B', b'P']) if beginning.starts_with(b"RIFF") => return Some("a WebP image"),
        _ => {}
    }
    if beginning.get(257..262) == Some(b"ustar") {
        return Some("a tar archive");
    }
    let text = beginning.strip_prefix(b"\xef\xbb\xbf").unwrap_or(beginning).trim_ascii_start();
    let begins = |markup: &[u8]| text.get(..markup.len()).is_some_and(|text| text.eq_ignore_ascii_case(markup));
    MARKUP.iter().find(|(markup, _)| begins(markup)).map(|(_, what)| *what)
}

/// Whether a beginning has no byte that only stands in binary files.
fn is_text(beginning: &[u8]) -> bool {
    !beginning.iter().take(512).any(|byte| matches!(byte, 0..=8 | 14..=31))
}
