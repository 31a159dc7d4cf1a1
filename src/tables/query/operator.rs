//! What a value is asked: `eq.5`, `in.(a,b)`, `like(any).{a*,b*}`, `fts(english).word`. Operators are those of PostgREST.

use super::{scalar::Scalar, text::Text, value::Value};
use crate::{
    catalogue::ColumnType,
    error::{Error, Result},
};

/// Values of one list: `in.(…)`, `eq(any).{…}`.
const LIST_MAX: usize = 10_000;
/// Of a value that an error repeats behind the operator that it lacks.
const EXAMPLE_BYTES_MAX: usize = 40;

const OPERATORS: [&str; 20] = [
    "eq",
    "neq",
    "gt",
    "gte",
    "lt",
    "lte",
    "like",
    "ilike",
    "match",
    "imatch",
    "in",
    "is",
    "isdistinct",
    "fts",
    "plfts",
    "phfts",
    "wfts",
    "cs",
    "cd",
    "ov",
];

#[derive(Debug, Clone, PartialEq)]
pub enum Operator {
    Compare(Comparison, Operand),
    /// `like`, `ilike`: `*` and `%` stand for any text, `_` for any character.
    Like {
        ignore_case: bool,
        patterns: Operand,
    },
    /// `match`, `imatch`: POSIX regular expressions.
    Match {
        ignore_case: bool,
        patterns: Operand,
    },
    In(Vec<Value>),
    Is(Is),
    /// `isdistinct`: unlike `neq` it holds between NULL and a value.
    IsDistinct(Value),
    /// Words in a text; the configuration is one of Postgres' own.
    Words {
        syntax: Syntax,
        configuration: &'static str,
        query: String,
    },
    /// `cs`, `cd`, `ov`, of JSON: holds the other, is held by it, shares an element with it.
    Contains(Value),
    ContainedIn(Value),
    Overlaps(Value),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    Equal,
    NotEqual,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
}

/// What is on the other side: one value, or some of which any or all must hold.
#[derive(Debug, Clone, PartialEq)]
pub enum Operand {
    One(Value),
    Any(Vec<Value>),
    All(Vec<Value>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Is {
    Null,
    NotNull,
    True,
    False,
    Unknown,
}

/// How the words of `fts`, `plfts`, `phfts` and `wfts` are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Syntax {
    /// `cat & !dog`
    Operators,
    /// All the words.
    Plain,
    /// The words one after another.
    Phrase,
    /// `"a phrase" or word -not`
    Web,
}

/// Where a value ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Within {
    /// It is all the rest of its parameter, quotes and commas too.
    Parameter,
    /// A comma or a parenthesis ends it, unless it stands in double quotes.
    Tree,
}

/// Those that every Postgres brings.
const CONFIGURATIONS: [&str; 29] = [
    "simple",
    "arabic",
    "armenian",
    "basque",
    "catalan",
    "danish",
    "dutch",
    "english",
    "finnish",
    "french",
    "german",
    "greek",
    "hindi",
    "hungarian",
    "indonesian",
    "irish",
    "italian",
    "lithuanian",
    "nepali",
    "norwegian",
    "portuguese",
    "romanian",
    "russian",
    "serbian",
    "spanish",
    "swedish",
    "tamil",
    "turkish",
    "yiddish",
];

impl Operator {
    /// Takes an operator with its value, to be asked of `target`, which the caller calls `named`.
    pub fn parse(text: &mut Text<'_>, (named, target): (&str, &Scalar), within: Within) -> Result<Self> {
        let asked = Asked { named, column_type: target.column_type(), within };
        let start = *text;
        let name = text.word();
        let argument = match text.eat("(") {
            false => None,
            true => {
                let argument = text.until(|c| c == ')');
                text.expect(")")?;
                Some(argument)
            }
        };
        if name.is_empty() || !text.eat(".") {
            let value = match within {
                Within::Parameter
                    if !OPERATORS.contains(&name) && (1..=EXAMPLE_BYTES_MAX).contains(&start.rest().len()) =>
                {
                    start.rest()
                }
                _ => "5",
            };
            let detail = format!("an operator and its value should stand {}, such as `eq.{value}`.", start.place());
            return Err(text.error(detail));
        }
        if let Some(comparison) = Comparison::named(name) {
            return Ok(Self::Compare(comparison, asked.operand(text, argument, asked.column_type)?));
        }
        if let Some((ignore_case, is_pattern)) = pattern(name) {
            asked.only(text, name, ColumnType::Text)?;
            let patterns = asked.operand(text, argument, ColumnType::Text)?;
            if is_pattern && let Some(pattern) = patterns.texts().find(|pattern| ends_in_escape(pattern)) {
                let detail =
                    format!("the pattern `{pattern}` ends with `\\`, which escapes nothing; `\\\\` is a backslash.");
                return Err(text.error(detail));
            }
            return Ok(match is_pattern {
                true => Self::Like { ignore_case, patterns },
                false => Self::Match { ignore_case, patterns },
            });
        }
        if let Some(syntax) = Syntax::named(name) {
            // Of JSON the strings in it are searched.
            if asked.column_type != ColumnType::Json {
                asked.only(text, name, ColumnType::Text)?;
            }
            let configuration = configuration(text, argument)?;
            let query = asked.one(text)?;
            asked.value(text, ColumnType::Text, &query)?;
            return Ok(Self::Words { syntax, configuration, query });
        }
        if argument.is_some() {
            return Err(text.error(format!("`{name}` takes nothing in parentheses before its point.")));
        }
        asked.other(text, name, &start)
    }
}

/// Postgres refuses it, but only where it comes to the end of the pattern.
fn ends_in_escape(pattern: &str) -> bool {
    pattern.bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 1
}

fn pattern(name: &str) -> Option<(bool, bool)> {
    match name {
        "like" => Some((false, true)),
        "ilike" => Some((true, true)),
        "match" => Some((false, false)),
        "imatch" => Some((true, false)),
        _ => None,
    }
}

fn configuration(text: &Text<'_>, argument: Option<&str>) -> Result<&'static str> {
    let Some(asked) = argument else { return Ok(CONFIGURATIONS[0]) };
    let known = CONFIGURATIONS.into_iter().find(|one| *one == asked);
    known.ok_or_else(|| {
        text.error(format!("`{asked}` is no language of a search; there are {}.", CONFIGURATIONS.join(", ")))
    })
}

impl Operand {
    /// Those of its values that are texts.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        let values = match self {
            Self::One(value) => std::slice::from_ref(value),
            Self::Any(values) | Self::All(values) => values,
        };
        values.iter().filter_map(|value| if let Value::Text(text) = value { Some(text.as_str()) } else { None })
    }
}

impl Comparison {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "eq" => Self::Equal,
            "neq" => Self::NotEqual,
            "gt" => Self::Greater,
            "gte" => Self::GreaterOrEqual,
            "lt" => Self::Less,
            "lte" => Self::LessOrEqual,
            _ => return None,
        })
    }
}

impl Syntax {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "fts" => Self::Operators,
            "plfts" => Self::Plain,
            "phfts" => Self::Phrase,
            "wfts" => Self::Web,
            _ => return None,
        })
    }
}

/// What is asked about: values are read as its type and errors name it.
struct Asked<'a> {
    named: &'a str,
    column_type: ColumnType,
    within: Within,
}

impl Asked<'_> {
    fn other(&self, text: &mut Text<'_>, name: &str, start: &Text<'_>) -> Result<Operator> {
        let json = |text: &mut Text<'_>| {
            self.only(text, name, ColumnType::Json)?;
            let value = self.one(text)?;
            self.value(text, ColumnType::Json, &value)
        };
        match name {
            "in" => {
                text.expect("(")?;
                text.space();
                let values = self.list(text, ')', self.column_type)?;
                text.expect(")")?;
                Ok(Operator::In(values))
            }
            "is" => Ok(Operator::Is(self.is(text)?)),
            "isdistinct" => {
                let value = self.one(text)?;
                Ok(Operator::IsDistinct(self.value(text, self.column_type, &value)?))
            }
            "cs" => Ok(Operator::Contains(json(text)?)),
            "cd" => Ok(Operator::ContainedIn(json(text)?)),
            "ov" => Ok(Operator::Overlaps(json(text)?)),
            _ => Err(start.error(format!("`{name}` is no operator; there are {}.", OPERATORS.join(", ")))),
        }
    }

    fn is(&self, text: &mut Text<'_>) -> Result<Is> {
        let word = text.word();
        let is = match word.to_ascii_lowercase().as_str() {
            "null" => Is::Null,
            "not_null" => Is::NotNull,
            "true" => Is::True,
            "false" => Is::False,
            "unknown" => Is::Unknown,
            _ => return Err(text.error("`is` takes null, not_null, true, false or unknown.")),
        };
        if matches!(is, Is::True | Is::False | Is::Unknown) && self.column_type != ColumnType::Boolean {
            let detail = format!("`is.{word}` asks a boolean, and `{}` is {}.", self.named, self.column_type.name());
            return Err(text.error(detail));
        }
        Ok(is)
    }

    fn only(&self, text: &Text<'_>, name: &str, column_type: ColumnType) -> Result<()> {
        if self.column_type == column_type {
            return Ok(());
        }
        Err(text.error(format!(
            "`{name}` asks {}, and `{named}` is {}; `{named}::{}` is one.",
            column_type.name(),
            self.column_type.name(),
            column_type.name(),
            named = self.named
        )))
    }

    fn operand(&self, text: &mut Text<'_>, quantifier: Option<&str>, column_type: ColumnType) -> Result<Operand> {
        let Some(quantifier) = quantifier else {
            let value = self.one(text)?;
            return Ok(Operand::One(self.value(text, column_type, &value)?));
        };
        if !matches!(quantifier, "any" | "all") {
            return Err(text.error(format!("`({quantifier})` should be `(any)` or `(all)`.")));
        }
        text.expect("{")?;
        text.space();
        let values = self.list(text, '}', column_type)?;
        text.expect("}")?;
        Ok(if quantifier == "any" { Operand::Any(values) } else { Operand::All(values) })
    }

    /// Takes one value's text.
    fn one(&self, text: &mut Text<'_>) -> Result<String> {
        match self.within {
            Within::Parameter => Ok(text.whole().to_owned()),
            Within::Tree => {
                let braces = text.rest().starts_with('{');
                let brackets = self.column_type == ColumnType::Json && text.rest().starts_with('[');
                match if braces || brackets { text.bracketed() } else { None } {
                    Some(value) => Ok(value.to_owned()),
                    None => text.element(|c| matches!(c, ',' | ')')),
                }
            }
        }
    }

    /// Takes values up to `end`, which stays; none at all is an empty list.
    fn list(&self, text: &mut Text<'_>, end: char, column_type: ColumnType) -> Result<Vec<Value>> {
        let mut values = Vec::new();
        if text.rest().starts_with(end) {
            return Ok(values);
        }
        loop {
            // In braces spaces around a value are no part of it, as in Postgres' arrays.
            let trims = end == '}' && !text.is_quoted();
            let value = text.element(|c| c == ',' || c == end)?;
            values.push(self.value(text, column_type, if trims { value.trim() } else { &value })?);
            if values.len() > LIST_MAX {
                return Err(text.error(format!("a list takes at most {LIST_MAX} values.")));
            }
            if !text.eat(",") {
                return Ok(values);
            }
        }
    }

    fn value(&self, text: &Text<'_>, column_type: ColumnType, value: &str) -> Result<Value> {
        const SHOWN_CHARS: usize = 60;
        Value::parse(column_type, value).ok_or_else(|| {
            let shown: String = value.chars().take(SHOWN_CHARS).collect();
            let cut = if shown.len() < value.len() { "…" } else { "" };
            Error::invalid(
                text.parameter,
                format!(
                    "`{}` is compared as {}, and `{shown}{cut}` is none: it should be {}.",
                    self.named,
                    column_type.name(),
                    Value::example(column_type)
                ),
            )
        })
    }
}
