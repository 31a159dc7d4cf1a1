//! Which type of Arrow holds all values of a column. Where none does, the column is text, in Postgres' own spelling: nothing is rounded and nothing is lost.

use crate::catalogue::{Column, ColumnType};
use arrow_schema::{DataType, Field, Schema, TimeUnit};
use std::collections::HashMap;

/// The decimal digits of Arrow's two decimals, and of what Parquet keeps in 64 bits. A column has one of these, so that its type rarely changes as rows come.
const SHORT_DIGITS: u8 = 18;
const LONG_DIGITS: u8 = 38;
const LONGEST_DIGITS: u8 = 76;

/// What the values of one column need.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Extent {
    /// Of a numeric the largest without its sign; else `true` if a value lies where Arrow has none.
    pub most: Option<String>,
    /// Of a numeric: the most decimals.
    pub decimals: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    Boolean,
    Bigint,
    Double,
    Decimal128 {
        digits: u8,
        decimals: u8,
    },
    Decimal256 {
        decimals: u8,
    },
    /// Days.
    Date,
    /// Microseconds, as of the next two.
    Time,
    Timestamp,
    Timestamptz,
    Uuid,
    Json,
    /// Text, and what no other type holds.
    Text,
}

impl Layout {
    pub fn of(column_type: ColumnType, extent: &Extent) -> Self {
        let beyond = extent.most.as_deref() == Some("true");
        match column_type {
            ColumnType::Boolean => Self::Boolean,
            ColumnType::Bigint => Self::Bigint,
            ColumnType::Double => Self::Double,
            ColumnType::Numeric => Self::of_numeric(extent),
            ColumnType::Date | ColumnType::Time | ColumnType::Timestamp | ColumnType::Timestamptz if beyond => {
                Self::Text
            }
            ColumnType::Date => Self::Date,
            ColumnType::Time => Self::Time,
            ColumnType::Timestamp => Self::Timestamp,
            ColumnType::Timestamptz => Self::Timestamptz,
            ColumnType::Uuid => Self::Uuid,
            ColumnType::Json => Self::Json,
            ColumnType::Text => Self::Text,
        }
    }

    fn of_numeric(extent: &Extent) -> Self {
        // A column of NULLs alone has neither.
        let most = extent.most.as_deref().unwrap_or("0");
        let decimals: usize = extent.decimals.as_deref().unwrap_or("0").parse().unwrap_or(usize::MAX);
        let whole = most.split('.').next().unwrap_or_default();
        if !whole.bytes().all(|byte| byte.is_ascii_digit()) {
            return Self::Text;
        }
        let digits = whole.len().saturating_add(decimals);
        match u8::try_from(decimals) {
            Ok(decimals) if digits <= usize::from(SHORT_DIGITS) => Self::Decimal128 { digits: SHORT_DIGITS, decimals },
            Ok(decimals) if digits <= usize::from(LONG_DIGITS) => Self::Decimal128 { digits: LONG_DIGITS, decimals },
            Ok(decimals) if digits <= usize::from(LONGEST_DIGITS) => Self::Decimal256 { decimals },
            _ => Self::Text,
        }
    }

    pub fn data_type(self) -> DataType {
        let scale = |decimals: u8| i8::try_from(decimals).unwrap_or(i8::MAX);
        match self {
            Self::Boolean => DataType::Boolean,
            Self::Bigint => DataType::Int64,
            Self::Double => DataType::Float64,
            Self::Decimal128 { digits, decimals } => DataType::Decimal128(digits, scale(decimals)),
            Self::Decimal256 { decimals } => DataType::Decimal256(LONGEST_DIGITS, scale(decimals)),
            Self::Date => DataType::Date32,
            Self::Time => DataType::Time64(TimeUnit::Microsecond),
            Self::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
            Self::Timestamptz => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Self::Uuid => DataType::FixedSizeBinary(16),
            Self::Json | Self::Text => DataType::Utf8,
        }
    }

    /// The name of the canonical extension type, for readers that know it; the others see what it is stored as.
    fn extension(self) -> Option<&'static str> {
        match self {
            Self::Uuid => Some("arrow.uuid"),
            Self::Json => Some("arrow.json"),
            _ => None,
        }
    }
}

pub fn schema(columns: &[Column], layouts: &[Layout]) -> Schema {
    let field = |(column, layout): (&Column, &Layout)| {
        let field = Field::new(&column.name, layout.data_type(), true);
        match layout.extension() {
            Some(name) => field.with_metadata(HashMap::from([
                ("ARROW:extension:name".to_owned(), name.to_owned()),
                ("ARROW:extension:metadata".to_owned(), String::new()),
            ])),
            None => field,
        }
    };
    Schema::new(columns.iter().zip(layouts).map(field).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::{Extent, Layout};
    use crate::catalogue::ColumnType;

    #[test]
    fn a_decimal_has_room_for_the_largest_and_the_finest_value() {
        let of = |most: &str, decimals: usize| {
            let extent = Extent { most: Some(most.to_owned()), decimals: Some(decimals.to_string()) };
            Layout::of(ColumnType::Numeric, &extent)
        };
        assert_eq!(of("12.50", 2), Layout::Decimal128 { digits: 18, decimals: 2 });
        assert_eq!(of("1234567890123456.5", 2), Layout::Decimal128 { digits: 18, decimals: 2 });
        assert_eq!(of("12345678901234567.5", 2), Layout::Decimal128 { digits: 38, decimals: 2 });
        assert_eq!(of("1", 38), Layout::Decimal256 { decimals: 38 });
        assert_eq!(of("1", 76), Layout::Text);
        assert_eq!(of("NaN", 0), Layout::Text);
        assert_eq!(of("Infinity", 0), Layout::Text);
        assert_eq!(of("1", 16_383), Layout::Text);
        assert_eq!(Layout::of(ColumnType::Numeric, &Extent::default()), Layout::Decimal128 { digits: 18, decimals: 0 });
    }
}
