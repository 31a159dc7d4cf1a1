//! Whether a row fits on a page of Postgres, told before Postgres is asked: it names only the batch in which a row is too wide.
//!
//! Source: PostgreSQL, `src/backend/access/heap/heaptoast.c` and `src/include/access/htup_details.h`.

use super::ColumnType;
use super::infer::Reading;
use crate::error::{Error, Result};

/// `MaxHeapTupleSize` of pages of 8 KiB.
const TUPLE_BYTES_MAX: usize = 8160;
const TUPLE_HEADER_BYTES: usize = 23;
/// A long value is stored elsewhere, and a pointer of this size in the row.
const TOAST_POINTER_BYTES: usize = 18;
/// Values up to this size stay in the row.
const INLINE_BYTES_MAX: usize = 24;
/// Rows of fewer columns fit always.
const COLUMNS_MIN: usize = 250;

/// `tuple` is one row of binary COPY, its fields `_row` and those of `readings`.
pub(super) fn check_width(tuple: &[u8], readings: &[Reading], line: u64) -> Result<()> {
    if readings.len() < COLUMNS_MIN {
        return Ok(());
    }
    let (mut width, mut nulls) = (0, false);
    let mut rest = tuple.get(2..).unwrap_or_default();
    let types = std::iter::once(ColumnType::Bigint).chain(readings.iter().map(|reading| reading.column_type));
    for column_type in types {
        let Some((length, behind)) = rest.split_first_chunk() else { break };
        let length = usize::try_from(i32::from_be_bytes(*length)).ok();
        rest = behind.get(length.unwrap_or(0)..).unwrap_or_default();
        match length {
            Some(length) => width = after(width, column_type, length),
            None => nulls = true,
        }
    }
    // A bitmap says which are NULL, if any is.
    let bitmap = if nulls { (readings.len() + 1).div_ceil(8) } else { 0 };
    width += (TUPLE_HEADER_BYTES + bitmap).next_multiple_of(8);
    if width > TUPLE_BYTES_MAX { Err(Error::RowTooWide { line: Some(line) }) } else { Ok(()) }
}

/// The width with one more value, aligned as Postgres does.
fn after(width: usize, column_type: ColumnType, length: usize) -> usize {
    match column_type {
        ColumnType::Boolean => width + 1,
        ColumnType::Date => width.next_multiple_of(4) + 4,
        ColumnType::Bigint
        | ColumnType::Double
        | ColumnType::Timestamp
        | ColumnType::Timestamptz
        | ColumnType::Time => width.next_multiple_of(8) + 8,
        ColumnType::Uuid => width + 16,
        // Stored: a header of one byte, a short header of two, and the groups.
        ColumnType::Numeric => width + varlena(length.saturating_sub(8) + 2),
        ColumnType::Text | ColumnType::Json => width + varlena(length),
    }
}

fn varlena(length: usize) -> usize {
    if length < INLINE_BYTES_MAX { length + 1 } else { TOAST_POINTER_BYTES }
}
