//! Trouble that comes only behind the beginning from which the types are guessed: the file is read again, and nothing of its first rows is lost.

use crate::support;
use serde_json::{Value, json};
use std::{collections::BTreeSet, fmt::Write};

/// Rows that fill more than the reader looks at before it guesses.
const ROWS: usize = 200_000;

#[tokio::test]
async fn a_late_value_widens_its_column_and_late_trouble_is_mended_as_early_trouble_is() {
    let mut file = "id,n,day,name,code\n".to_owned();
    for id in 1..=ROWS {
        writeln!(file, "{id},{},0{}/0{}/2026,Zoë,7", id * 7 % 1000, id % 9 + 1, id % 8 + 1).expect("memory");
    }
    let mut file = file.into_bytes();
    assert!(file.len() > 5 << 20, "the file is longer than what the guess is made from");
    // Numbers become decimals, the order of day and month is settled, a byte is no UTF-8, a row is short, a code has a leading zero.
    file.extend_from_slice(b"200001,2.50,31/12/2026,Caf\xe9,7\n200002,NA,01/02/2026,Ann\n200003,5,,\"x\ny\",007\n");
    file.extend_from_slice("Source: the office of Zoë\n".as_bytes());
    let service = support::shared();
    let descriptor = support::json(service.put("/v1/tables/corpus-late", file).await, 201).await;

    let types: Vec<_> = descriptor["columns"].as_array().unwrap().iter().map(|column| &column["type"]).collect();
    assert_eq!(types, ["bigint", "numeric", "date", "text", "text"]);
    assert_eq!(descriptor["rows"], ROWS + 3);
    assert_eq!(descriptor["ingest"]["skipped"], 1);
    let warnings = descriptor["ingest"]["warnings"].as_array().unwrap();
    let codes: BTreeSet<_> = warnings.iter().filter_map(|warning| warning["code"].as_str()).collect();
    assert!(codes.contains("bad-encoding") && codes.contains("short-row"), "{codes:?}");
    let short = warnings.iter().find(|warning| warning["code"] == "short-row").unwrap();
    assert_eq!(short["lines"], json!([ROWS + 3]));

    assert_eq!(rows("limit=1").await[0], json!({"id":1,"n":7,"day":"2026-02-02","name":"Zoë","code":"7"}));
    let last = rows(&format!("offset={ROWS}")).await;
    assert_eq!(last[0], json!({"id":200_001,"n":2.5,"day":"2026-12-31","name":"Café","code":"7"}));
    assert_eq!(last[1], json!({"id":200_002,"n":null,"day":"2026-02-01","name":"Ann","code":null}));
    assert_eq!(last[2], json!({"id":200_003,"n":5,"day":null,"name":"x\ny","code":"007"}));
}

#[tokio::test]
async fn a_late_key_of_json_is_a_column_and_a_late_kind_makes_its_column_json() {
    let mut file = String::new();
    for id in 1..=ROWS {
        writeln!(file, "{{\"id\":{id},\"v\":{}.5,\"w\":true}}", id % 100).expect("memory");
    }
    assert!(file.len() > 5 << 20, "the file is longer than what the guess is made from");
    file.push_str("{\"id\":200001,\"v\":\"none\",\"late\":\"2026-11-23\"}\n");
    let service = support::shared();
    let descriptor = support::json(service.put("/v1/tables/corpus-late-json", file).await, 201).await;
    let columns: Vec<_> = descriptor["columns"].as_array().unwrap().iter().map(|c| [&c["name"], &c["type"]]).collect();
    let expected = [["id", "bigint"], ["v", "json"], ["w", "boolean"], ["late", "date"]];
    assert_eq!(json!(columns), json!(expected));
    let path = format!("/v1/tables/corpus-late-json/rows.json?offset={}", ROWS - 1);
    let last: Value = serde_json::from_str(&service.text(&path).await).unwrap();
    assert_eq!(last[0], json!({"id":ROWS,"v":0.5,"w":true,"late":null}));
    assert_eq!(last[1], json!({"id":200_001,"v":"none","w":null,"late":"2026-11-23"}));
}

#[tokio::test]
async fn a_column_that_is_empty_at_first_has_the_type_of_what_comes_late() {
    let mut file = "id,late,never\n".to_owned();
    for id in 1..=ROWS * 3 {
        writeln!(file, "{id},,").expect("memory");
    }
    assert!(file.len() > 5 << 20, "the file is longer than what the guess is made from");
    file.push_str("0,1.5,\n0,-,\nnothing more,,\n");
    let descriptor = support::json(support::shared().put("/v1/tables/corpus-empty", file).await, 201).await;
    let types: Vec<_> = descriptor["columns"].as_array().unwrap().iter().map(|column| &column["type"]).collect();
    assert_eq!(
        types,
        ["text", "numeric", "text"],
        "no other column is ever filled, so the last line may well be a row"
    );
    assert_eq!(descriptor["rows"], ROWS * 3 + 3);
}

async fn rows(query: &str) -> Value {
    let path = format!("/v1/tables/corpus-late/rows.json?{query}");
    serde_json::from_str(&support::shared().text(&path).await).unwrap()
}
