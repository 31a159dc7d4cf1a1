//! The binary: parse the settings, connect, serve, drain.

use larder::{
    app::{App, configured_sdk},
    auth::NewToken,
    base::Base,
    config::{Cli, Command, Config, DatabaseAuth, TokenCommand},
    database::{self, Database},
    error::{Error, Result},
    health,
    router::{metrics_router, router},
    serve::serve,
    sweep, telemetry, transfer,
};
use std::{future::pending, net::SocketAddr, process::ExitCode};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};
use tokio_util::task::AbortOnDropHandle;

fn main() -> ExitCode {
    let cli = Cli::parse_with_default_command();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let done = runtime.map_err(Error::internal).and_then(|runtime| {
        runtime.block_on(async {
            match cli.command {
                Command::Serve(config) => run(config).await,
                Command::Export { place, config } => carry(Way::Out, &place, config).await,
                Command::Import { place, config } => carry(Way::In, &place, config).await,
                Command::Migrate(config) => migrate_database(config).await,
                Command::DatabaseRoles(config) => make_database_roles(config).await,
                Command::Health { listen } => health::ask(listen).await,
                Command::Token(TokenCommand::Create { admin: _, config }) => create_admin_token(config).await,
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

/// `larder migrate`: the schema, without serving anything.
async fn migrate_database(config: Config) -> Result<()> {
    let made = database::migrate(&configured_database(&config).await?, config.times.request()).await?;
    match &made[..] {
        [] => println!("The database has the schema of this version."),
        [.., last] => println!("Migrated to {last}, by {} migrations.", made.len()),
    }
    Ok(())
}

/// `larder database-roles`.
async fn make_database_roles(config: Config) -> Result<()> {
    database::make_roles(&configured_database(&config).await?, config.times.request()).await?;
    println!(
        "larder_owner and larder_app are there. As larder_owner: `larder migrate`; as larder_app: `larder serve`."
    );
    Ok(())
}

/// Which way all of an installation goes.
enum Way {
    Out,
    In,
}

/// `larder export PLACE` and `larder import PLACE`.
async fn carry(way: Way, place: &str, config: Config) -> Result<()> {
    config.check()?;
    let place = transfer::Place::named(place, &config).await?;
    let base = Base::start(&config, config.listen).await?;
    let app = base.open(config).await?;
    let carried = match way {
        Way::Out => transfer::export(&app, &place).await,
        Way::In => transfer::import(&app, &place).await,
    };
    app.close().await;
    base.stop().await;
    println!("{}", carried?);
    Ok(())
}

async fn configured_database(config: &Config) -> Result<Database> {
    let url = config.database_url.as_ref();
    let url =
        url.ok_or_else(|| Error::startup("DATABASE_URL must say which database; an embedded one needs none of this."))?;
    let sdk = match config.database_auth {
        DatabaseAuth::Url => None,
        DatabaseAuth::Iam => Some(configured_sdk(config).await?),
    };
    Database::configured(config, url.expose(), sdk.as_ref())
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

/// `larder token create --admin`: for an operator on the machine, with the settings of the service. With embedded engines the service must be stopped, since
/// one process at a time uses the data folder.
async fn create_admin_token(config: Config) -> Result<()> {
    config.check()?;
    let base = Base::start(&config, config.listen).await?;
    let app = base.connect(config).await?;
    let token = NewToken::random()?;
    app.auth.add_admin_token("made on the machine", &token.0).await?;
    println!("{}", token.0.expose());
    app.close().await;
    base.stop().await;
    Ok(())
}
