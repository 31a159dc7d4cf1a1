//! Statistics: what columns hold, of all rows or of a sample.

use super::{columns, put};
use crate::support::{Service, json, problem, shared};
use reqwest::{Method, Response};
use serde_json::{Value, json};

async fn stats(name: &str) -> Value {
    json(shared().get(&format!("/v1/tables/{name}/stats")).await, 200).await
}

/// The statistics of the first column of a table of these values; an empty one is NULL.
async fn column(name: &str, values: &[&str]) -> Value {
    let (name, told) = name.split_once('?').unwrap_or((name, ""));
    put(&format!("{name}?{told}"), format!("v,w\n{},1\n", values.join(",1\n"))).await;
    stats(name).await["columns"][0].take()
}

async fn append(name: &str, rows: &str) {
    let path = format!("/v1/tables/{name}/rows");
    let appended = shared().request(Method::POST, &path).body(rows.to_owned()).send().await.unwrap();
    assert_eq!(appended.status(), 201, "{}", appended.text().await.unwrap());
}

async fn get(path: &str, headers: &[(&str, &str)]) -> Response {
    let request = shared().request(Method::GET, path);
    headers.iter().fold(request, |request, (name, value)| request.header(*name, *value)).send().await.unwrap()
}

/// The name of the table in Postgres.
async fn physical(name: &str) -> String {
    let table = format!(
        "select 'rows.t_' || replace(v.table_id::text, '-', '') from larder.versions v join larder.datasets d on d.current = v.id where d.name = '{name}'"
    );
    shared().column(&table).await.join("")
}

/// What is kept of a table's versions: revision and time.
fn kept(name: &str) -> String {
    format!(
        "select s.revision || ' ' || s.computed_at from larder.statistics s join larder.versions v on v.id = s.version_id \
         join larder.datasets d on d.id = v.dataset_id where d.name = '{name}'"
    )
}

#[tokio::test]
async fn whole_numbers_have_everything_that_can_be_computed() {
    let found = column("st-whole", &["4", "7", "3", "4", "", "1", "5"]).await;
    // Quantiles are at rank (n - 1) * part of 1 3 4 4 5 7; the deviation is the root of (9 + 1 + 0 + 0 + 1 + 9) / 5.
    let bins = [1, 0, 1, 2, 1, 0, 1].iter().enumerate();
    let bins = bins.map(|(at, count)| json!({"from": at + 1, "to": (at + 2).min(7), "count": count}));
    let once = |value: u64| json!({"value": value, "count": 1});
    assert_eq!(
        found,
        json!({
            "name": "v", "type": "bigint", "nulls": {"count": 1, "exact": true}, "distinct": {"count": 5, "exact": true},
            "min": 1, "max": 7, "mean": 4, "stddev": 2,
            "quantiles": {"0.05": 1.5, "0.25": 3.25, "0.5": 4, "0.75": 4.75, "0.95": 6.5},
            "top": [{"value": 4, "count": 2}, once(1), once(3), once(5), once(7)],
            "histogram": bins.collect::<Vec<_>>()
        })
    );
}

#[tokio::test]
async fn numbers_keep_their_digits() {
    put(
        "st-digits",
        "n,b,d\n0.10,9223372036854775807,1e300\n0.10,-9223372036854775808,1e-320\n12345678901234567890.50,,-1.5e0\n",
    )
    .await;
    let text = shared().text("/v1/tables/st-digits/stats").await;
    for piece in [
        r#""min":0.10,"max":12345678901234567890.50,"mean":4115226300411522630.23,"#,
        r#""quantiles":{"0.05":0.10,"0.25":0.10,"0.5":0.10,"0.75":6172839450617283945.3,"0.95":11111111011111111101.46}"#,
        r#""top":[{"value":0.10,"count":2},{"value":12345678901234567890.50,"count":1}]"#,
        r#""min":-9223372036854775808,"max":9223372036854775807,"mean":-0.5,"#,
        r#""min":-1.5,"max":1e+300,"mean":null,"stddev":null,"quantiles":{"0.05":"#,
        r#"{"value":1e-320,"count":1}"#,
    ] {
        assert!(text.contains(piece), "{piece} in {text}");
    }
    let histogram = |text: &str| {
        let found: Value = serde_json::from_str(text).unwrap();
        let bins = |column: usize| found["columns"][column]["histogram"].as_array().unwrap().clone();
        [0, 1, 2].map(|column| bins(column).iter().map(|bin| bin["count"].as_u64().unwrap()).sum::<u64>())
    };
    assert_eq!(histogram(&text), [3, 2, 3]);
}

#[tokio::test]
async fn no_number_makes_the_arithmetic_fail() {
    let ends = ["1.7e308", "-1.7e308", "5e-324", "-5e-324", "2.2e-308", "0.0", "1e140"];
    for (name, first) in ends.iter().enumerate() {
        for (other, second) in ends.iter().enumerate() {
            let found = column(&format!("st-ends-{name}-{other}?types=v:double"), &[first, second, second]).await;
            assert_eq!((&found["type"], &found["nulls"]["count"]), (&json!("double"), &json!(0)), "{first} {second}");
            let bins = found["histogram"].as_array().unwrap().iter().map(|bin| bin["count"].as_u64().unwrap());
            assert_eq!(bins.sum::<u64>(), 3, "{first} {second}");
        }
    }
    // No file brings these, for the reader takes them for text or NULL; Parquet may.
    for (name, first, shown, mean) in [
        ("large", "('1' || repeat('9', 131000) || '.5')::numeric", ["1.5", "199"], false),
        ("small", "('0.' || repeat('0', 16000) || '1')::numeric", ["0.0", "1.5"], true),
        ("minus", "('-1' || repeat('9', 131071))::numeric", ["-19", "1.5"], false),
    ] {
        let table = format!("st-numeric-{name}");
        put(&table, "v\n1.5\n2.5\n").await;
        shared().sql(&format!("update {} set c1 = {first} where _row = 2", physical(&table).await)).await;
        let found = stats(&table).await["columns"][0].take();
        assert_eq!((&found["type"], &found["distinct"]["count"]), (&json!("numeric"), &json!(2)), "{name}");
        let ends = [&found["min"], &found["max"]].map(|end| end.as_str().map_or(end.to_string(), str::to_owned));
        for (end, begin) in ends.iter().zip(shown) {
            assert!(end.starts_with(begin) && [3, 201].contains(&end.chars().count()), "{name}: {end}");
            assert_eq!(end.ends_with('…'), end.len() > 3);
        }
        assert_eq!(found["mean"].is_null(), !mean, "{name}");
        let bins = found["histogram"].as_array().unwrap().iter().map(|bin| bin["count"].as_u64().unwrap());
        assert_eq!(bins.sum::<u64>(), 2, "{name}");
    }
}

#[tokio::test]
async fn what_is_not_finite_is_counted_and_left_out() {
    for (name, values) in [
        ("double", ["1.5e0", "NaN", "Infinity", "-Infinity"]),
        ("numeric", ["1.5", "NaN", "Infinity", "-Infinity"]),
        ("date", ["2026-01-01", "infinity", "-infinity", "infinity"]),
        ("timestamp", ["2026-01-01T00:00:00", "infinity", "-infinity", "infinity"]),
        ("timestamptz", ["2026-01-01T00:00:00Z", "infinity", "-infinity", "infinity"]),
    ] {
        let table = format!("st-infinite-{name}");
        put(
            &format!("{table}?types=v:{name}"),
            format!("v,w\n{first},1\n{first},2\n{first},3\n{first},4\n,5\n", first = values[0]),
        )
        .await;
        let physical = physical(&table).await;
        for (row, value) in (1..).zip(values).skip(1) {
            shared().sql(&format!("update {physical} set c1 = '{value}' where c2 = {row}")).await;
        }
        let found = stats(&table).await["columns"][0].take();
        assert_eq!((&found["nulls"]["count"], &found["not_finite"]["count"]), (&json!(1), &json!(3)), "{name}");
        assert_eq!((&found["distinct"]["count"], &found["min"]), (&json!(1), &found["max"]), "{name}");
        assert_eq!(found["histogram"], json!([{"from": found["min"], "to": found["min"], "count": 1}]), "{name}");
        assert!(found.get("mean").is_none_or(|mean| *mean == json!(1.5)), "{name}: {found}");
        shared().sql(&format!("update {physical} set c1 = '{}'", values[1])).await;
        let kept = "delete from larder.statistics s using larder.versions v, larder.datasets d where v.id = s.version_id and d.id = v.dataset_id and d.name =";
        shared().sql(&format!("{kept} '{table}'")).await;
        let nothing = stats(&table).await["columns"][0].take();
        assert_eq!(
            (&nothing["not_finite"]["count"], &nothing["min"], &nothing["top"]),
            (&json!(5), &Value::Null, &json!([])),
            "{name}"
        );
        assert!(nothing.get("mean").is_none_or(Value::is_null), "{name}");
    }
}

#[tokio::test]
async fn days_and_times_have_bins_of_equal_length() {
    let days = column("st-days", &["2026-01-01", "2026-01-03", "2026-01-03", ""]).await;
    assert_eq!(
        days,
        json!({
            "name": "v", "type": "date", "nulls": {"count": 1, "exact": true}, "not_finite": {"count": 0, "exact": true},
            "distinct": {"count": 2, "exact": true}, "min": "2026-01-01", "max": "2026-01-03",
            "quantiles": {"0.05": "2026-01-01", "0.25": "2026-01-01", "0.5": "2026-01-03", "0.75": "2026-01-03", "0.95": "2026-01-03"},
            "top": [{"value": "2026-01-03", "count": 2}, {"value": "2026-01-01", "count": 1}],
            "histogram": [
                {"from": "2026-01-01", "to": "2026-01-02", "count": 1}, {"from": "2026-01-02", "to": "2026-01-03", "count": 0},
                {"from": "2026-01-03", "to": "2026-01-03", "count": 2}
            ]
        })
    );
    for (name, first, last, unit, spelled) in [
        ("at", "2026-01-01T00:00:00", "2026-01-01T20:00:00", "01:00:00", "2026-01-01T"),
        ("instant", "2026-01-01T00:00:00Z", "2026-01-01T20:00:00Z", "01:00:00+00:00", "2026-01-01T"),
        ("time", "00:00:00", "20:00:00", "01:00:00", ""),
    ] {
        let found = column(&format!("st-{name}"), &[first, "", last]).await;
        let bins = found["histogram"].as_array().unwrap();
        assert_eq!((bins.len(), &bins[0]["count"], &bins[19]["count"]), (20, &json!(1), &json!(1)), "{name}");
        assert_eq!(bins[0]["to"], format!("{spelled}{unit}"), "{name}");
        assert_eq!((&bins[19]["to"], &bins[1]["count"]), (&found["max"], &json!(0)), "{name}");
        assert_eq!(found.get("mean"), None, "{name}");
    }
    // The whole width of a timestamp, to its last microsecond.
    let wide = column("st-wide-times", &["0001-01-01T00:00:00", "9999-12-31T23:59:59.999999"]).await;
    assert_eq!(
        wide["histogram"][19],
        json!({"from": "9500-01-19T01:12:00", "to": "9999-12-31T23:59:59.999999", "count": 1})
    );
}

#[tokio::test]
async fn other_types_have_what_makes_sense_of_them() {
    let flags = column("st-flags", &["true", "false", "true", ""]).await;
    assert_eq!(
        flags,
        json!({
            "name": "v", "type": "boolean", "nulls": {"count": 1, "exact": true}, "distinct": {"count": 2, "exact": true},
            "top": [{"value": true, "count": 2}, {"value": false, "count": 1}]
        })
    );
    let (long, cut) = ("ä".repeat(201), format!("{}…", "ä".repeat(200)));
    let texts = column("st-texts", &["b", "\"a\"\"\\\"", "b", "", &long, &"z".repeat(200)]).await;
    assert_eq!(
        texts,
        json!({
            "name": "v", "type": "text", "nulls": {"count": 1, "exact": true}, "distinct": {"count": 4, "exact": true},
            "min": "a\"\\", "max": cut, "lengths": {"min": 1, "max": 201, "mean": 81.2},
            "top": [
                {"value": "b", "count": 2}, {"value": "a\"\\", "count": 1}, {"value": "z".repeat(200), "count": 1}, {"value": cut, "count": 1}
            ]
        })
    );
    let (low, high) = ("0f9619ff-8b86-d011-b42d-00c04fc964ff", "6f9619ff-8b86-d011-b42d-00c04fc964fe");
    let uuids = column("st-uuids", &[high, low, ""]).await;
    assert_eq!(
        uuids,
        json!({
            "name": "v", "type": "uuid", "nulls": {"count": 1, "exact": true}, "distinct": {"count": 2, "exact": true}, "min": low, "max": high,
            "top": [{"value": low, "count": 1}, {"value": high, "count": 1}]
        })
    );
    put("st-documents", "[{\"v\":{}},{\"v\":[1]},{\"v\":[]},{\"v\":null}]").await;
    assert_eq!(
        stats("st-documents").await["columns"][0],
        json!({"name": "v", "type": "json", "nulls": {"count": 1, "exact": true}, "kinds": {"array": 2, "object": 1}})
    );
    // Of more than ten the most frequent come first, then the least.
    let many: Vec<String> = (10..30).chain([28, 25, 25]).map(|n| format!("x{n}")).collect();
    let many = column("st-many", &many.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let top: Vec<_> = many["top"].as_array().unwrap().iter().map(|entry| entry["value"].as_str().unwrap()).collect();
    assert_eq!(top, ["x25", "x28", "x10", "x11", "x12", "x13", "x14", "x15", "x16", "x17"]);
}

#[tokio::test]
async fn columns_without_values_and_tables_without_rows_have_statistics() {
    let header = "flag,count,price,ratio,day,at,instant,clock,id,note,doc";
    let types = "flag:boolean,count:bigint,price:numeric,ratio:double,day:date,at:timestamp,instant:timestamptz,clock:time,id:uuid,note:text,doc:json";
    for (name, rows, nulls) in [("st-empty", "", 0), ("st-void", ",,,,,,,,,,\n,,,,,,,,,,\n", 2)] {
        let table = put(&format!("{name}?types={types}"), format!("{header}\n{rows}")).await;
        assert_eq!(columns(&table).join(","), types);
        let found = stats(name).await;
        assert_eq!((&found["rows"], &found["sampled"]), (&json!(nulls), &Value::Null));
        for column in found["columns"].as_array().unwrap() {
            assert_eq!(column["nulls"], json!({"count": nulls, "exact": true}), "{column}");
            let none = json!({"count": 0, "exact": true});
            for (field, value) in column.as_object().unwrap() {
                let wanted = match field.as_str() {
                    "distinct" | "not_finite" => &none,
                    "min" | "max" | "mean" | "stddev" | "lengths" | "quantiles" => &Value::Null,
                    "top" | "histogram" => &json!([]),
                    "kinds" => &json!({}),
                    _ => continue,
                };
                assert_eq!(value, wanted, "{field} of {column}");
            }
        }
    }
}

#[tokio::test]
async fn they_are_computed_once_for_each_revision() {
    put("st-once", "v\n1\n2\n").await;
    let path = "/v1/tables/st-once/stats";
    let (first, second) = tokio::join!(shared().get(path), shared().get(path));
    let etag = first.headers()["etag"].clone();
    assert_eq!(second.headers()["etag"], etag);
    let first = first.text().await.unwrap();
    assert_eq!(second.text().await.unwrap(), first);
    let before = shared().column(&kept("st-once")).await;
    assert_eq!((shared().text(path).await, shared().column(&kept("st-once")).await), (first, before.clone()));

    append("st-once", "v\n5\n").await;
    let answer = get(path, &[("if-none-match", etag.to_str().unwrap())]).await;
    assert_ne!(answer.headers()["etag"], etag);
    let after = json(answer, 200).await;
    assert_eq!((&after["revision"], &after["rows"], &after["columns"][0]["max"]), (&json!(1), &json!(3), &json!(5)));
    let now = shared().column(&kept("st-once")).await;
    assert_eq!((now.len(), now[0].starts_with("1 ")), (1, true), "{now:?} after {before:?}");

    // A new version has its own; that before keeps its, until it goes.
    put("st-once", "v\n7\n").await;
    assert_eq!(stats("st-once").await["columns"][0]["min"], 7);
    let old = json(shared().get(&format!("{path}?version=1")).await, 200).await;
    assert_eq!((&old["version"], &old["columns"][0]["max"]), (&json!(1), &json!(5)));
    assert_eq!(shared().column(&kept("st-once")).await.len(), 2);
    put("st-once", "v\n8\n").await;
    assert_eq!(shared().column(&kept("st-once")).await.len(), 1);
    problem(shared().get(&format!("{path}?version=1")).await, 404, "not-found").await;
}

#[tokio::test]
async fn who_has_them_gets_304_and_nothing_is_read() {
    put("st-fresh", "v\n1\n").await;
    let path = "/v1/tables/st-fresh/stats";
    let answer = get(path, &[]).await;
    assert_eq!(answer.headers()["cache-control"], "private, no-cache");
    assert_eq!(answer.headers()["content-type"], "application/json");
    assert_eq!(answer.headers()["content-security-policy"], "sandbox");
    let etag = answer.headers()["etag"].to_str().unwrap().to_owned();
    let table = get("/v1/tables/st-fresh", &[]).await.headers()["etag"].to_str().unwrap().to_owned();
    assert!(etag.starts_with(table.trim_end_matches('"')) && etag != table, "{etag} {table}");
    // Nothing is kept and nothing can be read: the answer does not need it.
    shared().sql("delete from larder.statistics s using larder.versions v, larder.datasets d where v.id = s.version_id and d.id = v.dataset_id and d.name = 'st-fresh'").await;
    let fresh = get(path, &[("if-none-match", &etag)]).await;
    assert_eq!((fresh.status().as_u16(), fresh.headers()["etag"].to_str().unwrap()), (304, etag.as_str()));
    assert_eq!(shared().column(&kept("st-fresh")).await, Vec::<String>::new());
    let head = shared().request(Method::HEAD, path).send().await.unwrap();
    assert_eq!((head.status().as_u16(), head.headers()["etag"].to_str().unwrap()), (200, etag.as_str()));
}

#[tokio::test]
async fn of_a_table_above_the_limit_a_sample_is_read_and_said() {
    let larder = Service::start(&["--stats-rows-max", "1000", "--stats-seconds", "600"]).await;
    let lines: String = (0..20_000).map(|n| format!("{n},{},{}\n", n % 7, if n % 4 == 0 { "x" } else { "" })).collect();
    json(larder.put("/v1/tables/large", format!("id,few,some\n{lines}")).await, 201).await;
    let found = json(larder.get("/v1/tables/large/stats").await, 200).await;
    let read = found["sampled"]["rows"].as_u64().unwrap();
    assert!((800..1200).contains(&read), "{read}");
    assert_eq!(found["sampled"], json!({"rows": read, "of": 20_000, "method": "bernoulli"}));
    assert_eq!(found["rows"], 20_000);
    let [id, few, some] = [0, 1, 2].map(|column| &found["columns"][column]);
    assert_eq!(id["distinct"], json!({"count": 20_000, "exact": false}));
    assert_eq!((&few["distinct"], few["top"].as_array().unwrap().len()), (&json!({"count": 7, "exact": false}), 7));
    let nulls = some["nulls"]["count"].as_u64().unwrap();
    assert!((13_000..17_000).contains(&nulls) && some["nulls"]["exact"] == false, "{nulls}");
    assert!((8_000.0..12_000.0).contains(&id["mean"].as_f64().unwrap()));

    // A table of so many rows is read whole.
    let lines: String = (0..1000).map(|n| format!("{n}\n")).collect();
    json(larder.put("/v1/tables/small", format!("id\n{lines}")).await, 201).await;
    let whole = json(larder.get("/v1/tables/small/stats").await, 200).await;
    assert_eq!(
        (&whole["sampled"], &whole["columns"][0]["distinct"]),
        (&Value::Null, &json!({"count": 1000, "exact": true}))
    );

    // What cannot be read in time, not even in part, is a problem, and the next one may have more luck.
    let table = larder.column("select 'rows.t_' || replace(table_id::text, '-', '') from larder.versions v join larder.datasets d on d.current = v.id where name = 'large'").await;
    larder.sql("delete from larder.statistics").await;
    let hasty = larder.replica(&["--stats-seconds", "1"]).await;
    let slow = {
        let mut database = larder.database().await;
        let lock = format!("begin; lock table {} in access exclusive mode", table[0]);
        sqlx::raw_sql(sqlx::AssertSqlSafe(lock)).execute(&mut database).await.unwrap();
        let slow = problem(hasty.get("/v1/tables/large/stats").await, 503, "statistics-too-slow").await;
        sqlx::raw_sql("rollback").execute(&mut database).await.unwrap();
        slow
    };
    assert_eq!((&slow["limit"], &slow["setting"]), (&json!(1), &json!("LARDER_STATS_SECONDS")));
    assert_eq!(json(larder.get("/v1/tables/large/stats").await, 200).await["columns"][0]["type"], "bigint");
}

#[tokio::test]
async fn the_widest_table_has_statistics_within_the_limits() {
    let names: Vec<_> = (1..=1599).map(|n| format!("c{n}")).collect();
    let row = |n: usize| (0..1599).map(|c| (n + c).is_multiple_of(2).to_string()).collect::<Vec<_>>().join(",");
    let rows: Vec<_> = (0..20).map(|n| if n == 7 { ",".repeat(1598) } else { row(n) }).collect();
    put("st-widest", format!("{}\n{}\n", names.join(","), rows.join("\n"))).await;
    let found = stats("st-widest").await;
    let all = found["columns"].as_array().unwrap();
    assert_eq!((all.len(), &found["sampled"]), (1599, &Value::Null));
    assert_eq!(all[1598]["name"], "c1599");
    assert_eq!(all[0]["top"], json!([{"value": true, "count": 10}, {"value": false, "count": 9}]));
    assert!(all.iter().all(|column| column["nulls"]["count"] == 1 && column["distinct"]["count"] == 2));
}

#[tokio::test]
async fn they_are_seen_by_those_who_see_the_table() {
    let path = "/v1/tables/st-private/stats";
    put("st-private", "v\n1\n").await;
    shared().sql("update larder.datasets set visibility = 'private' where name = 'st-private'").await;
    assert_eq!(stats("st-private").await["rows"], 1);
    let token = shared().principal("st-reader").await;
    let other = shared().anonymous(Method::GET, path).bearer_auth(&token).send().await.unwrap();
    problem(other, 404, "not-found").await;
    problem(shared().anonymous(Method::GET, path).send().await.unwrap(), 401, "unauthenticated").await;
    problem(shared().get("/v1/tables/st-nobody/stats").await, 404, "not-found").await;
    problem(shared().get(&format!("{path}?select=v")).await, 400, "bad-request").await;
}
