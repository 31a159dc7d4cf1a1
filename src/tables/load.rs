//! From an upload to a loaded table, in one go: the raw bytes go to S3 while a blocking thread reads them and a COPY takes the rows.
//!
//! Channels between the three are bounded, so the slowest sets the pace and memory stays flat.

use super::{
<<<<<<< HEAD
    decompress::{Bounded, decompress, read_error},
    read::{self, ColumnType, Dialect, Format, Options, RowSink, TableFormat},
=======
    decompress::{Bounded, check_encoding, decompress, read_error},
    read::{self, Column, Layout, Options, RowSink, TableFormat},
>>>>>>> wt-1
    store::{LoadEvent, Tables},
};
use crate::{
    catalogue::{Lease, Progress},
    error::{Error, Result},
    objects::{Incoming, ObjectBytes, Stored},
};
use bytes::Bytes;
use futures::{Stream, StreamExt, TryStreamExt};
use std::{
    io::{self, Cursor, Read},
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

<<<<<<< HEAD
impl TableFormat {
    fn reading(self) -> Format {
        match self {
            Self::Tsv => Format::Delimited(Dialect::TSV),
            Self::Ndjson => Format::NdJson,
            Self::Json => Format::JsonArray,
            _ => Format::Delimited(Dialect::CSV),
        }
    }

    /// From the first bytes of the (decompressed) file: JSON by its bracket, else a delimiter that stands in the first line.
    fn sniff(beginning: &[u8]) -> Self {
        let text = beginning.strip_prefix(b"\xef\xbb\xbf").unwrap_or(beginning).trim_ascii_start();
        let line = text.split(|byte| matches!(byte, b'\n' | b'\r')).next().unwrap_or_default();
        match text.first() {
            Some(b'[') => Self::Json,
            Some(b'{') => Self::Ndjson,
            _ if line.contains(&b'\t') && !line.contains(&b',') => Self::Tsv,
            _ => Self::Csv,
        }
    }
}

/// How the bytes of a file are to be read.
#[derive(Debug, Clone, Default)]
pub struct Manner {
    /// `gzip`, `zstd` or none, as the request says.
    pub content_encoding: Option<String>,
    /// What the file's name or Content-Type say it is.
    pub hint: Option<TableFormat>,
    pub options: Options,
    pub progress: Arc<Progress>,
}

/// A file whose raw bytes are stored and whose rows are loaded, neither of them published.
#[derive(Debug)]
pub struct Loaded {
    pub object: Stored,
    pub file: FileRead,
}

/// What reading a file once has found.
#[derive(Debug)]
pub struct FileRead {
    pub format: TableFormat,
    pub read: read::Outcome,
=======
/// A table as it is uploaded.
#[derive(Debug)]
pub struct NewTableFile {
    pub name: String,
    pub title: Option<String>,
    /// The file name of a smart upload.
    pub original_name: Option<String>,
    /// Of the raw upload; that of its format if not given.
    pub content_type: Option<String>,
    /// `gzip`, `zstd` or none, as the request says.
    pub content_encoding: Option<String>,
    pub format: Option<TableFormat>,
    pub replace: Replace,
    pub condition: Precondition,
}

/// What reading a file once has found.
struct FirstPass {
    layout: Layout,
    columns: Vec<Column>,
    row_count: u64,
    /// Whether the rows are in the table; else they did not fit the types guessed from its beginning.
    loaded: bool,
>>>>>>> wt-1
}

impl Tables {
    /// Stores the raw bytes, infers the types from all values and loads the rows into `rows.t_{table_id}`. `lease` names both.
    pub(super) async fn receive(
        &self,
        lease: &Lease,
        (object_id, table_id): (Uuid, Uuid),
        manner: Manner,
        mut incoming: Incoming,
    ) -> Result<Loaded> {
        let manner = Arc::new(manner);
        let (tee, teed) = channel::<Result<Bytes>>(CHUNKS_IN_FLIGHT_MAX);
        let mut reading = Some(self.read_first((lease.id, table_id), Arc::clone(&manner), received(teed)));
        let mut first = None;
        let mut writer = self.objects.writer(object_id);
        while let Some(bytes) = incoming.next().await? {
            manner.progress.bytes.fetch_add(bytes.len() as u64, Relaxed);
            writer.write(lease, bytes.clone()).await?;
            // The reader stops early when it finds a fault: no need to receive the rest.
            if tee.send(Ok(bytes)).await.is_err()
                && let Some(reading) = reading.take()
            {
                first = Some(reading.join().await?);
            }
        }
        drop(tee);
        manner.progress.set_received();
        let object = writer.finish(lease).await?;
        let first = match (first, reading) {
            (Some(first), _) => first,
            (None, Some(reading)) => reading.join().await?,
            (None, None) => return Err(Error::internal("the reading of a table was awaited twice")),
        };
        let first = Arc::new(first);
        if !first.read.fits {
            let raw = self.objects.read(object_id, None).await?;
            self.read_again((lease.id, table_id), Arc::clone(&first), manner, raw).join().await?;
        }
<<<<<<< HEAD
        let file = Arc::into_inner(first).ok_or_else(|| Error::internal("a reading outlived its end"))?;
        Ok(Loaded { object, file })
    }

    /// Reads the file as an upload would, and keeps nothing.
    pub(super) async fn rehearse(&self, manner: Manner, incoming: Incoming) -> Result<FileRead> {
        let bytes = futures::stream::try_unfold(incoming, |mut incoming| async move {
            Ok(incoming.next().await?.map(|bytes| (bytes, incoming)))
        });
        let reading = self.spawn_reader(bytes, Arc::new(manner), move |input, manner, limits| {
            read_file(input, manner, limits, &mut NoSink)
        });
        reading.await.map_err(Error::internal)?
=======
        let ingest = json!({ "format": first.layout.format(), "encoding": "utf-8", "warnings": [] });
        let version = NewVersion {
            kind: Kind::Table,
            title: file.title.unwrap_or_else(|| file.name.clone()),
            name: file.name,
            original_name: file.original_name,
            object,
            content_type: file.content_type.unwrap_or_else(|| first.layout.format().content_type().to_owned()),
            content_encoding: file.content_encoding,
            table: Some(NewTable { id: table_id, columns: first.columns, row_count: first.row_count, ingest }),
            options: file.format.map_or_else(|| json!({}), |format| json!({ "format": format })),
        };
        self.catalogue.publish(caller, lease, &version, file.replace, &file.condition).await
>>>>>>> wt-1
    }

    /// Reads the bytes as they come, and loads them for as long as they fit the types of their beginning.
    fn read_first(
        &self,
        ids: (Uuid, Uuid),
        manner: Arc<Manner>,
        bytes: impl Stream<Item = Result<Bytes>> + Send + 'static,
    ) -> Reading<FileRead> {
        let (events, received) = channel(CHUNKS_IN_FLIGHT_MAX);
<<<<<<< HEAD
        let loader = self.spawn_load(ids, received);
        let reader = self.spawn_reader(bytes, manner, move |input, manner, limits| {
            let mut sink = EventSink(events, Arc::clone(&manner.progress));
            let first = read_file(input, manner, limits, &mut sink)?;
            if first.read.fits {
                sink.send(LoadEvent::End)?;
            }
            Ok(first)
=======
        let limits = self.limits;
        let loading = self.spawn_load(ids, received);
        let decoded = self.spawn_reader(bytes, encoding, move |mut input| {
            let mut beginning = Vec::new();
            input.by_ref().take(Layout::BEGINNING_BYTES as u64).read_to_end(&mut beginning).map_err(read_error)?;
            let whole = beginning.len() < Layout::BEGINNING_BYTES;
            let layout = Layout::detect(&beginning, whole, &Options::default(), told, limits)?;
            let mut sink = EventSink(events);
            let read = read::first_pass(&layout, Read::chain(Cursor::new(beginning), input), limits, &mut sink)?;
            if read.fits {
                sink.send(LoadEvent::End)?;
            }
            Ok(FirstPass { layout, columns: read.columns, row_count: read.rows, loaded: read.fits })
>>>>>>> wt-1
        });
        Reading { reader, loader }
    }

    /// Reads the raw upload once more, with the types that all its values have.
    fn read_again(
        &self,
        ids: (Uuid, Uuid),
        first: Arc<FileRead>,
        manner: Arc<Manner>,
        raw: ObjectBytes,
    ) -> Reading<()> {
        let (events, received) = channel(CHUNKS_IN_FLIGHT_MAX);
<<<<<<< HEAD
        let loader = self.spawn_load(ids, received);
        let reader = self.spawn_reader(raw, manner, move |input, manner, limits| {
            let mut sink = EventSink(events, Arc::clone(&manner.progress));
            read::second_pass(first.format.reading(), input, &first.read, &manner.options, limits, &mut sink)?;
=======
        let (layout, columns, limits) = (first.layout.clone(), first.columns.clone(), self.limits);
        let loading = self.spawn_load(ids, received);
        let reader = self.spawn_reader(raw, encoding, move |input| {
            let mut sink = EventSink(events);
            sink.begin(&columns)?;
            read::second_pass(&layout, input, &columns, limits, &mut sink)?;
>>>>>>> wt-1
            sink.send(LoadEvent::End)
        });
        Reading { reader, loader }
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
        manner: Arc<Manner>,
        read: impl FnOnce(Box<dyn Read + Send>, &Manner, read::ReadLimits) -> Result<T> + Send + 'static,
    ) -> JoinHandle<Result<T>> {
        let (max, limits) = (self.decompressed_bytes_max, self.limits);
        tokio::spawn(async move {
            let raw = Box::pin(bytes.map_err(io::Error::other));
            let decoded = decompress(StreamReader::new(raw), manner.content_encoding.as_deref()).await?;
            let input = Bounded::new(SyncIoBridge::new(decoded), max);
            let reading = tokio::task::spawn_blocking(move || read(Box::new(input), &manner, limits));
            reading.await.map_err(Error::internal)?
        })
    }
}

fn read_file(
    mut input: Box<dyn Read + Send>,
    manner: &Manner,
    limits: read::ReadLimits,
    sink: &mut dyn RowSink,
) -> Result<FileRead> {
    let mut beginning = Vec::new();
    input.by_ref().take(SNIFF_BYTES).read_to_end(&mut beginning).map_err(read_error)?;
    let format = manner.options.format.or(manner.hint).unwrap_or_else(|| TableFormat::sniff(&beginning));
    let input = Read::chain(Cursor::new(beginning), input);
    let read = read::first_pass(format.reading(), input, &manner.options, limits, sink)?;
    Ok(FileRead { format, read })
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
