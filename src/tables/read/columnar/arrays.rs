//! Arrays of Arrow behind few enums: downcast once per batch, so that reading a value is one `match`.

use std::ops::Range;

use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::*;
use arrow_schema::{DataType, IntervalUnit};

/// Integers that fit `i64`; also the raw numbers of dates, times and durations, and the keys of dictionaries.
pub(super) enum Integers {
    I8(Int8Array),
    I16(Int16Array),
    I32(Int32Array),
    I64(Int64Array),
    U8(UInt8Array),
    U16(UInt16Array),
    U32(UInt32Array),
    /// As keys alone: those are below the length of an array.
    U64(UInt64Array),
}

impl Integers {
    pub fn new(array: &dyn Array) -> Option<Self> {
        Some(match array.data_type() {
            DataType::Int8 => Self::I8(array.as_primitive_opt()?.clone()),
            DataType::Int16 => Self::I16(array.as_primitive_opt()?.clone()),
            DataType::Int32 => Self::I32(array.as_primitive_opt()?.clone()),
            DataType::Int64 => Self::I64(array.as_primitive_opt()?.clone()),
            DataType::UInt8 => Self::U8(array.as_primitive_opt()?.clone()),
            DataType::UInt16 => Self::U16(array.as_primitive_opt()?.clone()),
            DataType::UInt32 => Self::U32(array.as_primitive_opt()?.clone()),
            DataType::UInt64 => Self::U64(array.as_primitive_opt()?.clone()),
            _ => return None,
        })
    }

    /// The numbers that stand for dates, times and durations.
    #[allow(clippy::enum_glob_use, reason = "a table of types")]
    pub fn raw(array: &dyn Array) -> Option<Self> {
        macro_rules! raw {
            ($raw:ident, $type:ty) => {
                Some(Self::$raw(array.as_primitive_opt::<$type>()?.reinterpret_cast()))
            };
        }
        use DataType::*;
        use arrow_schema::TimeUnit::{Microsecond, Millisecond, Nanosecond, Second};
        match array.data_type() {
            Date32 => raw!(I32, Date32Type),
            Date64 => raw!(I64, Date64Type),
            Time32(Second) => raw!(I32, Time32SecondType),
            Time32(Millisecond) => raw!(I32, Time32MillisecondType),
            Time64(Microsecond) => raw!(I64, Time64MicrosecondType),
            Time64(Nanosecond) => raw!(I64, Time64NanosecondType),
            Timestamp(Second, _) => raw!(I64, TimestampSecondType),
            Timestamp(Millisecond, _) => raw!(I64, TimestampMillisecondType),
            Timestamp(Microsecond, _) => raw!(I64, TimestampMicrosecondType),
            Timestamp(Nanosecond, _) => raw!(I64, TimestampNanosecondType),
            Duration(Second) => raw!(I64, DurationSecondType),
            Duration(Millisecond) => raw!(I64, DurationMillisecondType),
            Duration(Microsecond) => raw!(I64, DurationMicrosecondType),
            Duration(Nanosecond) => raw!(I64, DurationNanosecondType),
            Interval(IntervalUnit::YearMonth) => raw!(I32, IntervalYearMonthType),
            _ => None,
        }
    }

    pub fn get(&self, index: usize) -> i64 {
        match self {
            Self::I8(array) => array.value(index).into(),
            Self::I16(array) => array.value(index).into(),
            Self::I32(array) => array.value(index).into(),
            Self::I64(array) => array.value(index),
            Self::U8(array) => array.value(index).into(),
            Self::U16(array) => array.value(index).into(),
            Self::U32(array) => array.value(index).into(),
            Self::U64(array) => i64::try_from(array.value(index)).unwrap_or(i64::MAX),
        }
    }
}

/// Texts and binary values.
pub(super) enum Bytes {
    Utf8(StringArray),
    LargeUtf8(LargeStringArray),
    Utf8View(StringViewArray),
    Binary(BinaryArray),
    LargeBinary(LargeBinaryArray),
    BinaryView(BinaryViewArray),
    Fixed(FixedSizeBinaryArray),
}

impl Bytes {
    pub fn new(array: &dyn Array) -> Option<Self> {
        Some(match array.data_type() {
            DataType::Utf8 => Self::Utf8(array.as_string_opt()?.clone()),
            DataType::LargeUtf8 => Self::LargeUtf8(array.as_string_opt()?.clone()),
            DataType::Utf8View => Self::Utf8View(array.as_string_view_opt()?.clone()),
            DataType::Binary => Self::Binary(array.as_binary_opt()?.clone()),
            DataType::LargeBinary => Self::LargeBinary(array.as_binary_opt()?.clone()),
            DataType::BinaryView => Self::BinaryView(array.as_binary_view_opt()?.clone()),
            DataType::FixedSizeBinary(_) => Self::Fixed(array.as_fixed_size_binary_opt()?.clone()),
            _ => return None,
        })
    }

    pub fn get(&self, index: usize) -> &[u8] {
        match self {
            Self::Utf8(array) => array.value(index).as_bytes(),
            Self::LargeUtf8(array) => array.value(index).as_bytes(),
            Self::Utf8View(array) => array.value(index).as_bytes(),
            Self::Binary(array) => array.value(index),
            Self::LargeBinary(array) => array.value(index),
            Self::BinaryView(array) => array.value(index),
            Self::Fixed(array) => array.value(index),
        }
    }
}

/// Where the values of a list or a map lie among those of all of them.
pub(super) enum Lists {
    List(ListArray),
    Large(LargeListArray),
    View(ListViewArray),
    LargeView(LargeListViewArray),
    Fixed(FixedSizeListArray),
    Map(MapArray),
}

impl Lists {
    pub fn new(array: &dyn Array) -> Option<Self> {
        Some(match array.data_type() {
            DataType::List(_) => Self::List(array.as_list_opt()?.clone()),
            DataType::LargeList(_) => Self::Large(array.as_list_opt()?.clone()),
            DataType::ListView(_) => Self::View(array.as_list_view_opt()?.clone()),
            DataType::LargeListView(_) => Self::LargeView(array.as_list_view_opt()?.clone()),
            DataType::FixedSizeList(..) => Self::Fixed(array.as_fixed_size_list_opt()?.clone()),
            DataType::Map(..) => Self::Map(array.as_map_opt()?.clone()),
            _ => return None,
        })
    }

    /// The values of all the lists; of maps, their keys and values.
    pub fn items(&self) -> Vec<ArrayRef> {
        match self {
            Self::List(array) => vec![array.values().clone()],
            Self::Large(array) => vec![array.values().clone()],
            Self::View(array) => vec![array.values().clone()],
            Self::LargeView(array) => vec![array.values().clone()],
            Self::Fixed(array) => vec![array.values().clone()],
            Self::Map(array) => vec![array.keys().clone(), array.values().clone()],
        }
    }

    pub fn range(&self, index: usize) -> Range<usize> {
        let (start, end) = match self {
            Self::List(array) => pair(array.value_offsets(), index),
            Self::Map(array) => pair(array.value_offsets(), index),
            Self::Large(array) => pair(array.value_offsets(), index),
            Self::View(array) => sized(array.value_offset(index).into(), array.value_size(index).into()),
            Self::LargeView(array) => sized(array.value_offset(index), array.value_size(index)),
            Self::Fixed(array) => {
                let start = i64::try_from(array.value_offset_at(index)).unwrap_or(i64::MAX);
                sized(start, array.value_length().into())
            }
        };
        usize::try_from(start).unwrap_or(0)..usize::try_from(end).unwrap_or(0)
    }
}

fn pair<T: Copy + Into<i64>>(offsets: &[T], index: usize) -> (i64, i64) {
    match offsets.get(index..) {
        Some([start, end, ..]) => ((*start).into(), (*end).into()),
        _ => (0, 0),
    }
}

fn sized(start: i64, length: i64) -> (i64, i64) {
    (start, start.saturating_add(length))
}

/// Where a run-end encoded column has its values.
pub(super) enum Runs {
    I16(RunArray<Int16Type>),
    I32(RunArray<Int32Type>),
    I64(RunArray<Int64Type>),
}

impl Runs {
    pub fn new(array: &dyn Array) -> Option<Self> {
        let DataType::RunEndEncoded(ends, _) = array.data_type() else { return None };
        Some(match ends.data_type() {
            DataType::Int16 => Self::I16(array.as_run_opt()?.clone()),
            DataType::Int32 => Self::I32(array.as_run_opt()?.clone()),
            DataType::Int64 => Self::I64(array.as_run_opt()?.clone()),
            _ => return None,
        })
    }

    pub fn values(&self) -> &ArrayRef {
        match self {
            Self::I16(array) => array.values(),
            Self::I32(array) => array.values(),
            Self::I64(array) => array.values(),
        }
    }

    /// Where the value of `index` stands among the values.
    pub fn place(&self, index: usize) -> usize {
        match self {
            Self::I16(array) => array.get_physical_index(index),
            Self::I32(array) => array.get_physical_index(index),
            Self::I64(array) => array.get_physical_index(index),
        }
    }
}
