//! One binary: the tests of the whole service, one file per slice. They run on the embedded engines.
#![cfg(feature = "embedded")]

<<<<<<< HEAD
mod support;

mod documents_large;
mod documents_store;
mod documents_value;
mod engines;
=======
#[cfg(feature = "embedded")]
>>>>>>> wt-s3
mod s3_conformance;
mod smoke;
mod table_reading;
