//! What a caller tells about a file: options that persist, rehearsals, schemas that are kept.

use super::{columns, put, rows};
use crate::support::{Service, json as answer, problem, shared};
use reqwest::Method;
use serde_json::json;

#[tokio::test]
async fn what_was_told_holds_for_the_next_replace_until_it_is_taken_back() {
    let first = put("told-types?types=zip:text,price:double&rename=amount:price", "zip,amount\n1234,1.50\n").await;
    assert_eq!(columns(&first), ["zip:text", "price:double"]);
    let second = put("told-types", "zip,amount\n5678,2.50\n").await;
    assert_eq!((columns(&second), second["version"].as_i64()), (columns(&first), Some(2)));
    assert_eq!(rows("told-types", "csv").await, "zip,price\n5678,2.5\n");
    let again = put("told-types", "zip,amount\n5678,2.50\n").await;
    assert_eq!(again["etag"], second["etag"], "identical bytes and options are the same version");
    let freed = put("told-types?types=&rename=", "zip,amount\n5678,2.50\n").await;
    assert_eq!(columns(&freed), ["zip:bigint", "amount:numeric"]);
    let changes = json!([
        { "column": "zip", "change": "type", "from": "text", "to": "bigint" },
        { "column": "price", "change": "lost", "from": "double" },
        { "column": "amount", "change": "added", "to": "numeric" },
    ]);
    assert_eq!(freed["ingest"]["changes"], changes);
}

#[tokio::test]
async fn a_value_that_is_not_what_was_told_is_refused_with_its_place() {
    let file = "a,b\n1,x\n2,y\n\"3\n4\",z\n";
    let refused = problem(shared().put("/v1/tables/told-no?types=b:bigint", file).await, 422, "malformed").await;
    assert_eq!((refused["line"].as_u64(), refused["column"].as_u64()), (Some(2), Some(3)));
    assert_eq!((refused["field"].as_str(), refused["excerpt"].as_str()), (Some("b"), Some("x")));
    problem(shared().put("/v1/tables/told-no?types=c:bigint", file).await, 400, "bad-request").await;
    problem(shared().put("/v1/tables/told-no?rename=a:b", file).await, 400, "bad-request").await;
    for (parameter, value) in
        [("types", "a"), ("types", "a:int4"), ("delimiter", "ab"), ("header", "-1"), ("dates", "d"), ("nonsense", "1")]
    {
        let refused = shared().put(&format!("/v1/tables/told-no?{parameter}={value}"), file).await;
        assert_eq!(problem(refused, 400, "bad-request").await["parameter"], parameter);
    }
    let refused = problem(shared().put("/told.png?delimiter=;", "x").await, 400, "bad-request").await;
    assert_eq!(refused["parameter"], "delimiter");
    problem(shared().get("/v1/tables/told-no").await, 404, "not-found").await;

    // Ambiguous dates are text, but not if they were told to be dates.
    let dates = "d\n01/02/2026\n";
    assert_eq!(columns(&put("told-dates", dates).await), ["d:text"]);
    problem(shared().put("/v1/tables/told-no?types=d:date", dates).await, 422, "malformed").await;
    put("told-dates?types=d:date&dates=dmy", dates).await;
    assert_eq!(rows("told-dates", "csv").await, "d\n2026-02-01\n");
}

#[tokio::test]
async fn a_rehearsal_says_what_would_happen_and_writes_nothing() {
    let file = "a;b\n1;2,5\n";
    let said = answer(shared().put("/v1/tables/told-dry?dry_run=true&types=a:text", file).await, 200).await;
    assert_eq!(
        (said["dry_run"].as_bool(), said["replaces"].as_bool(), said["rows"].as_u64()),
        (Some(true), Some(false), Some(1))
    );
    assert_eq!(columns(&said)[0], "a:text");
    problem(shared().get("/v1/tables/told-dry").await, 404, "not-found").await;
    problem(shared().put("/v1/tables/told-dry?dry_run=true", "a,b\n1,\"2\n").await, 422, "malformed").await;
    assert_eq!(shared().column("select name from larder.datasets where name = 'told-dry'").await, Vec::<String>::new());
}

#[tokio::test]
async fn a_schema_that_is_to_be_kept_is_kept() {
    put("told-schema", "a,b\n1,x\n").await;
    let refused = shared().put("/v1/tables/told-schema?schema=keep", "a,c\nx,1\n").await;
    let refused = problem(refused, 422, "schema-changed").await;
    let changes = json!([
        { "column": "a", "change": "type", "from": "bigint", "to": "text" },
        { "column": "b", "change": "lost", "from": "text" },
    ]);
    assert_eq!(refused["changes"], changes);
    assert_eq!(rows("told-schema", "csv").await, "a,b\n1,x\n");
    put("told-schema?schema=keep", "b,a,new\ny,2,3\n").await;
    assert_eq!(rows("told-schema", "csv").await, "b,a,new\ny,2,3\n");
}

#[tokio::test]
async fn a_smart_upload_can_be_rehearsed_keyed_and_left_to_a_job() {
    let said = answer(shared().put("/told-smart.csv?dry_run=true", "a;b\n1;2,5\n2;3,5\n").await, 200).await;
    assert_eq!((columns(&said), said["rows"].as_u64()), (vec!["a:bigint".into(), "b:numeric".into()], Some(2)));
    problem(shared().get("/v1/tables/told-smart").await, 404, "not-found").await;
    let refused = problem(shared().put("/told.png?dry_run=true", "x").await, 400, "bad-request").await;
    assert_eq!(refused["parameter"], "dry_run");
    problem(shared().put("/told-smart.csv?key=a", "a,b\n1,2\n1,3\n").await, 409, "duplicate-key").await;

    let request = shared().request(Method::PUT, "/told-later.csv").header("prefer", "respond-async");
    let job = answer(request.body("a\n1\n").send().await.unwrap(), 202).await;
    let path = format!("/v1/jobs/{}", job["id"].as_str().unwrap());
    while answer(shared().get(&path).await, 200).await["state"] == "running" {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(rows("told-later", "csv").await, "a\n1\n");
}

#[tokio::test]
async fn more_loads_than_the_limit_wait_and_are_then_refused() {
    let larder = Service::start(&["--loads-max=1", "--request-seconds=5"]).await;
    // One that never ends takes the only place.
    let endless = futures::stream::unfold((), |()| async {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        Some((Ok::<_, std::io::Error>("1,x\n".repeat(100)), ()))
    });
    let request = larder.request(Method::PUT, "/v1/tables/endless").body(reqwest::Body::wrap_stream(endless));
    let sending = tokio::spawn(request.send());
    larder.wait_for("select count(*) from larder.pending", &["1"]).await;
    let refused = larder.put("/v1/tables/second", "a\n1\n").await;
    assert_eq!(refused.headers()["retry-after"], "5");
    assert_eq!(problem(refused, 503, "too-many-loads").await["limit"], 1);
    sending.abort();
    larder.wait_for("select count(*) from larder.pending", &["0"]).await;
    while larder.put("/v1/tables/second", "a\n1\n").await.status() != 201 {}
}

#[tokio::test]
async fn every_option_that_was_told_is_taken_back_by_an_empty_value() {
    let told = "delimiter=;&quote=none&escape=double&encoding=utf-8&header=1&skip=0&comment=%23&decimal=,&dates=dmy&strict=true&nulls=x";
    put(&format!("told-back?{told}"), "a;b\n1,5;2\n").await;
    let back: Vec<_> = told.split('&').map(|pair| format!("{}=", pair.split('=').next().unwrap())).collect();
    let freed = put(&format!("told-back?{}", back.join("&")), "a,b\n1.5,2\n").await;
    assert_eq!(columns(&freed), ["a:numeric", "b:bigint"]);
}

#[tokio::test]
async fn json_has_points_and_infinities_have_no_marks_whatever_was_told() {
    put("told-json?decimal=,", "{\"a\":1.5}\n{\"a\":2}\n").await;
    assert_eq!(rows("told-json", "csv").await, "a\n1.5\n2\n");
    let special = put("told-special", "a;b\n1,5;x\n2,5;y\ninf;z\n").await;
    assert_eq!(columns(&special), ["a:double", "b:text"]);
    assert_eq!(rows("told-special", "csv").await, "a,b\n1.5,x\n2.5,y\nInfinity,z\n");
}

#[tokio::test]
async fn an_appended_name_is_the_column_that_bears_it_now() {
    put("told-swap?rename=a:b,b:a", "a,b\n1,x\n").await;
    let request = shared().request(Method::POST, "/v1/tables/told-swap/rows").header("content-type", "text/csv");
    answer(request.body("b,a\n2,y\n").send().await.unwrap(), 201).await;
    assert_eq!(rows("told-swap", "csv").await, "b,a\n1,x\n2,y\n");
}
