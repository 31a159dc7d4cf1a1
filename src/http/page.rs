//! Pages of lists, and paths in links.

use crate::{
    app::App,
    auth::SecretKeys,
    config::SECONDS_MAX,
    error::{Error, Limit, Result},
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::time::Duration;

/// What a path segment may hold as it is (RFC 3986 `unreserved`), and the slash between segments.
const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

pub fn encode_path(path: &str) -> String {
    utf8_percent_encode(path, PATH).to_string()
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

/// A life such as `90s`, `15m`, `12h`, `7d`, or a number of seconds; from one second to a century.
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
    let life = digits.parse::<u64>().ok().and_then(|n| n.checked_mul(seconds));
    let life = life.filter(|life| (1..=SECONDS_MAX).contains(life));
    let life = life.ok_or_else(|| {
        Error::invalid(parameter, "it must be a time such as `90s`, `15m`, `12h` or `7d`, and at most a century.")
    })?;
    Ok(Duration::from_secs(life))
}

/// One page of a list, as it is asked for. A cursor is opaque to the client and signed, so that nobody can make one; it holds the position, as JSON, behind which the list goes on.
#[derive(Debug)]
pub struct Paging<'a, P> {
    keys: &'a SecretKeys,
    /// What its cursors are signed for.
    list: String,
    /// How many items the page has at most.
    pub limit: u64,
    /// `None` at the list's beginning.
    pub behind: Option<P>,
}

impl<'a, P: Serialize + DeserializeOwned> Paging<'a, P> {
    /// `list` tells this list from all others, and from itself with another filter. Without a limit it is the greatest; a greater one is a problem, never a shorter page.
    ///
    /// # Errors
    /// `Invalid`, `Limit::PageRows`
    pub fn of(app: &'a App, list: impl Into<String>, (cursor, limit): (Option<&str>, Option<u64>)) -> Result<Self> {
        let (keys, list, max) = (&app.keys, list.into(), app.config.limits.page_rows_max);
        let limit = match limit {
            Some(0) => return Err(Error::invalid("limit", "it must be at least 1.")),
            Some(asked) if asked > max => return Err(Limit::PageRows.passed(max, None)),
            asked => asked.unwrap_or(max),
        };
        let open = |cursor| serde_json::from_slice(&keys.open(&purpose(&list), cursor)?).ok();
        let other = || Error::invalid("cursor", "it must be the cursor that the page before gave, for the same list.");
        let behind = cursor.map(|cursor| open(cursor).ok_or_else(other)).transpose()?;
        Ok(Self { keys, list, limit, behind })
    }

    /// One item more than the page holds, to tell whether others follow.
    pub fn wanted(&self) -> u64 {
        self.limit.saturating_add(1)
    }

    /// Of what was found with that, the page, and the cursor of the next one; none, if there is no position behind the page's last item.
    pub fn cut<T, O: Into<Option<P>>>(
        &self,
        mut found: Vec<T>,
        position: impl FnOnce(&T) -> O,
    ) -> Result<(Vec<T>, Option<String>)> {
        let more = found.len() as u64 > self.limit;
        found.truncate(usize::try_from(self.limit).unwrap_or(usize::MAX));
        let position = found.last().filter(|_| more).and_then(|last| position(last).into());
        let next = position.map(|position| self.next(&position)).transpose()?;
        Ok((found, next))
    }

    /// The cursor of the page behind a position.
    pub fn next(&self, position: &P) -> Result<String> {
        let position = serde_json::to_vec(position).map_err(Error::internal)?;
        Ok(self.keys.seal(&purpose(&self.list), &position))
    }
}

fn purpose(list: &str) -> String {
    format!("cursor {list}")
}
