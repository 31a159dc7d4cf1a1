//! Reading Parquet and Arrow files: the values of every type, and files that are broken.

mod broken;
mod values;

use arrow_array::{types::*, *};
use arrow_ipc::{
    CompressionType,
    writer::{FileWriter, IpcWriteOptions, StreamWriter},
};
use arrow_schema::{DataType, Field, Schema};
use larder::{
    error::{Error, Limit, Malformed, Result},
    tables::read::{Cell, ColumnType, ReadLimits, RowReader, Value, columnar::Reader},
};
use parquet::{arrow::ArrowWriter, basic::Compression, file::properties::WriterProperties};
use std::{
    fs::File,
    io::{self, Cursor, Write},
    sync::Arc,
};

const LIMITS: ReadLimits =
    ReadLimits { columns_max: 1599, cell_bytes_max: 1 << 20, row_bytes_max: 4 << 20, rows_max: u64::MAX };

#[derive(Debug, Clone, Copy)]
enum Kind {
    Parquet,
    File,
    Stream,
}

const KINDS: [Kind; 3] = [Kind::Parquet, Kind::File, Kind::Stream];

fn open(kind: Kind, bytes: &[u8], limits: ReadLimits) -> Result<Reader> {
    let file = || {
        let mut file: File = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file
    };
    match kind {
        Kind::Parquet => Reader::parquet(file(), limits),
        Kind::File => Reader::arrow_file(file(), limits),
        Kind::Stream => Reader::arrow_stream(Box::new(Cursor::new(bytes.to_vec())), limits),
    }
}

fn written(kind: Kind, batches: &[RecordBatch]) -> Vec<u8> {
    let schema = batches[0].schema();
    let mut bytes = Vec::new();
    match kind {
        Kind::Parquet => {
            let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
            let mut writer = ArrowWriter::try_new(&mut bytes, schema, Some(properties)).unwrap();
            for batch in batches {
                writer.write(batch).unwrap();
            }
            writer.close().unwrap();
        }
        Kind::File => {
            let mut writer = FileWriter::try_new(&mut bytes, &schema).unwrap();
            for batch in batches {
                writer.write(batch).unwrap();
            }
            writer.finish().unwrap();
        }
        Kind::Stream => {
            let mut writer = StreamWriter::try_new(&mut bytes, &schema).unwrap();
            for batch in batches {
                writer.write(batch).unwrap();
            }
            writer.finish().unwrap();
        }
    }
    bytes
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn shown(cell: Cell<'_>) -> String {
    match cell {
        Cell::Null => "null".to_owned(),
        Cell::Value(Value::Boolean(value)) => format!("boolean {value}"),
        Cell::Value(Value::Bigint(value)) => format!("bigint {value}"),
        Cell::Value(Value::Double(value)) => format!("double {value}"),
        Cell::Value(Value::Date(value)) => format!("date {value}"),
        Cell::Value(Value::Time(value)) => format!("time {value}"),
        Cell::Value(Value::Timestamp(value)) => format!("timestamp {value}"),
        Cell::Value(Value::Timestamptz(value)) => format!("timestamptz {value}"),
        Cell::Value(Value::Uuid(value)) => format!("uuid {}", uuid::Uuid::from_bytes(value)),
        Cell::Value(Value::Numeric(value)) => format!("numeric {}", text(value)),
        Cell::Value(Value::Json(value)) => format!("json {}", text(value)),
        Cell::Value(Value::Text(value)) => format!("text {}", text(value)),
        other => panic!("{other:?}"),
    }
}

/// Rows of cells, each with its type.
fn rows(reader: &mut RowReader<io::Empty>) -> Result<Vec<Vec<String>>> {
    let mut rows = Vec::new();
    while reader.advance()? {
        let row = reader.row();
        assert_eq!(row.line, rows.len() as u64 + 1);
        rows.push(row.cells().map(shown).collect());
    }
    Ok(rows)
}

fn read(kind: Kind, bytes: &[u8]) -> Result<Vec<Vec<String>>> {
    rows(&mut RowReader::Columnar(Box::new(open(kind, bytes, LIMITS)?)))
}

/// The type and the cells of a column, the same from all formats that `kinds` names.
fn column(kinds: &[Kind], field: Field, array: ArrayRef) -> (ColumnType, Vec<String>) {
    let batch = RecordBatch::try_new(Arc::new(Schema::new(vec![field])), vec![array]).unwrap();
    let mut found = None;
    for kind in kinds {
        let bytes = written(*kind, std::slice::from_ref(&batch));
        let mut reader = RowReader::Columnar(Box::new(open(*kind, &bytes, LIMITS).unwrap()));
        let declared = reader.declared().unwrap()[0];
        let cells = rows(&mut reader).unwrap().into_iter().flatten().collect::<Vec<_>>();
        assert_eq!(cells.len(), batch.num_rows());
        let found = found.get_or_insert((declared, cells.clone()));
        assert_eq!(*found, (declared, cells), "{kind:?}");
    }
    found.unwrap()
}

fn plain(array: impl Array + 'static) -> (ColumnType, Vec<String>) {
    let field = Field::new("a", array.data_type().clone(), true);
    column(&KINDS, field, Arc::new(array))
}

/// Of a type that Parquet does not have.
fn arrow_only(array: impl Array + 'static) -> (ColumnType, Vec<String>) {
    let field = Field::new("a", array.data_type().clone(), true);
    column(&[Kind::File, Kind::Stream], field, Arc::new(array))
}

fn kept(column_type: ColumnType, cells: &[&str]) -> (ColumnType, Vec<String>) {
    (column_type, cells.iter().map(|cell| (*cell).to_owned()).collect())
}

#[test]
fn batches_and_compression_and_dictionaries_of_many_messages_are_read_to_the_end() {
    let batch = |start: i64| {
        let numbers = Int64Array::from_iter_values(start..start + 5000);
        let texts: DictionaryArray<Int32Type> =
            (0..5000).map(|at| Some(format!("t{}", at % 7))).collect::<Vec<_>>().iter().map(|t| t.as_deref()).collect();
        let columns: Vec<(&str, ArrayRef)> = vec![("n", Arc::new(numbers)), ("t", Arc::new(texts))];
        RecordBatch::try_from_iter(columns).unwrap()
    };
    let batches: Vec<RecordBatch> = (0..3).map(|at| batch(at * 5000)).collect();
    let check = |kind, bytes: &[u8]| {
        let rows = read(kind, bytes).unwrap();
        assert_eq!(rows.len(), 15_000);
        for (at, row) in rows.iter().enumerate() {
            assert_eq!(*row, [format!("bigint {at}"), format!("text t{}", at % 5000 % 7)]);
        }
    };
    for kind in KINDS {
        check(kind, &written(kind, &batches));
    }
    for compression in [CompressionType::LZ4_FRAME, CompressionType::ZSTD] {
        let options = IpcWriteOptions::default().try_with_compression(Some(compression)).unwrap();
        let mut bytes = Vec::new();
        let mut writer = StreamWriter::try_new_with_options(&mut bytes, &batches[0].schema(), options).unwrap();
        for batch in &batches {
            writer.write(batch).unwrap();
        }
        writer.finish().unwrap();
        check(Kind::Stream, &bytes);
    }
}

#[test]
fn names_are_made_unique_and_nul_characters_are_replaced() {
    let texts = || Arc::new(StringArray::from(vec!["a\0b", "c"])) as ArrayRef;
    let fields = ["x", "x", "", "n\0"].map(|name| Field::new(name, DataType::Utf8, true));
    let batch =
        RecordBatch::try_new(Arc::new(Schema::new(fields.to_vec())), vec![texts(), texts(), texts(), texts()]).unwrap();
    let bytes = written(Kind::Stream, &[batch]);
    let mut reader = open(Kind::Stream, &bytes, LIMITS).unwrap();
    assert_eq!(reader.names(), ["x", "x_2", "column_3", "n\u{fffd}"]);
    assert!(reader.advance().unwrap());
    assert_eq!(reader.row().cells().map(shown).next().unwrap(), "text a\u{fffd}b");
    assert!(reader.advance().unwrap() && !reader.advance().unwrap());
    let codes: Vec<_> =
        reader.warnings().list().iter().map(|warning| (warning.code, warning.count, warning.lines.clone())).collect();
    assert_eq!(codes, [("nul", 2, vec![1]), ("renamed-column", 1, vec![]), ("renamed-column", 1, vec![])]);
}

#[test]
fn a_table_without_rows_is_one_and_without_columns_is_none() {
    let empty = RecordBatch::new_empty(Arc::new(Schema::new(vec![Field::new("a", DataType::Int64, true)])));
    let none = RecordBatch::new_empty(Arc::new(Schema::empty()));
    for kind in KINDS {
        assert_eq!(read(kind, &written(kind, std::slice::from_ref(&empty))).unwrap(), Vec::<Vec<String>>::new());
        assert_eq!(
            malformed(read(kind, &written(kind, std::slice::from_ref(&none)))).detail,
            "The file has no columns."
        );
    }
}

#[test]
fn limits_are_kept_and_name_the_row() {
    let texts = StringArray::from(vec!["short", "quite long"]);
    let list = ListArray::from_iter_primitive::<Int32Type, _, _>(vec![Some(vec![]), Some(vec![Some(1); 1000])]);
    let batch = |array: ArrayRef| RecordBatch::try_from_iter([("a", array.clone()), ("b", array)]).unwrap();
    let passed = |batch: &RecordBatch, limits: ReadLimits, limit: Limit| {
        for kind in KINDS {
            let mut reader = open(kind, &written(kind, std::slice::from_ref(batch)), limits).unwrap();
            assert!(reader.advance().unwrap());
            match reader.advance() {
                Err(Error::Limit { limit: found, line: Some(2), .. }) => assert_eq!(found, limit),
                other => panic!("{other:?}"),
            }
        }
    };
    passed(&batch(Arc::new(texts.clone())), ReadLimits { cell_bytes_max: 9, ..LIMITS }, Limit::CellBytes);
    passed(&batch(Arc::new(list)), ReadLimits { cell_bytes_max: 9, ..LIMITS }, Limit::CellBytes);
    let texts = batch(Arc::new(texts));
    passed(&texts, ReadLimits { row_bytes_max: 19, ..LIMITS }, Limit::RowBytes);
    let opened = open(Kind::File, &written(Kind::File, &[texts]), ReadLimits { columns_max: 1, ..LIMITS });
    assert!(matches!(opened.err(), Some(Error::Limit { limit: Limit::Columns, max: 1, .. })));
}

fn malformed<T: std::fmt::Debug>(result: Result<T>) -> Malformed {
    match result {
        Err(Error::Malformed(malformed)) => *malformed,
        other => panic!("{other:?}"),
    }
}
