//! What share links may do, and what is kept of those who use them.

use clap::{Args, ValueEnum};

#[derive(Debug, Clone, Args)]
pub struct Sharing {
    /// Whether a share link may live for ever; else LARDER_SHARE_SECONDS_MAX bounds each.
    #[arg(long, env = "LARDER_SHARE_NEVER_EXPIRES", default_value_t = false, action = clap::ArgAction::Set, help_heading = "Links")]
    pub share_never_expires: bool,

    /// What the log of a link says of where its holders are: their address without its last part (`network`), all of it (`address`), or `nothing`.
    #[arg(long, env = "LARDER_SHARE_LOG_CLIENTS", default_value = "network", help_heading = "Links")]
    pub share_log_clients: LogClients,

    /// How long the log of a link is kept.
    #[arg(long, env = "LARDER_SHARE_LOG_DAYS", default_value_t = 366, value_parser = clap::value_parser!(u64).range(1..=36_500), help_heading = "Links")]
    pub share_log_days: u64,

    /// Bytes that a drop box takes, all its files together, unless it says less.
    #[arg(long, env = "LARDER_DROP_BOX_BYTES_MAX", default_value_t = 10 << 30, value_parser = clap::value_parser!(u64).range(1..=1 << 50), help_heading = "Links")]
    pub drop_box_bytes_max: u64,

    /// Files that a drop box takes, unless it says fewer.
    #[arg(long, env = "LARDER_DROP_BOX_FILES_MAX", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=1_000_000), help_heading = "Links")]
    pub drop_box_files_max: u32,

    /// Passwords that this replica checks at once, each with 19 MiB and a core. Others wait up to LARDER_REQUEST_SECONDS.
    #[arg(long, env = "LARDER_PASSWORD_CHECKS_MAX", default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=1000), help_heading = "Links")]
    pub password_checks_max: u64,

    /// Parquet files and workbooks of one state of a table that are kept, so that links give them by ranges of bytes; further ones are streamed.
    #[arg(long, env = "LARDER_RENDITIONS_MAX", default_value_t = 16, value_parser = clap::value_parser!(u64).range(0..=10_000), help_heading = "Links")]
    pub renditions_max: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogClients {
    Network,
    Address,
    Nothing,
}
