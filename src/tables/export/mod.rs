//! Rows on their way out, from the cells of a row, in Postgres' binary form, to the format that was asked for. Streams: one row in, some bytes out.
//!
//! `cell` reads a value, `numeric` its decimals, `text` spells it, `decimal` the doubles; `csv`, `json` and `html` write it at once. `columns` gathers values for `columnar` (Parquet and
//! Arrow, of the types that `layout` finds), `sheet` for `xlsx`; both pack on a thread in the `background`.

mod background;
mod cell;
mod columnar;
mod columns;
mod csv;
mod decimal;
mod html;
mod json;
mod layout;
mod numeric;
mod options;
mod sheet;
mod text;
mod xlsx;

pub use layout::Extent;
pub use options::ExportOptions;
pub use xlsx::XLSX_ROWS_MAX;

use crate::{
    catalogue::{Column, ColumnType},
    error::{Error, Result},
};
use cell::Value;
use columnar::Columnar;
use csv::Csv;
use html::Html;
use json::Json;
use xlsx::Xlsx;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowFormat {
    Csv,
    Tsv,
    Json,
    NdJson,
    Parquet,
    /// The stream of Arrow IPC.
    Arrow,
    Xlsx,
    Html,
}

impl RowFormat {
    pub const ALL: [Self; 8] =
        [Self::Csv, Self::Tsv, Self::Json, Self::NdJson, Self::Parquet, Self::Arrow, Self::Xlsx, Self::Html];

    pub fn from_extension(extension: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|format| format.extension() == extension);
        found.or((extension == "jsonl").then_some(Self::NdJson)).ok_or_else(|| {
            let names: Vec<_> = Self::ALL.iter().map(|format| format!("`.{}`", format.extension())).collect();
            Error::NotAcceptable { detail: format!("rows come as {}, not as `.{extension}`.", names.join(", ")) }
        })
    }

    pub fn content_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8; header=present",
            Self::Tsv => "text/tab-separated-values; charset=utf-8",
            Self::Html => "text/html; charset=utf-8",
            Self::Json | Self::NdJson | Self::Parquet | Self::Arrow | Self::Xlsx => {
                self.media_types().first().copied().unwrap_or_default()
            }
        }
    }

    /// The names under which a client may ask for it.
    pub fn media_types(self) -> &'static [&'static str] {
        match self {
            Self::Csv => &["text/csv"],
            Self::Tsv => &["text/tab-separated-values"],
            Self::Json => &["application/json"],
            Self::NdJson => &["application/x-ndjson", "application/ndjson", "application/jsonl"],
            Self::Parquet => &["application/vnd.apache.parquet"],
            Self::Arrow => &["application/vnd.apache.arrow.stream"],
            Self::Xlsx => &["application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"],
            Self::Html => &["text/html"],
        }
    }

    pub fn extension(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Tsv => "tsv",
            Self::Json => "json",
            Self::NdJson => "ndjson",
            Self::Parquet => "parquet",
            Self::Arrow => "arrow",
            Self::Xlsx => "xlsx",
            Self::Html => "html",
        }
    }
}

/// What the bytes of an answer are made of.
#[derive(Debug, Clone)]
pub struct Export {
    pub format: RowFormat,
    pub options: ExportOptions,
    /// Of a page or a sheet.
    pub title: String,
    pub columns: Vec<Column>,
}

impl Export {
    /// Whether the encoder wants to know beforehand what the values need.
    pub fn is_typed(&self) -> bool {
        matches!(self.format, RowFormat::Parquet | RowFormat::Arrow)
    }
}

/// A cell as Postgres prints it, so that it reads it back as the same value.
pub fn printed(column_type: ColumnType, cell: &[u8]) -> Result<String> {
    let mut out = Vec::new();
    text::value(Value::read(column_type, cell)?, text::POSTGRES, &mut out)?;
    String::from_utf8(out).map_err(Error::internal)
}

/// Turns the rows of one answer into its bytes.
pub enum RowEncoder {
    Csv(Csv),
    Json(Json),
    Html(Html),
    Columnar(Box<Columnar>),
    Xlsx(Box<Xlsx>),
}

impl RowEncoder {
    /// `extents` has one for each column if the export is typed.
    pub fn new(export: &Export, extents: &[Extent]) -> Result<Self> {
        let Export { format, options, title, columns } = export;
        Ok(match format {
            RowFormat::Csv => Self::Csv(Csv::new(columns, b',', *options)),
            RowFormat::Tsv => Self::Csv(Csv::new(columns, b'\t', *options)),
            RowFormat::Json | RowFormat::NdJson => {
                Self::Json(Json::new(columns, *format == RowFormat::Json, options.bigint_strings)?)
            }
            RowFormat::Parquet | RowFormat::Arrow => {
                Self::Columnar(Box::new(Columnar::new(columns, extents, *format == RowFormat::Parquet)?))
            }
            RowFormat::Xlsx => Self::Xlsx(Box::new(Xlsx::new(columns, title)?)),
            RowFormat::Html => Self::Html(Html::new(columns, title)),
        })
    }

    /// Appends what stands before the first row.
    pub fn begin(&mut self, out: &mut Vec<u8>) {
        match self {
            Self::Csv(csv) => csv.begin(out),
            Self::Json(json) => json.begin(out),
            Self::Html(html) => html.begin(out),
            // It comes with the first batch.
            Self::Columnar(_) | Self::Xlsx(_) => {}
        }
    }

    /// Takes a row: one cell for each column, `None` for NULL.
    ///
    /// # Errors
    /// `DoesNotFit` if the format cannot hold it.
    pub fn row(&mut self, cells: &[Option<&[u8]>], out: &mut Vec<u8>) -> Result<()> {
        match self {
            Self::Csv(csv) => csv.row(cells, out),
            Self::Json(json) => json.row(cells, out),
            Self::Html(html) => html.row(cells, out),
            Self::Columnar(columnar) => columnar.row(cells),
            Self::Xlsx(xlsx) => xlsx.row(cells),
        }
    }

    /// Whether so many rows are gathered that they must be drained before the next.
    pub fn is_full(&self) -> bool {
        match self {
            Self::Csv(_) | Self::Json(_) | Self::Html(_) => false,
            Self::Columnar(columnar) => columnar.is_full(),
            Self::Xlsx(xlsx) => xlsx.is_full(),
        }
    }

    pub async fn drain(&mut self, out: &mut Vec<u8>) -> Result<()> {
        match self {
            Self::Csv(_) | Self::Json(_) | Self::Html(_) => Ok(()),
            Self::Columnar(columnar) => columnar.drain(out).await,
            Self::Xlsx(xlsx) => xlsx.drain(out).await,
        }
    }

    /// Appends what is still to come, behind the last row.
    pub async fn end(&mut self, out: &mut Vec<u8>) -> Result<()> {
        match self {
            Self::Csv(_) => {}
            Self::Json(json) => json.end(out),
            Self::Html(_) => Html::end(out),
            Self::Columnar(columnar) => columnar.end(out).await?,
            Self::Xlsx(xlsx) => xlsx.end(out).await?,
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Export, ExportOptions, RowEncoder, RowFormat};
    use crate::catalogue::{Column, ColumnType};

    #[test]
    fn cells_become_json_and_csv_of_their_types() {
        use ColumnType::{Bigint, Boolean, Double, Json, Numeric, Text, Timestamptz};
        let columns: Vec<_> = [Bigint, Boolean, Double, Json, Text, Timestamptz, Numeric]
            .into_iter()
            .zip(["n\"", "b", "d", "j", "t", "z", "x"])
            .map(|(column_type, name)| Column::new(name, column_type))
            .collect();
        let (number, nan) = ((-7_i64).to_be_bytes(), f64::NAN.to_be_bytes());
        let (instant, decimal) = (500_000_i64.to_be_bytes(), [0, 1, 255, 255, 64, 0, 0, 3, 19, 136]);
        let cells: [Option<&[u8]>; 7] = [
            Some(&number),
            Some(&[1]),
            Some(&nan),
            Some(b"{\"a\":\n1}"),
            Some(b"a,\"b\""),
            Some(&instant),
            Some(&decimal),
        ];
        let written = |format| {
            let (title, options, columns) = (String::new(), ExportOptions::default(), columns.clone());
            let mut encoder = RowEncoder::new(&Export { format, options, title, columns }, &[]).unwrap();
            let mut out = Vec::new();
            encoder.row(&cells, &mut out).unwrap();
            encoder.row(&[None; 7], &mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        assert_eq!(
            written(RowFormat::NdJson),
            "{\"n\\\"\":-7,\"b\":true,\"d\":null,\"j\":{\"a\": 1},\"t\":\"a,\\\"b\\\"\",\"z\":\"2000-01-01T00:00:00.5+00:00\",\"x\":-0.500}\n\
             {\"n\\\"\":null,\"b\":null,\"d\":null,\"j\":null,\"t\":null,\"z\":null,\"x\":null}\n"
        );
        assert_eq!(
            written(RowFormat::Csv),
            "-7,true,NaN,\"{\"\"a\"\":\n1}\",\"a,\"\"b\"\"\",2000-01-01 00:00:00.5+00,-0.500\n,,,,,,\n"
        );
    }
}
