//! A plain writer of delimited files, after RFC 4180 but for what its dialect has otherwise.

use super::table::Table;
use async_compression::tokio::write::{BzEncoder, GzipEncoder, XzEncoder, ZstdEncoder};
use proptest::{prelude::*, sample::select};
use tokio::io::AsyncWriteExt;

#[derive(Debug, Clone)]
pub struct Dialect {
    pub delimiter: char,
    /// `None`: fields are never quoted, so they hold nothing that would need it.
    pub quote: Option<char>,
    pub backslash: bool,
    /// Whether every value is quoted, or only those that need it.
    pub quote_all: bool,
    pub line_end: &'static str,
    pub last_line_ends: bool,
    pub encoding: Encoding,
    pub compression: Compression,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Encoding {
    Utf8,
    Utf8WithMark,
    Utf16Le,
    Utf16Be,
    Windows1252,
}

#[derive(Debug, Clone, Copy)]
pub enum Compression {
    None,
    Gzip,
    Zstd,
    Bzip2,
    Xz,
}

/// Every dialect that can be told.
pub fn any_dialect() -> impl Strategy<Value = Dialect> {
    use Encoding::*;
    let quote = select(vec![Some('"'), Some('"'), Some('\''), None]);
    let delimiter = select(vec![',', ';', '\t', '|', '^', '~', ' ', ':']);
    let encoding = select(vec![Utf8, Utf8, Utf8WithMark, Utf16Le, Utf16Be, Windows1252]);
    dialect(delimiter, quote, any::<bool>(), encoding)
}

/// Those that a file says by itself.
pub fn evident_dialect() -> impl Strategy<Value = Dialect> {
    use Encoding::*;
    let delimiter = select(vec![',', ';', '\t', '|', '^', '~']);
    dialect(delimiter, Just(Some('"')), Just(false), select(vec![Utf8, Utf8WithMark, Utf16Le, Utf16Be]))
}

fn dialect(
    delimiter: impl Strategy<Value = char>,
    quote: impl Strategy<Value = Option<char>>,
    backslash: impl Strategy<Value = bool>,
    encoding: impl Strategy<Value = Encoding>,
) -> impl Strategy<Value = Dialect> {
    use Compression::*;
    let compression = select(vec![None, None, Gzip, Zstd, Bzip2, Xz]);
    let line_end = select(vec!["\n", "\n", "\r\n", "\r"]);
    let marks = (delimiter, quote, backslash, any::<bool>());
    (marks, (line_end, any::<bool>()), encoding, compression).prop_map(|(marks, lines, encoding, compression)| {
        let (delimiter, quote, backslash, quote_all) = marks;
        let (line_end, last_line_ends) = lines;
        let backslash = backslash && quote.is_some();
        // Timestamps hold colons, and would have to be quoted.
        let delimiter = if quote.is_none() && delimiter == ':' { ',' } else { delimiter };
        Dialect { delimiter, quote, backslash, quote_all, line_end, last_line_ends, encoding, compression }
    })
}

impl Dialect {
    /// The table without what this dialect cannot write.
    pub fn writable(&self, table: Table) -> Table {
        let encodable = |c: char| self.encoding != Encoding::Windows1252 || windows_1252(&c.to_string()).is_some();
        let table = table.map_text(|text| text.chars().map(|c| if encodable(c) { c } else { 'ÿ' }).collect());
        match self.quote {
            Some(_) => table,
            // Neither an empty text nor one that would have to be quoted.
            None => table.map_text(|text| match self.needs_quotes(text) {
                true => text.chars().filter(char::is_ascii_alphabetic).chain(['x']).collect(),
                false => text.to_owned(),
            }),
        }
    }

    /// The parameters that say all of it.
    pub fn told(&self) -> Vec<(&'static str, String)> {
        let delimiter = match self.delimiter {
            '\t' => "tab".to_owned(),
            ' ' => "space".to_owned(),
            other => other.to_string(),
        };
        let mut told = vec![("delimiter", delimiter), ("header", "1".to_owned()), ("skip", "0".to_owned())];
        told.push(("quote", self.quote.map_or_else(|| "none".to_owned(), |quote| quote.to_string())));
        if self.quote.is_some() {
            told.push(("escape", if self.backslash { "backslash" } else { "doubled" }.to_owned()));
        }
        let encoding = match self.encoding {
            Encoding::Utf8 | Encoding::Utf8WithMark => "utf-8",
            Encoding::Utf16Le => "utf-16le",
            Encoding::Utf16Be => "utf-16be",
            Encoding::Windows1252 => "windows-1252",
        };
        told.push(("encoding", encoding.to_owned()));
        told
    }

    pub async fn write(&self, table: &Table) -> Vec<u8> {
        let mut text = String::new();
        let header = table.columns.iter().map(|(name, _)| Some(name.as_str()));
        self.write_line(&mut text, header);
        for row in &table.rows {
            text.push_str(self.line_end);
            self.write_line(&mut text, row.iter().map(Option::as_deref));
        }
        if self.last_line_ends {
            text.push_str(self.line_end);
        }
        self.compressed(&self.encoded(&text)).await
    }

    fn write_line<'a>(&self, out: &mut String, cells: impl Iterator<Item = Option<&'a str>>) {
        for (index, cell) in cells.enumerate() {
            if index > 0 {
                out.push(self.delimiter);
            }
            match (cell, self.quote) {
                (None, _) => {}
                (Some(cell), Some(quote)) if self.quote_all || self.needs_quotes(cell) => {
                    out.push(quote);
                    for c in cell.chars() {
                        match self.backslash {
                            true if c == quote || c == '\\' => out.push('\\'),
                            false if c == quote => out.push(quote),
                            _ => {}
                        }
                        out.push(c);
                    }
                    out.push(quote);
                }
                (Some(cell), _) => out.push_str(cell),
            }
        }
    }

    /// Whether a reader could take it for something else: a mark, NULL, a comment, a mark of byte order, a rule, a separator's line, padding.
    fn needs_quotes(&self, cell: &str) -> bool {
        let marks = [self.delimiter, '\r', '\n', '"', '\'', '\\'];
        let begins = ['#', '\u{feff}', '-', '='];
        cell.is_empty()
            || cell.contains(marks)
            || cell.starts_with(begins) && cell.parse::<f64>().is_err()
            || cell.trim() != cell
    }

    fn encoded(&self, text: &str) -> Vec<u8> {
        match self.encoding {
            Encoding::Utf8 => text.as_bytes().to_vec(),
            Encoding::Utf8WithMark => format!("\u{feff}{text}").into_bytes(),
            Encoding::Utf16Le => format!("\u{feff}{text}").encode_utf16().flat_map(u16::to_le_bytes).collect(),
            Encoding::Utf16Be => format!("\u{feff}{text}").encode_utf16().flat_map(u16::to_be_bytes).collect(),
            Encoding::Windows1252 => windows_1252(text).expect("only what it can write"),
        }
    }

    async fn compressed(&self, bytes: &[u8]) -> Vec<u8> {
        macro_rules! compress {
            ($encoder:ident) => {{
                let mut encoder = $encoder::new(Vec::new());
                encoder.write_all(bytes).await.expect("memory");
                encoder.shutdown().await.expect("memory");
                encoder.into_inner()
            }};
        }
        match self.compression {
            Compression::None => bytes.to_vec(),
            Compression::Gzip => compress!(GzipEncoder),
            Compression::Zstd => compress!(ZstdEncoder),
            Compression::Bzip2 => compress!(BzEncoder),
            Compression::Xz => compress!(XzEncoder),
        }
    }
}

fn windows_1252(text: &str) -> Option<Vec<u8>> {
    let (bytes, _, unmappable) = encoding_rs::WINDOWS_1252.encode(text);
    (!unmappable).then(|| bytes.into_owned())
}
