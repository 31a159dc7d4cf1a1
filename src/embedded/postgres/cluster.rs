//! Postgres' own data folder, `data`.
//!
//! **It is whole or absent**: made aside, renamed when done.

use std::{
    fs, io,
    path::Path,
    time::{Duration, Instant},
};

use super::{
    POLL, USER,
    find::Installation,
    process::{self, Home, RunAs, Stop},
    progress,
};
use crate::{
    embedded::{cannot, sync_dir},
    error::{Error, Result},
};

/// The major version that made the folder; `None` before the first start.
pub(super) fn major(data: &Path) -> Result<Option<u32>> {
    let path = data.join("PG_VERSION");
    match fs::read_to_string(&path) {
        Ok(version) => version.trim().parse().map(Some).map_err(|_| {
            Error::startup(format!("{} says `{}`, which is no version of Postgres.", path.display(), version.trim()))
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(cannot("read", &path, &error)),
    }
}

/// `initdb`: UTF-8, text in the order of its bytes, upper and lower case as Unicode has them, page checksums.
pub(super) fn create(installation: &Installation, dir: &Path, home: &Home, run_as: Option<&RunAs>) -> Result<()> {
    progress("making the database's folder; this happens once…");
    let (data, aside) = (dir.join("data"), dir.join("data.new"));
    let locales: &[&[&str]] = if installation.major >= 17 {
        &[&["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]]
    } else {
        &[&["--locale=C", "--lc-ctype=C.UTF-8"], &["--locale=C"]]
    };
    let mut last_words = String::new();
    for locale in locales {
        // What an interrupted start has left.
        match fs::remove_dir_all(&aside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(cannot("remove", &aside, &error)),
            _ => {}
        }
        let mut command = process::command(&installation.bin.join("initdb"), run_as);
        home.lend_to(&mut command);
        command.arg("-D").arg(home.name_of(&aside)).args(*locale);
        command.args(["-U", USER, "--encoding=UTF8", "--data-checksums"]);
        command.args(["--auth-local=trust", "--auth-host=reject", "--no-instructions"]);
        let output = command.output().map_err(|error| cannot("run", &installation.bin.join("initdb"), &error))?;
        if output.status.success() {
            let renamed = fs::rename(&aside, &data).and_then(|()| sync_dir(dir));
            return renamed.map_err(|error| cannot("make", &data, &error));
        }
        last_words = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    }
    Err(Error::startup(format!("initdb could not make {}:\n{last_words}", data.display())))
}

/// Stops the Postgres that a killed larder has left on this folder. The caller holds the lock of the data folder, so nobody else can want it.
pub(super) fn stop_leftover(data: &Path) -> Result<()> {
    const FAST: Duration = Duration::from_secs(20);
    const IMMEDIATE: Duration = Duration::from_secs(10);
    let pid_file = data.join("postmaster.pid");
    let Some(pid) = fs::read_to_string(&pid_file).ok().and_then(|file| file.lines().next()?.trim().parse().ok()) else {
        return Ok(());
    };
    match process::command_line(pid) {
        // It has ended: Postgres itself knows what to do with the file.
        None if !process::is_alive(pid) => return Ok(()),
        Some((program, line)) if program == "postgres" || program == "postmaster" => {
            if !line.contains(&*data.to_string_lossy()) {
                return Ok(());
            }
        }
        // Its number is another program's now (usual in containers, where numbers are small), and Postgres would take that for itself.
        _ => return fs::remove_file(&pid_file).map_err(|error| cannot("remove", &pid_file, &error)),
    }
    progress("stopping the Postgres that the last run has left…");
    for (stop, patience) in [(Stop::Fast, FAST), (Stop::Immediate, IMMEDIATE)] {
        let _ = process::ask(pid, stop);
        let began = Instant::now();
        while began.elapsed() < patience {
            // A zombie has no command line.
            if process::command_line(pid).is_none() {
                return Ok(());
            }
            std::thread::sleep(POLL);
        }
    }
    Err(Error::startup(format!("A Postgres (process {pid}) runs on {} and does not stop. Stop it.", data.display())))
}
