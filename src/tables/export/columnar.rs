//! Parquet, and Arrow's stream: batches of typed columns, each of which leaves before the next but one is gathered.

use super::{
    background::{Background, Sink},
    columns::Columns,
    layout::{self, Extent, Layout},
};
use crate::{
    catalogue::Column,
    error::{Error, Result},
};
use arrow_array::RecordBatch;
use arrow_ipc::writer::StreamWriter;
use arrow_schema::Schema;
use parquet::{
    arrow::{ArrowSchemaConverter, ArrowWriter, arrow_writer::ArrowWriterOptions},
    basic::{Compression, LogicalType, ZstdLevel},
    file::properties::WriterProperties,
    schema::types::{SchemaDescriptor, Type},
};
use std::sync::Arc;

pub struct Columnar {
    columns: Columns,
    writer: Background<Writer>,
}

enum Writer {
    Parquet(Box<ArrowWriter<Sink>>),
    Arrow(Box<StreamWriter<Sink>>),
}

impl Columnar {
    /// Of columns whose values need so much.
    pub fn new(columns: &[Column], extents: &[Extent], parquet: bool) -> Result<Self> {
        let none = Extent::default();
        let extents = extents.iter().chain(std::iter::repeat(&none));
        let layouts: Vec<_> =
            columns.iter().zip(extents).map(|(column, extent)| Layout::of(column.column_type, extent)).collect();
        let schema = Arc::new(layout::schema(columns, &layouts));
        let writer = Background::new(|sink| {
            if !parquet {
                let writer = StreamWriter::try_new(sink, &schema).map_err(Error::internal)?;
                return Ok(Writer::Arrow(Box::new(writer)));
            }
            let options = ArrowWriterOptions::new()
                .with_properties(
                    WriterProperties::builder().set_compression(Compression::ZSTD(ZstdLevel::default())).build(),
                )
                .with_parquet_schema(parquet_schema(&schema, &layouts)?);
            let writer = ArrowWriter::try_new_with_options(sink, Arc::clone(&schema), options);
            Ok(Writer::Parquet(Box::new(writer.map_err(Error::internal)?)))
        })?;
        Ok(Self { columns: Columns::new(columns, &layouts, schema), writer })
    }

    pub fn row(&mut self, cells: &[Option<&[u8]>]) -> Result<()> {
        self.columns.row(cells)
    }

    pub fn is_full(&self) -> bool {
        self.columns.is_full()
    }

    /// Begins to write what has been gathered; what was written before goes to `out`.
    pub async fn drain(&mut self, out: &mut Vec<u8>) -> Result<()> {
        let batch = self.columns.take()?;
        self.writer.run(out, move |writer| writer.write(&batch)).await
    }

    pub async fn end(&mut self, out: &mut Vec<u8>) -> Result<()> {
        if !self.columns.is_empty() {
            self.drain(out).await?;
        }
        self.writer.run(out, Writer::end).await?;
        self.writer.finish(out).await
    }
}

impl Writer {
    /// A batch is a row group of its own, so that none is kept.
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        match self {
            Self::Parquet(writer) => writer.write(batch).and_then(|()| writer.flush()).map_err(Error::internal),
            Self::Arrow(writer) => writer.write(batch).map_err(Error::internal),
        }
    }

    fn end(&mut self) -> Result<()> {
        match self {
            Self::Parquet(writer) => writer.finish().map(drop).map_err(Error::internal),
            Self::Arrow(writer) => writer.finish().map_err(Error::internal),
        }
    }
}

/// The schema as Arrow's maps to it, and what Parquet itself calls a UUID or JSON.
fn parquet_schema(schema: &Schema, layouts: &[Layout]) -> Result<SchemaDescriptor> {
    let plain = ArrowSchemaConverter::new().convert(schema).map_err(Error::internal)?;
    let fields = plain.root_schema().get_fields().iter().zip(layouts).map(|(field, layout)| {
        let logical = match layout {
            Layout::Uuid => LogicalType::Uuid,
            Layout::Json => LogicalType::Json,
            _ => return Ok(Arc::clone(field)),
        };
        let mut builder = Type::primitive_type_builder(field.name(), field.get_physical_type())
            .with_repetition(field.get_basic_info().repetition())
            .with_logical_type(Some(logical));
        if *layout == Layout::Uuid {
            builder = builder.with_length(16);
        }
        builder.build().map(Arc::new).map_err(Error::internal)
    });
    let fields = fields.collect::<Result<Vec<_>>>()?;
    let root = Type::group_type_builder(plain.root_schema().name()).with_fields(fields).build();
    Ok(SchemaDescriptor::new(Arc::new(root.map_err(Error::internal)?)))
}
