//! Listings: a range scan in the order of keys that jumps over everything behind a common prefix, so its cost is that of its page, not of the bucket.

use rusqlite::{Connection, Row, params};

use crate::embedded::s3::fault::Outcome;

/// One page of keys that begin with `prefix`, rolled up at `delimiter`.
pub struct Query {
    pub prefix: String,
    /// Empty: no roll-up.
    pub delimiter: String,
    /// The first key that may be listed, in bytes.
    pub from: Vec<u8>,
    pub limit: usize,
}

pub enum Item<T> {
    Entry(String, T),
    CommonPrefix(String),
}

pub struct Page<T> {
    pub items: Vec<Item<T>>,
    /// There is more behind the last item.
    pub truncated: bool,
}

/// The smallest key behind `key`.
pub fn after_key(key: &str) -> Vec<u8> {
    let mut bytes = key.as_bytes().to_vec();
    bytes.push(0);
    bytes
}

/// The smallest bytes behind everything that begins with `prefix`. UTF-8 has no byte 0xff, so raising the last one never overflows.
pub fn after_prefix(prefix: &str) -> Vec<u8> {
    let mut bytes = prefix.as_bytes().to_vec();
    match bytes.last_mut() {
        Some(last) => *last += 1,
        None => bytes.push(u8::MAX),
    }
    bytes
}

/// The common prefix that `key` is rolled up to.
pub fn rolled_up<'k>(key: &'k str, prefix: &str, delimiter: &str) -> Option<&'k str> {
    if delimiter.is_empty() {
        return None;
    }
    let at = key.strip_prefix(prefix)?.find(delimiter)?;
    Some(&key[..prefix.len() + at + delimiter.len()])
}

/// Runs `select`, whose parameters are a bucket's id and the first and the end of a range of keys, whose first column is the key and which is in the order of keys.
/// `entry` may skip a row.
pub fn page<T>(
    sql: &Connection,
    select: &str,
    bucket: i64,
    query: &Query,
    entry: impl Fn(&str, &Row<'_>) -> Outcome<Option<T>>,
) -> Outcome<Page<T>> {
    let end = after_prefix(&query.prefix);
    let mut from = query.from.clone().max(query.prefix.clone().into_bytes());
    let mut page = Page { items: Vec::new(), truncated: false };
    let mut select = sql.prepare_cached(select)?;
    'seek: loop {
        let mut rows = select.query(params![bucket, from, end])?;
        while let Some(row) = rows.next()? {
            let key = std::str::from_utf8(row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?)
                .map_err(|_| "a key that is not UTF-8")?;
            let common = rolled_up(key, &query.prefix, &query.delimiter).map(String::from);
            let item = match common {
                Some(common) => Item::CommonPrefix(common),
                None => match entry(key, row)? {
                    Some(value) => Item::Entry(key.into(), value),
                    None => continue,
                },
            };
            if page.items.len() == query.limit {
                // S3 calls a page of nothing complete.
                page.truncated = query.limit > 0;
                return Ok(page);
            }
            page.items.push(item);
            if let Some(Item::CommonPrefix(common)) = page.items.last() {
                from = after_prefix(common);
                continue 'seek;
            }
        }
        return Ok(page);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_roll_up_at_the_first_delimiter_behind_the_prefix() {
        assert_eq!(rolled_up("a/b/c", "", "/"), Some("a/"));
        assert_eq!(rolled_up("a/b/c", "a/", "/"), Some("a/b/"));
        assert_eq!(rolled_up("a/b", "a/", "/"), None);
        assert_eq!(rolled_up("année--2026", "ann", "--"), Some("année--"));
        assert_eq!(rolled_up("a/b", "", ""), None);
    }

    #[test]
    fn what_is_behind_a_prefix_is_behind_every_key_with_it() {
        assert!(after_prefix("a/") > "a/\u{10ffff}".as_bytes().to_vec());
        assert!(after_prefix("a/") <= "a0".as_bytes().to_vec());
        assert!(after_key("a") < "a\u{1}".as_bytes().to_vec());
    }
}
