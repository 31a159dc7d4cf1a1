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

#[cfg(test)]
mod tests {
    use super::{RowEncoder, RowFormat};
    use crate::catalogue::{Column, ColumnType};

    #[test]
    fn cells_become_json_and_csv_of_their_types() {
        use ColumnType::{Bigint, Boolean, Double, Json, Numeric, Text, Timestamptz};
        let columns: Vec<_> = [Bigint, Boolean, Double, Json, Text, Timestamptz, Numeric]
            .into_iter()
            .zip(["n\"", "b", "d", "j", "t", "z", "x"])
            .map(|(column_type, name)| Column { name: name.to_owned(), column_type })
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
            let mut encoder = RowEncoder::new(format, &columns).unwrap();
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
