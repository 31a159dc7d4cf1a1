//! What the service stands on before it is an [`App`]: its address, its keys, and the embedded engines where a store is not configured.

#[cfg(feature = "embedded")]
use crate::embedded::Engines;
use crate::{
    app::{self, App, DocumentsAt, ObjectsAt, Stores},
    auth::SecretKeys,
    config::{Config, Secret},
    database::{self, Database},
    error::{Error, Result},
};
use axum::Router;
#[cfg(feature = "embedded")]
use std::io::Write;
use std::net::SocketAddr;

pub struct Base {
    address: SocketAddr,
    public_url: String,
    #[cfg(feature = "embedded")]
    engines: Option<Engines>,
}

impl Base {
    /// Starts the engines that are needed; `address` is where the listener is.
    pub async fn start(config: &Config, address: SocketAddr) -> Result<Self> {
        if let Some(url) = &config.database_url {
            database::options(url.expose())?;
        }
        let public_url = config.public_url.clone().unwrap_or_else(|| format!("http://{address}"));
        #[cfg(feature = "embedded")]
        {
            let configured =
                config.database_url.is_some() && config.s3_bucket.is_some() && config.dynamodb_table.is_some();
            let engines = if configured { None } else { Some(Engines::start(config).await?) };
            Ok(Self { address, public_url, engines })
        }
        #[cfg(not(feature = "embedded"))]
        Ok(Self { address, public_url })
    }

    /// Connects to the stores as they are.
    pub async fn open(&self, config: Config) -> Result<App> {
        let (stores, keys) = (self.stores(&config).await?, SecretKeys::new(self.secret_keys(&config)?));
        App::connect(config, self.public_url.clone(), keys, stores).await
    }

    /// Connects to the stores, and lets the admin in.
    pub async fn connect(&self, config: Config) -> Result<App> {
        let token = self.admin_token(&config)?;
        let app = self.open(config).await?;
        match token {
            Some(token) => app.auth.add_admin_token("bootstrap", &token).await?,
            None if app.auth.has_tokens().await? => {}
            None => {
                return Err(Error::startup(
                    "LARDER_ADMIN_TOKEN must be set at the first start: there is no token yet, so nobody could get in.",
                ));
            }
        }
        Ok(app)
    }

    pub async fn stores(&self, config: &Config) -> Result<Stores> {
        #[cfg(feature = "embedded")]
        if let Some(engines) = &self.engines {
            return engines.stores(config, &self.public_url).await;
        }
        let missing = || Error::internal("a store is neither embedded nor configured");
        let sdk = app::configured_sdk(config).await?;
        let database = config.database_url.as_ref().ok_or_else(missing)?;
        Ok(Stores {
            database: Database::configured(config, database.expose(), Some(&sdk))?,
            objects: ObjectsAt {
                sdk: sdk.clone(),
                public_endpoint: None,
                bucket: config.s3_bucket.clone().ok_or_else(missing)?,
            },
            documents: DocumentsAt { sdk, table: config.dynamodb_table.clone().ok_or_else(missing)?, ours: false },
        })
    }

    fn admin_token(&self, config: &Config) -> Result<Option<Secret>> {
        #[cfg(feature = "embedded")]
        if let Some(engines) = &self.engines {
            return engines.admin_token(config).map(Some);
        }
        Ok(config.admin_token.clone())
    }

    fn secret_keys(&self, config: &Config) -> Result<Vec<Secret>> {
        #[cfg(feature = "embedded")]
        if let Some(engines) = &self.engines {
            return engines.secret_keys(config);
        }
        if config.secret_keys.is_empty() {
            return Err(Error::startup(
                "LARDER_SECRET_KEYS must be set when all stores are configured: share links are signed with it.",
            ));
        }
        Ok(config.secret_keys.clone())
    }

    /// The service's routes, and beside them those of the embedded bucket for clients elsewhere.
    pub fn routes(&self, service: Router) -> Router {
        #[cfg(feature = "embedded")]
        if let Some(bucket) = self.engines.as_ref().and_then(Engines::bucket_routes) {
            return service.merge(bucket);
        }
        service
    }

    /// What a newcomer needs to know, on standard output; the operator of configured stores gets one line in the log.
    pub async fn banner(&self, app: &App) -> Result<()> {
        #[cfg(feature = "embedded")]
        if let Some(engines) = &self.engines {
            let token = match app.config.admin_token {
                Some(_) => None,
                None => Some(engines.admin_token(&app.config)?),
            };
            let text = engines.banner(app.catalogue.count().await?, &self.public_url, token.as_ref());
            // Whoever started us may have closed the output: the service is of use without its banner.
            std::io::stdout().write_all(text.as_bytes()).unwrap_or_default();
        }
        tracing::info!(address = %self.address, public_url = app.public_url, "listening");
        Ok(())
    }

    pub async fn stop(self) {
        #[cfg(feature = "embedded")]
        if let Some(engines) = self.engines {
            engines.stop().await;
        }
    }
}
