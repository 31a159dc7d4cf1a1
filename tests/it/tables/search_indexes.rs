//! The life of a search index: built behind the back of whoever reads and writes.

use super::put;
use crate::support::{Service, json, problem, process::PATIENCE, shared};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// The job once it has ended.
pub async fn ended(larder: &Service, job: &Value) -> Value {
    let path = format!("/v1/jobs/{}", job["id"].as_str().unwrap());
    loop {
        let job = json(larder.get(&path).await, 200).await;
        assert!(job["problem"].is_null(), "{job}");
        if job["state"] != "running" {
            return job;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn begin(larder: &Service, table: &str) -> Value {
    json(larder.post(&format!("/v1/tables/{table}/indexes"), &json!({ "kind": "search" })).await, 202).await
}

/// The table's one search index, once it has this state.
async fn once(larder: &Service, table: &str, state: &str) -> Value {
    let end = Instant::now() + PATIENCE;
    while Instant::now() < end {
        let list = json(larder.get(&format!("/v1/tables/{table}/indexes")).await, 200).await;
        let indexes = list["indexes"].as_array().unwrap();
        let found = indexes.iter().find(|index| index["kind"] == "search").expect("a search index");
        if found["state"] == state {
            return found.clone();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{table} never has an index that is {state}");
}

async fn is_indexed(larder: &Service, table: &str) -> bool {
    let answer = larder.get(&format!("/v1/tables/{table}/rows?q=word&limit=5")).await;
    answer.headers()["larder-search"].to_str().unwrap().contains("indexed=?1")
}

/// How many search indexes there are in Postgres on the versions of a table, of use or not.
fn physical(table: &str) -> String {
    format!(
        "select count(*) from pg_indexes i join larder.versions v on i.tablename = 't_' || replace(v.table_id::text, '-', '')
         join larder.datasets d on d.id = v.dataset_id where d.name = '{table}' and i.indexname like 's\\_%'"
    )
}

#[tokio::test]
async fn an_index_is_built_by_a_job_listed_and_dropped() {
    let larder = shared();
    put("si-life", "id,a,b\n1,a word,x\n2,y,word word\n3,z,\n").await;
    assert!(!is_indexed(larder, "si-life").await);
    let request = larder.request(Method::POST, "/v1/tables/si-life/indexes").json(&json!({ "kind": "search" }));
    let answer = request.send().await.unwrap();
    let location = answer.headers()["location"].to_str().unwrap().to_owned();
    let job = json(answer, 202).await;
    assert_eq!((&job["kind"], &job["target"]), (&json!("search-index"), &json!("si-life")));
    assert_eq!(job["links"]["self"], location);
    let done = ended(larder, &job).await;
    assert_eq!(done["state"], "finished", "{done}");
    assert!(done["bytes"].as_u64().unwrap() > 0);
    let index = once(larder, "si-life", "ready").await;
    assert_eq!(
        (&index["columns"], &index["unique"], &index["key"]),
        (&json!(["a", "b"]), &json!(false), &json!(false))
    );
    assert!(index["bytes"].as_u64().unwrap() > 0);
    assert!(is_indexed(larder, "si-life").await);
    assert_eq!(larder.text("/v1/tables/si-life/rows.csv?q=word&select=id").await, "id\n2\n1\n");
    let again = json(larder.post("/v1/tables/si-life/indexes", &json!({ "kind": "search" })).await, 200).await;
    assert_eq!(again["id"], index["id"]);
    // It is maintained by Postgres.
    let appended = larder.request(Method::POST, "/v1/tables/si-life/rows").body("id,a\n4,word\n").send().await.unwrap();
    json(appended, 201).await;
    assert_eq!(larder.text("/v1/tables/si-life/rows.csv?q=word&select=id&order=id").await, "id\n1\n2\n4\n");

    assert_eq!(
        larder.delete(&format!("/v1/tables/si-life/indexes/{}", index["id"].as_str().unwrap())).await.status(),
        204
    );
    assert_eq!(json(larder.get("/v1/tables/si-life/indexes").await, 200).await["indexes"], json!([]));
    assert!(!is_indexed(larder, "si-life").await);
    larder.wait_for(&physical("si-life"), &["0"]).await;
    assert_eq!(larder.text("/v1/tables/si-life/rows.csv?q=word&select=id&order=id").await, "id\n1\n2\n4\n");
}

#[tokio::test]
async fn what_no_search_index_can_be_is_refused() {
    let larder = shared();
    put("si-bad", "n\n1\n").await;
    put("si-text", "t\nx\n").await;
    let post = |table: &'static str, body: Value| async move {
        larder.post(&format!("/v1/tables/{table}/indexes"), &body).await
    };
    problem(post("si-bad", json!({ "kind": "search" })).await, 400, "bad-request").await;
    problem(post("si-text", json!({ "kind": "search", "columns": ["t"] })).await, 400, "bad-request").await;
    problem(post("si-text", json!({ "kind": "search", "unique": true })).await, 400, "bad-request").await;
    problem(post("si-text", json!({ "kind": "hash", "columns": ["t"] })).await, 400, "bad-request").await;
    problem(post("si-none", json!({ "kind": "search" })).await, 404, "not-found").await;
}

#[tokio::test]
async fn a_new_version_is_there_at_once_and_has_its_index_later() {
    let larder = shared();
    put("si-next", "id,a\n1,word\n").await;
    ended(larder, &begin(larder, "si-next").await).await;
    let before = once(larder, "si-next", "ready").await;
    // Another number of text columns, at other places.
    put("si-next", "b,id,a\nword,1,x\ny,2,word\n").await;
    assert_eq!(larder.text("/v1/tables/si-next/rows.csv?q=word&select=id&order=id").await, "id\n1\n2\n");
    let index = once(larder, "si-next", "ready").await;
    assert_eq!((&index["id"], &index["columns"]), (&before["id"], &json!(["b", "a"])));
    assert!(is_indexed(larder, "si-next").await);
    assert_eq!(larder.text("/v1/tables/si-next/rows.csv?q=word&select=id&version=1").await, "id\n1\n");
    // A column that comes with an append, one that changes its name, and one that becomes text.
    let append = larder.request(Method::POST, "/v1/tables/si-next/rows?add_columns=true");
    json(append.body("id,c\n3,late word\n").send().await.unwrap(), 201).await;
    assert_eq!(larder.text("/v1/tables/si-next/rows.csv?q=late&select=id").await, "id\n3\n");
    assert_eq!(once(larder, "si-next", "ready").await["columns"], json!(["b", "a", "c"]));
    larder.wait_for(&physical("si-next"), &["2"]).await;
    for change in [json!({ "columns": { "a": { "name": "A" } } }), json!({ "columns": { "id": { "type": "text" } } })] {
        let patch = larder.request(Method::PATCH, "/v1/tables/si-next").json(&change);
        json(patch.send().await.unwrap(), 200).await;
        once(larder, "si-next", "ready").await;
    }
    assert_eq!(once(larder, "si-next", "ready").await["columns"], json!(["b", "id", "A", "c"]));
    // Without text there is nothing to index, and nothing to search.
    put("si-next", "n\n1\n").await;
    once(larder, "si-next", "missing").await;
    put("si-next", "t\nword\n").await;
    once(larder, "si-next", "ready").await;
}

/// A transaction that a building waits for, until it is dropped.
async fn hindrance(larder: &Service) -> sqlx::PgConnection {
    let mut database = larder.database().await;
    sqlx::raw_sql("begin isolation level repeatable read; select count(*) from larder.datasets")
        .execute(&mut database)
        .await
        .expect("SQL");
    database
}

#[tokio::test]
async fn a_building_holds_up_no_change_and_gives_way_to_those_of_the_whole_table() {
    let larder = Service::start(&[]).await;
    json(larder.put("/v1/tables/t", "id,a\n1,word\n").await, 201).await;
    let waiting = hindrance(&larder).await;
    let job = begin(&larder, "t").await;
    let building = "select count(*) from pg_stat_activity where query like 'create index concurrently%' and wait_event_type = 'Lock'";
    larder.wait_for(building, &["1"]).await;
    let append = |query: &'static str, body: &'static str| {
        larder.request(Method::POST, &format!("/v1/tables/t/rows{query}")).body(body).send()
    };
    json(append("", "id,a\n2,word\n").await.unwrap(), 201).await;
    json(append("?add_columns=true", "id,b\n3,word\n").await.unwrap(), 201).await;
    json(larder.post("/v1/tables/t/indexes", &json!({ "columns": ["id"] })).await, 201).await;
    assert_eq!(once(&larder, "t", "building").await["columns"], json!(["a", "b"]));
    assert_eq!(larder.text("/v1/tables/t/rows.csv?q=word&select=id").await, "id\n1\n2\n3\n");
    drop(waiting);
    assert_eq!(ended(&larder, &job).await["state"], "finished");
    once(&larder, "t", "ready").await;
    larder::sweep::once(&larder.app).await.unwrap();
    larder.wait_for(&physical("t"), &["1"]).await;
}

#[tokio::test]
async fn a_job_that_is_cancelled_leaves_no_index() {
    let larder = Service::start(&[]).await;
    json(larder.put("/v1/tables/t", "a\nword\n").await, 201).await;
    let waiting = hindrance(&larder).await;
    let job = begin(&larder, "t").await;
    let again = json(larder.post("/v1/tables/t/indexes", &json!({ "kind": "search" })).await, 200).await;
    assert_eq!(again["state"], "building");
    assert_eq!(larder.delete(&format!("/v1/jobs/{}", job["id"].as_str().unwrap())).await.status(), 202);
    assert_eq!(ended(&larder, &job).await["state"], "cancelled");
    larder.wait_for("select count(*) from larder.indexes", &["0"]).await;
    drop(waiting);
    larder.wait_for("select count(*) from larder.search_builds where state <> 'dropped'", &["0"]).await;
    larder::sweep::once(&larder.app).await.unwrap();
    larder.wait_for(&physical("t"), &["0"]).await;
    larder.wait_for("select count(*) from larder.search_builds", &["0"]).await;
}

#[tokio::test]
async fn a_building_whose_process_is_gone_is_taken_up() {
    let larder = Service::start(&[]).await;
    json(larder.put("/v1/tables/t", "a\nword\n").await, 201).await;
    // As a kill leaves it: wanted, begun, with an index of no use, and nobody who renews it.
    larder
        .sql(
            "insert into larder.indexes (id, dataset_id, columns, is_unique, is_key, kind) select gen_random_uuid(), id, '[]', false, false, 'search' from larder.datasets;
             insert into larder.search_builds (id, index_id, table_id, columns, state, lease_until)
             select '00000000-0000-0000-0000-00000000000b', i.id, v.table_id, '{0}', 'building', now() from larder.indexes i, larder.versions v;
             do $$ begin execute (select 'create index s_0000000000000000000000000000000b on rows.t_' || replace(table_id::text, '-', '') || ' (c1)' from larder.versions); end $$",
        )
        .await;
    larder::sweep::once(&larder.app).await.unwrap();
    once(&larder, "t", "ready").await;
    assert!(is_indexed(&larder, "t").await);
    larder.wait_for(&physical("t"), &["1"]).await;
    larder.wait_for("select state from larder.search_builds", &["ready"]).await;
}

#[tokio::test]
async fn a_search_without_an_index_is_bounded_in_time() {
    let larder = Service::start(&["--search-seconds", "1"]).await;
    json(larder.put("/v1/tables/t", "id,a\n1,word\n").await, 201).await;
    // Slower than any machine: nobody reads the table until it is free again.
    let mut locked = larder.database().await;
    let table =
        larder.column("select 'rows.t_' || replace(table_id::text, '-', '') from larder.versions").await.concat();
    let lock = format!("begin; lock table {table} in access exclusive mode");
    sqlx::raw_sql(sqlx::AssertSqlSafe(lock)).execute(&mut locked).await.unwrap();
    for path in ["rows?q=nowhere&limit=5", "rows.csv?q=nowhere", "rows?q=nowhere&select=count()"] {
        let slow = problem(larder.get(&format!("/v1/tables/t/{path}")).await, 503, "search-too-slow").await;
        assert_eq!((&slow["limit"], &slow["setting"]), (&json!(1), &json!("LARDER_SEARCH_SECONDS")));
        assert!(slow["detail"].as_str().unwrap().contains("{\"kind\":\"search\"}"), "{slow}");
    }
    drop(locked);
    assert_eq!(ended(&larder, &begin(&larder, "t").await).await["state"], "finished");
    assert_eq!(larder.text("/v1/tables/t/rows.csv?q=nowhere").await, "id,a\n");
    assert_eq!(larder.text("/v1/tables/t/rows.csv?q=nowhere&select=count()").await, "count\n0\n");
}
