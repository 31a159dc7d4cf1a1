//! XML as far as OpenDocument files need it: tags, attributes and text, in one pass over a document in memory.

use memchr::memmem;

/// One step of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event<'a> {
    /// `<name …>`; `closed`: `<name …/>`, which no `Close` follows.
    Open { tag: Tag<'a>, closed: bool },
    /// `</name>`
    Close(&'a str),
    /// As it stands: see [`unescape`].
    Text(&'a str),
    /// Text that has no escapes.
    Literal(&'a str),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tag<'a> {
    /// With its prefix.
    pub name: &'a str,
    attributes: &'a str,
}

impl<'a> Tag<'a> {
    /// The value of an attribute, unescaped.
    pub fn get(&self, name: &str) -> Option<String> {
        self.attributes().find(|(key, _)| *key == name).map(|(_, value)| unescape(value))
    }

    fn attributes(&self) -> impl Iterator<Item = (&'a str, &'a str)> {
        let mut rest = self.attributes;
        std::iter::from_fn(move || {
            let (key, behind) = rest.split_once('=')?;
            let behind = behind.trim_start();
            let quote = behind.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
            let (value, behind) = behind.get(1..)?.split_once(quote)?;
            rest = behind;
            Some((key.trim(), value))
        })
    }
}

/// What is left of a document.
#[derive(Debug)]
pub(super) struct Document<'a> {
    rest: &'a str,
}

impl<'a> Document<'a> {
    pub fn new(text: &'a str) -> Self {
        Self { rest: text }
    }

    /// What comes next.
    pub fn rest(&self) -> &'a str {
        self.rest
    }

    /// Whether all of it was read: false if it breaks off within a tag.
    pub fn ended(&self) -> bool {
        self.rest.is_empty()
    }

    /// Takes what stands before the next `end`, and `end` itself.
    fn take(&mut self, end: &str) -> Option<&'a str> {
        let at = memmem::find(self.rest.as_bytes(), end.as_bytes())?;
        let taken = self.rest.get(..at)?;
        self.rest = self.rest.get(at + end.len()..)?;
        Some(taken)
    }
}

impl<'a> Iterator for Document<'a> {
    type Item = Event<'a>;

    fn next(&mut self) -> Option<Event<'a>> {
        loop {
            if self.rest.is_empty() {
                return None;
            }
            let Some(behind) = self.rest.strip_prefix('<') else {
                let end = self.rest.find('<').unwrap_or(self.rest.len());
                let (text, rest) = self.rest.split_at(end);
                self.rest = rest;
                return Some(Event::Text(text));
            };
            if behind.starts_with("!--") {
                self.take("-->")?;
            } else if behind.starts_with("![CDATA[") {
                return self.take("]]>").and_then(|text| text.get(9..)).map(Event::Literal);
            } else if behind.starts_with('?') {
                self.take("?>")?;
            } else if behind.starts_with('!') {
                self.take(">")?;
            } else if let Some(name) = behind.strip_prefix('/') {
                let end = name.find('>')?;
                self.rest = name.get(end + 1..)?;
                return name.get(..end).map(|name| Event::Close(name.trim()));
            } else {
                let end = tag_end(behind)?;
                self.rest = behind.get(end + 1..)?;
                let tag = behind.get(..end)?;
                let (tag, closed) = tag.strip_suffix('/').map_or((tag, false), |tag| (tag, true));
                let (name, attributes) = tag.split_once(|c: char| c.is_ascii_whitespace()).unwrap_or((tag, ""));
                return Some(Event::Open { tag: Tag { name, attributes }, closed });
            }
        }
    }
}

/// Where the `>` of a tag stands: not within the quotes of an attribute.
fn tag_end(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = 0;
    loop {
        at += memchr::memchr3(b'>', b'"', b'\'', bytes.get(at..)?)?;
        match bytes.get(at)? {
            b'>' => return Some(at),
            quote => at += 1 + memchr::memchr(*quote, bytes.get(at + 1..)?)? + 1,
        }
    }
}

/// `&lt;`, `&#10;` and their like as the characters that they stand for; what is none stays as it is.
pub(super) fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('&') {
        plain.push_str(before);
        // The longest is `&#x10ffff;`.
        let end = behind.as_bytes().iter().take(10).position(|byte| *byte == b';');
        match end.and_then(|end| Some((character(behind.get(..end)?)?, behind.get(end + 1..)?))) {
            Some((character, behind)) => {
                plain.push(character);
                rest = behind;
            }
            None => {
                plain.push('&');
                rest = behind;
            }
        }
    }
    plain.push_str(rest);
    plain
}

fn character(name: &str) -> Option<char> {
    match name {
        "lt" => Some('<'),
        "gt" => Some('>'),
        "amp" => Some('&'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code)
        }
    }
}
