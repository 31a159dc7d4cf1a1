//! The binary: parse the settings, connect, serve, drain.

use larder::{
    app::App,
    base::Base,
    config::{Cli, Command, Config},
    error::{Error, Result},
    health,
    router::router,
    serve::serve,
    sweep, telemetry, token_command,
};
use std::process::ExitCode;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};

fn main() -> ExitCode {
    let cli = Cli::parse_with_default_command();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let done = runtime.map_err(Error::internal).and_then(|runtime| {
        runtime.block_on(async {
            match cli.command {
                Command::Serve(config) => run(config).await,
                Command::Health { listen } => health::ask(listen).await,
                Command::Token(command) => token_command::run(command).await,
            }
        })
    });
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
    config.check()?;
    telemetry::init(&config)?;
    let listener = TcpListener::bind(config.listen).await;
    let listener = listener
        .map_err(|error| Error::startup(format!("LARDER_LISTEN: cannot listen on {}: {error}.", config.listen)))?;
    let base = Base::start(&config, listener.local_addr().map_err(Error::internal)?).await?;
    let app = base.connect(config).await?;
    let sweeper = tokio::spawn(sweep::run(app.clone()));
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
