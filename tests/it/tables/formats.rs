//! Rows out in every format: what each type becomes, and that nothing is lost on the way.

use super::{columns, put, put_with, rows};
use crate::support::{problem, shared};
use arrow_array::{
    Array, RecordBatch,
    cast::AsArray,
    types::{Date32Type, Decimal128Type, Float64Type, Int64Type, Time64MicrosecondType, TimestampMicrosecondType},
};
use arrow_ipc::reader::StreamReader;
use arrow_schema::{DataType, TimeUnit};
use bytes::Bytes;
use calamine::{Data, Reader as _, Xlsx};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use std::io::Cursor;

const ALL_TYPES: &str = "flag,count,price,ratio,day,at,instant,clock,key,note,doc\n\
    true,9223372036854775807,0.10,1.5e-3,2026-01-02,2026-01-02T03:04:05.25,2026-01-02T03:04:05+02:00,03:04:05.000001,\
    0194f1a2-7b3c-7d4e-8f50-112233445566,\"say \"\"hi\"\", <b>ok</b>\",\"{\"\"a\"\": [1.50]}\"\n\
    false,-1,-12345678901234.5,-2.5E+300,1899-12-31,2026-01-02 03:04,2026-01-02 03:04:05Z,23:59:59,\
    00000000-0000-0000-0000-000000000000,\"\",\"[1,\n 2]\"\n\
    ,,,,,,,,,,\n";

async fn bytes(path: &str) -> Bytes {
    let answer = shared().get(path).await;
    assert_eq!(answer.status(), 200, "{path}");
    answer.bytes().await.unwrap()
}

async fn parquet(name: &str) -> Vec<RecordBatch> {
    let bytes = bytes(&format!("/v1/tables/{name}/rows.parquet")).await;
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes).unwrap().build().unwrap();
    reader.map(Result::unwrap).collect()
}

async fn arrow(name: &str) -> Vec<RecordBatch> {
    let bytes = bytes(&format!("/v1/tables/{name}/rows.arrow")).await;
    StreamReader::try_new(Cursor::new(bytes), None).unwrap().map(Result::unwrap).collect()
}

async fn sheet(path: &str) -> Vec<Vec<Data>> {
    let mut book: Xlsx<_> = Xlsx::new(Cursor::new(bytes(path).await)).unwrap();
    let sheets = book.sheet_names();
    let range = book.worksheet_range(&sheets[0]).unwrap();
    range.rows().map(<[Data]>::to_vec).collect()
}

/// The physical table of the current version.
async fn physical(name: &str) -> String {
    let sql = format!(
        "select 'rows.t_' || replace(v.table_id::text, '-', '') from larder.versions v join larder.datasets d on d.id = v.dataset_id where d.name = '{name}'"
    );
    shared().column(&sql).await.pop().expect("a table")
}

#[tokio::test]
async fn parquet_and_arrow_keep_types_values_and_nulls() {
    put("f-types", ALL_TYPES).await;
    for batches in [parquet("f-types").await, arrow("f-types").await] {
        let [batch] = batches.as_slice() else { panic!("one batch") };
        let micros = TimeUnit::Microsecond;
        let schema = batch.schema();
        let types: Vec<_> = schema.fields().iter().map(|field| field.data_type().clone()).collect();
        assert_eq!(
            types,
            [
                DataType::Boolean,
                DataType::Int64,
                DataType::Decimal128(18, 2),
                DataType::Float64,
                DataType::Date32,
                DataType::Timestamp(micros, None),
                DataType::Timestamp(micros, Some("UTC".into())),
                DataType::Time64(micros),
                DataType::FixedSizeBinary(16),
                DataType::Utf8,
                DataType::Utf8,
            ]
        );
        let extension = |at: usize| schema.field(at).metadata().get("ARROW:extension:name").cloned();
        assert_eq!([extension(8), extension(10)].map(Option::unwrap), ["arrow.uuid", "arrow.json"]);
        assert!(batch.columns().iter().all(|column| column.len() == 3 && column.is_null(2)));
        let column = |at: usize| batch.column(at);
        assert!(column(0).as_boolean().value(0) && !column(0).as_boolean().value(1));
        assert_eq!(column(1).as_primitive::<Int64Type>().values()[..2], [i64::MAX, -1]);
        assert_eq!(column(2).as_primitive::<Decimal128Type>().values()[..2], [10, -1_234_567_890_123_450]);
        assert_eq!(column(3).as_primitive::<Float64Type>().values()[..2], [0.0015, -2.5e300]);
        assert_eq!(column(4).as_primitive::<Date32Type>().values()[..2], [20_455, -25_568]);
        let instant = 1_767_323_045_000_000;
        let values = |at: usize| column(at).as_primitive::<TimestampMicrosecondType>().values()[..2].to_vec();
        assert_eq!(values(5), [instant + 250_000, instant - 5_000_000]);
        assert_eq!(values(6), [instant - 7_200_000_000, instant]);
        assert_eq!(column(7).as_primitive::<Time64MicrosecondType>().values()[..2], [11_045_000_001, 86_399_000_000]);
        assert_eq!(column(8).as_fixed_size_binary().value(0)[..4], [0x01, 0x94, 0xf1, 0xa2]);
        let text = |at: usize, row: usize| column(at).as_string::<i32>().value(row).to_owned();
        assert_eq!((text(9, 0).as_str(), text(9, 1).as_str()), ("say \"hi\", <b>ok</b>", ""));
        assert_eq!((text(10, 0).as_str(), text(10, 1).as_str()), ("{\"a\": [1.50]}", "[1,\n 2]"));
    }
}

/// What binds no value comes by COPY, the rest by SELECT.
#[tokio::test]
async fn a_filter_that_all_rows_pass_changes_no_byte() {
    put("f-filtered", ALL_TYPES).await;
    for extension in ["csv", "tsv", "json", "ndjson", "html", "parquet", "arrow"] {
        let path = format!("/v1/tables/f-filtered/rows.{extension}");
        let filtered = format!("{path}?or=(count.is.null,count.lte.9223372036854775807)");
        assert_eq!(bytes(&path).await, bytes(&filtered).await, "{extension}");
        let none = ["flag=is.true&count=is.null", "count=lt.-1"].map(|filter| format!("{path}?{filter}"));
        assert_eq!(bytes(&none[0]).await, bytes(&none[1]).await, "{extension} of no rows");
    }
}

#[tokio::test]
async fn what_leaves_in_a_typed_format_comes_back_as_the_same_table() {
    let before = put("f-again", ALL_TYPES).await;
    let csv = rows("f-again", "csv").await;
    for extension in ["parquet", "arrow"] {
        let body = bytes(&format!("/v1/tables/f-again/rows.{extension}")).await;
        let name = format!("f-again-{extension}");
        let after = put(&format!("{name}?format={extension}"), body).await;
        assert_eq!(columns(&after), columns(&before), "{extension}");
        let scaled = csv.replace("-12345678901234.5,", "-12345678901234.50,");
        assert_eq!(rows(&name, "csv").await, scaled, "{extension}");
    }
    let body = bytes("/v1/tables/f-again/rows.tsv").await;
    let headers = [("content-type", "text/tab-separated-values")];
    assert_eq!(put_with("f-again-tsv", &headers, body.to_vec()).await.status(), 201);
    assert_eq!(rows("f-again-tsv", "csv").await, csv);
}

/// Values that no upload holds but a table of Postgres can.
const EXTREMES: &str = "insert into {table} (_row, c1, c2, c3, c4, c5, c6, c7, c8) values
    (1000001, 'infinity', 'infinity', 'infinity', '24:00', 'NaN', 'NaN', 0, null),
    (1000002, '-infinity', '-infinity', '-infinity', '00:00', 'Infinity', 'Infinity', 0, null),
    (1000003, '4714-11-24 BC', '4714-11-24 00:00:00 BC', '0001-12-31 23:59:59.999999 BC', '23:59:59.999999', '-Infinity', '-Infinity', -9223372036854775808, ''),
    (1000004, '5874897-12-31', '294276-12-31 23:59:59.999999', '294276-12-31 23:59:59.999999', '00:00:00.1', 1e131071, 1e15, 9223372036854775807, ' a'),
    (1000005, '9999-12-31', '10000-01-01', '0001-01-01', '12:00', 1e-16383, 1e-5, 10, 'b '),
    (1000006, '0001-01-01', '1999-12-31 23:59:59.999999', '1969-12-31 23:59:59.999999', '12:00:00.10', -0.00001000, -0.0, 100, E'\\\\.'),
    (1000007, '2000-02-29', '2000-01-01', '2000-01-01', '12:00', 10000, 5e-324, 1234567890123456789, 'é'),
    (1000008, '1900-02-28', '1900-03-01', '1600-02-29', '12:00', 123456789.0000100010, 1.7976931348623157e308, 99, null),
    (1000009, '2000-02-29', '2000-01-01', '2000-01-01', '12:00', 0.000, 123456789012345.6, 7, null),
    (1000010, '2000-02-29', '2000-01-01', '2000-01-01', '12:00', 100000000.5, 999999999999999.9, 7, null),
    (1000011, '2000-02-29', '2000-01-01', '2000-01-01', '12:00', 20000, 0.0001, 7, null),
    (1000012, '2000-02-29', '2000-01-01', '2000-01-01', '12:00', 20000, 100000000000000, 7, null)";

/// Columns: date, timestamp, timestamptz, time, numeric, double, bigint, text.
async fn put_extremes(name: &str) -> String {
    put(name, "d,t,z,c,n,f,i,s\n2026-01-02,2026-01-02 03:04,2026-01-02 03:04Z,03:04:05,1.5,1.5e-3,7,x\n").await;
    let table = physical(name).await;
    shared().sql(&EXTREMES.replace("{table}", &table)).await;
    shared()
        .sql(&format!(
            "select setseed(0.5); insert into {table} select 2000000 + n, date '2000-01-01' + (random() * 1e6 - 5e5)::int,
             timestamp '2000-01-01' + (random() - 0.5) * 400000 * interval '1 day',
             timestamptz '2000-01-01' + (random() - 0.5) * 400000 * interval '1 day',
             time '00:00' + random() * interval '1 day',
             ((random() - 0.5) * 10::numeric ^ (random() * 40)::int)::numeric(80, 12),
             (random() - 0.5) * 10::float8 ^ (random() * 600 - 300)::int,
             ((random() - 0.5) * 10::float8 ^ (random() * 18)::int)::bigint, 'x'
             from generate_series(1, 4000) as n"
        ))
        .await;
    // Where the shortest digits may lie halfway between two doubles, which Postgres takes for neither.
    shared()
        .sql(&format!(
            "select setseed(0.5); insert into {table} (_row, c6) select 3000000 + n, 2::float8 ^ (n - 500) from generate_series(1, 1000) as n
             union all select 4000000 + n, (2::float8 ^ 53 + 2 * n) * 2::float8 ^ (n % 90) from generate_series(1, 4000) as n
             union all select 5000000 + n, trunc(random() * 1e17) * 10::float8 ^ (n % 25) from generate_series(1, 4000) as n"
        ))
        .await;
    table
}

#[tokio::test]
async fn every_value_is_spelled_as_postgres_does() {
    let table = put_extremes("f-extremes").await;
    for (column, name) in (1..).zip(["d", "t", "z", "c", "n", "f", "i"]) {
        let wanted = shared().column(&format!("select c{column}::text from {table} order by _row")).await;
        let csv = shared().text(&format!("/v1/tables/f-extremes/rows.csv?select={name}")).await;
        let lines: Vec<_> = csv.lines().skip(1).collect();
        for (got, wanted) in lines.iter().zip(&wanted) {
            // A NULL alone is a text that is empty, lest the line be blank.
            assert_eq!(*got, if wanted == "NULL" { "\"\"" } else { wanted }, "column {name}");
        }
        assert_eq!(lines.len(), wanted.len());
    }
    let copied = shared().text("/v1/tables/f-extremes/rows.csv?select=i,s&limit=7").await;
    assert_eq!(copied, "i,s\n7,x\n0,\n0,\n-9223372036854775808,\"\"\n9223372036854775807, a\n10,b \n100,\"\\.\"\n");
}

#[tokio::test]
async fn a_column_that_no_type_of_arrow_holds_is_text_in_which_nothing_is_lost() {
    let table = put_extremes("f-beyond").await;
    let csv = rows("f-beyond", "csv").await;
    for batches in [parquet("f-beyond").await, arrow("f-beyond").await] {
        let types: Vec<_> = batches[0].schema().fields().iter().map(|field| field.data_type().clone()).collect();
        assert!(types[..5].iter().all(|data_type| *data_type == DataType::Utf8), "{types:?}");
        assert_eq!(types[5..7], [DataType::Float64, DataType::Int64]);
        let days = batches.iter().flat_map(|batch| batch.column(0).as_string::<i32>().iter().flatten());
        let wanted = csv.lines().skip(1).map(|line| line.split(',').next().unwrap()).filter(|day| !day.is_empty());
        assert!(days.eq(wanted));
    }
    // Without the values that are beyond, the columns have their types again: numbers of up to 38 digits, of up to 76, and days before the first year.
    shared().sql(&format!("delete from {table} where _row in (1000001, 1000002, 1000003, 1000004, 1000005)")).await;
    let batches = parquet("f-beyond").await;
    let types: Vec<_> = batches[0].schema().fields().iter().map(|field| field.data_type().clone()).collect();
    assert_eq!((&types[0], &types[3]), (&DataType::Date32, &DataType::Time64(TimeUnit::Microsecond)));
    assert!(matches!(types[4], DataType::Decimal256(76, 12)), "{types:?}");
    shared().sql(&format!("delete from {table} where abs(c5) > 1e20")).await;
    let batches = parquet("f-beyond").await;
    let prices = batches[0].column(4).as_primitive::<Decimal128Type>();
    assert_eq!((prices.precision(), prices.scale()), (38, 12));
    let wanted = shared()
        .column(&format!("select (c5 * 1e12)::numeric(60)::text from {table} where c5 is not null order by _row"))
        .await;
    let found: Vec<_> =
        batches.iter().flat_map(|batch| batch.column(4).as_primitive::<Decimal128Type>().iter().flatten()).collect();
    assert_eq!(found.len(), wanted.len());
    for (found, wanted) in found.iter().zip(&wanted) {
        assert_eq!(found.to_string(), *wanted);
    }
}

#[tokio::test]
async fn a_workbook_has_dates_numbers_and_texts_and_rounds_nothing() {
    put("f-sheet", ALL_TYPES).await;
    let rows = sheet("/v1/tables/f-sheet/rows.xlsx").await;
    assert_eq!(rows[0][..3], ["flag", "count", "price"].map(|name| Data::String(name.to_owned())));
    let text = |text: &str| Data::String(text.to_owned());
    let first = &rows[1];
    assert_eq!(first[..4], [Data::Bool(true), text("9223372036854775807"), Data::Float(0.1), Data::Float(0.0015)]);
    let serial = |data: &Data| match data {
        Data::DateTime(value) => value.as_f64(),
        other => panic!("{other:?} is no date"),
    };
    assert!((serial(&first[4]) - 46_024.0).abs() < 1e-9);
    assert!((serial(&first[5]) - (46_024.0 + 11_045.25 / 86_400.0)).abs() < 1e-10);
    assert!((serial(&first[6]) - (46_024.0 + 3_845.0 / 86_400.0)).abs() < 1e-10);
    assert_eq!(first[8], text("0194f1a2-7b3c-7d4e-8f50-112233445566"));
    assert_eq!(first[9..], [text("say \"hi\", <b>ok</b>"), text("{\"a\": [1.50]}")]);
    // A day before Excel's calendar is text; NULL is an empty cell, and an empty text is none.
    assert_eq!((&rows[2][4], &rows[2][9]), (&text("1899-12-31"), &text("")));
    assert_eq!(rows[2][2], Data::Float(-12_345_678_901_234.5));
    assert!(rows.get(3).is_none_or(|row| row.iter().all(|cell| *cell == Data::Empty)));

    let table = put_extremes("f-sheet-extremes").await;
    problem(shared().get("/v1/tables/f-sheet-extremes/rows.xlsx").await, 422, "does-not-fit").await;
    shared().sql(&format!("delete from {table} where c5 = 1e131071")).await;
    let rows = sheet("/v1/tables/f-sheet-extremes/rows.xlsx").await;
    let csv = shared().text("/v1/tables/f-sheet-extremes/rows.csv?select=n").await;
    for (line, row) in csv.lines().zip(&rows).skip(1) {
        match &row[4] {
            Data::String(text) => assert_eq!(text, line),
            Data::Float(value) => {
                let plain = if line.contains('.') { line.trim_end_matches('0').trim_end_matches('.') } else { line };
                assert_eq!(format!("{value}"), plain);
            }
            Data::Empty => assert_eq!(line, "\"\""),
            other => panic!("{other:?} for {line}"),
        }
    }
    assert_eq!(rows[2][0], text("infinity"));
}

#[tokio::test]
async fn what_a_workbook_cannot_hold_is_a_problem_before_the_first_byte() {
    put("f-long", format!("a,b\n1,{}\n", "é".repeat(32_767))).await;
    assert_eq!(sheet("/v1/tables/f-long/rows.xlsx").await.len(), 2);
    put("f-long", format!("a,b\n1,{}\n", "é".repeat(32_768))).await;
    let problem = problem(shared().get("/v1/tables/f-long/rows.xlsx").await, 422, "does-not-fit").await;
    assert!(problem["detail"].as_str().unwrap().contains("`b`"), "{problem}");
    assert_eq!(sheet("/v1/tables/f-long/rows.xlsx?select=a").await.len(), 2);
}

#[tokio::test]
async fn options_belong_to_formats_and_change_the_etag() {
    put("f-options", "n,t,u\n9007199254740993,=1+1,-x\n-1,plain,\n").await;
    let get = |query: &'static str| async move { shared().text(&format!("/v1/tables/f-options/{query}")).await };
    assert_eq!(get("rows.csv?excel=true").await, "\u{feff}n,t,u\n9007199254740993,=1+1,-x\n-1,plain,\n");
    assert_eq!(get("rows.csv?formulas=escape").await, "n,t,u\n9007199254740993,'=1+1,'-x\n-1,plain,\n");
    assert_eq!(get("rows.tsv?formulas=escape").await, "n\tt\tu\n9007199254740993\t'=1+1\t'-x\n-1\tplain\t\n");
    assert_eq!(
        get("rows.ndjson?bigint=string").await,
        "{\"n\":\"9007199254740993\",\"t\":\"=1+1\",\"u\":\"-x\"}\n{\"n\":\"-1\",\"t\":\"plain\",\"u\":null}\n"
    );
    assert_eq!(get("rows.ndjson?bigint=number&limit=1&select=n").await, "{\"n\":9007199254740993}\n");
    for (query, parameter) in [
        ("rows.json?excel=true", "excel"),
        ("rows.csv?bigint=string", "bigint"),
        ("rows.parquet?formulas=escape", "formulas"),
        ("rows.csv?excel=yes", "excel"),
        ("rows.json?bigint=text", "bigint"),
    ] {
        let problem = problem(shared().get(&format!("/v1/tables/f-options/{query}")).await, 400, "bad-request").await;
        assert_eq!(problem["parameter"], parameter, "{query}");
    }
    let mut etags = Vec::new();
    for query in ["csv", "csv?excel=true", "csv?formulas=escape", "tsv", "parquet", "arrow", "xlsx", "html"] {
        let answer = shared().get(&format!("/v1/tables/f-options/rows.{query}")).await;
        etags.push(answer.headers()["etag"].to_str().unwrap().to_owned());
    }
    etags.sort();
    etags.dedup();
    assert_eq!(etags.len(), 8);
}

#[tokio::test]
async fn a_page_of_html_shows_every_text_and_runs_none() {
    put("f-html", "a,<b>\n1,<script>alert(1)</script>&amp;\n,\"\"\n").await;
    let answer = shared().get("/v1/tables/f-html/rows.html").await;
    assert_eq!(answer.headers()["content-type"], "text/html; charset=utf-8");
    assert!(answer.headers()["content-disposition"].to_str().unwrap().starts_with("inline"));
    let policy = answer.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.starts_with("sandbox;") && !policy.contains("allow-"), "{policy}");
    assert_eq!(answer.headers()["x-content-type-options"], "nosniff");
    let page = answer.text().await.unwrap();
    let table = page.split_once("<table>").unwrap().1;
    assert!(page.starts_with("<!doctype html>") && page.ends_with("</html>\n"));
    insta::assert_snapshot!(table, @r#"
    <caption>f-html</caption>
    <thead>
    <tr><th scope="col">a</th><th scope="col">&lt;b&gt;</th></tr>
    </thead>
    <tbody>
    <tr><td class="n">1</td><td>&lt;script&gt;alert(1)&lt;/script&gt;&amp;amp;</td></tr>
    <tr><td class="null"></td><td></td></tr>
    </tbody>
    </table>
    </body>
    </html>
    "#);
}

#[tokio::test]
async fn many_rows_leave_in_batches() {
    put("f-many", "a,s\n1,x\n").await;
    let table = physical("f-many").await;
    shared()
        .sql(&format!("insert into {table} select n, n, repeat('x', n % 50) from generate_series(2, 150000) n"))
        .await;
    for batches in [parquet("f-many").await, arrow("f-many").await] {
        let values = batches.iter().flat_map(|batch| batch.column(0).as_primitive::<Int64Type>().values().to_vec());
        assert!(values.eq(1..=150_000));
    }
    let rows = sheet("/v1/tables/f-many/rows.xlsx?select=a&limit=20000&offset=5").await;
    assert_eq!((rows.len(), &rows[1][0], &rows[20_000][0]), (20_001, &Data::Float(6.0), &Data::Float(20_005.0)));
    let page = shared().get("/v1/tables/f-many/rows.parquet?limit=10&order=a.desc").await;
    assert!(page.headers()["link"].to_str().unwrap().contains("rel=\"next\""));
    let batch = ParquetRecordBatchReaderBuilder::try_new(page.bytes().await.unwrap()).unwrap().build().unwrap();
    assert_eq!(batch.map(|batch| batch.unwrap().num_rows()).sum::<usize>(), 10);
}
