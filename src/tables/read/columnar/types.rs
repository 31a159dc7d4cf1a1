//! The types that columns have in the file, and those that they have in a table.

use arrow_schema::{DataType, Field};

use super::super::ColumnType;

/// The key under which a field says what its values mean beyond their type.
pub(super) const EXTENSION: &str = "ARROW:extension:name";
pub(super) const UUID: &str = "arrow.uuid";
pub(super) const JSON: &str = "arrow.json";

const UUID_BYTES: i32 = 16;

/// What the bytes of a value are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Text,
    /// Bytes that are no text.
    Hex,
    Uuid,
    /// Text that says of itself that it is JSON.
    Json,
}

impl Form {
    pub fn of(field: &Field) -> Self {
        let extension = field.metadata().get(EXTENSION).map(String::as_str);
        match (field.data_type(), extension) {
            (DataType::FixedSizeBinary(UUID_BYTES), Some(UUID)) => Self::Uuid,
            (DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View, Some(JSON)) => Self::Json,
            (DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View, _) => Self::Text,
            _ => Self::Hex,
        }
    }
}

/// The type that a column of this field has in a table.
#[allow(clippy::enum_glob_use, reason = "a table of types")]
pub(super) fn kept(field: &Field) -> ColumnType {
    use DataType::*;
    match field.data_type() {
        Boolean => ColumnType::Boolean,
        Int8 | Int16 | Int32 | Int64 | UInt8 | UInt16 | UInt32 => ColumnType::Bigint,
        UInt64 | Decimal32(..) | Decimal64(..) | Decimal128(..) | Decimal256(..) => ColumnType::Numeric,
        Float16 | Float32 | Float64 => ColumnType::Double,
        Date32 | Date64 => ColumnType::Date,
        Time32(_) | Time64(_) => ColumnType::Time,
        Timestamp(_, None) => ColumnType::Timestamp,
        Timestamp(_, Some(_)) => ColumnType::Timestamptz,
        List(_) | LargeList(_) | ListView(_) | LargeListView(_) | FixedSizeList(..) | Struct(_) | Map(..)
        | Union(..) => ColumnType::Json,
        Dictionary(_, values) => kept(&inner(field, values)),
        RunEndEncoded(_, values) => kept(values),
        Null | Duration(_) | Interval(_) => ColumnType::Text,
        Utf8 | LargeUtf8 | Utf8View | Binary | LargeBinary | BinaryView | FixedSizeBinary(_) => match Form::of(field) {
            Form::Uuid => ColumnType::Uuid,
            Form::Json => ColumnType::Json,
            Form::Text | Form::Hex => ColumnType::Text,
        },
    }
}

/// The field of a dictionary's values, which mean what the dictionary means.
pub(super) fn inner(field: &Field, values: &DataType) -> Field {
    Field::new("", values.clone(), true).with_metadata(field.metadata().clone())
}
