//! Every setting of the service, in one place: a flag of `larder serve` and an environment variable of the same name. `--help` is the reference.
//!
//! **Invariants.** No credential of AWS is ever read from here: the SDK's own chain finds them. Secrets print as `…`, in `Debug` and in `--help`.

mod guarding;
mod limits;
mod network;
mod secret;
mod sharing;
mod token;

pub use guarding::Guarding;
pub use limits::{Limits, SECONDS_MAX, Times};
pub use network::Network;
pub use secret::Secret;
pub use sharing::{LogClients, Sharing};
pub use token::{CreateToken, TokenCommand};

use crate::error::{Error, Result};
use clap::{
    Args, Parser, Subcommand, ValueEnum,
    builder::NonEmptyStringValueParser,
    error::{ContextKind, ContextValue},
};
use http::HeaderValue;
use std::{net::SocketAddr, path::PathBuf};

/// Put any file or record in; it goes to the store made for its structure; you get a URL that works at once.
#[derive(Debug, Parser)]
#[command(name = "larder", version, disable_help_subcommand = true)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the service. The default command: every flag below is also an environment variable.
    #[command(
        after_help = "Other commands:\n  larder token create --admin   make a new admin token, to recover a lost one\n  larder token --help           make, list, revoke and rotate tokens\n  larder health                 ask the service on this machine whether it lives\n  larder migrate                bring the database to this version's schema, as its owner\n  larder database-roles         make the two database users, as an administrator of the database\n  larder export PLACE           write all of the installation to a folder or to s3://bucket/prefix\n  larder import PLACE           make it an installation again, in stores that are new"
    )]
    Serve(Config),
    /// Ask the service that listens here whether it lives, and end with an error if not: the health check of a container.
    Health {
        /// Address that the service listens on.
        #[arg(long, env = "LARDER_LISTEN", default_value = "127.0.0.1:8080")]
        listen: SocketAddr,
    },
    /// Bring the database of DATABASE_URL to the schema of this version, and end: for a user that may, such as larder_owner.
    Migrate(Config),
    /// Make the users larder_owner and larder_app in the database of DATABASE_URL, as an administrator of it; once.
    DatabaseRoles(Config),
    /// Write all of the installation to a folder or to `s3://bucket/prefix`, while it serves; with embedded engines, which belong to one process, once it is stopped.
    Export {
        place: String,
        #[command(flatten)]
        config: Config,
    },
    /// Make an export an installation again, in stores that nobody has served from.
    Import {
        place: String,
        #[command(flatten)]
        config: Config,
    },
    /// Work on tokens from the machine itself.
    #[command(subcommand)]
    Token(TokenCommand),
}

impl Cli {
    /// Parses the command line; `larder` and `larder --flag` mean `larder serve …`.
    pub fn parse_with_default_command() -> Self {
        let mut args: Vec<_> = std::env::args_os().collect();
        let first = args.get(1).and_then(|arg| arg.to_str()).unwrap_or("--");
        if first.starts_with('-') && !matches!(first, "-V" | "--version") {
            args.insert(1, "serve".into());
        }
        Self::try_parse_from(args.into_iter().filter(|arg| arg != "--")).unwrap_or_else(|error| {
            // clap names the flag alone, while most deployments set the variable.
            if let Some(variable) = variable_of(&error) {
                eprintln!("larder: {variable} cannot be read.");
            }
            error.exit()
        })
    }
}

#[derive(Debug, Clone, Args)]
pub struct Config {
    /// Address to listen on.
    #[arg(long, env = "LARDER_LISTEN", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,

    /// What every link begins with, such as `https://data.example.org`. Required when listening beyond loopback; `Host` is never trusted.
    #[arg(long, env = "LARDER_PUBLIC_URL", value_parser = parse_public_url)]
    pub public_url: Option<String>,

    /// Address of a listener that serves `/metrics` alone, without a token: one that only your collector reaches. Without it they are at `/metrics` of the service,
    /// for admins.
    #[arg(long, env = "LARDER_METRICS_LISTEN")]
    pub metrics_listen: Option<SocketAddr>,

    /// Folder of the embedded engines' data; one process at a time.
    #[arg(long, env = "LARDER_DATA_DIR", default_value = "./larder-data")]
    pub data_dir: PathBuf,

    /// The bootstrap token of the admin principal; stored hashed. Made at the first start with embedded engines, if not given.
    #[arg(long, env = "LARDER_ADMIN_TOKEN", hide_env_values = true)]
    pub admin_token: Option<Secret>,

    /// Keys that sign share links and cursors, newest first, separated by commas; at least 32 characters each. Two are accepted while rotating.
    #[arg(long, env = "LARDER_SECRET_KEYS", hide_env_values = true, value_delimiter = ',')]
    pub secret_keys: Vec<Secret>,

    /// S3 bucket for blobs and raw uploads; embedded if not given.
    #[arg(long, env = "LARDER_S3_BUCKET", value_parser = NonEmptyStringValueParser::new())]
    pub s3_bucket: Option<String>,

    /// DynamoDB table for documents; embedded if not given.
    #[arg(long, env = "LARDER_DYNAMODB_TABLE", value_parser = NonEmptyStringValueParser::new())]
    pub dynamodb_table: Option<String>,

    /// Postgres, as `postgres://user@host/database?sslmode=verify-full&sslrootcert=…`; embedded if not given.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<Secret>,

    /// How to log in to DATABASE_URL. `iam`: by tokens that the AWS role of the service signs, as RDS takes them, over verified TLS.
    #[arg(long, env = "LARDER_DATABASE_AUTH", default_value = "url")]
    pub database_auth: DatabaseAuth,

    /// `never`: refuse to start while a store is unconfigured, so that production data cannot land on a container's disk.
    #[arg(long, env = "LARDER_EMBEDDED", default_value = "auto")]
    pub embedded: Embedded,

    /// Folder of `initdb` and `postgres` for the embedded database; searched for if not given.
    #[arg(long, env = "LARDER_PG_BIN")]
    pub pg_bin: Option<PathBuf>,

    /// Folder of temporary files while an upload is read; the system's if not given. They have no names there, and are gone with the process.
    #[arg(long, env = "LARDER_SCRATCH_DIR")]
    pub scratch_dir: Option<PathBuf>,

    /// Who sees a new dataset: every principal (`team`), or its owner and admins (`private`).
    #[arg(long, env = "LARDER_VISIBILITY", default_value = "team")]
    pub visibility: Visibility,

    /// Whether a dataset may be made `public`: anyone can read it, without a token.
    #[arg(long, env = "LARDER_PUBLIC_DATASETS", default_value_t = false, action = clap::ArgAction::Set)]
    pub public_datasets: bool,

    /// Origins whose pages may call `/v1` with a token, separated by commas, such as `https://dash.example.org`. Share links are open to all pages.
    #[arg(long, env = "LARDER_CORS_ORIGINS", value_delimiter = ',', value_parser = parse_origin)]
    pub cors_origins: Vec<HeaderValue>,

    /// Networks of the proxies in front, separated by commas, such as `10.0.0.0/8`: these alone are believed when they say whom they speak for.
    #[arg(long, env = "LARDER_TRUSTED_PROXIES", value_delimiter = ',')]
    pub trusted_proxies: Vec<Network>,

    /// The header in which they say it; the other one passes them as the client wrote it.
    #[arg(long, env = "LARDER_FORWARDING", default_value = "x-forwarded-for")]
    pub forwarding: Forwarding,

    /// What is logged: a level, or directives such as `larder=debug,tower_http=info`.
    #[arg(long, env = "LARDER_LOG", default_value = "info")]
    pub log: String,

    /// How it is logged. `auto`: for people on a terminal, else JSON.
    #[arg(long, env = "LARDER_LOG_FORMAT", default_value = "auto")]
    pub log_format: LogFormat,

    #[command(flatten)]
    pub limits: Limits,

    #[command(flatten)]
    pub times: Times,

    #[command(flatten)]
    pub guarding: Guarding,

    #[command(flatten)]
    pub sharing: Sharing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Embedded {
    Auto,
    Never,
}

/// What the password for the database is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DatabaseAuth {
    /// The one in DATABASE_URL, if any.
    Url,
    /// A token of the role.
    Iam,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    Auto,
    Human,
    Json,
}

/// The header by which a proxy tells the client's address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Forwarding {
    XForwardedFor,
    Forwarded,
}

/// Who may see a dataset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, sqlx::Type, serde::Serialize, serde::Deserialize)]
#[sqlx(type_name = "text", rename_all = "lowercase")]
#[serde(rename_all = "lowercase")]
pub enum Visibility {
    Team,
    Private,
    /// Everybody, without a token, for reading.
    Public,
}

impl Config {
    /// What cannot be said of one setting alone, and environment variables whose name is none of ours.
    pub fn check(&self) -> Result<()> {
        let known = Self::environment_names();
        if let Some(name) = std::env::vars_os()
            .filter_map(|(name, _)| name.into_string().ok())
            .find(|name| name.starts_with("LARDER_") && !known.contains(name) && !is_service_link(name))
        {
            return Err(Error::startup(format!("{name} is not a setting of Larder; `larder --help` lists them all.")));
        }
        if self.public_url.is_none() && !self.listen.ip().is_loopback() {
            return Err(Error::startup(format!(
                "LARDER_PUBLIC_URL must say what links begin with, since LARDER_LISTEN={} is reached from other machines.",
                self.listen
            )));
        }
        if self.database_auth == DatabaseAuth::Iam && self.database_url.is_none() {
            return Err(Error::startup(
                "LARDER_DATABASE_AUTH=iam needs DATABASE_URL: the embedded database knows no role.",
            ));
        }
        if self.secret_keys.len() > 2 || self.secret_keys.iter().any(|key| key.expose().len() < 32) {
            return Err(Error::startup("LARDER_SECRET_KEYS takes one or two keys of at least 32 characters each."));
        }
        if self.admin_token.as_ref().is_some_and(|token| token.expose().len() < 16) {
            return Err(Error::startup("LARDER_ADMIN_TOKEN must have at least 16 characters."));
        }
        if self.visibility == Visibility::Public && !self.public_datasets {
            return Err(Error::startup("LARDER_VISIBILITY=public needs LARDER_PUBLIC_DATASETS=true."));
        }
        if self.embedded == Embedded::Never || cfg!(not(feature = "embedded")) {
            self.check_nothing_embedded()?;
        }
        Ok(())
    }

    fn check_nothing_embedded(&self) -> Result<()> {
        let missing: Vec<_> = [
            ("LARDER_S3_BUCKET", self.s3_bucket.is_none()),
            ("LARDER_DYNAMODB_TABLE", self.dynamodb_table.is_none()),
            ("DATABASE_URL", self.database_url.is_none()),
            ("LARDER_SECRET_KEYS", self.secret_keys.is_empty()),
            ("LARDER_PUBLIC_URL", self.public_url.is_none()),
        ]
        .into_iter()
        .filter_map(|(name, missing)| missing.then_some(name))
        .collect();
        if missing.is_empty() {
            return Ok(());
        }
        let why =
            if cfg!(feature = "embedded") { "LARDER_EMBEDDED=never" } else { "this build has no embedded engines" };
        Err(Error::startup(format!("{why}, so these must be set: {}.", missing.join(", "))))
    }

    /// The names of all environment variables read here, from the definition itself.
    pub fn environment_names() -> Vec<String> {
        let command = Self::augment_args(clap::Command::new("larder"));
        command.get_arguments().filter_map(|arg| Some(arg.get_env()?.to_str()?.to_owned())).collect()
    }
}

/// Kubernetes tells every pod of a namespace where a service called `larder` is.
fn is_service_link(name: &str) -> bool {
    name.contains("_SERVICE_HOST") || name.contains("_SERVICE_PORT") || name.starts_with("LARDER_PORT")
}

fn parse_origin(value: &str) -> Result<HeaderValue, String> {
    parse_public_url(value)?.parse().map_err(|_| "it must be plain ASCII".to_owned())
}

/// The variable of the setting that a command line or an environment gets wrong.
fn variable_of(error: &clap::Error) -> Option<String> {
    let Some(ContextValue::String(flag)) = error.get(ContextKind::InvalidArg) else { return None };
    let long = flag.split([' ', '=']).next()?.strip_prefix("--")?;
    let command = Config::augment_args(clap::Command::new("larder"));
    let setting = command.get_arguments().find(|arg| arg.get_long() == Some(long))?;
    Some(setting.get_env()?.to_str()?.to_owned())
}

fn parse_public_url(value: &str) -> Result<String, String> {
    let url: http::Uri = value.parse().map_err(|_| "it must be a URL such as https://data.example.org")?;
    match (url.scheme_str(), url.authority(), url.path(), url.query()) {
        (Some("http" | "https"), Some(_), "/" | "", None) => Ok(value.trim_end_matches('/').to_owned()),
        _ => Err("it must be http:// or https:// and a host, without a path".to_owned()),
    }
}
