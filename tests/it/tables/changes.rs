//! Rows that a filter finds, changed and deleted.

use super::{ALL_TYPES, put, rows};
use crate::support::{Service, json as answer, problem, shared};
use reqwest::{Method, Response};
use serde_json::{Value, json};

pub async fn send(
    larder: &Service,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: Option<&str>,
) -> Response {
    let request = larder.request(method, &format!("/v1/tables/{path}"));
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    let request = match body {
        Some(body) => request.header("content-type", "application/json").body(body.to_owned()),
        None => request,
    };
    request.send().await.expect("an answer")
}

/// `PATCH` of rows with values as JSON.
pub async fn patch(path: &str, headers: &[(&str, &str)], body: &str) -> Response {
    send(shared(), Method::PATCH, path, headers, Some(body)).await
}

pub async fn delete(path: &str, headers: &[(&str, &str)]) -> Response {
    send(shared(), Method::DELETE, path, headers, None).await
}

pub fn header(response: &Response, name: &str) -> Option<String> {
    response.headers().get(name).map(|value| value.to_str().expect("ASCII").to_owned())
}

/// The id of a change that succeeded without a body.
pub fn changed(response: &Response) -> String {
    assert_eq!(response.status(), 204, "{response:?}");
    header(response, "larder-change").expect("the id of a change")
}

async fn descriptor(name: &str) -> Value {
    answer(shared().get(&format!("/v1/tables/{name}")).await, 200).await
}

#[tokio::test]
async fn rows_that_a_filter_finds_get_new_values_or_go() {
    let first = put("c-plain", "id,name,n\n1,a,10\n2,b,20\n3,c,30\n4,,40\n").await;
    let done = patch("c-plain/rows?n=gte.20&name=not.is.null", &[], r#"{"n":0,"name":"x"}"#).await;
    let etag = header(&done, "etag").unwrap();
    assert_eq!((header(&done, "content-range"), header(&done, "preference-applied")), (None, None));
    changed(&done);
    assert_eq!(rows("c-plain", "csv").await, "id,name,n\n1,a,10\n2,x,0\n3,x,0\n4,,40\n");
    let now = descriptor("c-plain").await;
    assert_eq!((&now["version"], &now["rows"], &now["etag"]), (&first["version"], &first["rows"], &json!(etag)));
    assert_ne!(now["etag"], first["etag"]);

    let done = delete("c-plain/rows?or=(id.eq.1,n.eq.40)", &[("prefer", "return=headers-only")]).await;
    assert_eq!(header(&done, "content-range").as_deref(), Some("items */2"));
    assert_eq!(header(&done, "preference-applied").as_deref(), Some("return=headers-only"));
    changed(&done);
    assert_eq!(rows("c-plain", "csv").await, "id,name,n\n2,x,0\n3,x,0\n");
    assert_eq!(descriptor("c-plain").await["rows"], 2);

    // Nothing found is nothing changed.
    let before = descriptor("c-plain").await;
    let counted = [("prefer", "count=planned")];
    for done in
        [patch("c-plain/rows?id=eq.9", &counted, r#"{"n":1}"#).await, delete("c-plain/rows?id=eq.9", &counted).await]
    {
        assert_eq!((done.status().as_u16(), header(&done, "larder-change")), (204, None));
        assert_eq!(header(&done, "content-range").as_deref(), Some("items */0"));
        assert_eq!(header(&done, "preference-applied").as_deref(), Some("count=exact"));
        assert_eq!(json!(header(&done, "etag")), before["etag"]);
    }
    assert_eq!(descriptor("c-plain").await["updated_at"], before["updated_at"]);
    // All rows, by a condition that always holds.
    changed(&delete("c-plain/rows?or=(id.is.null,id.not.is.null)", &[]).await);
    assert_eq!(rows("c-plain", "csv").await, "id,name,n\n");
}

#[tokio::test]
async fn every_type_takes_its_values_exactly_and_comes_out_again() {
    put("c-types", ALL_TYPES).await;
    let body = r#"{"flag":false,"count":9007199254740993,"price":0.1000000000000000000000000000000000001,"ratio":1e-7,
        "day":"2026-02-03","at":"2026-02-03T04:05:06.5","instant":"2026-02-03T04:05:06+02:00","note":"é \"q\", 数","doc":{"b": [1.50, null]}}"#;
    changed(&patch("c-types/rows?note=is.null", &[], body).await);
    let lines = rows("c-types", "ndjson").await;
    insta::assert_snapshot!(lines.lines().last().unwrap(), @r#"{"flag":false,"count":9007199254740993,"price":0.1000000000000000000000000000000000001,"ratio":1e-07,"day":"2026-02-03","at":"2026-02-03T04:05:06.5","instant":"2026-02-03T02:05:06+00:00","note":"é \"q\", 数","doc":{"b": [1.50, null]}}"#);
    // Numbers as strings, as a client without 64 bits sends them.
    let body = r#"{"count":"-9223372036854775808","price":"12345678901234567890.10","ratio":"NaN","note":""}"#;
    changed(&patch("c-types/rows?flag=is.true", &[], body).await);
    let csv = rows("c-types", "csv").await;
    assert!(csv.contains("\ntrue,-9223372036854775808,12345678901234567890.10,NaN,2026-01-02,"), "{csv}");
    let nulls = r#"{"flag":null,"count":null,"price":null,"ratio":null,"day":null,"at":null,"instant":null,"note":null,"doc":null}"#;
    changed(&patch("c-types/rows?or=(flag.is.null,flag.not.is.null)", &[], nulls).await);
    assert!(rows("c-types", "csv").await.ends_with("doc\n,,,,,,,,\n,,,,,,,,\n,,,,,,,,\n"));
}

#[tokio::test]
async fn a_value_that_does_not_fit_names_its_column_and_the_type_it_should_have() {
    put("c-wrong", "n,d,flag,note,id\n1,2026-01-01,true,x,67e55044-10b1-426f-9247-bb680e5fe0c8\n").await;
    let before = descriptor("c-wrong").await;
    for (body, field, kind) in [
        (r#"{"n":1.5}"#, "n", "bigint"),
        (r#"{"n":9223372036854775808}"#, "n", "bigint"),
        (r#"{"n":true}"#, "n", "bigint"),
        (r#"{"note":"y","d":"2026-02-30"}"#, "d", "date"),
        (r#"{"d":20260101}"#, "d", "date"),
        (r#"{"flag":"yes"}"#, "flag", "boolean"),
        (r#"{"note":5}"#, "note", "text"),
        (r#"{"note":"a\u0000"}"#, "note", "text"),
        (r#"{"id":"67e5"}"#, "id", "uuid"),
        (r#"{"nope":1}"#, "nope", "no such column"),
        (r#"{"n":1,"n":2}"#, "n", "twice"),
    ] {
        let refused = problem(patch("c-wrong/rows?n=eq.1", &[], body).await, 422, "malformed").await;
        assert_eq!(refused["field"], field, "{refused}");
        assert!(refused["detail"].as_str().unwrap().contains(kind), "{refused}");
    }
    for body in ["{}", "[]", "1", "null", "[{\"n\":1}]"] {
        problem(patch("c-wrong/rows?n=eq.1", &[], body).await, 422, "malformed").await;
    }
    problem(patch("c-wrong/rows?n=eq.1", &[], "{\"n\":").await, 400, "bad-request").await;
    let csv = shared().request(Method::PATCH, "/v1/tables/c-wrong/rows?n=eq.1").header("content-type", "text/csv");
    problem(csv.body("n\n1\n").send().await.unwrap(), 415, "unsupported-media-type").await;
    let long = format!("{{\"note\":\"{}\"}}", "x".repeat(1 << 20));
    problem(patch("c-wrong/rows?n=eq.1", &[], &long).await, 413, "request-too-large").await;
    assert_eq!(descriptor("c-wrong").await, before);
}

#[tokio::test]
async fn a_filter_is_needed_and_what_has_no_meaning_here_is_refused() {
    put("c-filter", "a,b\n1,x\n2,y\n3,z\n").await;
    for (query, parameter) in [
        ("", "filter"),
        ("?select=a", "filter"),
        ("?limit=1&order=a", "filter"),
        ("?a=gt.0&limit=1", "limit"),
        ("?a=gt.0&offset=1", "offset"),
        ("?a=gt.0&having=a.gt.1", "having"),
        ("?a=gt.0&distinct=true", "distinct"),
        ("?a=gt.0&select=a.sum()", "select"),
        ("?a=gt.0&select=c", "select"),
        ("?a=gt.0&version=1", "version"),
        ("?a=gt.0&cursor=x", "cursor"),
        ("?a=gt.x", "a"),
        ("?c=eq.1", "c"),
        ("?b=match.%28", "b"),
    ] {
        for response in [
            delete(&format!("c-filter/rows{query}"), &[]).await,
            patch(&format!("c-filter/rows{query}"), &[], r#"{"a":0}"#).await,
        ] {
            let refused = problem(response, 400, "bad-request").await;
            assert_eq!(refused["parameter"], parameter, "{query}: {refused}");
        }
    }
    for prefer in ["return=all", "count=many", "max-affected=few", "tx=maybe"] {
        let refused = problem(delete("c-filter/rows?a=gt.0", &[("prefer", prefer)]).await, 400, "bad-request").await;
        assert_eq!(refused["parameter"], "Prefer");
    }
    problem(delete("c-nowhere/rows?a=eq.1", &[]).await, 404, "not-found").await;
    let anonymous = shared().anonymous(Method::DELETE, "/v1/tables/c-filter/rows?a=gt.0").send().await.unwrap();
    problem(anonymous, 401, "unauthenticated").await;
    assert_eq!(rows("c-filter", "csv").await, "a,b\n1,x\n2,y\n3,z\n");
    // With an order, the first rows alone.
    changed(&delete("c-filter/rows?a=gt.0&order=a.desc&limit=2", &[]).await);
    assert_eq!(rows("c-filter", "csv").await, "a,b\n1,x\n");
}

#[tokio::test]
async fn rows_are_returned_as_they_are_after_an_update_and_were_before_a_delete() {
    put("c-return", "id,n,doc\n1,10,\"{\"\"k\"\":\"\"v\"\"}\"\n2,20,\n3,30,\n").await;
    let wanted = [("prefer", "return=representation, count=exact")];
    let done = patch("c-return/rows?n=lt.25&select=id,m:n,doc-%3E%3Ek&order=id.desc", &wanted, r#"{"n":99}"#).await;
    assert_eq!(done.status(), 200);
    assert_eq!(header(&done, "content-range").as_deref(), Some("items */2"));
    assert_eq!(header(&done, "preference-applied").as_deref(), Some("return=representation, count=exact"));
    assert_eq!(header(&done, "content-security-policy").as_deref(), Some("sandbox"));
    assert!(header(&done, "larder-change").is_some());
    assert_eq!(done.text().await.unwrap(), "[\n{\"id\":2,\"m\":99,\"k\":null},\n{\"id\":1,\"m\":99,\"k\":\"v\"}\n]\n");
    let csv = [("prefer", "return=representation"), ("accept", "text/csv")];
    let done = delete("c-return/rows?n=eq.99", &csv).await;
    assert_eq!(header(&done, "content-type").as_deref(), Some("text/csv; charset=utf-8; header=present"));
    assert_eq!(done.text().await.unwrap(), "id,n,doc\n1,99,\"{\"\"k\"\":\"\"v\"\"}\"\n2,99,\n");
    let none = delete("c-return/rows?n=eq.99", &wanted).await;
    assert_eq!((none.status().as_u16(), none.text().await.unwrap()), (200, "[\n]\n".to_owned()));
    for accept in ["image/png", "application/vnd.larder.page+json", "application/vnd.apache.parquet"] {
        let headers = [("prefer", "return=representation"), ("accept", accept)];
        problem(delete("c-return/rows?n=eq.30", &headers).await, 406, "not-acceptable").await;
    }
    // A cast that fails while rows are returned changes nothing.
    let refused = patch("c-return/rows?n=eq.30&select=doc::text::bigint", &wanted, r#"{"doc":"x"}"#).await;
    problem(refused, 400, "bad-request").await;
    assert_eq!(rows("c-return", "csv").await, "id,n,doc\n3,30,\n");
}

#[tokio::test]
async fn more_rows_than_are_allowed_are_left_alone_and_a_rehearsal_changes_nothing() {
    put("c-max", "n\n1\n2\n3\n").await;
    let before = descriptor("c-max").await;
    let refused = delete("c-max/rows?n=gt.1", &[("prefer", "handling=strict, max-affected=1")]).await;
    let refused = problem(refused, 400, "max-affected").await;
    assert_eq!((refused["rows"].as_u64(), refused["max_affected"].as_u64()), (Some(2), Some(1)));
    let prefer = "tx=rollback, return=representation, max-affected=2";
    let rehearsed = patch("c-max/rows?n=gt.1", &[("prefer", prefer)], r#"{"n":7}"#).await;
    assert_eq!(header(&rehearsed, "larder-change"), None);
    assert_eq!(json!(header(&rehearsed, "etag")), before["etag"]);
    let applied = header(&rehearsed, "preference-applied").unwrap();
    assert!(
        ["tx=rollback", "return=representation", "max-affected=2"].iter().all(|one| applied.contains(one)),
        "{applied}"
    );
    assert_eq!(rehearsed.text().await.unwrap(), "[\n{\"n\":7},\n{\"n\":7}\n]\n");
    assert_eq!(descriptor("c-max").await, before);
    assert_eq!(rows("c-max", "csv").await, "n\n1\n2\n3\n");
    let list = answer(shared().get("/v1/tables/c-max/changes").await, 200).await;
    assert_eq!(list["changes"], json!([]));
    changed(&delete("c-max/rows?n=gt.1", &[("prefer", "max-affected=2, tx=commit")]).await);
    assert_eq!(rows("c-max", "csv").await, "n\n1\n");
}

#[tokio::test]
async fn a_key_stays_unique_and_is_never_missing() {
    put("c-key?key=id", "id,n\n1,10\n2,20\n").await;
    let twice = problem(patch("c-key/rows?id=gt.0", &[], r#"{"id":5}"#).await, 409, "duplicate-key").await;
    assert_eq!(twice["columns"], json!(["id"]));
    problem(patch("c-key/rows?id=eq.1", &[], r#"{"id":2}"#).await, 409, "duplicate-key").await;
    let missing = problem(patch("c-key/rows?id=eq.1", &[], r#"{"id":null}"#).await, 409, "duplicate-key").await;
    assert!(missing["detail"].as_str().unwrap().contains("missing"), "{missing}");
    assert_eq!(rows("c-key", "csv").await, "id,n\n1,10\n2,20\n");
    changed(&patch("c-key/rows?id=eq.1", &[], r#"{"id":3}"#).await);
    assert_eq!(rows("c-key", "csv").await, "id,n\n3,10\n2,20\n");
}

#[tokio::test]
async fn a_condition_guards_what_was_read_and_a_key_makes_a_request_count_once() {
    let first = put("c-once", "n\n1\n2\n").await;
    let etag = first["etag"].as_str().unwrap();
    changed(&patch("c-once/rows?n=eq.1", &[("if-match", etag)], r#"{"n":3}"#).await);
    problem(delete("c-once/rows?n=eq.2", &[("if-match", etag)]).await, 412, "precondition-failed").await;
    // The ETag of rows stands for the state that they came from.
    let read = header(&shared().get("/v1/tables/c-once/rows?n=eq.2").await, "etag").unwrap();
    changed(&patch("c-once/rows?n=eq.3", &[("if-match", &read)], r#"{"n":1}"#).await);
    problem(delete("c-once/rows?n=eq.2", &[("if-match", &read)]).await, 412, "precondition-failed").await;
    let fault = problem(patch("c-once/rows?n::text=match.[", &[], r#"{"n":1}"#).await, 400, "bad-request").await;
    assert_eq!(fault["parameter"], "n::text");

    let key = [("idempotency-key", "c-once-1"), ("prefer", "return=representation")];
    let done = patch("c-once/rows?n=gt.0", &key, r#"{"n":5}"#).await;
    let (etag, change) = (header(&done, "etag"), header(&done, "larder-change"));
    let body = done.text().await.unwrap();
    changed(&patch("c-once/rows?n=eq.5", &[], r#"{"n":6}"#).await);
    let again = patch("c-once/rows?n=gt.0", &key, r#"{"n":5}"#).await;
    assert_eq!(header(&again, "idempotency-replayed").as_deref(), Some("true"));
    assert_eq!((header(&again, "etag"), header(&again, "larder-change")), (etag, change));
    assert_eq!(again.text().await.unwrap(), body);
    assert_eq!(rows("c-once", "csv").await, "n\n6\n6\n");
    problem(patch("c-once/rows?n=gt.0", &key, r#"{"n":8}"#).await, 422, "idempotency-mismatch").await;
    problem(delete("c-once/rows?n=gt.0", &key).await, 422, "idempotency-mismatch").await;
    // One that failed, or was a rehearsal, is done anew.
    let other = [("idempotency-key", "c-once-2")];
    problem(patch("c-once/rows?n=gt.0", &other, r#"{"n":"x"}"#).await, 422, "malformed").await;
    changed(&delete("c-once/rows?n=eq.6", &other).await);
    let again = delete("c-once/rows?n=eq.6", &other).await;
    assert_eq!((again.status().as_u16(), header(&again, "idempotency-replayed").as_deref()), (204, Some("true")));
    // More than is kept with an answer.
    put("c-large", format!("t\n{}", format!("{}\n", "x".repeat(1000)).repeat(1100))).await;
    let large = [("idempotency-key", "c-once-3"), ("prefer", "return=representation")];
    problem(delete("c-large/rows?t=like.x*", &large).await, 400, "bad-request").await;
    let rows = delete("c-large/rows?t=like.x*", &[("prefer", "return=representation")]).await.text().await.unwrap();
    assert_eq!(rows.lines().count(), 1102);
}
