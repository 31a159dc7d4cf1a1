//! A cell as Postgres sends it in binary: the bytes of its type's `send` function.
//!
//! Source: PostgreSQL's `src/backend/utils/adt`: `bool.c`, `int8.c`, `float.c`, `numeric.c`, `date.c`, `timestamp.c`, `uuid.c`, `varlena.c`, `json.c`.

use super::numeric::Numeric;
use crate::{
    catalogue::ColumnType,
    error::{Error, Result},
};

/// Days from 1970-01-01 to 2000-01-01, from which Postgres counts.
const EPOCH_DAYS: i64 = 10_957;
const DAY_MICROS: i64 = 86_400_000_000;

/// Of what Postgres can hold, nothing is left out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    Boolean(bool),
    Bigint(i64),
    Double(f64),
    Numeric(Numeric<'a>),
    Date(Moment),
    /// Microseconds since midnight, up to 24:00:00.
    Time(i64),
    Timestamp(Moment),
    Timestamptz(Moment),
    Uuid([u8; 16]),
    /// UTF-8, as the server promises who asks for it.
    Text(&'a [u8]),
    Json(&'a [u8]),
}

/// A day or an instant, or what lies beyond all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    Past,
    Future,
    At {
        /// From 1970-01-01.
        days: i64,
        /// Of the day.
        micros: i64,
    },
}

impl Moment {
    /// From the beginning of 1970; `None` for what does not lie in time, or too late for the count: from the year 294,247 on.
    pub fn micros(self) -> Option<i64> {
        match self {
            Self::At { days, micros } => days.checked_mul(DAY_MICROS)?.checked_add(micros),
            Self::Past | Self::Future => None,
        }
    }
}

impl<'a> Value<'a> {
    /// # Errors
    /// `Internal` if the bytes are no such value: the statement gave another type than was thought.
    pub fn read(column_type: ColumnType, bytes: &'a [u8]) -> Result<Self> {
        let value = match column_type {
            ColumnType::Boolean => bytes.first().map(|byte| Self::Boolean(*byte != 0)),
            ColumnType::Bigint => bigint(bytes).map(Self::Bigint),
            ColumnType::Double => fixed(bytes).map(|bytes| Self::Double(f64::from_be_bytes(bytes))),
            ColumnType::Numeric => Numeric::read(bytes).map(Self::Numeric),
            ColumnType::Date => fixed(bytes).map(|bytes| Self::Date(day(i32::from_be_bytes(bytes)))),
            ColumnType::Time => bigint(bytes).map(Self::Time),
            ColumnType::Timestamp => bigint(bytes).map(instant).map(Self::Timestamp),
            ColumnType::Timestamptz => bigint(bytes).map(instant).map(Self::Timestamptz),
            ColumnType::Uuid => fixed(bytes).map(Self::Uuid),
            ColumnType::Text => Some(Self::Text(bytes)),
            ColumnType::Json => Some(Self::Json(bytes)),
        };
        value.ok_or_else(|| {
            Error::internal(format!("{} bytes came where a {} was to be", bytes.len(), column_type.name()))
        })
    }
}

fn fixed<const N: usize>(bytes: &[u8]) -> Option<[u8; N]> {
    bytes.try_into().ok()
}

fn bigint(bytes: &[u8]) -> Option<i64> {
    fixed(bytes).map(i64::from_be_bytes)
}

fn day(days: i32) -> Moment {
    match days {
        i32::MIN => Moment::Past,
        i32::MAX => Moment::Future,
        days => Moment::At { days: i64::from(days) + EPOCH_DAYS, micros: 0 },
    }
}

fn instant(micros: i64) -> Moment {
    match micros {
        i64::MIN => Moment::Past,
        i64::MAX => Moment::Future,
        micros => {
            Moment::At { days: micros.div_euclid(DAY_MICROS) + EPOCH_DAYS, micros: micros.rem_euclid(DAY_MICROS) }
        }
    }
}
