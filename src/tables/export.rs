//! Rows on their way out, from COPY's bytes to the format that was asked for. Streams: one COPY message in, some bytes out.

use super::sql::CopyFormat;
use crate::{
    catalogue::{Column, ColumnType},
    error::{Error, Result},
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowFormat {
    Csv,
    Json,
    NdJson,
}

impl RowFormat {
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

    pub fn copy_format(self) -> CopyFormat {
        match self {
            Self::Csv => CopyFormat::Csv,
            Self::Json | Self::NdJson => CopyFormat::Text,
        }
    }
}

/// Turns the bytes of one COPY into the bytes of one answer.
pub struct RowEncoder {
    format: RowFormat,
    /// Per column: `"name":` as JSON, and how its text becomes JSON.
    fields: Vec<(Vec<u8>, ColumnType)>,
    /// A row whose end has not come yet.
    part: Vec<u8>,
    rows: u64,
}

impl RowEncoder {
    pub fn new(format: RowFormat, columns: &[&Column]) -> Result<Self> {
        let fields = columns.iter().map(|column| {
            let mut name = serde_json::to_vec(&column.name).map_err(Error::internal)?;
            name.push(b':');
            Ok((name, column.column_type))
        });
        Ok(Self { format, fields: fields.collect::<Result<_>>()?, part: Vec::new(), rows: 0 })
    }

    /// What stands before the first row.
    pub fn begin(&self, columns: &[&Column]) -> Vec<u8> {
        match self.format {
            RowFormat::Csv => {
                let names: Vec<_> = columns.iter().map(|column| quote_csv(&column.name)).collect();
                (names.join(",") + "\n").into_bytes()
            }
            RowFormat::Json => b"[".to_vec(),
            RowFormat::NdJson => Vec::new(),
        }
    }

    /// Appends what `copied` becomes.
    pub fn rows(&mut self, copied: &[u8], out: &mut Vec<u8>) -> Result<()> {
        if self.format == RowFormat::Csv {
            // Readers skip a blank line, which is how COPY writes NULL where there is one column; it gives one message a row.
            let lone_null = self.fields.len() == 1 && copied == b"\n";
            out.extend_from_slice(if lone_null { b"\"\"\n" } else { copied });
            return Ok(());
        }
        let mut rest = copied;
        while let Some(end) = memchr::memchr(b'\n', rest) {
            let (line, after) = (&rest[..end], &rest[end + 1..]);
            if self.part.is_empty() {
                self.row(line, out)?;
            } else {
                let mut part = std::mem::take(&mut self.part);
                part.extend_from_slice(line);
                self.row(&part, out)?;
                part.clear();
                self.part = part;
            }
            rest = after;
        }
        self.part.extend_from_slice(rest);
        Ok(())
    }

    /// What stands behind the last row.
    pub fn end(&self) -> &'static [u8] {
        match self.format {
            RowFormat::Json => b"\n]\n",
            RowFormat::Csv | RowFormat::NdJson => b"",
        }
    }

    fn row(&mut self, line: &[u8], out: &mut Vec<u8>) -> Result<()> {
        if self.format == RowFormat::Json {
            out.extend_from_slice(if self.rows == 0 { b"\n" } else { b",\n" });
        }
        self.rows += 1;
        out.push(b'{');
        let mut cells = line.split(|byte| *byte == b'\t');
        for (index, (name, column_type)) in self.fields.iter().enumerate() {
            let cell = cells.next().ok_or_else(|| Error::internal("COPY gave fewer cells than columns"))?;
            if index > 0 {
                out.push(b',');
            }
            out.extend_from_slice(name);
            json_value(cell, *column_type, out)?;
        }
        out.push(b'}');
        if self.format == RowFormat::NdJson {
            out.push(b'\n');
        }
        Ok(())
    }
}

/// The JSON of one cell of COPY text. JSON has no NaN and no infinity: they become null.
fn json_value(cell: &[u8], column_type: ColumnType, out: &mut Vec<u8>) -> Result<()> {
    match (cell, column_type) {
        (b"\\N", _) | (b"NaN" | b"Infinity" | b"-Infinity", ColumnType::Double | ColumnType::Numeric) => {
            out.extend_from_slice(b"null");
        }
        (b"t", ColumnType::Boolean) => out.extend_from_slice(b"true"),
        (b"f", ColumnType::Boolean) => out.extend_from_slice(b"false"),
        (_, ColumnType::Bigint | ColumnType::Numeric | ColumnType::Double) => out.extend_from_slice(cell),
        // A line end in valid JSON is white space between its tokens, and would cut a line of NDJSON in two.
        (_, ColumnType::Json) => {
            unescape(cell, |byte| out.push(if matches!(byte, b'\n' | b'\r') { b' ' } else { byte }));
        }
        (_, ColumnType::Timestamp | ColumnType::Timestamptz) => {
            out.push(b'"');
            out.extend(cell.iter().map(|byte| if *byte == b' ' { b'T' } else { *byte }));
            // Postgres writes UTC as `+00`; RFC 3339 wants the minutes.
            out.extend_from_slice(if column_type == ColumnType::Timestamptz { b":00\"" } else { b"\"" });
        }
        _ => {
            let mut text = Vec::with_capacity(cell.len());
            unescape(cell, |byte| text.push(byte));
            let text = std::str::from_utf8(&text).map_err(Error::internal)?;
            serde_json::to_writer(out, text).map_err(Error::internal)?;
        }
    }
    Ok(())
}

/// COPY's escapes, as Postgres writes them.
fn unescape(cell: &[u8], mut push: impl FnMut(u8)) {
    let mut bytes = cell.iter().copied();
    while let Some(byte) = bytes.next() {
        push(match byte {
            b'\\' => match bytes.next() {
                Some(b'b') => 8,
                Some(b't') => b'\t',
                Some(b'n') => b'\n',
                Some(b'v') => 11,
                Some(b'f') => 12,
                Some(b'r') => b'\r',
                Some(other) => other,
                None => b'\\',
            },
            plain => plain,
        });
    }
}

fn quote_csv(name: &str) -> String {
    if name.is_empty() || name.contains(['"', ',', '\n', '\r']) || name.trim() != name {
        format!("\"{}\"", name.replace('"', "\"\""))
    } else {
        name.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::{RowEncoder, RowFormat};
    use crate::catalogue::{Column, ColumnType};

    #[test]
    fn cells_become_json_of_their_type_wherever_the_chunks_are_cut() {
        use ColumnType::{Bigint, Boolean, Double, Json, Text, Timestamptz};
        let types = [Bigint, Boolean, Double, Json, Text, Timestamptz];
        let columns: Vec<_> = types.map(|column_type| Column::new("n\"", column_type)).into();
        let columns: Vec<_> = columns.iter().collect();
        let copied =
            b"1\tt\tNaN\t{\"a\":\\n\"\\\\\\\\\"}\ta\\tb\\\\\t2026-01-02 03:04:05.5+00\n\\N\t\\N\t1e+20\t\\N\t\t\\N\n";
        let wanted = "{\"n\\\"\":1,\"n\\\"\":true,\"n\\\"\":null,\"n\\\"\":{\"a\": \"\\\\\"},\"n\\\"\":\"a\\tb\\\\\",\"n\\\"\":\"2026-01-02T03:04:05.5+00:00\"}\n\
             {\"n\\\"\":null,\"n\\\"\":null,\"n\\\"\":1e+20,\"n\\\"\":null,\"n\\\"\":\"\",\"n\\\"\":null}\n";
        for cut in 0..copied.len() {
            let mut encoder = RowEncoder::new(RowFormat::NdJson, &columns).unwrap();
            let mut out = Vec::new();
            encoder.rows(&copied[..cut], &mut out).unwrap();
            encoder.rows(&copied[cut..], &mut out).unwrap();
            assert_eq!(String::from_utf8(out).unwrap(), wanted);
        }
    }
}
