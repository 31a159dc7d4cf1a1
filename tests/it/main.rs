//! One binary: the tests of the whole service, one file per slice.

#[cfg(feature = "embedded")]
mod engines;
mod table_reading;
