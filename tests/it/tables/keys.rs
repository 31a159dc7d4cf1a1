//! Keys, upserts and indexes.

use super::{put, put_with, rows};
use crate::support::{json, problem, shared};
use reqwest::{Method, Response};
use serde_json::{Value, json};

async fn append(path: &str, prefer: Option<&str>, body: &str) -> Response {
    let request = shared().request(Method::POST, &format!("/v1/tables/{path}"));
    let request = prefer.into_iter().fold(request, |request, prefer| request.header("prefer", prefer));
    request.body(body.to_owned()).send().await.expect("an answer")
}

fn counts(answer: &Value) -> (u64, u64, u64, u64) {
    let count = |name: &str| answer[name].as_u64().unwrap_or_else(|| panic!("{name} in {answer}"));
    (count("inserted"), count("updated"), count("ignored"), count("rows"))
}

const MERGE: Option<&str> = Some("resolution=merge-duplicates");
const IGNORE: Option<&str> = Some("resolution=ignore-duplicates");

#[tokio::test]
async fn a_key_allows_each_value_once_and_none_missing() {
    let larder = shared();
    let twice = "id,name\n1,a\n2,b\n\"3\",\"c\nd\"\n2,e\n1,f\n";
    let refused = problem(larder.put("/v1/tables/k-key?key=id", twice).await, 409, "duplicate-key").await;
    assert_eq!((&refused["lines"], &refused["columns"]), (&json!([2, 3, 6, 7]), &json!(["id"])), "{refused}");
    let refused =
        problem(larder.put("/v1/tables/k-key?key=id", "id,name\n1,a\n,b\n").await, 409, "duplicate-key").await;
    assert_eq!(refused["lines"], json!([3]), "{refused}");
    problem(larder.get("/v1/tables/k-key").await, 404, "not-found").await;
    problem(larder.put("/v1/tables/k-key?key=no", "id\n1\n").await, 400, "bad-request").await;
    problem(larder.put("/v1/tables/k-key?key=a,a", "a\n1\n").await, 400, "bad-request").await;

    let first = json(larder.put("/v1/tables/k-key?key=id", "id,name\n1,a\n2,b\n").await, 201).await;
    // It persists, so the same file without being told is the same version, and duplicates are refused.
    let same = json(larder.put("/v1/tables/k-key", "id,name\n1,a\n2,b\n").await, 200).await;
    assert_eq!(same["etag"], first["etag"]);
    problem(larder.put("/v1/tables/k-key", "id,name\n1,a\n1,b\n").await, 409, "duplicate-key").await;
    let refused = problem(append("k-key/rows", None, "id,name\n3,c\n2,d\n").await, 409, "duplicate-key").await;
    assert_eq!(refused["lines"], json!([3]), "{refused}");
    let refused = problem(append("k-key/rows", None, "id\n4\n4\n").await, 409, "duplicate-key").await;
    assert_eq!(refused["lines"], json!([2, 3]), "{refused}");
    let refused = problem(append("k-key/rows", None, "id,name\n9,c\n,d\n").await, 409, "duplicate-key").await;
    assert_eq!(refused["lines"], json!([3]), "{refused}");
    problem(append("k-key/rows", None, "name\nd\n").await, 422, "malformed").await;
    assert_eq!(rows("k-key", "csv").await, "id,name\n1,a\n2,b\n");
    json(larder.put("/v1/tables/k-key", "name,id\na,7\n").await, 200).await;
    problem(append("k-key/rows", None, "id\n7\n").await, 409, "duplicate-key").await;
    // Another key takes its place, and none ends it.
    json(larder.put("/v1/tables/k-key?key=name,id", "name,id\na,7\nb,7\n").await, 200).await;
    json(larder.put("/v1/tables/k-key?key=", "name,id\na,7\na,7\n").await, 200).await;
    assert_eq!(json(larder.get("/v1/tables/k-key/indexes").await, 200).await["indexes"], json!([]));
}

#[tokio::test]
async fn rows_are_merged_or_ignored_by_their_key() {
    let larder = shared();
    json(larder.put("/v1/tables/k-upsert?key=id", "id,name,n\n1,a,10\n2,b,20\n").await, 201).await;
    let response = append("k-upsert/rows?on_conflict=id", MERGE, "id,name\n2,B\n3,c\n3,C\n").await;
    assert_eq!(response.headers()["preference-applied"], "resolution=merge-duplicates");
    assert_eq!(counts(&json(response, 201).await), (1, 1, 1, 3));
    // Columns that the file lacks are left as they are; of its own duplicates the last wins.
    assert_eq!(rows("k-upsert", "csv").await, "id,name,n\n1,a,10\n2,B,20\n3,C,\n");
    let answer = json(append("k-upsert/rows", IGNORE, "id,name\n1,x\n4,d\n4,e\n").await, 201).await;
    assert_eq!(counts(&answer), (1, 0, 2, 4));
    assert_eq!(rows("k-upsert", "csv").await, "id,name,n\n1,a,10\n2,B,20\n3,C,\n4,d,\n");
    let answer = json(append("k-upsert/rows", MERGE, "id\n1\n5\n").await, 201).await;
    assert_eq!(counts(&answer), (1, 1, 0, 5));

    problem(append("k-upsert/rows?on_conflict=name", MERGE, "id,name\n1,a\n").await, 422, "malformed").await;
    problem(append("k-upsert/rows?on_conflict=id", None, "id\n1\n").await, 400, "bad-request").await;
    problem(append("k-upsert/rows", Some("resolution=all"), "id\n1\n").await, 400, "bad-request").await;
    problem(append("k-upsert/rows", MERGE, "name\nx\n").await, 422, "malformed").await;
    put("k-none", "a\n1\n").await;
    problem(append("k-none/rows", MERGE, "a\n1\n").await, 422, "malformed").await;
    // A unique index serves as well, and its missing values are no duplicates of one another.
    json(larder.post("/v1/tables/k-none/indexes", &json!({ "columns": ["a"], "unique": true })).await, 201).await;
    let answer = json(append("k-none/rows?on_conflict=a", MERGE, "a\n1\nx\n").await, 422).await;
    assert_eq!(answer["field"], "a");
    let answer = json(append("k-none/rows?on_conflict=a", MERGE, "{}\n{\"a\":null}\n{\"a\":1}\n").await, 201).await;
    assert_eq!(counts(&answer), (2, 1, 0, 3));
}

#[tokio::test]
async fn indexes_are_made_listed_dropped_and_kept_by_the_next_version() {
    let larder = shared();
    put("k-index", "id,name,doc\n1,a,{}\n2,b,{}\n2,c,{}\n").await;
    let post = |body: Value| async move { larder.post("/v1/tables/k-index/indexes", &body).await };
    let refused = problem(post(json!({ "columns": ["id"], "unique": true })).await, 409, "duplicate-key").await;
    assert_eq!(refused["lines"], json!([3, 4]), "{refused}");
    problem(post(json!({ "columns": ["doc"] })).await, 422, "malformed").await;
    problem(post(json!({ "columns": ["no"] })).await, 400, "bad-request").await;
    problem(post(json!({ "columns": [] })).await, 400, "bad-request").await;
    let name = json(post(json!({ "columns": ["name"], "unique": true })).await, 201).await;
    assert_eq!((&name["state"], &name["unique"]), (&json!("ready"), &json!(true)));
    assert!(name["bytes"].as_u64().unwrap() > 0);
    let again = json(post(json!({ "columns": ["name"], "unique": true })).await, 200).await;
    assert_eq!(again["id"], name["id"]);
    let id = json(post(json!({ "columns": ["id", "name"] })).await, 201).await;
    let doc = json(post(json!({ "columns": ["doc", "id"] })).await, 422).await;
    assert_eq!(doc["field"], "doc");

    // The next version has them before anybody sees it: its columns lie elsewhere, and one of them is gone.
    let next = put("k-index", "name,x\nq,1\nr,2\n").await;
    let dropped = json!({ "change": "index-dropped", "columns": ["id", "name"] });
    assert!(next["ingest"]["changes"].as_array().unwrap().contains(&dropped), "{next}");
    let list = json(larder.get("/v1/tables/k-index/indexes").await, 200).await;
    assert_eq!(list["indexes"].as_array().unwrap().len(), 1, "{list}");
    assert_eq!((&list["indexes"][0]["id"], &list["indexes"][0]["state"]), (&name["id"], &json!("ready")));
    let refused = problem(append("k-index/rows", None, "name\nr\n").await, 409, "duplicate-key").await;
    assert_eq!(refused["lines"], json!([2]));
    problem(larder.put("/v1/tables/k-index", "name\nr\nr\n").await, 409, "duplicate-key").await;

    let gone = format!("/v1/tables/k-index/indexes/{}", id["id"].as_str().unwrap());
    problem(larder.delete(&gone).await, 404, "not-found").await;
    let there = format!("/v1/tables/k-index/indexes/{}", name["id"].as_str().unwrap());
    assert_eq!(larder.delete(&there).await.status(), 204);
    assert_eq!(json(append("k-index/rows", None, "name\nr\n").await, 201).await["rows"], 3);
    let physical = larder.column(
        "select i.indexname from pg_indexes i join larder.versions v on i.tablename = 't_' || replace(v.table_id::text, '-', '')
         join larder.datasets d on d.current = v.id where d.name = 'k-index' and i.indexname like 'i\\_%'",
    );
    assert!(physical.await.is_empty());
}

#[tokio::test]
async fn a_key_that_is_dropped_lets_everything_in() {
    let larder = shared();
    json(larder.put("/v1/tables/k-dropped?key=b,a", "a,b\n1,x\n").await, 201).await;
    let list = json(larder.get("/v1/tables/k-dropped/indexes").await, 200).await;
    assert_eq!((&list["indexes"][0]["columns"], &list["indexes"][0]["key"]), (&json!(["b", "a"]), &json!(true)));
    problem(append("k-dropped/rows", None, "a,b\n1,x\n").await, 409, "duplicate-key").await;
    problem(append("k-dropped/rows", None, "a,b\n,x\n").await, 409, "duplicate-key").await;
    let key = format!("/v1/tables/k-dropped/indexes/{}", list["indexes"][0]["id"].as_str().unwrap());
    assert_eq!(larder.delete(&key).await.status(), 204);
    json(append("k-dropped/rows", None, "a,b\n1,x\n,x\n").await, 201).await;
    assert_eq!(rows("k-dropped", "csv").await, "a,b\n1,x\n1,x\n,x\n");
}

#[tokio::test]
async fn many_merges_at_once_leave_one_row_of_each_key() {
    let larder = shared();
    json(larder.put("/v1/tables/k-merges?key=id", "id,who\n0,start\n").await, 201).await;
    let merges = (0..6).map(|who| async move {
        let body = format!("id,who\n{}", (0..200).map(|id| format!("{id},w{who}\n")).collect::<String>());
        json(append("k-merges/rows", MERGE, &body).await, 201).await
    });
    let answers = futures::future::join_all(merges).await;
    assert_eq!(answers.iter().map(|answer| counts(answer).0).sum::<u64>(), 199);
    assert_eq!(answers.iter().map(|answer| counts(answer).1).sum::<u64>(), 6 * 200 - 199);
    let csv = rows("k-merges", "csv").await;
    let last = csv.lines().nth(1).unwrap().rsplit(',').next().unwrap();
    assert_eq!(csv, format!("id,who\n{}", (0..200).map(|id| format!("{id},{last}\n")).collect::<String>()));
}

#[tokio::test]
async fn a_pinned_version_never_changes() {
    let larder = shared();
    put("k-pinned", "a\n1\n").await;
    larder.sql("update larder.versions v set pinned = true from larder.datasets d where d.current = v.id and d.name = 'k-pinned'").await;
    // The rows go to a copy of it, which is the next version.
    assert_eq!(json(append("k-pinned/rows", None, "a\n2\n").await, 201).await["version"], 2);
    assert_eq!(larder.text("/v1/tables/k-pinned/rows.csv").await, "a\n1\n2\n");
    for n in 3..6 {
        put("k-pinned", format!("a\n{n}\n")).await;
    }
    let list = json(larder.get("/v1/tables/k-pinned/versions").await, 200).await;
    let shown: Vec<_> = list["versions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["version"].as_u64(), one["pinned"].as_bool()))
        .collect();
    assert_eq!(shown, [(Some(5), Some(false)), (Some(4), Some(false)), (Some(1), Some(true))]);
    assert_eq!(larder.text("/v1/tables/k-pinned/rows.csv?version=1").await, "a\n1\n");
}

#[tokio::test]
async fn what_no_index_holds_is_said_and_changes_nothing() {
    let larder = shared();
    // Of characters that do not compress.
    let long: String =
        (0..6000_u32).map(|n| char::from_u32(0x4e00 + n.wrapping_mul(2_654_435_761) % 20_000).unwrap()).collect();
    put("k-long", format!("a\n{long}\n")).await;
    let refused = larder.post("/v1/tables/k-long/indexes", &json!({ "columns": ["a"] })).await;
    assert!(problem(refused, 422, "malformed").await["detail"].as_str().unwrap().contains("too long"));
    put("k-long", "a\nshort\n").await;
    json(larder.post("/v1/tables/k-long/indexes", &json!({ "columns": ["a"] })).await, 201).await;
    problem(append("k-long/rows", None, &format!("a\nb\n{long}\n")).await, 422, "malformed").await;
    problem(put_with("k-long", &[], format!("a\n{long}\n").into_bytes()).await, 422, "malformed").await;
    assert_eq!(rows("k-long", "csv").await, "a\nshort\n");

    put("k-twice", "a,b\n1,2\n").await;
    let twice = larder.post("/v1/tables/k-twice/indexes", &json!({ "columns": ["a", "b", "a"] })).await;
    assert_eq!(problem(twice, 400, "bad-request").await["parameter"], "columns");

    let limited = crate::support::Service::start(&["--indexes-max", "1"]).await;
    json(limited.put("/v1/tables/t?key=a", "a,b\n1,2\n").await, 201).await;
    let refused = limited.post("/v1/tables/t/indexes", &json!({ "columns": ["b"] })).await;
    assert_eq!(problem(refused, 422, "too-many-indexes").await["limit"], 1);
}
