//! The beginning of a text.

use super::{json, pane};
use crate::{
    app::App,
    catalogue::Version,
    error::Result,
    web::words::{bytes, cut},
};
use encoding_rs::{Encoding, UTF_8, WINDOWS_1252};
use futures::TryStreamExt;
use maud::{Markup, html};
use std::borrow::Cow;

const BEGINNING_BYTES: u64 = 64 << 10;
const LINES_MAX: usize = 500;
const LINE_CHARS_MAX: usize = 2000;

/// Endings of names whose lines are prose and wrap; all others are code.
const PROSE: [&str; 4] = [".txt", ".md", ".markdown", ".rst"];

pub struct Text {
    bytes: Vec<u8>,
    /// Whether this is all of it.
    whole: bool,
}

/// Whether bytes of that type can be a text; most types of applications are judged by their bytes.
pub fn may_be(content_type: &str) -> bool {
    let kind = content_type.split('/').next().unwrap_or_default();
    !matches!(kind, "image" | "audio" | "video" | "font" | "model")
}

/// The first bytes, if a text begins with them.
pub async fn beginning(app: &App, version: &Version) -> Result<Option<Text>> {
    let whole =
        version.size_bytes <= BEGINNING_BYTES.max(super::TREE_BYTES_MAX) && json::is_json(&version.content_type);
    let wanted = if whole { version.size_bytes } else { version.size_bytes.min(BEGINNING_BYTES) };
    let mut bytes = Vec::new();
    if let Some(last) = wanted.checked_sub(1) {
        let mut stream = app.objects.read(version.object_id, Some(0..=last)).await?;
        while let Some(chunk) = stream.try_next().await? {
            bytes.extend_from_slice(&chunk);
        }
    }
    let text = Text { bytes, whole: wanted == version.size_bytes };
    Ok(text.looks_like_one(&version.content_type).then_some(text))
}

impl Text {
    fn looks_like_one(&self, content_type: &str) -> bool {
        if Encoding::for_bom(&self.bytes).is_some() {
            return true;
        }
        let control = |byte: &u8| *byte < b' ' && !matches!(byte, b'\t' | b'\n' | b'\r' | 0x0C | 0x1B);
        !self.bytes.iter().any(control) && (self.is_utf8() || content_type.starts_with("text/"))
    }

    /// A beginning may end within a character.
    fn is_utf8(&self) -> bool {
        match std::str::from_utf8(&self.bytes) {
            Ok(_) => true,
            Err(error) => !self.whole && error.error_len().is_none(),
        }
    }

    fn decoded(&self) -> Cow<'_, str> {
        let encoding = if self.is_utf8() { UTF_8 } else { WINDOWS_1252 };
        let (text, _, _) = encoding.decode(&self.bytes);
        text
    }

    /// As a tree, if this is all of it and one value of JSON that has parts.
    pub fn json(&self) -> Option<Markup> {
        let text = self.decoded();
        let nested = text.trim_start().starts_with(['{', '[']);
        if self.whole && nested { json::tree(&text) } else { None }
    }

    pub fn render(&self, name: &str, size_bytes: u64) -> Markup {
        let text = self.decoded();
        let lines: Vec<_> = text.lines().take(LINES_MAX).map(|line| cut(line, LINE_CHARS_MAX)).collect();
        let shortened = !self.whole || text.lines().nth(LINES_MAX).is_some() || lines.iter().any(|(_, cut)| *cut);
        let prose = PROSE.iter().any(|ending| name.to_ascii_lowercase().ends_with(ending));
        let content = html! {
            @if lines.is_empty() {
                p.empty { "There is nothing in it." }
            } @else {
                div.scroll.prose[prose] tabindex="0" role="region" aria-label="Beginning of the text" {
                    pre.code { @for (line, cut) in &lines { span { (line) @if *cut { "…" } } } }
                }
                @if shortened { p.foot { "The beginning of " (bytes(size_bytes)) "." } }
            }
        };
        pane("Preview", &content)
    }
}

#[cfg(test)]
mod tests {
    use super::Text;

    fn text(bytes: &[u8], whole: bool) -> Text {
        Text { bytes: bytes.to_vec(), whole }
    }

    #[test]
    fn a_text_is_told_by_its_bytes() {
        let is = |bytes: &[u8], content_type: &str| text(bytes, false).looks_like_one(content_type);
        assert!(is("größe\n".as_bytes(), "application/octet-stream"));
        assert!(is(&"ö".as_bytes()[..1], "application/octet-stream"), "it ends within a character");
        assert!(is(b"\xFF\xFEa\0", "application/octet-stream"), "UTF-16 has its mark");
        assert!(is(b"gr\xF6\xDFe", "text/plain"), "Windows-1252, where a text is promised");
        assert!(!is(b"gr\xF6\xDFe", "application/octet-stream"));
        assert!(!is(b"PK\x03\x04", "text/plain"));
        assert!(!text(&"ö".as_bytes()[..1], true).looks_like_one("application/octet-stream"));
    }

    #[test]
    fn a_text_is_escaped_and_its_end_is_told() {
        let page = text(b"<script>alert(1)</script>\n\nx", false).render("a.log", 9_000_000).into_string();
        assert!(
            page.contains("<span>&lt;script&gt;alert(1)&lt;/script&gt;</span><span></span><span>x</span>"),
            "{page}"
        );
        assert!(page.contains("The beginning of 9.0 MB."));
        let long = text("x".repeat(3000).as_bytes(), true).render("a.log", 3000).into_string();
        assert!(long.contains("x…</span>") && long.contains("The beginning of"));
        assert!(text(b"", true).render("a.log", 0).into_string().contains("nothing in it"));
    }
}
