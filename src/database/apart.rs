//! A thread of its own, for connections that many wait for: what Postgres sends wakes it at once, where a worker of the runtime would first end what has queued up with it.

use crate::error::{Error, Result};
use std::thread;
use tokio::{
    runtime::{Builder, Handle},
    sync::oneshot,
};

/// Dropping it ends the thread, and what runs there.
#[derive(Debug)]
pub struct Apart {
    runtime: Handle,
    _open: oneshot::Sender<()>,
}

impl Apart {
    /// `name` is the thread's.
    ///
    /// # Errors
    /// `Internal` if the machine gives no thread, or none of what it waits with.
    pub fn start(name: &str) -> Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build().map_err(Error::internal)?;
        let handle = runtime.handle().clone();
        let (open, closed) = oneshot::channel();
        let ran = thread::Builder::new().name(name.to_owned()).spawn(move || runtime.block_on(closed).unwrap_or(()));
        ran.map_err(Error::internal)?;
        Ok(Self { runtime: handle, _open: open })
    }

    pub fn runtime(&self) -> &Handle {
        &self.runtime
    }
}
