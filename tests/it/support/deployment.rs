//! A deployment whose three stores are elsewhere: real servers that stand for AWS, and the environment that points there.

use super::process::{Folder, Larder, larder, refused};
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection, ProjectionType,
    ScalarAttributeType,
};
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use larder::embedded::{EngineKeys, dynamodb::DynamoEngine, postgres::PostgresEngine, s3::S3Engine};
use sqlx::{Connection, PgConnection};
use std::{process::Command, sync::OnceLock};
use tokio::runtime::Runtime;

pub const TOKEN: &str = "the-operators-own-bootstrap-token";
pub const SECRET_KEY: &str = "a-key-of-the-operator-0123456789";

/// The servers that stand for AWS; each test has a database, a bucket and a table of its own there.
pub struct Servers {
    pub postgres: PostgresEngine,
    pub s3: S3Engine,
    pub dynamodb: DynamoEngine,
    pub keys: EngineKeys,
    _folder: Folder,
}

pub fn servers() -> &'static Servers {
    static SERVERS: OnceLock<(Servers, Runtime)> = OnceLock::new();
    let (servers, _) = SERVERS.get_or_init(|| {
        std::thread::spawn(|| {
            let runtime = Runtime::new().expect("a runtime");
            let servers = runtime.block_on(Servers::start());
            (servers, runtime)
        })
        .join()
        .expect("the servers")
    });
    servers
}

impl Servers {
    async fn start() -> Self {
        let folder = Folder::new();
        let keys = EngineKeys::load_or_create(folder.path()).expect("keys");
        let path = |name| folder.path().join(name);
        Self {
            postgres: PostgresEngine::start(&path("postgres"), None, &path("cache")).await.expect("Postgres"),
            s3: S3Engine::start(&path("s3"), &keys).await.expect("S3"),
            dynamodb: DynamoEngine::start(&path("dynamodb"), &keys).await.expect("DynamoDB"),
            keys,
            _folder: folder,
        }
    }

    pub fn credentials(&self) -> Credentials {
        Credentials::new(&self.keys.access_key_id, &self.keys.secret_access_key, None, None, "test")
    }

    pub fn s3(&self) -> aws_sdk_s3::Client {
        let config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-central-1"))
            .endpoint_url(format!("http://{}", self.s3.addr()))
            .credentials_provider(self.credentials())
            .force_path_style(true);
        aws_sdk_s3::Client::from_conf(config.build())
    }

    pub fn dynamodb(&self) -> aws_sdk_dynamodb::Client {
        let config = aws_sdk_dynamodb::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-central-1"))
            .endpoint_url(format!("http://{}", self.dynamodb.addr()))
            .credentials_provider(self.credentials());
        aws_sdk_dynamodb::Client::from_conf(config.build())
    }

    pub async fn sql(&self, sql: String) {
        let mut connection = PgConnection::connect_with(&self.postgres.options()).await.expect("a connection");
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut connection).await.expect("it is done");
        connection.close().await.expect("it closes");
    }

    /// libpq's form for a socket.
    pub fn database_url(&self, user: &str, database: &str) -> String {
        let command = self.postgres.psql_command();
        format!("postgres://{user}@/{database}?host={}", command.split(' ').nth(2).expect("a folder"))
    }
}

/// One deployment: names at the servers, and the environment that points there.
#[derive(Clone)]
pub struct Deployment {
    pub name: String,
    pub environment: Vec<(&'static str, String)>,
}

impl Deployment {
    /// Makes the database, the bucket and the table, as `deploy/` does.
    pub async fn new() -> Self {
        let deployment = Self::of_names();
        let servers = servers();
        servers.sql(format!("create database {}", deployment.name)).await;
        servers.s3().create_bucket().bucket(&deployment.name).send().await.expect("a bucket");
        create_table(&deployment.name, &Shape::default()).await;
        deployment
    }

    /// Nothing of it is there yet.
    pub fn of_names() -> Self {
        let servers = servers();
        let name = format!("deployment{}", &uuid::Uuid::new_v4().simple().to_string()[..12]);
        let environment = vec![
            ("LARDER_EMBEDDED", "never".to_owned()),
            ("LARDER_S3_BUCKET", name.clone()),
            ("LARDER_DYNAMODB_TABLE", name.clone()),
            ("DATABASE_URL", servers.database_url("larder", &name)),
            ("LARDER_PUBLIC_URL", "https://data.example.org".to_owned()),
            ("LARDER_SECRET_KEYS", SECRET_KEY.to_owned()),
            ("LARDER_ADMIN_TOKEN", TOKEN.to_owned()),
            ("AWS_ENDPOINT_URL_S3", format!("http://{}", servers.s3.addr())),
            ("AWS_ENDPOINT_URL_DYNAMODB", format!("http://{}", servers.dynamodb.addr())),
            ("AWS_REGION", "eu-central-1".to_owned()),
            ("AWS_ACCESS_KEY_ID", servers.keys.access_key_id.clone()),
            ("AWS_SECRET_ACCESS_KEY", servers.keys.secret_access_key.clone()),
        ];
        Self { name, environment }
    }

    pub fn with(&self, name: &'static str, value: impl Into<String>) -> Self {
        let mut changed = self.without(name);
        changed.environment.push((name, value.into()));
        changed
    }

    pub fn without(&self, name: &str) -> Self {
        let mut changed = self.clone();
        changed.environment.retain(|(known, _)| *known != name);
        changed
    }

    /// The folder that it must not make.
    pub fn command(&self, folder: &Folder) -> Command {
        let mut command = larder(&folder.data(), &[]);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    pub async fn start(&self) -> Larder {
        let folder = Folder::new();
        let mut service = Larder::start_with(self.command(&folder)).await;
        service.token = TOKEN.to_owned();
        assert!(!folder.data().exists(), "a folder was made for nothing");
        service
    }

    /// What it says when it refuses to start.
    pub async fn refused(&self) -> String {
        let said = refused(self.command(&Folder::new())).await;
        for secret in [TOKEN, SECRET_KEY, &servers().keys.secret_access_key] {
            assert!(!said.contains(secret), "{said}");
        }
        said
    }
}

/// How a table differs from what it must be.
pub struct Shape {
    pub partition: &'static str,
    pub partition_type: ScalarAttributeType,
    pub indexes: u32,
    pub index_sort_type: ScalarAttributeType,
    pub projection: ProjectionType,
}

impl Default for Shape {
    fn default() -> Self {
        Self {
            partition: "pk",
            partition_type: ScalarAttributeType::S,
            indexes: 8,
            index_sort_type: ScalarAttributeType::B,
            projection: ProjectionType::All,
        }
    }
}

pub async fn create_table(name: &str, shape: &Shape) {
    let attribute = |name: &str, kind: &ScalarAttributeType| {
        AttributeDefinition::builder().attribute_name(name).attribute_type(kind.clone()).build().expect("an attribute")
    };
    let keys = |partition: &str, sort: &str| {
        let element = |name, role| KeySchemaElement::builder().attribute_name(name).key_type(role).build();
        [element(partition, KeyType::Hash), element(sort, KeyType::Range)].map(|key| key.expect("a key")).to_vec()
    };
    let mut request = servers()
        .dynamodb()
        .create_table()
        .table_name(name)
        .billing_mode(BillingMode::PayPerRequest)
        .set_key_schema(Some(keys(shape.partition, "sk")))
        .attribute_definitions(attribute(shape.partition, &shape.partition_type))
        .attribute_definitions(attribute("sk", &ScalarAttributeType::S));
    for n in 1..=shape.indexes {
        let (partition, sort) = (format!("i{n}p"), format!("i{n}s"));
        let index = GlobalSecondaryIndex::builder()
            .index_name(format!("ix{n}"))
            .set_key_schema(Some(keys(&partition, &sort)))
            .projection(Projection::builder().projection_type(shape.projection.clone()).build());
        request = request
            .attribute_definitions(attribute(&partition, &ScalarAttributeType::S))
            .attribute_definitions(attribute(&sort, &shape.index_sort_type))
            .global_secondary_indexes(index.build().expect("an index"));
    }
    request.send().await.expect("a table");
}
