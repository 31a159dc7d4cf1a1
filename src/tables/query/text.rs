//! A parameter's text while it is read: what stands next, and where.

use crate::{
    catalogue::Column,
    error::{Error, Result},
};

/// Those of a query that have a meaning of their own.
const PARAMETERS: &str = "select, order, limit, offset, cursor, distinct, having, q, and, or, not.and, not.or, version, excel, formulas and bigint";
/// In an error.
const OUTPUTS_NAMED_MAX: usize = 20;

/// What the reading of one parameter has not yet taken.
#[derive(Debug, Clone, Copy)]
pub struct Text<'a> {
    /// Named in errors.
    pub parameter: &'a str,
    rest: &'a str,
    names: Names,
}

/// What a name in a text can be, for those who give one that is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Names {
    Columns,
    /// A parameter of a URL is a column's name, if it has no meaning of its own.
    Parameters,
    /// What `select` gives.
    Outputs,
}

impl<'a> Text<'a> {
    pub fn new(parameter: &'a str, text: &'a str) -> Self {
        Self { parameter, rest: text, names: Names::Columns }
    }

    /// The name of a parameter, which asks a column.
    pub fn of_name(parameter: &'a str) -> Self {
        Self { names: Names::Parameters, ..Self::new(parameter, parameter) }
    }

    /// One that asks groups, by what `select` gives.
    pub fn of_groups(parameter: &'a str, text: &'a str) -> Self {
        Self { names: Names::Outputs, ..Self::new(parameter, text) }
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

    /// Takes the spaces that stand next.
    pub fn space(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t']);
    }

    /// Takes `token`, and the spaces before it, if it stands next.
    pub fn eat_spaced(&mut self, token: &str) -> bool {
        let mut ahead = *self;
        ahead.space();
        let eaten = ahead.eat(token);
        if eaten {
            *self = ahead;
        }
        eaten
    }

    pub fn expect(&mut self, token: &str) -> Result<()> {
        if self.eat_spaced(token) {
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

    /// Whether what stands next, behind spaces, is in double quotes.
    pub fn is_quoted(&self) -> bool {
        self.rest.trim_start_matches([' ', '\t']).starts_with('"')
    }

    /// Takes one value of a list or a tree: what stands in double quotes, or all before the first character that `ends` names.
    pub fn element(&mut self, ends: impl Fn(char) -> bool) -> Result<String> {
        if !self.is_quoted() {
            return Ok(self.until(ends).to_owned());
        }
        self.space();
        let value = self.quoted()?.unwrap_or_default();
        self.space();
        if self.is_empty() || self.rest.starts_with(ends) {
            return Ok(value);
        }
        Err(self.error(format!("a comma or the end should stand {}.", self.place())))
    }

    /// Takes what stands in brackets or braces, such as JSON, if a comma, a parenthesis or nothing follows them; those in double quotes do not count.
    pub fn bracketed(&mut self) -> Option<&'a str> {
        let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
        for (at, c) in self.rest.char_indices() {
            match c {
                _ if escaped => escaped = false,
                '\\' => escaped = quoted,
                '"' => quoted = !quoted,
                '{' | '[' if !quoted => depth += 1,
                '}' | ']' if !quoted => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth == 0 {
                let (value, rest) = self.rest.split_at(at + c.len_utf8());
                let rest = rest.trim_start_matches([' ', '\t']);
                let ends = rest.is_empty() || rest.starts_with([',', ')']);
                self.rest = if ends { rest } else { self.rest };
                return ends.then_some(value);
            }
        }
        None
    }

    /// Takes the name of one of `columns`: in double quotes, or as it is. As it is, the longest name there is counts, so that most names with dots or colons
    /// need no quotes. Spaces around it are no part of it, unless there is a column that has them.
    pub fn column(&mut self, columns: &[Column]) -> Result<usize> {
        if let Some(position) = self.bare_column(columns) {
            return Ok(position);
        }
        self.space();
        if let Some(name) = self.quoted()? {
            self.space();
            return super::find(columns, &name).ok_or_else(|| self.unknown(columns, &name));
        }
        if let Some(position) = self.bare_column(columns) {
            return Ok(position);
        }
        let end = self.rest.find("->").unwrap_or(self.rest.len());
        let (name, _) = self.rest.split_at(end);
        let name = name.split(['.', ',', '(', ')', ':']).next().unwrap_or_default();
        match name.trim_end() {
            "" => Err(self.error(format!("the name of a column should stand {}.", self.place()))),
            name => Err(self.unknown(columns, name)),
        }
    }

    /// The columns of a table are not listed: a link may show less than all of them.
    fn unknown(&self, columns: &[Column], name: &str) -> Error {
        let alike = columns.iter().find(|column| column.name.to_lowercase() == name.to_lowercase());
        self.error(match (self.names, alike) {
            (Names::Outputs, _) => {
                let names: Vec<_> = columns.iter().take(OUTPUTS_NAMED_MAX).map(|one| format!("`{}`", one.name)).collect();
                format!("`select` gives no `{name}`; groups are asked by what it gives, such as {}.", names.join(", "))
            }
            (_, Some(column)) => format!("there is no column `{name}`; there is `{}`.", column.name),
            (Names::Columns, None) if name == "count" => {
                "there is no column `count`; `count()` is the number of rows.".to_owned()
            }
            (Names::Columns, None) => super::no_column(name),
            (Names::Parameters, None) => format!(
                "there is no column `{name}` and no such parameter; the table's descriptor lists the columns, and the parameters are {PARAMETERS}."
            ),
        })
    }

    fn bare_column(&mut self, columns: &[Column]) -> Option<usize> {
        let starts = columns.iter().enumerate().filter_map(|(position, column)| {
            let rest = self.behind_name(&column.name)?;
            Some((column.name.len(), position, rest))
        });
        let (_, position, rest) = starts.max_by_key(|(length, ..)| *length)?;
        self.rest = rest;
        Some(position)
    }

    /// What follows `name`, if that stands next and ends there. Quotes are never part of a bare name.
    fn behind_name(&self, name: &str) -> Option<&'a str> {
        let rest = self.rest.strip_prefix(name)?.trim_start_matches([' ', '\t']);
        let ends = rest.is_empty() || rest.starts_with(['.', ',', ')', ':']) || rest.starts_with("->");
        (ends && !name.is_empty() && !name.starts_with('"')).then_some(rest)
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
