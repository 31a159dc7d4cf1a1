//! The formats that tables are read from.

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TableFormat {
    /// And every relative: what delimits the fields is told by the file.
    Csv,
    Tsv,
    Ndjson,
    /// One array of objects.
    Json,
    Parquet,
    /// IPC, as a file (Feather) or as a stream.
    Arrow,
    Xlsx,
    Xls,
    Ods,
}

impl TableFormat {
    const ALL: [Self; 9] =
        [Self::Csv, Self::Tsv, Self::Ndjson, Self::Json, Self::Parquet, Self::Arrow, Self::Xlsx, Self::Xls, Self::Ods];

    pub fn name(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Tsv => "tsv",
            Self::Ndjson => "ndjson",
            Self::Json => "json",
            Self::Parquet => "parquet",
            Self::Arrow => "arrow",
            Self::Xlsx => "xlsx",
            Self::Xls => "xls",
            Self::Ods => "ods",
        }
    }

    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.name() == name)
    }

    /// By the ending of a file's name, in lower case and without its dot.
    pub fn of_extension(extension: &str) -> Option<Self> {
        match extension {
            "tab" => Some(Self::Tsv),
            "jsonl" => Some(Self::Ndjson),
            "arrows" | "feather" => Some(Self::Arrow),
            "pq" => Some(Self::Parquet),
            // A JSON file may as well be a document.
            "json" => None,
            name => Self::named(name),
        }
    }

    /// `application/json` may be an array or lines: that is told from the content.
    pub fn of_content_type(content_type: &str) -> Option<Self> {
        match content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
            "text/csv" | "application/csv" => Some(Self::Csv),
            "text/tab-separated-values" => Some(Self::Tsv),
            "application/x-ndjson" | "application/ndjson" | "application/jsonl" | "application/x-jsonlines" => {
                Some(Self::Ndjson)
            }
            "application/vnd.apache.parquet" => Some(Self::Parquet),
            "application/vnd.apache.arrow.file" | "application/vnd.apache.arrow.stream" => Some(Self::Arrow),
            "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet" => Some(Self::Xlsx),
            "application/vnd.ms-excel" => Some(Self::Xls),
            "application/vnd.oasis.opendocument.spreadsheet" => Some(Self::Ods),
            _ => None,
        }
    }

    pub fn content_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv",
            Self::Tsv => "text/tab-separated-values",
            Self::Ndjson => "application/x-ndjson",
            Self::Json => "application/json",
            Self::Parquet => "application/vnd.apache.parquet",
            Self::Arrow => "application/vnd.apache.arrow.file",
            Self::Xlsx => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            Self::Xls => "application/vnd.ms-excel",
            Self::Ods => "application/vnd.oasis.opendocument.spreadsheet",
        }
    }
}
