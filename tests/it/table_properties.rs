//! What holds for every table and for every file: a table that a standard writer wrote reads back as it was, and no bytes at all break the reader.
//!
//! Cases are drawn from fixed seeds: each run tries the same ones. `PROPTEST_CASES` tries more.

use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

mod hostile;
mod round_trip;
mod table;
mod writer;

/// A runner that draws the same `cases` each time.
pub fn runner(cases: u32) -> TestRunner {
    let told = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    // Failures are printed, not written beside the sources: the seed is fixed.
    let config =
        Config { cases: told.unwrap_or(cases), failure_persistence: None, max_shrink_iters: 200, ..Config::default() };
    TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha))
}
