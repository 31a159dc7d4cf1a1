//! Which engines to start, and what a newcomer is told about them.

use super::{
    DataDir, EngineKeys, dynamodb::DynamoEngine, postgres::PostgresEngine, quoted, s3::S3Engine, write_private,
};
use crate::{
    app::{self, DocumentsAt, ObjectsAt, Stores},
    auth::{NewToken, random_text},
    config::{Config, DatabaseAuth, Secret},
    database::Database,
    error::{Error, Result},
    router::with_frame,
};
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use axum::Router;
use std::{fs, io::ErrorKind, net::SocketAddr, path::PathBuf};

/// The embedded bucket, and the first segment of the paths under which our own listener serves it.
pub const BUCKET: &str = "larder-objects";
const TABLE: &str = "larder-documents";
const REGION: &str = "us-east-1";
const TOKEN_FILE: &str = "admin-token";
/// One of each structure, so that the banner's lines work when pasted.
const EXAMPLES: [(&str, &[u8]); 3] = [
    ("picture.png", include_bytes!("examples/picture.png")),
    ("cities.csv", include_bytes!("examples/cities.csv")),
    ("settings.json", include_bytes!("examples/settings.json")),
];

/// The engines of the stores that are not configured. The data folder stays locked as long as they live.
pub struct Engines {
    data: DataDir,
    /// Nobody has seen the admin token yet.
    first_start: bool,
    keys: EngineKeys,
    postgres: Option<PostgresEngine>,
    s3: Option<S3Engine>,
    dynamodb: Option<DynamoEngine>,
}

impl Engines {
    /// Starts what is not configured, all at once.
    pub async fn start(config: &Config) -> Result<Self> {
        let data = DataDir::open(&config.data_dir)?;
        let first_start = !data.path().join(TOKEN_FILE).exists();
        let keys = EngineKeys::load_or_create(data.path())?;
        let (postgres, s3, dynamodb) = tokio::try_join!(
            async {
                if config.database_url.is_some() {
                    return Ok(None);
                }
                let dir = data.path().join("postgres");
                let cache = super::postgres::fetch::default_cache_dir(data.path());
                PostgresEngine::start(&dir, config.pg_bin.as_deref(), &cache).await.map(Some)
            },
            async {
                if config.s3_bucket.is_some() {
                    return Ok(None);
                }
                S3Engine::start(&data.path().join("s3"), &keys).await.map(Some)
            },
            async {
                if config.dynamodb_table.is_some() {
                    return Ok(None);
                }
                DynamoEngine::start(&data.path().join("dynamodb"), &keys).await.map(Some)
            },
        )?;
        let engines = Self { data, first_start, keys, postgres, s3, dynamodb };
        engines.write_aws_env()?;
        engines.write_examples()?;
        Ok(engines)
    }

    /// The stores: ours where an engine runs, else as configured.
    pub async fn stores(&self, config: &Config, public_url: &str) -> Result<Stores> {
        let configured = match (&self.s3, &self.dynamodb) {
            (Some(_), Some(_)) if config.database_auth == DatabaseAuth::Url => None,
            _ => Some(app::configured_sdk(config).await?),
        };
        let sdk = |engine: Option<SocketAddr>| match (engine, &configured) {
            (Some(address), _) => Ok(self.sdk(config, address)),
            (None, Some(configured)) => Ok(configured.clone()),
            (None, None) => Err(Error::internal("a store is neither embedded nor configured")),
        };
        let objects = ObjectsAt {
            sdk: sdk(self.s3.as_ref().map(S3Engine::addr))?,
            public_endpoint: self.s3.is_some().then(|| public_url.to_owned()),
            bucket: config.s3_bucket.clone().unwrap_or_else(|| BUCKET.to_owned()),
        };
        if self.s3.is_some() {
            make_bucket(&objects).await?;
        }
        let documents = DocumentsAt {
            sdk: sdk(self.dynamodb.as_ref().map(DynamoEngine::addr))?,
            table: config.dynamodb_table.clone().unwrap_or_else(|| TABLE.to_owned()),
            ours: self.dynamodb.is_some(),
        };
        let database = match (&self.postgres, &config.database_url) {
            (Some(postgres), _) => Database { options: postgres.options(), login: None },
            (None, Some(url)) => Database::configured(config, url.expose(), configured.as_ref())?,
            (None, None) => return Err(Error::internal("the database is neither embedded nor configured")),
        };
        Ok(Stores { database, objects, documents })
    }

    /// The embedded bucket for clients elsewhere, behind our own listener; signatures are checked as S3 checks them.
    pub fn bucket_routes(&self) -> Option<Router> {
        let s3 = self.s3.as_ref()?;
        let routes = Router::new().route_service(&format!("/{BUCKET}/{{*key}}"), s3.service());
        Some(with_frame(routes))
    }

    /// The admin token: as given, or made at the first start and kept for the owner alone.
    pub fn admin_token(&self, config: &Config) -> Result<Secret> {
        match &config.admin_token {
            Some(token) => Ok(token.clone()),
            None => self.kept_secret(TOKEN_FILE, || Ok(NewToken::random()?.0.expose().to_owned())),
        }
    }

    /// The keys that sign links: as given, or made at the first start.
    pub fn secret_keys(&self, config: &Config) -> Result<Vec<Secret>> {
        if config.secret_keys.is_empty() {
            Ok(vec![self.kept_secret("secret-key", random_text)?])
        } else {
            Ok(config.secret_keys.clone())
        }
    }

    /// What a newcomer reads after the start: where things are, and three lines to paste.
    pub fn banner(&self, datasets: i64, public_url: &str, own_token: Option<&Secret>) -> String {
        let data = self.data.path();
        let token_file = data.join(TOKEN_FILE);
        let (token_at, token) = match own_token {
            Some(token) => (
                match self.first_start {
                    true => format!("{}  (shown this once; kept in {})", token.expose(), token_file.display()),
                    false => token_file.display().to_string(),
                },
                format!("$(cat {})", quoted(&token_file)),
            ),
            None => ("the one of LARDER_ADMIN_TOKEN".to_owned(), "$LARDER_ADMIN_TOKEN".to_owned()),
        };
        let example = |(name, _)| {
            let file = quoted(&data.join("examples").join(name));
            format!("curl --fail-with-body -u \":{token}\" -T {file} {public_url}/\n")
        };
        let examples: String = EXAMPLES.map(example).concat();
        let mut engines = String::new();
        if let Some(s3) = &self.s3 {
            engines.push_str(&format!("  S3        http://{}  (bucket {BUCKET})\n", s3.addr()));
        }
        if let Some(dynamodb) = &self.dynamodb {
            engines.push_str(&format!("  DynamoDB  http://{}  (table {TABLE})\n", dynamodb.addr()));
        }
        if let Some(postgres) = &self.postgres {
            engines.push_str(&format!("  Postgres  {}\n", postgres.psql_command()));
        }
        format!(
            "\nLarder listens on {public_url}\n  data      {}  ({datasets} datasets)\n  token     {token_at}\n\n\
             Embedded engines, for tools on this machine (`set -a; . {}` gives the AWS CLI its keys):\n{engines}\n\
             Put a picture, a table and a document in:\n{examples}\n",
            data.display(),
            quoted(&self.aws_env_file())
        )
    }

    pub async fn stop(self) {
        if let Some(s3) = self.s3 {
            s3.stop().await;
        }
        if let Some(dynamodb) = self.dynamodb {
            dynamodb.stop().await;
        }
        if let Some(postgres) = self.postgres {
            postgres.stop().await;
        }
    }

    fn sdk(&self, config: &Config, address: SocketAddr) -> SdkConfig {
        let keys = Credentials::new(&self.keys.access_key_id, &self.keys.secret_access_key, None, None, "embedded");
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::from_static(REGION))
            .credentials_provider(SharedCredentialsProvider::new(keys))
            .endpoint_url(format!("http://{address}"))
            .retry_config(app::retries())
            .timeout_config(app::timeouts(config))
            .build()
    }

    fn kept_secret(&self, name: &str, make: impl FnOnce() -> Result<String>) -> Result<Secret> {
        let path = self.data.path().join(name);
        match fs::read_to_string(&path) {
            Ok(secret) => Ok(Secret::new(secret.trim())),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let secret = make()?;
                write_private(&path, format!("{secret}\n").as_bytes())?;
                Ok(Secret::new(secret))
            }
            Err(error) => Err(Error::startup(format!("{} cannot be read: {error}.", path.display()))),
        }
    }

    fn write_aws_env(&self) -> Result<()> {
        let mut text = format!(
            "AWS_ACCESS_KEY_ID={}\nAWS_SECRET_ACCESS_KEY={}\nAWS_REGION={REGION}\nAWS_DEFAULT_REGION={REGION}\n",
            self.keys.access_key_id, self.keys.secret_access_key
        );
        if let Some(s3) = &self.s3 {
            text.push_str(&format!("AWS_ENDPOINT_URL_S3=http://{}\n", s3.addr()));
        }
        if let Some(dynamodb) = &self.dynamodb {
            text.push_str(&format!("AWS_ENDPOINT_URL_DYNAMODB=http://{}\n", dynamodb.addr()));
        }
        write_private(&self.aws_env_file(), text.as_bytes())
    }

    /// The files that the banner's lines send.
    fn write_examples(&self) -> Result<()> {
        let dir = self.data.path().join("examples");
        let written = fs::create_dir_all(&dir)
            .and_then(|()| EXAMPLES.into_iter().try_for_each(|(name, bytes)| fs::write(dir.join(name), bytes)));
        written.map_err(|error| Error::startup(format!("{} cannot be written: {error}.", dir.display())))
    }

    /// For the AWS CLI and boto3 on this machine.
    fn aws_env_file(&self) -> PathBuf {
        self.data.path().join("aws.env")
    }
}

/// The embedded bucket is ours to make; one that is there already is fine.
async fn make_bucket(at: &ObjectsAt) -> Result<()> {
    let config = aws_sdk_s3::config::Builder::from(&at.sdk).force_path_style(true).build();
    let made = aws_sdk_s3::Client::from_conf(config).create_bucket().bucket(&at.bucket).send().await;
    match made.map_err(aws_sdk_s3::error::SdkError::into_service_error) {
        Err(error) if !error.is_bucket_already_owned_by_you() && !error.is_bucket_already_exists() => {
            Err(Error::startup(format!("The embedded bucket could not be made: {error}")))
        }
        _ => Ok(()),
    }
}
