//! What a file is, told from its beginning, from what the caller told and from a hint.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::detect;
use super::dialect::Dialect;
use super::options::{Delimiter, Options};
use super::{ReadLimits, TableFormat};
use crate::error::Result;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Everything that is decided before reading begins: whoever reads the same bytes with the same layout gets the same rows.
#[derive(Debug, Clone)]
pub enum Layout {
    /// Lines of fields.
    Delimited(Arc<Dialect>),
    /// One JSON object a line.
    NdJson,
    /// One JSON array of objects.
    JsonArray,
}

impl Layout {
    /// How much of a file [`detect`](Self::detect) makes use of.
    pub const BEGINNING_BYTES: usize = 1 << 20;

    /// Tells a file from its first bytes, UTF-8, up to [`BEGINNING_BYTES`](Self::BEGINNING_BYTES); `whole`: there are no more. What `options` tell is law; `hint`,
    /// from a name or a content type, decides between JSON and lines, and otherwise where the file itself leaves it open.
    ///
    /// # Errors
    /// `Malformed` if there is nothing to read, or no header within the beginning; `Limit` for too many columns; with `strict`, any repair of the header.
    pub fn detect(
        beginning: &[u8],
        whole: bool,
        options: &Options,
        hint: Option<TableFormat>,
        limits: ReadLimits,
    ) -> Result<Self> {
        let beginning = beginning.strip_prefix(BYTE_ORDER_MARK).unwrap_or(beginning);
        let first = beginning.trim_ascii_start().first();
        let is_array = first == Some(&b'[');
        match (options.format, hint, first) {
            (Some(TableFormat::Ndjson), ..) => Ok(Self::NdJson),
            (Some(TableFormat::Json), ..) => Ok(Self::JsonArray),
            (None, Some(TableFormat::Json | TableFormat::Ndjson), _) | (None, None, Some(b'[' | b'{')) => {
                Ok(if is_array { Self::JsonArray } else { Self::NdJson })
            }
            (told, hint, _) => {
                let dialect = detect::dialect(beginning, whole, options, told.or(hint), limits)?;
                Ok(Self::Delimited(Arc::new(dialect)))
            }
        }
    }

    /// Between the fields of a delimited file that has several.
    pub fn delimiter(&self) -> Option<Delimiter> {
        match self {
            Self::Delimited(dialect) => dialect.syntax.delimiter,
            Self::NdJson | Self::JsonArray => None,
        }
    }

    pub fn format(&self) -> TableFormat {
        match self {
            Self::Delimited(dialect) if dialect.syntax.delimiter == Some(Delimiter::Byte(b'\t')) => TableFormat::Tsv,
            Self::Delimited(_) => TableFormat::Csv,
            Self::NdJson => TableFormat::Ndjson,
            Self::JsonArray => TableFormat::Json,
        }
    }

    /// What was assumed: `delimiter`, `quote`, `escape` and `comment` as a caller would tell them, `header_rows`, and `skipped`, the lines before the header.
    /// Null is what there is none of.
    pub fn describe(&self) -> Map<String, Value> {
        match self {
            Self::Delimited(dialect) => dialect.describe(),
            Self::NdJson | Self::JsonArray => ["delimiter", "quote", "escape", "comment", "header_rows", "skipped"]
                .into_iter()
                .map(|name| (name.to_owned(), json!(null)))
                .collect(),
        }
    }
}
