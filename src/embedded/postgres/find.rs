//! Which Postgres to run.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use super::{
    fetch::{self, Fetch},
    process::{self, RunAs},
};
use crate::error::{Error, Result};

/// The oldest major version still maintained, and the oldest that we test with.
pub const MAJOR_MIN: u32 = 15;

/// A Postgres that can be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installation {
    /// The folder of `initdb` and `postgres`.
    pub bin: PathBuf,
    pub major: u32,
}

/// Where to look, the preferred place first.
#[derive(Debug, Clone, Default)]
pub struct Search {
    /// `LARDER_PG_BIN`: nothing else counts then.
    pub told: Option<PathBuf>,
    pub folders: Vec<PathBuf>,
}

impl Search {
    /// `PATH`, then where the packages of Debian, Red Hat, Alpine, Homebrew and Postgres.app put their servers, newest first.
    pub fn of_this_machine(told: Option<&Path>) -> Self {
        /// A folder of versions, and what stands before the number in their names.
        const PLACES: [(&str, &str); 7] = [
            ("/usr/lib/postgresql", ""),
            ("/usr", "pgsql-"),
            ("/usr/libexec", "postgresql"),
            ("/opt/homebrew/opt", "postgresql@"),
            ("/usr/local/opt", "postgresql@"),
            ("/home/linuxbrew/.linuxbrew/opt", "postgresql@"),
            ("/Applications/Postgres.app/Contents/Versions", ""),
        ];
        let mut numbered: Vec<_> =
            PLACES.iter().flat_map(|(place, prefix)| versions_in(Path::new(place), prefix)).collect();
        numbered.sort_by_key(|(major, _)| std::cmp::Reverse(*major));
        // Never the current folder, which an empty entry stands for.
        let path = std::env::var_os("PATH").unwrap_or_default();
        let mut folders: Vec<_> = std::env::split_paths(&path).filter(|folder| folder.is_absolute()).collect();
        folders.extend(numbered.into_iter().flat_map(|(_, folder)| [folder.join("bin"), folder]));
        Self { told: told.map(Path::to_owned), folders }
    }

    /// Every installation, in order. Each is tried only when the iterator comes to it.
    fn installations(&self, run_as: Option<&RunAs>) -> impl Iterator<Item = Installation> {
        let folders = match &self.told {
            Some(told) => std::slice::from_ref(told),
            None => self.folders.as_slice(),
        };
        folders.iter().filter_map(move |folder| Installation::at(folder, run_as))
    }
}

fn versions_in(place: &Path, prefix: &str) -> Vec<(u32, PathBuf)> {
    let entries = fs::read_dir(place).into_iter().flatten().flatten();
    let numbered = entries.filter_map(|entry| {
        let major = entry.file_name().to_str()?.strip_prefix(prefix)?.parse().ok()?;
        Some((major, entry.path()))
    });
    numbered.collect()
}

impl Installation {
    /// The server whose programs stand in `folder`, or are linked from there. It is run to be sure: a wrapper, a client-only package, or one that the
    /// user Postgres runs as cannot reach is none.
    pub(super) fn at(folder: &Path, run_as: Option<&RunAs>) -> Option<Self> {
        let whole = |folder: &Path| folder.join("initdb").is_file() && folder.join("postgres").is_file();
        if !whole(folder) {
            return None;
        }
        // Postgres looks for its libraries and templates beside the real program.
        let real = folder.join("postgres").canonicalize().ok()?.parent()?.to_owned();
        let bin = if whole(&real) { real } else { folder.canonicalize().ok()? };
        let asked = process::command(&bin.join("postgres"), run_as).arg("--version").output().ok()?;
        // `postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)`; `18beta1` for a preview.
        let said = String::from_utf8(asked.stdout).ok()?;
        let version = said.strip_prefix("postgres (PostgreSQL) ")?;
        let major = version.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()?;
        Some(Self { bin, major })
    }
}

/// The Postgres for a data folder made by the major version `kept`, or for a new one: what is installed, else what was fetched, else what can be.
pub(super) fn choose(
    search: &Search,
    fetch: &Fetch,
    kept: Option<u32>,
    run_as: Option<&RunAs>,
) -> Result<Installation> {
    let suits = |found: &Installation| kept.map_or(found.major >= MAJOR_MIN, |kept| found.major == kept);
    if let Some(found) = search.installations(run_as).find(suits) {
        return Ok(found);
    }
    if let Some(told) = &search.told {
        return Err(told_wrong(told, kept, Installation::at(told, run_as)));
    }
    if let Some(kept) = kept.filter(|&kept| kept != fetch::MAJOR) {
        return Err(another_major(search, kept, run_as));
    }
    let fetched = fetch.get().and_then(|bin| {
        let runs = Installation::at(&bin, run_as);
        runs.ok_or_else(|| format!("the one in {} does not run; remove it to fetch it again", bin.display()))
    });
    fetched.map_err(|why| {
        let wanted = kept.map_or(format!("{MAJOR_MIN} or newer"), |kept| kept.to_string());
        Error::startup(format!(
            "No Postgres {wanted} is installed here, and none could be fetched: {why}. Install it ({}), name its folder with LARDER_PG_BIN, \
             or use a server of your own with DATABASE_URL.",
            install_command(kept)
        ))
    })
}

fn told_wrong(told: &Path, kept: Option<u32>, found: Option<Installation>) -> Error {
    let told = told.display();
    Error::startup(match (found, kept) {
        (None, _) => format!("LARDER_PG_BIN is {told}, where no working `initdb` and `postgres` are."),
        (Some(found), Some(kept)) => {
            format!(
                "LARDER_PG_BIN is {told}, which is Postgres {}, but the data folder was made by Postgres {kept}, and no other can open it. {}",
                found.major,
                way_out(kept)
            )
        }
        (Some(found), None) => {
            format!("LARDER_PG_BIN is {told}, which is Postgres {}; {MAJOR_MIN} or newer is needed.", found.major)
        }
    })
}

fn another_major(search: &Search, kept: u32, run_as: Option<&RunAs>) -> Error {
    let installed: BTreeSet<_> = search.installations(run_as).map(|found| found.major).collect();
    let installed: Vec<_> = installed.iter().map(u32::to_string).collect();
    let installed =
        if installed.is_empty() { "none is".to_owned() } else { format!("only {} is", installed.join(", ")) };
    Error::startup(format!(
        "The data folder was made by Postgres {kept}, and no other can open it; {installed} installed here. {}",
        way_out(kept)
    ))
}

fn way_out(kept: u32) -> String {
    format!(
        "Install that one ({}) or name its folder with LARDER_PG_BIN. To move to a newer one: start once with the old one, take `pg_dump -Fc` of the \
         database, and restore it into a new data folder.",
        install_command(Some(kept))
    )
}

/// What to type on this machine to get Postgres, of one major version if it matters.
fn install_command(major: Option<u32>) -> String {
    let has = |program: &str| Path::new(program).exists();
    let number = major.map(|major| major.to_string());
    if cfg!(target_os = "macos") {
        format!("`brew install postgresql@{}`", number.as_deref().unwrap_or("17"))
    } else if has("/usr/bin/apt-get") {
        format!("`sudo apt-get install postgresql{}`", number.map_or(String::new(), |number| format!("-{number}")))
    } else if has("/usr/bin/dnf") {
        format!("`sudo dnf install postgresql{}-server`", number.unwrap_or_default())
    } else if has("/sbin/apk") {
        format!("`apk add postgresql{}`", number.as_deref().unwrap_or("17"))
    } else {
        "with your system's packages".to_owned()
    }
}
