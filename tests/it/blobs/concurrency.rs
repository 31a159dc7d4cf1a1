//! Many writers of one name at once, and a name that belongs to another.

use crate::support::{json, problem, shared};
use futures::future::join_all;
use reqwest::{Method, Response};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;

const WRITERS: usize = 16;

/// What `WRITERS` puts at once were answered: statuses in order, and bodies.
async fn put_at_once(path: &str, header: Option<(&str, &str)>, body: impl Fn(usize) -> String) -> Vec<(u16, Value)> {
    let puts = (0..WRITERS).map(async |n| {
        let request = shared().request(Method::PUT, path).body(body(n));
        let request = header.into_iter().fold(request, |request, (name, value)| request.header(name, value));
        let answer: Response = request.send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    });
    join_all(puts).await
}

fn count(answers: &[(u16, Value)], status: u16) -> usize {
    answers.iter().filter(|(found, _)| *found == status).count()
}

#[tokio::test]
async fn writers_at_once_make_one_dataset_and_each_is_told_of_its_own_version() {
    let body = |n: usize| format!("written by {n}");
    let answers = put_at_once("/v1/blobs/race/different", None, body).await;
    assert_eq!((count(&answers, 201), count(&answers, 200)), (1, WRITERS - 1), "{answers:?}");
    let distinct = |field: &str| answers.iter().map(|(_, blob)| blob[field].to_string()).collect::<BTreeSet<_>>().len();
    assert_eq!((distinct("id"), distinct("version"), distinct("etag")), (1, WRITERS, WRITERS));
    for (n, (_, blob)) in answers.iter().enumerate() {
        assert_eq!(blob["sha256"], hex::encode(Sha256::digest(body(n))));
    }
    let last = answers.iter().max_by_key(|(_, blob)| blob["version"].as_u64()).map(|(_, blob)| blob).unwrap();
    assert_eq!(last["version"], WRITERS);
    let now = shared().get("/v1/blobs/race/different").await;
    assert_eq!(now.headers()["etag"], last["etag"].as_str().unwrap());
    assert_eq!(hex::encode(Sha256::digest(now.bytes().await.unwrap())), last["sha256"].as_str().unwrap());
}

#[tokio::test]
async fn identical_writes_at_once_are_one_version() {
    let answers = put_at_once("/v1/blobs/race/same", None, |_| "same".to_owned()).await;
    assert_eq!((count(&answers, 201), count(&answers, 200)), (1, WRITERS - 1), "{answers:?}");
    assert!(
        answers.iter().all(|(_, blob)| blob["version"] == 1 && blob["etag"] == answers[0].1["etag"]),
        "{answers:?}"
    );
}

#[tokio::test]
async fn only_one_of_many_creates_what_must_not_exist() {
    let absent = Some(("if-none-match", "*"));
    let answers = put_at_once("/v1/blobs/race/absent", absent, |n| n.to_string()).await;
    assert_eq!((count(&answers, 201), count(&answers, 412)), (1, WRITERS - 1), "{answers:?}");
    let winner = answers.iter().position(|(status, _)| *status == 201).unwrap();
    assert_eq!(shared().text("/v1/blobs/race/absent").await, winner.to_string());
}

#[tokio::test]
async fn all_of_many_replace_what_must_exist_and_one_what_must_not_have_changed() {
    let first = json(shared().put("/v1/blobs/race/exists", "x").await, 201).await;
    let answers = put_at_once("/v1/blobs/race/exists", Some(("if-match", "*")), |n| format!("a{n}")).await;
    assert_eq!(count(&answers, 200), WRITERS, "{answers:?}");
    let stale =
        put_at_once("/v1/blobs/race/exists", Some(("if-match", first["etag"].as_str().unwrap())), |n| format!("b{n}"));
    assert_eq!(count(&stale.await, 412), WRITERS);
    let current = shared().get("/v1/blobs/race/exists").await.headers()["etag"].to_str().unwrap().to_owned();
    let answers = put_at_once("/v1/blobs/race/exists", Some(("if-match", &current)), |n| format!("c{n}")).await;
    assert_eq!((count(&answers, 200), count(&answers, 412)), (1, WRITERS - 1), "{answers:?}");
}

#[tokio::test]
async fn what_is_private_is_there_for_its_owner_and_admins_alone() {
    let larder = shared().replica(&["--visibility", "private"]).await;
    let (owner, other) = (larder.person().await, larder.person().await);
    let path = "/v1/blobs/private/diary.txt";
    json(owner.put(path, "dear diary").await, 201).await;
    assert_eq!(owner.get(path).await.text().await.unwrap(), "dear diary");
    assert_eq!(larder.text(path).await, "dear diary", "an admin sees all");

    for suffix in ["", "?descriptor", "?presign", "?version=1"] {
        problem(other.get(&format!("{path}{suffix}")).await, 404, "not-found").await;
    }
    let absent = problem(other.get("/v1/blobs/private/absent").await, 404, "not-found").await;
    let hidden = problem(other.get(path).await, 404, "not-found").await;
    assert_eq!((&absent["detail"], &absent["title"]), (&hidden["detail"], &hidden["title"]));
    problem(other.request(Method::DELETE, path).send().await.unwrap(), 404, "not-found").await;
    let listed = json(other.get("/v1/blobs?prefix=private/").await, 200).await;
    assert_eq!(listed["blobs"], json!([]));
    let folders = json(other.get("/v1/blobs?prefix=priv&delimiter=/").await, 200).await;
    assert_eq!(folders["folders"], json!([]));
    let share = other.request(Method::POST, "/v1/shares").json(&json!({ "target": path })).send().await.unwrap();
    problem(share, 404, "not-found").await;

    for write in [path, "/private/diary.txt", "/private/diary.txt?replace=true"] {
        let taken = problem(other.put(write, "mine").await, 409, "name-taken").await;
        insta::allow_duplicates! {
            insta::assert_json_snapshot!(taken, {".request_id" => "[id]"}, @r#"
            {
              "type": "/problems/name-taken",
              "title": "The name is taken",
              "status": 409,
              "detail": "The name `private/diary.txt` is taken.",
              "request_id": "[id]"
            }
            "#);
        }
    }
    for value in ["*", "\"a\""] {
        let guarded = other.request(Method::PUT, path).header("if-match", value).body("mine").send().await.unwrap();
        problem(guarded, 409, "name-taken").await;
    }
    assert_eq!(owner.request(Method::DELETE, path).send().await.unwrap().status(), 204);
    let restore = format!("{path}/restore");
    problem(other.request(Method::POST, &restore).send().await.unwrap(), 404, "not-found").await;
    json(other.put(path, "mine").await, 201).await;
    assert_eq!(other.request(Method::DELETE, path).send().await.unwrap().status(), 204);
    let restored = json(owner.request(Method::POST, &restore).send().await.unwrap(), 200).await;
    assert_eq!(restored["size_bytes"], 10, "each gets back what was theirs");
}
