//! What is remembered of a link, and what is done once for many who hold it: nobody may notice.

use super::{follow, follow_with, made, share, url};
use crate::{
    documents_store::person,
    support::{Service, json, problem, shared},
};
use aws_sdk_dynamodb::types::AttributeValue;
use larder::{
    audit::Intent,
    error::{Error, Result, Store},
    sweep,
};
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::Connection;
use std::{
    future::pending,
    sync::atomic::{AtomicU64, Ordering::SeqCst},
};
use tokio::sync::oneshot;

/// Status and bytes, those behind a redirect.
async fn given(larder: &Service, share: &Value) -> (u16, String) {
    let (_, token) = url(share).rsplit_once('/').unwrap();
    let answer = larder.anonymous(Method::GET, &format!("/s/{token}")).send().await.unwrap();
    let status = answer.status().as_u16();
    let answer = match answer.headers().get("location").map(|location| location.to_str().unwrap().to_owned()) {
        Some(location) => larder.anonymous(Method::GET, &location).send().await.unwrap(),
        None => answer,
    };
    (status, answer.text().await.unwrap())
}

#[tokio::test]
async fn each_hit_sees_what_was_changed_before_it_at_every_replica() {
    let larder = Service::start(&[]).await;
    let replicas = [&larder, &larder.replica(&[]).await];
    let bob = larder.principal("bob").await;
    for path in ["/v1/blobs/seen.txt", "/v1/blobs/hidden.txt"] {
        larder.put(path, "one").await;
    }
    larder.put("/v1/documents/seen/d", r#"{"a":1}"#).await;
    let [blob, document] =
        ["/v1/blobs/seen.txt", "/v1/documents/seen/d"].map(|target| made(&larder, target, json!({})));
    let (blob, document) = (blob.await, document.await);
    let of_bob = async |target: &str| {
        let request = larder.anonymous(Method::POST, "/v1/shares").bearer_auth(&bob);
        json(request.json(&json!({ "target": target })).send().await.unwrap(), 201).await
    };
    let (bobs, hidden) = (of_bob("/v1/blobs/seen.txt").await, of_bob("/v1/blobs/hidden.txt").await);
    let expect = async |share: &Value, status: u16, bytes: Option<&str>| {
        for replica in replicas {
            // Neither link nor document is remembered, then the link, then both.
            for _ in 0..3 {
                let given = given(replica, share).await;
                assert_eq!(given.0, status, "{}", given.1);
                assert!(bytes.is_none_or(|bytes| bytes == given.1), "{}", given.1);
            }
        }
    };
    for link in [&blob, &bobs, &hidden] {
        expect(link, 307, Some("one")).await;
    }
    expect(&document, 200, Some(r#"{"a":1}"#)).await;

    larder.put("/v1/blobs/seen.txt", "two").await;
    larder.put("/v1/documents/seen/d", r#"{"a":2}"#).await;
    expect(&blob, 307, Some("two")).await;
    expect(&document, 200, Some(r#"{"a":2}"#)).await;

    let patch =
        async |path: &str, change: Value| larder.request(Method::PATCH, path).json(&change).send().await.unwrap();
    let path = |share: &Value| format!("/v1/shares/{}", share["id"].as_str().unwrap());
    for (allow, blobs, documents) in [(json!(["view"]), 403, 403), (json!(["view", "download"]), 307, 200)] {
        for link in [&blob, &document] {
            json(patch(&path(link), json!({ "allow": allow })).await, 200).await;
        }
        expect(&blob, blobs, None).await;
        expect(&document, documents, None).await;
    }

    json(patch("/v1/blobs/hidden.txt", json!({ "visibility": "private" })).await, 200).await;
    expect(&hidden, 410, None).await;
    expect(&bobs, 307, Some("two")).await;
    let bob = larder.column("select id from larder.principals where name = 'bob'").await.remove(0);
    json(patch(&format!("/v1/principals/{bob}"), json!({ "disabled": true })).await, 200).await;
    expect(&bobs, 410, None).await;

    // One that is made anew under the same id is another.
    assert_eq!(larder.delete("/v1/documents/seen/d").await.status(), 204);
    expect(&document, 410, None).await;
    larder.put("/v1/documents/seen/d", r#"{"a":3}"#).await;
    expect(&document, 410, None).await;
    assert_eq!(larder.delete(&path(&blob)).await.status(), 204);
    expect(&blob, 410, None).await;
}

#[tokio::test]
async fn a_hit_of_a_document_says_its_bytes_before_they_are_given() {
    let document = "/v1/documents/hits-say/d";
    shared().put(document, r#"{"a":1}"#).await;
    let share = share(document).await;
    let etag = follow(url(&share)).await.headers()["etag"].to_str().unwrap().to_owned();
    assert_eq!(follow(url(&share)).await.status(), 200);
    let fresh = [("if-none-match", etag.as_str())];
    assert_eq!(follow_with(Method::GET, url(&share), &fresh).await.status(), 304);
    assert_eq!(follow_with(Method::HEAD, url(&share), &[]).await.status(), 200);
    shared().put(document, r#"{"a":"longer"}"#).await;
    assert_eq!(follow_with(Method::GET, url(&share), &fresh).await.status(), 200);
    let path = format!("/v1/shares/{}", share["id"].as_str().unwrap());
    for (allow, status) in [("view", 403), ("download", 200)] {
        let change = json!({ "allow": [allow] });
        json(shared().request(Method::PATCH, &path).json(&change).send().await.unwrap(), 200).await;
        for _ in 0..2 {
            assert_eq!(follow(url(&share)).await.status(), status);
        }
    }
    assert_eq!(shared().delete(document).await.status(), 204);
    assert_eq!(follow(url(&share)).await.status(), 410);
    let id = share["id"].as_str().unwrap();
    let said = "concat_ws(' ', outcome, format, bytes)";
    let hits =
        shared().column(&format!("select {said} from larder.share_hits where share_id = '{id}' order by id")).await;
    let expected = [
        "streamed json 7",
        "streamed json 7",
        "unchanged json",
        "asked json",
        "streamed json 14",
        "refused",
        "refused",
        "streamed json 14",
        "streamed json 14",
        "over",
    ];
    assert_eq!(hits, expected);
}

#[tokio::test]
async fn readers_who_come_together_see_every_write_that_was_acknowledged_before_they_asked() {
    let (larder, document, writes) = (shared(), "/v1/documents/together/n", 60);
    larder.put(document, r#"{"n":0}"#).await;
    let share = share(document).await;
    let written = AtomicU64::new(0);
    let write = async {
        for n in 1..=writes {
            json(larder.put(document, format!(r#"{{"n":{n}}}"#)).await, 200).await;
            written.store(n, SeqCst);
        }
    };
    let read = async |by_link: bool| {
        let mut reads = 0;
        loop {
            let least = written.load(SeqCst);
            let answer = if by_link { follow(url(&share)).await } else { larder.get(document).await };
            let seen = json(answer, 200).await["n"].as_u64().unwrap();
            assert!(seen >= least, "{seen} after {least} was written");
            reads += 1;
            if least == writes {
                break reads;
            }
        }
    };
    let readers = futures::future::join_all((0..16).map(|n| read(n % 2 == 0)));
    let ((), reads) = tokio::join!(write, readers);
    assert!(reads.iter().sum::<u64>() > 100, "{reads:?}");
}

#[tokio::test]
async fn no_hit_is_written_down_for_a_share_that_goes_at_that_moment() {
    let larder = Service::start(&[]).await;
    larder.put("/v1/blobs/goes.txt", "x").await;
    let share = made(&larder, "/v1/blobs/goes.txt", json!({})).await;
    assert_eq!(given(&larder, &share).await.0, 307);
    let mut database = larder.database().await;
    let mut sweep = database.begin().await.unwrap();
    sqlx::query("select from larder.shares for update").execute(&mut *sweep).await.unwrap();
    problem(larder.anonymous(Method::GET, url(&share)).send().await.unwrap(), 404, "not-found").await;
    assert_eq!(larder.column("select count(*) from larder.share_hits").await, ["1"]);
    sweep.rollback().await.unwrap();
    assert_eq!(given(&larder, &share).await.0, 307);
    assert_eq!(larder.column("select count(*) from larder.share_hits").await, ["2"]);
}

/// A document and its link, on a service whose own sweep never comes in the way.
async fn linked(document: &str) -> (Service, Value) {
    let larder = Service::start(&["--sweep-seconds", "3600"]).await;
    larder.put(document, r#"{"a":1}"#).await;
    let link = made(&larder, document, json!({})).await;
    (larder, link)
}

/// How many writes have begun, and how many have ended for certain.
async fn writes(larder: &Service) -> Vec<String> {
    larder.column("select begun || ' ' || ended from larder.document_writes").await
}

/// Takes a document out of DynamoDB as nobody does who knows of links.
async fn take_away(larder: &Service, document: &str) {
    let at = larder.base.stores(&larder.app.config).await.unwrap().documents;
    let client = aws_sdk_dynamodb::Client::new(&at.sdk);
    let items = client.scan().table_name(&at.table).send().await.unwrap().items.unwrap_or_default();
    let is = |item: &AttributeValue| item.as_s().is_ok_and(|id| id == document);
    let item = items.into_iter().find(|item| is(&item["sk"])).unwrap();
    let delete = client.delete_item().table_name(&at.table).key("pk", item["pk"].clone()).key("sk", item["sk"].clone());
    delete.send().await.unwrap();
}

#[tokio::test]
async fn a_document_is_read_once_for_its_link_until_somebody_may_have_written_it() {
    let document = "/v1/documents/once/d";
    let (larder, link) = linked(document).await;
    for _ in 0..2 {
        assert_eq!(given(&larder, &link).await, (200, r#"{"a":1}"#.to_owned()));
    }
    take_away(&larder, "d").await;
    for _ in 0..3 {
        assert_eq!(given(&larder, &link).await, (200, r#"{"a":1}"#.to_owned()));
    }
    assert_eq!(larder.get(document).await.status(), 404);
    let said = "select concat_ws(' ', outcome, format, bytes) from larder.share_hits order by id";
    assert_eq!(larder.column(said).await, vec!["streamed json 7"; 5]);
    // A large one is read each time.
    larder.put("/v1/documents/once/large", format!(r#"{{"a":"{}"}}"#, "x".repeat(64 << 10))).await;
    let large = made(&larder, "/v1/documents/once/large", json!({})).await;
    for _ in 0..3 {
        assert_eq!(given(&larder, &large).await.0, 200);
    }
    take_away(&larder, "large").await;
    assert_eq!(given(&larder, &large).await.0, 410);
    // A write, even one that fails.
    assert_eq!(larder.delete(document).await.status(), 404);
    assert_eq!(given(&larder, &link).await.0, 410);
}

#[tokio::test]
async fn nothing_is_remembered_while_a_write_may_still_come() {
    let (larder, link) = linked("/v1/documents/unknown/d").await;
    assert_eq!(writes(&larder).await, ["1 1"]);
    let caller = person("ada");
    let catalogue = &larder.app.catalogue;
    let collection = catalogue.find_or_create_collection(&caller, "unknown").await.unwrap();
    let put = ("put", &collection, "d");
    let lost =
        Intent::around(catalogue, &caller, put, async { Err::<(), _>(Error::store(Store::Documents, "no answer")) });
    lost.await.unwrap_err();
    assert_eq!(writes(&larder).await, ["2 1"], "its answer was lost");
    for _ in 0..3 {
        assert_eq!(given(&larder, &link).await.0, 200);
    }
    take_away(&larder, "d").await;
    assert_eq!(given(&larder, &link).await.0, 410, "it is read each time");
    sweep::once(&larder.app).await.unwrap();
    assert_eq!(writes(&larder).await, ["2 1"], "it may still come");
    larder.sql("update larder.document_writes set at = now() - interval '1 day 1 minute'").await;
    sweep::once(&larder.app).await.unwrap();
    assert_eq!(writes(&larder).await, ["2 2"]);

    let (begin, begun) = oneshot::channel();
    let work = async {
        begin.send(()).unwrap();
        pending::<Result<()>>().await
    };
    tokio::select! {
        _ = Intent::around(catalogue, &caller, put, work) => unreachable!("it has no end"),
        begun = begun => begun.unwrap(),
    }
    larder.wait_for("select begun || ' ' || ended from larder.document_writes", &["3 2"]).await;
}
