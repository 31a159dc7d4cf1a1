//! One binary: the tests of the whole service, one file per slice. They run on the embedded engines.
#![cfg(feature = "embedded")]
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::expect_used,
    clippy::format_collect,
    clippy::items_after_statements,
    clippy::manual_assert,
    clippy::mem_forget,
    clippy::panic,
    clippy::ref_option,
    clippy::too_many_lines,
    clippy::unwrap_used,
    clippy::used_underscore_binding,
    reason = "a test that cannot go on fails there, and what it checks stands beside it"
)]

mod support;

mod access;
mod audit;
mod blobs;
mod columnar;
mod corpus;
mod crash;
mod database_roles;
mod documents;
mod documents_large;
mod documents_store;
mod documents_value;
mod elsewhere;
mod engines;
mod frame;
mod grammar;
mod guards;
mod jobs;
mod operations;
mod pages;
mod process;
mod s3_conformance;
mod sessions;
mod shares;
mod smoke;
mod sweeps;
mod table_dialects;
mod table_properties;
mod table_reading;
mod table_sources;
mod tables;
mod tidy;
mod transfer;
mod upload;
mod warm_connections;
