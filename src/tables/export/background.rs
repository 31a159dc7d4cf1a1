//! Work of a format that takes long enough to need a thread of its own: packing one batch while the next is gathered.

use crate::error::{Error, Result};
use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::task::{JoinHandle, spawn_blocking};

/// What a writer has written and nobody has taken yet.
#[derive(Clone, Default)]
pub struct Sink(Arc<Mutex<Vec<u8>>>);

impl Sink {
    fn take(&self, out: &mut Vec<u8>) {
        out.append(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl io::Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A writer into a `Sink`, of which one batch at a time is under way.
pub struct Background<W> {
    sink: Sink,
    writer: Option<W>,
    running: Option<JoinHandle<Result<W>>>,
}

impl<W: Send + 'static> Background<W> {
    pub fn new(begin: impl FnOnce(Sink) -> Result<W>) -> Result<Self> {
        let sink = Sink::default();
        Ok(Self { writer: Some(begin(sink.clone())?), sink, running: None })
    }

    /// Begins a piece of work once the one before is done, whose bytes go to `out`.
    pub async fn run(
        &mut self,
        out: &mut Vec<u8>,
        work: impl FnOnce(&mut W) -> Result<()> + Send + 'static,
    ) -> Result<()> {
        self.finish(out).await?;
        let Some(mut writer) = self.writer.take() else { return Err(Error::internal("a writer that failed before")) };
        self.running = Some(spawn_blocking(move || work(&mut writer).map(|()| writer)));
        Ok(())
    }

    /// All that was begun is done, and its bytes are in `out`.
    pub async fn finish(&mut self, out: &mut Vec<u8>) -> Result<()> {
        if let Some(running) = self.running.take() {
            self.writer = Some(running.await.map_err(Error::internal)??);
        }
        self.sink.take(out);
        Ok(())
    }
}
