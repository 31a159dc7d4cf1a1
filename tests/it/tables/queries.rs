//! Rows out: columns, order, windows, formats, conditions.

use super::{put, rows};
use crate::support::{client, json as answer, problem, shared};
use reqwest::{Method, Response};

const PEOPLE: &str = "name,age,home.town,\"a,\"\"b\"\n\
    Ann,31,Bern,1\nbob,,Zug,2\nCem,31,,3\nÄnne,7,Bern,4\n";

async fn people(query: &str) -> String {
    shared().text(&format!("/v1/tables/q-people/rows.csv{query}")).await
}

async fn get(path: &str, headers: &[(&str, &str)]) -> Response {
    let request = shared().request(Method::GET, path);
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    request.send().await.expect("an answer")
}

#[tokio::test]
async fn rows_are_selected_ordered_and_cut() {
    put("q-people", PEOPLE).await;
    let name = |query: &'static str| async move {
        let csv = people(&format!("?select=name&{query}")).await;
        csv.lines().skip(1).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(people("").await, PEOPLE);
    assert_eq!(people("?select=*").await, PEOPLE);
    assert_eq!(people("?select=age,name&limit=1").await, "age,name\n31,Ann\n");
    assert_eq!(people("?select=%22a,%5C%22b%22&limit=1&offset=1").await, "\"a,\"\"b\"\n2\n");
    assert_eq!(name("order=name").await, "Ann Cem bob Änne");
    assert_eq!(name("order=name.desc").await, "Änne bob Cem Ann");
    // Ties keep the order of the file; NULL is larger than everything unless it is said.
    assert_eq!(name("order=age").await, "Änne Ann Cem bob");
    assert_eq!(name("order=age.desc").await, "bob Ann Cem Änne");
    assert_eq!(name("order=age.desc.nullslast,name.desc").await, "Cem Ann Änne bob");
    assert_eq!(name("order=home.town.nullsfirst").await, "Cem Ann Änne bob");
    assert_eq!(name("order=%22home.town%22.desc,age").await, "Cem bob Änne Ann");
    assert_eq!(name("offset=3").await, "Änne");
    assert_eq!(name("offset=4").await, "");
    assert_eq!(name("limit=0").await, "");
    assert_eq!(name("limit=18446744073709551615&offset=18446744073709551615").await, "");
}

#[tokio::test]
async fn a_wrong_query_names_its_parameter() {
    put("q-wrong", "a,j\n1,{}\n").await;
    for (query, parameter) in [
        ("select=b", "select"),
        ("select=a,", "select"),
        ("select=%22a", "select"),
        ("order=b", "order"),
        ("order=a.up", "order"),
        ("order=a;drop%20table%20x", "order"),
        ("order=j", "order"),
        ("limit=-1", "limit"),
        ("limit=many", "limit"),
        ("offset=1.5", "offset"),
        ("limit=1&limit=2", "limit"),
        ("age=eq.3", "age"),
    ] {
        for path in ["rows", "rows.csv"] {
            let answer = shared().get(&format!("/v1/tables/q-wrong/{path}?{query}")).await;
            let problem = problem(answer, 400, "bad-request").await;
            assert_eq!(problem["parameter"], parameter, "{query}: {problem}");
        }
    }
    let problem = problem(shared().put("/v1/tables/q-wrong?mode=append", "a\n").await, 400, "bad-request").await;
    assert_eq!(problem["parameter"], "mode");
}

#[tokio::test]
async fn a_url_that_is_not_utf8_is_refused_and_never_read_as_something_else() {
    put("q-bytes", "a,é\ncaf\u{fffd},1\ncafé,2\n").await;
    let path = "/v1/tables/q-bytes/rows.csv";
    assert_eq!(shared().text(&format!("{path}?a=eq.caf%C3%A9&select=%C3%A9")).await, "é\n2\n");
    for (query, parameter) in
        [("a=eq.caf%E9", "a"), ("select=a&%E9=eq.1", "\u{fffd}"), ("q=caf%E9", "q"), ("a%FF", "a\u{fffd}")]
    {
        let refused = problem(shared().get(&format!("{path}?{query}")).await, 400, "bad-request").await;
        assert_eq!(refused["parameter"], parameter, "{refused}");
        assert!(refused["detail"].as_str().unwrap().contains("UTF-8"), "{refused}");
    }
    // Octets that are no escape are what they are.
    assert_eq!(shared().text(&format!("{path}?a=eq.100%&select=a")).await, "a\n");
}

#[tokio::test]
async fn the_format_follows_extension_or_accept() {
    put("q-formats", "a\n1\n").await;
    for (accept, content_type) in [
        ("*/*", "application/json"),
        ("text/csv", "text/csv; charset=utf-8; header=present"),
        ("TEXT/CSV", "text/csv; charset=utf-8; header=present"),
        ("text/*", "text/csv; charset=utf-8; header=present"),
        ("application/x-ndjson", "application/x-ndjson"),
        (
            "application/json;q=0.5, text/csv;q=0.8, application/x-ndjson;q=0.1",
            "text/csv; charset=utf-8; header=present",
        ),
        ("application/json;q=0, */*;q=0.1", "text/csv; charset=utf-8; header=present"),
        ("text/html, application/xhtml+xml, */*;q=0.8", "text/html; charset=utf-8"),
        ("image/png, application/x-ndjson;q=0.2", "application/x-ndjson"),
    ] {
        let answer = get("/v1/tables/q-formats/rows", &[("accept", accept)]).await;
        assert_eq!(answer.headers()["content-type"], content_type, "{accept}");
        assert!(answer.headers()["vary"].to_str().unwrap().contains("Accept"));
    }
    problem(get("/v1/tables/q-formats/rows", &[("accept", "image/png")]).await, 406, "not-acceptable").await;
    problem(get("/v1/tables/q-formats/rows", &[("accept", "text/csv;q=0")]).await, 406, "not-acceptable").await;
    problem(shared().get("/v1/tables/q-formats/rows.docx").await, 406, "not-acceptable").await;
    problem(shared().get("/v1/tables/q-formats/columns").await, 404, "not-found").await;
    problem(shared().get("/v1/tables/q-none/rows.csv").await, 404, "not-found").await;
    // The extension is what was asked for.
    let answer = get("/v1/tables/q-formats/rows.csv", &[("accept", "application/json")]).await;
    assert_eq!(answer.headers()["content-type"], "text/csv; charset=utf-8; header=present");
}

#[tokio::test]
async fn rows_leave_with_the_headers_of_users_bytes() {
    put("q-headers", "a\n1\n").await;
    let answer = shared().get("/v1/tables/q-headers/rows.csv").await;
    assert_eq!(answer.headers()["vary"], "Accept, Accept-Encoding, Authorization");
    let mut headers: Vec<String> = answer
        .headers()
        .iter()
        .filter(|(name, _)| !matches!(name.as_str(), "date" | "x-request-id" | "etag" | "vary" | "ratelimit"))
        .filter(|(name, _)| !name.as_str().starts_with("access-control-"))
        .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
        .collect();
    headers.sort();
    insta::assert_snapshot!(headers.join("\n"), @r#"
    accept-ranges: items
    cache-control: private, no-cache
    content-disposition: inline; filename="q-headers.csv"; filename*=UTF-8''q%2Dheaders%2Ecsv
    content-security-policy: sandbox
    content-type: text/csv; charset=utf-8; header=present
    ratelimit-policy: "token";q=10000;w=10
    referrer-policy: no-referrer
    transfer-encoding: chunked
    x-content-type-options: nosniff
    "#);
}

#[tokio::test]
async fn head_says_what_get_would_without_a_false_length() {
    put("q-head", "a\n1\n").await;
    for path in ["/v1/tables/q-head", "/v1/tables/q-head/raw", "/v1/tables/q-head/rows.csv"] {
        let head = shared().request(Method::HEAD, path).send().await.unwrap();
        let get = shared().get(path).await;
        for name in ["etag", "content-type", "content-length"] {
            assert_eq!(head.headers().get(name), get.headers().get(name), "{path}: {name}");
        }
        assert_eq!((head.status().as_u16(), head.text().await.unwrap().as_str()), (200, ""), "{path}");
    }
    let wrong = shared().request(Method::HEAD, "/v1/tables/q-head/rows?select=b").send().await.unwrap();
    assert_eq!(wrong.status(), 400);
}

#[tokio::test]
async fn an_etag_stands_for_one_state_query_and_format() {
    put("q-etag", "a\n1\n").await;
    let etag = |path: &'static str| async move {
        let answer = shared().get(&format!("/v1/tables/q-etag/{path}")).await;
        answer.headers()["etag"].to_str().unwrap().to_owned()
    };
    let paths =
        ["rows.csv", "rows.json", "rows.ndjson", "rows.csv?limit=1", "rows.csv?order=a", "rows.csv?select=a", "raw"];
    let mut etags = Vec::new();
    for path in paths {
        let found = etag(path).await;
        assert_eq!(etag(path).await, found);
        let full = format!("/v1/tables/q-etag/{path}");
        let fresh = get(&full, &[("if-none-match", &format!("\"x\", W/{found}"))]).await;
        assert_eq!(
            (fresh.status().as_u16(), fresh.headers()["etag"].to_str().unwrap()),
            (304, found.as_str()),
            "{path}"
        );
        assert_eq!(get(&full, &[("if-none-match", "\"x\"")]).await.status(), 200);
        etags.push(found);
    }
    etags.sort();
    etags.dedup();
    assert_eq!(etags.len(), paths.len(), "each URL has one of its own");
    let (before, descriptor) = (etag("rows.csv").await, shared().get("/v1/tables/q-etag").await);
    let version = descriptor.headers()["etag"].to_str().unwrap().to_owned();
    assert!(before.starts_with(version.trim_end_matches('"')));
    put("q-etag", "a\n2\n").await;
    assert_ne!(etag("rows.csv").await, before);
    assert_eq!(get("/v1/tables/q-etag/rows.csv", &[("if-none-match", &before)]).await.text().await.unwrap(), "a\n2\n");
}

#[tokio::test]
async fn the_raw_upload_is_served_by_ranges_too() {
    let file = "a,b\r\n1,\"x\"\r\n";
    put("q-raw", file).await;
    let path = "/v1/tables/q-raw/raw";
    assert_eq!(shared().text(path).await, file);
    let part = get(path, &[("range", "bytes=3-6")]).await;
    assert_eq!(part.headers()["content-range"], format!("bytes 3-6/{}", file.len()));
    assert_eq!((part.status().as_u16(), part.text().await.unwrap().as_str()), (206, "\r\n1,"));
    assert_eq!(get(path, &[("range", "bytes=-3")]).await.text().await.unwrap(), "\"\r\n");
    let beyond = problem(get(path, &[("range", "bytes=90-")]).await, 416, "range-not-satisfiable").await;
    assert_eq!(beyond["size_bytes"], file.len());
    assert_eq!(rows("q-raw", "csv").await, "a,b\n1,x\n");
}

#[tokio::test]
async fn many_queries_one_after_another_share_the_connections() {
    put("q-pool", "a\n1\n").await;
    for _ in 0..30 {
        assert_eq!(rows("q-pool", "csv").await, "a\n1\n");
    }
    let large: String = (0..200_000).map(|n| format!("{n},some text to make it longer\n")).collect();
    put("q-large", format!("n,t\n{large}")).await;
    for _ in 0..15 {
        // A reader that goes away after the first bytes.
        let mut answer = shared().get("/v1/tables/q-large/rows.json").await;
        assert!(answer.chunk().await.unwrap().is_some());
    }
    assert_eq!(rows("q-pool", "csv").await, "a\n1\n");
    let whole = rows("q-large", "csv").await;
    assert_eq!(whole.len(), large.len() + 4);
}

#[tokio::test]
async fn the_raw_upload_can_be_fetched_from_the_bucket_itself() {
    put("q-lent", "a,b\n1,x\n").await;
    let path = "/v1/tables/q-lent/raw";
    let redirect = shared().request(Method::GET, path).header("prefer", "redirect").send().await.unwrap();
    assert_eq!((redirect.status().as_u16(), redirect.headers()["cache-control"].to_str().unwrap()), (307, "no-store"));
    let lent = answer(shared().get(&format!("{path}?presign=5m")).await, 200).await;
    assert_eq!(lent["name"], "q-lent");
    for url in [redirect.headers()["location"].to_str().unwrap(), lent["presigned"]["url"].as_str().unwrap()] {
        let fetched = client().get(url).send().await.unwrap();
        assert_eq!(fetched.headers()["content-type"], "text/csv");
        assert_eq!(fetched.text().await.unwrap(), "a,b\n1,x\n");
    }
    problem(shared().get(&format!("{path}?presign=8d")).await, 400, "presign-too-long").await;
}
