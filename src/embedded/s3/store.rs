//! The storage of one engine: its index and its files, under one folder that it owns alone.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use super::fault::{Fault, Outcome};
use super::files::{Files, Pinned};
use super::index::objects::{self, Object};
use super::index::{Index, contents};
use super::send::Span;
use crate::error::{Error, Result};

pub struct Store {
    pub index: Index,
    pub files: Arc<Files>,
    /// Held as long as the store is open: a second engine over this folder would sweep away the files of our uploads under way.
    lock: Mutex<Option<File>>,
}

impl Store {
    /// Opens or makes the storage, and sweeps what a crash left. Blocks.
    pub fn open(dir: &Path) -> Result<Self> {
        let startup = |error: std::io::Error| {
            Error::Startup(format!("The embedded S3's folder {} cannot be used: {error}", dir.display()))
        };
        make_private(dir).map_err(startup)?;
        let lock = File::options().create(true).truncate(false).write(true).open(dir.join("lock")).map_err(startup)?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => Error::Startup(format!(
                "Another process uses the embedded S3's folder {}; stop it, or choose another data folder.",
                dir.display()
            )),
            TryLockError::Error(error) => startup(error),
        })?;
        Self::open_locked(dir, lock).map_err(|fault| {
            let cause = crate::error::BoxError::from(fault);
            Error::Startup(format!("The embedded S3's storage in {} cannot be opened: {cause}", dir.display()))
        })
    }

    fn open_locked(dir: &Path, lock: File) -> Outcome<Self> {
        let files = Arc::new(Files::open(dir)?);
        let index = Index::open(dir.join("index.sqlite3"), files.clone())?;
        let named = index.connect()?;
        let swept = files.sweep(|folder| contents::files_in(&named, folder))?;
        if swept > 0 {
            tracing::info!(files = swept, "removed files that an interrupted run of the embedded S3 left behind");
        }
        Ok(Self { index, files, lock: Mutex::new(Some(lock)) })
    }

    /// An object with its bytes, which stay readable until the pins are dropped.
    pub async fn open_object(&self, bucket: String, key: String) -> Outcome<(Object, Vec<Span>, Pinned)> {
        let files = self.files.clone();
        let look_up = move |sql: &rusqlite::Connection| {
            let ((object, spans), pinned) = files.pin(|| {
                let object = objects::find(sql, &bucket, &key)?;
                let spans = contents::spans(sql, object.content)?;
                let ids = spans.iter().map(|span| span.file.clone()).collect();
                Ok::<_, Fault>(((object, spans), ids))
            })?;
            Ok((object, spans, pinned))
        };
        self.index.read(look_up).await
    }

    /// Ends the changes under way and gives the folder free. Blocks.
    pub fn close(&self) {
        self.index.close();
        self.files.close();
        let lock = self.lock.lock().unwrap_or_else(PoisonError::into_inner).take();
        // To close it alone would not do: a child of this process that has not begun its program yet has the file open too.
        lock.map_or(Ok(()), |lock| lock.unlock()).unwrap_or_default();
    }
}

/// Other users of the machine have no business with the bytes.
fn make_private(dir: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(dir)?;
    #[cfg(unix)]
    std::fs::set_permissions(dir, std::os::unix::fs::PermissionsExt::from_mode(0o700))?;
    Ok(())
}
