//! The rules of names, and the name that an uploaded file gets.

use crate::error::{Error, Result};

pub const KEY_BYTES_MAX: usize = 900;
pub const DOCUMENT_ID_BYTES_MAX: usize = 512;
pub(super) const NAME_BYTES_MAX: usize = 63;

/// A blob key: a path of UTF-8, up to 900 bytes, no empty, `.` or `..` segment, no control character.
pub fn blob_key(key: &str) -> Result<()> {
    let bad = |detail| Err(Error::BadName { name: key.to_owned(), detail });
    if key.is_empty() || key.len() > KEY_BYTES_MAX {
        return bad("a blob key has 1 to 900 bytes");
    }
    if key.chars().any(char::is_control) {
        return bad("a blob key has no control characters");
    }
    if key.split('/').any(|segment| matches!(segment, "" | "." | "..")) {
        return bad("no segment of a blob key is empty, `.` or `..`");
    }
    Ok(())
}

/// A table's or collection's name: `[a-z0-9][a-z0-9_-]{0,62}`.
pub fn table_name(name: &str) -> Result<()> {
    let detail = "a table or collection is named by 1 to 63 of a-z, 0-9, `_` and `-`, beginning with a letter or digit";
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-');
    let first_fits = name.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    if first_fits && name.len() <= NAME_BYTES_MAX && name.bytes().all(fits) {
        return Ok(());
    }
    Err(Error::BadName { name: name.to_owned(), detail })
}

/// A document's id: 1–512 bytes of UTF-8, no control character, no `/`, not `.` or `..`.
pub fn document_id(id: &str) -> Result<()> {
    let bad = |detail| Err(Error::BadName { name: id.to_owned(), detail });
    if id.is_empty() || id.len() > DOCUMENT_ID_BYTES_MAX {
        return bad("a document id has 1 to 512 bytes");
    }
    if id.chars().any(char::is_control) || id.contains('/') || matches!(id, "." | "..") {
        return bad("a document id has no control character and no `/`, and is not `.` or `..`");
    }
    Ok(())
}

/// The name that a file's stem gives: lower case, other characters to `-` (`Sales 2026` → `sales-2026`).
pub fn slug(stem: &str) -> Result<String> {
    let mut name = String::new();
    for c in stem.chars().flat_map(char::to_lowercase) {
        match c {
            'a'..='z' | '0'..='9' | '_' => name.push(c),
            _ if name.is_empty() || name.ends_with('-') => {}
            _ => name.push('-'),
        }
    }
    name.truncate(NAME_BYTES_MAX);
    let name = name.trim_start_matches(['_', '-']).trim_end_matches('-').to_owned();
    if name.is_empty() {
        return Err(Error::BadName {
            name: stem.to_owned(),
            detail: "no letter or digit is left for a name; give one with `?name=`",
        });
    }
    Ok(name)
}

/// The `n`th alternative to a name that is taken, `sales-2` for 2; of a blob key, before its extension. It has `bytes_max` at most.
pub fn free_name(name: &str, n: u32, bytes_max: usize) -> String {
    let folder_end = name.rfind('/').map_or(0, |slash| slash + 1);
    let dot = name[folder_end..].rfind('.').filter(|dot| *dot > 0);
    let (stem, extension) = name.split_at(dot.map_or(name.len(), |dot| folder_end + dot));
    let end = format!("-{n}{extension}");
    format!("{}{end}", &stem[..stem.floor_char_boundary(bytes_max.saturating_sub(end.len()))])
}

#[cfg(test)]
mod tests {
    use super::{blob_key, document_id, free_name, slug, table_name};

    #[test]
    fn names_follow_the_rules() {
        for good in ["photos/2026/cat.png", "数据/α.bin", "a"] {
            assert!(blob_key(good).is_ok(), "{good}");
        }
        for bad in ["", "/a", "a/", "a//b", "a/../b", ".", "a\nb", &"x".repeat(901)] {
            assert!(blob_key(bad).is_err(), "{bad}");
        }
        for (name, good) in
            [("sales-2026", true), ("0a_b", true), ("-a", false), ("A", false), ("", false), ("_a", false)]
        {
            assert_eq!(table_name(name).is_ok(), good, "{name}");
        }
        for (id, good) in [("a b", true), ("é", true), ("..", false), ("a/b", false), ("", false)] {
            assert_eq!(document_id(id).is_ok(), good, "{id}");
        }
    }

    #[test]
    fn a_stem_becomes_a_name_that_is_valid() {
        for (stem, name) in
            [("Sales 2026", "sales-2026"), ("__x!!", "x"), ("_ a", "a"), ("Übersicht", "bersicht"), ("a--b", "a-b")]
        {
            assert_eq!(slug(stem).ok().as_deref(), Some(name));
            assert!(table_name(name).is_ok());
        }
        assert!(slug("数据").is_err());
        assert_eq!(slug(&"x".repeat(80)).map(|name| name.len()).ok(), Some(63));
    }

    #[test]
    fn a_free_name_keeps_folder_and_extension() {
        assert_eq!(free_name("sales", 2, 63), "sales-2");
        assert_eq!(free_name("a.b/c.tar.gz", 3, 900), "a.b/c.tar-3.gz");
        assert_eq!(free_name("a.b/c", 3, 900), "a.b/c-3");
        assert_eq!(free_name(&"x".repeat(63), 10, 63), format!("{}-10", "x".repeat(60)));
        assert_eq!(free_name(&format!("{}.csv", "é".repeat(448)), 2, 900).len(), 900);
    }
}
