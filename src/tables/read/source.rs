//! From decompressed bytes to something that rows are read from: what a file is, told by its first bytes.

use std::fs::File;
use std::io::{self, Cursor, Read};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use encoding_rs::Encoding;

use super::scratch::Scratch;
use super::signature::{Signature, signature};
use super::{Options, TableFormat, Warnings, archive, decode, xls};
use crate::error::{Malformed, Result};
use crate::tables::decompress::read_error;

/// How much of a file is looked at, for what it is and for its encoding.
const BEGINNING_BYTES: u64 = 64 * 1024;

/// A file, ready to be read as what it is.
pub enum Source {
    Text(Text),
    Parquet(File),
    /// Arrow IPC with a footer: Feather.
    ArrowFile(File),
    ArrowStream(Box<dyn Read + Send>),
}

/// A delimited file or JSON.
pub struct Text {
    /// UTF-8 without a byte order mark and without NUL.
    pub input: Box<dyn Read + Send>,
    /// What it was written in: the name of the Encoding Standard in lower case.
    pub encoding: String,
    /// What was mended so far; it grows while `input` is read.
    pub notes: Arc<Mutex<Warnings>>,
    /// The sheet of a workbook that this is the CSV of, one line of it for each row up to line breaks in cells.
    pub sheet: Option<String>,
    pub of_workbook: bool,
    /// Of a workbook: the fields, from the first on, in which a number with a fraction stands.
    pub pointed: Vec<bool>,
}

impl Text {
    /// Text that is UTF-8 already.
    pub fn utf8(input: Box<dyn Read + Send>) -> Self {
        let notes = Arc::new(Mutex::new(Warnings::default()));
        Self { input, encoding: "utf-8".to_owned(), notes, sheet: None, of_workbook: false, pointed: Vec::new() }
    }
}

/// What a request says of a file besides its options, and may be wrong about.
#[derive(Debug, Clone, Copy, Default)]
pub struct Hint {
    /// By the Content-Type or the file's name.
    pub format: Option<TableFormat>,
    /// The `charset` of the Content-Type.
    pub encoding: Option<&'static Encoding>,
}

impl Hint {
    pub fn of_content_type(content_type: &str) -> Self {
        let charset = content_type.split(';').skip(1).find_map(|parameter| {
            let (name, value) = parameter.split_once('=')?;
            name.trim().eq_ignore_ascii_case("charset").then(|| value.trim().trim_matches('"'))
        });
        let encoding = charset.and_then(|label| Encoding::for_label(label.as_bytes()));
        Self { format: TableFormat::of_content_type(content_type), encoding }
    }
}

/// What reading one file may take.
#[derive(Debug, Clone)]
pub struct SourceLimits {
    pub decompressed_bytes_max: u64,
    /// Bytes for each compressed one.
    pub decompressed_ratio_max: u64,
    /// Of all temporary files together.
    pub scratch_bytes_max: u64,
    /// The system's if not given.
    pub scratch_dir: Option<PathBuf>,
    /// Packed, and unpacked.
    pub workbook_bytes_max: u64,
    pub columns_max: usize,
}

impl Source {
    /// Looks at the beginning of `input`, and copies it to a temporary file if its format needs that. Of a zip of one file that file is opened.
    ///
    /// # Errors
    /// `Malformed` if it is no table, or not what the caller said; `Limit`; what `input` fails with.
    pub fn open(input: Box<dyn Read + Send>, options: &Options, hint: Hint, limits: &SourceLimits) -> Result<Self> {
        let mut opening = Opening { options, hint, limits, scratch: Scratch::new(limits) };
        opening.open(input, false)
    }
}

/// What all the steps of opening one file need.
pub(super) struct Opening<'a> {
    pub options: &'a Options,
    pub hint: Hint,
    pub limits: &'a SourceLimits,
    pub scratch: Scratch<'a>,
}

impl Opening<'_> {
    /// `of_zip`: it is the one file of a zip, and must not be another.
    pub fn open(&mut self, mut input: Box<dyn Read + Send>, of_zip: bool) -> Result<Source> {
        let mut beginning = Vec::new();
        input.by_ref().take(BEGINNING_BYTES).read_to_end(&mut beginning).map_err(read_error)?;
        let told = self.options.format;
        let found = signature(&beginning, told.or(self.hint.format) == Some(TableFormat::Arrow));
        let whole = Cursor::new(beginning.clone()).chain(input);
        match found {
            Signature::Parquet => {
                self.check(TableFormat::Parquet)?;
                Ok(Source::Parquet(self.scratch.spool(whole)?.0))
            }
            Signature::ArrowFile => {
                self.check(TableFormat::Arrow)?;
                Ok(Source::ArrowFile(self.scratch.spool(whole)?.0))
            }
            Signature::ArrowStream => {
                self.check(TableFormat::Arrow)?;
                Ok(Source::ArrowStream(Box::new(whole)))
            }
            Signature::Zip if of_zip => Err(not_a_table("a zip file within a zip file", "Unpack it first")),
            Signature::Zip => archive::open(self, whole),
            Signature::Compound => {
                self.check(TableFormat::Xls)?;
                let (file, length) = self.scratch.spool(whole)?;
                Ok(Source::Text(xls::open(self, file, length)?))
            }
            Signature::Foreign(what) => Err(not_a_table(what, "Send a table")),
            Signature::Text => {
                self.check_text()?;
                let text = decode::open(&beginning, Box::new(whole), self.options, self.hint.encoding);
                Ok(Source::Text(text))
            }
        }
    }

    /// Fails if the caller says that the file is something else than `found`.
    pub fn check(&self, found: TableFormat) -> Result<()> {
        use TableFormat::{Ods, Xls, Xlsx};
        let workbook = |format| matches!(format, Xls | Xlsx | Ods);
        match (self.options.format, self.hint.format) {
            (Some(told), _) if told != found => Err(contradiction(&format!("`format={}`", told.name()), found)),
            // Names and Content-Types mix up the formats of workbooks.
            (None, Some(hint)) if hint != found && !(workbook(hint) && workbook(found)) => {
                Err(contradiction(&format!("`.{}`", hint.name()), found))
            }
            _ => Ok(()),
        }
    }

    /// Fails if the caller says that the text is a file of another kind.
    fn check_text(&self) -> Result<()> {
        use TableFormat::{Arrow, Ods, Parquet, Xls, Xlsx};
        let said = match (self.options.format, self.hint.format) {
            (Some(told @ (Parquet | Arrow | Xlsx | Xls | Ods)), _) => format!("`format={}`", told.name()),
            // Text that calls itself `.xls` opens in Excel, so there is much of it.
            (None, Some(hint @ (Parquet | Arrow | Xlsx | Ods))) => format!("`.{}`", hint.name()),
            _ => return Ok(()),
        };
        let detail = format!("The file is sent as {said}, but it does not begin like that; it seems to be text.");
        let hint = Some("Say what it is, such as `format=csv`, or store it as it is with `?as=blob`.".to_owned());
        Err(Malformed { detail, hint, ..Malformed::default() }.into())
    }
}

fn contradiction(said: &str, found: TableFormat) -> crate::error::Error {
    let detail = format!("The file is sent as {said}, but it begins as {} does.", found.name());
    let hint = Some(format!("Send it as what it is: `format={}`.", found.name()));
    Malformed { detail, hint, ..Malformed::default() }.into()
}

/// The error of a file that is something else.
pub(super) fn not_a_table(what: &str, advice: &str) -> crate::error::Error {
    let detail = format!("This seems to be {what}, which is not read as a table.");
    let hint = Some(format!("{advice}, or store the file as it is with `?as=blob`."));
    Malformed { detail, hint, ..Malformed::default() }.into()
}

/// The notes of a text; a thread that panicked while it held them has left them as they were.
pub(super) fn lock(notes: &Mutex<Warnings>) -> std::sync::MutexGuard<'_, Warnings> {
    notes.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// An error of ours on its way through a `Read`.
pub(super) fn wrapped(error: crate::error::Error) -> io::Error {
    io::Error::other(error)
}
