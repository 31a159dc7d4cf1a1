//! The server's process, and the thread that watches it.

use std::{
    fmt::Display,
    fs::File,
    io::{Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::sync::{oneshot, watch};

use super::process::{self, Stop};
use crate::error::{Error, Result};

#[derive(Debug)]
pub(super) struct Server {
    pid: u32,
    log: PathBuf,
    stopping: Arc<AtomicBool>,
    exited: watch::Receiver<bool>,
}

impl Server {
    /// Spawns the server from a thread that lives as long as it does, for two reasons: the kernel takes the server down with the thread that spawned it,
    /// and somebody must notice when it ends by itself.
    pub async fn spawn(mut command: Command, log: PathBuf) -> Result<Self> {
        let stopping = Arc::new(AtomicBool::new(false));
        let (exited_tx, exited) = watch::channel(false);
        let (spawned_tx, spawned) = oneshot::channel();
        let (asked, log_path) = (Arc::clone(&stopping), log.clone());
        let watch_it = move || {
            let mut child = match command.spawn() {
                Ok(child) => child,
                Err(error) => {
                    let _ = spawned_tx.send(Err(error));
                    return;
                }
            };
            let _ = spawned_tx.send(Ok(child.id()));
            let ended = child.wait().map_or_else(|error| error.to_string(), |status| status.to_string());
            if !asked.load(Ordering::SeqCst) {
                tracing::error!(status = ended, log = tail(&log_path), "the embedded Postgres ended by itself");
            }
            let _ = exited_tx.send(true);
        };
        std::thread::Builder::new().name("larder-postgres".to_owned()).spawn(watch_it).map_err(Error::internal)?;
        let pid = spawned
            .await
            .map_err(Error::internal)?
            .map_err(|error| Error::startup(format!("Cannot run Postgres: {error}.")))?;
        Ok(Self { pid, log, stopping, exited })
    }

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
        self.stopping.store(true, Ordering::SeqCst);
        if !self.has_exited() {
            let _ = process::ask(self.pid, stop);
        }
    }

    /// The sentence for an operator, with the end of the log.
    pub fn failure(&self, why: &dyn Display) -> Error {
        // It is reported here, not by the thread as well.
        self.stopping.store(true, Ordering::SeqCst);
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

/// The last lines of a log.
fn tail(log: &Path) -> String {
    const BYTES: u64 = 2000;
    let read = || {
        let mut file = File::open(log)?;
        let from = file.metadata()?.len().saturating_sub(BYTES);
        file.seek(SeekFrom::Start(from))?;
        let mut end = Vec::new();
        file.read_to_end(&mut end)?;
        Ok::<_, std::io::Error>(String::from_utf8_lossy(&end).trim().to_owned())
    };
    read().unwrap_or_else(|error| format!("(cannot be read: {error})"))
}
