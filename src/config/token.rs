//! `larder token …`: its arguments.

use super::Config;
use clap::{Args, Subcommand};
use uuid::Uuid;

#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Make a token and print it once.
    Create(CreateToken),
    /// List the tokens that are not over.
    List {
        /// Those of one principal.
        #[arg(long)]
        principal: Option<String>,
        #[command(flatten)]
        config: Config,
    },
    /// End a token, with those that it has made.
    Revoke {
        id: Uuid,
        #[command(flatten)]
        config: Config,
    },
    /// Print a new token in place of an old one, which lives on for a while.
    Rotate {
        id: Uuid,
        /// How long the old token lives on, such as `15m`; `0` for no time.
        #[arg(long, default_value = "1h")]
        overlap: String,
        /// When the new one ends, such as `30d` from now; else when the old one would have.
        #[arg(long)]
        expires_in: Option<String>,
        #[command(flatten)]
        config: Config,
    },
}

#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("whose").required(true).args(["admin", "principal"])))]
pub struct CreateToken {
    /// A token of the principal `admin`, which is made, enabled and given its powers back if need be.
    #[arg(long)]
    pub admin: bool,
    /// A token of this principal.
    #[arg(long)]
    pub principal: Option<String>,
    /// What it may do, such as `read:tables/sales-*`; may be given more than once. All that its principal may if it is not given.
    #[arg(long = "scope")]
    pub scopes: Vec<String>,
    /// When it ends, such as `30d`; never if it is not given.
    #[arg(long)]
    pub expires_in: Option<String>,
    /// What it is called in lists.
    #[arg(long, default_value = "made on the machine")]
    pub name: String,
    #[command(flatten)]
    pub config: Config,
}

impl TokenCommand {
    pub fn config(&self) -> &Config {
        match self {
            Self::Create(new) => &new.config,
            Self::List { config, .. } | Self::Revoke { config, .. } | Self::Rotate { config, .. } => config,
        }
    }
}
