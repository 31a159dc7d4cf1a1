//! From an upload to a loaded table, in one go: the raw bytes go to S3 while a blocking thread reads them and a COPY takes the rows.
//!
//! Channels between the three are bounded, so the slowest sets the pace and memory stays flat.

use super::{
    bounded::Bounded,
    decompress::decompress,
    read::{self, Ask, Column, ColumnType, Hint, Options, ReadLimits, RowSink, Source, Target},
    store::{LoadEvent, Tables},
};
use crate::{
    catalogue::{Lease, Progress},
    error::{Error, Result},
    objects::{Incoming, Stored},
};
use bytes::Bytes;
use futures::{Stream, StreamExt, TryStreamExt};
use std::{
    io::{self, Read},
    sync::{Arc, atomic::Ordering::Relaxed},
};
use tokio::{
    sync::mpsc::{Receiver, Sender, channel},
    task::JoinHandle,
};
use tokio_util::{
    io::{StreamReader, SyncIoBridge},
    task::AbortOnDropHandle,
};
use uuid::Uuid;

/// Chunks on their way between two of the three.
const CHUNKS_IN_FLIGHT_MAX: usize = 4;

/// How the bytes of a file are to be read.
#[derive(Debug, Clone, Default)]
pub struct Manner {
    /// As the request says.
    pub content_encoding: Option<String>,
    pub hint: Hint,
    pub options: Options,
    pub target: Option<TargetTable>,
    pub progress: Arc<Progress>,
}

/// The table that rows are for.
#[derive(Debug, Clone)]
pub struct TargetTable {
    pub columns: Vec<Column>,
    pub add_columns: bool,
}

impl Manner {
    fn ask(&self, limits: ReadLimits) -> Ask<'_> {
        let target = self.target.as_ref();
        let target = target.map(|table| Target { columns: &table.columns, add_columns: table.add_columns });
        Ask { options: &self.options, hint: self.hint.format, limits, target }
    }
}

/// A raw upload that is stored, and how it is read.
#[derive(Debug, Clone)]
pub struct StoredFile {
    pub object_id: Uuid,
    pub manner: Arc<Manner>,
}

/// A file whose raw bytes are stored and whose rows are loaded, neither of them published.
#[derive(Debug)]
pub struct Loaded {
    pub object: Stored,
    pub file: Arc<read::Outcome>,
}

impl Tables {
    /// Stores the raw bytes, infers the types from all values and loads the rows into `rows.t_{table_id}`. `lease` names both.
    pub(super) async fn receive(
        &self,
        lease: &Lease,
        (object_id, table_id): (Uuid, Uuid),
        manner: &Arc<Manner>,
        incoming: &mut Incoming,
    ) -> Result<Loaded> {
        let (tee, teed) = channel::<Result<Bytes>>(CHUNKS_IN_FLIGHT_MAX);
        let mut reading = Some(self.read_first((lease.id, table_id), manner, received(teed)));
        let mut file = None;
        let mut writer = self.objects.writer(object_id);
        while let Some(bytes) = incoming.next().await? {
            manner.progress.bytes.fetch_add(bytes.len() as u64, Relaxed);
            writer.write(lease, bytes.clone()).await?;
            // The reader stops early when it finds a fault: no need to receive the rest.
            if tee.send(Ok(bytes)).await.is_err()
                && let Some(reading) = reading.take()
            {
                file = Some(reading.join().await?);
            }
        }
        drop(tee);
        manner.progress.set_received();
        let object = writer.finish(lease).await?;
        let file = match (file, reading) {
            (Some(file), _) => file,
            (None, Some(reading)) => reading.join().await?,
            (None, None) => return Err(Error::internal("the reading of a table was awaited twice")),
        };
        let file = self.settle((lease.id, table_id), object_id, manner, file).await?;
        Ok(Loaded { object, file })
    }

    /// The same from a raw upload that is stored already.
    pub(super) async fn receive_stored(
        &self,
        lease: &Lease,
        (object_id, table_id): (Uuid, Uuid),
        manner: &Arc<Manner>,
    ) -> Result<Arc<read::Outcome>> {
        let raw = self.objects.read(object_id, None).await?;
        let file = self.read_first((lease.id, table_id), manner, raw).join().await?;
        self.settle((lease.id, table_id), object_id, manner, file).await
    }

    /// Reads the file as an upload would, and keeps nothing.
    pub(super) async fn rehearse(&self, manner: &Arc<Manner>, incoming: Incoming) -> Result<read::Outcome> {
        let bytes = futures::stream::try_unfold(incoming, |mut incoming| async move {
            Ok(incoming.next().await?.map(|bytes| (bytes, incoming)))
        });
        let reading = self.spawn_reader(bytes, manner, move |source, ask| read::first_pass(source, ask, &mut NoSink));
        reading.await.map_err(Error::internal)?
    }

    /// The lines of rows of a file that is stored; rows count from 1 and ascend.
    pub(super) async fn lines_of(&self, file: &StoredFile, rows: Vec<u64>) -> Result<Vec<u64>> {
        let raw = self.objects.read(file.object_id, None).await?;
        let reading = self.spawn_reader(raw, &file.manner, move |source, ask| read::lines_of(source, ask, &rows));
        reading.await.map_err(Error::internal)?
    }

    /// Reads the bytes as they come, and loads them for as long as they fit the types of their beginning.
    fn read_first(
        &self,
        ids: (Uuid, Uuid),
        manner: &Arc<Manner>,
        bytes: impl Stream<Item = Result<Bytes>> + Send + 'static,
    ) -> Reading<read::Outcome> {
        let (events, received) = channel(CHUNKS_IN_FLIGHT_MAX);
        let loader = self.spawn_load(ids, received);
        let mut sink = EventSink(events, Arc::clone(&manner.progress));
        let reader = self.spawn_reader(bytes, manner, move |source, ask| {
            let file = read::first_pass(source, ask, &mut sink)?;
            if file.fits {
                sink.send(LoadEvent::End)?;
            }
            Ok(file)
        });
        Reading { reader, loader }
    }

    /// Reads a raw upload once more if it did not fit the types of its beginning, with those that all its values have.
    async fn settle(
        &self,
        ids: (Uuid, Uuid),
        object_id: Uuid,
        manner: &Arc<Manner>,
        file: read::Outcome,
    ) -> Result<Arc<read::Outcome>> {
        let file = Arc::new(file);
        if !file.fits {
            let raw = self.objects.read(object_id, None).await?;
            let (events, received) = channel(CHUNKS_IN_FLIGHT_MAX);
            let loader = self.spawn_load(ids, received);
            let (mut sink, first) = (EventSink(events, Arc::clone(&manner.progress)), Arc::clone(&file));
            let reader = self.spawn_reader(raw, manner, move |source, ask| {
                read::second_pass(source, &first, ask, &mut sink)?;
                sink.send(LoadEvent::End)
            });
            Reading { reader, loader }.join().await?;
        }
        Ok(file)
    }

    /// `lease` names `table` until the load commits; a load that nobody waits for any more is given up.
    fn spawn_load(&self, (lease, table): (Uuid, Uuid), events: Receiver<LoadEvent>) -> AbortOnDropHandle<Result<()>> {
        let tables = self.clone();
        AbortOnDropHandle::new(tokio::spawn(async move { tables.load(lease, table, events).await }))
    }

    /// Runs `read` on a blocking thread over the decompressed bytes.
    fn spawn_reader<T: Send + 'static>(
        &self,
        bytes: impl Stream<Item = Result<Bytes>> + Send + 'static,
        manner: &Arc<Manner>,
        read: impl FnOnce(Source, Ask<'_>) -> Result<T> + Send + 'static,
    ) -> JoinHandle<Result<T>> {
        let (limits, source_limits, manner) = (self.limits, self.source_limits.clone(), Arc::clone(manner));
        tokio::spawn(async move {
            let raw = Box::pin(bytes.map_err(io::Error::other));
            let (decoded, received) = decompress(StreamReader::new(raw), manner.content_encoding.as_deref()).await?;
            let (bytes_max, ratio_max) = (source_limits.decompressed_bytes_max, source_limits.decompressed_ratio_max);
            let input = Bounded::new(SyncIoBridge::new(decoded), received, bytes_max, ratio_max);
            let reading = tokio::task::spawn_blocking(move || {
                let input: Box<dyn Read + Send> = Box::new(input);
                let source = Source::open(input, &manner.options, manner.hint, &source_limits)?;
                read(source, manner.ask(limits))
            });
            reading.await.map_err(Error::internal)?
        })
    }
}

/// The two tasks of one pass.
struct Reading<T> {
    reader: JoinHandle<Result<T>>,
    loader: AbortOnDropHandle<Result<()>>,
}

impl<T> Reading<T> {
    /// What was read, once it is loaded. The loader's failure explains the reader's, who only finds that nobody listens.
    async fn join(self) -> Result<T> {
        let read = self.reader.await.map_err(Error::internal)?;
        let loaded = self.loader.await.map_err(Error::internal)?;
        match (read, loaded) {
            (Err(Error::Internal(_)) | Ok(_), Err(error)) => Err(error),
            (read, _) => read,
        }
    }
}

struct EventSink(Sender<LoadEvent>, Arc<Progress>);

impl EventSink {
    fn send(&self, event: LoadEvent) -> Result<()> {
        self.0.blocking_send(event).map_err(|_| Error::internal("the load ended before the file"))
    }
}

impl RowSink for EventSink {
    fn begin(&mut self, types: &[ColumnType]) -> Result<()> {
        self.send(LoadEvent::Begin(types.to_vec()))
    }

    fn rows(&mut self, copy: Bytes, rows: u64) -> Result<()> {
        self.1.rows.store(rows, Relaxed);
        self.send(LoadEvent::Rows(copy))
    }

    fn misfit(&mut self) -> Result<()> {
        self.send(LoadEvent::Misfit)
    }
}

/// For a rehearsal.
struct NoSink;

impl RowSink for NoSink {
    fn begin(&mut self, _: &[ColumnType]) -> Result<()> {
        Ok(())
    }

    fn rows(&mut self, _: Bytes, _: u64) -> Result<()> {
        Ok(())
    }

    fn misfit(&mut self) -> Result<()> {
        Ok(())
    }
}

fn received(receiver: Receiver<Result<Bytes>>) -> impl Stream<Item = Result<Bytes>> {
    futures::stream::unfold(receiver, |mut receiver| async move { Some((receiver.recv().await?, receiver)) }).fuse()
}
