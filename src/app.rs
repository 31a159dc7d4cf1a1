//! The composition root: the only place that builds clients. Everything else gets them from [`App`].

use crate::{
    audit::Audit,
    auth::{Auth, SecretKeys},
    blobs::Blobs,
    catalogue::{Catalogue, LOCK_TIMEOUT, migrate},
    config::Config,
    documents::Documents,
    error::{Error, Result},
    guards::Guards,
    objects::Objects,
    shares::{Passwords, Shares},
    tables::Tables,
};
use aws_config::{BehaviorVersion, SdkConfig, retry::RetryConfig, timeout::TimeoutConfig};
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_sdk_s3::error::DisplayErrorContext;
use sqlx::{
    Connection, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use std::{
    ops::Deref,
    str::FromStr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

/// Attempts of one call of a store, and the time each may take to connect.
const STORE_ATTEMPTS_MAX: u32 = 4;
const CONNECT_TIME: Duration = Duration::from_secs(5);
/// A connection that was idle for longer is tested before it is used.
const UNTESTED_TIME: Duration = Duration::from_secs(1);
/// For statements that run when the service ends.
const CLOSE_TIME: Duration = Duration::from_secs(5);

/// What every handler gets; a clone is a pointer.
#[derive(Clone)]
pub struct App(Arc<Parts>);

pub struct Parts {
    pub config: Config,
    /// What links begin with, without a slash at the end.
    pub public_url: String,
    pub keys: SecretKeys,
    pub audit: Audit,
    pub auth: Auth,
    pub guards: Guards,
    pub catalogue: Catalogue,
    pub objects: Objects,
    pub blobs: Blobs,
    pub tables: Tables,
    pub documents: Documents,
    pub shares: Shares,
    pub passwords: Passwords,
    pools: [PgPool; 3],
    draining: AtomicBool,
}

impl Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

/// Where the three stores are: configured, or embedded.
pub struct Stores {
    pub database: PgConnectOptions,
    pub objects: ObjectsAt,
    pub documents: DocumentsAt,
}

pub struct ObjectsAt {
    pub sdk: SdkConfig,
    /// The address for clients elsewhere; that of the SDK unless the bucket is embedded.
    pub public_endpoint: Option<String>,
    pub bucket: String,
}

pub struct DocumentsAt {
    pub sdk: SdkConfig,
    pub table: String,
    /// Whether we make the table ourselves: an embedded one.
    pub ours: bool,
}

impl App {
    /// Connects to the stores, brings the database up to date, and compares the installation's id in all three.
    pub async fn connect(config: Config, public_url: String, keys: SecretKeys, stores: Stores) -> Result<Self> {
        migrate(&stores.database, config.times.request()).await?;
        let pools = pools(&config, &stores.database);
        let [control, queries, loads] = pools.clone();
        let catalogue = Catalogue::new(control.clone(), &config);
        let objects = objects(&config, stores.objects)?;
        let client = aws_sdk_dynamodb::Client::new(&stores.documents.sdk);
        let documents = Documents::new(client, stores.documents.table, catalogue.clone(), objects.clone(), &config);
        if stores.documents.ours {
            documents.ensure_table().await?;
        }
        objects.check_at_start().await?;
        documents.check_at_start().await?;
        compare_installations(&catalogue, &objects, &documents).await?;
        let parts = Parts {
            public_url,
            keys,
            audit: Audit::new(control.clone(), config.times.audit_days),
            guards: Guards::new(&config.guarding),
            auth: Auth::new(control, &config),
            blobs: Blobs::new(catalogue.clone(), objects.clone()),
            tables: Tables::new(catalogue.clone(), objects.clone(), queries, loads, &config),
            shares: Shares::new(catalogue.clone()),
            passwords: Passwords::new(config.sharing.password_checks_max, config.times.request()),
            catalogue,
            objects,
            documents,
            pools,
            draining: AtomicBool::new(false),
            config,
        };
        Ok(Self(Arc::new(parts)))
    }

    /// Whether browsers reach us by https.
    pub fn is_https(&self) -> bool {
        self.public_url.starts_with("https:")
    }

    /// From now on the service is not ready, so that a load balancer sends its requests elsewhere.
    pub fn drain(&self) {
        self.draining.store(true, Relaxed);
    }

    pub fn draining(&self) -> bool {
        self.draining.load(Relaxed)
    }

    /// Writes what is still counted in memory, and closes the pools, so that the database can stop without waiting for us; a statement that is still running is left to it.
    pub async fn close(&self) {
        let closed = async {
            self.audit.flush().await;
            if let Err(error) = self.shares.flush().await {
                tracing::warn!(?error, "the bytes of the last hits of links were not written");
            }
            for pool in &self.pools {
                pool.close().await;
            }
        };
        if tokio::time::timeout(CLOSE_TIME, closed).await.is_err() {
            tracing::warn!("statements were still running at the end");
        }
    }
}

/// What the SDK finds by itself: region, endpoints, and the credentials of its whole chain, which both AWS stores share.
pub async fn configured_sdk(config: &Config) -> Result<SdkConfig> {
    let loader = aws_config::defaults(BehaviorVersion::latest());
    let sdk = loader.timeout_config(timeouts(config)).retry_config(retries()).load().await;
    if sdk.region().is_none() {
        return Err(Error::startup("The AWS SDK found no region: set AWS_REGION."));
    }
    let credentials = sdk.credentials_provider().ok_or_else(no_credentials)?;
    // Asked for now: a store would only answer that it was not asked.
    credentials.provide_credentials().await.map_err(|error| {
        let cause = DisplayErrorContext(error);
        Error::startup(format!("{} ({cause})", no_credentials()))
    })?;
    Ok(sdk)
}

fn no_credentials() -> Error {
    Error::startup(
        "The AWS SDK found no credentials: give the service the role of a container, an instance or a profile.",
    )
}

pub fn retries() -> RetryConfig {
    RetryConfig::standard().with_max_attempts(STORE_ATTEMPTS_MAX)
}

/// A stalled call is found by the SDK's stalled-stream protection; a document's put must end well within its lease.
pub fn timeouts(config: &Config) -> TimeoutConfig {
    TimeoutConfig::builder().connect_timeout(CONNECT_TIME).read_timeout(config.times.request()).build()
}

/// The database of DATABASE_URL.
pub fn database_options(url: &str) -> Result<PgConnectOptions> {
    // libpq's form for a socket, `postgres://user@/database?host=/folder`, has no host, which the URL standard wants beside a user.
    let url = url.replacen("@/", "@localhost/", 1);
    // The error of the driver can quote the URL, and with it a password.
    PgConnectOptions::from_str(&url)
        .map_err(|_| Error::startup("DATABASE_URL is not a valid URL such as postgres://user@host/database."))
}

/// Control (authentication, catalogue, shares), queries and loads, apart, so that slow exports never starve a share link.
fn pools(config: &Config, database: &PgConnectOptions) -> [PgPool; 3] {
    let pool = |name: &'static str, statement_seconds: u64| {
        let settings = [
            ("statement_timeout", format!("{statement_seconds}s")),
            ("lock_timeout", LOCK_TIMEOUT.to_owned()),
            ("idle_in_transaction_session_timeout", "10min".to_owned()),
            // The server stops a statement whose client has gone.
            ("client_connection_check_interval", "10s".to_owned()),
            ("timezone", "UTC".to_owned()),
            ("datestyle", "ISO, YMD".to_owned()),
            ("intervalstyle", "iso_8601".to_owned()),
            ("extra_float_digits", "1".to_owned()),
        ];
        PgPoolOptions::new()
            .max_connections(u32::try_from(config.limits.pool_connections_max).unwrap_or(u32::MAX))
            .acquire_timeout(config.times.request())
            // A question and an answer before each statement would cost a short query a third of its time.
            .test_before_acquire(false)
            .before_acquire(|connection, known| {
                Box::pin(async move {
                    if known.idle_for > UNTESTED_TIME {
                        connection.ping().await?;
                    }
                    Ok(true)
                })
            })
            .connect_lazy_with(database.clone().application_name(&format!("larder {name}")).options(settings))
    };
    [pool("control", config.times.request_seconds), pool("queries", config.times.query_seconds), pool("loads", 0)]
}

fn objects(config: &Config, at: ObjectsAt) -> Result<Objects> {
    let credentials = at.sdk.credentials_provider();
    let credentials: SharedCredentialsProvider = credentials.ok_or_else(no_credentials)?;
    // Virtual-host addressing is what AWS wants; servers given by address have no names for buckets.
    let path_style = at.sdk.endpoint_url().is_some()
        || at.public_endpoint.is_some()
        || std::env::var_os("AWS_ENDPOINT_URL_S3").is_some();
    let builder = aws_sdk_s3::config::Builder::from(&at.sdk).force_path_style(path_style);
    let client = aws_sdk_s3::Client::from_conf(builder.clone().build());
    let signer = match at.public_endpoint {
        Some(endpoint) => aws_sdk_s3::Client::from_conf(builder.endpoint_url(endpoint).build()),
        None => client.clone(),
    };
    Ok(Objects::new(client, signer, credentials, at.bucket, config.times.presign()))
}

/// Marks stores that are new, and refuses those of another installation: a restored or mixed-up store must be noticed before anything is swept.
async fn compare_installations(catalogue: &Catalogue, objects: &Objects, documents: &Documents) -> Result<()> {
    let installation = catalogue.installation().await?;
    let id = installation.id;
    let bucket = format!("the bucket `{}`", objects.bucket());
    let table = format!("the DynamoDB table `{}`", documents.table());
    for (what, marked, found) in [
        (&bucket, installation.objects_marked, objects.installation().await?),
        (&table, installation.documents_marked, documents.installation().await?),
    ] {
        match found {
            Some(found) if found != id => {
                return Err(Error::startup(format!(
                    "The database belongs to installation {id}, but {what} to {found}: they are stores of different installations, and were not touched."
                )));
            }
            None if marked => {
                return Err(Error::startup(format!(
                    "The database belongs to installation {id}, but {what} carries no mark of it any more: it is another one, or was emptied."
                )));
            }
            _ => {}
        }
    }
    // On marked stores it changes nothing, and shows that the role may write.
    objects.mark(id).await?;
    documents.mark(id).await?;
    if !installation.objects_marked || !installation.documents_marked {
        // Another installation may have marked them in the same moment.
        if objects.installation().await? != Some(id) || documents.installation().await? != Some(id) {
            return Err(Error::startup(format!("{bucket} or {table} was just taken by another installation.")));
        }
        catalogue.set_marked().await?;
    }
    Ok(())
}
