//! Tables over HTTP: what goes in comes out, in every format.

mod appends;
mod broken_appends;
mod changes;
mod changes_back;
mod changes_races;
mod formats;
mod habits;
mod keys;
mod patches;
mod queries;
mod recent;
mod search;
mod search_indexes;
mod stats;
mod told;
mod uploads;
mod versions;
mod waiting;

use crate::support::{bzip2, gzip, json, problem, shared, xz, zstd};
use reqwest::{Method, Response};
use serde_json::{Value, json};

async fn put(name: &str, body: impl Into<reqwest::Body>) -> Value {
    let response = shared().put(&format!("/v1/tables/{name}"), body).await;
    let status = response.status().as_u16();
    assert!(matches!(status, 200 | 201), "{name}: {}", response.text().await.expect("a body"));
    response.json().await.expect("JSON")
}

async fn put_with(name: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Response {
    let request = shared().request(Method::PUT, &format!("/v1/tables/{name}"));
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    request.body(body).send().await.expect("an answer")
}

async fn rows(name: &str, extension: &str) -> String {
    shared().text(&format!("/v1/tables/{name}/rows.{extension}")).await
}

/// `name:type` of each column.
fn columns(descriptor: &Value) -> Vec<String> {
    let columns = descriptor["columns"].as_array().expect("columns").iter();
    columns.map(|column| format!("{}:{}", column["name"].as_str().unwrap(), column["type"].as_str().unwrap())).collect()
}

const ALL_TYPES: &str = "flag,count,price,ratio,day,at,instant,note,doc\n\
    true,9223372036854775807,0.10,1.5e-3,2026-01-02,2026-01-02T03:04:05.25,2026-01-02T03:04:05+02:00,\"say \"\"hi\"\", ok\",\"{\"\"a\"\": [1.50]}\"\n\
    false,-1,12345678901234567890.5,-2.5E+300,1999-12-31,2026-01-02 03:04,2026-01-02 03:04:05Z,\"\",\"[1,\n 2]\"\n\
    ,,,,,,,,\n";

#[tokio::test]
async fn every_type_comes_out_as_csv_json_and_ndjson_with_all_its_digits() {
    let table = put("t-types", ALL_TYPES).await;
    let types = "flag:boolean count:bigint price:numeric ratio:double day:date at:timestamp instant:timestamptz note:text doc:json";
    assert_eq!(columns(&table).join(" "), types);
    insta::assert_snapshot!(rows("t-types", "csv").await, @r#"
    flag,count,price,ratio,day,at,instant,note,doc
    true,9223372036854775807,0.10,0.0015,2026-01-02,2026-01-02 03:04:05.25,2026-01-02 01:04:05+00,"say ""hi"", ok","{""a"": [1.50]}"
    false,-1,12345678901234567890.5,-2.5e+300,1999-12-31,2026-01-02 03:04:00,2026-01-02 03:04:05+00,"","[1,
     2]"
    ,,,,,,,,
    "#);
    insta::assert_snapshot!(rows("t-types", "ndjson").await, @r#"
    {"flag":true,"count":9223372036854775807,"price":0.10,"ratio":0.0015,"day":"2026-01-02","at":"2026-01-02T03:04:05.25","instant":"2026-01-02T01:04:05+00:00","note":"say \"hi\", ok","doc":{"a": [1.50]}}
    {"flag":false,"count":-1,"price":12345678901234567890.5,"ratio":-2.5e+300,"day":"1999-12-31","at":"2026-01-02T03:04:00","instant":"2026-01-02T03:04:05+00:00","note":"","doc":[1,  2]}
    {"flag":null,"count":null,"price":null,"ratio":null,"day":null,"at":null,"instant":null,"note":null,"doc":null}
    "#);
    let lines = rows("t-types", "ndjson").await;
    assert_eq!(rows("t-types", "json").await, format!("[\n{}\n]\n", lines.trim_end().replace('\n', ",\n")));
}

#[tokio::test]
async fn what_comes_out_goes_in_again_as_the_same_table() {
    let first = columns(&put("t-again", ALL_TYPES).await);
    let (csv, lines) = (rows("t-again", "csv").await, rows("t-again", "ndjson").await);
    for extension in ["csv", "json", "ndjson"] {
        let copy = put(&format!("t-again-{extension}"), rows("t-again", extension).await).await;
        assert_eq!(columns(&copy), first, "{extension}");
        assert_eq!(rows(&format!("t-again-{extension}"), "ndjson").await, lines, "{extension}");
        if extension == "csv" {
            assert_eq!(rows("t-again-csv", "csv").await, csv);
        }
    }
}

#[tokio::test]
async fn postgres_holds_the_very_digits_of_the_file() {
    put("t-digits", "n\n0.10\n-1.00000000000000000000000000000000000000000001\n100\n0.5\n").await;
    let larder = shared();
    let table = larder
        .column("select table_id from larder.datasets d join larder.versions v on v.id = d.current where d.name = 't-digits'")
        .await;
    let texts =
        larder.column(&format!("select c1 from rows.t_{} order by _row", table.join("").replace('-', ""))).await;
    assert_eq!(texts, ["0.10", "-1.00000000000000000000000000000000000000000001", "100", "0.5"]);

    // Beyond a double, but not beyond `numeric`; a code that looks like a number stays text; JSON says what is a number.
    assert_eq!(columns(&put("t-large-1", "n\n1.5e400\n").await), ["n:numeric"]);
    assert_eq!(rows("t-large-1", "ndjson").await, format!("{{\"n\":15{}}}\n", "0".repeat(399)));
    assert_eq!(columns(&put("t-large-2", "n\n1e400\n").await), ["n:text"]);
    assert_eq!(columns(&put("t-large-3", "{\"n\":1e200000}").await), ["n:json"]);
    assert_eq!(rows("t-large-3", "ndjson").await, "{\"n\":1e200000}\n");
    assert_eq!(columns(&put("t-codes", "zip,id\n01234,123456789012345678901\n").await), ["zip:text", "id:text"]);
}

#[tokio::test]
async fn null_and_the_empty_string_stay_apart() {
    put("t-null", "a,b\n,\"\"\n\"\",\nx,y\n").await;
    assert_eq!(rows("t-null", "csv").await, "a,b\n,\"\"\n\"\",\nx,y\n");
    assert_eq!(
        rows("t-null", "ndjson").await,
        "{\"a\":null,\"b\":\"\"}\n{\"a\":\"\",\"b\":null}\n{\"a\":\"x\",\"b\":\"y\"}\n"
    );
}

#[tokio::test]
async fn byte_order_marks_line_ends_and_escapes_are_no_part_of_the_values() {
    put("t-bom", "\u{feff}a,b\r\n1,\"x\r\ny\"\r\n2,\\N\r\n\r\n3,a\\tb\r\n").await;
    assert_eq!(
        rows("t-bom", "ndjson").await,
        "{\"a\":1,\"b\":\"x\\r\\ny\"}\n{\"a\":2,\"b\":null}\n{\"a\":3,\"b\":\"a\\\\tb\"}\n"
    );
    assert_eq!(rows("t-bom", "csv").await, "a,b\n1,\"x\r\ny\"\n2,\n3,a\\tb\n");
    put("t-bom-json", "\u{feff}[{\"a\":1}]").await;
    assert_eq!(rows("t-bom-json", "csv").await, "a\n1\n");
    put("t-end-of-copy", "a\n\\.\n\"\\.\"\nlast\n").await;
    assert_eq!(rows("t-end-of-copy", "json").await, "[\n{\"a\":\"\\\\.\"},\n{\"a\":\"\\\\.\"},\n{\"a\":\"last\"}\n]\n");
}

#[tokio::test]
async fn the_format_is_told_by_type_or_parameter_or_seen_in_the_content() {
    for (name, body, format) in [
        ("csv", "a,b\n1,2\n", "csv"),
        ("tsv", "a\tb\n1\t2\n", "tsv"),
        ("ndjson", "{\"a\":1,\"b\":2}\n", "ndjson"),
        ("json", " [{\"a\":1,\"b\":2}]", "json"),
    ] {
        let table = put(&format!("t-seen-{name}"), body).await;
        assert_eq!(table["ingest"]["format"], format);
        assert_eq!(rows(&format!("t-seen-{name}"), "csv").await, "a,b\n1,2\n");
    }
    let types = ["text/csv", "text/tab-separated-values", "application/x-ndjson", "application/json"];
    for (name, content_type) in ["csv", "tsv", "ndjson", "json"].into_iter().zip(types) {
        // The content type of an upload that names none is that of the format found.
        let table = json(shared().get(&format!("/v1/tables/t-seen-{name}")).await, 200).await;
        assert_eq!(table["content_type"], content_type);
    }
    // The name says how the fields are told apart where the content leaves it open; it does not make one column of several.
    let type_told = [("content-type", "text/tab-separated-values")];
    for (name, body, expected) in
        [("open", "a\tb,c\n1\t2,5\n", ["a:bigint", "b,c:numeric"]), ("wrong", "a,b\nx,2\n", ["a:text", "b:bigint"])]
    {
        let told = put_with(&format!("t-told-{name}"), &type_told, body.as_bytes().to_vec()).await;
        assert_eq!(columns(&json(told, 201).await), expected);
        assert_eq!(columns(&put(&format!("t-parameter-{name}?format=tsv"), body).await), expected);
    }
    let problem = problem(shared().put("/v1/tables/t-parameter?format=xml", "a").await, 400, "bad-request").await;
    assert_eq!(problem["parameter"], "format");
}

#[tokio::test]
async fn compressed_files_are_read_and_their_raw_stays_as_it_came() {
    let plain = b"a,b\n1,x\n".to_vec();
    let (gz, zst) = (gzip(&plain).await, zstd(&plain).await);
    let (twice, bz2, xz) = (gzip(&gz).await, bzip2(&plain).await, xz(&plain).await);
    for (name, encoding, body) in [
        ("t-gz", None, &gz),
        ("t-zst", None, &zst),
        ("t-bz2", None, &bz2),
        ("t-xz", None, &xz),
        ("t-gz-encoded", Some("gzip"), &gz),
        ("t-zst-encoded", Some("zstd"), &zst),
        ("t-gz-twice", Some("GZIP"), &twice),
    ] {
        let headers: Vec<_> = encoding.map(|encoding| ("content-encoding", encoding)).into_iter().collect();
        json(put_with(name, &headers, body.clone()).await, 201).await;
        assert_eq!(rows(name, "csv").await, "a,b\n1,x\n", "{name}");
        let raw = shared().get(&format!("/v1/tables/{name}/raw")).await;
        let sent = raw.headers().get("content-encoding").map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(sent, encoding.map(str::to_lowercase), "{name}");
        assert_eq!(raw.bytes().await.unwrap(), *body, "{name}");
    }
    let smart = json(shared().put("/t-smart.tsv.gz", gzip(b"a\tb\n1\tx\n").await).await, 201).await;
    assert_eq!((smart["name"].as_str(), smart["ingest"]["format"].as_str()), (Some("t-smart"), Some("tsv")));
    problem(put_with("t-br", &[("content-encoding", "br")], gz).await, 415, "unsupported-media-type").await;
}

#[tokio::test]
async fn names_of_columns_are_any_text() {
    let long = "x".repeat(300);
    let names =
        ["\"; drop table larder.datasets; --", "a\"b", "größe 数", "select", long.as_str(), "c1", "", " b ", "a,b\n"];
    let header: Vec<_> = names.iter().map(|name| format!("\"{}\"", name.replace('"', "\"\""))).collect();
    let table = put("t-names", format!("{}\n1,2,3,4,5,6,7,8,9\n", header.join(","))).await;
    let found: Vec<_> = table["columns"].as_array().unwrap().iter().map(|column| column["name"].clone()).collect();
    let expected: Vec<_> = names.map(|name| if name.is_empty() { "column_7" } else { name }).to_vec();
    assert_eq!(json!(found), json!(expected));
    let row: Value = serde_json::from_str(&rows("t-names", "ndjson").await).unwrap();
    assert_eq!(row.as_object().unwrap().keys().collect::<Vec<_>>(), expected);
    put("t-names-again", rows("t-names", "csv").await).await;
    assert_eq!(rows("t-names-again", "ndjson").await, rows("t-names", "ndjson").await);
    assert_eq!(shared().column("select count(*) > 0 from larder.datasets").await, ["true"]);
}

#[tokio::test]
async fn a_table_has_up_to_1599_columns() {
    let header = |columns: usize| (1..=columns).map(|n| format!("c{n}")).collect::<Vec<_>>().join(",");
    let wide = format!("{}\n{}\n", header(1599), vec!["t"; 1599].join(","));
    put("t-wide", wide.clone()).await;
    assert_eq!(rows("t-wide", "csv").await, wide);
    let refused = shared().put("/v1/tables/t-wide", format!("{}\n", header(1600))).await;
    let refused = problem(refused, 413, "too-many-columns").await;
    assert_eq!((refused["limit"].as_u64(), refused["setting"].as_str()), (Some(1599), Some("LARDER_COLUMNS_MAX")));
    assert_eq!(rows("t-wide", "csv").await, wide);
}

#[tokio::test]
async fn a_row_that_postgres_cannot_hold_is_the_files_fault() {
    let names: Vec<_> = (1..=1599).map(|n| format!("c{n}")).collect();
    let file = format!("{}\n{}\n", names.join(","), vec!["12345678"; 1599].join(","));
    let refused = problem(shared().put("/v1/tables/t-fat", file).await, 422, "row-too-wide").await;
    assert_eq!(refused["line"], 2);
    // As many numbers as fit exactly are stored, and one more is not.
    let wide = |columns: usize| {
        let names: Vec<_> = (1..=columns).map(|n| format!("c{n}")).collect();
        format!("{}\n{}\n", names.join(","), vec!["12345678"; columns].join(","))
    };
    put("t-widest", wide(1016)).await;
    problem(shared().put("/v1/tables/t-wider", wide(1017)).await, 422, "row-too-wide").await;
    problem(shared().get("/v1/tables/t-fat").await, 404, "not-found").await;
    put("t-fat", "a\n1\n").await;
    assert_eq!(rows("t-fat", "csv").await, "a\n1\n");
}

#[tokio::test]
async fn tables_without_rows_are_tables() {
    let table = put("t-empty", "a,b\n").await;
    assert_eq!((table["rows"].as_u64(), columns(&table)), (Some(0), vec!["a:text".to_owned(), "b:text".to_owned()]));
    assert_eq!(rows("t-empty", "csv").await, "a,b\n");
    assert_eq!(rows("t-empty", "ndjson").await, "");
    assert_eq!(rows("t-empty", "json").await, "[\n]\n");
    for nothing in ["", "[]", "[{}]", "{}"] {
        problem(shared().put("/v1/tables/t-nothing", nothing).await, 422, "malformed").await;
    }
    problem(shared().get("/v1/tables/t-nothing").await, 404, "not-found").await;
}
