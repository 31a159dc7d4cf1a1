//! Pages of lists, and paths in links.

use crate::{
    auth::SecretKeys,
    error::{Error, Limit, Result},
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use std::time::Duration;

/// What a path segment may hold as it is (RFC 3986 `unreserved`), and the slash between segments.
const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

pub fn encode_path(path: &str) -> String {
    utf8_percent_encode(path, PATH).to_string()
}

/// The size of a page: what was asked for, or the maximum; more than that is a problem, never a shorter page.
pub fn page_size(asked: Option<u64>, max: u64) -> Result<u64> {
    match asked {
        Some(0) => Err(Error::invalid("limit", "it must be at least 1.")),
        Some(asked) if asked > max => Err(Limit::PageRows.passed(max, None)),
        asked => Ok(asked.unwrap_or(max)),
    }
}

/// Which part of a list is asked for, where nothing else can be.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PageOf {
    pub cursor: Option<String>,
    pub limit: Option<u64>,
}

impl PageOf {
    /// From the parameters of a link.
    pub fn parse(pairs: &[(String, String)]) -> Result<Self> {
        let mut page = Self::default();
        for (name, value) in pairs {
            match name.as_str() {
                "cursor" => page.cursor = Some(value.clone()),
                "limit" => {
                    let limit = value.parse().map_err(|_| Error::invalid("limit", "it must be a whole number."))?;
                    page.limit = Some(limit);
                }
                _ => return Err(Error::invalid(name, "of this link only `cursor` and `limit` can be asked.")),
            }
        }
        Ok(page)
    }
}

/// A life such as `90s`, `15m`, `12h`, `7d`, or a number of seconds; at least one second.
pub fn parse_life(parameter: &str, text: &str) -> Result<Duration> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let seconds = match &text[digits.len()..] {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        "w" => 7 * 86_400,
        _ => 0,
    };
    let life = digits.parse::<u64>().ok().and_then(|n| n.checked_mul(seconds)).filter(|life| *life > 0);
    let life =
        life.ok_or_else(|| Error::invalid(parameter, "it must be a time such as `90s`, `15m`, `12h` or `7d`."))?;
    Ok(Duration::from_secs(life))
}

/// Where a list goes on: opaque to the client, signed so that nobody can make one.
pub struct Cursor;

impl Cursor {
    pub fn seal(keys: &SecretKeys, list: &str, after: &str) -> String {
        keys.seal(&format!("cursor {list}"), after.as_bytes())
    }

    /// A page of what was found with one more than `limit`, and the cursor of the next one, which goes on behind `position` of the page's last.
    pub fn cut<T>(
        keys: &SecretKeys,
        list: &str,
        mut found: Vec<T>,
        limit: u64,
        position: impl FnOnce(&T) -> String,
    ) -> (Vec<T>, Option<String>) {
        let more = found.len() as u64 > limit;
        found.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        let next = found.last().filter(|_| more).map(|last| Self::seal(keys, list, &position(last)));
        (found, next)
    }

    /// The position after which `list` goes on; `None` at its beginning.
    pub fn open(keys: &SecretKeys, list: &str, cursor: Option<&str>) -> Result<Option<String>> {
        let Some(cursor) = cursor else { return Ok(None) };
        let after = keys.open(&format!("cursor {list}"), cursor).and_then(|after| String::from_utf8(after).ok());
        after.map(Some).ok_or_else(|| {
            Error::invalid("cursor", "it must be the cursor that the page before gave, for the same list.")
        })
    }
}
