//! The composition root: the only place that builds clients. Everything else gets them from [`App`].

use crate::{
    audit::Audit,
    auth::{Auth, SecretKeys},
    blobs::Blobs,
    catalogue::{Catalogue, Recent},
    config::Config,
    database::{Database, Pools, migrate},
    documents::Documents,
    error::{Error, Result},
    guards::Guards,
    metrics::Calls,
    objects::Objects,
    shares::{Link, Passwords, Shares, http::Remembered},
    tables::Tables,
};
use aws_config::{BehaviorVersion, SdkConfig, retry::RetryConfig, timeout::TimeoutConfig};
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_sdk_s3::error::DisplayErrorContext;
use std::{
    ops::Deref,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::time::timeout;

/// Attempts of one call of a store, and the time each may take to connect.
const STORE_ATTEMPTS_MAX: u32 = 4;
const CONNECT_TIME: Duration = Duration::from_secs(5);
/// For what is still to be written when the service ends.
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
    /// Documents that links have led to.
    pub remembered: Recent<Link, Remembered>,
    pub passwords: Passwords,
    pools: Pools,
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
    pub database: Database,
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
        let pools = Pools::new(&config, &stores.database).await?;
        let (control, queries, loads) = (pools.control.clone(), pools.queries.clone(), pools.loads.clone());
        let catalogue = Catalogue::new(control.clone(), &config);
        let objects = objects(&config, stores.objects)?;
        let client = aws_sdk_dynamodb::config::Builder::from(&stores.documents.sdk).interceptor(Calls::of("documents"));
        let client = aws_sdk_dynamodb::Client::from_conf(client.build());
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
            remembered: Recent::default(),
            shares: Shares::new(catalogue.clone(), &pools),
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

    pub fn pools(&self) -> &Pools {
        &self.pools
    }

    /// Writes what is still counted in memory, and closes what is open to the stores.
    pub async fn close(&self) {
        let written = async {
            self.audit.flush().await;
            self.documents.flush().await.and(self.shares.flush().await)
        };
        if let Ok(Err(error)) = timeout(CLOSE_TIME, written).await {
            tracing::warn!(?error, "the bytes of the last hits of links, or of the last documents, were not written");
        }
        self.pools.close().await;
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

/// A bucket: that of the installation, or one that an export is in.
pub fn objects(config: &Config, at: ObjectsAt) -> Result<Objects> {
    let credentials = at.sdk.credentials_provider();
    let credentials: SharedCredentialsProvider = credentials.ok_or_else(no_credentials)?;
    // Virtual-host addressing is what AWS wants; servers given by address have no names for buckets.
    let path_style = at.sdk.endpoint_url().is_some()
        || at.public_endpoint.is_some()
        || std::env::var_os("AWS_ENDPOINT_URL_S3").is_some();
    let builder = aws_sdk_s3::config::Builder::from(&at.sdk).force_path_style(path_style);
    let client = aws_sdk_s3::Client::from_conf(builder.clone().interceptor(Calls::of("objects")).build());
    // Minting a URL is no call.
    let signer = match at.public_endpoint {
        Some(endpoint) => builder.endpoint_url(endpoint),
        None => builder,
    };
    let signer = aws_sdk_s3::Client::from_conf(signer.build());
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
