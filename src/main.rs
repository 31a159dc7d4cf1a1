//! The binary: parse the settings, connect, serve, drain.

use larder::{
    app::App,
    base::Base,
    config::{Cli, Command, Config},
    error::{Error, Result},
    health, operator_command,
    router::{metrics_router, router},
    serve::serve,
    sweep, telemetry, token_command,
};
use mimalloc::MiMalloc;
use std::{future::pending, net::SocketAddr, process::ExitCode};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};
use tokio_util::task::AbortOnDropHandle;

/// What axum and sqlx take for each request and row costs several times as much with the system's own.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse_with_default_command();
    // What is still logged when the runtime ends is written after it.
    let mut log = None;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let done = runtime.map_err(Error::internal).and_then(|runtime| {
        runtime.block_on(async {
            match cli.command {
                Command::Serve(config) => {
                    config.check()?;
                    log = Some(telemetry::init(&config)?);
                    run(config).await
                }
                Command::Export { place, config } => operator_command::export(&place, config).await,
                Command::Import { place, config } => operator_command::import(&place, config).await,
                Command::Migrate(config) => operator_command::migrate(config).await,
                Command::DatabaseRoles(config) => operator_command::make_database_roles(config).await,
                Command::Health { listen } => health::ask(listen).await,
                Command::Token(command) => token_command::run(command).await,
            }
        })
    });
    drop(log);
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The operator sees causes that a caller never does.
            eprintln!("larder: {error}");
            let mut source = std::error::Error::source(&error);
            while let Some(cause) = source {
                eprintln!("  because: {cause}");
                source = cause.source();
            }
            ExitCode::FAILURE
        }
    }
}

async fn run(config: Config) -> Result<()> {
    let listener = listen("LARDER_LISTEN", config.listen).await?;
    let metrics = match config.metrics_listen {
        Some(address) => Some(listen("LARDER_METRICS_LISTEN", address).await?),
        None => None,
    };
    let base = Base::start(&config, listener.local_addr().map_err(Error::internal)?).await?;
    let app = base.connect(config).await?;
    let sweeper = tokio::spawn(sweep::run(app.clone()));
    // It goes with the process, so that the drain can be watched.
    let _metrics = metrics.map(|listener| {
        let address = listener.local_addr().map_or_else(|_| String::new(), |address| address.to_string());
        tracing::info!(address, "listening for collectors of metrics");
        let (routes, times) = (metrics_router(&app), app.config.times.clone());
        AbortOnDropHandle::new(tokio::spawn(async move { serve(listener, routes, &times, pending()).await }))
    });
    base.banner(&app).await?;
    let routes = base.routes(router(&app));
    if !serve(listener, routes, &app.config.times, stop_signal(app.clone())).await {
        tracing::warn!("some requests were cut off: they took longer than LARDER_SHUTDOWN_SECONDS");
    }
    sweeper.abort();
    app.close().await;
    base.stop().await;
    tracing::info!("stopped");
    Ok(())
}

async fn listen(setting: &str, address: SocketAddr) -> Result<TcpListener> {
    let listener = TcpListener::bind(address).await;
    listener.map_err(|error| Error::startup(format!("{setting}: cannot listen on {address}: {error}.")))
}

/// Waits for SIGTERM or Ctrl-C, and takes the service out of readiness.
async fn stop_signal(app: App) {
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
        }
        Err(error) => {
            tracing::warn!(%error, "SIGTERM cannot be caught");
            tokio::signal::ctrl_c().await.unwrap_or_default();
        }
    }
    tracing::info!("stopping: running requests may end");
    app.drain();
}
