//! The index: which bucket and key names which bytes, in SQLite.
//!
//! **Invariant: one thread writes.** Changes run one after another on it, so a condition that held when it was checked holds when the change commits: of many
//! concurrent conditional writers exactly one wins. Changes that wait together share one commit, each in a savepoint of its own.
//!
//! **Invariant: an answer follows the commit**, which is on disk (`synchronous = full`), and so does every removal of a file.

pub mod buckets;
pub mod contents;
pub mod listing;
pub mod objects;
pub mod uploads;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::spawn_blocking;

use super::fault::{Fault, Outcome};
use super::files::{FileId, Files, NewFile};

const SCHEMA: &str = include_str!("schema.sql");
const SCHEMA_VERSION: i64 = 1;
/// Changes that may wait for the writer; beyond that, requests wait.
const QUEUE: usize = 256;
/// Changes that share one commit.
const BATCH: usize = 64;
const READERS: usize = 8;

/// Work for the writer; what it gives back answers once it is known whether the commit happened.
type Job = Box<dyn FnOnce(&mut Transaction<'_>) -> Reply + Send>;
type Reply = Box<dyn FnOnce(bool) + Send>;

pub struct Index {
    path: PathBuf,
    files: Arc<Files>,
    jobs: Mutex<Option<mpsc::Sender<Job>>>,
    writer: Mutex<Option<JoinHandle<()>>>,
    idle: Arc<Mutex<Vec<Connection>>>,
    readers: Semaphore,
}

/// A change in the making: the SQL, and what becomes of files once it is committed.
pub struct Change<'t> {
    pub sql: &'t Connection,
    adopted: Vec<NewFile>,
    released: Vec<FileId>,
}

impl Change<'_> {
    /// A row of this change names the file.
    pub fn adopt(&mut self, file: NewFile) {
        self.adopted.push(file);
    }

    /// No row names the file any more.
    pub fn release(&mut self, file: FileId) {
        self.released.push(file);
    }
}

impl Index {
    pub fn open(path: PathBuf, files: Arc<Files>) -> Outcome<Self> {
        let mut connection = connect(&path)?;
        migrate(&mut connection)?;
        let (jobs, queue) = mpsc::channel(QUEUE);
        let writer =
            std::thread::Builder::new().name("s3-index".into()).spawn(move || serve(&mut connection, queue))?;
        Ok(Self {
            path,
            files,
            jobs: Mutex::new(Some(jobs)),
            writer: Mutex::new(Some(writer)),
            idle: Arc::default(),
            readers: Semaphore::new(READERS),
        })
    }

    pub fn connect(&self) -> Outcome<Connection> {
        connect(&self.path)
    }

    /// Runs `work` against one committed state: the last one at the moment of its first statement.
    pub async fn read<T, F>(&self, work: F) -> Outcome<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Outcome<T> + Send + 'static,
    {
        let _permit = self.readers.acquire().await.map_err(|_| "the index is closed")?;
        let (idle, path) = (self.idle.clone(), self.path.clone());
        spawn_blocking(move || {
            let connection = lock(&idle).pop();
            let connection = connection.map_or_else(|| connect(&path), Ok)?;
            let snapshot = connection.unchecked_transaction()?;
            let outcome = work(&snapshot);
            drop(snapshot);
            lock(&idle).push(connection);
            outcome
        })
        .await?
    }

    /// Runs `work` on the writer and answers after its commit. It runs to its end even if the caller goes away.
    pub async fn write<T, F>(&self, work: F) -> Outcome<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Change<'_>) -> Outcome<T> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let files = self.files.clone();
        let job: Job = Box::new(move |transaction| {
            let outcome = attempt(transaction, work);
            Box::new(move |committed| {
                let outcome = outcome.and_then(|(value, adopted, released)| {
                    // After a failed commit it is unknown what is on disk: the files stay, and the next start sweeps those without a row.
                    adopted.into_iter().for_each(NewFile::keep);
                    if !committed {
                        return Err("the commit of the index failed".into());
                    }
                    files.release(released);
                    Ok(value)
                });
                // The caller may have gone away; the change is made all the same.
                let _ = answer.send(outcome);
            })
        });
        let jobs = lock(&self.jobs).clone().ok_or("the index is closed")?;
        jobs.send(job).await.map_err(|_| "the writer of the index ended")?;
        drop(jobs);
        answered.await.map_err(|_| Fault::from("the index refused to begin a transaction"))?
    }

    /// Waits for the changes under way; later ones are refused.
    pub fn close(&self) {
        self.readers.close();
        drop(lock(&self.jobs).take());
        if let Some(writer) = lock(&self.writer).take()
            && writer.join().is_err()
        {
            tracing::error!("the writer of the embedded S3's index panicked");
        }
        lock(&self.idle).clear();
    }
}

fn attempt<T>(
    transaction: &mut Transaction<'_>,
    work: impl FnOnce(&mut Change<'_>) -> Outcome<T>,
) -> Outcome<(T, Vec<NewFile>, Vec<FileId>)> {
    let savepoint = transaction.savepoint()?;
    let mut change = Change { sql: &savepoint, adopted: Vec::new(), released: Vec::new() };
    let value = work(&mut change)?;
    let Change { adopted, released, .. } = change;
    savepoint.commit()?;
    Ok((value, adopted, released))
}

fn serve(connection: &mut Connection, mut queue: mpsc::Receiver<Job>) {
    while let Some(first) = queue.blocking_recv() {
        let mut replies = Vec::new();
        let run = || -> rusqlite::Result<()> {
            let mut transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            replies.push(first(&mut transaction));
            while replies.len() < BATCH
                && let Ok(job) = queue.try_recv()
            {
                replies.push(job(&mut transaction));
            }
            transaction.commit()
        };
        let outcome = run();
        if let Err(error) = &outcome {
            tracing::error!(%error, "the embedded S3's index did not commit");
        }
        for reply in replies {
            reply(outcome.is_ok());
        }
    }
}

fn connect(path: &Path) -> Outcome<Connection> {
    let connection = Connection::open(path)?;
    connection.set_prepared_statement_cache_capacity(64);
    connection.execute_batch(
        "pragma busy_timeout = 10000; pragma journal_mode = wal; pragma synchronous = full; pragma foreign_keys = on; pragma temp_store = memory;",
    )?;
    Ok(connection)
}

fn migrate(connection: &mut Connection) -> Outcome<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    match transaction.query_row("pragma user_version", [], |row| row.get::<_, i64>(0))? {
        0 => {
            transaction.execute_batch(SCHEMA)?;
            transaction.pragma_update(None, "user_version", SCHEMA_VERSION)?;
        }
        SCHEMA_VERSION => {}
        _ => return Err("the index was written by a newer release of Larder".into()),
    }
    Ok(transaction.commit()?)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
