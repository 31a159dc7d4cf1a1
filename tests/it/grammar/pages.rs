//! Windows of the rows: `limit`, `offset`, `Range`, counts, and what the answer says of them.

use super::folder;
use crate::support::{json, problem, shared};
use reqwest::{Method, Response};
use std::fs;

async fn table(name: &str) {
    let body = fs::read(folder().join("kinds.csv")).expect("the table's file");
    json(shared().put(&format!("/v1/tables/{name}"), body).await, 201).await;
}

async fn ask(method: Method, path: &str, headers: &[(&str, &str)]) -> Response {
    let request = shared().request(method, path);
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    request.send().await.expect("an answer")
}

/// `status content-range next: rows`, with `-` for a header that is not there.
async fn said(answer: Response) -> String {
    let header = |name: &str| answer.headers().get(name).map(|value| value.to_str().expect("ASCII").to_owned());
    let range = header("content-range").unwrap_or_else(|| "-".to_owned());
    let next = if header("link").is_some_and(|link| link.ends_with(">; rel=\"next\"")) { "next" } else { "-" };
    let start = format!("{} {range} {next}:", answer.status().as_u16());
    let refused = answer.status().is_client_error() || answer.status().is_server_error();
    let body = answer.text().await.expect("a body");
    assert!(!refused, "{start} {body}");
    body.lines().skip(1).fold(start, |said, row| said + " " + row)
}

#[tokio::test]
async fn a_window_says_which_rows_it_holds_and_what_follows() {
    table("grammar-windows").await;
    const EXACT: (&str, &str) = ("prefer", "count=exact");
    for (query, headers, expected) in [
        ("", &[][..], "200 - -: 1 2 3 4 5 6"),
        ("limit=2", &[], "200 - next: 1 2"),
        ("limit=6", &[], "200 - -: 1 2 3 4 5 6"),
        ("limit=0", &[], "200 - -:"),
        ("limit=2&offset=2", &[], "200 items 2-3/* next: 3 4"),
        ("limit=2&offset=4", &[], "200 items 4-5/* -: 5 6"),
        ("offset=6&limit=1", &[], "200 items */* -:"),
        // `Range` of items, as RFC 9110 and as PostgREST have it; it ends where the rows do.
        ("", &[("range", "items=0-1")], "206 items 0-1/* -: 1 2"),
        ("", &[("range", "items=4-")], "206 items 4-5/* -: 5 6"),
        ("", &[("range", "items=4-99")], "206 items 4-5/* -: 5 6"),
        ("", &[("range", "0-1"), ("range-unit", "items")], "206 items 0-1/* -: 1 2"),
        ("n=eq.5", &[("range", "items=1-1")], "206 items 1-1/* -: 6"),
        ("order=id.desc", &[("range", "items=0-1")], "206 items 0-1/* -: 6 5"),
        ("", &[("range", "items=0-1"), EXACT], "206 items 0-1/6 -: 1 2"),
        // Other units are nobody's here.
        ("", &[("range", "bytes=0-1")], "200 - -: 1 2 3 4 5 6"),
        ("", &[("range", "0-1")], "200 - -: 1 2 3 4 5 6"),
        // Of another state of the table all rows come.
        ("", &[("range", "items=0-1"), ("if-range", "\"other\"")], "200 - -: 1 2 3 4 5 6"),
        // Counts are of all rows that the query finds, whatever the window.
        ("", &[EXACT], "200 items 0-5/6 -: 1 2 3 4 5 6"),
        ("limit=2", &[EXACT], "200 items 0-1/6 next: 1 2"),
        ("limit=2&offset=4", &[EXACT], "200 items 4-5/6 -: 5 6"),
        ("limit=2&offset=9", &[EXACT], "200 items */6 -:"),
        ("n=eq.5&limit=1", &[EXACT], "200 items 0-0/2 next: 1"),
        ("select=id,c:doc->>a&doc->>a=eq.1&limit=1", &[EXACT], "200 items 0-0/2 next: 1,1"),
        ("n=eq.77", &[EXACT], "200 items */0 -:"),
        ("limit=2", &[("prefer", "count=estimated")], "200 items 0-1/6 next: 1 2"),
        ("limit=2", &[("prefer", "return=minimal, count=exact")], "200 items 0-1/6 next: 1 2"),
    ] {
        let query = if query.contains("select") { query.to_owned() } else { format!("{query}&select=id") };
        let path = format!("/v1/tables/grammar-windows/rows.csv?{}", super::query(&super::pairs(&query)));
        assert_eq!(said(ask(Method::GET, &path, headers).await).await, expected, "{query} {headers:?}");
    }
    let groups = "/v1/tables/grammar-windows/rows.csv?select=flag,n:count()&limit=2";
    assert_eq!(said(ask(Method::GET, groups, &[EXACT]).await).await, "200 items 0-1/3 next: false,2 true,3");
    let distinct = "/v1/tables/grammar-windows/rows.csv?select=n&distinct=true&having=n.gt.0";
    assert_eq!(said(ask(Method::GET, distinct, &[EXACT]).await).await, "200 items 0-1/2 -: 5 9223372036854775807");
    let head = "/v1/tables/grammar-windows/rows?n=eq.5";
    assert_eq!(said(ask(Method::HEAD, head, &[EXACT]).await).await, "200 items 0-1/2 -:");
    let planned = ask(Method::GET, groups, &[("prefer", "count=planned")]).await;
    assert_eq!(planned.headers()["preference-applied"], "count=planned");
    let range = planned.headers()["content-range"].to_str().unwrap().to_owned();
    assert!(range.strip_prefix("items 0-1/").is_some_and(|total| total.parse::<u64>().is_ok()), "{range}");
}

#[tokio::test]
async fn a_window_that_cannot_be_is_a_problem() {
    table("grammar-no-windows").await;
    let path = "/v1/tables/grammar-no-windows/rows";
    for range in ["items=6-", "items=6-9", "items=100-200"] {
        let refused = ask(Method::GET, path, &[("range", range)]).await;
        assert_eq!(refused.headers()["content-range"], "items */6");
        assert_eq!(problem(refused, 416, "range-not-satisfiable").await["rows"], 6);
    }
    let filtered = ask(Method::GET, &format!("{path}?n=eq.5"), &[("range", "items=2-")]).await;
    assert_eq!(problem(filtered, 416, "range-not-satisfiable").await["rows"], 2);
    for (query, header, parameter) in [
        ("", ("range", "items=2-1"), "Range"),
        ("", ("range", "items=-1"), "Range"),
        ("", ("range", "items=a-b"), "Range"),
        ("", ("range", "items=0-1,3-4"), "Range"),
        ("", ("range", "items="), "Range"),
        ("", ("range", "items=0-99999999999999999999"), "Range"),
        ("?limit=1", ("range", "items=0-1"), "Range"),
        ("?offset=1", ("range", "items=0-1"), "Range"),
        ("", ("prefer", "count=all"), "Prefer"),
    ] {
        let refused = problem(ask(Method::GET, &format!("{path}{query}"), &[header]).await, 400, "bad-request").await;
        assert_eq!(refused["parameter"], parameter, "{header:?}: {refused}");
    }
    // Of no rows the first page is no error, and no part.
    let none = ask(Method::GET, &format!("{path}.csv?select=id&n=eq.77"), &[("range", "items=0-9")]).await;
    assert_eq!(said(none).await, "200 items */0 -:");
}

#[tokio::test]
async fn the_body_of_a_page_carries_next() {
    table("grammar-bodies").await;
    let accept = ("accept", "application/vnd.larder.page+json");
    let mut path = "/v1/tables/grammar-bodies/rows?select=id&order=n.desc.nullslast&limit=4".to_owned();
    let mut ids = Vec::new();
    loop {
        let answer = ask(Method::GET, &path, &[accept, ("prefer", "count=exact")]).await;
        let link = answer.headers().get("link").map(|link| link.to_str().unwrap().to_owned());
        let page = json(answer, 200).await;
        assert_eq!(page["count"], 6);
        ids.extend(page["rows"].as_array().unwrap().iter().map(|row| row["id"].as_u64().unwrap()));
        assert_eq!(link, page["next"].as_str().map(|next| format!("<{next}>; rel=\"next\"")));
        match page["next"].as_str() {
            Some(next) => path = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(ids, [4, 1, 6, 5, 2, 3]);
    // Without a limit of the caller's it is the service's, and never more.
    let page = json(ask(Method::GET, "/v1/tables/grammar-bodies/rows", &[accept]).await, 200).await;
    assert_eq!((page["rows"].as_array().unwrap().len(), page["next"].is_null()), (6, true));
    let large = ask(Method::GET, "/v1/tables/grammar-bodies/rows?limit=1000000", &[accept]).await;
    let status = large.status().as_u16();
    problem(large, status, "page-too-large").await;
}
