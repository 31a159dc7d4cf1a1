//! Ranges and conditional requests.

use crate::support::{json, problem, shared};
use reqwest::{Method, Response};

const PATH: &str = "/v1/blobs/conditions/";

async fn ask(method: Method, name: &str, headers: &[(&str, &str)]) -> Response {
    let request = shared().request(method, &format!("{PATH}{name}"));
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    request.send().await.unwrap()
}

async fn stored(name: &str, body: &str) -> String {
    let blob = json(shared().put(&format!("{PATH}{name}"), body.to_owned()).await, 201).await;
    blob["etag"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn one_range_is_given_and_everything_else_is_the_whole() {
    stored("ranges", "0123456789").await;
    for (range, content_range, body) in [
        ("bytes=0-3", "bytes 0-3/10", "0123"),
        ("bytes=3-3", "bytes 3-3/10", "3"),
        ("bytes=7-", "bytes 7-9/10", "789"),
        ("bytes=7-99999999999999999999", "bytes 7-9/10", "789"),
        ("bytes=+7-9", "", "0123456789"),
        ("bytes=7-100", "bytes 7-9/10", "789"),
        ("bytes=-4", "bytes 6-9/10", "6789"),
        ("bytes=-40", "bytes 0-9/10", "0123456789"),
        ("bytes=0-", "bytes 0-9/10", "0123456789"),
        ("bytes=5-2", "", "0123456789"),
        ("bytes=0-1,4-5", "", "0123456789"),
        ("bytes=", "", "0123456789"),
        ("bytes=-", "", "0123456789"),
        ("bytes=a-b", "", "0123456789"),
        ("items=0-1", "", "0123456789"),
    ] {
        let answer = ask(Method::GET, "ranges", &[("range", range)]).await;
        let status = if content_range.is_empty() { 200 } else { 206 };
        assert_eq!(answer.status().as_u16(), status, "{range}");
        let found = answer.headers().get("content-range").map_or("", |value| value.to_str().unwrap());
        assert_eq!(found, content_range, "{range}");
        assert_eq!(answer.headers()["content-length"], body.len().to_string().as_str(), "{range}");
        assert_eq!(answer.headers()["accept-ranges"], "bytes");
        assert_eq!(answer.text().await.unwrap(), body, "{range}");
    }
}

#[tokio::test]
async fn a_range_outside_of_the_file_is_a_problem() {
    stored("outside", "0123456789").await;
    stored("empty", "").await;
    for (name, range, size) in [
        ("outside", "bytes=10-", 10),
        ("outside", "bytes=10-20", 10),
        ("outside", "bytes=-0", 10),
        ("empty", "bytes=0-", 0),
        ("empty", "bytes=-1", 0),
    ] {
        let answer = ask(Method::GET, name, &[("range", range)]).await;
        assert_eq!(answer.headers()["content-range"], format!("bytes */{size}"), "{range}");
        let outside = problem(answer, 416, "range-not-satisfiable").await;
        assert_eq!(outside["size_bytes"], size);
    }
}

#[tokio::test]
async fn a_range_of_another_version_is_the_whole_of_this_one() {
    let etag = stored("if-range", "0123456789").await;
    let modified = ask(Method::HEAD, "if-range", &[]).await.headers()["last-modified"].to_str().unwrap().to_owned();
    let weak = format!("W/{etag}");
    for (condition, status) in [
        (etag.as_str(), 206),
        (&modified, 206),
        (&weak, 200),
        ("\"other\"", 200),
        ("Thu, 01 Jan 2026 00:00:00 GMT", 200),
    ] {
        let answer = ask(Method::GET, "if-range", &[("range", "bytes=2-3"), ("if-range", condition)]).await;
        assert_eq!(answer.status().as_u16(), status, "{condition}");
    }
}

#[tokio::test]
async fn a_reader_who_has_it_already_gets_304() {
    let etag = stored("fresh", "x").await;
    let modified = ask(Method::HEAD, "fresh", &[]).await.headers()["last-modified"].to_str().unwrap().to_owned();
    let weak = format!("\"other\", W/{etag}");
    let (past, future) = ("Thu, 01 Jan 2026 00:00:00 GMT", "Fri, 01 Jan 2100 00:00:00 GMT");
    for (headers, status) in [
        (&[("if-none-match", etag.as_str())][..], 304),
        (&[("if-none-match", &weak)], 304),
        (&[("if-none-match", "*")], 304),
        (&[("if-none-match", "\"other\"")], 200),
        (&[("if-modified-since", &modified)], 304),
        (&[("if-modified-since", future)], 304),
        (&[("if-modified-since", past)], 200),
        (&[("if-modified-since", "yesterday")], 200),
        (&[("if-none-match", "\"other\""), ("if-modified-since", future)], 200),
        (&[("if-none-match", &etag), ("range", "bytes=0-0")], 304),
        (&[("if-match", &etag)], 200),
        (&[("if-match", "*")], 200),
        (&[("if-match", "\"other\"")], 412),
        (&[("if-match", "\"other\""), ("range", "bytes=0-0")], 412),
    ] {
        for method in [Method::GET, Method::HEAD] {
            let answer = ask(method, "fresh", headers).await;
            assert_eq!(answer.status().as_u16(), status, "{headers:?}");
            if status == 304 {
                assert_eq!(answer.headers()["etag"], etag.as_str());
                assert_eq!(answer.headers()["cache-control"], "private, no-cache");
                assert_eq!(answer.text().await.unwrap(), "");
            }
        }
    }
}

#[tokio::test]
async fn a_write_goes_through_only_if_its_condition_holds() {
    let larder = shared();
    let path = &format!("{PATH}guarded");
    let write = async |method: Method, name: &str, value: &[u8]| {
        let request = larder.request(method, path).body("other").header(name, value);
        request.send().await.unwrap()
    };
    for (name, value) in [("if-match", "*"), ("if-match", "\"a\"")] {
        problem(write(Method::PUT, name, value.as_bytes()).await, 412, "precondition-failed").await;
        problem(write(Method::DELETE, name, value.as_bytes()).await, 404, "not-found").await;
    }
    let etag = json(write(Method::PUT, "if-none-match", b"*").await, 201).await["etag"].as_str().unwrap().to_owned();
    assert_eq!(larder.text(path).await, "other");
    let weak = format!("W/{etag}");
    for method in [Method::PUT, Method::DELETE] {
        for value in [&b"\"a\""[..], b"", b"\"\xe9\"", weak.as_bytes()] {
            problem(write(method.clone(), "if-match", value).await, 412, "precondition-failed").await;
        }
        problem(write(method.clone(), "if-none-match", b"*").await, 412, "precondition-failed").await;
        problem(write(method, "if-none-match", b"\"a\"").await, 400, "bad-request").await;
    }
    json(write(Method::PUT, "if-match", format!("\"a\", {etag}").as_bytes()).await, 200).await;
    json(write(Method::PUT, "if-match", b"*").await, 200).await;
    assert_eq!(write(Method::DELETE, "if-match", etag.as_bytes()).await.status(), 204);
    problem(larder.get(path).await, 404, "not-found").await;
}
