//! Parquet files as record batches.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Take};
use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::RecordBatch;
use arrow_schema::{DataType, Field, FieldRef, Fields, Schema, TimeUnit};
use bytes::Bytes;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use parquet::basic::{ConvertedType, LogicalType, Type};
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, ParquetStatisticsPolicy};
use parquet::file::reader::{ChunkReader, Length};
use parquet::schema::types::ColumnDescPtr;

use super::footer::{self, Fault, NESTING_MAX};
use super::malformed;
use super::types::{EXTENSION, JSON, UUID};
use crate::error::{Error, Limit, Result};

const MAGIC: &[u8; 4] = b"PAR1";
const MAGIC_ENCRYPTED: &[u8; 4] = b"PARE";
/// The length of the footer and the magic number.
const TAIL_BYTES: usize = 8;
const FOOTER_BYTES_MAX: u64 = 64 << 20;
/// As they stand in the file; a usual page has about a megabyte.
const PAGE_BYTES_MAX: usize = 256 << 20;
const BATCH_ROWS_MAX: i64 = 4096;
/// What a batch should take in memory.
const BATCH_BYTES: i64 = 4 << 20;
/// What an item of a list takes at least, with its place.
const ITEM_BYTES: i64 = 16;

pub(super) struct Source {
    rows: ParquetRecordBatchReader,
    failure: Failure,
    /// Of the columns, saying what their values mean.
    pub fields: Fields,
    /// Whether a column has the timestamps of old.
    pub has_int96: bool,
}

/// What the disk failed with, if it did.
type Failure = Arc<Mutex<Option<io::Error>>>;

impl Source {
    pub fn open(mut file: File, cell_bytes_max: usize) -> Result<Self> {
        check_footer(&mut file)?;
        let failure = Failure::default();
        let input = Input { length: file.metadata().map_err(Error::internal)?.len(), file, failure: failure.clone() };
        let broken = |error: ParquetError| broken(&error, &failure);

        let options = || ArrowReaderOptions::new().with_column_stats_policy(ParquetStatisticsPolicy::SkipAll);
        let inferred = ArrowReaderMetadata::load(&input, options()).map_err(broken)?;
        let columns = inferred.parquet_schema().columns().to_vec();
        let wanted = Schema::new(each(inferred.schema().fields(), &mut columns.iter(), as_read));
        // A schema that the library does not take is no reason not to read the file as it does.
        let read = ArrowReaderMetadata::try_new(inferred.metadata().clone(), options().with_schema(Arc::new(wanted)));
        let metadata = read.unwrap_or(inferred);
        let fields = each(metadata.schema().fields(), &mut columns.iter(), as_meant);

        let batch_rows = batch_rows(metadata.metadata(), cell_bytes_max)?;
        let has_int96 = columns.iter().any(|column| column.physical_type() == Type::INT96);
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(input, metadata);
        let rows = builder.with_batch_size(batch_rows).build().map_err(broken)?;
        Ok(Self { rows, failure, fields, has_int96 })
    }

    pub fn next(&mut self) -> Result<Option<RecordBatch>> {
        self.rows.next().transpose().map_err(|error| broken(&error, &self.failure))
    }
}

fn broken(error: &dyn std::fmt::Display, failure: &Failure) -> Error {
    match failure.lock().unwrap_or_else(PoisonError::into_inner).take() {
        Some(failure) => Error::internal(failure),
        None => malformed(format!("The Parquet file is broken: {error}.")),
    }
}

fn check_footer(file: &mut File) -> Result<()> {
    let length = file.seek(SeekFrom::End(0)).map_err(Error::internal)?;
    let Some(end) = length.checked_sub(TAIL_BYTES as u64).filter(|end| *end >= MAGIC.len() as u64) else {
        return Err(malformed("The file is too short to be a Parquet file."));
    };
    let mut tail = [0; TAIL_BYTES];
    file.seek(SeekFrom::Start(end)).and_then(|_| file.read_exact(&mut tail)).map_err(Error::internal)?;
    let [l0, l1, l2, l3, magic @ ..] = tail;
    match &magic {
        MAGIC => {}
        MAGIC_ENCRYPTED => return Err(malformed("The Parquet file is encrypted; send it decrypted.")),
        _ => return Err(malformed("The file does not end as a Parquet file does, with `PAR1`; it may be cut off.")),
    }
    let footer_bytes = u64::from(u32::from_le_bytes([l0, l1, l2, l3]));
    let Some(start) = end.checked_sub(footer_bytes).filter(|_| footer_bytes <= FOOTER_BYTES_MAX) else {
        return Err(malformed("The footer of the Parquet file claims a length that it cannot have."));
    };
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(start)).map_err(Error::internal)?;
    file.take(footer_bytes).read_to_end(&mut bytes).map_err(Error::internal)?;
    footer::check(&bytes).map_err(|fault| match fault {
        Fault::Broken => malformed("The footer of the Parquet file is broken."),
        Fault::TooDeep => {
            malformed(format!("The columns of the Parquet file are nested more than {NESTING_MAX} deep."))
        }
    })
}

/// How many rows to decode at once, by what the file says of itself: fewer of wide ones.
fn batch_rows(metadata: &ParquetMetaData, cell_bytes_max: usize) -> Result<usize> {
    let mut batch_rows = BATCH_ROWS_MAX;
    for row_group in metadata.row_groups() {
        let rows = row_group.num_rows().max(1);
        let mut row_bytes = 0_i64;
        for column in row_group.columns() {
            let descriptor = column.column_descr();
            let width = match descriptor.physical_type() {
                Type::FIXED_LEN_BYTE_ARRAY => i64::from(descriptor.type_length()).max(0),
                _ => 0,
            };
            if usize::try_from(width).is_ok_and(|width| width > cell_bytes_max) {
                return Err(Limit::CellBytes.passed(cell_bytes_max as u64, None));
            }
            let items = (column.num_values() / rows).max(1).saturating_mul(width.saturating_add(ITEM_BYTES));
            let stored = column.uncompressed_size() / rows;
            row_bytes = row_bytes.saturating_add(items.max(stored).max(1));
        }
        batch_rows = batch_rows.min(BATCH_BYTES / row_bytes.max(1));
    }
    Ok(usize::try_from(batch_rows.max(1)).unwrap_or(1))
}

type Leaves<'a> = std::slice::Iter<'a, ColumnDescPtr>;

/// The fields with each leaf changed by `change`. Parquet's columns are the leaves in their order.
fn each(fields: &Fields, leaves: &mut Leaves<'_>, change: fn(Field, &ColumnDescPtr) -> Field) -> Fields {
    fields.iter().map(|field| one(field, leaves, change)).collect()
}

fn one(field: &FieldRef, leaves: &mut Leaves<'_>, change: fn(Field, &ColumnDescPtr) -> Field) -> FieldRef {
    let changed = field.as_ref().clone();
    let data_type = match field.data_type() {
        DataType::List(item) => DataType::List(one(item, leaves, change)),
        DataType::LargeList(item) => DataType::LargeList(one(item, leaves, change)),
        DataType::ListView(item) => DataType::ListView(one(item, leaves, change)),
        DataType::LargeListView(item) => DataType::LargeListView(one(item, leaves, change)),
        DataType::FixedSizeList(item, length) => DataType::FixedSizeList(one(item, leaves, change), *length),
        DataType::Map(entries, sorted) => DataType::Map(one(entries, leaves, change), *sorted),
        DataType::Struct(fields) => DataType::Struct(each(fields, leaves, change)),
        _ => return Arc::new(leaves.next().map_or(changed.clone(), |leaf| change(changed, leaf))),
    };
    Arc::new(changed.with_data_type(data_type))
}

/// Views of texts share the pages that they stand in, so a dictionary that says one long text in every row is not copied for each. Timestamps of old may lie
/// where nanoseconds overflow.
fn as_read(field: Field, leaf: &ColumnDescPtr) -> Field {
    let data_type = match field.data_type() {
        DataType::Utf8 | DataType::LargeUtf8 => DataType::Utf8View,
        DataType::Binary | DataType::LargeBinary if is_text(leaf) => DataType::Utf8View,
        DataType::Binary | DataType::LargeBinary => DataType::BinaryView,
        DataType::Timestamp(_, zone) if leaf.physical_type() == Type::INT96 => {
            DataType::Timestamp(TimeUnit::Microsecond, zone.clone())
        }
        _ => return field,
    };
    field.with_data_type(data_type)
}

/// Whether the column says that its bytes are UTF-8, whatever else the writer noted for itself.
fn is_text(leaf: &ColumnDescPtr) -> bool {
    matches!(leaf.logical_type_ref(), Some(LogicalType::String | LogicalType::Enum | LogicalType::Json))
        || matches!(leaf.converted_type(), ConvertedType::UTF8 | ConvertedType::ENUM | ConvertedType::JSON)
}

/// With what Parquet says of the values beyond their type, as Arrow would say it.
fn as_meant(mut field: Field, leaf: &ColumnDescPtr) -> Field {
    let extension = match leaf.logical_type_ref() {
        Some(LogicalType::Uuid) => UUID,
        Some(LogicalType::Json) => JSON,
        None if leaf.converted_type() == ConvertedType::JSON => JSON,
        _ => return field,
    };
    field.metadata_mut().insert(EXTENSION.to_owned(), extension.to_owned());
    field
}

/// A file that is never read beyond its end, whatever the footer claims: the library would reserve the memory first.
struct Input {
    file: File,
    length: u64,
    failure: Failure,
}

impl Input {
    fn at(&self, start: u64, length: u64) -> Result<Take<File>, ParquetError> {
        if start.checked_add(length).is_none_or(|end| end > self.length) {
            return Err(ParquetError::EOF("a page lies beyond the end of the file".to_owned()));
        }
        let open = || {
            let mut file = self.file.try_clone()?;
            file.seek(SeekFrom::Start(start))?;
            io::Result::Ok(file.take(length))
        };
        open().map_err(|error| self.failed(error))
    }

    fn failed(&self, error: io::Error) -> ParquetError {
        let sentence = error.to_string();
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
        ParquetError::General(sentence)
    }
}

impl Length for Input {
    fn len(&self) -> u64 {
        self.length
    }
}

impl ChunkReader for Input {
    type T = io::BufReader<Take<File>>;

    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        Ok(io::BufReader::new(self.at(start, self.length.saturating_sub(start))?))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        if length > PAGE_BYTES_MAX {
            return Err(ParquetError::General(format!("a page has more than {PAGE_BYTES_MAX} bytes")));
        }
        let mut page = self.at(start, length as u64)?;
        let mut bytes = Vec::with_capacity(length);
        page.read_to_end(&mut bytes).map_err(|error| self.failed(error))?;
        if bytes.len() < length {
            return Err(ParquetError::EOF("the file became shorter".to_owned()));
        }
        Ok(bytes.into())
    }
}
