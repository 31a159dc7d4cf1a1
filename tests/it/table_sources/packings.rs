//! Zip files of one table.

use super::{Hint, Source, SourceLimits, limit, limits, malformed, open, open_within, text};
use crate::support::gzip;
use larder::error::Limit;
use std::io::{Cursor, Read, Write};
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

const CSV: &[u8] = b"a,b\n1,2\n";

pub(super) fn zip_of(files: &[(&str, &[u8])], method: CompressionMethod) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let level = (method == CompressionMethod::Deflated).then_some(1);
    let options = SimpleFileOptions::default().compression_method(method).compression_level(level);
    for (name, content) in files {
        zip.start_file(*name, options).unwrap();
        zip.write_all(content).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn deflated(files: &[(&str, &[u8])]) -> Vec<u8> {
    zip_of(files, CompressionMethod::Deflated)
}

#[tokio::test]
async fn the_one_file_of_a_zip_is_read() {
    let junk: &[(&str, &[u8])] =
        &[("data/", b""), ("data/t.csv", CSV), ("__MACOSX/data/._t.csv", b"x"), ("data/.DS_Store", b"x")];
    let packed = gzip(CSV).await;
    for file in [
        deflated(&[("t.csv", CSV)]),
        zip_of(&[("t.csv", CSV)], CompressionMethod::Stored),
        deflated(junk),
        deflated(&[("t.csv.gz", &packed)]),
    ] {
        assert_eq!(text(&file, &[("format", "csv")]).unwrap().text.as_bytes(), CSV);
    }
    let Ok(Source::Parquet(mut parquet)) = open(&deflated(&[("t.parquet", b"PAR1 and so on")]), &[]) else {
        panic!("it is Parquet")
    };
    let mut bytes = Vec::new();
    parquet.read_to_end(&mut bytes).unwrap();
    assert_eq!(bytes, b"PAR1 and so on");
}

#[test]
fn other_zips_are_refused_by_what_is_in_them() {
    let several = malformed(open(&deflated(&[("a.csv", CSV), ("b/c.csv", CSV)]), &[])).to_string();
    assert!(several.contains("`a.csv`, `b/c.csv`") && several.contains("`?as=blob`"), "{several}");
    let many: Vec<String> = (0..30).map(|number| format!("{number}.csv")).collect();
    let many: Vec<(&str, &[u8])> = many.iter().map(|name| (name.as_str(), CSV)).collect();
    assert!(malformed(open(&deflated(&many), &[])).to_string().contains("`9.csv` and 20 more"));
    let inner = deflated(&[("t.csv", CSV)]);
    assert!(malformed(open(&deflated(&[("t.zip", &inner)]), &[])).detail.contains("a zip file within a zip file"));
    assert!(malformed(open(&deflated(&[("t.html", b"<html>")]), &[])).detail.contains("an HTML page"));
    assert!(malformed(open(&deflated(&[("empty/", b"")]), &[])).detail.contains("without a file"));
    let word: &[(&str, &[u8])] = &[("[Content_Types].xml", b""), ("word/document.xml", b"")];
    assert!(malformed(open(&deflated(word), &[])).detail.contains("a Word document"));
}

#[test]
fn a_zip_that_is_encrypted_cut_off_or_changed_is_refused() {
    let whole = zip_of(&[("t.csv", CSV)], CompressionMethod::Stored);
    let at = whole.windows(CSV.len()).position(|window| window == CSV).unwrap();
    let mut changed = whole.clone();
    changed[at] ^= 1;
    assert!(malformed(text(&changed, &[])).detail.contains("not what it says of it"));
    for cut in [4, 30, whole.len() - 10] {
        malformed(open(&whole[..cut], &[]));
    }
    let mut encrypted = whole.clone();
    let central = whole.windows(4).position(|window| window == b"PK\x01\x02").unwrap();
    (encrypted[6], encrypted[central + 8]) = (1, 1);
    assert!(malformed(open(&encrypted, &[])).detail.contains("a password"));
}

#[test]
fn a_zip_bomb_passes_a_limit() {
    let zeros = vec![b'0'; 70 << 20];
    let bomb = deflated(&[("t.csv", &zeros)]);
    let small = SourceLimits { decompressed_bytes_max: 1 << 20, ..limits() };
    let read = |limits: &SourceLimits| match open_within(limits, &bomb, &[], Hint::default()).unwrap() {
        Source::Text(text) => super::read_text(text),
        _ => panic!("it is no text"),
    };
    assert_eq!(limit(read(&small)), Limit::DecompressedBytes);
    let dense = SourceLimits { decompressed_ratio_max: 100, ..limits() };
    assert_eq!(limit(read(&dense)), Limit::DecompressedRatio);
    assert_eq!(read(&SourceLimits { decompressed_ratio_max: 2000, ..limits() }).unwrap().text.len(), zeros.len());
}
