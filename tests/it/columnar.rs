//! Reading Parquet and Arrow files: the values of every type, and files that are broken.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Cursor, Write};
use std::sync::Arc;

use arrow_array::builder::*;
use arrow_array::types::*;
use arrow_array::*;
use arrow_ipc::CompressionType;
use arrow_ipc::writer::{FileWriter, IpcWriteOptions, StreamWriter};
use arrow_schema::{DataType, Field, Fields, Schema};
use larder::error::{Error, Limit, Malformed, Result};
use larder::tables::read::columnar::Reader;
use larder::tables::read::{Cell, ColumnType, ReadLimits, RowReader, Value};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::data_type::{self as stored, FixedLenByteArray, Int96};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;

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
fn numbers_and_booleans_keep_their_types() {
    use ColumnType::*;
    assert_eq!(plain(BooleanArray::from(vec![Some(true), None])), kept(Boolean, &["boolean true", "null"]));
    assert_eq!(plain(Int8Array::from(vec![-128, 127])), kept(Bigint, &["bigint -128", "bigint 127"]));
    assert_eq!(plain(Int16Array::from(vec![i16::MIN])), kept(Bigint, &["bigint -32768"]));
    assert_eq!(plain(Int32Array::from(vec![i32::MIN])), kept(Bigint, &["bigint -2147483648"]));
    assert_eq!(plain(Int64Array::from(vec![i64::MIN])), kept(Bigint, &["bigint -9223372036854775808"]));
    assert_eq!(plain(UInt8Array::from(vec![255])), kept(Bigint, &["bigint 255"]));
    assert_eq!(plain(UInt16Array::from(vec![65535])), kept(Bigint, &["bigint 65535"]));
    assert_eq!(plain(UInt32Array::from(vec![u32::MAX])), kept(Bigint, &["bigint 4294967295"]));
    assert_eq!(plain(UInt64Array::from(vec![u64::MAX])), kept(Numeric, &["numeric 18446744073709551615"]));
    let half = <Float16Type as ArrowPrimitiveType>::Native::from_f32;
    assert_eq!(plain(Float16Array::from(vec![half(0.1)])), kept(Double, &["double 0.1"]));
    assert_eq!(
        plain(Float32Array::from(vec![0.1, f32::NAN, 3.0])),
        kept(Double, &["double 0.1", "double NaN", "double 3"])
    );
    assert_eq!(plain(Float64Array::from(vec![0.1, f64::NEG_INFINITY])), kept(Double, &["double 0.1", "double -inf"]));
}

#[test]
fn decimals_keep_all_their_digits() {
    let decimal = Decimal128Array::from(vec![Some(1250), Some(-5), None]).with_precision_and_scale(38, 2).unwrap();
    assert_eq!(plain(decimal), kept(ColumnType::Numeric, &["numeric 12.50", "numeric -0.05", "null"]));
    let decimal = Decimal32Array::from(vec![7]).with_precision_and_scale(5, 5).unwrap();
    assert_eq!(plain(decimal), kept(ColumnType::Numeric, &["numeric 0.00007"]));
    let decimal = Decimal64Array::from(vec![-7]).with_precision_and_scale(12, 0).unwrap();
    assert_eq!(plain(decimal), kept(ColumnType::Numeric, &["numeric -7"]));
    let large = Decimal256Builder::new().with_precision_and_scale(76, 3).unwrap();
    let mut large = large;
    large.append_value(<Decimal256Type as ArrowPrimitiveType>::Native::from_i128(i128::MAX));
    let cell = "numeric 170141183460469231731687303715884105.727";
    assert_eq!(plain(large.finish()), kept(ColumnType::Numeric, &[cell]));
    let negative = Decimal128Array::from(vec![12]).with_precision_and_scale(5, -2).unwrap();
    assert_eq!(arrow_only(negative), kept(ColumnType::Numeric, &["numeric 1200"]));
}

#[test]
fn dates_and_times_keep_their_microseconds() {
    use ColumnType::*;
    assert_eq!(
        plain(Date32Array::from(vec![0, -1, i32::MAX])),
        kept(Date, &["date 0", "date -1", "text +5881580-07-11"])
    );
    assert_eq!(
        arrow_only(Date64Array::from(vec![86_400_000, 1])),
        kept(Date, &["date 1", "text 1970-01-01T00:00:00.001"])
    );
    assert_eq!(plain(Time32MillisecondArray::from(vec![1])), kept(Time, &["time 1000"]));
    assert_eq!(plain(Time64MicrosecondArray::from(vec![86_399_999_999])), kept(Time, &["time 86399999999"]));
    assert_eq!(
        plain(Time64NanosecondArray::from(vec![1000, 1001])),
        kept(Time, &["time 1", "text 00:00:00.000001001"])
    );
    assert_eq!(plain(TimestampMillisecondArray::from(vec![1])), kept(Timestamp, &["timestamp 1000"]));
    assert_eq!(plain(TimestampMicrosecondArray::from(vec![-1])), kept(Timestamp, &["timestamp -1"]));
    assert_eq!(
        plain(TimestampNanosecondArray::from(vec![2000, 1])),
        kept(Timestamp, &["timestamp 2", "text 1970-01-01T00:00:00.000000001"])
    );
    assert_eq!(
        plain(TimestampMicrosecondArray::from(vec![5]).with_timezone("Europe/Berlin")),
        kept(Timestamptz, &["timestamptz 5"])
    );
    assert_eq!(
        arrow_only(TimestampSecondArray::from(vec![1, i64::MAX]).with_timezone("+01:00")),
        kept(Timestamptz, &["timestamptz 1000000", "text +292277026596-12-04T15:30:07Z"])
    );
}

#[test]
fn durations_and_intervals_are_text() {
    let duration = DurationMillisecondArray::from(vec![Some(3500), None]);
    assert_eq!(plain(duration), kept(ColumnType::Text, &["text PT3.5S", "null"]));
    assert_eq!(plain(IntervalYearMonthArray::from(vec![14])), kept(ColumnType::Text, &["text P1Y2M"]));
    let day_time = IntervalDayTimeArray::from(vec![IntervalDayTimeType::make_value(3, 1500)]);
    assert_eq!(plain(day_time), kept(ColumnType::Text, &["text P3DT1.5S"]));
    let full = IntervalMonthDayNanoType::make_value(1, 2, 60_000_000_001);
    assert_eq!(
        arrow_only(IntervalMonthDayNanoArray::from(vec![full])),
        kept(ColumnType::Text, &["text P1M2DT1M0.000000001S"])
    );
}

#[test]
fn texts_are_as_they_are_and_bytes_are_hexadecimal() {
    use ColumnType::Text;
    let texts = vec![Some("a,b\n\u{1F4A9}"), None, Some("")];
    let cells = ["text a,b\n\u{1F4A9}", "null", "text "];
    assert_eq!(plain(StringArray::from(texts.clone())), kept(Text, &cells));
    assert_eq!(plain(LargeStringArray::from(texts.clone())), kept(Text, &cells));
    assert_eq!(plain(StringViewArray::from(texts)), kept(Text, &cells));
    let bytes: Vec<&[u8]> = vec![b"\x00\xff", b""];
    let cells = ["text \\x00ff", "text \\x"];
    assert_eq!(plain(BinaryArray::from(bytes.clone())), kept(Text, &cells));
    assert_eq!(plain(LargeBinaryArray::from(bytes.clone())), kept(Text, &cells));
    assert_eq!(plain(BinaryViewArray::from(bytes)), kept(Text, &cells));
    let fixed = FixedSizeBinaryArray::try_from_iter([[1_u8, 2, 3]].into_iter()).unwrap();
    assert_eq!(plain(fixed), kept(Text, &["text \\x010203"]));
    assert_eq!(plain(NullArray::new(2)), kept(Text, &["null", "null"]));
}

#[test]
fn dictionaries_and_runs_are_what_they_stand_for() {
    let dictionary: DictionaryArray<Int8Type> = vec![Some("b"), None, Some("a"), Some("b")].into_iter().collect();
    assert_eq!(plain(dictionary), kept(ColumnType::Text, &["text b", "null", "text a", "text b"]));
    let numbers = DictionaryArray::new(UInt64Array::from(vec![1, 0]), Arc::new(Int32Array::from(vec![Some(7), None])));
    assert_eq!(arrow_only(numbers), kept(ColumnType::Bigint, &["null", "bigint 7"]));
    let runs = RunArray::try_new(&Int32Array::from(vec![2, 3]), &BooleanArray::from(vec![Some(true), None])).unwrap();
    assert_eq!(arrow_only(runs), kept(ColumnType::Boolean, &["boolean true", "boolean true", "null"]));
}

#[test]
fn a_uuid_and_json_are_known_by_what_the_field_says() {
    let named = |data_type: DataType, name: &str| {
        let metadata = HashMap::from([("ARROW:extension:name".to_owned(), name.to_owned())]);
        Field::new("a", data_type, true).with_metadata(metadata)
    };
    let bytes = FixedSizeBinaryArray::try_from_iter([[0x11_u8; 16]].into_iter()).unwrap();
    let found = column(&KINDS, named(DataType::FixedSizeBinary(16), "arrow.uuid"), Arc::new(bytes));
    assert_eq!(found, kept(ColumnType::Uuid, &["uuid 11111111-1111-1111-1111-111111111111"]));
    let json = StringArray::from(vec!["{\"b\": 1.0}", "{oops"]);
    let found = column(&KINDS, named(DataType::Utf8, "arrow.json"), Arc::new(json));
    assert_eq!(found, kept(ColumnType::Json, &["json {\"b\": 1.0}", "text {oops"]));
}

#[test]
fn lists_structs_and_maps_are_json() {
    use ColumnType::Json;
    let list = ListArray::from_iter_primitive::<Int32Type, _, _>(vec![Some(vec![Some(1), None]), None, Some(vec![])]);
    assert_eq!(plain(list), kept(Json, &["json [1,null]", "null", "json []"]));
    let large = LargeListArray::from_iter_primitive::<Float32Type, _, _>(vec![Some(vec![Some(0.1), Some(f32::NAN)])]);
    assert_eq!(plain(large), kept(Json, &["json [0.1,null]"]));
    let fixed = FixedSizeListArray::from_iter_primitive::<Int32Type, _, _>(vec![Some(vec![Some(1), Some(2)]), None], 2);
    assert_eq!(plain(fixed), kept(Json, &["json [1,2]", "null"]));
    let fields = Fields::from(vec![
        Field::new("a \"x\"", DataType::Utf8, true),
        Field::new("when", DataType::Timestamp(arrow_schema::TimeUnit::Microsecond, None), true),
        Field::new("price", DataType::Decimal128(10, 2), true),
        Field::new("raw", DataType::Binary, true),
    ]);
    let arrays: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from(vec!["q\"\n\u{0}"])),
        Arc::new(TimestampMicrosecondArray::from(vec![1_500_000])),
        Arc::new(Decimal128Array::from(vec![150]).with_precision_and_scale(10, 2).unwrap()),
        Arc::new(BinaryArray::from(vec![&b"\x01"[..]])),
    ];
    let cell = "json {\"a \\\"x\\\"\":\"q\\\"\\n\u{fffd}\",\"when\":\"1970-01-01T00:00:01.5\",\"price\":1.50,\"raw\":\"\\\\x01\"}";
    assert_eq!(plain(StructArray::new(fields, arrays, None)), kept(Json, &[cell]));

    let mut map = MapBuilder::new(None, StringBuilder::new(), Int32Builder::new());
    map.keys().append_value("k");
    map.values().append_null();
    map.append(true).unwrap();
    assert_eq!(plain(map.finish()), kept(Json, &["json {\"k\":null}"]));
    let mut map = MapBuilder::new(None, Int32Builder::new(), Int32Builder::new());
    map.keys().append_value(1);
    map.values().append_value(2);
    map.append(true).unwrap();
    assert_eq!(plain(map.finish()), kept(Json, &["json [{\"key\":1,\"value\":2}]"]));
    let mut union = UnionBuilder::new_dense();
    union.append::<Int32Type>("i", 1).unwrap();
    union.append::<Float64Type>("f", 1.5).unwrap();
    assert_eq!(arrow_only(union.build().unwrap()), kept(Json, &["json 1", "json 1.5"]));
}

#[test]
fn types_that_only_parquet_has_are_read() {
    let schema = "message m { required fixed_len_byte_array(16) id (UUID); required int96 t; required binary j (JSON);
        required binary e (ENUM); optional group l (LIST) { repeated group list { required fixed_len_byte_array(16) element (UUID); } } }";
    let mut bytes = Vec::new();
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let mut writer = SerializedFileWriter::new(&mut bytes, schema, Arc::default()).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let id = || FixedLenByteArray::from(vec![0x22; 16]);
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<stored::FixedLenByteArrayType>().write_batch(&[id()], None, None).unwrap();
    column.close().unwrap();
    // Midnight of 9999-12-31, by its Julian day; nanoseconds would overflow.
    let mut column = group.next_column().unwrap().unwrap();
    let mut day = Int96::new();
    day.set_data(0, 0, 5_373_484);
    column.typed::<stored::Int96Type>().write_batch(&[day], None, None).unwrap();
    column.close().unwrap();
    for value in ["[1]", "red"] {
        let mut column = group.next_column().unwrap().unwrap();
        column.typed::<stored::ByteArrayType>().write_batch(&[value.into()], None, None).unwrap();
        column.close().unwrap();
    }
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<stored::FixedLenByteArrayType>().write_batch(&[id()], Some(&[2]), Some(&[0])).unwrap();
    column.close().unwrap();
    group.close().unwrap();
    writer.close().unwrap();

    let mut reader = open(Kind::Parquet, &bytes, LIMITS).unwrap();
    let uuid = "22222222-2222-2222-2222-222222222222";
    assert_eq!(
        reader.declared(),
        [ColumnType::Uuid, ColumnType::Timestamp, ColumnType::Json, ColumnType::Text, ColumnType::Json]
    );
    assert!(reader.advance().unwrap());
    let cells: Vec<String> = reader.row().cells().map(shown).collect();
    let list = format!("json [\"{uuid}\"]");
    assert_eq!(cells, [&format!("uuid {uuid}"), "timestamp 253402214400000000", "json [1]", "text red", &list]);
    assert_eq!(reader.warnings().list()[0].code, "int96");
    assert!(!reader.advance().unwrap());
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

#[test]
fn what_is_no_such_file_is_told_what_it_lacks() {
    let parquet = |bytes: &[u8]| malformed(read(Kind::Parquet, bytes)).detail;
    assert_eq!(parquet(b""), "The file is too short to be a Parquet file.");
    assert_eq!(
        parquet(b"a,b\n1,2\n3,4\n"),
        "The file does not end as a Parquet file does, with `PAR1`; it may be cut off."
    );
    assert_eq!(parquet(b"PARE\x00\x00\x00\x00PARE"), "The Parquet file is encrypted; send it decrypted.");
    assert_eq!(
        parquet(b"PAR1\xff\xff\xff\xffPAR1"),
        "The footer of the Parquet file claims a length that it cannot have."
    );
    assert_eq!(parquet(b"PAR1\x00\x00\x00\x00PAR1"), "The footer of the Parquet file is broken.");
    let file = |bytes: &[u8]| malformed(read(Kind::File, bytes)).detail;
    assert_eq!(file(b"ARROW1"), "The file is too short to be an Arrow file.");
    assert_eq!(file(b"FEA1aaaaaaaaaaaaaaaaaaFEA1"), "This is Feather version 1, which is no Arrow file.");
    assert_eq!(file(b"a,b\n1,2\n3,4\n"), "The file does not begin as an Arrow file does, with `ARROW1`.");
    assert_eq!(
        file(b"ARROW1\0\0\xff\xff\xff\xff"),
        "The file does not end as an Arrow file does, with `ARROW1`; it may be cut off."
    );
    let stream = |bytes: &[u8]| malformed(read(Kind::Stream, bytes)).detail;
    assert_eq!(stream(b""), "The Arrow stream does not begin with a schema.");
    assert_eq!(
        stream(b"a,b\n1,2\n3,4\n"),
        "This is no Arrow stream, or a message of it is broken: its length is absurd."
    );
    assert_eq!(stream(b"\xff\xff\xff\xff\x10\x00"), "The Arrow file breaks off in the middle of a message.");
}

/// A table of many types.
fn mixed() -> RecordBatch {
    let dictionary: DictionaryArray<Int8Type> = vec![Some("b"), None, Some("a")].into_iter().collect();
    let list = ListArray::from_iter_primitive::<Int32Type, _, _>(vec![Some(vec![Some(1), None]), None, Some(vec![])]);
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("i", Arc::new(Int32Array::from(vec![Some(1), None, Some(3)]))),
        ("f", Arc::new(Float32Array::from(vec![0.1, 0.2, 0.3]))),
        ("s", Arc::new(StringArray::from(vec!["one", "two and more than twelve", "drei"]))),
        ("v", Arc::new(StringViewArray::from(vec!["one", "two and more than twelve", "drei"]))),
        ("t", Arc::new(TimestampNanosecondArray::from(vec![1, 2, 3]))),
        ("d", Arc::new(dictionary)),
        ("l", Arc::new(list)),
        ("x", Arc::new(BooleanArray::from(vec![true, false, true]))),
    ];
    RecordBatch::try_from_iter(columns).unwrap()
}

fn is_fault_of_the_file<T: std::fmt::Debug>(result: &Result<T>) -> bool {
    matches!(result, Ok(_) | Err(Error::Malformed(_) | Error::Limit { .. }))
}

#[test]
fn a_file_that_is_cut_off_anywhere_is_malformed() {
    for kind in KINDS {
        let bytes = written(kind, &[mixed()]);
        assert_eq!(read(kind, &bytes).unwrap().len(), 3);
        for length in (0..bytes.len()).step_by(7) {
            let result = read(kind, &bytes[..length]);
            // A stream may end after any message.
            let whole =
                matches!(kind, Kind::Stream) && matches!(&result, Ok(rows) if rows.is_empty() || rows.len() == 3);
            assert!(whole || matches!(result, Err(Error::Malformed(_))), "{kind:?} {length}: {result:?}");
        }
    }
}

#[test]
fn no_changed_byte_is_more_than_a_fault_of_the_file() {
    let mut state = 1_u64;
    let mut random = move |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    for kind in KINDS {
        let good = written(kind, &[mixed()]);
        for _ in 0..1000 {
            let mut bytes = good.clone();
            for _ in 0..=random(3) {
                let at = random(bytes.len());
                bytes[at] = if random(2) == 0 { random(256) as u8 } else { bytes[at] ^ (1 << random(8)) };
            }
            let limits = ReadLimits { cell_bytes_max: 10_000, ..LIMITS };
            let result = open(kind, &bytes, limits).and_then(|mut reader| {
                // A changed count can claim any number of NULLs.
                (0..1000).try_for_each(|_| reader.advance().map(|_| ()))
            });
            assert!(is_fault_of_the_file(&result), "{kind:?} {result:?}");
        }
    }
}
