//! Documents whose bodies are objects in the bucket: which object is garbage, and when. Over a real Postgres, the embedded DynamoDB and a bucket in memory.

use crate::documents_store::{collection, config, engine, person};
use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use aws_sdk_dynamodb::types::AttributeValue;
use axum::{
    extract::{DefaultBodyLimit, State},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::{Method, StatusCode, Uri};
use larder::{
    auth::Caller,
    catalogue::{Catalogue, Dataset, ExpiredDocument, Pending, PendingDocument, Precondition},
    database::{Database, migrate},
    documents::{Documents, Put},
    error::Error,
    objects::Objects,
};
use sqlx::{PgPool, postgres::PgConnectOptions};
use std::{
    collections::{BTreeMap, BTreeSet},
    os::unix::{fs::chown, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{net::TcpListener, task::JoinSet};
use uuid::Uuid;

type Bucket = Arc<Mutex<BTreeMap<String, Bytes>>>;

struct Fixture {
    documents: Documents,
    catalogue: Catalogue,
    client: aws_sdk_dynamodb::Client,
    pool: PgPool,
    bucket: Bucket,
    collection: Dataset,
    caller: Caller,
    _postgres: Postgres,
}

async fn fixture() -> Fixture {
    let postgres = Postgres::start();
    let options = postgres.options();
    let mut tries = 0;
    let database = Database { options: options.clone(), login: None };
    while let Err(error) = migrate(&database, Duration::from_secs(5)).await {
        tries += 1;
        assert!(tries < 6000, "{error}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let pool = PgPool::connect_with(options).await.unwrap();
    let caller = person("ada");
    let principal = sqlx::query("insert into larder.principals (id, name, kind) values ($1, $2, 'person')");
    principal.bind(caller.principal).bind(&caller.name).execute(&pool).await.unwrap();
    let (bucket, objects) = bucket().await;
    let (client, config) = (engine().await, config(&[]));
    let catalogue = Catalogue::new(pool.clone(), &config);
    let documents = Documents::new(client.clone(), "larder".to_owned(), catalogue.clone(), objects, &config);
    documents.ensure_table().await.unwrap();
    let collection = catalogue.find_or_create_collection(&caller, "inbox").await.unwrap();
    Fixture { documents, catalogue, client, pool, bucket, collection, caller, _postgres: postgres }
}

impl Fixture {
    async fn put(&self, id: &str, json: &str) -> Put {
        let body = Bytes::copy_from_slice(json.as_bytes());
        self.documents.put(&self.caller, &self.collection, id, body, &Precondition::None).await.unwrap()
    }

    async fn body(&self, id: &str) -> Bytes {
        self.documents.get(&self.collection, id).await.unwrap().unwrap().body
    }

    fn stored(&self) -> BTreeSet<String> {
        self.bucket.lock().unwrap().keys().map(|key| key.rsplit('/').next().unwrap().to_owned()).collect()
    }

    async fn garbage(&self) -> BTreeSet<String> {
        let garbage = sqlx::query_scalar("select object_id::text from larder.garbage").fetch_all(&self.pool).await;
        garbage.unwrap().into_iter().collect()
    }

    async fn pending(&self, clause: &'static str) -> i64 {
        let sql = format!("select count(*) from larder.pending where {clause}");
        sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_one(&self.pool).await.unwrap()
    }

    /// Lets every lease expire, and does what a sweep does then.
    async fn expire_and_resolve(&self) {
        let expire = sqlx::query("update larder.pending set lease_until = now() - interval '1 second'");
        expire.execute(&self.pool).await.unwrap();
        let expired: Vec<ExpiredDocument> = self.catalogue.expired_documents().await.unwrap();
        assert!(!expired.is_empty());
        for document in expired {
            self.documents.resolve(&document).await.unwrap();
        }
    }

    async fn delete(&self, id: &str) {
        self.documents.delete(&self.caller, &self.collection, id, &Precondition::None).await.unwrap();
    }
}

fn large(n: usize) -> String {
    format!(r#"{{ "z": {n}, "a": "{}" }}"#, "x".repeat(600 << 10))
}

#[tokio::test]
async fn a_large_document_is_kept_as_received_and_the_object_it_replaces_is_garbage() {
    let f = fixture().await;
    let put = f.put("a", &large(1)).await;
    assert!(matches!(put, Put::Created(_)));
    assert_eq!(f.body("a").await, large(1));
    assert_eq!((f.stored().len(), f.garbage().await.len(), f.pending("true").await), (1, 0, 0));
    let first = f.stored();
    assert!(matches!(f.put("a", &large(1)).await, Put::Unchanged(document) if document.etag == put.document().etag));

    assert!(matches!(f.put("a", &large(2)).await, Put::Replaced(_)));
    assert_eq!((f.body("a").await, f.garbage().await), (large(2).into(), first));
    f.put("a", r#"{"small":true}"#).await;
    assert_eq!((f.body("a").await.as_ref(), f.garbage().await), (&br#"{"small":true}"#[..], f.stored()));
    assert_eq!(f.pending("true").await, 0);

    f.put("empty key", r#"{ "":1 }"#).await;
    assert_eq!(f.body("empty key").await.as_ref(), br#"{ "":1 }"#);
    let page = f.documents.list(&f.collection, None, 10).await.unwrap();
    assert_eq!(page.documents[1].body.as_ref(), br#"{ "":1 }"#);

    let malformed = Bytes::from(format!(r#"{{"a":"{}","n":1e999}}"#, "x".repeat(600 << 10)));
    let refused = f.documents.put(&f.caller, &f.collection, "b", malformed, &Precondition::None).await;
    assert!(matches!(refused, Err(Error::Malformed(_))));
    assert_eq!(f.stored().len(), 3);
}

#[tokio::test]
async fn of_many_large_writes_each_object_but_the_last_is_garbage() {
    let f = fixture().await;
    let mut writers = JoinSet::new();
    for n in 0..8 {
        let (documents, caller, collection) = (f.documents.clone(), f.caller.clone(), f.collection.clone());
        writers.spawn(async move {
            documents.put(&caller, &collection, "one", large(n).into(), &Precondition::None).await.unwrap()
        });
    }
    let puts = writers.join_all().await;
    let last = f.documents.get(&f.collection, "one").await.unwrap().unwrap();
    assert!(last.etag.ends_with(".8\""), "{}", last.etag);
    assert!(puts.iter().any(|put| put.document().etag == last.etag && put.document().body == last.body));
    let used: BTreeSet<String> = f.stored().difference(&f.garbage().await).cloned().collect();
    assert_eq!((used.len(), f.pending("true").await), (1, 0));
}

#[tokio::test]
async fn the_object_of_a_deleted_document_is_kept_until_it_cannot_be_restored() {
    let f = fixture().await;
    f.put("a", &large(1)).await;
    f.delete("a").await;
    assert_eq!(f.pending("lease_until > now() + interval '30 days'").await, 1);
    f.expire_and_resolve().await;
    assert_eq!((f.pending("lease_until > now()").await, f.garbage().await.len()), (1, 0), "hidden: it waits");

    let restored = f.documents.restore(&f.collection, "a").await.unwrap();
    assert_eq!(restored.body, large(1));
    f.expire_and_resolve().await;
    assert_eq!((f.pending("true").await, f.garbage().await.len()), (0, 0), "restored: it stays");

    f.delete("a").await;
    let items = f.client.scan().table_name("larder").send().await.unwrap();
    let item = &items.items()[0];
    let update =
        f.client.update_item().table_name("larder").key("pk", item["pk"].clone()).key("sk", item["sk"].clone());
    let update = update.update_expression("set #ttl = :past").expression_attribute_names("#ttl", "ttl");
    update.expression_attribute_values(":past", AttributeValue::N("1".to_owned())).send().await.unwrap();
    f.expire_and_resolve().await;
    assert_eq!((f.pending("true").await, f.garbage().await), (0, f.stored()), "its time is over");
}

#[tokio::test]
async fn a_write_onto_a_deleted_large_document_makes_its_object_garbage() {
    let f = fixture().await;
    f.put("a", &large(1)).await;
    f.delete("a").await;
    assert!(matches!(f.put("a", "{}").await, Put::Created(_)));
    assert_eq!(f.garbage().await, f.stored());
    f.expire_and_resolve().await;
    assert_eq!((f.pending("true").await, f.garbage().await), (0, f.stored()));
    assert_eq!(f.body("a").await.as_ref(), b"{}");
}

#[tokio::test]
async fn a_lease_without_an_answer_is_judged_by_the_document_itself() {
    let f = fixture().await;
    f.put("a", &large(1)).await;
    let used: Uuid = f.stored().first().unwrap().parse().unwrap();
    let (lost, old) = (Uuid::now_v7(), Uuid::now_v7());
    for (object_id, old_object_id) in [(lost, used), (used, old)] {
        let document = PendingDocument {
            collection_id: f.collection.id,
            document_id: "a".to_owned(),
            old_object_id: Some(old_object_id),
        };
        let pending = Pending { object_id: Some(object_id), table_id: None, document: Some(document) };
        f.catalogue.lease(pending).await.unwrap().set_multipart("upload").await.unwrap();
    }
    f.expire_and_resolve().await;
    let incomplete = sqlx::query_scalar("select object_id from larder.garbage where multipart_id is not null");
    let incomplete: Vec<Uuid> = incomplete.fetch_all(&f.pool).await.unwrap();
    assert_eq!(incomplete, [lost], "an upload in parts is aborted with it");
    assert_eq!((f.pending("true").await, f.garbage().await), (0, BTreeSet::from([lost.to_string(), old.to_string()])));
    assert_eq!(f.body("a").await, large(1));
}

#[tokio::test]
async fn a_purge_deletes_objects_too() {
    let f = fixture().await;
    f.put("a", &large(1)).await;
    f.put("b", "{}").await;
    let other = collection(&f.caller);
    f.documents.put(&f.caller, &other, "a", large(2).into(), &Precondition::None).await.unwrap();
    f.documents.purge(f.collection.id, f.collection.shards).await.unwrap();
    assert_eq!((f.stored().len(), f.documents.get(&other, "a").await.unwrap().unwrap().body), (1, large(2).into()));
}

async fn bucket() -> (Bucket, Objects) {
    let bucket = Bucket::default();
    let app = axum::Router::new().fallback(answer).layer(DefaultBodyLimit::disable()).with_state(bucket.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    let credentials = Credentials::new("test", "test", None, None, "test");
    let config = aws_sdk_s3::Config::builder()
        .behavior_version_latest()
        .region(aws_sdk_s3::config::Region::new("us-east-1"))
        .credentials_provider(credentials.clone())
        .endpoint_url(endpoint)
        .force_path_style(true);
    let client = aws_sdk_s3::Client::from_conf(config.build());
    let credentials = SharedCredentialsProvider::new(credentials);
    (bucket, Objects::new(client.clone(), client, credentials, "larder".to_owned(), Duration::from_secs(60)))
}

async fn answer(State(bucket): State<Bucket>, method: Method, uri: Uri, body: Bytes) -> Response {
    let (mut bucket, key) = (bucket.lock().unwrap(), uri.path().to_owned());
    match method {
        Method::PUT => bucket.insert(key, body).map_or(StatusCode::OK, |_| StatusCode::CONFLICT).into_response(),
        Method::DELETE => bucket.remove(&key).map_or(StatusCode::NOT_FOUND, |_| StatusCode::NO_CONTENT).into_response(),
        _ => bucket.get(&key).cloned().ok_or(StatusCode::NOT_FOUND).into_response(),
    }
}

struct Postgres {
    server: Child,
    folder: tempfile::TempDir,
}

impl Postgres {
    fn start() -> Self {
        let versions = std::fs::read_dir("/usr/lib/postgresql").unwrap().map(|entry| entry.unwrap().path());
        let bin = versions.max().unwrap().join("bin");
        let folder = tempfile::tempdir().unwrap();
        let (uid, gid) = ids("postgres");
        chown(folder.path(), Some(uid), Some(gid)).unwrap();
        let command = |program: &str| {
            let mut command = Command::new(bin.join(program));
            command.uid(uid).gid(gid).current_dir(folder.path()).stdout(Stdio::null()).stderr(Stdio::null());
            command.arg("-D").arg(folder.path().join("data"));
            command
        };
        let arguments = ["-U", "larder", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"];
        assert!(command("initdb").args(arguments).status().unwrap().success());
        let mut server = command("postgres");
        server.arg("-k").arg(folder.path()).args(["-c", "listen_addresses=", "-c", "fsync=off"]);
        Self { server: server.spawn().unwrap(), folder }
    }

    fn options(&self) -> PgConnectOptions {
        let socket: PathBuf = self.folder.path().into();
        PgConnectOptions::new_without_pgpass().socket(socket).port(5432).username("larder").database("postgres")
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // A killed one would leave its shared memory behind.
        crate::support::process::signal("INT", self.server.id());
        let _ = self.server.wait();
    }
}

fn ids(user: &str) -> (u32, u32) {
    let users = std::fs::read_to_string(Path::new("/etc/passwd")).unwrap();
    let line = users.lines().find(|line| line.split(':').next() == Some(user)).unwrap();
    let fields: Vec<&str> = line.split(':').collect();
    (fields[2].parse().unwrap(), fields[3].parse().unwrap())
}
