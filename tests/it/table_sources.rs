//! From uploaded bytes to text or to a file of rows: formats, packings, encodings, workbooks.

mod encodings;
mod hostile;
mod packings;
mod workbooks;

use larder::error::{Error, Limit, Malformed};
use larder::tables::TableFormat;
use larder::tables::read::{Hint, Options, Source, SourceLimits, Text, Told, Warning};
use std::io::{Cursor, Read};

fn limits() -> SourceLimits {
    SourceLimits {
        decompressed_bytes_max: 1 << 30,
        decompressed_ratio_max: 1000,
        scratch_bytes_max: 64 << 20,
        scratch_dir: None,
        workbook_bytes_max: 8 << 20,
        columns_max: 100,
    }
}

fn options(told: &[(&str, &str)]) -> Options {
    let told: Told = told.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Options::parse(&told).unwrap()
}

fn open_within(limits: &SourceLimits, file: &[u8], told: &[(&str, &str)], hint: Hint) -> Result<Source, Error> {
    Source::open(Box::new(Cursor::new(file.to_vec())), &options(told), hint, limits)
}

fn open(file: &[u8], told: &[(&str, &str)]) -> Result<Source, Error> {
    open_within(&limits(), file, told, Hint::default())
}

fn hinted(file: &[u8], format: TableFormat) -> Result<Source, Error> {
    open_within(&limits(), file, &[], Hint { format: Some(format), encoding: None })
}

/// All of a text, its encoding and what was mended.
#[derive(Debug)]
struct ReadText {
    text: String,
    encoding: String,
    notes: Vec<Warning>,
    sheet: Option<String>,
}

fn read_text(mut text: Text) -> Result<ReadText, Error> {
    let mut bytes = Vec::new();
    text.input.read_to_end(&mut bytes).map_err(|error| error.downcast::<Error>().unwrap())?;
    let notes = text.notes.lock().unwrap().list();
    Ok(ReadText { text: String::from_utf8(bytes).unwrap(), encoding: text.encoding, notes, sheet: text.sheet })
}

fn text(file: &[u8], told: &[(&str, &str)]) -> Result<ReadText, Error> {
    match open(file, told)? {
        Source::Text(text) => read_text(text),
        _ => panic!("it is no text"),
    }
}

fn malformed<T>(read: Result<T, Error>) -> Malformed {
    match read {
        Err(Error::Malformed(malformed)) => *malformed,
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("it was read"),
    }
}

fn limit<T>(read: Result<T, Error>) -> Limit {
    match read {
        Err(Error::Limit { limit, .. }) => limit,
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("it was read"),
    }
}

#[test]
fn a_file_is_what_its_first_bytes_say() {
    let bytes = |source| {
        let (kind, mut input): (_, Box<dyn Read>) = match source {
            Source::Text(text) => ("text", text.input as Box<dyn Read>),
            Source::Parquet(file) => ("parquet", Box::new(file)),
            Source::ArrowFile(file) => ("arrow file", Box::new(file)),
            Source::ArrowStream(stream) => ("arrow stream", stream),
        };
        let mut bytes = Vec::new();
        input.read_to_end(&mut bytes).unwrap();
        (kind, bytes)
    };
    for (file, kind) in [
        (&b"PAR1 and so on"[..], "parquet"),
        (b"ARROW1\0\0 and so on", "arrow file"),
        (b"\xff\xff\xff\xff\x10\x01\0\0 and so on", "arrow stream"),
        (b"a,b\n1,2\n", "text"),
        (b"", "text"),
        (b"ORC,other\n1,2\n", "text"),
        (b"BZhello,b\n", "text"),
        (b"PK,b\n", "text"),
    ] {
        assert_eq!(bytes(open(file, &[]).unwrap()), (kind, file.to_vec()));
    }
    assert_eq!(bytes(hinted(b"\x10\x01\0\0 old", TableFormat::Arrow).unwrap()).0, "arrow stream");
}

#[test]
fn what_is_said_and_is_not_so_is_refused() {
    for (file, said) in [
        (&b"a,b\n1,2\n"[..], "parquet"),
        (b"a,b\n", "xlsx"),
        (b"a,b\n", "xls"),
        (b"a,b\n", "arrow"),
        (b"PAR1", "csv"),
        (b"ARROW1\0\0", "parquet"),
    ] {
        let refused = malformed(open(file, &[("format", said)]));
        assert!(refused.detail.contains(&format!("`format={said}`")), "{refused}");
    }
    assert!(malformed(hinted(b"a,b\n", TableFormat::Parquet)).detail.contains("`.parquet`"));
    assert!(malformed(hinted(b"PAR1", TableFormat::Csv)).hint.unwrap().contains("`format=parquet`"));
    // Excel opens text of that name, and programs write it.
    assert!(matches!(hinted(b"a\tb\n", TableFormat::Xls), Ok(Source::Text(_))));
}

#[test]
fn what_is_no_table_is_named_with_the_way_out() {
    for (file, what) in [
        (&b"\n <!DOCTYPE HTML><p>Log in"[..], "an HTML page"),
        (b"\xef\xbb\xbf<html>", "an HTML page"),
        (b"%PDF-1.7", "a PDF"),
        (b"\x89PNG\r\n\x1a\n", "a PNG image"),
        (b"\xff\xd8\xff\xe0", "a JPEG image"),
        (b"\0\0\0\x18ftypmp42", "a video or an image"),
        (b"SQLite format 3\0", "an SQLite database"),
        (b"<?xml version=\"1.0\"?><a/>", "an XML document"),
    ] {
        let refused = malformed(open(file, &[])).to_string();
        assert!(refused.contains(what) && refused.contains("`?as=blob`"), "{refused}");
    }
}

#[test]
fn a_temporary_file_takes_no_more_than_its_limit() {
    let small = SourceLimits { scratch_bytes_max: 1000, ..limits() };
    let file = [b"PAR1".to_vec(), vec![0; 997]].concat();
    assert_eq!(limit(open_within(&small, &file, &[], Hint::default())), Limit::ScratchBytes);
    assert!(open_within(&small, &file[..1000], &[], Hint::default()).is_ok());
}
