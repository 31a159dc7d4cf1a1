//! The bytes: one file for each upload or part, under a random name that says nothing about the key.
//!
//! **Invariant: a file is named by the index or it is garbage.** A file goes from `drafts/` to `bytes/` once its bytes are verified and on disk, and only then may a
//! row name it; it is removed only after the commit that dropped its last row. What a crash leaves in between is swept at the next start.
//!
//! **Invariant: a file that somebody reads stays.** A reader pins its files in the moment it looks them up; the removal waits for the last pin.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::JoinHandle;

use super::fault::Outcome;
use crate::embedded::sync_dir;

/// The random name of a file, 32 hexadecimal digits.
pub type FileId = String;

pub struct Files {
    root: PathBuf,
    pins: Mutex<HashMap<FileId, Pin>>,
    remover: Mutex<Option<Remover>>,
}

#[derive(Default)]
struct Pin {
    readers: usize,
    doomed: bool,
}

/// A thread that unlinks, since unlinking a large file takes long on some file systems.
struct Remover {
    queue: mpsc::Sender<PathBuf>,
    thread: JoinHandle<()>,
}

impl Files {
    pub fn open(root: &Path) -> io::Result<Self> {
        let drafts = root.join("drafts");
        if drafts.exists() {
            fs::remove_dir_all(&drafts)?;
        }
        fs::create_dir_all(&drafts)?;
        fs::create_dir_all(root.join("bytes"))?;
        for folder in 0..=u8::MAX {
            fs::create_dir_all(root.join("bytes").join(format!("{folder:02x}")))?;
        }
        sync_dir(&root.join("bytes"))?;
        sync_dir(root)?;
        let (queue, paths) = mpsc::channel::<PathBuf>();
        let thread = std::thread::Builder::new()
            .name("s3-remover".into())
            .spawn(move || paths.iter().for_each(|path| remove(&path)))?;
        Ok(Self { root: root.into(), pins: Mutex::default(), remover: Mutex::new(Some(Remover { queue, thread })) })
    }

    pub fn path(&self, id: &str) -> PathBuf {
        self.root.join("bytes").join(&id[..2]).join(id)
    }

    /// A new file under `drafts/`, removed again unless it is [placed](NewFile::place) and [kept](NewFile::keep).
    pub fn draft(self: &Arc<Self>) -> io::Result<(NewFile, File)> {
        let id = uuid::Uuid::new_v4().simple().to_string();
        let path = self.root.join("drafts").join(&id);
        let file = File::options().write(true).create_new(true).open(&path)?;
        Ok((NewFile { id, path, files: self.clone(), kept: false }, file))
    }

    /// Removes the files that no row names. Only at start, before the first request: a file just placed has no row yet.
    pub fn sweep(&self, mut named: impl FnMut(&str) -> Outcome<HashSet<FileId>>) -> Outcome<u64> {
        let mut swept = 0;
        for folder in 0..=u8::MAX {
            let folder = format!("{folder:02x}");
            let named = named(&folder)?;
            for entry in fs::read_dir(self.root.join("bytes").join(folder))? {
                let entry = entry?;
                if entry.file_name().to_str().is_none_or(|name| !named.contains(name)) {
                    fs::remove_file(entry.path())?;
                    swept += 1;
                }
            }
        }
        Ok(swept)
    }

    /// Runs `look_up` and pins the files that it found, with no removal in between.
    pub fn pin<T>(self: &Arc<Self>, look_up: impl FnOnce() -> Outcome<(T, Vec<FileId>)>) -> Outcome<(T, Pinned)> {
        let mut pins = self.pins();
        let (found, ids) = look_up()?;
        for id in &ids {
            pins.entry(id.clone()).or_default().readers += 1;
        }
        Ok((found, Pinned { ids, files: self.clone() }))
    }

    /// Removes a file whose last row is gone for good, at once or after its last reader.
    pub fn release(&self, ids: Vec<FileId>) {
        let mut pins = self.pins();
        for id in ids {
            match pins.get_mut(&id) {
                Some(pin) => pin.doomed = true,
                None => self.remove_later(self.path(&id)),
            }
        }
    }

    /// Waits for the removals asked for so far; later ones are left to the next start.
    pub fn close(&self) {
        if let Some(Remover { queue, thread }) = self.remover().take() {
            drop(queue);
            if thread.join().is_err() {
                tracing::warn!("the thread that removes files panicked");
            }
        }
    }

    fn remove_later(&self, path: PathBuf) {
        if let Some(remover) = &*self.remover() {
            // The receiver lives as long as the sender; if its thread died, the next start sweeps.
            let _ = remover.queue.send(path);
        }
    }

    fn pins(&self) -> MutexGuard<'_, HashMap<FileId, Pin>> {
        self.pins.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remover(&self) -> MutexGuard<'_, Option<Remover>> {
        self.remover.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A file that no committed row names yet. Dropping it removes it.
pub struct NewFile {
    pub id: FileId,
    path: PathBuf,
    files: Arc<Files>,
    kept: bool,
}

impl NewFile {
    /// Moves it to its final place; when this returns, contents and name survive a loss of power.
    pub fn place(&mut self, file: &File) -> io::Result<()> {
        file.sync_all()?;
        let to = self.files.path(&self.id);
        fs::rename(&self.path, &to)?;
        self.path = to;
        self.path.parent().map_or(Ok(()), sync_dir)
    }

    /// A committed row names it, or may do so.
    pub fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if !self.kept {
            self.files.remove_later(std::mem::take(&mut self.path));
        }
    }
}

/// Files that are being read.
pub struct Pinned {
    ids: Vec<FileId>,
    files: Arc<Files>,
}

impl Drop for Pinned {
    fn drop(&mut self) {
        let mut pins = self.files.pins();
        for id in self.ids.drain(..) {
            let Some(pin) = pins.get_mut(&id) else { continue };
            pin.readers -= 1;
            if pin.readers == 0 && pins.remove(&id).is_some_and(|pin| pin.doomed) {
                self.files.remove_later(self.files.path(&id));
            }
        }
    }
}

fn remove(path: &Path) {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(path = %path.display(), %error, "a file of the embedded S3 could not be removed; the next start tries again");
        }
        _ => {}
    }
}
