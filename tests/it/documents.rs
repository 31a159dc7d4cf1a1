//! Documents and collections over HTTP.

use crate::support::{Service, json, problem, shared};
use reqwest::{Method, Response};
use serde_json::{Value, json};

async fn put(path: &str, body: impl Into<reqwest::Body>) -> Response {
    shared().put(&format!("/v1/documents/{path}"), body).await
}

async fn get(path: &str) -> Response {
    shared().get(&format!("/v1/documents/{path}")).await
}

async fn with(method: Method, path: &str, header: (&str, &str), body: &'static str) -> Response {
    let request = shared().request(method, &format!("/v1/documents/{path}")).header(header.0, header.1);
    request.body(body).send().await.expect("an answer")
}

#[tokio::test]
async fn a_document_is_put_read_replaced_deleted_and_restored() {
    let created = put("d-life/ann", "{\"name\": \"Ann\", \"tags\": [true, null]}").await;
    let location = created.headers()["location"].to_str().unwrap().to_owned();
    let created = json(created, 201).await;
    insta::assert_json_snapshot!(created, {
        ".id" => "[id]", ".etag" => "[etag]", ".created_at" => "[time]", ".updated_at" => "[time]", ".links" => "[links]",
    }, @r#"
    {
      "id": "[id]",
      "name": "d-life/ann",
      "kind": "document",
      "title": "ann",
      "etag": "[etag]",
      "content_type": "application/json",
      "size_bytes": 33,
      "sha256": "6d5a6fea11f7683d61b053f09ad44381158d6a5d8b6920c614e7e41c1c5f9770",
      "crc64nvme": "UfEWGZW8Tfs=",
      "created_at": "[time]",
      "updated_at": "[time]",
      "owner": "admin",
      "visibility": "team",
      "links": "[links]"
    }
    "#);
    assert_eq!(created["links"]["self"], location.as_str());

    let read = get("d-life/ann").await;
    let mut headers: Vec<String> = read
        .headers()
        .iter()
        .filter(|(name, _)| !matches!(name.as_str(), "date" | "x-request-id" | "etag" | "vary" | "ratelimit"))
        .filter(|(name, _)| !name.as_str().starts_with("access-control-"))
        .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
        .collect();
    headers.sort();
    insta::assert_snapshot!(headers.join("\n"), @r#"
    cache-control: private, no-cache
    content-length: 33
    content-security-policy: sandbox
    content-type: application/json
    ratelimit-policy: "token";q=10000;w=10
    referrer-policy: no-referrer
    x-content-type-options: nosniff
    "#);
    assert_eq!(read.headers()["vary"], "Authorization");
    assert_eq!(read.headers()["etag"].to_str().unwrap(), created["etag"]);
    assert_eq!(read.text().await.unwrap(), "{\"name\":\"Ann\",\"tags\":[true,null]}");

    // Another spelling of the same value is no change.
    let same = json(put("d-life/ann", "{\"tags\":[true,null],\"name\":\"Ann\"}").await, 200).await;
    assert_eq!(same["etag"], created["etag"]);
    let replaced = json(put("d-life/ann", "{\"name\":\"Anna\"}").await, 200).await;
    assert_ne!(replaced["etag"], created["etag"]);
    assert_eq!((&replaced["id"], &replaced["created_at"]), (&created["id"], &created["created_at"]));

    assert_eq!(shared().delete("/v1/documents/d-life/ann").await.status(), 204);
    problem(get("d-life/ann").await, 404, "not-found").await;
    problem(shared().delete("/v1/documents/d-life/ann").await, 404, "not-found").await;
    let restored = json(shared().post("/v1/documents/d-life/ann/restore", &json!({})).await, 200).await;
    assert_eq!(restored["etag"], replaced["etag"]);
    assert_eq!(get("d-life/ann").await.text().await.unwrap(), "{\"name\":\"Anna\"}");
    problem(shared().post("/v1/documents/d-life/ann/restore", &json!({})).await, 404, "not-found").await;

    // Made anew under the same id it is another one, which no old ETag fits.
    assert_eq!(shared().delete("/v1/documents/d-life/ann").await.status(), 204);
    let anew = json(put("d-life/ann", "{\"name\":\"Ann\"}").await, 201).await;
    assert!(anew["etag"] != created["etag"] && anew["etag"] != replaced["etag"]);
}

#[tokio::test]
async fn conditions_guard_reads_and_writes() {
    let first = json(put("d-if/a", "{\"n\":1}").await, 201).await["etag"].as_str().unwrap().to_owned();
    let fresh = with(Method::GET, "d-if/a", ("if-none-match", &first), "").await;
    assert_eq!((fresh.status().as_u16(), fresh.headers()["etag"].to_str().unwrap()), (304, first.as_str()));
    let refused = with(Method::PUT, "d-if/a", ("if-none-match", "*"), "{}").await;
    problem(refused, 412, "precondition-failed").await;
    let second = json(with(Method::PUT, "d-if/a", ("if-match", &first), "{\"n\":2}").await, 200).await;
    let second = second["etag"].as_str().unwrap().to_owned();
    problem(with(Method::PUT, "d-if/a", ("if-match", &first), "{\"n\":3}").await, 412, "precondition-failed").await;
    problem(with(Method::DELETE, "d-if/a", ("if-match", &first), "").await, 412, "precondition-failed").await;
    assert_eq!(with(Method::GET, "d-if/a", ("if-none-match", &first), "").await.text().await.unwrap(), "{\"n\":2}");
    assert_eq!(with(Method::DELETE, "d-if/a", ("if-match", &second), "").await.status(), 204);
    problem(with(Method::PUT, "d-if/a", ("if-match", "*"), "{}").await, 412, "precondition-failed").await;
    json(with(Method::PUT, "d-if/a", ("if-none-match", "*"), "{}").await, 201).await;
    problem(with(Method::PUT, "d-if/a", ("if-none-match", "\"x\""), "{}").await, 400, "bad-request").await;
}

#[tokio::test]
async fn head_answers_as_get_does() {
    put("d-head/a", "{\"n\":1}").await;
    let head = shared().request(Method::HEAD, "/v1/documents/d-head/a").send().await.unwrap();
    let get = get("d-head/a").await;
    for name in ["etag", "content-type", "content-length", "cache-control"] {
        assert_eq!(head.headers().get(name), get.headers().get(name), "{name}");
    }
    assert_eq!((head.status().as_u16(), head.text().await.unwrap().as_str()), (200, ""));
}

#[tokio::test]
async fn numbers_are_exact_to_38_digits() {
    let body = "{\"digits\":12345678901234567890123456789012345678,\"large\":1e100,\"price\":0.1,\"small\":-1.25e-20}";
    json(put("d-numbers/a", body).await, 201).await;
    assert_eq!(get("d-numbers/a").await.text().await.unwrap(), body);
    json(put("d-numbers/b", "{\"a\":1.0,\"b\":1E5,\"c\":-0.0}").await, 201).await;
    assert_eq!(get("d-numbers/b").await.text().await.unwrap(), "{\"a\":1,\"b\":100000,\"c\":0}");
    let refused = put("d-numbers/c", "{\"a/b\":[1,{\"n\":123456789012345678901234567890123456789}]}").await;
    let refused = problem(refused, 422, "malformed").await;
    assert_eq!(refused["field"], "/a~1b/1/n");
    assert!(refused["detail"].as_str().unwrap().contains("39 significant digits"), "{refused}");
    problem(put("d-numbers/c", "{\"n\":1e126}").await, 422, "malformed").await;
    problem(get("d-numbers/c").await, 404, "not-found").await;
}

#[tokio::test]
async fn what_is_no_document_is_refused_with_its_place_and_makes_no_collection() {
    for body in ["[1]", "1", "\"x\"", "null"] {
        problem(put("d-refused/a", body).await, 422, "malformed").await;
    }
    for (body, line, column) in [("{\"a\":1,\n \"b\" 2}", 2, 6), ("", 1, 0), ("{\"a\":1} x", 1, 9)] {
        let refused = problem(put("d-refused/a", body).await, 422, "malformed").await;
        assert_eq!((refused["line"].as_u64(), refused["column"].as_u64()), (Some(line), Some(column)), "{refused}");
    }
    let twice = problem(put("d-refused/a", "{\"x\":{\"a\":1,\"a\":2}}").await, 422, "malformed").await;
    assert_eq!(twice["field"], "/x/a");
    problem(put("d-refused/a", vec![b'{', b'"', 0xff, b'"', b':', b'1', b'}']).await, 422, "malformed").await;
    let unmet = with(Method::PUT, "d-refused/a", ("if-match", "\"x\""), "{}").await;
    problem(unmet, 412, "precondition-failed").await;
    let shared_badly = problem(put("d-refused/a?share=soon", "{}").await, 400, "bad-request").await;
    assert_eq!(shared_badly["parameter"], "share");
    assert_eq!(problem(put("d-refused/a?mode=x", "{}").await, 400, "bad-request").await["parameter"], "mode");
    problem(shared().get("/v1/collections/d-refused").await, 404, "not-found").await;
    problem(get("d-refused").await, 404, "not-found").await;
}

#[tokio::test]
async fn names_follow_the_rules() {
    for path in ["D-names/a", "-d/a", "d%20names/a", "d-names/a%2Fb", "d-names/a%0Ab"] {
        problem(put(path, "{}").await, 400, "bad-name").await;
    }
    problem(put(&format!("d-names/{}", "x".repeat(513)), "{}").await, 400, "bad-name").await;
    for id in ["%C3%A4%20b%3Fc", "a.json", "...", "%25", "restore"] {
        let created = json(put(&format!("d-names/{id}"), "{\"n\":1}").await, 201).await;
        assert_eq!(shared().text(created["links"]["self"].as_str().unwrap()).await, "{\"n\":1}", "{id}");
    }
    json(put(&format!("d-names/{}", "x".repeat(512)), "{}").await, 201).await;
}

#[tokio::test]
async fn a_list_goes_over_all_shards_in_the_order_of_ids() {
    let ids: Vec<String> = (0..300).map(|n| format!("id-{n:03}")).collect();
    let put_one = |id: &String| put_owned(format!("d-list/{id}"), format!("{{\"id\":\"{id}\"}}"));
    for chunk in ids.chunks(25) {
        assert!(futures::future::join_all(chunk.iter().map(put_one)).await.iter().all(|status| *status == 201));
    }
    shared().delete("/v1/documents/d-list/id-150").await;
    let (mut found, mut cursor, mut pages) = (Vec::new(), String::new(), 0);
    loop {
        let page = json(get(&format!("d-list?limit=64{cursor}")).await, 200).await;
        for document in page["documents"].as_array().unwrap() {
            assert_eq!(document["body"]["id"], document["id"]);
            found.push(document["id"].as_str().unwrap().to_owned());
        }
        pages += 1;
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    let expected: Vec<_> = ids.into_iter().filter(|id| id != "id-150").collect();
    assert_eq!((found, pages), (expected, 5));
    let all = json(get("d-list").await, 200).await;
    assert_eq!((all["documents"].as_array().unwrap().len(), &all["next"]), (299, &Value::Null));

    problem(get("d-list?limit=1001").await, 400, "page-too-large").await;
    for (query, parameter) in [("limit=0", "limit"), ("cursor=abc", "cursor"), ("order=id", "order")] {
        let refused = problem(get(&format!("d-list?{query}")).await, 400, "bad-request").await;
        assert_eq!(refused["parameter"], parameter);
    }
    // A cursor is that of its list.
    json(put("d-list-2/a", "{}").await, 201).await;
    problem(get(&format!("d-list-2?{}", &cursor[1..])).await, 400, "bad-request").await;
}

async fn put_owned(path: String, body: String) -> u16 {
    put(&path, body).await.status().as_u16()
}

#[tokio::test]
async fn a_large_document_is_kept_byte_for_byte() {
    let small = json(put("d-large/a", "{\"n\":1}").await, 201).await;
    let body = format!("{{ \"text\" : \"{}\", \"n\": 1.50 }}\n", "x".repeat(600_000));
    let large = json(put("d-large/a", body.clone()).await, 200).await;
    assert_eq!((large["size_bytes"].as_u64(), large["etag"] == small["etag"]), (Some(body.len() as u64), false));
    assert!(get("d-large/a").await.text().await.unwrap() == body);
    assert_eq!(json(put("d-large/a", body.clone()).await, 200).await["etag"], large["etag"]);
    let listed = json(get("d-large").await, 200).await;
    assert_eq!(listed["documents"][0]["body"]["text"].as_str().unwrap().len(), 600_000);
    assert_eq!(shared().delete("/v1/documents/d-large/a").await.status(), 204);
    json(shared().post("/v1/documents/d-large/a/restore", &json!({})).await, 200).await;
    assert!(get("d-large/a").await.text().await.unwrap() == body);
    json(put("d-large/a", "{\"n\":2}").await, 200).await;
    assert_eq!(get("d-large/a").await.text().await.unwrap(), "{\"n\":2}");
}

#[tokio::test]
async fn a_document_over_the_limit_is_refused() {
    let larder = Service::start(&["--document-bytes-max", "1000"]).await;
    let body = |bytes: usize| format!("{{\"a\":\"{}\"}}", "x".repeat(bytes - 8));
    json(larder.put("/v1/documents/limit/a", body(1000)).await, 201).await;
    let refused = problem(larder.put("/v1/documents/limit/b", body(1001)).await, 413, "document-too-large").await;
    assert_eq!(
        (refused["limit"].as_u64(), refused["setting"].as_str()),
        (Some(1000), Some("LARDER_DOCUMENT_BYTES_MAX"))
    );
    problem(larder.get("/v1/documents/limit/b").await, 404, "not-found").await;
}

#[tokio::test]
async fn a_collection_goes_and_comes_back_with_all_it_holds() {
    for id in ["a", "b"] {
        json(put(&format!("d-whole/{id}"), "{}").await, 201).await;
    }
    let collection = json(shared().get("/v1/collections/d-whole").await, 200).await;
    insta::assert_json_snapshot!(collection, {
        ".id" => "[id]", ".created_at" => "[time]", ".updated_at" => "[time]", ".links" => "[links]",
    }, @r#"
    {
      "id": "[id]",
      "name": "d-whole",
      "kind": "collection",
      "title": "d-whole",
      "content_type": "application/json",
      "created_at": "[time]",
      "updated_at": "[time]",
      "owner": "admin",
      "visibility": "team",
      "links": "[links]"
    }
    "#);
    assert_eq!(shared().delete("/v1/collections/d-whole").await.status(), 204);
    for path in ["/v1/collections/d-whole", "/v1/documents/d-whole", "/v1/documents/d-whole/a"] {
        problem(shared().get(path).await, 404, "not-found").await;
    }
    problem(shared().delete("/v1/documents/d-whole/a").await, 404, "not-found").await;
    problem(shared().delete("/v1/collections/d-whole").await, 404, "not-found").await;
    json(shared().post("/v1/collections/d-whole/restore", &json!({})).await, 200).await;
    assert_eq!(json(get("d-whole").await, 200).await["documents"].as_array().unwrap().len(), 2);
    // Another collection of the name begins empty.
    assert_eq!(shared().delete("/v1/collections/d-whole").await.status(), 204);
    json(put("d-whole/c", "{}").await, 201).await;
    assert_eq!(json(get("d-whole").await, 200).await["documents"].as_array().unwrap().len(), 1);
    problem(shared().post("/v1/collections/d-whole/restore", &json!({})).await, 409, "name-taken").await;
}
