//! Text in any encoding.

use super::{Hint, Source, limits, malformed, open_within, read_text, text};
use encoding_rs::{Encoding, UTF_8, WINDOWS_1252};
use std::io::{self, Read};

fn utf_16(text: &str, little: bool) -> Vec<u8> {
    text.encode_utf16().flat_map(|unit| if little { unit.to_le_bytes() } else { unit.to_be_bytes() }).collect()
}

#[test]
fn an_encoding_is_told_or_marked_or_seen() {
    const TEXT: &str = "name;city\nJürgen;Köln\nZoë;São Paulo\n";
    let windows = WINDOWS_1252.encode(TEXT).0.into_owned();
    let marked = |mark: &[u8], text: Vec<u8>| [mark.to_vec(), text].concat();
    for (file, told, encoding) in [
        (TEXT.as_bytes().to_vec(), None, "utf-8"),
        (marked(b"\xef\xbb\xbf", TEXT.into()), None, "utf-8"),
        (marked(b"\xff\xfe", utf_16(TEXT, true)), None, "utf-16le"),
        (marked(b"\xfe\xff", utf_16(TEXT, false)), None, "utf-16be"),
        (utf_16(TEXT, true), None, "utf-16le"),
        (utf_16(TEXT, false), None, "utf-16be"),
        (utf_16("имя;город\nЮрий;Тула\n", true), None, "utf-16le"),
        (utf_16("名前;値\n一;1\n太郎;2\n", false), None, "utf-16be"),
        (marked(b"\xfe\xff", utf_16(TEXT, false)), Some("utf-16"), "utf-16be"),
        (windows.clone(), None, "windows-1252"),
        (windows, Some("latin1"), "windows-1252"),
    ] {
        let told: Vec<(&str, &str)> = told.iter().map(|told| ("encoding", *told)).collect();
        let read = text(&file, &told).unwrap();
        assert!([TEXT, "имя;город\nЮрий;Тула\n", "名前;値\n一;1\n太郎;2\n"].contains(&read.text.as_str()), "{read:?}");
        assert_eq!(read.encoding, encoding);
        assert_eq!(read.notes, []);
    }
    let japanese = encoding_rs::SHIFT_JIS.encode("名前,値\n一,1\n").0.into_owned();
    assert_eq!(text(&japanese, &[("encoding", "shift_jis")]).unwrap().text, "名前,値\n一,1\n");
}

#[test]
fn a_charset_is_believed_unless_the_bytes_say_otherwise() {
    let read = |file: &[u8], charset: &str| {
        let hint = Hint::of_content_type(&format!("text/csv; charset={charset}"));
        match open_within(&limits(), file, &[], hint).unwrap() {
            Source::Text(text) => read_text(text).unwrap().text,
            _ => panic!("it is no text"),
        }
    };
    assert_eq!(read(b"a\n\xcf\xf0\n", "windows-1251"), "a\nПр\n");
    assert_eq!(read("a\né\n".as_bytes(), "ISO-8859-1"), "a\né\n");
    assert_eq!(read(b"a\n\xe9\n", "utf-8"), "a\né\n");
    assert_eq!(Hint::of_content_type("text/csv; charset=\"UTF-8\"").encoding, Some(UTF_8));
}

#[test]
fn later_bytes_that_are_not_utf_8_are_read_as_windows_1252_and_noted() {
    let lines = "a,b\n".repeat(20_000);
    let file = [lines.as_bytes(), b"caf\xe9,\x80\n\x81,\n"].concat();
    let read = text(&file, &[]).unwrap();
    assert_eq!(read.text, format!("{lines}café,€\n\u{fffd},\n"));
    assert_eq!(read.notes.len(), 1);
    assert_eq!((read.notes[0].code, read.notes[0].count), ("bad-encoding", 3));
    assert_eq!(read.notes[0].lines, [20_001, 20_002]);

    for told in [&[("encoding", "utf-8")][..], &[("strict", "true")]] {
        let refused = malformed(text(&file, told));
        assert_eq!((refused.line, refused.column), (Some(20_001), Some(4)), "{refused}");
    }
}

#[test]
fn a_nul_is_replaced_and_noted_with_its_line() {
    let read = text(b"a,b\r\n1,x\0y\rz\n\0", &[]).unwrap();
    assert_eq!(read.text, "a,b\r\n1,x\u{fffd}y\rz\n\u{fffd}");
    assert_eq!((read.notes[0].code, read.notes[0].count, &read.notes[0].lines[..]), ("nul", 2, &[2, 4][..]));
    let refused = malformed(text(b"a,b\n1,x\0y\n", &[("strict", "true")]));
    assert_eq!((refused.line, refused.column), (Some(2), Some(4)));
}

/// Gives so many bytes at a time.
struct Pieces(Vec<u8>, usize);

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let taken = self.1.min(self.0.len()).min(buffer.len());
        buffer[..taken].copy_from_slice(&self.0[..taken]);
        self.0.drain(..taken);
        Ok(taken)
    }
}

#[test]
fn characters_may_come_in_pieces_of_any_size() {
    let body = format!("a,b\n{}é,数,😀\r", "x".repeat(70_000));
    let windows = [body.as_bytes(), b"\n\xe9\0\xf0\x9f\x98"].concat();
    let mended = format!("{body}\né\u{fffd}ðŸ˜");
    for (file, expected) in [
        (body.clone().into_bytes(), &body),
        (windows, &mended),
        (utf_16(&body, true), &body),
        (utf_16(&body, false), &body),
    ] {
        for size in [1, 2, 3, 5, 4096, 65_537] {
            let input = Box::new(Pieces(file.clone(), size));
            let source = Source::open(input, &super::options(&[]), Hint::default(), &limits()).unwrap();
            let Source::Text(mut text) = source else { panic!("it is no text") };
            let (mut read, mut small) = (Vec::new(), vec![0; size.min(7)]);
            loop {
                match text.input.read(&mut small).unwrap() {
                    0 => break,
                    bytes => read.extend_from_slice(&small[..bytes]),
                }
            }
            assert_eq!(&String::from_utf8(read).unwrap(), expected, "pieces of {size}");
        }
    }
}

#[test]
fn broken_units_of_utf_16_are_replaced_and_noted() {
    let mut file = b"\xff\xfe".to_vec();
    file.extend(utf_16("a,b\nx", true));
    file.extend([0x00, 0xd8]);
    file.extend(utf_16("y\n", true));
    let read = text(&file, &[]).unwrap();
    assert_eq!(read.text, "a,b\nx\u{fffd}y\n");
    assert_eq!((read.notes[0].code, &read.notes[0].lines[..]), ("bad-encoding", &[2][..]));
    assert_eq!(Encoding::for_label(b"utf-16"), Some(encoding_rs::UTF_16LE));
}
