//! A parameter's text while it is read: what stands next, and where.

use crate::{
    catalogue::Column,
    error::{Error, Result},
};

/// What the reading of one parameter has not yet taken.
#[derive(Debug, Clone, Copy)]
pub struct Text<'a> {
    /// Named in errors.
    pub parameter: &'a str,
    rest: &'a str,
}

impl<'a> Text<'a> {
    pub fn new(parameter: &'a str, text: &'a str) -> Self {
        Self { parameter, rest: text }
    }

    pub fn rest(&self) -> &'a str {
        self.rest
    }

    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Takes `token` if it stands next.
    pub fn eat(&mut self, token: &str) -> bool {
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    pub fn expect(&mut self, token: &str) -> Result<()> {
        if self.eat(token) {
            return Ok(());
        }
        Err(self.error(format!("`{token}` should stand {}.", self.place())))
    }

    pub fn expect_end(&self) -> Result<()> {
        if self.is_empty() {
            return Ok(());
        }
        Err(self.error(format!("it should end {}.", self.place())))
    }

    /// Takes what stands before the first character that `ends` names.
    pub fn until(&mut self, ends: impl Fn(char) -> bool) -> &'a str {
        self.take(self.rest.find(ends).unwrap_or(self.rest.len()))
    }

    /// Takes so many bytes, which must end between two characters; all the rest if there are fewer.
    pub fn take(&mut self, bytes: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at_checked(bytes).unwrap_or((self.rest, ""));
        self.rest = rest;
        taken
    }

    /// Takes the letters, digits and underscores that stand next.
    pub fn word(&mut self) -> &'a str {
        self.until(|c| !c.is_ascii_alphanumeric() && c != '_')
    }

    /// Takes all the rest.
    pub fn whole(&mut self) -> &'a str {
        std::mem::take(&mut self.rest)
    }

    /// Takes what stands next in double quotes, if something does; `\` makes the next character plain.
    pub fn quoted(&mut self) -> Result<Option<String>> {
        if !self.rest.starts_with('"') {
            return Ok(None);
        }
        let mut plain = String::new();
        let mut chars = self.rest.char_indices().skip(1);
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => {
                    self.rest = &self.rest[at + 1..];
                    return Ok(Some(plain));
                }
                '\\' => plain.extend(chars.next().map(|(_, c)| c)),
                c => plain.push(c),
            }
        }
        Err(self.error(format!("the double quote {} is not closed.", self.place())))
    }

    /// Takes the name of one of `columns`: in double quotes, or as it is. As it is, the longest name there is counts, so that most names with dots or colons
    /// need no quotes.
    pub fn column(&mut self, columns: &[Column]) -> Result<usize> {
        let name = match self.quoted()? {
            Some(name) => name,
            None => {
                let starts = columns.iter().enumerate().filter(|(_, column)| self.starts_with_name(&column.name));
                if let Some((position, column)) = starts.max_by_key(|(_, column)| column.name.len()) {
                    self.rest = &self.rest[column.name.len()..];
                    return Ok(position);
                }
                let end = self.rest.find("->").unwrap_or(self.rest.len());
                let (name, _) = self.rest.split_at(end);
                name.split(['.', ',', '(', ')', ':']).next().unwrap_or_default().to_owned()
            }
        };
        super::position(self.parameter, columns, &name)
    }

    fn starts_with_name(&self, name: &str) -> bool {
        let Some(after) = self.rest.strip_prefix(name) else { return false };
        !name.is_empty() && (after.is_empty() || after.starts_with(['.', ',', ')', ':']) || after.starts_with("->"))
    }

    pub fn error(&self, detail: impl Into<String>) -> Error {
        Error::invalid(self.parameter, detail)
    }

    /// For sentences about what is wrong: `at "…"`.
    pub fn place(&self) -> String {
        const SHOWN_CHARS: usize = 40;
        match self.rest.char_indices().nth(SHOWN_CHARS) {
            None if self.rest.is_empty() => "at its end".to_owned(),
            None => format!("at `{}`", self.rest),
            Some((end, _)) => format!("at `{}…`", &self.rest[..end]),
        }
    }
}
