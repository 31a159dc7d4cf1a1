//! Runs `tests/grammar/*.txt`. Of a line `query ⇒ expected` the second half is one of
//!
//! - `1,x | 2,y`: the rows as CSV; `(a,b) 1,x | 2,y`: with its header; `nothing`: no row;
//! - `{"a":1} | {"a":2}`: the rows as NDJSON;
//! - `400 parameter: word; word`: a problem of that parameter, with those words in its detail.
//!
//! `table NAME name:type …` says which table is asked, made from `NAME.csv`, and that it has these columns; `columns id` is what a query selects that says nothing.

use super::{encode, folder, pairs, rows};
use crate::support::{json, shared};
use serde_json::Value;
use std::fs;

const FILES: [&str; 7] = ["operators", "texts", "logic", "names", "select", "groups", "order"];

struct Case {
    line: usize,
    table: String,
    pairs: Vec<(String, String)>,
    expected: String,
}

/// The cases of a file, and the tables that it asks, with the columns that they should have.
fn read(file: &str) -> (Vec<Case>, Vec<(String, String)>) {
    let text = fs::read_to_string(folder().join(format!("{file}.txt"))).expect("a file of cases");
    let (mut cases, mut tables, mut columns) = (Vec::new(), Vec::new(), None);
    for (line, text) in (1..).zip(text.lines()) {
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        if let Some(table) = text.strip_prefix("table ") {
            let (name, columns) = table.split_once(' ').unwrap_or((table, ""));
            tables.push((name.to_owned(), columns.to_owned()));
            continue;
        }
        if let Some(names) = text.strip_prefix("columns ") {
            columns = Some(names.to_owned());
            continue;
        }
        let (query, expected) = text.split_once(" ⇒ ").unwrap_or_else(|| panic!("{file}.txt:{line} is no case"));
        let mut pairs = pairs(query);
        if let Some(columns) = columns.clone().filter(|_| pairs.iter().all(|(name, _)| name != "select")) {
            pairs.push(("select".to_owned(), columns));
        }
        let (table, _) = tables.last().expect("a table before its cases");
        cases.push(Case { line, table: format!("grammar-{file}-{table}"), pairs, expected: expected.to_owned() });
    }
    (cases, tables)
}

async fn make(file: &str, (name, columns): &(String, String)) {
    let body = fs::read(folder().join(format!("{name}.csv"))).expect("the table's file");
    let made = json(shared().put(&format!("/v1/tables/grammar-{file}-{name}"), body).await, 201).await;
    let found = made["columns"].as_array().expect("columns").iter();
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let found: Vec<_> = found.map(|column| format!("{}:{}", text(&column["name"]), text(&column["type"]))).collect();
    if !columns.is_empty() {
        assert_eq!(found.join(" "), *columns, "{name}.csv");
    }
}

/// What is wrong with the answer, if something is.
async fn wrong(case: &Case) -> Option<String> {
    let expected = case.expected.as_str();
    let extension = if expected.starts_with('{') { "ndjson" } else { "csv" };
    let answer = rows(&case.table, extension, &case.pairs).await;
    let status = answer.status().as_u16();
    let body = answer.text().await.expect("a body");
    if let Some(problem) = expected.strip_prefix("400 ") {
        let (parameter, words) = problem.rsplit_once(": ").expect("a parameter and words");
        return wrong_problem(status, &body, (parameter, words));
    }
    if status != 200 {
        return Some(format!("{status} {body}"));
    }
    let found = match extension {
        "ndjson" => body.lines().collect::<Vec<_>>().join(" | "),
        _ => {
            let (header, rows) = body.split_once('\n').expect("a header");
            let rows = rows.lines().collect::<Vec<_>>().join(" | ");
            let rows = if rows.is_empty() { "nothing".to_owned() } else { rows };
            if expected.starts_with('(') { format!("({header}) {rows}") } else { rows }
        }
    };
    (found != expected).then_some(found)
}

/// A problem that is the caller's, says whose parameter it is, and never speaks as the driver does.
fn wrong_problem(status: u16, body: &str, (parameter, words): (&str, &str)) -> Option<String> {
    let problem: Value = serde_json::from_str(body).unwrap_or_default();
    let detail = problem["detail"].as_str().unwrap_or_default();
    let missing = words.split("; ").find(|word| !detail.contains(word));
    let ours = !["syntax error", "ERROR", "operator does not exist", "invalid input", "$1"]
        .iter()
        .any(|word| detail.contains(word) && !words.contains(word));
    let as_expected = status == 400
        && problem["type"] == "/problems/bad-request"
        && problem["parameter"] == parameter
        && missing.is_none()
        && ours;
    (!as_expected).then(|| format!("{status} {body}"))
}

async fn run(file: &str) {
    let (cases, tables) = read(file);
    for table in &tables {
        make(file, table).await;
    }
    let mut failures = Vec::new();
    for case in &cases {
        if let Some(found) = wrong(case).await {
            let query: Vec<_> = case.pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
            failures.push(format!(
                "tests/grammar/{file}.txt:{}: {}\n  expected {}\n  found    {found}",
                case.line,
                query.join("&"),
                case.expected
            ));
        }
    }
    assert!(failures.is_empty(), "{} of {} cases:\n{}", failures.len(), cases.len(), failures.join("\n"));
}

#[tokio::test]
async fn operators_on_every_type_find_what_postgrest_says() {
    run("operators").await;
}

#[tokio::test]
async fn patterns_words_and_json_find_what_postgrest_says() {
    run("texts").await;
}

#[tokio::test]
async fn trees_of_conditions_hold_in_three_valued_logic() {
    run("logic").await;
}

#[tokio::test]
async fn columns_of_any_name_can_be_asked() {
    run("names").await;
}

#[tokio::test]
async fn an_answer_holds_what_select_lists() {
    run("select").await;
}

#[tokio::test]
async fn groups_are_made_asked_and_ordered() {
    run("groups").await;
}

#[tokio::test]
async fn orders_and_windows_are_those_of_postgrest() {
    run("order").await;
}

#[test]
fn there_are_enough_cases_and_each_file_of_them_is_run() {
    let cases: usize = FILES.iter().map(|file| read(file).0.len()).sum();
    assert!(cases >= 300, "{cases}");
    let found =
        fs::read_dir(folder()).expect("the folder").filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut found: Vec<_> = found.filter_map(|name| name.strip_suffix(".txt").map(str::to_owned)).collect();
    found.sort();
    let mut files = FILES.map(str::to_owned);
    files.sort();
    assert_eq!(found, files);
}

#[tokio::test]
async fn trees_end_at_a_depth_and_lists_at_a_length() {
    make("limits", &("kinds".to_owned(), String::new())).await;
    let ask = |name: &str, value: String| {
        let path = format!("/v1/tables/grammar-limits-kinds/rows.csv?select=id&{name}={}", encode(&value));
        async move { shared().get(&path).await }
    };
    let nested = |depth: usize| format!("{}(id.eq.1{}", "(and".repeat(depth - 1), ")".repeat(depth));
    assert_eq!(ask("or", nested(32)).await.text().await.expect("a body"), "id\n1\n");
    let values = |count: usize| format!("in.({})", vec!["1"; count].join(","));
    assert_eq!(ask("id", values(10_000)).await.text().await.expect("a body"), "id\n1\n");
    let steps = |count: usize| format!("id{}", "::text".repeat(count));
    assert_eq!(ask(&steps(32), "eq.1".to_owned()).await.text().await.expect("a body"), "id\n1\n");
    for (name, value, words) in [
        ("or".to_owned(), nested(33), "32 deep"),
        ("or".to_owned(), "(and".repeat(5_000), "32 deep"),
        ("id".to_owned(), values(10_001), "10000"),
        (steps(33), "eq.1".to_owned(), "32 steps"),
        ("select".to_owned(), vec!["id"; 1600].join(","), "twice"),
    ] {
        let problem = json(ask(&name, value).await, 400).await;
        let detail = problem["detail"].as_str().expect("a detail");
        assert!(problem["parameter"] == name && detail.contains(words), "{problem}");
    }
}
