//! How a table's numbers and dates are written, and what its columns are called, holds for the rows that are added to it.

use super::{columns, put, rows};
use crate::support::{json as answer, problem, shared};
use reqwest::{Method, Response};
use serde_json::json;

async fn post(path: &str, content_type: &str, body: &'static str) -> Response {
    let request = shared().request(Method::POST, &format!("/v1/tables/{path}"));
    request.header("content-type", content_type).body(body).send().await.expect("an answer")
}

async fn append(path: &str, body: &'static str) {
    answer(post(path, "text/csv", body).await, 201).await;
}

async fn patch(name: &str, changes: serde_json::Value) {
    let request = shared().request(Method::PATCH, &format!("/v1/tables/{name}"));
    answer(request.json(&changes).send().await.unwrap(), 200).await;
}

#[tokio::test]
async fn numbers_that_are_added_have_the_marks_of_their_column() {
    let first = put("h-marks", "n;m\n1.234,50;x\n").await;
    assert_eq!(first["columns"][0], json!({ "name": "n", "type": "numeric", "decimal": "," }));
    append("h-marks/rows", "n;m\n1.500;y\n").await;
    assert_eq!(rows("h-marks", "csv").await, "n,m\n1234.50,x\n1500,y\n");
    // What can be read in one way alone is taken; what is open beside it is not.
    append("h-marks/rows", "n;m\n2.5;z\n").await;
    for (body, line) in [("n;m\n2.5;a\n1.500;b\n", 3), ("k;n;m\n2.5;1.500;a\n", 2)] {
        let refused = post("h-marks/rows?add_columns=true", "text/csv", body).await;
        let refused = problem(refused, 422, "malformed").await;
        assert_eq!((refused["line"].as_u64(), refused["field"].as_str()), (Some(line), Some("n")), "{refused}");
        assert!(refused["detail"].as_str().unwrap().contains("decimal=."), "{refused}");
    }
    append("h-marks/rows?decimal=.", "n;m\n2.5;a\n1.500;b\n").await;
    answer(post("h-marks/rows", "application/x-ndjson", "{\"n\":1.125,\"m\":\"j\"}\n").await, 201).await;
    let expected = "n,m\n1234.50,x\n1500,y\n2.5,z\n2.5,a\n1.500,b\n1.125,j\n";
    assert_eq!(rows("h-marks", "csv").await, expected);
    // So it is when all of them are read again.
    patch("h-marks", json!({ "columns": { "m": { "type": "text" } } })).await;
    assert_eq!(rows("h-marks", "csv").await, expected);
}

#[tokio::test]
async fn a_decimal_point_is_kept_as_well_and_a_column_learns_its_marks_from_what_is_added() {
    put("h-point", "n;m\n1,234.50;1\n").await;
    append("h-point/rows", "n;m\n1,500;2\n").await;
    assert_eq!(rows("h-point", "csv").await, "n,m\n1234.50,1\n1500,2\n");
    put("h-learns?types=n:numeric", "n;m\n1;1\n").await;
    append("h-learns/rows", "n;m\n2,5;2\n").await;
    append("h-learns/rows", "n;m\n1.500;3\n").await;
    assert_eq!(rows("h-learns", "csv").await, "n,m\n1,1\n2.5,2\n1500,3\n");
    append("h-learns/rows?add_columns=true", "k;m\n3,5;4\n").await;
    append("h-learns/rows", "k;m\n1.500;5\n").await;
    assert_eq!(rows("h-learns", "csv").await, "n,m,k\n1,1,\n2.5,2,\n1500,3,\n,4,3.5\n,5,1500\n");
}

#[tokio::test]
async fn dates_that_are_added_have_the_order_of_their_column() {
    let first = put("h-dates", "d\n23/11/2026\n").await;
    assert_eq!(first["columns"][0], json!({ "name": "d", "type": "date", "dates": "dmy" }));
    append("h-dates/rows", "d\n03/04/2026\n").await;
    assert_eq!(rows("h-dates", "csv").await, "d\n2026-11-23\n2026-04-03\n");
    let refused =
        problem(post("h-dates/rows", "text/csv", "d\n12/31/2026\n03/04/2026\n").await, 422, "malformed").await;
    assert_eq!((refused["line"].as_u64(), refused["column"].as_u64()), (Some(3), Some(1)), "{refused}");
    assert!(refused["detail"].as_str().unwrap().contains("dates=mdy"), "{refused}");
    append("h-dates/rows?dates=mdy", "d\n12/31/2026\n03/04/2026\n").await;
    let expected = "d\n2026-11-23\n2026-04-03\n2026-12-31\n2026-03-04\n";
    assert_eq!(rows("h-dates", "csv").await, expected);
    patch("h-dates", json!({ "columns": { "d": { "name": "day", "type": "timestamp" } } })).await;
    append("h-dates/rows", "day\n05/06/2026\n").await;
    let read: Vec<String> = rows("h-dates", "csv").await.lines().skip(1).map(|line| line[..10].to_owned()).collect();
    assert_eq!(read, ["2026-11-23", "2026-04-03", "2026-12-31", "2026-03-04", "2026-06-05"]);
}

#[tokio::test]
async fn an_appends_own_names_hold_through_all_later_ones() {
    put("h-names?rename=amount:price", "id,amount\n1,10\n").await;
    append("h-names/rows?rename=cost:price", "id,cost\n2,20\n").await;
    append("h-names/rows", "id,amount\n3,30\n").await;
    append("h-names/rows", "id,price\n4,40\n").await;
    let expect = async |names: &str| {
        assert_eq!(rows("h-names", "csv").await, format!("{names}\n1,10\n2,20\n3,30\n4,40\n"));
    };
    let reread = |column: &str| json!({ "columns": { column: { "type": "numeric" } } });
    patch("h-names", reread("price")).await;
    expect("id,price").await;
    patch("h-names", json!({ "columns": { "price": { "name": "total" } } })).await;
    patch("h-names", json!({ "columns": { "total": { "name": "sum", "type": "double" } } })).await;
    expect("id,sum").await;
    // Two names change places, in the catalogue and then in what is read again.
    patch("h-names", json!({ "columns": { "sum": { "name": "id" }, "id": { "name": "sum" } } })).await;
    patch("h-names", reread("id")).await;
    expect("sum,id").await;
    patch("h-names", json!({ "options": { "rename": null, "types": null } })).await;
    expect("id,amount").await;
    let table = answer(shared().get("/v1/tables/h-names").await, 200).await;
    assert_eq!(columns(&table), ["id:bigint", "amount:bigint"]);
}

#[tokio::test]
async fn words_are_values_where_others_were_told_to_be_missing() {
    put("h-words?nulls=X", "id,n\n1,5\n2,X\n").await;
    let refused = problem(post("h-words/rows", "text/csv", "id,n\n3,NA\n").await, 422, "malformed").await;
    assert_eq!((refused["line"].as_u64(), refused["field"].as_str()), (Some(2), Some("n")));
    append("h-words/rows", "id,n\n3,X\n4,\n").await;
    assert_eq!(rows("h-words", "csv").await, "id,n\n1,5\n2,\n3,\n4,\n");
}
