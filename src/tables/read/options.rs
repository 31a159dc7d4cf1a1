//! What a caller tells about a file. Whatever is not told is detected, and the descriptor says what was assumed.

use super::{ColumnType, DateOrder, DecimalMark, TableFormat};
use crate::error::{Error, Result};
use std::collections::BTreeMap;

/// The parameters as they came, by name: kept with the version, so that the next replace reads the file in the same way.
pub type Told = BTreeMap<String, String>;

/// Told options, understood.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    pub format: Option<TableFormat>,
    pub delimiter: Option<Delimiter>,
    /// `Some(None)`: fields are never quoted.
    pub quote: Option<Option<u8>>,
    pub escape: Option<Escape>,
    /// A label of the WHATWG Encoding Standard, such as `windows-1252`.
    pub encoding: Option<&'static encoding_rs::Encoding>,
    /// Rows that make up the names of the columns; 0: there are none.
    pub header: Option<usize>,
    /// Lines to pass over before anything else.
    pub skip: Option<u64>,
    /// Words that stand for a missing value in every column, text included.
    pub nulls: Option<Vec<String>>,
    /// Lines that begin with it are no rows.
    pub comment: Option<String>,
    pub types: ToldTypes,
    /// Names of the file, and what their columns are to be called.
    pub renames: Vec<(String, String)>,
    pub decimal: Option<DecimalMark>,
    pub dates: Option<DateOrder>,
    /// Of a workbook: its name.
    pub sheet: Option<String>,
    /// Any repair is an error.
    pub strict: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Delimiter {
    Byte(u8),
    /// One or more spaces or tabs.
    Spaces,
}

/// How a quote is written within quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Escape {
    Doubled,
    /// A backslash before it; before any other character too it stands for that character.
    Backslash,
}

/// `types=zip:text,amount:numeric`; `*` is every column that is not named.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ToldTypes {
    pub named: Vec<(String, ColumnType)>,
    pub others: Option<ColumnType>,
}

impl ToldTypes {
    pub fn of(&self, name: &str) -> Option<ColumnType> {
        let named = self.named.iter().find(|(told, _)| told == name);
        named.map(|(_, column_type)| *column_type).or(self.others)
    }
}

impl Options {
    /// The names of the parameters that [`parse`](Self::parse) understands.
    pub const NAMES: [&str; 15] = [
        "format",
        "delimiter",
        "quote",
        "escape",
        "encoding",
        "header",
        "skip",
        "nulls",
        "comment",
        "types",
        "rename",
        "decimal",
        "dates",
        "sheet",
        "strict",
    ];

    /// # Errors
    /// `Invalid`, naming the parameter.
    pub fn parse(told: &Told) -> Result<Self> {
        let mut options = Self::default();
        for (name, value) in told {
            let unknown = |known: &str| Error::invalid(name, format!("`{value}` is none of {known}."));
            match name.as_str() {
                "format" => {
                    options.format = Some(
                        TableFormat::named(value)
                            .ok_or_else(|| unknown("csv, tsv, ndjson, json, parquet, arrow, xlsx, xls, ods"))?,
                    );
                }
                "delimiter" => options.delimiter = Some(delimiter(name, value)?),
                "quote" => options.quote = Some(quote(name, value)?),
                "escape" => {
                    options.escape = Some(match value.as_str() {
                        "double" | "doubled" => Escape::Doubled,
                        "backslash" | "\\" => Escape::Backslash,
                        _ => return Err(unknown("`double`, `backslash`")),
                    });
                }
                "encoding" => {
                    options.encoding = Some(encoding_rs::Encoding::for_label(value.as_bytes()).ok_or_else(|| {
                        unknown("the labels of the Encoding Standard, such as utf-8, utf-16le, windows-1252")
                    })?);
                }
                "header" => {
                    options.header = Some(match value.as_str() {
                        "none" => 0,
                        rows => rows
                            .parse()
                            .ok()
                            .filter(|rows| *rows <= HEADER_ROWS_MAX)
                            .ok_or_else(|| unknown(&format!("`none`, `1` to `{HEADER_ROWS_MAX}`")))?,
                    });
                }
                "skip" => options.skip = Some(value.parse().map_err(|_| unknown("the numbers of lines"))?),
                "nulls" => options.nulls = Some(value.split(',').map(str::to_owned).collect()),
                "comment" => match value.is_empty() {
                    true => return Err(Error::invalid(name, "say how comment lines begin, such as `%23` for `#`.")),
                    false => options.comment = Some(value.clone()),
                },
                "types" => options.types = types(name, value)?,
                "rename" => options.renames = pairs(name, value)?,
                "decimal" => {
                    options.decimal = Some(match value.as_str() {
                        "." => DecimalMark::Point,
                        "," => DecimalMark::Comma,
                        _ => return Err(unknown("`.`, `,`")),
                    });
                }
                "dates" => {
                    options.dates = Some(match value.as_str() {
                        "dmy" => DateOrder::DayMonthYear,
                        "mdy" => DateOrder::MonthDayYear,
                        "ymd" => DateOrder::YearMonthDay,
                        _ => return Err(unknown("`dmy`, `mdy`, `ymd`")),
                    });
                }
                "sheet" => options.sheet = Some(value.clone()),
                "strict" => options.strict = value.parse().map_err(|_| unknown("`true`, `false`"))?,
                _ => return Err(Error::invalid(name, "there is no such parameter.")),
            }
        }
        Ok(options)
    }
}

/// More rows than any header has.
const HEADER_ROWS_MAX: usize = 20;

fn delimiter(name: &str, value: &str) -> Result<Delimiter> {
    match value {
        "tab" | "\\t" => Ok(Delimiter::Byte(b'\t')),
        "space" => Ok(Delimiter::Byte(b' ')),
        "spaces" => Ok(Delimiter::Spaces),
        _ => match value.as_bytes() {
            [byte] if byte.is_ascii() && !byte.is_ascii_alphanumeric() && !matches!(byte, b'\n' | b'\r' | 0) => {
                Ok(Delimiter::Byte(*byte))
            }
            _ => Err(Error::invalid(
                name,
                "one ASCII character that is no letter or digit, or `tab`, `space`, `spaces`.",
            )),
        },
    }
}

fn quote(name: &str, value: &str) -> Result<Option<u8>> {
    match value.as_bytes() {
        b"none" => Ok(None),
        [byte @ (b'"' | b'\'' | b'`' | b'|' | b'~' | b'^' | b'%' | b'$')] => Ok(Some(*byte)),
        _ => Err(Error::invalid(name, "`\"`, `'` or another mark, or `none`.")),
    }
}

fn types(parameter: &str, value: &str) -> Result<ToldTypes> {
    let mut told = ToldTypes::default();
    for (name, type_name) in pairs(parameter, value)? {
        let column_type = ColumnType::named(&type_name).ok_or_else(|| {
            let known = ColumnType::ALL.map(ColumnType::name).join(", ");
            Error::invalid(parameter, format!("`{type_name}` is no type; there are {known}."))
        })?;
        match name.as_str() {
            "*" => told.others = Some(column_type),
            _ => told.named.push((name, column_type)),
        }
    }
    Ok(told)
}

/// `a:b,c:d`; what holds `,`, `:` or `"` is written in double quotes, a double quote within them twice.
fn pairs(parameter: &str, value: &str) -> Result<Vec<(String, String)>> {
    let mut pairs = Vec::new();
    let mut rest = value;
    while !rest.is_empty() {
        let (left, behind) = word(parameter, rest, ':')?;
        let behind = behind.strip_prefix(':').ok_or_else(|| {
            Error::invalid(parameter, format!("`{left}` is to be followed by a colon and what it is to be."))
        })?;
        let (right, behind) = word(parameter, behind, ',')?;
        pairs.push((left, right));
        rest = match behind.strip_prefix(',') {
            Some(behind) => behind,
            None if behind.is_empty() => behind,
            None => return Err(Error::invalid(parameter, format!("a comma is missing before `{behind}`."))),
        };
    }
    Ok(pairs)
}

/// The word up to `end`, or in quotes, and what follows.
fn word<'a>(parameter: &str, text: &'a str, end: char) -> Result<(String, &'a str)> {
    match text.strip_prefix('"') {
        Some(quoted) => quoted_name(quoted).ok_or_else(|| Error::invalid(parameter, "a double quote is not closed.")),
        None => {
            let at = text.find(end).unwrap_or(text.len());
            Ok((text[..at].to_owned(), &text[at..]))
        }
    }
}

/// The same pairs as text, for the catalogue.
pub fn write_pairs<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let quoted = |word: &str| match word.contains([',', ':', '"']) || word.is_empty() {
        true => format!("\"{}\"", word.replace('"', "\"\"")),
        false => word.to_owned(),
    };
    pairs.map(|(left, right)| format!("{}:{}", quoted(left), quoted(right))).collect::<Vec<_>>().join(",")
}

/// The name up to the closing quote, and what follows.
fn quoted_name(text: &str) -> Option<(String, &str)> {
    let mut name = String::new();
    let mut rest = text;
    loop {
        let (part, behind) = rest.split_once('"')?;
        name.push_str(part);
        match behind.strip_prefix('"') {
            Some(behind) => {
                name.push('"');
                rest = behind;
            }
            None => return Some((name, behind)),
        }
    }
}
