//! A page with one plain table: every text escaped, no script, readable in the dark and by a screen reader.

use super::{
    cell::Value,
    text::{self, POSTGRES},
};
use crate::{
    catalogue::{Column, ColumnType},
    error::Result,
};

const STYLE: &str = "\
:root{color-scheme:light dark}\
body{font:15px/1.4 system-ui,sans-serif;margin:1rem}\
table{border-collapse:collapse}\
caption{font-weight:bold;text-align:start;padding:.3rem 0}\
th,td{border:1px solid color-mix(in srgb,currentcolor 25%,transparent);padding:.2rem .5rem;text-align:start;vertical-align:top;\
white-space:pre-wrap;unicode-bidi:plaintext}\
thead th{position:sticky;top:0;background:Canvas}\
.n{text-align:end;font-variant-numeric:tabular-nums}\
.null::before{content:\"null\";opacity:.5;font-style:italic}";

pub struct Html {
    columns: Vec<Column>,
    title: String,
    /// A cell on its way to be escaped.
    text: Vec<u8>,
}

impl Html {
    pub fn new(columns: &[Column], title: &str) -> Self {
        Self { columns: columns.to_vec(), title: title.to_owned(), text: Vec::new() }
    }

    pub fn begin(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
        out.extend_from_slice(b"<meta name=\"viewport\" content=\"width=device-width\">\n<title>");
        escape(self.title.as_bytes(), out);
        out.extend_from_slice(
            format!("</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<table>\n<caption>").as_bytes(),
        );
        escape(self.title.as_bytes(), out);
        out.extend_from_slice(b"</caption>\n<thead>\n<tr>");
        for column in &self.columns {
            out.extend_from_slice(b"<th scope=\"col\">");
            escape(column.name.as_bytes(), out);
            out.extend_from_slice(b"</th>");
        }
        out.extend_from_slice(b"</tr>\n</thead>\n<tbody>\n");
    }

    pub fn row(&mut self, cells: &[Option<&[u8]>], out: &mut Vec<u8>) -> Result<()> {
        out.extend_from_slice(b"<tr>");
        for (cell, column) in cells.iter().zip(&self.columns) {
            let Some(cell) = cell else {
                // Nothing to who reads the text, a mark to who sees the page.
                out.extend_from_slice(b"<td class=\"null\"></td>");
                continue;
            };
            match column.column_type {
                ColumnType::Bigint | ColumnType::Numeric | ColumnType::Double => {
                    out.extend_from_slice(b"<td class=\"n\">");
                }
                _ => out.extend_from_slice(b"<td>"),
            }
            match Value::read(column.column_type, cell)? {
                Value::Text(text) | Value::Json(text) => escape(text, out),
                value => {
                    self.text.clear();
                    text::value(value, POSTGRES, &mut self.text)?;
                    escape(&self.text, out);
                }
            }
            out.extend_from_slice(b"</td>");
        }
        out.extend_from_slice(b"</tr>\n");
        Ok(())
    }

    pub fn end(out: &mut Vec<u8>) {
        out.extend_from_slice(b"</tbody>\n</table>\n</body>\n</html>\n");
    }
}

/// Text as the content of an element.
pub(super) fn escape(text: &[u8], out: &mut Vec<u8>) {
    for byte in text {
        match byte {
            b'&' => out.extend_from_slice(b"&amp;"),
            b'<' => out.extend_from_slice(b"&lt;"),
            b'>' => out.extend_from_slice(b"&gt;"),
            b'"' => out.extend_from_slice(b"&quot;"),
            b'\'' => out.extend_from_slice(b"&#39;"),
            // A reader would make a line feed of it.
            b'\r' => out.extend_from_slice(b"&#13;"),
            byte => out.push(*byte),
        }
    }
}
