//! No bytes make the reader of tables panic, hang, use memory without bound, or fail with an error of ours.
//!
//! `just fuzz` runs it until it finds something; `tests/it/table_properties/hostile.rs` is the bounded run of every test.
#![no_main]

use larder::{
    error::Error,
    tables::read::{Options, ReadLimits, read_whole},
};
use libfuzzer_sys::fuzz_target;

const LIMITS: ReadLimits = ReadLimits { columns_max: 1599, cell_bytes_max: 1 << 16, row_bytes_max: 1 << 18, rows_max: u64::MAX };

fuzz_target!(|file: &[u8]| {
    match read_whole(file, &Options::default(), LIMITS) {
        Ok(_) | Err(Error::Malformed(_) | Error::Limit { .. }) => {}
        Err(error) => panic!("{error:?}"),
    }
});
