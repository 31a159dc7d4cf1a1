//! Which part of the rows an answer holds: `limit`, `offset` and `cursor` of the URL, or `Range` in units of items; and how it says so.

use crate::{
    auth::SecretKeys,
    catalogue::Dataset,
    error::{Error, Result},
    tables::{ExportOptions, Parameters, RowQuery},
};
use http::{HeaderMap, header::RANGE};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// What a query may hold as it is, of what our grammar uses.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b',')
    .remove(b':')
    .remove(b'(')
    .remove(b')')
    .remove(b'*');

/// The query of a URL.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// As they were sent, for the link to the next page.
    pairs: Vec<(String, String)>,
    /// SHA-256 of all that the URL says.
    pub digest: [u8; 32],
    pub parameters: Parameters,
    pub version: Option<i64>,
    pub cursor: Option<String>,
    pub options: ExportOptions,
    /// The one version that a cursor may go through.
    pub pinned: Option<i64>,
    /// Whether nothing follows what is asked, whatever the table has.
    pub bounded: bool,
}

impl Asked {
    pub fn parse(pairs: Vec<(String, String)>) -> Result<Self> {
        let mut digest = Sha256::new();
        for text in pairs.iter().flat_map(|(name, value)| [name, value]) {
            digest.update(text);
            // No text of a URL's query holds it.
            digest.update([0xFF]);
        }
        let mut asked = Self { pairs: pairs.clone(), digest: digest.finalize().into(), ..Self::default() };
        for (name, value) in pairs {
            match name.as_str() {
                "version" => {
                    let number =
                        value.parse().map_err(|_| Error::invalid("version", "it must be the number of a version."));
                    asked.version = Some(number?);
                }
                "cursor" if asked.cursor.is_some() => return Err(Error::invalid(name, "it stands in the URL twice.")),
                "cursor" => asked.cursor = Some(value),
                _ if asked.options.take(&name, &value)? => {}
                _ => asked.parameters.take(&name, value)?,
            }
        }
        if asked.cursor.is_some() && asked.parameters.offset.is_some() {
            return Err(Error::invalid("offset", "a cursor says where the page begins."));
        }
        Ok(asked)
    }

    /// A query that is fixed but for its page: of what is added to it, `limit`, `offset` and `cursor` alone are taken, where it says none of them itself. The
    /// link to the next page repeats only what was added.
    pub fn within(fixed: Vec<(String, String)>, added: Vec<(String, String)>) -> Result<Self> {
        let pages = |pairs: &[(String, String)], name: &str| pairs.iter().any(|(given, _)| given == name);
        let bounded = pages(&fixed, "limit") || pages(&fixed, "offset");
        let other = added.iter().find(|(name, _)| bounded || !matches!(name.as_str(), "limit" | "offset" | "cursor"));
        if let Some((name, _)) = other {
            return Err(Error::invalid(name, "this link says itself what it shows; nothing can be added to that."));
        }
        let asked = Self::parse(fixed.into_iter().chain(added.clone()).collect())?;
        Ok(Self { pairs: added, bounded, ..asked })
    }

    /// The address of the page behind this one.
    pub fn next(&self, path: &str, cursor: &str) -> String {
        let encoded = |text: &str| utf8_percent_encode(text, QUERY).to_string();
        let mut next = format!("{path}?");
        for (name, value) in self.pairs.iter().filter(|(name, _)| !matches!(name.as_str(), "cursor" | "offset")) {
            next.push_str(&format!("{}={}&", encoded(name), encoded(value)));
        }
        next + "cursor=" + cursor
    }
}

/// `Range: items=0-24`, or as PostgREST has it: `Range: 0-24` with `Range-Unit: items`. First and last count from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ItemRange {
    pub first: u64,
    pub last: Option<u64>,
}

impl ItemRange {
    /// `None` without the header, and for other units, which are passed over as RFC 9110 wants.
    pub fn of(headers: &HeaderMap) -> Result<Option<Self>> {
        let Some(range) = headers.get(RANGE).and_then(|value| value.to_str().ok()) else { return Ok(None) };
        let unit = headers.get("range-unit").and_then(|value| value.to_str().ok());
        let range = match (range.trim().strip_prefix("items="), unit) {
            (Some(range), _) => range,
            (None, Some(unit)) if unit.trim().eq_ignore_ascii_case("items") => range.trim(),
            _ => return Ok(None),
        };
        let number = |text: &str| text.trim().parse::<u64>().ok().filter(|number| i64::try_from(*number).is_ok());
        let parsed = range.split_once('-').and_then(|(first, last)| {
            let last = if last.trim().is_empty() { None } else { Some(number(last)?) };
            Some(Self { first: number(first)?, last })
        });
        match parsed.filter(|range| range.last.is_none_or(|last| last >= range.first)) {
            Some(range) => Ok(Some(range)),
            None => Err(Error::invalid("Range", "of rows it is one range, such as `items=0-24` or `items=25-`.")),
        }
    }

    pub fn limit(self) -> Option<u64> {
        self.last.map(|last| (last - self.first).saturating_add(1))
    }
}

/// `items 0-24/100`; an unknown total is `*`.
pub fn content_range(first: u64, rows: u64, total: Option<u64>) -> String {
    let total = total.map_or_else(|| "*".to_owned(), |total| total.to_string());
    match rows.checked_sub(1) {
        Some(more) => format!("items {first}-{}/{total}", first.saturating_add(more)),
        None => format!("items */{total}"),
    }
}

/// Where a page begins: behind a row of one version, for one query.
#[derive(Debug, Serialize, Deserialize)]
pub struct Position {
    dataset: Uuid,
    pub version: i64,
    query: String,
    pub keys: Vec<Option<String>>,
}

const PURPOSE: &str = "rows";

impl Position {
    pub fn new(dataset: &Dataset, version: i64, query: &RowQuery, keys: Vec<Option<String>>) -> Self {
        Self { dataset: dataset.id, version, query: fingerprint(query), keys }
    }

    pub fn seal(&self, keys: &SecretKeys) -> Result<String> {
        Ok(keys.seal(PURPOSE, &serde_json::to_vec(self).map_err(Error::internal)?))
    }

    /// # Errors
    /// `CursorExpired` for one of another dataset, such as an earlier one of the same name.
    pub fn open(keys: &SecretKeys, cursor: &str, dataset: &Dataset) -> Result<Self> {
        let position: Option<Self> =
            keys.open(PURPOSE, cursor).and_then(|position| serde_json::from_slice(&position).ok());
        let position = position
            .ok_or_else(|| Error::invalid("cursor", "it must be the cursor of the link that the page before gave."))?;
        if position.dataset == dataset.id { Ok(position) } else { Err(Error::CursorExpired) }
    }

    pub fn check(&self, query: &RowQuery) -> Result<()> {
        if self.query == fingerprint(query) {
            return Ok(());
        }
        Err(Error::invalid("cursor", "it belongs to another query; only `limit` may change from page to page."))
    }
}

/// Of all that a query asks but its window.
fn fingerprint(query: &RowQuery) -> String {
    let query = RowQuery { limit: None, offset: 0, ..query.clone() };
    hex::encode(&Sha256::digest(format!("{query:?}"))[..8])
}
