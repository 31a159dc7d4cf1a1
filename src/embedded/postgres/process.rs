//! Child processes and users: the only place of the engines with `unsafe` code.

use std::{
    fs::{self, File},
    io,
    os::{
        fd::AsRawFd,
        unix::{
            fs::{MetadataExt, chown},
            process::CommandExt,
        },
    },
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
};

use crate::{
    embedded::cannot,
    error::{Error, Result},
};

/// The user that Postgres runs as when we are root, which it refuses to be.
#[derive(Debug, Clone)]
pub(super) struct RunAs {
    name: String,
    uid: u32,
    gid: u32,
}

impl RunAs {
    /// `None` if we are not root; else the owner of what is already at `data`, else the user `postgres` (`_postgres` on macOS), else `nobody`. It needs an entry in the list
    /// of users: `initdb` asks for its name.
    pub fn if_root(data: &Path) -> Result<Option<Self>> {
        // SAFETY: geteuid takes nothing, changes nothing and cannot fail.
        if unsafe { libc::geteuid() } != 0 {
            return Ok(None);
        }
        let owner = fs::metadata(data).ok().map(|data| data.uid());
        let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
        let users: Vec<_> = users.lines().filter_map(Self::parse).filter(|user| user.uid != 0).collect();
        let chosen = match owner {
            Some(owner) => users.into_iter().find(|user| user.uid == owner),
            None => ["postgres", "_postgres", "nobody"]
                .iter()
                .find_map(|name| users.iter().find(|user| user.name == *name).cloned()),
        };
        chosen.map(Some).ok_or_else(|| {
            Error::startup(format!(
                "Postgres refuses to run as root, and this machine has no user to run it as{}. Start larder as an ordinary user.",
                owner.map_or(String::new(), |owner| format!(": {} belongs to user {owner}", data.display()))
            ))
        })
    }

    /// A line of `/etc/passwd`.
    fn parse(line: &str) -> Option<Self> {
        let mut fields = line.split(':');
        let name = fields.next()?.to_owned();
        let uid = fields.nth(1)?.parse().ok()?;
        Some(Self { name, uid, gid: fields.next()?.parse().ok()? })
    }

    /// Fails if a folder above `path` keeps the user out, as root's home does.
    pub fn must_reach(&self, path: &Path) -> Result<()> {
        for folder in path.ancestors().skip(1) {
            let meta = fs::metadata(folder).map_err(|error| cannot("look at", folder, &error))?;
            let open = meta.mode() & 0o001 != 0
                || (meta.uid() == self.uid && meta.mode() & 0o100 != 0)
                || (meta.gid() == self.gid && meta.mode() & 0o010 != 0);
            if !open {
                return Err(Error::startup(format!(
                    "Postgres refuses to run as root, so larder runs it as the user `{}`, whom {} keeps out. \
                     Set LARDER_DATA_DIR to a folder that it can reach, such as /var/lib/larder, or start larder as an ordinary user.",
                    self.name,
                    folder.display()
                )));
            }
        }
        Ok(())
    }

    pub fn own(&self, path: &Path) -> Result<()> {
        chown(path, Some(self.uid), Some(self.gid)).map_err(|error| cannot("give away", path, &error))
    }
}

/// The folder that holds all of one Postgres, and the way its programs take there: the path, or an open descriptor that they inherit where a folder
/// above keeps their user out, as root's home does.
///
/// **The descriptor gives no right to anything else.** Keeping a capability instead (`CAP_DAC_OVERRIDE`) would open every file of the machine to SQL.
#[derive(Debug, Clone)]
pub(super) struct Home {
    path: PathBuf,
    /// What `path` is to the programs.
    seen_as: PathBuf,
    opened: Option<Arc<File>>,
}

impl Home {
    /// `path` is absolute and without symbolic links. Fails if the user is kept out and this system has no names for open folders (it is not Linux, or
    /// `/proc` is not mounted).
    pub fn open(path: &Path, run_as: Option<&RunAs>) -> Result<Self> {
        let Some(Err(kept_out)) = run_as.map(|run_as| run_as.must_reach(path)) else {
            return Ok(Self { path: path.to_owned(), seen_as: path.to_owned(), opened: None });
        };
        let opened = File::open(path).map_err(|error| cannot("open", path, &error))?;
        // The kernel goes straight to what is open, asking nothing of the folders above it.
        let seen_as = PathBuf::from(format!("/proc/self/fd/{}", opened.as_raw_fd()));
        if !seen_as.canonicalize().is_ok_and(|real| real == path) {
            return Err(kept_out);
        }
        Ok(Self { path: path.to_owned(), seen_as, opened: Some(Arc::new(opened)) })
    }

    /// What the programs call `path`.
    pub fn name_of(&self, path: &Path) -> PathBuf {
        path.strip_prefix(&self.path).map_or_else(|_| path.to_owned(), |inside| self.seen_as.join(inside))
    }

    /// Leaves the descriptor open in the program that `command` runs, and so in what that runs, under the number it has here.
    pub fn lend_to(&self, command: &mut Command) {
        let Some(opened) = self.opened.clone() else { return };
        let keep_open = move || {
            // SAFETY: fcntl with F_SETFD only sets the flags of a descriptor, here one that `opened` holds open.
            let set = unsafe { libc::fcntl(opened.as_raw_fd(), libc::F_SETFD, 0) };
            if set == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
        };
        // SAFETY: the closure runs in the child between fork and exec, and only calls a function that is async-signal-safe; it allocates nothing.
        unsafe { command.pre_exec(keep_open) };
    }
}

/// A program of Postgres: without our terminal and the caller's `PG…` variables, in a process group of its own so that Ctrl-C reaches only us, and
/// stopped with us. Changing the user also leaves root's groups. It starts in `/`: Postgres 15 goes away from and back to where it starts, and its user
/// may be kept out of every other place.
pub(super) fn command(program: &Path, run_as: Option<&RunAs>) -> Command {
    let mut command = Command::new(program);
    command.current_dir("/").stdin(Stdio::null()).process_group(0);
    for (name, _) in std::env::vars_os() {
        if name.as_encoded_bytes().starts_with(b"PG") {
            command.env_remove(name);
        }
    }
    if let Some(run_as) = run_as {
        command.uid(run_as.uid).gid(run_as.gid);
    }
    die_with_us(&mut command);
    command
}

/// On Linux, SIGINT (a fast shutdown) when the **thread** that spawned the command ends: spawn from one that lives.
#[cfg(target_os = "linux")]
fn die_with_us(command: &mut Command) {
    let us = std::process::id();
    let ask = move || {
        // SAFETY: prctl with PR_SET_PDEATHSIG and getppid only read and set fields of the calling process.
        let (set, parent) = unsafe { (libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGINT), libc::getppid()) };
        if set != 0 {
            return Err(io::Error::last_os_error());
        }
        // We may have died between the fork and the line above, and then nothing would ever come.
        if u32::try_from(parent) == Ok(us) { Ok(()) } else { Err(io::ErrorKind::BrokenPipe.into()) }
    };
    // SAFETY: the closure runs in the child between fork and exec, and only calls functions that are async-signal-safe; it allocates nothing.
    unsafe { command.pre_exec(ask) };
}

#[cfg(not(target_os = "linux"))]
fn die_with_us(_command: &mut Command) {}

/// How Postgres is asked to stop.
#[derive(Debug, Clone, Copy)]
pub(super) enum Stop {
    /// Rolls back what is open, then writes everything out.
    Fast,
    /// At once; the next start recovers.
    Immediate,
}

pub(super) fn ask(pid: u32, stop: Stop) -> io::Result<()> {
    send(
        pid,
        match stop {
            Stop::Fast => libc::SIGINT,
            Stop::Immediate => libc::SIGQUIT,
        },
    )
}

/// Whether a process of that id exists, whoever it belongs to.
pub(super) fn is_alive(pid: u32) -> bool {
    send(pid, 0).map_or_else(|error| error.kind() == io::ErrorKind::PermissionDenied, |()| true)
}

fn send(pid: u32, signal: i32) -> io::Result<()> {
    // Never 0 or below, which would name groups of processes.
    let pid = i32::try_from(pid).ok().filter(|&pid| pid > 1).ok_or(io::ErrorKind::InvalidInput)?;
    // SAFETY: kill takes two integers and touches no memory of ours.
    if unsafe { libc::kill(pid, signal) } == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// The program that a process runs, and its whole command line; `None` if it has ended.
pub(super) fn command_line(pid: u32) -> Option<(String, String)> {
    let line = if cfg!(target_os = "linux") {
        String::from_utf8_lossy(&fs::read(format!("/proc/{pid}/cmdline")).ok()?).into_owned()
    } else {
        let listed = Command::new("ps").args(["-o", "command=", "-p", &pid.to_string()]).output().ok()?;
        String::from_utf8_lossy(&listed.stdout).trim().replacen(' ', "\0", 1)
    };
    let program = line.split('\0').next().filter(|program| !program.is_empty())?;
    let name = Path::new(program).file_name()?.to_string_lossy().into_owned();
    Some((name, line))
}
