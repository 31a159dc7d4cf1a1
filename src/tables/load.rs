//! From an upload to a loaded table, in one go: the raw bytes go to S3 while a blocking thread reads them and a COPY takes the rows.
//!
//! Channels between the three are bounded, so the slowest sets the pace and memory stays flat.

use super::{
    decompress::{Bounded, check_encoding, decompress, read_error},
    read::{self, Column, Layout, Options, RowSink, TableFormat},
    store::{LoadEvent, Tables},
};
use crate::{
    auth::Caller,
    catalogue::{Kind, NewTable, NewVersion, Outcome, Pending, Precondition, Replace, table_name},
    error::{Error, Result},
    objects::{Incoming, ObjectBytes},
};
use bytes::Bytes;
use futures::{Stream, StreamExt, TryStreamExt};
use serde_json::json;
use std::io::{self, Cursor, Read};
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
}

impl Tables {
    /// Stores the raw bytes, infers the types from all values, loads the rows, and publishes both as the table's new version.
    pub async fn put(&self, caller: &Caller, file: NewTableFile, mut incoming: Incoming) -> Result<Outcome> {
        table_name(&file.name)?;
        check_encoding(file.content_encoding.as_deref())?;
        self.catalogue
            .check_upload(caller, Kind::Table, &file.name, file.original_name.as_deref(), file.replace, &file.condition)
            .await?;
        let (object_id, table_id) = (Uuid::now_v7(), Uuid::now_v7());
        let lease = self
            .catalogue
            .lease(Pending { object_id: Some(object_id), table_id: Some(table_id), document: None })
            .await?;

        let (tee, teed) = channel::<Result<Bytes>>(CHUNKS_IN_FLIGHT_MAX);
        let encoding = file.content_encoding.clone();
        let mut reading = Some(self.read_first((lease.id, table_id), file.format, encoding.clone(), received(teed)));
        let mut first = None;
        let mut writer = self.objects.writer(object_id);
        while let Some(bytes) = incoming.next().await? {
            writer.write(&lease, bytes.clone()).await?;
            // The reader stops early when it finds a fault: no need to receive the rest.
            if tee.send(Ok(bytes)).await.is_err()
                && let Some(reading) = reading.take()
            {
                first = Some(reading.join().await?);
            }
        }
        drop(tee);
        let object = writer.finish(&lease).await?;
        let first = match (first, reading) {
            (Some(first), _) => first,
            (None, Some(reading)) => reading.join().await?,
            (None, None) => return Err(Error::internal("the reading of a table was awaited twice")),
        };
        if !first.loaded {
            let raw = self.objects.read(object_id, None).await?;
            self.read_again((lease.id, table_id), &first, encoding, raw).join().await?;
        }
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
    }

    /// Reads the bytes as they come, and loads them for as long as they fit the types of their beginning.
    fn read_first(
        &self,
        ids: (Uuid, Uuid),
        told: Option<TableFormat>,
        encoding: Option<String>,
        bytes: impl Stream<Item = Result<Bytes>> + Send + 'static,
    ) -> Reading<FirstPass> {
        let (events, received) = channel(CHUNKS_IN_FLIGHT_MAX);
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
        });
        Reading { reader: decoded, loader: loading }
    }

    /// Reads the raw upload once more, with the types that all its values have.
    fn read_again(
        &self,
        ids: (Uuid, Uuid),
        first: &FirstPass,
        encoding: Option<String>,
        raw: ObjectBytes,
    ) -> Reading<()> {
        let (events, received) = channel(CHUNKS_IN_FLIGHT_MAX);
        let (layout, columns, limits) = (first.layout.clone(), first.columns.clone(), self.limits);
        let loading = self.spawn_load(ids, received);
        let reader = self.spawn_reader(raw, encoding, move |input| {
            let mut sink = EventSink(events);
            sink.begin(&columns)?;
            read::second_pass(&layout, input, &columns, limits, &mut sink)?;
            sink.send(LoadEvent::End)
        });
        Reading { reader, loader: loading }
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
        encoding: Option<String>,
        read: impl FnOnce(Box<dyn Read + Send>) -> Result<T> + Send + 'static,
    ) -> JoinHandle<Result<T>> {
        let max = self.decompressed_bytes_max;
        tokio::spawn(async move {
            let raw = Box::pin(bytes.map_err(io::Error::other));
            let decoded = decompress(StreamReader::new(raw), encoding.as_deref()).await?;
            let input = Bounded::new(SyncIoBridge::new(decoded), max);
            tokio::task::spawn_blocking(move || read(Box::new(input))).await.map_err(Error::internal)?
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

struct EventSink(Sender<LoadEvent>);

impl EventSink {
    fn send(&self, event: LoadEvent) -> Result<()> {
        self.0.blocking_send(event).map_err(|_| Error::internal("the load ended before the file"))
    }
}

impl RowSink for EventSink {
    fn begin(&mut self, columns: &[Column]) -> Result<()> {
        self.send(LoadEvent::Begin(columns.iter().map(|column| column.column_type).collect()))
    }

    fn rows(&mut self, copy_text: Bytes) -> Result<()> {
        self.send(LoadEvent::Rows(copy_text))
    }

    fn misfit(&mut self) -> Result<()> {
        self.send(LoadEvent::Misfit)
    }
}

fn received(receiver: Receiver<Result<Bytes>>) -> impl Stream<Item = Result<Bytes>> {
    futures::stream::unfold(receiver, |mut receiver| async move { Some((receiver.recv().await?, receiver)) }).fuse()
}
