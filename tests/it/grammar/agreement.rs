//! Filters of chance over rows of chance find the rows for which the same predicate holds in Rust.

use super::{
    datum::Datum,
    predicate::{Filter, Row, TARGETS, Test, filter, row},
    query, typed_table,
};
use crate::{support::shared, table_properties::runner};
use proptest::{collection::vec, test_runner::TestCaseError};
use serde_json::json;
use tokio::runtime::Runtime;

/// The columns of the table, of which the last holds the JSON.
const COLUMNS: [(&str, &str); 12] = [
    ("id", "bigint"),
    ("flag", "boolean"),
    ("and", "bigint"),
    ("am.ount", "numeric"),
    ("ra,tio", "double"),
    ("da:y", "date"),
    ("uhr zeit", "time"),
    ("at", "timestamp"),
    ("in\"sta\\nt", "timestamptz"),
    ("schlüssel", "uuid"),
    ("note", "text"),
    ("doc", "json"),
];
/// The targets that are columns; the others are in the JSON.
const TARGETS_IN_COLUMNS: usize = COLUMNS.len() - 2;

fn literal(text: Option<String>) -> String {
    text.map_or_else(|| "null".to_owned(), |text| format!("'{}'", text.replace('\'', "''")))
}

/// `(_row, id, c…)` as SQL.
fn values((number, row): (usize, &Row)) -> String {
    let spelled = |cell: &Option<Datum>| cell.as_ref().map(|datum| datum.spelling(0));
    let mut cells: Vec<_> = row.iter().take(TARGETS_IN_COLUMNS).map(|cell| literal(spelled(cell))).collect();
    let number_of = |cell: &Option<Datum>| match cell {
        Some(Datum::Bigint(n)) => json!(n),
        _ => json!(null),
    };
    let doc = json!({"k": spelled(&row[TARGETS_IN_COLUMNS]), "m": {"x": number_of(&row[TARGETS_IN_COLUMNS + 1])}});
    cells.push(literal(Some(doc.to_string())));
    format!("({number}, {number}, {})", cells.join(", "))
}

/// A value as it stands in a list or a tree: in quotes where it must, and elsewhere too.
fn element(text: &str, style: usize) -> String {
    let special = |c: char| matches!(c, ',' | '(' | ')' | '{' | '}' | '[' | ']' | '"' | '\\');
    if text.is_empty() || text.trim() != text || text.contains(special) || style.is_multiple_of(3) {
        return format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    }
    text.to_owned()
}

fn list(values: &[Datum], style: usize) -> String {
    let values = values.iter().zip(style..).map(|(value, style)| element(&value.spelling(style), style));
    values.collect::<Vec<_>>().join(",")
}

fn spelled(test: &Test, style: usize, in_tree: bool) -> String {
    let value = |text: String| if in_tree { element(&text, style) } else { text };
    match test {
        Test::Compare(comparison, other) => format!("{}.{}", comparison.name, value(other.spelling(style))),
        Test::Any(comparison, others) => format!("{}(any).{{{}}}", comparison.name, list(others, style)),
        Test::All(comparison, others) => format!("{}(all).{{{}}}", comparison.name, list(others, style)),
        Test::In(others) => format!("in.({})", list(others, style)),
        Test::Distinct(other) => format!("isdistinct.{}", value(other.spelling(style))),
        Test::Null => ["is.null", "is.NULL"][style % 2].to_owned(),
        Test::NotNull => ["is.not_null", "not.is.null"][style % 2].to_owned(),
        Test::Is(Some(wanted)) => format!("is.{wanted}"),
        Test::Is(None) => "is.unknown".to_owned(),
        Test::Like { ignore_case: false, pattern } => format!("like.{}", value((*pattern).to_owned())),
        Test::Like { ignore_case: true, pattern } => format!("ilike.{}", value((*pattern).to_owned())),
    }
}

fn name(target: usize, style: usize) -> &'static str {
    let target = &TARGETS[target];
    target.bare.filter(|_| style % 4 > 1).unwrap_or(target.quoted)
}

/// One member of a tree.
fn member(filter: &Filter, negated: bool) -> String {
    let not = if negated { "not." } else { "" };
    match filter {
        Filter::All(members) => format!("{not}and{}", group(members)),
        Filter::Any(members) => format!("{not}or{}", group(members)),
        Filter::Not(inner) if negated => member(&Filter::All(vec![Filter::Not(inner.clone())]), true),
        Filter::Not(inner) => member(inner, true),
        // `not.is.null` is negated already.
        Filter::Test { target, test: Test::NotNull, style } if negated => {
            format!("{}.is.null", name(*target, *style))
        }
        Filter::Test { target, test, style } => {
            format!("{}.{not}{}", name(*target, *style), spelled(test, *style, true))
        }
    }
}

fn group(members: &[Filter]) -> String {
    let spaces = [",", ", "][members.len() % 2];
    format!("({})", members.iter().map(|one| member(one, false)).collect::<Vec<_>>().join(spaces))
}

/// A parameter of a URL. The name of a column that is a parameter's stands in quotes.
fn parameter(filter: &Filter) -> (String, String) {
    match filter {
        Filter::All(members) => ("and".to_owned(), group(members)),
        Filter::Any(members) => ("or".to_owned(), group(members)),
        Filter::Not(inner) => match inner.as_ref() {
            Filter::All(members) => ("not.and".to_owned(), group(members)),
            Filter::Any(members) => ("not.or".to_owned(), group(members)),
            other => ("not.and".to_owned(), group(std::slice::from_ref(other))),
        },
        Filter::Test { target, test, style } => {
            let name = name(*target, *style);
            let name = if name == "and" { "\"and\"" } else { name };
            (name.to_owned(), spelled(test, *style, false))
        }
    }
}

#[test]
fn filters_of_chance_find_the_rows_for_which_the_predicate_holds() {
    let runtime = Runtime::new().expect("a runtime");
    let table = runtime.block_on(typed_table("grammar-agreement", &COLUMNS));
    let check = |(rows, filters): (Vec<Row>, Vec<Vec<Filter>>)| {
        let inserted: Vec<_> = rows.iter().enumerate().map(values).collect();
        let sql = format!("delete from {table}; insert into {table} values {}", inserted.join(", "));
        runtime.block_on(async {
            shared().sql(&sql).await;
            for filters in &filters {
                let mut pairs: Vec<_> = filters.iter().map(parameter).collect();
                pairs.push(("select".to_owned(), "id".to_owned()));
                let answer = shared().get(&format!("/v1/tables/grammar-agreement/rows.csv?{}", query(&pairs))).await;
                let (status, body) = (answer.status(), answer.text().await.expect("a body"));
                let holds = |row: &&(usize, &Row)| filters.iter().all(|filter| filter.holds(row.1) == Some(true));
                let expected: String = rows
                    .iter()
                    .enumerate()
                    .collect::<Vec<_>>()
                    .iter()
                    .filter(holds)
                    .map(|(id, _)| format!("{id}\n"))
                    .collect();
                if status != 200 || body != format!("id\n{expected}") {
                    let rows: Vec<_> = inserted.iter().map(|row| format!("\n  {row}")).collect();
                    let what = format!("{pairs:?}\n  {status} {body:?}, not {expected:?}, of{}", rows.concat());
                    return Err(TestCaseError::fail(what));
                }
            }
            Ok(())
        })
    };
    let cases = (vec(row(), 1..16), vec(vec(filter(), 1..3), 24));
    runner(24).run(&cases, check).unwrap_or_else(|failure| panic!("{failure}"));
}
