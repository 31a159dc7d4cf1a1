//! The embedded engines: what the service starts for itself when a store is not configured. They speak the wire protocols of the real ones.
//!
//! **One process at a time.** The data folder is locked for as long as its [`DataDir`] lives.
//! **Nothing listens beyond loopback**, and what listens there asks for the keys of [`EngineKeys`].
//! **Acknowledged means on the disk**, here as in production: no engine runs with its syncs turned off.

pub mod dynamodb;
mod engines;
pub mod postgres;
pub mod s3;

pub use engines::Engines;

use std::{
    fmt,
    fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// The folder that holds everything the embedded engines keep, locked against a second process until it is dropped.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    /// The lock belongs to the open file: it goes with the process, however that ends.
    lock: File,
}

impl DataDir {
    /// Opens the folder at `path`, made if absent: closed to others, except that a folder made by root lets others pass through, because Postgres
    /// refuses to run as root and its own folder lies inside.
    ///
    /// Fails with [`Error::Startup`] when another process holds the folder.
    pub fn open(path: &Path) -> Result<Self> {
        create(path).map_err(|error| cannot("make the data folder", path, &error))?;
        let path = path.canonicalize().map_err(|error| cannot("open the data folder", path, &error))?;
        let lock = lock(&path)?;
        Ok(Self { path, lock })
    }

    /// Absolute, without symbolic links.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for DataDir {
    /// A child that is just being started has the same open file for a moment, so to close ours would not be enough.
    fn drop(&mut self) {
        self.lock.unlock().unwrap_or_default();
    }
}

fn create(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    DirBuilder::new().mode(0o700).create(path)?;
    if fs::metadata(path)?.uid() == 0 {
        fs::set_permissions(path, Permissions::from_mode(0o711))?;
    }
    Ok(())
}

fn lock(folder: &Path) -> Result<File> {
    let path = folder.join("lock");
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(|error| cannot("open", &path, &error))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let holder = match file.read_to_string(&mut holder) {
                Ok(_) if !holder.trim().is_empty() => format!(" (process {})", holder.trim()),
                _ => String::new(),
            };
            return Err(Error::startup(format!(
                "The data folder {} is in use by another larder{holder}. Stop that one, or choose another folder with LARDER_DATA_DIR.",
                folder.display()
            )));
        }
        Err(TryLockError::Error(error)) => return Err(cannot("lock", &path, &error)),
    }
    file.set_len(0)
        .and_then(|()| writeln!(file, "{}", std::process::id()))
        .map_err(|error| cannot("write", &path, &error))?;
    Ok(file)
}

/// The key pair of this installation that the embedded S3 and DynamoDB ask of their clients, in place of an IAM role.
#[derive(Clone, Serialize, Deserialize)]
pub struct EngineKeys {
    pub access_key_id: String,
    pub secret_access_key: String,
}

impl EngineKeys {
    /// The keys kept in the data folder `dir`, made at random at the first start, readable by their owner alone.
    pub fn load_or_create(dir: &Path) -> Result<Self> {
        let path = dir.join("engine-keys.json");
        match fs::read(&path) {
            Ok(kept) => serde_json::from_slice(&kept).map_err(|error| cannot("read", &path, &error.into())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let keys = Self::random()?;
                write_private(&path, &serde_json::to_vec(&keys).map_err(Error::internal)?)?;
                Ok(keys)
            }
            Err(error) => Err(cannot("read", &path, &error)),
        }
    }

    fn random() -> Result<Self> {
        let mut bytes = [0; 42];
        getrandom::fill(&mut bytes).map_err(|error| Error::startup(format!("No random numbers: {error}")))?;
        let (id, secret) = bytes.split_at(10);
        Ok(Self { access_key_id: format!("LARDER{}", hex::encode_upper(id)), secret_access_key: hex::encode(secret) })
    }
}

impl fmt::Debug for EngineKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EngineKeys").field("access_key_id", &self.access_key_id).finish_non_exhaustive()
    }
}

/// Written aside and renamed, readable by the owner alone; durable when it returns.
fn write_private(path: &Path, bytes: &[u8]) -> Result<()> {
    let aside = path.with_extension("new");
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&aside);
    let written = file.and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&aside, path)?;
        path.parent().map_or(Ok(()), sync_dir)
    });
    written.map_err(|error| cannot("write", path, &error))
}

/// Makes the names in a folder durable: a renamed file survives a power cut only after this.
fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// A path as a shell reads it as one word.
fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}

/// What the operator reads when the file system says no.
fn cannot(what: &str, path: &Path, error: &io::Error) -> Error {
    Error::startup(format!("Cannot {what} {}: {error}.", path.display()))
}
