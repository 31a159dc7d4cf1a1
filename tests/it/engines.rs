//! The embedded engines, driven through the real driver and the real SDK.

mod dynamodb;
mod finding;

use crate::support::process::{Folder, Larder, PATIENCE};
use aws_sdk_dynamodb::{
    Client,
    config::{BehaviorVersion, Credentials, Region},
    types::AttributeValue,
};
use larder::embedded::{DataDir, EngineKeys, dynamodb::DynamoEngine, postgres::PostgresEngine};
use sqlx::{Connection, PgConnection, Row};
use std::{
    fs,
    os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// A folder that the user Postgres runs as can reach, also when the tests run as root.
fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    dir
}

/// A folder that only we can enter, as root's home is only root's.
fn closed_folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o700)).unwrap();
    dir
}

/// Whether we are root on Linux, where Postgres runs as another user wherever its folder lies.
fn runs_as_another(dir: &Path) -> bool {
    cfg!(target_os = "linux") && fs::metadata(dir).unwrap().uid() == 0
}

async fn start(dir: &Path) -> PostgresEngine {
    PostgresEngine::start(&dir.join("postgres"), None, &dir.join("cache")).await.unwrap()
}

async fn connect(engine: &PostgresEngine) -> PgConnection {
    PgConnection::connect_with(&engine.options()).await.unwrap()
}

async fn setting(connection: &mut PgConnection, name: &str) -> String {
    sqlx::query("select current_setting($1)").bind(name).fetch_one(connection).await.unwrap().get(0)
}

/// Polls until `happened`, or panics after a while that is far too long.
fn wait_until(what: &str, happened: impl Fn() -> bool) {
    let began = Instant::now();
    while !happened() {
        assert!(began.elapsed() < PATIENCE, "{what} did not happen");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[tokio::test]
async fn postgres_keeps_its_data_from_one_start_to_the_next() {
    let dir = folder();
    let engine = start(dir.path()).await;
    let mut connection = connect(&engine).await;
    sqlx::raw_sql("create table kept as select 'Ärger' as word").execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    engine.stop().await;

    let engine = start(dir.path()).await;
    let mut connection = connect(&engine).await;
    let word: String = sqlx::query("select lower(word) from kept").fetch_one(&mut connection).await.unwrap().get(0);
    assert_eq!(word, "ärger");
    for (name, value) in [
        ("fsync", "on"),
        ("synchronous_commit", "on"),
        ("listen_addresses", ""),
        ("server_encoding", "UTF8"),
        ("timezone", "UTC"),
        ("data_checksums", "on"),
    ] {
        assert_eq!(setting(&mut connection, name).await, value, "{name}");
    }
    assert!(engine.psql_command().starts_with("psql -h /"));
    assert!(engine.psql_command().ends_with("/run -U larder larder"));
    engine.stop().await;
}

#[tokio::test]
async fn two_postgres_engines_run_side_by_side() {
    let (one, two) = (folder(), folder());
    let (one, two) = tokio::join!(start(one.path()), start(two.path()));
    let (mut first, mut second) = (connect(&one).await, connect(&two).await);
    sqlx::raw_sql("create table here ()").execute(&mut first).await.unwrap();
    sqlx::raw_sql("create table here ()").execute(&mut second).await.unwrap();
    tokio::join!(one.stop(), two.stop());
}

#[tokio::test]
async fn postgres_runs_in_a_closed_folder_and_comes_to_nothing_else_there() {
    let dir = closed_folder();
    let secret = dir.path().join("secret");
    fs::write(&secret, "ours").unwrap();
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
    for start_number in 0..2 {
        let engine = start(dir.path()).await;
        let mut connection = connect(&engine).await;
        if start_number == 0 {
            sqlx::raw_sql("create table kept as select 7 as n").execute(&mut connection).await.unwrap();
        }
        let n: i32 = sqlx::query("select n from kept").fetch_one(&mut connection).await.unwrap().get(0);
        assert_eq!(n, 7);
        let read = sqlx::query("select pg_read_file($1)").bind(secret.to_str()).fetch_one(&mut connection).await;
        if runs_as_another(dir.path()) {
            assert!(read.unwrap_err().to_string().contains("Permission denied"));
        }
        engine.stop().await;
    }
}

#[tokio::test]
async fn a_postgres_left_by_a_killed_process_is_stopped_and_nothing_is_lost() {
    for dir in [folder(), closed_folder()] {
        let left = start(dir.path()).await;
        let mut connection = connect(&left).await;
        sqlx::raw_sql("create table kept as select 7 as n").execute(&mut connection).await.unwrap();
        std::mem::forget(left);

        let engine = start(dir.path()).await;
        let mut connection = connect(&engine).await;
        let n: i32 = sqlx::query("select n from kept").fetch_one(&mut connection).await.unwrap().get(0);
        assert_eq!(n, 7);
        engine.stop().await;
    }
}

#[tokio::test]
async fn a_stale_pid_that_now_belongs_to_another_program_does_not_keep_postgres_from_starting() {
    let dir = folder();
    start(dir.path()).await.stop().await;
    let pid_file = dir.path().join("postgres/data/postmaster.pid");
    fs::write(&pid_file, format!("{}\n", std::process::id())).unwrap();
    start(dir.path()).await.stop().await;
    assert!(!pid_file.exists());
}

#[tokio::test]
async fn an_interrupted_initdb_leaves_nothing_half() {
    let dir = folder();
    let half = dir.path().join("postgres/data.new");
    fs::create_dir_all(half.join("base")).unwrap();
    fs::write(half.join("PG_VERSION"), "15\n").unwrap();
    let engine = start(dir.path()).await;
    assert!(!half.exists());
    assert!(dir.path().join("postgres/data/PG_VERSION").exists());
    engine.stop().await;
}

#[tokio::test]
async fn a_path_too_long_for_a_socket_gets_a_private_socket_folder() {
    let dir = folder();
    let long = dir.path().join("x".repeat(120));
    fs::DirBuilder::new().mode(0o755).create(&long).unwrap();
    let engine = start(&long).await;
    connect(&engine).await.close().await.unwrap();
    let hint = engine.psql_command();
    let socket_dir = PathBuf::from(hint.split(' ').nth(2).unwrap());
    assert_eq!(fs::metadata(&socket_dir).unwrap().permissions().mode() & 0o777, 0o700);
    engine.stop().await;
    assert!(!socket_dir.exists());
}

#[test]
fn a_second_process_on_the_data_folder_is_refused_by_name() {
    let dir = folder();
    let path = dir.path().join("data");
    let held = DataDir::open(&path).unwrap();
    let said = DataDir::open(&path).unwrap_err().to_string();
    assert!(said.contains(&held.path().display().to_string()), "{said}");
    assert!(said.contains(&format!("process {}", std::process::id())), "{said}");
    drop(held);
    DataDir::open(&path).unwrap();
}

#[test]
fn the_keys_of_an_installation_are_made_once_and_are_their_owners_alone() {
    let dir = folder();
    let made = EngineKeys::load_or_create(dir.path()).unwrap();
    let loaded = EngineKeys::load_or_create(dir.path()).unwrap();
    assert_eq!(made.access_key_id, loaded.access_key_id);
    assert_eq!(made.secret_access_key, loaded.secret_access_key);
    assert!(!format!("{made:?}").contains(&made.secret_access_key));
    let mode = fs::metadata(dir.path().join("engine-keys.json")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

fn client(engine: &DynamoEngine, access_key_id: &str, secret_access_key: &str) -> Client {
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(format!("http://{}", engine.addr()))
        .credentials_provider(Credentials::new(access_key_id, secret_access_key, None, None, "test"))
        .build();
    Client::from_conf(config)
}

fn string(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

#[tokio::test]
async fn a_dropped_engine_stops() {
    let dir = folder();
    let engine_keys = EngineKeys::load_or_create(dir.path()).unwrap();
    let dynamo = DynamoEngine::start(&dir.path().join("dynamodb"), &engine_keys).await.unwrap();
    let addr = dynamo.addr();
    let postgres = start(dir.path()).await;
    drop((dynamo, postgres));
    let pid_file = dir.path().join("postgres/data/postmaster.pid");
    wait_until("the end of Postgres", || !pid_file.exists());
    wait_until("the end of DynamoDB", || std::net::TcpStream::connect(addr).is_err());
}

#[tokio::test]
async fn what_was_acknowledged_survives_a_kill_of_the_process() {
    let folder = Folder::new();
    // As root's home is: Postgres' user does not come in.
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
    let path = folder.data();
    let service = Larder::start(&path, &[]).await;
    assert_eq!(service.put("/v1/tables/kept", "n\n7\n").await.status(), 201);
    assert_eq!(service.put("/v1/documents/some/kept", "{}").await.status(), 201);
    let process = service.process.id();
    assert!(DataDir::open(&path).unwrap_err().to_string().contains(&format!("process {process}")));
    service.kill();

    let data = DataDir::open(&path).unwrap();
    let engine_keys = EngineKeys::load_or_create(data.path()).unwrap();
    let postgres = start(data.path()).await;
    let rows: i64 = sqlx::query("select row_count from larder.versions")
        .fetch_one(&mut connect(&postgres).await)
        .await
        .unwrap()
        .get(0);
    assert_eq!(rows, 1);
    let dynamo = DynamoEngine::start(&data.path().join("dynamodb"), &engine_keys).await.unwrap();
    let client = client(&dynamo, &engine_keys.access_key_id, &engine_keys.secret_access_key);
    let items = client.scan().table_name("larder-documents").send().await.unwrap();
    assert!(items.items().iter().any(|item| item["sk"] == string("kept")));
    tokio::join!(postgres.stop(), dynamo.stop());
}
