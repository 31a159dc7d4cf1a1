//! The judgement: blob, table or document, and why.

use crate::{
    catalogue::{blob_key, slug, table_name},
    error::{Error, Result},
    tables::{TableFormat, is_compressed},
};
use serde::Deserialize;

/// The first segments that routes use, or are kept for.
pub const RESERVED: [&str; 10] =
    ["v1", "s", "health", "metrics", "problems", "openapi.json", "login", "datasets", "assets", "larder-objects"];
/// The collection of documents that are uploaded without one being named.
pub const INBOX: &str = "inbox";

/// What a file's name ends with if it is compressed.
const COMPRESSED: [&str; 4] = [".gz", ".zst", ".bz2", ".xz"];
/// Content types of files that are packed.
const PACKINGS: [&str; 7] = [
    "application/gzip",
    "application/x-gzip",
    "application/zstd",
    "application/x-bzip2",
    "application/x-xz",
    "application/zip",
    "application/x-zip-compressed",
];

/// `?as=`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum As {
    Blob,
    Table,
    Document,
}

/// What is known of a file before it is read through.
#[derive(Debug)]
pub struct Evidence<'a> {
    /// The path it is put to: `sales.csv`, `photos/cat.png`.
    pub path: &'a str,
    pub told: Option<As>,
    pub name: Option<&'a str>,
    pub content_type: Option<&'a str>,
    /// Enough of its beginning to tell JSON's kinds apart.
    pub beginning: &'a [u8],
}

/// Where it goes. A JSON object's name is the document's id.
#[derive(Debug, PartialEq, Eq)]
pub enum Route {
    Blob {
        key: String,
    },
    Table {
        name: String,
        format: Option<TableFormat>,
    },
    Document {
        collection: String,
        id: String,
    },
    /// One JSON value that must be read whole before it is known to be an object.
    Json {
        id: String,
        key: String,
    },
}

/// What a kind of file is by its extension or content type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Table(TableFormat),
    Json,
    Other,
}

impl Evidence<'_> {
    /// The route and the sentence that says why.
    pub fn judge(&self) -> Result<(Route, String)> {
        let first = self.name.unwrap_or(self.path).split('/').next().unwrap_or_default();
        if RESERVED.contains(&first) {
            return Err(Error::NameReserved { name: first.to_owned() });
        }
        match self.told {
            Some(As::Blob) => Ok((self.blob()?, "you said `as=blob`".to_owned())),
            Some(As::Table) => {
                let format = match self.by_content_type().or_else(|| self.by_extension()) {
                    Some((Kind::Table(format), _)) => Some(format),
                    _ => None,
                };
                Ok((Route::Table { name: self.table_name()?, format }, "you said `as=table`".to_owned()))
            }
            Some(As::Document) => {
                let (collection, id) = self.document()?;
                Ok((Route::Document { collection, id }, "you said `as=document`".to_owned()))
            }
            None => self.judge_untold(),
        }
    }

    fn judge_untold(&self) -> Result<(Route, String)> {
        let (kind, because) =
            self.by_content_type().or_else(|| self.by_extension()).unwrap_or_else(|| self.by_beginning());
        match kind {
            Kind::Table(format) => Ok((
                Route::Table { name: self.table_name()?, format: Some(format) },
                format!("{because}, which is a table"),
            )),
            Kind::Other => Ok((self.blob()?, format!("{because}, so it is kept as it is"))),
            Kind::Json => self.judge_json(&because),
        }
    }

    fn judge_json(&self, because: &str) -> Result<(Route, String)> {
        let text = self.beginning.strip_prefix(b"\xef\xbb\xbf").unwrap_or(self.beginning).trim_ascii_start();
        match text.split_first() {
            Some((b'[', rest)) if rest.trim_ascii_start().starts_with(b"{") => {
                let route = Route::Table { name: self.table_name()?, format: Some(TableFormat::Json) };
                Ok((route, format!("{because} and holds an array of objects, which is a table")))
            }
            Some((b'{', _)) => {
                let (_, id) = self.document()?;
                Ok((Route::Json { id, key: self.key()?.to_owned() }, because.to_owned()))
            }
            // A compressed file shows no bracket; read whole it would be a table or nothing.
            _ if is_compressed(text) => Ok((
                Route::Table { name: self.table_name()?, format: None },
                format!("{because} and is compressed, which is read as a table"),
            )),
            _ => Ok((
                self.blob()?,
                format!("{because} but holds no object and no array of objects, so it is kept as it is"),
            )),
        }
    }

    fn by_content_type(&self) -> Option<(Kind, String)> {
        let essence = self.content_type?.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        // What Windows calls a `.csv` where Excel is installed.
        if essence == "application/vnd.ms-excel" && matches!(self.by_extension(), Some((Kind::Table(_), _))) {
            return None;
        }
        let kind = match TableFormat::of_content_type(&essence) {
            Some(format) => Kind::Table(format),
            // How a file is packed says nothing of what it is.
            None if PACKINGS.contains(&essence.as_str())
                && matches!(self.by_extension(), Some((Kind::Table(_), _))) =>
            {
                return None;
            }
            None if essence == "application/json" => Kind::Json,
            None if essence == "text/plain" => return None,
            None => Kind::Other,
        };
        Some((kind, format!("its Content-Type is `{essence}`")))
    }

    fn by_extension(&self) -> Option<(Kind, String)> {
        let (_, extension) = plain_name(self.path).rsplit_once('.').filter(|(stem, _)| !stem.is_empty())?;
        let extension = extension.to_ascii_lowercase();
        let kind = match (TableFormat::of_extension(&extension), extension.as_str()) {
            (Some(format), _) => Kind::Table(format),
            (None, "json") => Kind::Json,
            (None, _) => Kind::Other,
        };
        Some((kind, format!("its name ends with `.{extension}`")))
    }

    /// JSON says what it is; for anything else a guess could only be wrong.
    fn by_beginning(&self) -> (Kind, String) {
        match self.beginning.trim_ascii_start().first() {
            Some(b'{' | b'[') => (Kind::Json, "it begins as JSON does".to_owned()),
            _ => (Kind::Other, "neither its name nor its Content-Type says what it is".to_owned()),
        }
    }

    fn key(&self) -> Result<&str> {
        let key = self.name.unwrap_or(self.path);
        blob_key(key)?;
        Ok(key)
    }

    fn blob(&self) -> Result<Route> {
        Ok(Route::Blob { key: self.key()?.to_owned() })
    }

    fn table_name(&self) -> Result<String> {
        match self.name {
            Some(name) => table_name(name).map(|()| name.to_owned()),
            None => slug(stem(self.path)),
        }
    }

    /// `?name=collection/id`, `?name=id`, else the stem of the file in the inbox.
    fn document(&self) -> Result<(String, String)> {
        let (collection, id) = match self.name {
            Some(name) => name.split_once('/').unwrap_or((INBOX, name)),
            None => (INBOX, stem(self.path)),
        };
        crate::catalogue::document_id(id)?;
        Ok((collection.to_owned(), id.to_owned()))
    }
}

/// The file's name without folders and without an ending that only says how it is compressed. A zip file is one of a table only if it is called so: `.csv.zip`.
fn plain_name(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or(path);
    if let Some(plain) = COMPRESSED.iter().find_map(|ending| without(name, ending)) {
        return plain;
    }
    let table = |plain: &&str| {
        let extension = plain.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase());
        extension.is_some_and(|extension| TableFormat::of_extension(&extension).is_some())
    };
    without(name, ".zip").filter(table).unwrap_or(name)
}

/// Endings are written in either case.
fn without<'a>(name: &'a str, ending: &str) -> Option<&'a str> {
    let (plain, last) = name.split_at_checked(name.len().checked_sub(ending.len())?)?;
    last.eq_ignore_ascii_case(ending).then_some(plain)
}

fn stem(path: &str) -> &str {
    let name = plain_name(path);
    name.rsplit_once('.').filter(|(stem, _)| !stem.is_empty()).map_or(name, |(stem, _)| stem)
}

#[cfg(test)]
mod tests {
    use super::{As, Evidence, Route};
    use crate::tables::TableFormat::{Arrow, Csv, Json, Ods, Parquet, Tsv, Xls, Xlsx};

    fn judge(
        path: &str,
        told: Option<As>,
        name: Option<&str>,
        content_type: Option<&str>,
        beginning: &[u8],
    ) -> Option<Route> {
        Evidence { path, told, name, content_type, beginning }.judge().ok().map(|(route, _)| route)
    }

    #[test]
    fn files_go_where_their_structure_belongs() {
        let table = |name: &str, format| Some(Route::Table { name: name.to_owned(), format });
        let blob = |key: &str| Some(Route::Blob { key: key.to_owned() });
        let json = |id: &str, key: &str| Some(Route::Json { id: id.to_owned(), key: key.to_owned() });
        assert_eq!(judge("Sales 2026.csv", None, None, None, b"a,b"), table("sales-2026", Some(Csv)));
        assert_eq!(judge("sales.tsv.gz", None, None, None, b"\x1f\x8b"), table("sales", Some(Tsv)));
        assert_eq!(judge("a/b/file.png", None, None, None, b"\x89PNG"), blob("a/b/file.png"));
        for (path, name, format) in [
            ("Q3 Report.xlsx", "q3-report", Xlsx),
            ("old.XLS", "old", Xls),
            ("calc.ods", "calc", Ods),
            ("rows.parquet", "rows", Parquet),
            ("rows.pq", "rows", Parquet),
            ("rows.feather", "rows", Arrow),
            ("rows.arrow", "rows", Arrow),
            ("sales.csv.bz2", "sales", Csv),
            ("sales.tsv.XZ", "sales", Tsv),
            ("sales.csv.zip", "sales", Csv),
        ] {
            assert_eq!(judge(path, None, None, None, b"x"), table(name, Some(format)), "{path}");
        }
        assert_eq!(judge("sales.csv.zip", None, None, Some("application/zip"), b"PK"), table("sales", Some(Csv)));
        assert_eq!(judge("photos.zip", None, None, Some("application/zip"), b"PK"), blob("photos.zip"));
        assert_eq!(judge("photos.zip", None, None, None, b"PK"), blob("photos.zip"));
        for path in ["notes.txt", "sensor.dat", "export.psv"] {
            assert_eq!(judge(path, None, None, None, b"a|b"), blob(path));
            assert!(matches!(
                judge(path, Some(As::Table), None, None, b"a|b"),
                Some(Route::Table { format: None, .. })
            ));
        }
        assert_eq!(judge("x", None, None, Some("text/csv; charset=utf-8"), b"a"), table("x", Some(Csv)));
        assert_eq!(judge("rows.json", None, None, None, b" [ {\"a\":1}]"), table("rows", Some(Json)));
        assert_eq!(judge("config.json", None, None, None, b"{\"a\":1}"), json("config", "config.json"));
        assert_eq!(judge("numbers.json", None, None, None, b"[1,2]"), blob("numbers.json"));
        assert_eq!(judge("noname", None, None, None, b"plain text"), blob("noname"));
        assert_eq!(judge("noname", None, None, None, b"{\"a\":1}"), json("noname", "noname"));
        assert_eq!(judge("a.csv", Some(As::Blob), None, None, b"a"), blob("a.csv"));
        assert_eq!(judge("a.bin", Some(As::Table), Some("t"), None, b"a"), table("t", None));
        assert_eq!(
            judge("a.json", Some(As::Document), Some("people/ann"), None, b"{}"),
            Some(Route::Document { collection: "people".to_owned(), id: "ann".to_owned() })
        );
    }

    #[test]
    fn reserved_and_impossible_names_are_refused() {
        assert_eq!(judge("v1/x.png", None, None, None, b""), None);
        assert_eq!(judge("health", None, None, None, b""), None);
        assert_eq!(judge("x.png", None, Some("s/x.png"), None, b""), None);
        assert_eq!(judge("a/../b.png", None, None, None, b""), None);
        assert_eq!(judge("数据.csv", None, None, None, b""), None);
    }
}
