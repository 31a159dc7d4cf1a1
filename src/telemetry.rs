//! Logs: for people on a terminal, as JSON elsewhere, to standard error.

use crate::{
    config::{Config, LogFormat},
    error::{Error, Result},
};
use std::io::{IsTerminal, stderr};
use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt, util::SubscriberInitExt};

/// Libraries that write whole requests to the log when asked for more than this: signatures, presigned URLs, users' bytes.
const SECRETIVE: [&str; 6] = [
    "s3s=off",
    "aws_sigv4=warn",
    "aws_smithy_runtime=info",
    "aws_smithy_runtime_api=info",
    "aws_smithy_http_client=info",
    "hyper=info",
];

/// Sets up logging once for the process.
pub fn init(config: &Config) -> Result<()> {
    // The engines' and the SDK's chatter at info is nothing that an operator asked for.
    let directives = format!("warn,larder={}", config.log);
    let directives = if config.log.contains(['=', ',']) { &config.log } else { &directives };
    let mut filter = EnvFilter::try_new(directives).map_err(|error| Error::startup(format!("LARDER_LOG: {error}")))?;
    for directive in SECRETIVE {
        filter = filter.add_directive(directive.parse().map_err(Error::internal)?);
    }
    let human = match config.log_format {
        LogFormat::Auto => stderr().is_terminal(),
        LogFormat::Human => true,
        LogFormat::Json => false,
    };
    let registry = tracing_subscriber::registry().with(filter);
    let set = if human {
        registry.with(fmt::layer().with_writer(stderr).with_target(false)).try_init()
    } else {
        registry.with(fmt::layer().json().with_writer(stderr).flatten_event(true).with_span_list(false)).try_init()
    };
    set.map_err(Error::internal)
}
