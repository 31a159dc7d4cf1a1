//! Rows on their way out, from the cells of a row, in Postgres' binary form, to the format that was asked for. Streams: one row in, some bytes out.

mod cell;
mod csv;
mod json;

use crate::{
    catalogue::Column,
    error::{Error, Result},
};
use csv::Csv;
use json::Json;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowFormat {
    Csv,
    Json,
    NdJson,
}

impl RowFormat {
    pub const ALL: [Self; 3] = [Self::Csv, Self::Json, Self::NdJson];

    pub fn from_extension(extension: &str) -> Result<Self> {
        match extension {
            "csv" => Ok(Self::Csv),
            "json" => Ok(Self::Json),
            "ndjson" | "jsonl" => Ok(Self::NdJson),
            _ => Err(Error::NotAcceptable {
                detail: format!("rows come as `.csv`, `.json` or `.ndjson`, not as `.{extension}`."),
            }),
        }
    }

    pub fn content_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8; header=present",
            Self::Json => "application/json",
            Self::NdJson => "application/x-ndjson",
        }
    }

    /// The names under which a client may ask for it.
    pub fn media_types(self) -> &'static [&'static str] {
        match self {
            Self::Csv => &["text/csv"],
            Self::Json => &["application/json"],
            Self::NdJson => &["application/x-ndjson", "application/ndjson", "application/jsonl"],
        }
    }

    pub fn extension(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Json => "json",
            Self::NdJson => "ndjson",
        }
    }
}

/// Turns the rows of one answer into its bytes.
pub enum RowEncoder {
    Csv(Csv),
    Json(Json),
}

impl RowEncoder {
    pub fn new(format: RowFormat, columns: &[Column]) -> Result<Self> {
        Ok(match format {
            RowFormat::Csv => Self::Csv(Csv::new(columns)),
            RowFormat::Json => Self::Json(Json::new(columns, true)?),
            RowFormat::NdJson => Self::Json(Json::new(columns, false)?),
        })
    }

    /// Appends what stands before the first row.
    pub fn begin(&mut self, out: &mut Vec<u8>) {
        match self {
            Self::Csv(csv) => csv.begin(out),
            Self::Json(json) => json.begin(out),
        }
    }

    /// Appends a row: one cell for each column, `None` for NULL.
    pub fn row(&mut self, cells: &[Option<&[u8]>], out: &mut Vec<u8>) -> Result<()> {
        match self {
            Self::Csv(csv) => csv.row(cells, out),
            Self::Json(json) => json.row(cells, out),
        }
    }

    /// Appends what stands behind the last row.
    pub fn end(&mut self, out: &mut Vec<u8>) {
        match self {
            Self::Csv(_) => {}
            Self::Json(json) => json.end(out),
        }
    }
}
