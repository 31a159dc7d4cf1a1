//! Cells of every type, at the ends of what Postgres holds, come out as Postgres itself writes them.

use super::{cursors::Walk, physical_table, typed_table};
use crate::{support::shared, table_properties::runner};
use proptest::{collection::vec, prelude::*, strategy::ValueTree};
use serde_json::value::RawValue;
use sqlx::{AssertSqlSafe, Row};
use std::collections::BTreeMap;

const COLUMNS: [(&str, &str); 11] = [
    ("flag", "boolean"),
    ("count", "bigint"),
    ("price", "numeric"),
    ("ratio", "double"),
    ("day", "date"),
    ("clock", "time"),
    ("at", "timestamp"),
    ("instant", "timestamptz"),
    ("key", "uuid"),
    ("note", "text"),
    ("doc", "json"),
];
const ROWS: usize = 400;

/// Expressions of SQL for values of a type: those at its ends, and others of chance.
fn expression(column_type: &str) -> BoxedStrategy<String> {
    let ends = |texts: &[&str]| prop::sample::select(texts.iter().map(|text| format!("'{text}'")).collect::<Vec<_>>());
    // Whole seconds and microseconds, since an interval is multiplied by a double.
    let moment = |kind: &'static str, first: i64| {
        (first..9_223_370_000_000, 0..1_000_000_i64).prop_map(move |(seconds, micros)| {
            format!("{kind} '2000-01-01' + {seconds} * interval '1 second' + {micros} * interval '1 microsecond'")
        })
    };
    let moments = [
        "infinity",
        "-infinity",
        "4714-11-24 00:00:00 BC",
        "0001-01-01 00:00:00 BC",
        "0001-12-31 23:59:59.999999 BC",
        "0001-01-01",
        "1969-12-31 23:59:59.9",
        "9999-12-31 23:59:59.999999",
        "10000-01-01",
        "294276-12-31 23:59:59.999999",
    ];
    match column_type {
        "boolean" => any::<bool>().prop_map(|value| value.to_string()).boxed(),
        "bigint" => prop_oneof![ends(&["-9223372036854775808", "9223372036854775807", "0", "-1", "99", "100"]), any::<i64>().prop_map(|n| format!("'{n}'"))].boxed(),
        "numeric" => prop_oneof![1 => numeric_ends(), 2 => numeric("[0-9]{1,60}", "[0-9]{0,60}"), 1 => numeric("0", "0{0,40}[0-9]{1,9}")].boxed(),
        "double" => prop_oneof![
            ends(&["NaN", "Infinity", "-Infinity", "0", "-0", "4.9e-324", "2.2250738585072014e-308", "2.225073858507201e-308", "1.7976931348623157e308", "1e22", "1e23", "9007199254740993", "123456789012345680", "1e15", "1e-5", "0.0001", "5e-324"]),
            any::<u64>().prop_map(|bits| double(f64::from_bits(bits))),
            // Where what lies halfway between two doubles may have few digits.
            (1075..1165_u64, any::<u64>()).prop_map(|(exponent, bits)| double(f64::from_bits((exponent << 52) | (bits >> 12)))),
            (-1_000_000..1_000_000_i64, 0..8).prop_map(|(units, scale)| format!("'{units}e-{scale}'")),
        ].boxed(),
        "date" => prop_oneof![
            ends(&["infinity", "-infinity", "4714-11-24 BC", "0001-01-01 BC", "0001-12-31 BC", "0001-01-01", "1969-12-31", "9999-12-31", "10000-01-01", "5874897-12-31", "2024-02-29", "1900-02-28"]),
            (-2_451_545..2_145_031_949_i64).prop_map(|days| format!("date '2000-01-01' + {days}")),
            (-800_000..40_000_i64).prop_map(|days| format!("date '2000-01-01' + {days}")),
        ].boxed(),
        "time" => prop_oneof![
            ends(&["00:00:00", "24:00:00", "23:59:59.999999", "00:00:00.000001", "12:30:00.5"]),
            (0..86_400_000_000_i64).prop_map(|micros| format!("time '00:00' + {micros} * interval '1 microsecond'")),
        ].boxed(),
        "timestamp" => prop_oneof![ends(&moments), moment("timestamp", -211_810_000_000), moment("timestamp", 800_000_000)].boxed(),
        "timestamptz" => prop_oneof![ends(&moments.map(|text| if text.ends_with("BC") { text.replace(" BC", "+00 BC") } else if text.contains("infinity") { text.to_owned() } else { format!("{text} UTC") }).each_ref().map(String::as_str)), moment("timestamptz", -211_810_000_000)].boxed(),
        "uuid" => any::<u128>().prop_map(|bits| format!("'{}'", uuid::Uuid::from_u128(bits))).boxed(),
        "json" => prop_oneof![
            ends(&["null", "\"\"", "{}", "[]", " [ 1 ,\n 2 ]\r\n", "{\"a\": 1, \"a\": 2}", "1e400", "-0.0", "\"\\u0000\"", "{\"é\":\"\\ud83d\\ude00\",\"b\":[true,null]}"]),
            text().prop_map(|text| quoted(&serde_json::to_string(&text).expect("JSON"))),
        ].boxed(),
        _ => prop_oneof![
            ends(&["", "\"", "\"\"\"", "''", ",", "\n", "\r\n", "\r", "\\.", "\\N", " ", "\t", "NULL", "=1+1", "\u{feff}", "\u{1}\u{7f}", "\u{2028}", "😀"]),
            text().prop_map(|text| quoted(&text)),
        ].boxed(),
    }
}

fn numeric_ends() -> BoxedStrategy<String> {
    let long = |text: String| format!("'{text}'");
    prop::sample::select(vec![
        long("NaN".to_owned()),
        long("0".to_owned()),
        long("0.000".to_owned()),
        long("-0.00".to_owned()),
        long("9".repeat(1000)),
        long(format!("-1{}", "0".repeat(999))),
        long(format!("0.{}1", "0".repeat(999))),
        long(format!("{}.{}", "12345".repeat(200), "67890".repeat(200))),
        long(format!("1{}", "0".repeat(4000))),
        long(format!("-0.{}7", "0".repeat(5000))),
        long("10000".to_owned()),
        long("9999.9999".to_owned()),
        long("0.00010000".to_owned()),
        long("100000000.000000010".to_owned()),
    ])
    .boxed()
}

fn numeric(whole: &'static str, part: &'static str) -> BoxedStrategy<String> {
    (any::<bool>(), whole, part)
        .prop_map(|(negative, whole, part)| format!("'{}{whole}.{part}'", if negative { "-" } else { "" }))
        .boxed()
}

fn double(value: f64) -> String {
    match value {
        value if value.is_nan() => "'NaN'".to_owned(),
        value if value.is_infinite() => "'Infinity'".to_owned(),
        value => format!("'{value:e}'"),
    }
}

fn text() -> impl Strategy<Value = String> {
    let special = prop::sample::select("\",\n\r\t\\'=; ".chars().collect::<Vec<_>>());
    vec(prop_oneof![special, any::<char>()], 0..12).prop_map(|chars| chars.into_iter().filter(|c| *c != '\0').collect())
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A table of such cells, a NULL here and there, and what Postgres writes for them.
async fn table(name: &str) -> Vec<Vec<Option<String>>> {
    let table = typed_table(name, &COLUMNS).await;
    let row: Vec<_> =
        COLUMNS.iter().map(|(_, column_type)| prop::option::weighted(0.95, expression(column_type))).collect();
    let rows = vec(row, ROWS).new_tree(&mut runner(1)).expect("rows").current();
    let values = |(number, row): (usize, &Vec<Option<String>>)| {
        let cells: Vec<_> = row.iter().map(|cell| cell.clone().unwrap_or_else(|| "null".to_owned())).collect();
        format!("({number}, {})", cells.join(", "))
    };
    // A statement for each, so that a literal has the type of its column.
    let insert = |row| format!("insert into {table} values {}", values(row));
    shared().sql(&rows.iter().enumerate().map(insert).collect::<Vec<_>>().join("; ")).await;
    let mut database = shared().database().await;
    sqlx::raw_sql("set timezone to 'UTC'").execute(&mut database).await.expect("SQL");
    let texts: Vec<_> = (1..=COLUMNS.len()).map(|n| format!("c{n}::text")).collect();
    let query = format!("select {} from {table} order by _row", texts.join(", "));
    let found = sqlx::query(AssertSqlSafe(query)).fetch_all(&mut database).await.expect("SQL");
    found.iter().map(|row| (0..COLUMNS.len()).map(|at| row.get(at)).collect()).collect()
}

/// The fields of CSV; nothing at all is NULL.
fn csv(text: &str) -> Vec<Vec<Option<String>>> {
    let (mut rows, mut row, mut rest) = (Vec::new(), Vec::new(), text);
    while !rest.is_empty() {
        let field = match rest.strip_prefix('"') {
            None => {
                let (field, after) = rest.split_at(rest.find([',', '\n']).expect("an end"));
                rest = after;
                (!field.is_empty()).then(|| field.to_owned())
            }
            Some(mut inner) => {
                let mut field = String::new();
                loop {
                    let (before, after) = inner.split_once('"').expect("a closing quote");
                    field.push_str(before);
                    match after.strip_prefix('"') {
                        Some(after) => inner = after,
                        None => {
                            rest = after;
                            break Some(field);
                        }
                    }
                    field.push('"');
                }
            }
        };
        row.push(field);
        match rest.strip_prefix(',') {
            Some(after) => rest = after,
            None => {
                rest = rest.strip_prefix('\n').expect("the end of a row");
                rows.push(std::mem::take(&mut row));
            }
        }
    }
    rows
}

/// What stands in JSON for a value that Postgres writes so.
fn as_json(column_type: &str, text: &str) -> String {
    let string = |text: &str| serde_json::to_string(text).expect("JSON");
    match column_type {
        "boolean" | "bigint" => text.to_owned(),
        "numeric" | "double" if text.ends_with("NaN") || text.ends_with("Infinity") => "null".to_owned(),
        "numeric" | "double" => text.to_owned(),
        "json" => text.replace(['\n', '\r'], " ").trim().to_owned(),
        "date" | "timestamp" | "timestamptz" => {
            let (moment, christ) = text.strip_suffix(" BC").map_or((text, false), |moment| (moment, true));
            let moment = moment.strip_suffix("+00").map_or(moment.to_owned(), |moment| format!("{moment}+00:00"));
            let moment = moment.replacen(' ', "T", 1);
            match moment.split_once('-') {
                // The year before 1 is 0, which RFC 3339 has and Postgres has not.
                Some((year, rest)) if christ => {
                    let year = year.parse::<i64>().expect("a year") - 1;
                    string(&format!("{}{year:04}-{rest}", if year > 0 { "-" } else { "" }))
                }
                _ => string(&moment),
            }
        }
        _ => string(text),
    }
}

#[tokio::test]
async fn cells_come_out_as_postgres_writes_them() {
    let expected = table("grammar-cells").await;
    let body = shared().text("/v1/tables/grammar-cells/rows.csv").await;
    let found = csv(&body);
    let names: Vec<_> = COLUMNS.map(|(name, _)| Some(name.to_owned())).to_vec();
    assert_eq!((found.len(), &found[0]), (ROWS + 1, &names));
    for (number, (found, expected)) in found[1..].iter().zip(&expected).enumerate() {
        for ((found, expected), (name, _)) in found.iter().zip(expected).zip(COLUMNS) {
            assert_eq!(found, expected, "{name} of row {number}");
        }
    }

    let body = shared().text("/v1/tables/grammar-cells/rows.ndjson").await;
    assert_eq!(body.lines().count(), ROWS);
    for (number, (line, expected)) in body.lines().zip(&expected).enumerate() {
        let found: BTreeMap<String, Box<RawValue>> = serde_json::from_str(line).expect("JSON");
        for ((name, column_type), expected) in COLUMNS.iter().zip(expected) {
            let expected = expected.as_deref().map_or("null".to_owned(), |text| as_json(column_type, text));
            let found = found[*name].get();
            let same = match *column_type {
                "text" => {
                    serde_json::from_str::<Option<String>>(found).expect("a text")
                        == serde_json::from_str(&expected).expect("a text")
                }
                _ => found == expected,
            };
            assert!(same, "{name} of row {number}: {found}, not {expected}");
        }
    }
}

#[tokio::test]
async fn pages_in_the_order_of_any_type_are_the_rows_in_postgres_order() {
    table("grammar-orders").await;
    let table = physical_table("grammar-orders").await;
    for (at, (name, column_type)) in (1..).zip(COLUMNS) {
        if column_type == "json" {
            continue;
        }
        for (order, sql) in
            [("", ""), (".desc", " desc"), (".nullsfirst", " nulls first"), (".desc.nullslast", " desc nulls last")]
        {
            let wanted = shared()
                .column(&format!("select coalesce(c9::text, 'null') from {table} order by c{at}{sql}, _row"))
                .await;
            let path = format!("/v1/tables/grammar-orders/rows.ndjson?select=key&order={name}{order}&limit=67");
            let mut walk = Walk::new(path);
            let mut found = Vec::new();
            while let Some(body) = walk.page().await {
                let keys = body.lines().map(|line| line.trim_start_matches("{\"key\":").trim_end_matches('}'));
                found.extend(keys.map(|key| key.trim_matches('"').to_owned()));
            }
            assert!(found == wanted, "order={name}{order}");
        }
    }
}
