//! The one integration-test binary: a list of modules, one for each slice or engine.

mod s3_conformance;
