//! How much and how long: every limit and time of the service.

use clap::Args;
use std::time::Duration;

/// A century; more is a mistake, and would not fit the stores' own arithmetic.
pub const SECONDS_MAX: u64 = 100 * 366 * 86_400;

/// Limits on what one request may bring or take. Each answers with a problem type of its own.
#[derive(Debug, Clone, Args)]
pub struct Limits {
    /// Bytes of one upload through this process, as received; at most 400 GiB, which 10,000 parts of S3 hold.
    #[arg(long, env = "LARDER_UPLOAD_BYTES_MAX", default_value_t = 100 << 30, value_parser = clap::value_parser!(u64).range(1..=400 << 30), help_heading = "Limits")]
    pub upload_bytes_max: u64,

    /// Bytes that one compressed file may grow to when a table is read from it.
    #[arg(long, env = "LARDER_DECOMPRESSED_BYTES_MAX", default_value_t = 200 << 30, value_parser = at_least_one(), help_heading = "Limits")]
    pub decompressed_bytes_max: u64,

    /// Bytes that each byte of a compressed file may grow to, judged once it has grown to 64 MiB.
    #[arg(long, env = "LARDER_DECOMPRESSED_RATIO_MAX", default_value_t = 1000, value_parser = at_least_one(), help_heading = "Limits")]
    pub decompressed_ratio_max: u64,

    /// Bytes of temporary files that reading one upload may take: Parquet, Arrow files, workbooks and zip files are read from such.
    #[arg(long, env = "LARDER_SCRATCH_BYTES_MAX", default_value_t = 10 << 30, value_parser = at_least_one(), help_heading = "Limits")]
    pub scratch_bytes_max: u64,

    /// Bytes of a workbook (xlsx, xls, ods), as it is sent and as it unpacks: its texts are held in memory.
    #[arg(long, env = "LARDER_WORKBOOK_BYTES_MAX", default_value_t = 64 << 20, value_parser = at_least_one(), help_heading = "Limits")]
    pub workbook_bytes_max: u64,

    /// Bytes of one JSON document. Over 380 KiB a document is kept in the object store.
    #[arg(long, env = "LARDER_DOCUMENT_BYTES_MAX", default_value_t = 16 << 20, value_parser = at_least_one(), help_heading = "Limits")]
    pub document_bytes_max: u64,

    /// Bytes of the JSON body of an API request that is not an upload.
    #[arg(long, env = "LARDER_REQUEST_BYTES_MAX", default_value_t = 1 << 20, value_parser = at_least_one(), help_heading = "Limits")]
    pub request_bytes_max: u64,

    /// Rows of one upload of a table.
    #[arg(long, env = "LARDER_ROWS_MAX", default_value_t = 10_000_000_000, value_parser = at_least_one(), help_heading = "Limits")]
    pub rows_max: u64,

    /// Tables that this replica loads at once: uploads, appends and re-readings. Others wait up to LARDER_REQUEST_SECONDS.
    #[arg(long, env = "LARDER_LOADS_MAX", default_value_t = 8, value_parser = clap::value_parser!(u64).range(1..=1000), help_heading = "Limits")]
    pub loads_max: u64,

    /// Columns of a table; Postgres holds 1,599 beside ours.
    #[arg(long, env = "LARDER_COLUMNS_MAX", default_value_t = 1599, value_parser = clap::value_parser!(u64).range(1..=1599), help_heading = "Limits")]
    pub columns_max: u64,

    /// Bytes of one cell of a table.
    #[arg(long, env = "LARDER_CELL_BYTES_MAX", default_value_t = 16 << 20, value_parser = at_least_one(), help_heading = "Limits")]
    pub cell_bytes_max: u64,

    /// Bytes of one row of a table, all its cells together.
    #[arg(long, env = "LARDER_ROW_BYTES_MAX", default_value_t = 64 << 20, value_parser = at_least_one(), help_heading = "Limits")]
    pub row_bytes_max: u64,

    /// Items of one page where the body carries `next`.
    #[arg(long, env = "LARDER_PAGE_ROWS_MAX", default_value_t = 1000, value_parser = at_least_one(), help_heading = "Limits")]
    pub page_rows_max: u64,

    /// Versions of a dataset that stay readable; older ones become garbage.
    #[arg(long, env = "LARDER_VERSIONS_KEPT", default_value_t = 2, value_parser = at_least_one(), help_heading = "Limits")]
    pub versions_kept: u64,

    /// Indexes of one table, its key included.
    #[arg(long, env = "LARDER_INDEXES_MAX", default_value_t = 16, help_heading = "Limits")]
    pub indexes_max: u64,

    /// Tokens of one principal that are not over.
    #[arg(long, env = "LARDER_TOKENS_MAX", default_value_t = 1000, value_parser = at_least_one(), help_heading = "Limits")]
    pub tokens_max: u64,

    /// Shards of a new collection; fixed for its life.
    #[arg(long, env = "LARDER_COLLECTION_SHARDS", default_value_t = 4, value_parser = clap::value_parser!(u64).range(1..=64), help_heading = "Limits")]
    pub collection_shards: u64,

    /// Connections of each of the three pools: control, queries, loads. Hits of links have two more.
    #[arg(long, env = "LARDER_POOL_CONNECTIONS_MAX", default_value_t = 10, value_parser = at_least_one(), help_heading = "Limits")]
    pub pool_connections_max: u64,

    /// Rows of a table that its statistics are computed from; of one with more than 16 columns, rows of twice as many cells. Of a larger table a sample is read.
    #[arg(long, env = "LARDER_STATS_ROWS_MAX", default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000_000), help_heading = "Limits")]
    pub stats_rows_max: u64,
}

/// Times, all in whole seconds or days.
#[derive(Debug, Clone, Args)]
pub struct Times {
    /// An upload whose client sends no byte for so long is given up.
    #[arg(long, env = "LARDER_IDLE_SECONDS", default_value_t = 75, value_parser = clap::value_parser!(u64).range(1..=SECONDS_MAX), help_heading = "Times")]
    pub idle_seconds: u64,

    /// A call of a store that is no transfer is given up after this time; the answer is 503.
    #[arg(long, env = "LARDER_REQUEST_SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=SECONDS_MAX), help_heading = "Times")]
    pub request_seconds: u64,

    /// How long a query of a table may run.
    #[arg(long, env = "LARDER_QUERY_SECONDS", default_value_t = 3600, value_parser = clap::value_parser!(u64).range(1..=SECONDS_MAX), help_heading = "Times")]
    pub query_seconds: u64,

    /// How long computing the statistics of a table may take; less than all of it first, so that a smaller sample can follow.
    #[arg(long, env = "LARDER_STATS_SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=3600), help_heading = "Times")]
    pub stats_seconds: u64,

    /// How long a search of a table may run that has no search index; with one, LARDER_QUERY_SECONDS holds.
    #[arg(long, env = "LARDER_SEARCH_SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=SECONDS_MAX), help_heading = "Times")]
    pub search_seconds: u64,

    /// After SIGTERM: how long the service goes on as before, but not ready, so that a load balancer has learnt of it before any connection is closed.
    #[arg(long, env = "LARDER_DRAIN_SECONDS", default_value_t = 0, value_parser = clap::value_parser!(u64).range(0..=3600), help_heading = "Times")]
    pub drain_seconds: u64,

    /// After SIGTERM and LARDER_DRAIN_SECONDS: how long running transfers may take to end.
    #[arg(long, env = "LARDER_SHUTDOWN_SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=SECONDS_MAX), help_heading = "Times")]
    pub shutdown_seconds: u64,

    /// Life of a presigned URL; it never outlives the credentials that signed it.
    #[arg(long, env = "LARDER_PRESIGN_SECONDS", default_value_t = 900, value_parser = clap::value_parser!(u64).range(60..=604_800), help_heading = "Times")]
    pub presign_seconds: u64,

    /// The longest life of a share link.
    #[arg(long, env = "LARDER_SHARE_SECONDS_MAX", default_value_t = 366 * 86_400, value_parser = clap::value_parser!(u64).range(1..=SECONDS_MAX), help_heading = "Times")]
    pub share_seconds_max: u64,

    /// How long a replica takes a token for valid without asking the database again: what a revocation elsewhere may take to hold. 0 asks for each request.
    #[arg(long, env = "LARDER_TOKEN_CACHE_SECONDS", default_value_t = 2, value_parser = clap::value_parser!(u64).range(0..=5), help_heading = "Times")]
    pub token_cache_seconds: u64,

    /// The lease of an upload in progress, renewed while bytes move; after it a sweep takes its parts.
    #[arg(long, env = "LARDER_LEASE_SECONDS", default_value_t = 120, value_parser = clap::value_parser!(u64).range(1..=SECONDS_MAX), help_heading = "Times")]
    pub lease_seconds: u64,

    /// Time between two sweeps.
    #[arg(long, env = "LARDER_SWEEP_SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=SECONDS_MAX), help_heading = "Times")]
    pub sweep_seconds: u64,

    /// How long garbage ages before it is deleted, so that readers of a replaced version can finish.
    #[arg(long, env = "LARDER_GARBAGE_SECONDS", default_value_t = 3600, value_parser = clap::value_parser!(u64).range(0..=SECONDS_MAX), help_heading = "Times")]
    pub garbage_seconds: u64,

    /// How long a deleted dataset or document can be restored.
    #[arg(long, env = "LARDER_DELETED_DAYS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(0..=36_500), help_heading = "Times")]
    pub deleted_days: u64,

    /// How long the audit, and who read what, are kept; the database itself forgets nothing of the last 30 days.
    #[arg(long, env = "LARDER_AUDIT_DAYS", default_value_t = 400, value_parser = clap::value_parser!(u64).range(30..=36_500), help_heading = "Times")]
    pub audit_days: u64,
}

impl Times {
    pub fn lease(&self) -> Duration {
        Duration::from_secs(self.lease_seconds)
    }

    pub fn token_cache(&self) -> Duration {
        Duration::from_secs(self.token_cache_seconds)
    }

    pub fn presign(&self) -> Duration {
        Duration::from_secs(self.presign_seconds)
    }

    pub fn request(&self) -> Duration {
        Duration::from_secs(self.request_seconds)
    }

    pub fn idle(&self) -> Duration {
        Duration::from_secs(self.idle_seconds)
    }
}

fn at_least_one() -> clap::builder::RangedU64ValueParser {
    clap::value_parser!(u64).range(1..)
}
