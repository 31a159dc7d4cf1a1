//! JSON as a tree that opens and closes without a script. Keys keep their order and numbers their digits: values are shown as they are written.

use crate::web::words::{cut, number, plural};
use maud::{Markup, html};
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;
use std::fmt;

/// Values shown in all; what lies behind them is counted.
const VALUES_MAX: usize = 2000;
const TEXT_CHARS_MAX: usize = 2000;
/// Deeper parts are closed at first.
const LEVELS_OPEN: usize = 2;
/// What lies deeper is shown as it is written.
const LEVELS_MAX: usize = 100;
/// Parts with more values than this are closed at first, but for the outermost.
const VALUES_OPEN_MAX: usize = 30;

/// The members of an object in their order, keys that come twice included.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;

        impl<'de> Visitor<'de> for Collect {
            type Value = Members<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Collect)
    }
}

pub fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    essence == "application/json" || essence == "text/json" || essence.ends_with("+json")
}

/// The tree of one JSON value, if the text is one.
pub fn tree(text: &str) -> Option<Markup> {
    let value: &RawValue = serde_json::from_str(text).ok()?;
    let mut left = VALUES_MAX;
    let values = item(None, value, 0, &mut left);
    Some(html! {
        div.scroll tabindex="0" role="region" aria-label="JSON as a tree" {
            div.tree { ul { (values) } }
        }
        @if left == 0 { p.foot { "The first " (number(VALUES_MAX as u64)) " values." } }
    })
}

/// The tree of several values under names of their own.
pub fn tree_of<'a>(values: impl Iterator<Item = (&'a str, &'a [u8])>) -> Option<Markup> {
    let mut text = "{".to_owned();
    for (name, value) in values {
        if text.len() > 1 {
            text.push(',');
        }
        text.push_str(&serde_json::to_string(name).ok()?);
        text.push(':');
        text.push_str(std::str::from_utf8(value).ok()?);
    }
    tree(&(text + "}"))
}

/// A value under its key, as an item of a list.
fn item(key: Option<&str>, value: &RawValue, level: usize, left: &mut usize) -> Markup {
    *left = left.saturating_sub(1);
    let text = value.get();
    let name = html! { @if let Some(key) = key { span.key { (cut(key, TEXT_CHARS_MAX).0) } ": " } };
    let opens = text.chars().next().filter(|_| level < LEVELS_MAX);
    if opens == Some('{') {
        let members = serde_json::from_str::<Members>(text).map(|members| members.0).unwrap_or_default();
        let values = members.iter().map(|(key, value)| (Some(key.as_str()), *value));
        return branch(&name, ("{", "}"), "key", values.collect(), level, left);
    }
    if opens == Some('[') {
        let values: Vec<&RawValue> = serde_json::from_str(text).unwrap_or_default();
        return branch(&name, ("[", "]"), "item", values.into_iter().map(|value| (None, value)).collect(), level, left);
    }
    let class = if text.starts_with('"') { "string" } else { "atom" };
    // As it is written, escapes included.
    let (shown, cut) = cut(text, TEXT_CHARS_MAX);
    html! { li { (name) span class=(class) { (shown) @if cut { "…" } } } }
}

fn branch(
    name: &Markup,
    (open, close): (&str, &str),
    what: &str,
    values: Vec<(Option<&str>, &RawValue)>,
    level: usize,
    left: &mut usize,
) -> Markup {
    if values.is_empty() {
        return html! { li { (name) span.of { (open) (close) } } };
    }
    let shown: Vec<_> =
        values.iter().map_while(|(key, value)| (*left > 0).then(|| item(*key, value, level + 1, left))).collect();
    let is_open = level == 0 || (level < LEVELS_OPEN && values.len() <= VALUES_OPEN_MAX);
    html! {
        li.open {
            details open[is_open] {
                summary { (name) span.of { (open) " " (plural(values.len() as u64, what)) " " (close) } }
                ul {
                    @for item in &shown { (item) }
                    @if shown.len() < values.len() { li.of { "… and " (number((values.len() - shown.len()) as u64)) " more" } }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::tree;

    #[test]
    fn a_tree_keeps_order_digits_and_escapes() {
        let page =
            tree(r#"{"z": 1.0000000000000000000001, "<b>": "</script>\u0041", "z": [], "a": [null, {"x": true}]}"#)
                .unwrap();
        let page = page.into_string();
        assert!(page.contains("1.0000000000000000000001"), "{page}");
        assert!(
            page.contains(
                r#"<span class="key">&lt;b&gt;</span>: <span class="string">&quot;&lt;/script&gt;\u0041&quot;</span>"#
            ),
            "{page}"
        );
        assert_eq!(page.matches("<span class=\"key\">z</span>").count(), 2, "a key that comes twice is shown twice");
        assert!(page.contains("{ 4 keys }") && page.contains("[ 2 items ]") && page.contains("{ 1 key }"), "{page}");
        assert!(page.contains("<span class=\"of\">[]</span>"), "{page}");
        assert!(tree("{\"a\":").is_none());
    }

    #[test]
    fn a_tree_is_bounded() {
        let many = format!("[{}]", vec!["1"; 5000].join(","));
        let page = tree(&many).unwrap().into_string();
        assert_eq!(page.matches("<li>").count(), 1999);
        assert!(page.contains("… and 3,001 more") && page.contains("The first 2,000 values."), "{page}");
        let deep = format!("{}1{}", "[".repeat(20_000), "]".repeat(20_000));
        let page = tree(&deep).unwrap().into_string();
        assert_eq!(page.matches("<details").count(), 100);
        assert!(
            page.contains(&format!("<span class=\"atom\">{}…</span>", "[".repeat(2000))),
            "the rest is told as it is written"
        );
    }
}
