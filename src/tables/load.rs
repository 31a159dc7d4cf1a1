//! From an upload to a loaded table, in one go: the raw bytes go to S3 while a blocking thread reads them and a COPY takes the rows.
//!
//! Channels between the three are bounded, so the slowest sets the pace and memory stays flat.

use super::{
    decompress::{Bounded, check_encoding, decompress, read_error},
    read::{self, Column, Dialect, Format, RowSink, TableFormat},
    store::{LoadEvent, Tables},
};
use crate::{
    auth::Caller,
    catalogue::{Kind, Lease, NewTable, NewVersion, Outcome, Pending, Precondition, Replace, table_name},
    error::{Error, Result},
    objects::{Incoming, ObjectBytes, Stored},
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
pub(super) const CHUNKS_IN_FLIGHT_MAX: usize = 4;
/// How much of a file its format is told from, if nobody says it.
pub(super) const SNIFF_BYTES: u64 = 4096;

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
    /// Columns that make each row unique and are never missing; none at all drops the key there is, and `None` keeps it.
    pub key: Option<Vec<String>>,
    pub replace: Replace,
    pub condition: Precondition,
}

impl TableFormat {
    pub(super) fn reading(self) -> Format {
        match self {
            Self::Tsv => Format::Delimited(Dialect::TSV),
            Self::Ndjson => Format::NdJson,
            Self::Json => Format::JsonArray,
            _ => Format::Delimited(Dialect::CSV),
        }
    }

    /// From the first bytes of the (decompressed) file: JSON by its bracket, else a delimiter that stands in the first line.
    pub(super) fn sniff(beginning: &[u8]) -> Self {
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

/// What reading a file once has found.
struct FirstPass {
    format: TableFormat,
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
        let reading = self.read_first((lease.id, table_id), file.format, encoding.clone(), received(teed));
        let (object, first) = self.receive(&lease, object_id, &mut incoming, tee, reading).await?;
        if !first.loaded {
            let raw = self.objects.read(object_id, None).await?;
            self.read_again((lease.id, table_id), &first, encoding.clone(), raw).join().await?;
        }
        let mut ingest = json!({ "format": first.format, "encoding": "utf-8", "warnings": [] });
        let source = Source { object_id, format: first.format, encoding };
        let indexes = self.index_anew(&file.name, file.key, &source, (table_id, &first.columns), &mut ingest).await?;
        let mut options = file.format.map_or_else(|| json!({}), |format| json!({ "format": format }));
        if let Some(key) = indexes.built.iter().find(|index| index.key) {
            options["key"] = json!(key.columns);
        }
        let version = NewVersion {
            kind: Kind::Table,
            title: file.title.unwrap_or_else(|| file.name.clone()),
            name: file.name,
            original_name: file.original_name,
            object,
            content_type: file.content_type.unwrap_or_else(|| first.format.content_type().to_owned()),
            content_encoding: file.content_encoding,
            table: Some(NewTable { id: table_id, columns: first.columns, row_count: first.row_count, ingest, indexes }),
            options,
        };
        self.catalogue.publish(caller, lease, &version, file.replace, &file.condition).await
    }

    /// Gives each chunk to the bucket and, through `tee`, to the reader; what was stored, and what was read.
    pub(super) async fn receive<T>(
        &self,
        lease: &Lease,
        object_id: Uuid,
        incoming: &mut Incoming,
        tee: Sender<Result<Bytes>>,
        reading: Reading<T>,
    ) -> Result<(Stored, T)> {
        let (mut reading, mut read) = (Some(reading), None);
        let mut writer = self.objects.writer(object_id);
        while let Some(bytes) = incoming.next().await? {
            writer.write(lease, bytes.clone()).await?;
            // The reader stops early when it finds a fault: no need to receive the rest.
            if tee.send(Ok(bytes)).await.is_err()
                && let Some(reading) = reading.take()
            {
                read = Some(reading.join().await?);
            }
        }
        drop(tee);
        let object = writer.finish(lease).await?;
        match (read, reading) {
            (Some(read), _) => Ok((object, read)),
            (None, Some(reading)) => Ok((object, reading.join().await?)),
            (None, None) => Err(Error::internal("the reading of a table was awaited twice")),
        }
    }

    /// The lines of rows of a file that is stored; rows count from 1 and ascend.
    pub(super) async fn lines_of(&self, source: &Source, rows: Vec<u64>) -> Result<Vec<u64>> {
        let (format, limits) = (source.format, self.limits);
        let raw = self.objects.read(source.object_id, None).await?;
        let reader = self.spawn_reader(raw, source.encoding.clone(), move |input| {
            read::lines_of(format.reading(), input, limits, &rows)
        });
        reader.await.map_err(Error::internal)?
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
            input.by_ref().take(SNIFF_BYTES).read_to_end(&mut beginning).map_err(read_error)?;
            let format = told.unwrap_or_else(|| TableFormat::sniff(&beginning));
            let mut sink = EventSink(events);
            let read =
                read::first_pass(format.reading(), Read::chain(Cursor::new(beginning), input), limits, &mut sink)?;
            if read.fits {
                sink.send(LoadEvent::End)?;
            }
            Ok(FirstPass { format, columns: read.columns, row_count: read.rows, loaded: read.fits })
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
        let (format, columns, limits) = (first.format, first.columns.clone(), self.limits);
        let loading = self.spawn_load(ids, received);
        let reader = self.spawn_reader(raw, encoding, move |input| {
            let mut sink = EventSink(events);
            sink.begin(&columns)?;
            read::second_pass(format.reading(), input, &columns, limits, &mut sink)?;
            sink.send(LoadEvent::End)
        });
        Reading { reader, loader: loading }
    }

    /// `lease` names `table` until the load commits; a load that nobody waits for any more is given up.
    pub(super) fn spawn_load(
        &self,
        (lease, table): (Uuid, Uuid),
        events: Receiver<LoadEvent>,
    ) -> AbortOnDropHandle<Result<()>> {
        let tables = self.clone();
        AbortOnDropHandle::new(tokio::spawn(async move { tables.load(lease, table, events).await }))
    }

    /// Runs `read` on a blocking thread over the decompressed bytes.
    pub(super) fn spawn_reader<T: Send + 'static>(
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

/// A file that is stored, and how it is read.
#[derive(Debug, Clone)]
pub(super) struct Source {
    pub object_id: Uuid,
    pub format: TableFormat,
    pub encoding: Option<String>,
}

/// The two tasks of one pass.
pub(super) struct Reading<T> {
    pub reader: JoinHandle<Result<T>>,
    pub loader: AbortOnDropHandle<Result<()>>,
}

impl<T> Reading<T> {
    /// What was read, once it is loaded. The loader's failure explains the reader's, who only finds that nobody listens.
    pub(super) async fn join(self) -> Result<T> {
        let read = self.reader.await.map_err(Error::internal)?;
        let loaded = self.loader.await.map_err(Error::internal)?;
        match (read, loaded) {
            (Err(Error::Internal(_)) | Ok(_), Err(error)) => Err(error),
            (read, _) => read,
        }
    }
}

pub(super) struct EventSink(pub Sender<LoadEvent>);

impl EventSink {
    pub(super) fn send(&self, event: LoadEvent) -> Result<()> {
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

pub(super) fn received(receiver: Receiver<Result<Bytes>>) -> impl Stream<Item = Result<Bytes>> {
    futures::stream::unfold(receiver, |mut receiver| async move { Some((receiver.recv().await?, receiver)) }).fuse()
}
