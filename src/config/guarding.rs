//! What one token, principal or address may take, so that none takes what belongs to all.

use clap::Args;

#[derive(Debug, Clone, Args)]
pub struct Guarding {
    /// Requests a second of one token, on average over ten seconds, on each replica; 0: no limit.
    #[arg(long, env = "LARDER_REQUESTS_PER_SECOND_MAX", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(0..=1_000_000), help_heading = "Guards")]
    pub requests_per_second_max: u32,

    /// Requests a second of one address (of IPv6, one network of 64 bits), on average over ten seconds, on each replica; 0: no limit.
    #[arg(long, env = "LARDER_ADDRESS_REQUESTS_PER_SECOND_MAX", default_value_t = 2000, value_parser = clap::value_parser!(u32).range(0..=1_000_000), help_heading = "Guards")]
    pub address_requests_per_second_max: u32,

    /// Wrong tokens a second of one address, on average over a minute, before they are told to wait; 0: no limit. A valid token is never refused for others' wrong ones.
    #[arg(long, env = "LARDER_WRONG_TOKENS_PER_SECOND_MAX", default_value_t = 10, value_parser = clap::value_parser!(u32).range(0..=1_000_000), help_heading = "Guards")]
    pub wrong_tokens_per_second_max: u32,

    /// Wrong passwords of one link from one address before the next must wait: a second, then twice as long each time, up to five minutes.
    #[arg(long, env = "LARDER_WRONG_PASSWORDS_MAX", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000), help_heading = "Guards")]
    pub wrong_passwords_max: u32,

    /// Bytes of the datasets of one principal: blobs and uploads of tables, with the versions that are kept, and documents; 0: no limit.
    #[arg(long, env = "LARDER_PRINCIPAL_BYTES_MAX", default_value_t = 0, value_parser = clap::value_parser!(u64).range(0..=1 << 60), help_heading = "Guards")]
    pub principal_bytes_max: u64,

    /// Datasets of one principal: blobs, tables and collections; 0: no limit.
    #[arg(long, env = "LARDER_PRINCIPAL_DATASETS_MAX", default_value_t = 0, value_parser = clap::value_parser!(u64).range(0..=1 << 60), help_heading = "Guards")]
    pub principal_datasets_max: u64,

    /// How long a browser that has signed in stays so; never longer than its token is valid.
    #[arg(long, env = "LARDER_SESSION_SECONDS", default_value_t = 12 * 3600, value_parser = clap::value_parser!(u64).range(60..=31_622_400), help_heading = "Guards")]
    pub session_seconds: u64,
}
