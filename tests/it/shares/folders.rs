//! Links to a folder of blobs, and to a collection.

use super::{follow, follow_with, hits, share, share_with, url};
use crate::support::{Raw, json, problem, shared};
use reqwest::Method;
use serde_json::{Value, json};

async fn listing(link: &str) -> Value {
    json(follow(link).await, 200).await
}

fn names(listing: &Value) -> Vec<&str> {
    listing["blobs"].as_array().unwrap().iter().map(|blob| blob["name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_folder_shows_what_is_in_it_by_levels_and_gives_each_blob() {
    for path in ["a.txt", "b%20%C3%A4.txt", "deep/c.txt", "deep/deeper/d.txt"] {
        json(shared().put(&format!("/v1/blobs/fold/{path}"), path).await, 201).await;
    }
    json(shared().put("/v1/blobs/folder-beside/x.txt", "x").await, 201).await;
    let share = share("/v1/blobs/fold/").await;
    assert_eq!(share["target"], "/v1/blobs/fold/");
    let top = listing(url(&share)).await;
    assert_eq!(
        (names(&top), &top["folders"], &top["next"]),
        (vec!["a.txt", "b ä.txt"], &json!(["deep/"]), &Value::Null)
    );
    let deep = listing(&format!("{}/deep/", url(&share))).await;
    assert_eq!((names(&deep), &deep["folders"]), (vec!["deep/c.txt"], &json!(["deep/deeper/"])));
    for blob in top["blobs"].as_array().unwrap().iter().chain(deep["blobs"].as_array().unwrap()) {
        let answer = follow(blob["url"].as_str().unwrap()).await;
        assert_eq!(answer.status(), 307);
        let bytes = follow(answer.headers()["location"].to_str().unwrap()).await.text().await.unwrap();
        assert_eq!(bytes.len() as u64, blob["size_bytes"].as_u64().unwrap());
    }
    let first = listing(&format!("{}?limit=1", url(&share))).await;
    assert_eq!(names(&first), ["a.txt"]);
    let rest = listing(&format!("{}?cursor={}", url(&share), first["next"].as_str().unwrap())).await;
    assert_eq!((names(&rest), &rest["folders"]), (vec!["b ä.txt"], &json!(["deep/"])));
    // What comes later is in it too.
    json(shared().put("/v1/blobs/fold/late.txt", "late").await, 201).await;
    assert_eq!(follow(&format!("{}/late.txt", url(&share))).await.status(), 307);
}

#[tokio::test]
async fn nothing_outside_a_folder_can_be_reached() {
    json(shared().put("/v1/blobs/inside/a.txt", "a").await, 201).await;
    json(shared().put("/v1/blobs/inside-not/a.txt", "secret").await, 201).await;
    json(shared().put("/v1/blobs/outside.txt", "secret").await, 201).await;
    let share = share("/v1/blobs/inside/").await;
    for path in ["none.txt", "..%2foutside.txt", "a/..%2f..%2foutside.txt", "%2foutside.txt", "/outside.txt", "deep/"] {
        let answer = follow(&format!("{}/{path}", url(&share))).await;
        if answer.status() == 200 {
            let listed = answer.json::<Value>().await.unwrap();
            assert_eq!(listed, json!({ "folders": [], "blobs": [], "next": null }), "{path}");
        } else {
            problem(answer, 404, "not-found").await;
        }
    }
    // What a client would take out of the path by itself.
    let path = url(&share).strip_prefix(&shared().url).unwrap();
    for dots in ["..", "%2e%2e", "deep/../.."] {
        let mut raw = Raw::connect(shared()).await;
        raw.send(format!("GET {path}/{dots}/outside.txt HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")).await;
        let answer = raw.read_to_end().await;
        assert!(answer.starts_with("HTTP/1.1 404"), "{dots}: {answer}");
    }
    problem(follow(&format!("{}?prefix=x", url(&share))).await, 400, "bad-request").await;
    let dark = share_with("/v1/blobs/inside/", json!({ "allow": ["download"] })).await;
    problem(follow(url(&dark)).await, 403, "not-shared").await;
    assert_eq!(follow(&format!("{}/a.txt", url(&dark))).await.status(), 307);
    let seen = share_with("/v1/blobs/inside/", json!({ "allow": ["view"] })).await;
    assert_eq!(names(&listing(url(&seen)).await), ["a.txt"]);
    problem(follow(&format!("{}/a.txt", url(&seen))).await, 403, "not-shared").await;
    assert_eq!(hits(&seen).await, ["listed", "refused"]);
}

#[tokio::test]
async fn a_collection_shows_its_documents_and_gives_each() {
    for (id, body) in [("a", "{\"n\":1}"), ("b%20c", "{\"n\":2}")] {
        json(shared().put(&format!("/v1/documents/f-coll/{id}"), body).await, 201).await;
    }
    let share = share("/v1/collections/f-coll").await;
    let all = json(follow(url(&share)).await, 200).await;
    let ids: Vec<&str> = all["documents"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["a", "b c"]);
    let first = json(follow(&format!("{}?limit=1", url(&share))).await, 200).await;
    let rest = format!("{}?cursor={}", url(&share), first["next"].as_str().unwrap());
    assert_eq!(json(follow(&rest).await, 200).await["documents"][0]["body"], json!({ "n": 2 }));
    assert_eq!(follow(&format!("{}/b%20c", url(&share))).await.text().await.unwrap(), "{\"n\":2}");
    problem(follow(&format!("{}/none", url(&share))).await, 404, "not-found").await;
    let head = follow_with(Method::HEAD, &format!("{}/a", url(&share)), &[]).await;
    assert_eq!((head.status().as_u16(), head.headers()["content-length"].to_str().unwrap()), (200, "7"));
}
