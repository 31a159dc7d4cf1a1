//! Rows gathered into columns of Arrow, until they are a batch.

use super::{
    cell::{Moment, Value},
    layout::Layout,
    numeric::{Digits, Numeric},
    text::{self, POSTGRES},
};
use crate::{
    catalogue::{Column, ColumnType},
    error::{Error, Result},
};
use arrow_array::{
    Array, ArrayRef, RecordBatch, RecordBatchOptions,
    builder::{
        BooleanBuilder, Date32Builder, Decimal128Builder, Decimal256Builder, FixedSizeBinaryBuilder, Float64Builder,
        Int64Builder, StringBuilder, Time64MicrosecondBuilder, TimestampMicrosecondBuilder,
    },
};
use arrow_schema::SchemaRef;
use std::sync::Arc;

/// One of them is being gathered while another is written.
const BATCH_ROWS_MAX: usize = 64 << 10;
const BATCH_BYTES_MAX: usize = 16 << 20;

pub struct Columns {
    schema: SchemaRef,
    builders: Vec<(ColumnType, Builder)>,
    rows: usize,
    bytes: usize,
    /// A value on its way to be text.
    text: Vec<u8>,
}

enum Builder {
    Boolean(BooleanBuilder),
    Bigint(Int64Builder),
    Double(Float64Builder),
    Decimal128(Decimal128Builder, u32),
    Decimal256(Decimal256Builder, u32),
    Date(Date32Builder),
    Time(Time64MicrosecondBuilder),
    /// With a zone or without.
    Instant(TimestampMicrosecondBuilder),
    Uuid(FixedSizeBinaryBuilder),
    Text(StringBuilder),
}

impl Columns {
    pub fn new(columns: &[Column], layouts: &[Layout], schema: SchemaRef) -> Self {
        let builders = columns.iter().zip(layouts);
        let builders = builders.map(|(column, layout)| (column.column_type, Builder::new(*layout))).collect();
        Self { schema, builders, rows: 0, bytes: 0, text: Vec::new() }
    }

    pub fn row(&mut self, cells: &[Option<&[u8]>]) -> Result<()> {
        for ((column_type, builder), cell) in self.builders.iter_mut().zip(cells) {
            let value = cell.map(|cell| Value::read(*column_type, cell)).transpose()?;
            builder.append(value, &mut self.text)?;
            self.bytes += cell.map_or(0, <[u8]>::len) + size_of::<u64>();
        }
        self.rows += 1;
        Ok(())
    }

    pub fn is_full(&self) -> bool {
        self.rows >= BATCH_ROWS_MAX || self.bytes >= BATCH_BYTES_MAX
    }

    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// What has been gathered; the next batch begins.
    pub fn take(&mut self) -> Result<RecordBatch> {
        let arrays = self.builders.iter_mut().map(|(_, builder)| builder.finish()).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(self.rows));
        (self.rows, self.bytes) = (0, 0);
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), arrays, &options).map_err(Error::internal)
    }
}

impl Builder {
    fn new(layout: Layout) -> Self {
        let data_type = layout.data_type();
        match layout {
            Layout::Boolean => Self::Boolean(BooleanBuilder::new()),
            Layout::Bigint => Self::Bigint(Int64Builder::new()),
            Layout::Double => Self::Double(Float64Builder::new()),
            Layout::Decimal128 { decimals, .. } => {
                Self::Decimal128(Decimal128Builder::new().with_data_type(data_type), decimals.into())
            }
            Layout::Decimal256 { decimals } => {
                Self::Decimal256(Decimal256Builder::new().with_data_type(data_type), decimals.into())
            }
            Layout::Date => Self::Date(Date32Builder::new()),
            Layout::Time => Self::Time(Time64MicrosecondBuilder::new()),
            Layout::Timestamp | Layout::Timestamptz => {
                Self::Instant(TimestampMicrosecondBuilder::new().with_data_type(data_type))
            }
            Layout::Uuid => Self::Uuid(FixedSizeBinaryBuilder::new(16)),
            Layout::Json | Layout::Text => Self::Text(StringBuilder::new()),
        }
    }

    fn append(&mut self, value: Option<Value<'_>>, buffer: &mut Vec<u8>) -> Result<()> {
        match (self, value) {
            (builder, None) => builder.append_null(),
            (Self::Boolean(builder), Some(Value::Boolean(value))) => builder.append_value(value),
            (Self::Bigint(builder), Some(Value::Bigint(value))) => builder.append_value(value),
            (Self::Double(builder), Some(Value::Double(value))) => builder.append_value(value),
            (Self::Decimal128(builder, scale), Some(Value::Numeric(value))) => {
                builder.append_value(finite(value)?.scaled(*scale).ok_or_else(unmeasured)?);
            }
            (Self::Decimal256(builder, scale), Some(Value::Numeric(value))) => {
                builder.append_value(finite(value)?.scaled(*scale).ok_or_else(unmeasured)?);
            }
            (Self::Date(builder), Some(Value::Date(Moment::At { days, .. }))) => {
                builder.append_value(i32::try_from(days).map_err(Error::internal)?);
            }
            (Self::Time(builder), Some(Value::Time(micros))) => builder.append_value(micros),
            (Self::Instant(builder), Some(Value::Timestamp(moment) | Value::Timestamptz(moment))) => {
                builder.append_value(moment.micros().ok_or_else(unmeasured)?);
            }
            (Self::Uuid(builder), Some(Value::Uuid(bytes))) => {
                builder.append_value(bytes).map_err(Error::internal)?;
            }
            (Self::Text(builder), Some(Value::Text(text) | Value::Json(text))) => {
                builder.append_value(std::str::from_utf8(text).map_err(Error::internal)?);
            }
            (Self::Text(builder), Some(value)) => {
                buffer.clear();
                text::value(value, POSTGRES, buffer)?;
                builder.append_value(std::str::from_utf8(buffer).map_err(Error::internal)?);
            }
            (_, Some(_)) => return Err(unmeasured()),
        }
        Ok(())
    }

    fn append_null(&mut self) {
        match self {
            Self::Boolean(builder) => builder.append_null(),
            Self::Bigint(builder) => builder.append_null(),
            Self::Double(builder) => builder.append_null(),
            Self::Decimal128(builder, _) => builder.append_null(),
            Self::Decimal256(builder, _) => builder.append_null(),
            Self::Date(builder) => builder.append_null(),
            Self::Time(builder) => builder.append_null(),
            Self::Instant(builder) => builder.append_null(),
            Self::Uuid(builder) => builder.append_null(),
            Self::Text(builder) => builder.append_null(),
        }
    }

    fn finish(&mut self) -> ArrayRef {
        fn shared(array: impl Array + 'static) -> ArrayRef {
            Arc::new(array)
        }
        match self {
            Self::Boolean(builder) => shared(builder.finish()),
            Self::Bigint(builder) => shared(builder.finish()),
            Self::Double(builder) => shared(builder.finish()),
            Self::Decimal128(builder, _) => shared(builder.finish()),
            Self::Decimal256(builder, _) => shared(builder.finish()),
            Self::Date(builder) => shared(builder.finish()),
            Self::Time(builder) => shared(builder.finish()),
            Self::Instant(builder) => shared(builder.finish()),
            Self::Uuid(builder) => shared(builder.finish()),
            Self::Text(builder) => shared(builder.finish()),
        }
    }
}

fn finite(value: Numeric<'_>) -> Result<Digits<'_>> {
    match value {
        Numeric::Finite(digits) => Ok(digits),
        Numeric::NaN | Numeric::Infinity | Numeric::NegativeInfinity => Err(unmeasured()),
    }
}

/// The types were chosen by what the same snapshot holds.
fn unmeasured() -> Error {
    Error::internal("a value that the type chosen for its column cannot hold")
}
