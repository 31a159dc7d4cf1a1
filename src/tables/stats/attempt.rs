//! How many rows are read, and for how long, before fewer are tried.

use crate::tables::sql::{Sample, SampleMethod};
use std::time::Instant;

/// A table of more columns has fewer of its rows read: the time goes by cells, and those that are read in batches take several times as long.
const COLUMNS_FULL: u64 = 16;
/// Of each row that may be read, so many cells of a wider table.
const WIDE_CELLS: u64 = 2;
const ATTEMPTS: u32 = 4;
/// Each attempt reads so many times fewer rows than the one before.
const SMALLER: u64 = 10;
/// Cells that one statement groups, and columns that it names. Of one column alone Postgres knows beforehand how many groups there will be.
const BATCH_CELLS: u64 = 1_000_000;
const BATCH_COLUMNS_MAX: u64 = 128;
/// A table of up to so many bytes is sampled row by row; of a larger one only pages are read.
const WHOLE_BYTES_MAX: u64 = 64 << 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempt {
    /// About so many at most.
    pub rows: u64,
    last: bool,
}

/// The attempts at a table of so many rows and columns, each with fewer rows.
pub fn attempts(rows: u64, columns: usize, rows_max: u64) -> impl Iterator<Item = Attempt> {
    let columns = u64::try_from(columns).unwrap_or(u64::MAX);
    let most = if columns > COLUMNS_FULL { rows_max.saturating_mul(WIDE_CELLS) / columns } else { rows_max };
    (0..ATTEMPTS).map(move |number| {
        // The first may find rows that came since they were counted.
        let rows = if number == 0 { most } else { rows.min(most) / SMALLER.pow(number) };
        Attempt { rows: rows.max(1), last: number + 1 == ATTEMPTS }
    })
}

impl Attempt {
    /// Half of the time that is left, all of it if nothing comes after.
    pub fn until(self, now: Instant, end: Instant) -> Instant {
        let left = end.saturating_duration_since(now);
        now + if self.last { left } else { left / 2 }
    }
}

/// How to read about `wanted` of the rows; `None`: all of them.
pub fn sample(wanted: u64, rows: u64, table_bytes: u64) -> Option<Sample> {
    let method = if table_bytes > WHOLE_BYTES_MAX { SampleMethod::System } else { SampleMethod::Bernoulli };
    (rows > wanted).then_some(Sample { rows: wanted, of: rows, method })
}

/// Columns of one statement that reads so many rows.
pub fn batch_columns(rows: u64) -> usize {
    usize::try_from((BATCH_CELLS / rows.max(1)).clamp(1, BATCH_COLUMNS_MAX)).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::{attempts, batch_columns, sample};
    use std::time::{Duration, Instant};

    #[test]
    fn wide_tables_are_read_less_and_each_attempt_reads_less_than_the_one_before() {
        let rows = |rows, columns| attempts(rows, columns, 1_000_000).map(|attempt| attempt.rows).collect::<Vec<_>>();
        assert_eq!(rows(10_000_000, 8), [1_000_000, 100_000, 10_000, 1_000]);
        assert_eq!(rows(500, 8), [1_000_000, 50, 5, 1]);
        assert_eq!(rows(10_000_000, 16), rows(10_000_000, 8));
        assert_eq!(rows(10_000_000, 17), [117_647, 11_764, 1_176, 117]);
        assert_eq!(rows(10_000_000, 1599), [1_250, 125, 12, 1]);
        assert_eq!(rows(0, 0), [1_000_000, 1, 1, 1]);
        assert_eq!(attempts(5, 1599, 1).map(|attempt| attempt.rows).collect::<Vec<_>>(), [1, 1, 1, 1]);
        assert_eq!((batch_columns(0), batch_columns(1_000_000), batch_columns(u64::MAX)), (128, 1, 1));
    }

    #[test]
    fn the_attempts_share_the_time() {
        let start = Instant::now();
        let end = start + Duration::from_secs(16);
        let mut now = start;
        for attempt in attempts(1, 1, 1) {
            now = attempt.until(now, end);
        }
        assert_eq!(now, end);
        assert_eq!(attempts(1, 1, 1).next().unwrap().until(start, end), start + Duration::from_secs(8));
        // Time that is over leaves none.
        assert_eq!(attempts(1, 1, 1).next().unwrap().until(end, start), end);
    }

    #[test]
    fn only_tables_above_the_limit_are_sampled() {
        assert_eq!(sample(10, 10, 1 << 40), None);
        let small = sample(10, 11, 1 << 20).unwrap();
        assert_eq!((small.rows, small.of, small.method.name()), (10, 11, "bernoulli"));
        assert_eq!(sample(10, 11, 1 << 30).unwrap().method.name(), "system");
    }
}
