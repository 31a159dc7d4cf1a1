//! The document store over the embedded DynamoDB engine. Small documents never touch Postgres or the bucket, so neither runs here.

mod listing;
mod table;

use crate::documents_value::nested;
use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use aws_sdk_dynamodb::Client;
use bytes::Bytes;
use clap::Parser;
use http::{HeaderMap, StatusCode};
use larder::{
    auth::{Caller, Scopes},
    catalogue::{Catalogue, Dataset, Kind, Precondition},
    config::{Cli, Command, Config, Visibility},
    documents::{Document, Documents, Put},
    error::{Error, Result},
    objects::Objects,
};
use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};
use time::OffsetDateTime;
use tokio::{net::TcpListener, task::JoinSet};
use uuid::Uuid;

struct Fixture {
    documents: Documents,
    client: Client,
    collection: Dataset,
    caller: Caller,
}

async fn fixture() -> Fixture {
    let fixture = with(engine().await, "larder");
    fixture.documents.ensure_table().await.unwrap();
    fixture
}

fn with(client: Client, table: &str) -> Fixture {
    let caller = person("ada");
    let documents = store(&client, table, &config(&[]));
    Fixture { documents, client, collection: collection(&caller), caller }
}

/// Somebody who is no admin, with a token for all that such a one may do.
pub fn person(name: &str) -> Caller {
    let scopes = Scopes::parse(&[Scopes::EVERYTHING]).unwrap();
    Caller::new(Uuid::now_v7(), name, false, scopes)
}

pub async fn engine() -> Client {
    client(&start_engine().await)
}

async fn start_engine() -> String {
    let database = dynoxide::Database::memory().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(dynoxide::server::serve_with_shutdown(listener, database, std::future::pending()));
    endpoint
}

fn client(endpoint: &str) -> Client {
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version_latest()
        .region(aws_sdk_dynamodb::config::Region::new("us-east-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .endpoint_url(endpoint);
    Client::from_conf(config.build())
}

/// Passes everything on to the engine, and answers 500 to the first request of each writing operation although it was done.
async fn losing_answers(engine: String) -> String {
    let lost = Arc::new(Mutex::new(BTreeSet::new()));
    let pass = move |headers: HeaderMap, body: Bytes| {
        let (engine, lost) = (engine.clone(), lost.clone());
        async move {
            let target = headers["x-amz-target"].to_str().unwrap().to_owned();
            let answer = reqwest::Client::new().post(engine).headers(headers).body(body).send().await.unwrap();
            let write = target.ends_with(".PutItem") || target.ends_with(".UpdateItem");
            if write && lost.lock().unwrap().insert(target) {
                return (StatusCode::INTERNAL_SERVER_ERROR, HeaderMap::new(), Bytes::new());
            }
            (answer.status(), answer.headers().clone(), answer.bytes().await.unwrap())
        }
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, axum::Router::new().fallback(pass)).await });
    endpoint
}

pub fn config(flags: &[&str]) -> Config {
    match Cli::parse_from(["larder", "serve"].iter().chain(flags)).command {
        Command::Serve(config) => config,
        _ => unreachable!(),
    }
}

fn store(client: &Client, table: &str, config: &Config) -> Documents {
    let postgres = sqlx::PgPool::connect_lazy("postgres://nobody@127.0.0.1:1/none").unwrap();
    let s3 = aws_sdk_s3::Config::builder().behavior_version_latest().build();
    let s3 = aws_sdk_s3::Client::from_conf(s3);
    let credentials = SharedCredentialsProvider::new(Credentials::new("test", "test", None, None, "test"));
    let objects = Objects::new(s3.clone(), s3, credentials, "none".to_owned(), Duration::from_secs(60));
    Documents::new(client.clone(), table.to_owned(), Catalogue::new(postgres, config), objects, config)
}

pub fn collection(owner: &Caller) -> Dataset {
    Dataset {
        id: Uuid::now_v7(),
        kind: Kind::Collection,
        name: "inbox".to_owned(),
        title: "inbox".to_owned(),
        original_name: None,
        owner: owner.principal,
        owner_name: owner.name.clone(),
        visibility: Visibility::Team,
        shards: 4,
        created_at: OffsetDateTime::now_utc(),
        updated_at: OffsetDateTime::now_utc(),
        state: 0,
        version: None,
    }
}

impl Fixture {
    async fn put(&self, id: &str, json: &str, condition: &Precondition) -> Result<Put> {
        let body = Bytes::copy_from_slice(json.as_bytes());
        self.documents.put(&self.caller, &self.collection, id, body, condition).await
    }

    async fn get(&self, id: &str) -> Option<Document> {
        self.documents.get(&self.collection, id).await.unwrap()
    }

    async fn delete(&self, id: &str) -> Result<()> {
        self.documents.delete(&self.caller, &self.collection, id, &Precondition::None).await
    }

    async fn ids(&self, page: usize) -> Vec<String> {
        let (mut ids, mut after): (Vec<String>, Option<String>) = (Vec::new(), None);
        loop {
            let answer = self.documents.list(&self.collection, after.as_deref(), page).await.unwrap();
            assert!(answer.documents.len() == page || !answer.more, "a page is full unless it is the last");
            ids.extend(answer.documents.into_iter().map(|document| document.id));
            if !answer.more {
                return ids;
            }
            after = ids.last().cloned();
        }
    }
}

fn counter(document: &Document) -> u64 {
    document.etag.trim_matches('"').split_once('.').unwrap().1.parse().unwrap()
}

fn matches(document: &Document) -> Precondition {
    Precondition::Matches(vec![document.etag.clone()])
}

#[tokio::test]
async fn a_document_is_created_replaced_and_recognised() {
    let f = fixture().await;
    let Put::Created(first) = f.put("é 1", r#"{"b":1.10,"a":"x"}"#, &Precondition::Absent).await.unwrap() else {
        panic!()
    };
    assert_eq!((first.body.as_ref(), first.size_bytes), (&br#"{"a":"x","b":1.1}"#[..], 17));
    let ada = f.caller.principal.to_string();
    assert_eq!((&first.created_by, &first.updated_by, counter(&first)), (&ada, &ada, 1));
    let read = f.get("é 1").await.unwrap();
    assert_eq!(format!("{read:?}"), format!("{first:?}"), "a GET answers what the PUT answered");

    let same = f.put("é 1", r#"{ "a":"x", "b":1.1 }"#, &Precondition::None).await.unwrap();
    assert!(matches!(&same, Put::Unchanged(document) if document.etag == first.etag), "{same:?}");

    let grace = person("grace");
    let body = Bytes::from_static(br#"{"a":"y"}"#);
    let replaced = f.documents.put(&grace, &f.collection, "é 1", body, &matches(&first)).await.unwrap();
    let Put::Replaced(second) = replaced else { panic!("{replaced:?}") };
    assert_eq!((&second.created_by, &second.updated_by, counter(&second)), (&ada, &grace.principal.to_string(), 2));
    assert_eq!((second.created_at, second.incarnation.as_str()), (first.created_at, first.incarnation.as_str()));
    assert_eq!(f.get("é 1").await.unwrap().body.as_ref(), br#"{"a":"y"}"#);

    for condition in [matches(&first), Precondition::Absent] {
        let stale = f.put("é 1", "{}", &condition).await;
        assert!(matches!(stale, Err(Error::PreconditionFailed { .. })), "{stale:?}");
    }
    let absent = f.put("other", "{}", &Precondition::Exists).await;
    assert!(matches!(absent, Err(Error::PreconditionFailed { .. })), "{absent:?}");
    assert!(matches!(f.put("a/b", "{}", &Precondition::None).await, Err(Error::BadName { .. })));
}

#[tokio::test]
async fn what_the_scanner_accepts_the_engine_holds() {
    let f = fixture().await;
    let wide = format!(r#"{{"a":[{}0]}}"#, "0,".repeat(90_000));
    let text = format!(r#"{{"a":"{}"}}"#, "é".repeat(190 << 10).split_at(380 * 1024 - 6).0);
    for (id, json) in [
        ("deep".to_owned(), nested(31)),
        ("n".repeat(512), r#"{"n":[9.9999999999999999999999999999999999999e125,-1e-130,1e40]}"#.to_owned()),
        ("s".to_owned(), r#"{"s":"\u0000","e":"","l":[[],{},null,true]}"#.to_owned()),
        ("wide".to_owned(), wide),
        ("text".to_owned(), text),
    ] {
        let put = f.put(&id, &json, &Precondition::None).await.unwrap();
        assert_eq!(f.get(&id).await.unwrap().body, put.document().body, "{id}");
    }
    assert!(matches!(f.put("deep", &nested(32), &Precondition::None).await, Err(Error::Malformed(_))));
}

#[tokio::test]
async fn concurrent_writes_are_all_counted() {
    let f = fixture().await;
    let mut writers = JoinSet::new();
    for n in 0..32 {
        let (documents, caller, collection) = (f.documents.clone(), f.caller.clone(), f.collection.clone());
        writers.spawn(async move {
            let body = Bytes::from(format!(r#"{{"n":{n}}}"#));
            documents.put(&caller, &collection, "one", body, &Precondition::None).await
        });
    }
    let (mut etags, mut created) = (BTreeSet::new(), 0);
    while let Some(put) = writers.join_next().await {
        match put.unwrap() {
            Ok(put) => {
                created += u32::from(matches!(put, Put::Created(_)));
                assert!(etags.insert(put.document().etag.clone()), "no two writes have the same ETag");
            }
            Err(error) => assert!(matches!(error, Error::Conflict { .. }), "{error:?}"),
        }
    }
    assert_eq!((created, counter(&f.get("one").await.unwrap())), (1, etags.len() as u64));
    assert!(etags.len() > 24, "only {} of 32 writes got through", etags.len());
}

#[tokio::test]
async fn exactly_one_of_many_creates_a_document() {
    let f = fixture().await;
    let mut writers = JoinSet::new();
    for n in 0..32 {
        let (documents, caller, collection) = (f.documents.clone(), f.caller.clone(), f.collection.clone());
        writers.spawn(async move {
            let body = Bytes::from(format!(r#"{{"n":{n}}}"#));
            documents.put(&caller, &collection, "one", body, &Precondition::Absent).await
        });
    }
    let mut created = Vec::new();
    while let Some(put) = writers.join_next().await {
        match put.unwrap() {
            Ok(put) => created.push(put.document().etag.clone()),
            Err(error) => assert!(matches!(error, Error::PreconditionFailed { .. }), "{error:?}"),
        }
    }
    assert_eq!(created, [f.get("one").await.unwrap().etag]);
}

#[tokio::test]
async fn a_write_whose_answer_is_lost_is_recognised_when_the_sdk_repeats_it() {
    let endpoint = start_engine().await;
    let mut f = with(client(&endpoint), "larder");
    f.documents.ensure_table().await.unwrap();
    let proxied = client(&losing_answers(endpoint).await);
    f.documents = store(&proxied, "larder", &config(&[]));
    let put = f.put("a", "{}", &Precondition::Absent).await.unwrap();
    let Put::Created(document) = put else { panic!("{put:?}") };
    assert_eq!(f.get("a").await.unwrap().etag, document.etag);
    f.documents.delete(&f.caller, &f.collection, "a", &matches(&document)).await.unwrap();
    assert!(f.get("a").await.is_none());
}

#[tokio::test]
async fn a_deleted_document_comes_back_as_it_was_or_anew() {
    let f = fixture().await;
    let first = f.put("a", r#"{"n":1}"#, &Precondition::None).await.unwrap().document().clone();
    let wrong = Precondition::Matches(vec!["\"x.1\"".to_owned()]);
    let refused = f.documents.delete(&f.caller, &f.collection, "a", &wrong).await;
    assert!(matches!(refused, Err(Error::PreconditionFailed { .. })), "{refused:?}");
    assert!(matches!(f.documents.restore(&f.collection, "a").await, Err(Error::NotFound { .. })));

    f.documents.delete(&f.caller, &f.collection, "a", &matches(&first)).await.unwrap();
    assert!(f.get("a").await.is_none() && f.ids(10).await.is_empty());
    assert!(matches!(f.delete("a").await, Err(Error::NotFound { .. })));
    let restored = f.documents.restore(&f.collection, "a").await.unwrap();
    assert_eq!((&restored.etag, &restored.body), (&first.etag, &first.body));
    assert_eq!(f.get("a").await.unwrap().etag, first.etag);

    f.delete("a").await.unwrap();
    let put = f.put("a", r#"{"n":1}"#, &Precondition::Absent).await.unwrap();
    let Put::Created(anew) = put else { panic!("{put:?}") };
    assert_ne!(anew.incarnation, first.incarnation);
    assert_eq!(counter(&anew), 1);
    assert!(matches!(f.put("a", "{}", &matches(&first)).await, Err(Error::PreconditionFailed { .. })));
    assert!(matches!(f.documents.restore(&f.collection, "a").await, Err(Error::NotFound { .. })));
}

#[tokio::test]
async fn a_document_past_its_time_cannot_be_restored_even_while_its_item_stays() {
    let f = fixture().await;
    let documents = store(&f.client, "larder", &config(&["--deleted-days", "0"]));
    f.put("a", "{}", &Precondition::None).await.unwrap();
    documents.delete(&f.caller, &f.collection, "a", &Precondition::Exists).await.unwrap();
    assert!(matches!(f.documents.restore(&f.collection, "a").await, Err(Error::NotFound { .. })));
    let items = f.client.scan().table_name("larder").send().await.unwrap();
    assert_eq!(items.count(), 1);
    assert!(items.items()[0]["ttl"].as_n().is_ok());
}
