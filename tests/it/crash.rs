//! kill -9 in the middle of every kind of upload: what was acknowledged is whole, nothing else is half there, and the sweep leaves nothing behind.

mod changes;
mod drop_boxes;

use crate::support::process::{Folder, Larder, within};
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use reqwest::{Body, Method, RequestBuilder, StatusCode};
use sha2::{Digest, Sha256};
use sqlx::PgConnection;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};
use tokio::{sync::mpsc, task::JoinHandle};

/// Leases that no call of a store outlasts; what a kill leaves is let expire by [`expire`].
const SETTINGS: [&str; 4] = ["--sweep-seconds", "1", "--garbage-seconds", "0"];
const CHUNK_BYTES: usize = 64 << 10;
const WORKERS: usize = 3;

type Hash = [u8; 32];

fn hash(bytes: &[u8]) -> Hash {
    Sha256::digest(bytes).into()
}

/// What a GET of each name may answer: one of these, where `None` is 404.
#[derive(Default)]
struct Names(BTreeMap<String, Vec<Option<Hash>>>);

/// What became of one upload, as its client saw it.
struct Sent {
    name: String,
    hash: Hash,
    acknowledged: bool,
}

impl Names {
    fn note(&mut self, sent: Sent) {
        let states = self.0.entry(sent.name).or_insert_with(|| vec![None]);
        if sent.acknowledged {
            states.clear();
        }
        states.push(Some(sent.hash));
    }

    /// Everything is in a state that it may be in; from now on in no other.
    async fn check(&mut self, service: &Larder) {
        for (name, states) in &mut self.0 {
            let found = read(service, name).await;
            assert!(states.contains(&found), "{name} is neither what was acknowledged nor what was on its way");
            *states = vec![found];
        }
    }
}

/// The hash of what is there; of a table, both of its raw upload and of its rows.
async fn read(service: &Larder, name: &str) -> Option<Hash> {
    let addresses = match name.strip_prefix("/v1/tables/") {
        Some(_) => vec![format!("{name}/raw"), format!("{name}/rows.csv")],
        None => vec![name.to_owned()],
    };
    let mut found = BTreeSet::new();
    for address in addresses {
        let answer = service.get(&address).await;
        found.insert(match answer.status() {
            StatusCode::NOT_FOUND => None,
            StatusCode::OK => Some(hash(&answer.bytes().await.unwrap_or_else(|error| panic!("{address}: {error}")))),
            other => panic!("{address}: {other}"),
        });
    }
    assert_eq!(found.len(), 1, "{name}: raw and rows differ");
    found.pop_first().flatten()
}

/// An upload whose bytes go when we say so.
struct Upload {
    name: String,
    body: Vec<u8>,
    fed: usize,
    pipe: Option<mpsc::Sender<Result<Vec<u8>, std::io::Error>>>,
    /// The status, and the body of a failure.
    answer: JoinHandle<Option<(StatusCode, String)>>,
}

impl Upload {
    fn start(service: &Larder, name: &str, body: Vec<u8>) -> Self {
        Self::send(service.request(Method::PUT, name), name, body)
    }

    fn send(request: RequestBuilder, name: &str, body: Vec<u8>) -> Self {
        let (pipe, rest) = mpsc::channel(1);
        let stream = futures::stream::unfold(rest, |mut rest| async move { Some((rest.recv().await?, rest)) });
        let request = request.body(Body::wrap_stream(stream));
        let answer = tokio::spawn(async move {
            let answer = request.send().await.ok()?;
            let status = answer.status();
            let body = if status.is_success() { String::new() } else { answer.text().await.unwrap_or_default() };
            Some((status, body))
        });
        Self { name: name.to_owned(), body, fed: 0, pipe: Some(pipe), answer }
    }

    /// Sends the bytes up to this one, but does not end the body.
    async fn feed(&mut self, until: usize) {
        let Some(pipe) = &self.pipe else { return };
        for chunk in self.body[self.fed..until].chunks(CHUNK_BYTES) {
            pipe.send(Ok(chunk.to_vec())).await.expect("the service reads on");
        }
        self.fed = until;
    }

    async fn feed_all(&mut self) {
        self.feed(self.body.len()).await;
        self.pipe = None;
    }

    async fn sent(self) -> Sent {
        // An upload that never was sent whole ends here, with the process.
        let whole = self.pipe.is_none();
        drop(self.pipe);
        let acknowledged = match self.answer.await.expect("no panic") {
            Some((status, _)) if status.is_success() => true,
            Some((status, problem)) => panic!("{}: {status} {problem}", self.name),
            None => false,
        };
        assert!(whole || !acknowledged, "{}: a part was acknowledged", self.name);
        Sent { name: self.name, hash: hash(&self.body), acknowledged }
    }
}

/// Small uploads, one after another until the service is gone: new names, and one name again and again.
fn flood(
    service: &Larder,
    kind: &'static str,
    round: usize,
    worker: usize,
    acks: &Arc<AtomicUsize>,
) -> JoinHandle<Vec<Sent>> {
    let (url, token, acks) = (service.url.clone(), service.token.clone(), acks.clone());
    tokio::spawn(async move {
        let client = crate::support::client();
        let mut sent = Vec::new();
        for n in 0.. {
            let name = match n % 3 {
                0 => format!("/v1/{kind}/same-{worker}"),
                _ => format!("/v1/{kind}/{round}-{worker}-{n}"),
            };
            // Every fourth is too large for DynamoDB, as a document, so the repeated name goes from a map to an object and back.
            let pad = "x".repeat(if n % 4 == 0 { 420 << 10 } else { 100 });
            let body = format!("{{\"n\":\"{round} {worker} {n}\",\"pad\":\"{pad}\"}}");
            let hash = hash(body.as_bytes());
            let request = client.put(format!("{url}{name}")).bearer_auth(&token).body(body);
            match request.send().await {
                Ok(answer) if answer.status().is_success() => {
                    acks.fetch_add(1, SeqCst);
                    sent.push(Sent { name, hash, acknowledged: true });
                }
                Ok(answer) => panic!("{name}: {}", answer.text().await.unwrap_or_default()),
                Err(_) => {
                    sent.push(Sent { name, hash, acknowledged: false });
                    break;
                }
            }
        }
        sent
    })
}

/// More than two parts of a multipart upload.
fn blob(round: usize) -> Vec<u8> {
    (0..20).flat_map(|megabyte| vec![(32 * round + megabyte) as u8; 1 << 20]).collect()
}

/// Twice as much as is read before the first guess of the types, and the load, begin.
fn table(round: usize) -> Vec<u8> {
    let mut csv = String::from("n,word\n");
    for n in 0..400_000 {
        csv.push_str(&format!("{n},round-{round}-word\n"));
    }
    csv.into_bytes()
}

fn document(round: usize) -> Vec<u8> {
    format!("{{\"round\":\"{round}\",\"pad\":\"{}\"}}", "x".repeat(2 << 20)).into_bytes()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_kill_9_what_was_acknowledged_is_whole_and_nothing_else_is_half_there() {
    let folder = Folder::new();
    let data = folder.data();
    let mut names = Names::default();
    // How much of each upload is sent before the kill, in hundredths; after the whole of it, the commit may be under way.
    for (round, hundredths) in [45, 85, 100, 101, 101].into_iter().enumerate() {
        let service = Larder::start(&data, &SETTINGS).await;
        names.check(&service).await;
        let acks = Arc::new(AtomicUsize::new(0));
        let mut uploads = [
            ("/v1/blobs/large", blob(round)),
            ("/v1/tables/large", table(round)),
            ("/v1/documents/some/large", document(round)),
        ]
        .map(|(name, body)| Upload::start(&service, name, body));
        let floods: Vec<_> = (0..WORKERS)
            .flat_map(|worker| ["blobs", "documents/flood"].map(|kind| flood(&service, kind, round, worker, &acks)))
            .collect();
        for upload in &mut uploads {
            match hundredths {
                101 => upload.feed_all().await,
                _ => upload.feed(upload.body.len() * hundredths / 100).await,
            }
        }
        let enough = async {
            while acks.load(SeqCst) < 20 * (round + 1) {
                tokio::task::yield_now().await;
            }
        };
        within("an acknowledged flood", enough).await;
        tokio::task::spawn_blocking(|| service.kill()).await.expect("no panic");
        for upload in uploads {
            names.note(upload.sent().await);
        }
        for flood in floods {
            flood.await.expect("no panic").into_iter().for_each(|sent| names.note(sent));
        }
    }
    let service = Larder::start(&data, &SETTINGS).await;
    names.check(&service).await;
    within("the end of the sweep", only_what_is_referred_to_is_kept(&service)).await;
    names.check(&service).await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_killed_while_it_is_loaded_again_leaves_the_one_before() {
    let folder = Folder::new();
    let data = folder.data();
    let service = Larder::start(&data, &SETTINGS).await;
    let mut names = Names::default();
    let mut first = Upload::start(&service, "/v1/tables/late", b"n,word\n1,one\n".to_vec());
    first.feed_all().await;
    names.note(first.sent().await);
    names.check(&service).await;

    // The last value is no number, so all of it is loaded twice.
    let mut late = table(0);
    late.extend_from_slice(b"many,many\n");
    let mut upload = Upload::start(&service, "/v1/tables/late", late);
    upload.feed(upload.body.len() * 3 / 4).await;
    let mut database = service.database().await;
    let first_load = within("the first load", copying(&mut database, &mut upload, None)).await;
    upload.feed_all().await;
    within("the second load", copying(&mut database, &mut upload, Some(first_load))).await;
    tokio::task::spawn_blocking(|| service.kill()).await.expect("no panic");
    let sent = upload.sent().await;
    assert!(!sent.acknowledged);

    let service = Larder::start(&data, &SETTINGS).await;
    // The kill came long before a commit: `names` does not allow the new one.
    names.check(&service).await;
    within("the end of the sweep", only_what_is_referred_to_is_kept(&service)).await;
    names.check(&service).await;
    service.stop().await;
}

/// Waits for a COPY into another table than `other`.
async fn copying(database: &mut PgConnection, upload: &mut Upload, other: Option<i64>) -> i64 {
    loop {
        if upload.answer.is_finished() {
            panic!("it was answered too early: {:?}", (&mut upload.answer).await);
        }
        let running = sqlx::query_scalar(
            "select relid::bigint from pg_stat_progress_copy where command = 'COPY FROM' and tuples_processed > 0",
        );
        let running: Option<i64> = running.fetch_optional(&mut *database).await.expect("an answer");
        match running {
            Some(table) if Some(table) != other => return table,
            _ => tokio::task::yield_now().await,
        }
    }
}

/// Ends the leases of the processes that are gone, and makes what they left due: nothing else is under way.
async fn expire(database: &mut PgConnection) {
    let sql = "update larder.pending set lease_until = now() where lease_until > now();
               update larder.jobs set lease_until = now() where lease_until > now();
               update larder.garbage set due_at = now() where due_at > now()";
    sqlx::raw_sql(sql).execute(database).await.expect("an answer");
}

/// Once the sweep has nothing more to do: the bucket, the schema `rows` and the catalogue hold the same things.
async fn only_what_is_referred_to_is_kept(service: &Larder) {
    let mut database = service.database().await;
    loop {
        expire(&mut database).await;
        let waiting =
            sqlx::query_scalar("select (select count(*) from larder.pending) + (select count(*) from larder.garbage)");
        let waiting: i64 = waiting.fetch_one(&mut database).await.expect("an answer");
        if waiting == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let versions = "select object_id::text from larder.versions union select object_id::text from larder.appends";
    let mut referred = all(&mut database, versions).await;
    assert_eq!(all(&mut database, "select id::text from larder.objects").await, referred);
    let aws = service.aws();
    referred.extend(objects_of_documents(&aws).await);
    let mut expected: BTreeSet<String> = referred.iter().map(|id| format!("objects/{id}")).collect();
    expected.insert("larder/installation".to_owned());
    let (objects, uploads) = bucket(&aws).await;
    assert_eq!(objects, expected);
    assert_eq!(uploads, 0, "multipart uploads are left");

    let tables = "select relname::text from pg_class where relnamespace = 'rows'::regnamespace and relkind = 'r'";
    let named = "select 't_' || replace(table_id::text, '-', '') from (select table_id from larder.versions union all select table_id from larder.changes) as named where table_id is not null";
    assert_eq!(all(&mut database, tables).await, all(&mut database, named).await);
}

async fn all(database: &mut PgConnection, sql: &'static str) -> BTreeSet<String> {
    let rows: Vec<String> = sqlx::query_scalar(sql).fetch_all(database).await.expect("an answer");
    rows.into_iter().collect()
}

fn credentials(aws: &HashMap<String, String>) -> Credentials {
    Credentials::new(&aws["AWS_ACCESS_KEY_ID"], &aws["AWS_SECRET_ACCESS_KEY"], None, None, "test")
}

/// The keys of all objects, and the number of unfinished multipart uploads.
async fn bucket(aws: &HashMap<String, String>) -> (BTreeSet<String>, usize) {
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(&aws["AWS_ENDPOINT_URL_S3"])
        .credentials_provider(credentials(aws))
        .force_path_style(true);
    let client = aws_sdk_s3::Client::from_conf(config.build());
    let mut pages = client.list_objects_v2().bucket("larder-objects").into_paginator().send();
    let mut keys = BTreeSet::new();
    while let Some(page) = pages.next().await {
        let page = page.expect("a page");
        keys.extend(page.contents().iter().filter_map(|object| object.key()).map(str::to_owned));
    }
    let uploads = client.list_multipart_uploads().bucket("larder-objects").send().await.expect("an answer");
    (keys, uploads.uploads().len())
}

async fn objects_of_documents(aws: &HashMap<String, String>) -> BTreeSet<String> {
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(&aws["AWS_ENDPOINT_URL_DYNAMODB"])
        .credentials_provider(credentials(aws));
    let client = aws_sdk_dynamodb::Client::from_conf(config.build());
    let mut items = client.scan().table_name("larder-documents").into_paginator().items().send();
    let mut objects = BTreeSet::new();
    while let Some(item) = items.next().await {
        objects.extend(item.expect("an item").get("obj").and_then(|id| id.as_s().ok()).cloned());
    }
    objects
}
