//! Arrow IPC, as a file (Feather) or as a stream, as record batches.
//!
//! The library decodes the messages; they are fetched here, since it reserves whatever memory a message claims to need.
//!
//! Source: "Serialization and Interprocess Communication (IPC)" of the Arrow columnar format.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::Arc;
use std::vec;

use arrow_array::RecordBatch;
use arrow_ipc::convert::try_fb_to_schema;
use arrow_ipc::reader::FileDecoder;
use arrow_ipc::{Block, Endianness, Message, MessageHeader, MetadataVersion, root_as_footer, root_as_message};
use arrow_schema::{Fields, SchemaRef};

use super::malformed;
use crate::error::{Error, Malformed, Result};

const MAGIC: &[u8; 6] = b"ARROW1";
const MAGIC_FEATHER_1: &[u8; 4] = b"FEA1";
/// The footer's length and the magic number at the end of a file.
const TAIL_BYTES: usize = 10;
const CONTINUATION: [u8; 4] = [0xff; 4];
const METADATA_BYTES_MAX: u64 = 64 << 20;
/// A batch is in memory as a whole; so are all dictionaries together.
const BATCH_BYTES_MAX: u64 = 256 << 20;
/// Before each buffer of a compressed batch: its length when it is not.
const LENGTH_BYTES: usize = 8;

pub(super) struct Source {
    input: Input,
    decoder: FileDecoder,
    schema: SchemaRef,
    dictionary_bytes: u64,
}

enum Input {
    File { file: File, length: u64, blocks: vec::IntoIter<Block> },
    Stream(Box<dyn Read + Send>),
}

/// A message with its prefix and its body, and where the body begins.
struct Whole {
    bytes: Vec<u8>,
    body: usize,
}

impl Source {
    pub fn file(mut file: File) -> Result<Self> {
        let length = file.seek(SeekFrom::End(0)).map_err(Error::internal)?;
        let footer = footer_bytes(&mut file, length)?;
        let footer = root_as_footer(&footer).map_err(broken)?;
        let schema = schema(footer.schema())?;
        let batches: Vec<Block> = footer.recordBatches().iter().flatten().copied().collect();
        let decoder = FileDecoder::new(schema.clone(), footer.version());
        let input = Input::File { file, length, blocks: batches.into_iter() };
        let mut source = Self { input, decoder, schema, dictionary_bytes: 0 };
        for block in footer.dictionaries().iter().flatten() {
            let message = source.block(block)?;
            source.dictionary(message)?;
        }
        Ok(source)
    }

    pub fn stream(mut input: Box<dyn Read + Send>) -> Result<Self> {
        let missing = || malformed("The Arrow stream does not begin with a schema.");
        let message = next_message(&mut input)?.ok_or_else(missing)?;
        let header = message.header()?;
        let schema = schema(header.header_as_schema())?;
        let decoder = FileDecoder::new(schema.clone(), header.version());
        Ok(Self { input: Input::Stream(input), decoder, schema, dictionary_bytes: 0 })
    }

    pub fn fields(&self) -> &Fields {
        self.schema.fields()
    }

    pub fn next(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            let message = match &mut self.input {
                Input::Stream(input) => next_message(input)?,
                Input::File { blocks, .. } => match blocks.next() {
                    Some(block) => Some(self.block(&block)?),
                    None => None,
                },
            };
            let Some(message) = message else { return Ok(None) };
            match message.header()?.header_type() {
                MessageHeader::DictionaryBatch => self.dictionary(message)?,
                MessageHeader::RecordBatch => {
                    message.check()?;
                    let block = message.place()?;
                    let batch = self.decoder.read_record_batch(&block, &message.bytes.into()).map_err(broken)?;
                    return Ok(batch);
                }
                _ => return Err(malformed("The Arrow file holds a message that is no part of a table.")),
            }
        }
    }

    /// The message that stands in a file where its footer says.
    fn block(&mut self, block: &Block) -> Result<Whole> {
        let Input::File { file, length, .. } = &mut self.input else {
            return Err(malformed("An Arrow stream has no blocks."));
        };
        let beyond = || malformed("The footer of the Arrow file names a place beyond its end; it may be cut off.");
        let start = u64::try_from(block.offset()).map_err(|_| beyond())?;
        if start > *length {
            return Err(beyond());
        }
        file.seek(SeekFrom::Start(start)).map_err(Error::internal)?;
        // The message says its own lengths, so the footer's need not be believed.
        next_message(file)?.ok_or_else(beyond)
    }

    /// Keeps a dictionary for the batches that follow.
    fn dictionary(&mut self, message: Whole) -> Result<()> {
        self.dictionary_bytes = self.dictionary_bytes.saturating_add(message.check()?);
        if self.dictionary_bytes > BATCH_BYTES_MAX {
            return Err(too_large("The dictionaries of the Arrow file together are"));
        }
        let block = message.place()?;
        self.decoder.read_dictionary(&block, &message.bytes.into()).map_err(broken)
    }
}

impl Whole {
    fn header(&self) -> Result<Message<'_>> {
        let prefix = prefix_bytes(&self.bytes);
        root_as_message(self.bytes.get(prefix..self.body).unwrap_or_default()).map_err(broken)
    }

    fn place(&self) -> Result<Block> {
        let metadata_bytes = i32::try_from(self.body).map_err(Error::internal)?;
        Ok(Block::new(0, metadata_bytes, (self.bytes.len() - self.body) as i64))
    }

    /// How many bytes a batch takes when it is not compressed.
    ///
    /// # Errors
    /// If it is too large, or its buffers lie outside it.
    fn check(&self) -> Result<u64> {
        let header = self.header()?;
        let batch = match header.header_type() {
            MessageHeader::DictionaryBatch => header.header_as_dictionary_batch().and_then(|batch| batch.data()),
            _ => header.header_as_record_batch(),
        };
        let batch = batch.ok_or_else(|| malformed("A batch of the Arrow file has no content."))?;
        let body = self.bytes.get(self.body..).unwrap_or_default();
        let is_compressed = batch.compression().is_some();
        let mut bytes = 0_u64;
        for buffer in batch.buffers().iter().flatten() {
            let place = usize::try_from(buffer.offset()).ok().zip(usize::try_from(buffer.length()).ok());
            let found = place.and_then(|(start, length)| body.get(start..)?.get(..length));
            let found = found.ok_or_else(|| malformed("A batch of the Arrow file is shorter than its columns."))?;
            let prefix = found.first_chunk::<LENGTH_BYTES>().filter(|_| is_compressed);
            let length = prefix.map_or(-1, |length| i64::from_le_bytes(*length));
            // Minus one says that this buffer is not compressed after all.
            bytes = bytes.saturating_add(u64::try_from(length).unwrap_or(found.len() as u64));
        }
        match bytes > BATCH_BYTES_MAX {
            true => Err(too_large("A record batch of the Arrow file is")),
            false => Ok(bytes),
        }
    }
}

/// The footer between the magic numbers of a file.
fn footer_bytes(file: &mut File, length: u64) -> Result<Vec<u8>> {
    let mut start = [0; MAGIC.len()];
    let mut tail = [0; TAIL_BYTES];
    let Some(end) = length.checked_sub(TAIL_BYTES as u64) else {
        return Err(malformed("The file is too short to be an Arrow file."));
    };
    file.seek(SeekFrom::Start(0)).and_then(|_| file.read_exact(&mut start)).map_err(Error::internal)?;
    if start.starts_with(MAGIC_FEATHER_1) {
        let hint = Some("Write it again with a current version of its program, as Feather version 2.".to_owned());
        let detail = "This is Feather version 1, which is no Arrow file.".to_owned();
        return Err(Malformed { detail, hint, ..Malformed::default() }.into());
    }
    if start != *MAGIC {
        return Err(malformed("The file does not begin as an Arrow file does, with `ARROW1`."));
    }
    file.seek(SeekFrom::Start(end)).and_then(|_| file.read_exact(&mut tail)).map_err(Error::internal)?;
    let [l0, l1, l2, l3, magic @ ..] = tail;
    if magic != *MAGIC {
        return Err(malformed("The file does not end as an Arrow file does, with `ARROW1`; it may be cut off."));
    }
    let footer_bytes = u64::from(u32::from_le_bytes([l0, l1, l2, l3]));
    let Some(start) = end.checked_sub(footer_bytes).filter(|_| footer_bytes <= METADATA_BYTES_MAX) else {
        return Err(malformed("The footer of the Arrow file claims a length that it cannot have."));
    };
    let mut footer = Vec::new();
    file.seek(SeekFrom::Start(start)).map_err(Error::internal)?;
    file.take(footer_bytes).read_to_end(&mut footer).map_err(Error::internal)?;
    Ok(footer)
}

fn schema(schema: Option<arrow_ipc::Schema<'_>>) -> Result<SchemaRef> {
    let schema = schema.ok_or_else(|| malformed("The Arrow file has no schema."))?;
    if schema.endianness() != Endianness::Little {
        return Err(malformed("The Arrow file is written in big-endian order, which is not read here."));
    }
    try_fb_to_schema(schema).map(Arc::new).map_err(broken)
}

/// The next message; `None` at the end of the stream, said or not. Memory is taken as the bytes come.
fn next_message(input: &mut impl Read) -> Result<Option<Whole>> {
    let mut bytes = Vec::new();
    take(input, 4, &mut bytes)?;
    if bytes.is_empty() {
        return Ok(None);
    }
    if bytes == CONTINUATION {
        take(input, 4, &mut bytes)?;
    }
    let prefix = prefix_bytes(&bytes);
    let length = bytes.last_chunk::<4>().filter(|_| bytes.len() == prefix).ok_or_else(cut_off)?;
    let length = u64::from(u32::from_le_bytes(*length));
    if length == 0 {
        return Ok(None);
    }
    if length > METADATA_BYTES_MAX {
        return Err(malformed("This is no Arrow stream, or a message of it is broken: its length is absurd."));
    }
    take(input, length, &mut bytes)?;
    let body = prefix + usize::try_from(length).map_err(Error::internal)?;
    let metadata = bytes.get(prefix..body).ok_or_else(cut_off)?;
    let message = root_as_message(metadata).map_err(broken)?;
    if message.version() < MetadataVersion::V4 {
        return Err(malformed("The Arrow file is of a version before 1.0 that is not read here."));
    }
    let body_bytes = u64::try_from(message.bodyLength()).map_err(|_| cut_off())?;
    if body_bytes > BATCH_BYTES_MAX {
        return Err(too_large("A record batch of the Arrow file is"));
    }
    take(input, body_bytes, &mut bytes)?;
    if bytes.len() as u64 != body as u64 + body_bytes {
        return Err(cut_off());
    }
    Ok(Some(Whole { bytes, body }))
}

/// Appends so many bytes, or fewer at the end of the input.
fn take(input: &mut impl Read, count: u64, bytes: &mut Vec<u8>) -> Result<()> {
    let failed = |error: io::Error| error.downcast::<Error>().unwrap_or_else(Error::internal);
    input.by_ref().take(count).read_to_end(bytes).map(|_| ()).map_err(failed)
}

/// Newer messages have a mark before their length.
fn prefix_bytes(bytes: &[u8]) -> usize {
    if bytes.starts_with(&CONTINUATION) { 8 } else { 4 }
}

fn broken(error: impl std::fmt::Display) -> Error {
    malformed(format!("The Arrow file is broken: {error}."))
}

fn cut_off() -> Error {
    malformed("The Arrow file breaks off in the middle of a message.")
}

fn too_large(what: &str) -> Error {
    let detail = format!("{what} larger than {BATCH_BYTES_MAX} bytes.");
    let hint = Some("Write it in record batches of fewer rows, or as Parquet.".to_owned());
    Malformed { detail, hint, ..Malformed::default() }.into()
}
