//! The server's process, and the thread that watches it.

use std::{
    fmt::Display,
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    process::{Child, Command},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::{oneshot, watch};

use super::process::{self, Stop};
use crate::error::{Error, Result};

/// Before it is started again: whatever it left running notices meanwhile that its postmaster is gone, and a server that cannot start does not spin.
const RESTART_PAUSE: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Server {
    life: Arc<Mutex<Life>>,
    log: PathBuf,
    exited: watch::Receiver<bool>,
}

#[derive(Debug, Default)]
struct Life {
    /// While it runs.
    pid: Option<u32>,
    keep_running: bool,
    stopping: bool,
}

impl Server {
    /// Spawns the server from a thread that lives as long as it does, for two reasons: the kernel takes the server down with the thread that spawned it,
    /// and somebody must notice when it ends by itself.
    pub async fn spawn(command: Command, log: PathBuf) -> Result<Self> {
        let life = Arc::new(Mutex::new(Life::default()));
        let (exited_tx, exited) = watch::channel(false);
        let (spawned_tx, spawned) = oneshot::channel();
        let (watched, log_path) = (Arc::clone(&life), log.clone());
        let watch_it = move || {
            watch_over(command, &log_path, &watched, spawned_tx);
            let _ = exited_tx.send(true);
        };
        std::thread::Builder::new().name("larder-postgres".to_owned()).spawn(watch_it).map_err(Error::internal)?;
        let spawned = spawned.await.map_err(Error::internal)?;
        spawned.map_err(|error| Error::startup(format!("Cannot run Postgres: {error}.")))?;
        Ok(Self { life, log, exited })
    }

    /// From now on it is started again when it ends by itself: it has shown that it can run.
    pub fn keep_running(&self) {
        lock(&self.life).keep_running = true;
    }

    /// Whether it has ended and is not started again.
    pub fn has_exited(&self) -> bool {
        *self.exited.borrow()
    }

    pub async fn stop(&mut self, patience: Duration) {
        self.ask(Stop::Fast);
        if tokio::time::timeout(patience, self.exited.wait_for(|&exited| exited)).await.is_err() {
            tracing::warn!("the embedded Postgres takes too long to stop; it will recover at the next start");
            self.ask(Stop::Immediate);
            let _ = self.exited.wait_for(|&exited| exited).await;
        }
    }

    fn ask(&self, stop: Stop) {
        let mut life = lock(&self.life);
        life.stopping = true;
        if let Some(pid) = life.pid {
            let _ = process::ask(pid, stop);
        }
    }

    /// The sentence for an operator, with the end of the log.
    pub fn failure(&self, why: &dyn Display) -> Error {
        // It is reported here, not by the thread as well.
        lock(&self.life).stopping = true;
        Error::startup(format!(
            "The embedded Postgres did not start: {why}. The end of {}:\n{}",
            self.log.display(),
            tail(&self.log)
        ))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.ask(Stop::Fast);
    }
}

/// Spawns it, waits for its end, and, once it is to be kept running, does so again. `spawned` gets to know how the first time went.
fn watch_over(mut command: Command, log: &Path, life: &Mutex<Life>, spawned: oneshot::Sender<io::Result<()>>) {
    let first = spawn(&mut command, life);
    let _ = spawned.send(first.as_ref().map(|_| ()).map_err(|error| io::Error::new(error.kind(), error.to_string())));
    let Ok(mut child) = first else { return };
    while let Some(running) = &mut child {
        let status = running.wait().map_or_else(|error| error.to_string(), |status| status.to_string());
        let again = {
            let mut life = lock(life);
            life.pid = None;
            if life.stopping {
                return;
            }
            life.keep_running
        };
        tracing::error!(status, log = tail(log), again, "the embedded Postgres ended by itself");
        if !again {
            return;
        }
        child = spawn_again(&mut command, life);
    }
}

/// `None` if it is to stop already.
fn spawn_again(command: &mut Command, life: &Mutex<Life>) -> Option<Child> {
    loop {
        std::thread::sleep(RESTART_PAUSE);
        match spawn(command, life) {
            Ok(child) => return child,
            Err(error) => tracing::error!(%error, "the embedded Postgres cannot be started again"),
        }
    }
}

/// `None` if it is to stop already. Under the lock, so that a stop finds either nothing to stop or the process.
fn spawn(command: &mut Command, life: &Mutex<Life>) -> io::Result<Option<Child>> {
    let mut life = lock(life);
    if life.stopping {
        return Ok(None);
    }
    let child = command.spawn()?;
    life.pid = Some(child.id());
    Ok(Some(child))
}

fn lock(life: &Mutex<Life>) -> MutexGuard<'_, Life> {
    life.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The last lines of a log.
fn tail(log: &Path) -> String {
    const BYTES: u64 = 2000;
    let read = || {
        let mut file = File::open(log)?;
        let from = file.metadata()?.len().saturating_sub(BYTES);
        file.seek(SeekFrom::Start(from))?;
        let mut end = Vec::new();
        file.read_to_end(&mut end)?;
        Ok::<_, io::Error>(String::from_utf8_lossy(&end).trim().to_owned())
    };
    read().unwrap_or_else(|error| format!("(cannot be read: {error})"))
}
