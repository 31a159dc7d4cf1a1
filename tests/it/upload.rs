//! The smart upload: one PUT, and the file is where its structure belongs.

mod forms;
mod names;

use crate::support::{gzip, json, problem, shared, zstd};
use reqwest::Method;
use serde_json::{Value, json};

/// `kind name: why` of an upload that is taken.
async fn route(path: &str, content_type: &str, body: Vec<u8>) -> String {
    let request = shared().request(Method::PUT, path).body(body);
    let request = if content_type.is_empty() { request } else { request.header("content-type", content_type) };
    let answer = request.send().await.unwrap();
    let status = answer.status();
    let body: Value = answer.json().await.unwrap();
    assert!(status.is_success(), "{path}: {body}");
    let text = |field: &str| body[field].as_str().unwrap().to_owned();
    format!("{} {}: {}", text("kind"), text("name"), text("routed_because"))
}

#[tokio::test]
async fn a_file_goes_where_its_structure_belongs_and_the_answer_says_why() {
    let csv = "a,b\n1,2\n";
    let lines = "{\"a\":1}\n{\"a\":2}\n";
    let mut routes = Vec::new();
    for (path, content_type, body) in [
        ("/route/a/b/dot.png", "", b"\x89PNG".to_vec()),
        ("/Route%20Csv%202026.csv", "", csv.into()),
        ("/folder/route-tsv.tsv", "", "a\tb\n1\t2\n".into()),
        ("/route-ndjson.ndjson", "", lines.into()),
        ("/route-jsonl.jsonl", "", lines.into()),
        ("/route-array.json", "", "[{\"a\":1}]".into()),
        ("/route-lines.json", "", lines.into()),
        ("/route-object.json", "", "{\"a\":1}".into()),
        ("/route-numbers.json", "", "[1,2]".into()),
        ("/route-scalar.json", "", "42".into()),
        ("/route-empty-array.json", "", "[]".into()),
        ("/route-csv-gz.csv.gz", "", gzip(csv.as_bytes()).await),
        ("/route-csv-zst.CSV.zst", "", zstd(csv.as_bytes()).await),
        ("/route-json-gz.json.gz", "", gzip(b"[{\"a\":1}]").await),
        ("/route-plain", "", "plain text".into()),
        ("/route-bare-object", "", " {\"a\":1}".into()),
        ("/route-bare-array", "", "\n[{\"a\":1}]".into()),
        ("/route-empty", "", Vec::new()),
        ("/route-told.bin", "text/csv; charset=utf-8", csv.into()),
        ("/route-told.csv", "image/png", "\u{89}PNG".into()),
        ("/route-told-json.txt", "application/json", "{\"a\":1}".into()),
        ("/route-told-text.csv", "text/plain", csv.into()),
        ("/route-told-octets.csv", "application/octet-stream", csv.into()),
        ("/route-form.csv", "application/x-www-form-urlencoded", csv.into()),
        ("/route-as-blob.csv?as=blob", "", csv.into()),
        ("/route-as-table.dat?as=table", "", csv.into()),
        ("/route-as-document.dat?as=document", "", "{\"a\":1}".into()),
        ("/route-x.csv?name=route-named", "", csv.into()),
        ("/route-x.png?name=route/named.png", "", "x".into()),
        ("/route-x.json?name=route-people/ann", "", "{\"a\":1}".into()),
        ("/route-x.json?name=route-bob", "", "{\"a\":1}".into()),
        ("/.route-hidden", "", "x".into()),
    ] {
        routes.push(route(path, content_type, body).await);
    }
    insta::assert_snapshot!(routes.join("\n"), @r"
    blob route/a/b/dot.png: its name ends with `.png`, so it is kept as it is
    table route-csv-2026: its name ends with `.csv`, which is a table
    table route-tsv: its name ends with `.tsv`, which is a table
    table route-ndjson: its name ends with `.ndjson`, which is a table
    table route-jsonl: its name ends with `.jsonl`, which is a table
    table route-array: its name ends with `.json` and holds an array of objects, which is a table
    table route-lines: its name ends with `.json` and holds one object after another, which is a table
    document inbox/route-object: its name ends with `.json` and holds one object, which is a document
    blob route-numbers.json: its name ends with `.json` but holds no object and no array of objects, so it is kept as it is
    blob route-scalar.json: its name ends with `.json` but holds no object and no array of objects, so it is kept as it is
    blob route-empty-array.json: its name ends with `.json` but holds no object and no array of objects, so it is kept as it is
    table route-csv-gz: its name ends with `.csv`, which is a table
    table route-csv-zst: its name ends with `.csv`, which is a table
    table route-json-gz: its name ends with `.json` and is compressed, which is read as a table
    blob route-plain: neither its name nor its Content-Type says what it is, so it is kept as it is
    document inbox/route-bare-object: it begins as JSON does and holds one object, which is a document
    table route-bare-array: it begins as JSON does and holds an array of objects, which is a table
    blob route-empty: neither its name nor its Content-Type says what it is, so it is kept as it is
    table route-told: its Content-Type is `text/csv`, which is a table
    blob route-told.csv: its Content-Type is `image/png`, so it is kept as it is
    document inbox/route-told-json: its Content-Type is `application/json` and holds one object, which is a document
    table route-told-text: its name ends with `.csv`, which is a table
    table route-told-octets: its name ends with `.csv`, which is a table
    table route-form: its name ends with `.csv`, which is a table
    blob route-as-blob.csv: you said `as=blob`
    table route-as-table: you said `as=table`
    document inbox/route-as-document: you said `as=document`
    table route-named: its name ends with `.csv`, which is a table
    blob route/named.png: its name ends with `.png`, so it is kept as it is
    document route-people/ann: its name ends with `.json` and holds one object, which is a document
    document inbox/route-bob: its name ends with `.json` and holds one object, which is a document
    blob .route-hidden: neither its name nor its Content-Type says what it is, so it is kept as it is
    ");
}

#[tokio::test]
async fn a_compressed_table_is_read_and_its_raw_upload_kept_as_it_came() {
    let larder = shared();
    let packed = gzip(b"a,b\n1,2\n").await;
    for (path, encoding) in [("/packed-name.csv.gz", ""), ("/packed-header.csv", "gzip")] {
        let request = larder.request(Method::PUT, path).body(packed.clone());
        let request = if encoding.is_empty() { request } else { request.header("content-encoding", encoding) };
        let table = json(request.send().await.unwrap(), 201).await;
        assert_eq!(larder.text(table["links"]["download"].as_str().unwrap()).await, "a,b\n1,2\n");
        let raw = larder.get(table["links"]["raw"].as_str().unwrap()).await;
        assert_eq!(raw.headers().get("content-encoding").map_or("", |value| value.to_str().unwrap()), encoding);
        assert_eq!(raw.bytes().await.unwrap(), packed);
    }
}

#[tokio::test]
async fn a_workbook_becomes_a_table_of_its_first_sheet() {
    let larder = shared();
    let fixtures = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    for extension in ["xlsx", "xls", "ods"] {
        let workbook = std::fs::read(fixtures.join(format!("people.{extension}"))).unwrap();
        let table = json(larder.put(&format!("/book-{extension}.{extension}"), workbook.clone()).await, 201).await;
        assert_eq!(table["routed_because"], format!("its name ends with `.{extension}`, which is a table"));
        let columns = table["columns"].as_array().unwrap().iter();
        let types: Vec<_> = columns.filter_map(|column| column["type"].as_str()).collect();
        // One cell of that column holds a length of time in the one that is an xlsx.
        let amount = if extension == "xlsx" { "text" } else { "numeric" };
        assert_eq!(types[..5], ["bigint", "text", amount, "date", "timestamp"], "{extension}");
        let raw = larder.get(&format!("/v1/tables/book-{extension}/raw")).await;
        assert_eq!(raw.bytes().await.unwrap(), workbook);
    }
}

#[tokio::test]
async fn a_file_that_is_not_what_it_is_called_is_refused_with_the_way_out() {
    let larder = shared();
    let bad = problem(larder.put("/malformed.csv", "a,b\n1,2\n\"3,4\n").await, 422, "malformed").await;
    assert!(bad["detail"].as_str().unwrap().contains("`?as=blob`"), "{bad}");
    assert!(bad["line"].is_u64(), "{bad}");
    problem(larder.get("/v1/tables/malformed").await, 404, "not-found").await;
    problem(larder.get("/v1/blobs/malformed.csv").await, 404, "not-found").await;
    let blob = json(larder.put("/malformed.csv?as=blob", "a,b\n1,2\n\"3,4\n").await, 201).await;
    assert_eq!((&blob["kind"], &blob["name"]), (&json!("blob"), &json!("malformed.csv")));

    json(larder.put("/malformed-later.csv", "a\n1\n").await, 201).await;
    problem(larder.put("/malformed-later.csv", "a\n\"2\n").await, 422, "malformed").await;
    assert_eq!(larder.text("/v1/tables/malformed-later/rows.csv").await, "a\n1\n");
}

#[tokio::test]
async fn a_document_that_is_none_is_refused_by_field() {
    let larder = shared();
    for (name, body) in [
        ("truncated", "{\"a\": [1, 2"),
        ("trailing", "{\"a\": 1} and more"),
        ("twice", "{\"a\": {\"b\": 1, \"b\": 2}}"),
        ("encoding", "{\"a\": \"\u{0}\"}"),
    ] {
        let path = format!("/malformed-{name}.json");
        let bad = problem(larder.put(&path, body).await, 422, "malformed").await;
        assert!(bad["detail"].as_str().unwrap().contains("`?as=blob`"), "{bad}");
        assert!(bad["field"].is_string() || bad["line"].is_u64(), "{bad}");
        problem(larder.get(&format!("/v1/documents/inbox/malformed-{name}")).await, 404, "not-found").await;
    }
    for body in ["[1]", "1", "", "\"text\""] {
        problem(larder.put("/malformed.dat?as=document", body).await, 422, "malformed").await;
    }
}

#[tokio::test]
async fn an_object_over_the_limit_is_a_blob_with_the_reason() {
    let larder = shared().replica(&["--document-bytes-max", "100"]).await;
    let object = |length: usize| format!("{{\"a\":\"{}\"}}", "x".repeat(length - 8));
    let fits = json(larder.put("/over-fits.json", object(100)).await, 201).await;
    assert_eq!((&fits["kind"], &fits["size_bytes"]), (&json!("document"), &json!(100)));
    let over = json(larder.put("/over-limit.json", object(101)).await, 201).await;
    insta::assert_json_snapshot!(json!([over["kind"], over["name"], over["routed_because"]]), @r#"
    [
      "blob",
      "over-limit.json",
      "its name ends with `.json` but is larger than a document may be (100 bytes), so it is kept as it is"
    ]
    "#);
    assert_eq!(larder.text("/v1/blobs/over-limit.json").await, object(101));
    let lines = json(larder.put("/over-lines.json", "{\"a\":1}\n".repeat(50)).await, 201).await;
    assert_eq!((&lines["kind"], &lines["rows"]), (&json!("table"), &json!(50)));
    problem(larder.put("/over-told.json?as=document", object(101)).await, 413, "document-too-large").await;
    problem(larder.put("/v1/documents/inbox/over-typed", object(101)).await, 413, "document-too-large").await;
}

#[tokio::test]
async fn a_link_that_is_asked_for_with_the_upload_is_the_same_each_time() {
    let larder = shared();
    let mut links = Vec::new();
    for (path, first, second) in [
        ("/shared-table.csv", "a\n1\n", "a\n2\n"),
        ("/shared-document.json", "{\"a\":1}", "{\"a\":2}"),
        ("/shared/blob.txt", "1", "2"),
    ] {
        let upload = async |query: &str, body: &'static str| {
            let answer = larder.put(&format!("{path}?{query}"), body).await;
            assert!(answer.status().is_success());
            answer.json::<Value>().await.unwrap()["links"]["share"].clone()
        };
        let link = upload("share=1h", first).await;
        assert_eq!(upload("share=7d", second).await, link, "{path}");
        assert_eq!(upload("replace=true", second).await, Value::Null);
        let link = link.as_str().unwrap().to_owned();
        assert!(link.starts_with(&format!("{}/s/", larder.url)));
        let answer = larder.get(&link).await;
        assert_eq!(answer.text().await.unwrap().trim_end(), second.trim_end(), "{path}");
        assert_eq!(
            larder.anonymous(Method::GET, &link).send().await.unwrap().status().as_u16() / 100,
            if path.contains("blob") { 3 } else { 2 }
        );
        links.push(link);
    }
    let shares = json(larder.get("/v1/shares").await, 200).await;
    let mine: Vec<_> = shares["shares"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|share| links.contains(&share["url"].as_str().unwrap().to_owned()))
        .collect();
    assert_eq!(mine.len(), 3);
    for share in mine {
        let time = |field: &str| {
            time::OffsetDateTime::parse(share[field].as_str().unwrap(), &time::format_description::well_known::Rfc3339)
                .unwrap()
        };
        let life = (time("expires_at") - time("created_at")).whole_seconds();
        assert!((7 * 86_400..7 * 86_400 + 600).contains(&life), "extended, not added to: {life}");
    }
}
