//! One binary: the tests of the whole service, one file per slice. They run on the embedded engines.
#![cfg(feature = "embedded")]

mod support;

mod blobs;
mod crash;
mod documents;
mod documents_large;
mod documents_store;
mod documents_value;
mod elsewhere;
mod engines;
mod frame;
mod process;
mod s3_conformance;
mod shares;
mod smoke;
mod sweeps;
mod table_reading;
mod tables;
mod tidy;
mod upload;
