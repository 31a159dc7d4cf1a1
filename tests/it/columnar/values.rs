//! The values of every type.

use super::{KINDS, Kind, LIMITS, arrow_only, column, kept, open, plain, shown};
use arrow_array::{builder::*, types::*, *};
use arrow_schema::{DataType, Field, Fields};
use larder::tables::read::ColumnType;
use parquet::{
    data_type as stored,
    data_type::{FixedLenByteArray, Int96},
    file::writer::SerializedFileWriter,
    schema::parser::parse_message_type,
};
use std::{collections::HashMap, sync::Arc};

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
