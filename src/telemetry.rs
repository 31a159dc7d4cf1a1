//! Logs: for people on a terminal, as JSON elsewhere, to standard error.

mod json;

use crate::{
    config::{Config, LogFormat},
    error::{Error, Result},
};
use std::io::{IsTerminal, stderr};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::{filter::Targets, fmt, layer::SubscriberExt, util::SubscriberInitExt};

/// Libraries that write whole requests to the log when asked for more than this: signatures, presigned URLs, users' bytes.
const SECRETIVE: [(&str, LevelFilter); 6] = [
    ("s3s", LevelFilter::OFF),
    ("aws_sigv4", LevelFilter::WARN),
    ("aws_smithy_runtime", LevelFilter::INFO),
    ("aws_smithy_runtime_api", LevelFilter::INFO),
    ("aws_smithy_http_client", LevelFilter::INFO),
    ("hyper", LevelFilter::INFO),
];

/// Sets up logging once for the process.
pub fn init(config: &Config) -> Result<()> {
    // The engines' and the SDK's chatter at info is nothing that an operator asked for.
    let directives = format!("warn,larder={}", config.log);
    let directives = if config.log.contains(['=', ',']) { &config.log } else { &directives };
    // Of targets alone, since a filter that knows spans looks at each of them whenever a request goes on.
    let filter: Targets = directives.parse().map_err(|error| Error::startup(format!("LARDER_LOG: {error}")))?;
    let filter = filter.with_targets(SECRETIVE);
    let human = match config.log_format {
        LogFormat::Auto => stderr().is_terminal(),
        LogFormat::Human => true,
        LogFormat::Json => false,
    };
    let registry = tracing_subscriber::registry().with(filter);
    let set = if human {
        registry.with(fmt::layer().with_writer(stderr).with_target(false)).try_init()
    } else {
        registry.with(fmt::layer().fmt_fields(json::Members).event_format(json::Line).with_writer(stderr)).try_init()
    };
    set.map_err(Error::internal)
}
