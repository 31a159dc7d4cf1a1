//! One column of a batch, and its values as cells.

use std::io::Write;

use arrow_array::cast::AsArray;
use arrow_array::types::{IntervalDayTimeType, IntervalMonthDayNanoType};
use arrow_array::*;
use arrow_schema::{DataType, Field, IntervalUnit};
use serde::de::IgnoredAny;

use super::super::facts::{JSON_DEPTH_MAX, json_depth};
use super::super::{Span, Value};
use super::arrays::{Bytes, Integers, Lists, Runs};
use super::json::{self, TooLong};
use super::moment::{Moment, interval};
use super::number::{set_point, widened, widened_half};
use super::types::{Form, inner};

/// What Postgres' `bytea` would print.
const HEX_DIGITS: &[u8; 16] = b"0123456789abcdef";

pub(super) type Fields = Vec<(String, Column)>;

/// What a cell's bytes are appended to.
pub(super) struct Out {
    pub bytes: Vec<u8>,
    /// How many bytes may be there until the cell is too long.
    pub bytes_max: usize,
    /// Whether a NUL character was replaced.
    pub nul: bool,
}

impl Out {
    pub fn is_full(&self) -> bool {
        self.bytes.len() > self.bytes_max
    }
}

pub(super) struct Column {
    array: ArrayRef,
    pub values: Values,
}

/// The values of an array, of whatever type.
pub(super) enum Values {
    Null,
    Boolean(BooleanArray),
    Integer(Integers),
    Unsigned(UInt64Array),
    Float16(Float16Array),
    Float32(Float32Array),
    Float64(Float64Array),
    Decimal(Decimals, i8),
    Moment(Moment, Integers),
    DayTime(IntervalDayTimeArray),
    MonthDayNano(IntervalMonthDayNanoArray),
    Bytes(Bytes, Form),
    Dictionary(Integers, Box<Column>),
    Run(Runs, Box<Column>),
    List(Lists, Box<Column>),
    Struct(Fields),
    Map(Lists, Box<Column>, Box<Column>),
    Union(UnionArray, Vec<(i8, Column)>),
}

pub(super) enum Decimals {
    D32(Decimal32Array),
    D64(Decimal64Array),
    D128(Decimal128Array),
    D256(Decimal256Array),
}

impl Column {
    /// `None` if the array is not of the field's type, which no reader should make.
    pub fn new(field: &Field, array: &ArrayRef) -> Option<Self> {
        Some(Self { values: Values::new(field, array)?, array: array.clone() })
    }

    pub fn is_null(&self, index: usize) -> bool {
        self.array.is_null(index)
    }

    pub fn is_text(&self) -> bool {
        match &self.values {
            Values::Bytes(_, form) => *form == Form::Text,
            Values::Dictionary(_, values) | Values::Run(_, values) => values.is_text(),
            _ => false,
        }
    }

    /// The cell at `index`, whose bytes are appended to `out`.
    pub fn cell(&self, index: usize, out: &mut Out) -> Result<Span, TooLong> {
        if self.is_null(index) {
            return Ok(Span::Null);
        }
        let start = out.bytes.len();
        Ok(match &self.values {
            Values::Null => Span::Null,
            Values::Boolean(array) => Span::Value(Value::Boolean(array.value(index))),
            Values::Integer(array) => Span::Value(Value::Bigint(array.get(index))),
            Values::Float16(array) => Span::Value(Value::Double(widened_half(array.value(index)))),
            Values::Float32(array) => Span::Value(Value::Double(widened(array.value(index)))),
            Values::Float64(array) => Span::Value(Value::Double(array.value(index))),
            Values::Moment(moment, array) => match moment.value(array.get(index)) {
                Some(value) => Span::Value(value),
                None => self.text_cell(index, out),
            },
            Values::Bytes(bytes, Form::Uuid) => match bytes.get(index).try_into() {
                Ok(uuid) => Span::Value(Value::Uuid(uuid)),
                Err(_) => self.text_cell(index, out),
            },
            Values::Unsigned(_) | Values::Decimal(..) => {
                self.text(index, out);
                Span::NumericValue { start, end: out.bytes.len() }
            }
            Values::Bytes(bytes, Form::Json) if is_json(bytes.get(index)) => {
                self.text(index, out);
                Span::JsonValue { start, end: out.bytes.len() }
            }
            Values::Bytes(..) | Values::DayTime(_) | Values::MonthDayNano(_) => self.text_cell(index, out),
            Values::Dictionary(keys, values) => return values.cell(usize::try_from(keys.get(index)).unwrap_or(0), out),
            Values::Run(runs, values) => return values.cell(runs.place(index), out),
            Values::List(..) | Values::Struct(_) | Values::Map(..) | Values::Union(..) => {
                json::append(self, index, out)?;
                Span::JsonValue { start, end: out.bytes.len() }
            }
        })
    }

    fn text_cell(&self, index: usize, out: &mut Out) -> Span {
        let start = out.bytes.len();
        self.text(index, out);
        Span::TextValue { start, end: out.bytes.len() }
    }

    /// Appends the text of a value that is not null, not nested, and more than a plain number. NUL characters are replaced.
    pub fn text(&self, index: usize, out: &mut Out) {
        let start = out.bytes.len();
        match &self.values {
            Values::Unsigned(array) => write!(out.bytes, "{}", array.value(index)).unwrap_or_default(),
            Values::Decimal(decimals, scale) => {
                match decimals {
                    Decimals::D32(array) => write!(out.bytes, "{}", array.value(index)),
                    Decimals::D64(array) => write!(out.bytes, "{}", array.value(index)),
                    Decimals::D128(array) => write!(out.bytes, "{}", array.value(index)),
                    Decimals::D256(array) => write!(out.bytes, "{}", array.value(index)),
                }
                .unwrap_or_default();
                set_point(&mut out.bytes, start, *scale);
            }
            Values::Moment(moment, array) => moment.text(array.get(index), &mut out.bytes),
            Values::DayTime(array) => {
                let (days, milliseconds) = IntervalDayTimeType::to_parts(array.value(index));
                interval(&mut out.bytes, 0, days.into(), i64::from(milliseconds) * 1_000_000);
            }
            Values::MonthDayNano(array) => {
                let (months, days, nanoseconds) = IntervalMonthDayNanoType::to_parts(array.value(index));
                interval(&mut out.bytes, months.into(), days.into(), nanoseconds);
            }
            Values::Bytes(bytes, Form::Text | Form::Json) => append_text(out, bytes.get(index)),
            Values::Bytes(bytes, Form::Uuid) => match uuid::Uuid::from_slice(bytes.get(index)) {
                Ok(uuid) => write!(out.bytes, "{uuid}").unwrap_or_default(),
                Err(_) => append_hex(out, bytes.get(index)),
            },
            Values::Bytes(bytes, Form::Hex) => append_hex(out, bytes.get(index)),
            _ => {}
        }
    }
}

impl Values {
    #[allow(clippy::enum_glob_use, reason = "a table of types")]
    fn new(field: &Field, array: &ArrayRef) -> Option<Self> {
        use DataType::*;
        Some(match field.data_type() {
            Null => Self::Null,
            Boolean => Self::Boolean(array.as_boolean_opt()?.clone()),
            Int8 | Int16 | Int32 | Int64 | UInt8 | UInt16 | UInt32 => Self::Integer(Integers::new(array)?),
            UInt64 => Self::Unsigned(array.as_primitive_opt()?.clone()),
            Float16 => Self::Float16(array.as_primitive_opt()?.clone()),
            Float32 => Self::Float32(array.as_primitive_opt()?.clone()),
            Float64 => Self::Float64(array.as_primitive_opt()?.clone()),
            Decimal32(_, scale) => Self::Decimal(Decimals::D32(array.as_primitive_opt()?.clone()), *scale),
            Decimal64(_, scale) => Self::Decimal(Decimals::D64(array.as_primitive_opt()?.clone()), *scale),
            Decimal128(_, scale) => Self::Decimal(Decimals::D128(array.as_primitive_opt()?.clone()), *scale),
            Decimal256(_, scale) => Self::Decimal(Decimals::D256(array.as_primitive_opt()?.clone()), *scale),
            Interval(IntervalUnit::DayTime) => Self::DayTime(array.as_primitive_opt()?.clone()),
            Interval(IntervalUnit::MonthDayNano) => Self::MonthDayNano(array.as_primitive_opt()?.clone()),
            Date32 | Date64 | Time32(_) | Time64(_) | Timestamp(..) | Duration(_) | Interval(_) => {
                Self::Moment(Moment::of(field.data_type())?, Integers::raw(array)?)
            }
            Utf8 | LargeUtf8 | Utf8View | Binary | LargeBinary | BinaryView | FixedSizeBinary(_) => {
                Self::Bytes(Bytes::new(array)?, Form::of(field))
            }
            nested => Self::nested(field, nested, array)?,
        })
    }

    #[allow(clippy::enum_glob_use, reason = "a table of types")]
    fn nested(field: &Field, data_type: &DataType, array: &ArrayRef) -> Option<Self> {
        use DataType::*;
        let column = |field: &Field, array: &ArrayRef| Column::new(field, array).map(Box::new);
        Some(match data_type {
            Dictionary(_, values) => {
                let array = array.as_any_dictionary_opt()?;
                Self::Dictionary(Integers::new(array.keys())?, column(&inner(field, values), array.values())?)
            }
            RunEndEncoded(_, values) => {
                let runs = Runs::new(array)?;
                let values = column(values, runs.values())?;
                Self::Run(runs, values)
            }
            Struct(fields) => {
                let array = array.as_struct_opt()?;
                let child = |(field, array): (&arrow_schema::FieldRef, &ArrayRef)| {
                    Some((field.name().clone(), Column::new(field, array)?))
                };
                Self::Struct(fields.iter().zip(array.columns()).map(child).collect::<Option<_>>()?)
            }
            Union(fields, _) => {
                let array = array.as_union_opt()?.clone();
                let child =
                    |(id, field): (i8, &arrow_schema::FieldRef)| Some((id, Column::new(field, array.child(id))?));
                let children = fields.iter().map(child).collect::<Option<_>>()?;
                Self::Union(array, children)
            }
            List(item) | LargeList(item) | ListView(item) | LargeListView(item) | FixedSizeList(item, _) => {
                let lists = Lists::new(array)?;
                let items = column(item, lists.items().first()?)?;
                Self::List(lists, items)
            }
            Map(entries, _) => {
                let Struct(fields) = entries.data_type() else { return None };
                let lists = Lists::new(array)?;
                let items = lists.items();
                let (keys, values) = (column(fields.first()?, items.first()?)?, column(fields.get(1)?, items.get(1)?)?);
                Self::Map(lists, keys, values)
            }
            _ => return None,
        })
    }
}

fn is_json(text: &[u8]) -> bool {
    serde_json::from_slice::<IgnoredAny>(text).is_ok() && json_depth(text) <= JSON_DEPTH_MAX
}

/// Appends as much as shows that it is too long.
fn append_text(out: &mut Out, text: &[u8]) {
    let mut rest = text;
    while let Some(at) = memchr::memchr(0, rest).filter(|_| !out.is_full()) {
        let (before, nul) = rest.split_at(at);
        out.bytes.extend_from_slice(before);
        out.bytes.extend_from_slice("\u{fffd}".as_bytes());
        out.nul = true;
        rest = nul.get(1..).unwrap_or_default();
    }
    out.bytes.extend_from_slice(rest);
}

fn append_hex(out: &mut Out, bytes: &[u8]) {
    out.bytes.extend_from_slice(b"\\x");
    for byte in bytes {
        let digit = |half: u8| HEX_DIGITS.get(usize::from(half)).copied().unwrap_or(b'0');
        out.bytes.extend([digit(byte >> 4), digit(byte & 15)]);
    }
}
