//! The one integration-test binary: a list of modules, one for each slice or engine.

#[cfg(feature = "embedded")]
mod s3_conformance;
