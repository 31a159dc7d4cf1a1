//! Several files in one form.

use crate::support::{Raw, json, problem, shared};
use reqwest::{
    Method, Response,
    multipart::{Form, Part},
};
use serde_json::{Value, json};

async fn post(query: &str, files: &[(&str, &str)]) -> Response {
    let form = files.iter().fold(Form::new(), |form, (name, body)| {
        form.part("file", Part::text((*body).to_owned()).file_name((*name).to_owned()))
    });
    shared().request(Method::POST, &format!("/{query}")).multipart(form).send().await.unwrap()
}

/// `file status kind-or-problem` of each file.
fn summary(answer: &Value) -> Vec<String> {
    let one = |file: &Value| {
        let what = file["descriptor"]["kind"].as_str().or(file["problem"]["type"].as_str()).unwrap();
        format!("{} {} {what}", file["file"].as_str().unwrap_or("-"), file["status"])
    };
    answer["files"].as_array().unwrap().iter().map(one).collect()
}

#[tokio::test]
async fn each_file_of_a_form_goes_its_way() {
    let files = [("form/a.png", "x"), ("Form A.csv", "a\n1\n"), ("form-a.json", "{\"a\":1}"), ("form/empty.bin", "")];
    let answer = json(post("", &files).await, 201).await;
    assert_eq!(
        summary(&answer),
        ["form/a.png 201 blob", "Form A.csv 201 table", "form-a.json 201 document", "form/empty.bin 201 blob"]
    );
    assert_eq!(shared().text("/v1/tables/form-a/rows.csv").await, "a\n1\n");
    let again = json(post("?share=1h", &files).await, 201).await;
    assert_eq!(again["files"][1]["status"], 200);
    for file in again["files"].as_array().unwrap() {
        assert!(file["descriptor"]["links"]["share"].is_string(), "{file}");
    }
}

#[tokio::test]
async fn a_form_with_a_bad_file_has_its_status_and_stores_the_others() {
    let large = "x".repeat(3 << 20);
    let files = [
        ("mixed/1.txt", "one"),
        ("mixed-2.csv", "a\n\"2\n"),
        ("health", &large),
        ("mixed/4.txt", &large),
        ("mixed-5.csv", "a\n5\n"),
    ];
    let answer = json(post("", &files).await, 422).await;
    assert_eq!(
        summary(&answer),
        [
            "mixed/1.txt 201 blob",
            "mixed-2.csv 422 /problems/malformed",
            "health 409 /problems/name-reserved",
            "mixed/4.txt 201 blob",
            "mixed-5.csv 201 table",
        ]
    );
    assert_eq!(shared().text("/v1/blobs/mixed/4.txt").await, large);
    assert_eq!(shared().text("/v1/tables/mixed-5/rows.csv").await, "a\n5\n");
    problem(shared().get("/v1/tables/mixed-2").await, 404, "not-found").await;
}

#[tokio::test]
async fn fields_without_a_file_are_passed_over_and_a_form_of_none_is_a_problem() {
    let larder = shared();
    let form = |with_file: bool| {
        let form = Form::new().text("comment", "hello").part("nothing-chosen", Part::text("").file_name(""));
        if with_file { form.part("file", Part::text("x").file_name("fields.txt")) } else { form }
    };
    let send = async |form: Form| larder.request(Method::POST, "/").multipart(form).send().await.unwrap();
    let answer = json(send(form(true)).await, 201).await;
    assert_eq!(summary(&answer), ["fields.txt 201 blob"]);
    problem(send(form(false)).await, 400, "bad-request").await;
    problem(larder.post("/", &json!({ "file": "x" })).await, 415, "unsupported-media-type").await;
    for query in ["?share=soon", "?as=picture", "?nonsense=1"] {
        problem(post(query, &[("fields-2.txt", "x")]).await, 400, "bad-request").await;
    }
    problem(larder.get("/v1/blobs/fields-2.txt").await, 404, "not-found").await;
}

#[tokio::test]
async fn one_name_is_for_one_file() {
    let answer = json(post("?name=one-name.txt", &[("one/a.txt", "a")]).await, 201).await;
    assert_eq!(answer["files"][0]["descriptor"]["name"], "one-name.txt");
    let files = [("one/a.txt", "a"), ("one/b.txt", "b")];
    let answer = json(post("?name=one-name.txt&replace=true", &files).await, 400).await;
    assert_eq!(summary(&answer), ["one/a.txt 200 blob", "one/b.txt 400 /problems/bad-request"]);
    assert_eq!(shared().text("/v1/blobs/one-name.txt").await, "a");
}

#[tokio::test]
async fn a_form_that_breaks_off_tells_of_the_files_before() {
    let larder = shared();
    let part = |name: &str, body: &str| {
        format!("--b\r\ncontent-disposition: form-data; name=\"f\"; filename=\"{name}\"\r\n\r\n{body}")
    };
    let body = format!("{}\r\n{}", part("cut/whole.txt", "whole"), part("cut/half.txt", "ha"));
    let headers = format!(
        "content-type: multipart/form-data; boundary=b\r\ncontent-length: {}\r\nconnection: close\r\n",
        body.len()
    );
    let mut raw = Raw::connect(larder).await;
    raw.send_head(larder, "POST /", &headers).await;
    raw.send(body).await;
    let answer = raw.read_to_end().await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    let answer: Value = serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap();
    assert_eq!(summary(&answer), ["cut/whole.txt 201 blob", "cut/half.txt 408 /problems/interrupted"]);
    assert_eq!(larder.text("/v1/blobs/cut/whole.txt").await, "whole");
    problem(larder.get("/v1/blobs/cut/half.txt").await, 404, "not-found").await;
}
