//! Changes of rows, taken back.

use super::changes::{changed, delete, header, patch, send};
use super::{put, rows};
use crate::support::{Service, json as answer, problem, shared};
use larder::sweep;
use reqwest::{Method, Response};
use serde_json::{Value, json};

async fn undo(name: &str, change: &str) -> Response {
    undo_if(name, change, &[]).await
}

async fn undo_if(name: &str, change: &str, headers: &[(&str, &str)]) -> Response {
    send(shared(), Method::POST, &format!("{name}/changes/{change}/undo"), headers, None).await
}

async fn append(path: &str, headers: &[(&str, &str)], body: &'static str) -> Value {
    let request = shared().request(Method::POST, &format!("/v1/tables/{path}")).header("content-type", "text/csv");
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    answer(request.body(body).send().await.unwrap(), 201).await
}

async fn list(path: &str) -> Value {
    answer(shared().get(&format!("/v1/tables/{path}")).await, 200).await
}

/// Numbers and values of all rows, as Postgres has them.
async fn physical(name: &str) -> Vec<String> {
    let table =
        "select replace(table_id::text, '-', '') from larder.datasets d join larder.versions v on v.id = d.current";
    let table = shared().column(&format!("{table} where d.name = '{name}' and d.deleted_at is null")).await.join("");
    shared().column(&format!("select t::text from rows.t_{table} as t order by _row")).await
}

#[tokio::test]
async fn rows_come_back_exactly_as_they_were_in_a_new_revision() {
    let first = put(
        "b-exact?key=id",
        "id,price,doc,note\n1,0.10,\"{\"\"b\"\": 1,\"\"a\"\":[1.50]}\",\n2,1.0,,\"\"\n3,2.00,[],x\n",
    )
    .await;
    let before = physical("b-exact").await;
    let update = changed(&patch("b-exact/rows?id=lt.3", &[], r#"{"price":5,"doc":[2],"note":"y"}"#).await);
    let deletion = changed(&delete("b-exact/rows?id=gt.1", &[]).await);
    assert_eq!(rows("b-exact", "csv").await, "id,price,doc,note\n1,5,[2],y\n");

    let listed = list("b-exact/changes").await;
    let shown: Vec<_> = listed["changes"].as_array().unwrap().iter().collect();
    assert_eq!((shown[0]["id"].as_str(), shown[1]["id"].as_str()), (Some(deletion.as_str()), Some(update.as_str())));
    assert_eq!((&shown[0]["kind"], &shown[0]["rows"], &shown[0]["columns"]), (&json!("delete"), &json!(2), &json!([])));
    assert_eq!((&shown[1]["kind"], &shown[1]["rows"]), (&json!("update"), &json!(2)));
    assert_eq!(shown[1]["columns"], json!(["price", "doc", "note"]));
    assert_eq!((&shown[1]["revision_before"], &shown[1]["revision"]), (&json!(0), &json!(1)));
    assert_eq!((shown[1]["created_by"].as_str(), &shown[1]["undone_at"]), (Some("admin"), &Value::Null));
    assert!(shown[1]["kept_until"].is_string() && shown[1]["undo"].as_str().unwrap().ends_with("/undo"));

    // The deletion took a row that the update had changed, so it comes back first.
    let refused = problem(undo("b-exact", &update).await, 409, "conflict").await;
    assert!(refused["detail"].as_str().unwrap().contains(&deletion), "{refused}");
    let restored = answer(undo("b-exact", &deletion).await, 200).await;
    assert_eq!((&restored["rows"], &restored["version"]), (&json!(3), &first["version"]));
    let back = undo("b-exact", &update).await;
    let etag = header(&back, "etag");
    let restored = answer(back, 200).await;
    assert_eq!((json!(etag), restored["rows"].as_u64()), (restored["etag"].clone(), Some(3)));
    assert_ne!(restored["etag"], first["etag"]);
    assert_eq!(physical("b-exact").await, before);
    // Once more is no error and changes nothing.
    assert_eq!(answer(undo("b-exact", &update).await, 200).await["etag"], restored["etag"]);
    let listed = list("b-exact/changes").await;
    assert!(
        listed["changes"].as_array().unwrap().iter().all(|one| one["undone_at"].is_string() && one["undo"].is_null())
    );
    problem(undo("b-exact", "019aa000-0000-7000-8000-000000000000").await, 404, "not-found").await;
    problem(undo("b-exact", "none").await, 400, "bad-request").await;
    problem(undo("b-nowhere", &update).await, 404, "not-found").await;
}

#[tokio::test]
async fn changes_of_other_rows_do_not_stand_in_the_way() {
    put("b-other", "id,n\n1,10\n2,20\n3,30\n4,40\n").await;
    let outer = changed(&patch("b-other/rows?id=in.(1,4)", &[], r#"{"n":0}"#).await);
    let inner = changed(&patch("b-other/rows?id=in.(2,3)", &[], r#"{"n":1}"#).await);
    let last = changed(&patch("b-other/rows?id=eq.4", &[], r#"{"id":5}"#).await);
    let refused = problem(undo("b-other", &outer).await, 409, "conflict").await;
    assert!(refused["detail"].as_str().unwrap().contains(&last), "{refused}");
    answer(undo("b-other", &inner).await, 200).await;
    answer(undo("b-other", &last).await, 200).await;
    let stale = [("if-match", "\"0000.0\"")];
    problem(undo_if("b-other", &outer, &stale).await, 412, "precondition-failed").await;
    answer(undo("b-other", &outer).await, 200).await;
    assert_eq!(rows("b-other", "csv").await, "id,n\n1,10\n2,20\n3,30\n4,40\n");
}

#[tokio::test]
async fn appended_rows_stay_and_never_take_the_number_of_a_deleted_one() {
    put("b-append", "a\n1\n2\n3\n").await;
    let deletion = changed(&delete("b-append/rows?a=gte.2", &[]).await);
    let added = append("b-append/rows?add_columns=true", &[], "a,b\n4,x\n").await;
    assert_eq!(added["rows"], 2);
    answer(undo("b-append", &deletion).await, 200).await;
    assert_eq!(rows("b-append", "csv").await, "a,b\n1,\n2,\n3,\n4,x\n");
    assert_eq!(list("b-append").await["rows"], 4);
    // An update of before a new column: its value of now stays.
    let update = changed(&patch("b-append/rows?a=eq.1", &[], r#"{"a":9}"#).await);
    append("b-append/rows?add_columns=true", &[], "c\n1\n").await;
    answer(undo("b-append", &update).await, 200).await;
    assert_eq!(rows("b-append", "csv").await, "a,b,c\n1,,\n2,,\n3,,\n4,x,\n,,1\n");
}

#[tokio::test]
async fn rows_that_an_append_has_merged_or_that_have_a_new_namesake_are_not_overwritten() {
    put("b-merge?key=id", "id,n\n1,10\n2,20\n").await;
    let merge = [("prefer", "resolution=merge-duplicates")];
    let update = changed(&patch("b-merge/rows?id=eq.1", &[], r#"{"n":11}"#).await);
    append("b-merge/rows", &merge, "id,n\n1,12\n").await;
    let refused = problem(undo("b-merge", &update).await, 409, "conflict").await;
    assert!(refused["detail"].as_str().unwrap().contains("merged"), "{refused}");
    // As the change had left it, nothing is lost by going back.
    append("b-merge/rows", &merge, "id,n\n1,11\n").await;
    answer(undo("b-merge", &update).await, 200).await;
    let deletion = changed(&delete("b-merge/rows?id=eq.2", &[]).await);
    append("b-merge/rows", &[], "id,n\n2,99\n").await;
    let refused = problem(undo("b-merge", &deletion).await, 409, "duplicate-key").await;
    assert_eq!(refused["columns"], json!(["id"]));
    assert_eq!(rows("b-merge", "csv").await, "id,n\n1,10\n2,99\n");
}

#[tokio::test]
async fn a_table_with_changes_is_not_read_anew_but_can_be_renamed_and_replaced() {
    put("b-reread", "a,b\n1,x\n2,y\n").await;
    let change = changed(&patch("b-reread/rows?a=eq.1", &[], r#"{"b":"z"}"#).await);
    let types = json!({ "columns": { "a": { "type": "text" } } }).to_string();
    let refused = send(shared(), Method::PATCH, "b-reread", &[], Some(&types)).await;
    assert!(problem(refused, 409, "conflict").await["detail"].as_str().unwrap().contains("Undo"));
    let names = json!({ "columns": { "b": { "name": "c" } } }).to_string();
    answer(send(shared(), Method::PATCH, "b-reread", &[], Some(&names)).await, 200).await;
    assert_eq!(list("b-reread/changes").await["changes"][0]["columns"], json!(["c"]));
    answer(undo("b-reread", &change).await, 200).await;
    assert_eq!(rows("b-reread", "csv").await, "a,c\n1,x\n2,y\n");
    answer(send(shared(), Method::PATCH, "b-reread", &[], Some(&types)).await, 200).await;
    let change = changed(&delete("b-reread/rows?a=eq.1", &[]).await);
    put("b-reread", "a,b\n3,w\n").await;
    let refused = problem(undo("b-reread", &change).await, 409, "conflict").await;
    assert!(refused["detail"].as_str().unwrap().contains("replaced"), "{refused}");
    assert_eq!(list("b-reread/changes").await["changes"], json!([]));
    assert_eq!(list("b-reread/changes?version=2").await["changes"][0]["id"], change);
}

#[tokio::test]
async fn the_list_comes_in_pages() {
    put("b-pages", "a\n1\n").await;
    let mut made = Vec::new();
    for n in 0..5 {
        made.push(changed(&patch("b-pages/rows?a=gte.0", &[], &format!("{{\"a\":{n}}}")).await));
    }
    let (mut found, mut next) = (Vec::new(), String::new());
    loop {
        let page = list(&format!("b-pages/changes?limit=2{next}")).await;
        found.extend(page["changes"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap().to_owned()));
        match page["next"].as_str() {
            Some(cursor) => next = format!("&cursor={cursor}"),
            None => break,
        }
    }
    made.reverse();
    assert_eq!(found, made);
    problem(shared().get("/v1/tables/b-pages/changes?limit=0").await, 400, "bad-request").await;
    problem(shared().get("/v1/tables/b-pages/changes?cursor=x").await, 400, "bad-request").await;
}

#[tokio::test]
async fn kept_rows_go_after_their_days_when_undone_and_with_their_version() {
    let larder = Service::start(&["--garbage-seconds", "0", "--sweep-seconds", "3600"]).await;
    let tables = async || {
        larder.sql("update larder.garbage set due_at = now() - interval '1 second'").await;
        sweep::once(&larder.app).await.expect("a sweep");
        larder.sql("update larder.garbage set due_at = now() - interval '1 second'").await;
        sweep::once(&larder.app).await.expect("a sweep");
        larder.physical_tables().await.len()
    };
    answer(larder.put("/v1/tables/t", "a\n1\n2\n3\n").await, 201).await;
    let mut changes = Vec::new();
    for n in 1..=3 {
        changes.push(changed(&send(&larder, Method::DELETE, &format!("t/rows?a=eq.{n}"), &[], None).await));
    }
    // A rehearsal, and a change that finds nothing, leave no table.
    send(&larder, Method::DELETE, "t/rows?a=eq.1", &[], None).await;
    assert_eq!(tables().await, 4);
    answer(send(&larder, Method::POST, &format!("t/changes/{}/undo", changes[2]), &[], None).await, 200).await;
    assert_eq!(tables().await, 3);
    larder
        .sql(&format!("update larder.changes set created_at = now() - interval '31 days' where id = '{}'", changes[0]))
        .await;
    assert_eq!(tables().await, 2);
    let gone = send(&larder, Method::POST, &format!("t/changes/{}/undo", changes[0]), &[], None).await;
    problem(gone, 410, "gone").await;
    // It is still known that the rows differ from the upload.
    let types = json!({ "columns": { "a": { "type": "text" } } }).to_string();
    problem(send(&larder, Method::PATCH, "t", &[], Some(&types)).await, 409, "conflict").await;
    assert_eq!(larder.text("/v1/tables/t/rows.csv").await, "a\n3\n");
    for n in 1..=2 {
        answer(larder.put("/v1/tables/t", format!("b\n{n}\n")).await, 200).await;
    }
    assert_eq!(tables().await, 2);
    assert_eq!(larder.column("select count(*) from larder.changes").await, ["0"]);
    // A hidden table, with a change of its own, goes whole.
    changed(&send(&larder, Method::DELETE, "t/rows?b=eq.2", &[], None).await);
    larder.delete("/v1/tables/t").await;
    larder.sql("update larder.datasets set deleted_at = now() - interval '31 days'").await;
    assert_eq!(tables().await, 0);
}
