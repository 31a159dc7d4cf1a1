//! Replacing, deleting and restoring.

use super::{put, put_with, rows};
use crate::support::{json, problem, shared};
use serde_json::json;

const VERSION: &str = "from larder.datasets d join larder.versions v on v.dataset_id = d.id";

#[tokio::test]
async fn identical_bytes_are_the_same_version() {
    let first = put("v-same", "a\n1\n").await;
    let again = json(shared().put("/v1/tables/v-same", "a\n1\n").await, 200).await;
    assert_eq!(again, first);
    // The same bytes read in another way are another table.
    let other = json(shared().put("/v1/tables/v-same?format=tsv", "a\n1\n").await, 200).await;
    assert_eq!((other["id"].clone(), other["version"].as_u64()), (first["id"].clone(), Some(2)));
    assert_ne!(other["etag"], first["etag"]);
}

#[tokio::test]
async fn the_descriptor_says_what_the_table_is() {
    let created = shared().put("/v1/tables/v-descriptor", "a,b\n1,x\n").await;
    let (location, etag) = (created.headers()["location"].clone(), created.headers()["etag"].clone());
    let created = json(created, 201).await;
    assert_eq!(
        (created["links"]["self"].as_str(), created["etag"].as_str()),
        (location.to_str().ok(), etag.to_str().ok())
    );
    assert_eq!(json(shared().get("/v1/tables/v-descriptor").await, 200).await, created);
    assert_eq!(shared().text(created["links"]["download"].as_str().unwrap()).await, "a,b\n1,x\n");
    assert_eq!(shared().text(created["links"]["raw"].as_str().unwrap()).await, "a,b\n1,x\n");
    insta::assert_json_snapshot!(created, {
        ".id" => "[id]", ".etag" => "[etag]", ".created_at" => "[time]", ".updated_at" => "[time]", ".links" => "[links]",
    }, @r#"
    {
      "id": "[id]",
      "name": "v-descriptor",
      "kind": "table",
      "title": "v-descriptor",
      "version": 1,
      "etag": "[etag]",
      "content_type": "text/csv",
      "size_bytes": 8,
      "sha256": "eccc6303d8ede5e5ec22d288b8350193f9eb907c93f49c78d5b1ff0af7ecd450",
      "crc64nvme": "gT6VT52pjgE=",
      "created_at": "[time]",
      "updated_at": "[time]",
      "owner": "admin",
      "visibility": "team",
      "rows": 1,
      "columns": [
        {
          "name": "a",
          "type": "bigint"
        },
        {
          "name": "b",
          "type": "text"
        }
      ],
      "ingest": {
        "nulls": [],
        "quote": "\"",
        "escape": "double",
        "format": "csv",
        "changes": [],
        "comment": null,
        "skipped": 0,
        "encoding": "utf-8",
        "warnings": [],
        "delimiter": ",",
        "header_rows": 1
      },
      "links": "[links]"
    }
    "#);
}

#[tokio::test]
async fn two_versions_are_kept_and_the_third_is_garbage() {
    let larder = shared();
    put("v-three", "a\n1\n").await;
    let first = larder.column(&format!("select v.table_id {VERSION} where d.name = 'v-three'")).await.join("");
    let object = larder.column(&format!("select v.object_id {VERSION} where d.name = 'v-three'")).await.join("");
    put("v-three", "a\n2\n").await;
    let garbage = format!("select count(*) from larder.garbage where table_id = '{first}' or object_id = '{object}'");
    assert_eq!(larder.column(&garbage).await, ["0"]);
    assert_eq!(put("v-three", "a,b\n3,4\n").await["version"], 3);
    assert_eq!(larder.column(&garbage).await, ["2"]);
    let kept = larder.column(&format!("select v.number {VERSION} where d.name = 'v-three' order by 1")).await;
    assert_eq!(kept, ["2", "3"]);
    assert_eq!(rows("v-three", "csv").await, "a,b\n3,4\n");
}

#[tokio::test]
async fn a_condition_guards_the_version_that_was_read() {
    let first = put("v-if", "a\n1\n").await;
    let etag = first["etag"].as_str().unwrap();
    problem(put_with("v-if", &[("if-none-match", "*")], b"a\n2\n".to_vec()).await, 412, "precondition-failed").await;
    let second = json(put_with("v-if", &[("if-match", etag)], b"a\n2\n".to_vec()).await, 200).await;
    problem(put_with("v-if", &[("if-match", etag)], b"a\n3\n".to_vec()).await, 412, "precondition-failed").await;
    let delete = |etag: String| async move {
        shared().request(reqwest::Method::DELETE, "/v1/tables/v-if").header("if-match", etag).send().await.unwrap()
    };
    problem(delete(etag.to_owned()).await, 412, "precondition-failed").await;
    assert_eq!(rows("v-if", "csv").await, "a\n2\n");
    assert_eq!(delete(second["etag"].as_str().unwrap().to_owned()).await.status(), 204);
}

#[tokio::test]
async fn a_deleted_table_comes_back_as_it_was() {
    let larder = shared();
    let before = put("v-gone", "a\n1\n").await;
    assert_eq!(larder.delete("/v1/tables/v-gone").await.status(), 204);
    for path in ["", "/rows", "/rows.csv", "/raw"] {
        problem(larder.get(&format!("/v1/tables/v-gone{path}")).await, 404, "not-found").await;
    }
    problem(larder.delete("/v1/tables/v-gone").await, 404, "not-found").await;
    let mut restored = json(larder.post("/v1/tables/v-gone/restore", &json!({})).await, 200).await;
    restored["updated_at"] = before["updated_at"].clone();
    assert_eq!(restored, before);
    assert_eq!(rows("v-gone", "csv").await, "a\n1\n");
    problem(larder.post("/v1/tables/v-gone/restore", &json!({})).await, 404, "not-found").await;

    // A new table of the same name is another one, and is in the way of the old.
    assert_eq!(larder.delete("/v1/tables/v-gone").await.status(), 204);
    let other = put("v-gone", "a\n1\n").await;
    assert_ne!((&other["id"], &other["etag"]), (&before["id"], &before["etag"]));
    problem(larder.post("/v1/tables/v-gone/restore", &json!({})).await, 409, "name-taken").await;
    assert_eq!(larder.delete("/v1/tables/v-gone").await.status(), 204);
    assert_eq!(json(larder.post("/v1/tables/v-gone/restore", &json!({})).await, 200).await["id"], other["id"]);
}

#[tokio::test]
async fn readers_see_the_old_version_or_the_new_one_whole() {
    let file = |round: usize| {
        let (columns, rest) = if round.is_multiple_of(2) { ("a", "") } else { ("a,b", ",x") };
        format!("{columns}\n{}", format!("{round}{rest}\n").repeat(2000))
    };
    put("v-readers", file(0)).await;
    let (done, ended) = tokio::sync::watch::channel(false);
    let read = || {
        let ended = ended.clone();
        tokio::spawn(async move {
            let mut reads = 0;
            while !*ended.borrow() {
                let csv = rows("v-readers", "csv").await;
                let round = csv.lines().nth(1).unwrap().split(',').next().unwrap().parse().unwrap();
                assert!(csv == file(round), "a mixture of versions around {round}");
                reads += 1;
            }
            reads
        })
    };
    let readers = [read(), read()];
    for round in 1..15 {
        put("v-readers", file(round)).await;
    }
    done.send(true).unwrap();
    for reader in readers {
        assert!(reader.await.unwrap() > 0);
    }
}

#[tokio::test]
async fn many_uploads_of_one_name_at_once_make_one_table() {
    let statuses = futures::future::join_all(
        (0..8).map(|n| async move { shared().put("/v1/tables/v-race", format!("a\n{n}\n")).await.status().as_u16() }),
    )
    .await;
    assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 1, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 7, "{statuses:?}");
    let datasets = shared().column("select count(*) from larder.datasets where name = 'v-race'").await;
    assert_eq!(datasets, ["1"]);
    assert_eq!(json(shared().get("/v1/tables/v-race").await, 200).await["version"], 8);
}
