//! Zip files: a workbook, or one packed file.

use std::fs::File;
use std::io::{self, Cursor, Read, Seek, SeekFrom, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use zip::{CompressionMethod, ZipArchive, result::ZipError};

use super::TableFormat;
use super::source::{Opening, Source, not_a_table};
use super::{ods, xlsx};
use crate::error::{Error, Malformed, Result};
use crate::tables::bounded::{Bounded, Counted, Received};
use crate::tables::decompress::{Codec, read_error};

/// What is read of a zip file to learn its entries: some 40,000 of them.
const DIRECTORY_BYTES_MAX: u64 = 4 << 20;
/// Names of entries that an error lists.
const NAMES_MAX: usize = 10;
/// The header of a gzip file without a name or a time (RFC 1952).
const GZIP_HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];

/// A zip file whose directory was read.
pub(super) type Archive = ZipArchive<Metered>;

pub(super) fn open(opening: &mut Opening<'_>, input: impl Read) -> Result<Source> {
    let (file, length) = opening.scratch.spool(input)?;
    let mut archive = directory(file)?;
    let names: Vec<String> = archive.file_names_raw().map(|name| String::from_utf8_lossy(name).into_owned()).collect();
    match kind(&mut archive, &names)? {
        Some(TableFormat::Xlsx) => {
            opening.check(TableFormat::Xlsx)?;
            xlsx::open(opening, archive, length).map(Source::Text)
        }
        Some(_) => {
            opening.check(TableFormat::Ods)?;
            ods::open(opening, archive, length).map(Source::Text)
        }
        None => {
            let member = member(opening, archive, &names)?;
            opening.open(member, true)
        }
    }
}

/// The kind of workbook that these entries make up, if any.
fn kind(archive: &mut Archive, names: &[String]) -> Result<Option<TableFormat>> {
    let has = |name: &str| names.iter().any(|there| there.replace('\\', "/").eq_ignore_ascii_case(name));
    if has("content.xml") && has("mimetype") {
        let mut kind = Vec::new();
        let mimetype = archive.by_name("mimetype").map_err(broken)?;
        mimetype.take(200).read_to_end(&mut kind).map_err(read_error)?;
        return match kind.starts_with(b"application/vnd.oasis.opendocument.spreadsheet") {
            true => Ok(Some(TableFormat::Ods)),
            false => Err(not_a_table("an OpenDocument file without a table", "Send a spreadsheet")),
        };
    }
    if !has("[Content_Types].xml") {
        return Ok(None);
    }
    match () {
        () if has("xl/workbook.bin") => Err(not_a_table("an .xlsb workbook", "Save it as .xlsx")),
        () if has("xl/workbook.xml") || has("_rels/.rels") && names.iter().any(|name| name.contains("worksheets")) => {
            Ok(Some(TableFormat::Xlsx))
        }
        () if has("word/document.xml") => Err(not_a_table("a Word document", "Send a table")),
        () if has("ppt/presentation.xml") => Err(not_a_table("a presentation", "Send a table")),
        () => Ok(None),
    }
}

/// The content of the one file that is packed.
fn member(opening: &Opening<'_>, mut archive: Archive, names: &[String]) -> Result<Box<dyn Read + Send>> {
    let packed = |name: &&String| {
        let last = name.rsplit('/').next().unwrap_or(name);
        !name.ends_with('/') && !name.starts_with("__MACOSX/") && !matches!(last, ".DS_Store" | "Thumbs.db")
    };
    let files: Vec<&String> = names.iter().filter(packed).collect();
    let index = match files.as_slice() {
        [] => return Err(not_a_table("a zip file without a file in it", "Pack the table")),
        [name] => names.iter().position(|there| there == *name).unwrap_or_default(),
        several => {
            let listed = several.iter().take(NAMES_MAX).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
            let more = several.len().saturating_sub(NAMES_MAX);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let detail = format!("The zip file has {} files: {listed}{more}; a table is one.", several.len());
            let hint = "Send each as a table of its own, or store the zip file as it is with `?as=blob`.".to_owned();
            return Err(Malformed { detail, hint: Some(hint), ..Malformed::default() }.into());
        }
    };
    let entry = archive.by_index_raw(index).map_err(broken)?;
    if entry.encrypted() {
        return Err(not_a_table("a zip file with a password", "Unpack it first"));
    }
    let (method, crc, size, packed) = (entry.compression(), entry.crc32(), entry.size(), entry.compressed_size());
    let start = entry.data_start();
    drop(entry);
    let start = start.ok_or_else(|| malformed("The zip file does not say where its file begins."))?;
    let mut file = archive.into_inner().file;
    file.seek(SeekFrom::Start(start)).map_err(Error::internal)?;
    let received = Received::default();
    let packed = Counted::new(file.take(packed), received.clone());
    let unpacked: Box<dyn Read + Send> = match method {
        CompressionMethod::Stored => Box::new(Checked::new(packed, crc, size)),
        // As gzip has it, but for a header and a trailer, which the entry tells.
        CompressionMethod::Deflated => {
            let mut trailer = [0; 8];
            let length = u32::try_from(size & u64::from(u32::MAX)).unwrap_or_default();
            (&mut trailer[..4]).write_all(&crc.to_le_bytes()).map_err(Error::internal)?;
            (&mut trailer[4..]).write_all(&length.to_le_bytes()).map_err(Error::internal)?;
            let gzip = Cursor::new(GZIP_HEADER).chain(packed).chain(Cursor::new(trailer));
            Box::new(Checked::new(Codec::Gzip.read(gzip), crc, size))
        }
        method => return Err(unknown_method(method)),
    };
    let limits = opening.limits;
    let bounded =
        |input, received| Bounded::new(input, received, limits.decompressed_bytes_max, limits.decompressed_ratio_max);
    inner(Box::new(bounded(unpacked, received)), bounded)
}

/// What is packed may itself be compressed, once: `table.csv.gz` in a zip file.
fn inner(
    mut input: Box<dyn Read + Send>,
    bounded: impl Fn(Box<dyn Read + Send>, Received) -> Bounded<Box<dyn Read + Send>>,
) -> Result<Box<dyn Read + Send>> {
    let mut beginning = Vec::new();
    input.by_ref().take(10).read_to_end(&mut beginning).map_err(read_error)?;
    let codec = Codec::of(&beginning);
    let whole = Cursor::new(beginning).chain(input);
    let Some(codec) = codec else { return Ok(Box::new(whole)) };
    let received = Received::default();
    let decoded: Box<dyn Read + Send> = Box::new(codec.read(Counted::new(whole, received.clone())));
    Ok(Box::new(bounded(decoded, received)))
}

fn directory(file: File) -> Result<Archive> {
    let left = Arc::new(AtomicU64::new(DIRECTORY_BYTES_MAX));
    let archive = ZipArchive::new(Metered { file, left: left.clone() }).map_err(broken)?;
    left.store(u64::MAX, Ordering::Relaxed);
    Ok(archive)
}

pub(super) fn broken(error: ZipError) -> Error {
    match error {
        ZipError::Io(error) => read_error(error),
        error => malformed(&format!("The zip file is broken: {error}.")),
    }
}

fn malformed(detail: &str) -> Error {
    Malformed { detail: detail.to_owned(), ..Malformed::default() }.into()
}

fn unknown_method(method: CompressionMethod) -> Error {
    let detail = format!("The zip file is packed by a method that is not read here: {method}.");
    let hint = Some("Pack it by Deflate, as most programs do, or send the table as gzip or zstd.".to_owned());
    Malformed { detail, hint, ..Malformed::default() }.into()
}

/// A file of which so much may be read: entries are held in memory, and a hostile directory names any number of them.
pub(super) struct Metered {
    file: File,
    left: Arc<AtomicU64>,
}

impl Read for Metered {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        let left = self.left.load(Ordering::Relaxed);
        let passed = || io::Error::other(malformed("The zip file has no directory, or one of too many files."));
        let left = left.checked_sub(read as u64).ok_or_else(passed)?;
        self.left.store(left, Ordering::Relaxed);
        Ok(read)
    }
}

impl Seek for Metered {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

/// Compares what was unpacked with what the zip file says of it.
struct Checked<R> {
    input: R,
    crc: crc_fast::Digest,
    expected: u32,
    left: u64,
}

impl<R> Checked<R> {
    fn new(input: R, expected: u32, size: u64) -> Self {
        Self { input, crc: crc_fast::Digest::new(crc_fast::CrcAlgorithm::Crc32IsoHdlc), expected, left: size }
    }
}

impl<R: Read> Read for Checked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(buffer)?;
        let wrong = || io::Error::other(malformed("The zip file is broken: its file is not what it says of it."));
        self.left = self.left.checked_sub(read as u64).ok_or_else(wrong)?;
        self.crc.update(buffer.get(..read).unwrap_or_default());
        let ended = read == 0 && !buffer.is_empty();
        match ended && (self.left > 0 || self.crc.finalize() != u64::from(self.expected)) {
            true => Err(wrong()),
            false => Ok(read),
        }
    }
}
