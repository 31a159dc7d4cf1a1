//! Files that are no such files, or broken ones.

use super::{KINDS, Kind, LIMITS, malformed, open, read, written};
use arrow_array::{types::*, *};
use larder::{
    error::{Error, Result},
    tables::read::ReadLimits,
};
use std::sync::Arc;

#[test]
fn what_is_no_such_file_is_told_what_it_lacks() {
    let parquet = |bytes: &[u8]| malformed(read(Kind::Parquet, bytes)).detail;
    assert_eq!(parquet(b""), "The file is too short to be a Parquet file.");
    assert_eq!(
        parquet(b"a,b\n1,2\n3,4\n"),
        "The file does not end as a Parquet file does, with `PAR1`; it may be cut off."
    );
    assert_eq!(parquet(b"PARE\x00\x00\x00\x00PARE"), "The Parquet file is encrypted; send it decrypted.");
    assert_eq!(
        parquet(b"PAR1\xff\xff\xff\xffPAR1"),
        "The footer of the Parquet file claims a length that it cannot have."
    );
    assert_eq!(parquet(b"PAR1\x00\x00\x00\x00PAR1"), "The footer of the Parquet file is broken.");
    let file = |bytes: &[u8]| malformed(read(Kind::File, bytes)).detail;
    assert_eq!(file(b"ARROW1"), "The file is too short to be an Arrow file.");
    assert_eq!(file(b"FEA1aaaaaaaaaaaaaaaaaaFEA1"), "This is Feather version 1, which is no Arrow file.");
    assert_eq!(file(b"a,b\n1,2\n3,4\n"), "The file does not begin as an Arrow file does, with `ARROW1`.");
    assert_eq!(
        file(b"ARROW1\0\0\xff\xff\xff\xff"),
        "The file does not end as an Arrow file does, with `ARROW1`; it may be cut off."
    );
    let stream = |bytes: &[u8]| malformed(read(Kind::Stream, bytes)).detail;
    assert_eq!(stream(b""), "The Arrow stream does not begin with a schema.");
    assert_eq!(
        stream(b"a,b\n1,2\n3,4\n"),
        "This is no Arrow stream, or a message of it is broken: its length is absurd."
    );
    assert_eq!(stream(b"\xff\xff\xff\xff\x10\x00"), "The Arrow file breaks off in the middle of a message.");
}

/// A table of many types.
fn mixed() -> RecordBatch {
    let dictionary: DictionaryArray<Int8Type> = vec![Some("b"), None, Some("a")].into_iter().collect();
    let list = ListArray::from_iter_primitive::<Int32Type, _, _>(vec![Some(vec![Some(1), None]), None, Some(vec![])]);
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("i", Arc::new(Int32Array::from(vec![Some(1), None, Some(3)]))),
        ("f", Arc::new(Float32Array::from(vec![0.1, 0.2, 0.3]))),
        ("s", Arc::new(StringArray::from(vec!["one", "two and more than twelve", "drei"]))),
        ("v", Arc::new(StringViewArray::from(vec!["one", "two and more than twelve", "drei"]))),
        ("t", Arc::new(TimestampNanosecondArray::from(vec![1, 2, 3]))),
        ("d", Arc::new(dictionary)),
        ("l", Arc::new(list)),
        ("x", Arc::new(BooleanArray::from(vec![true, false, true]))),
    ];
    RecordBatch::try_from_iter(columns).unwrap()
}

fn is_fault_of_the_file<T: std::fmt::Debug>(result: &Result<T>) -> bool {
    matches!(result, Ok(_) | Err(Error::Malformed(_) | Error::Limit { .. }))
}

#[test]
fn a_file_that_is_cut_off_anywhere_is_malformed() {
    for kind in KINDS {
        let bytes = written(kind, &[mixed()]);
        assert_eq!(read(kind, &bytes).unwrap().len(), 3);
        for length in (0..bytes.len()).step_by(7) {
            let result = read(kind, &bytes[..length]);
            // A stream may end after any message.
            let whole =
                matches!(kind, Kind::Stream) && matches!(&result, Ok(rows) if rows.is_empty() || rows.len() == 3);
            assert!(whole || matches!(result, Err(Error::Malformed(_))), "{kind:?} {length}: {result:?}");
        }
    }
}

#[test]
fn no_changed_byte_is_more_than_a_fault_of_the_file() {
    let mut state = 1_u64;
    let mut random = move |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    for kind in KINDS {
        let good = written(kind, &[mixed()]);
        for _ in 0..1000 {
            let mut bytes = good.clone();
            for _ in 0..=random(3) {
                let at = random(bytes.len());
                bytes[at] = if random(2) == 0 { random(256) as u8 } else { bytes[at] ^ (1 << random(8)) };
            }
            let limits = ReadLimits { cell_bytes_max: 10_000, ..LIMITS };
            let result = open(kind, &bytes, limits).and_then(|mut reader| {
                // A changed count can claim any number of NULLs.
                (0..1000).try_for_each(|_| reader.advance().map(|_| ()))
            });
            assert!(is_fault_of_the_file(&result), "{kind:?} {result:?}");
        }
    }
}
