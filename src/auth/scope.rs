//! Scopes: what a token may do of all that its principal may.
//!
//! A scope is `action:pattern`, such as `read:tables/sales-*` or `write:blobs/team/**`. The pattern is compared with `blobs/{key}`, `tables/{name}` or
//! `documents/{collection}`; `*` stands for any characters but a slash, `**` for any characters. `write` and `share` permit reading as well, `admin` permits all.
//!
//! **Invariant.** Scopes only take away: a token may do what one of its scopes permits, as far as its principal may do it. What makes an admin more than others
//! needs a scope `admin`, so that a narrower token of an admin is one like everybody's.

use crate::{
    catalogue::Kind,
    error::{Error, Result},
};

/// Scopes of one token, and bytes of one pattern: a key has 900 at most.
const SCOPES_MAX: usize = 64;
const PATTERN_BYTES_MAX: usize = 1000;

/// What is done to a dataset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    Read,
    Write,
    /// Making links that need no token.
    Share,
    /// What only the owner or an admin may: saying who sees it.
    Admin,
}

impl Action {
    fn named(name: &str) -> Option<Self> {
        [Self::Read, Self::Write, Self::Share, Self::Admin].into_iter().find(|action| action.as_str() == name)
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Share => "share",
            Self::Admin => "admin",
        }
    }

    fn permits(self, wanted: Self) -> bool {
        self == Self::Admin || self == wanted || wanted == Self::Read
    }
}

/// A piece of a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Piece {
    One(char),
    /// `*`
    InSegment,
    /// `**`
    Across,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Pattern(Vec<Piece>);

impl Pattern {
    fn new(text: &str) -> Self {
        let mut pieces = Vec::new();
        for c in text.chars() {
            match (c, pieces.last()) {
                ('*', Some(Piece::InSegment | Piece::Across)) => _ = pieces.splice(pieces.len() - 1.., [Piece::Across]),
                ('*', _) => pieces.push(Piece::InSegment),
                _ => pieces.push(Piece::One(c)),
            }
        }
        Self(pieces)
    }

    fn is_everything(&self) -> bool {
        self.0 == [Piece::Across]
    }

    /// Whether all that `other` stands for is what this one stands for, too; a plain text stands for itself. Never true without being so; where a wildcard of `other`
    /// is covered only by several pieces of this one together, false although it may be so.
    fn contains(&self, other: &[Piece]) -> bool {
        // The places in this pattern at which the rest of `other` may go on.
        let mut places = vec![false; self.0.len() + 1];
        places[0] = true;
        self.pass_over_wildcards(&mut places);
        for piece in other {
            let mut next = vec![false; places.len()];
            for (at, own) in self.0.iter().enumerate().filter(|(at, _)| places[*at]) {
                match (own, piece) {
                    (Piece::One(own), Piece::One(c)) if own == c => next[at + 1] = true,
                    (Piece::InSegment, Piece::One('/') | Piece::Across) | (Piece::One(_), _) => {}
                    (Piece::InSegment | Piece::Across, _) => next[at] = true,
                }
            }
            self.pass_over_wildcards(&mut next);
            places = next;
        }
        places[self.0.len()]
    }

    /// A wildcard may stand for nothing.
    fn pass_over_wildcards(&self, places: &mut [bool]) {
        for (at, piece) in self.0.iter().enumerate() {
            places[at + 1] |= places[at] && !matches!(piece, Piece::One(_));
        }
    }

    /// As a regular expression of Postgres, to be bound.
    fn regex(&self) -> String {
        let mut regex = "^".to_owned();
        for piece in &self.0 {
            match piece {
                Piece::One(c) if c.is_alphanumeric() || !c.is_ascii() => regex.push(*c),
                Piece::One(c) => regex.extend(['\\', *c]),
                Piece::InSegment => regex.push_str("[^/]*"),
                Piece::Across => regex.push_str(".*"),
            }
        }
        regex + "$"
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Scope {
    action: Action,
    pattern: Pattern,
    text: String,
}

impl Scope {
    fn parse(text: &str) -> Result<Self> {
        let bad = |detail: &str| {
            let form = "a scope is `read`, `write`, `share` or `admin`, a colon and a pattern such as `tables/sales-*`, `blobs/team/**`, `documents/*` or `**`";
            Err(Error::invalid("scopes", format!("`{text}` {detail}; {form}.")))
        };
        let Some((action, pattern)) = text.split_once(':') else { return bad("has no colon") };
        let Some(action) = Action::named(action) else { return bad("begins with no action that there is") };
        if pattern.len() > PATTERN_BYTES_MAX || pattern.chars().any(char::is_control) {
            return bad("is too long or has a control character");
        }
        // A pattern that can match nothing is a mistake that would be noticed late.
        let (store, name) = pattern.split_once('/').unwrap_or((pattern, ""));
        let finds = match store {
            "blobs" => !name.is_empty(),
            "tables" | "documents" => !name.is_empty() && !name.contains('/'),
            _ => store.contains("**") || (store.contains('*') && !name.is_empty()),
        };
        if !finds {
            return bad("is of nothing that could be there");
        }
        Ok(Self { action, pattern: Pattern::new(pattern), text: text.to_owned() })
    }

    fn contains(&self, other: &Self) -> bool {
        self.action.permits(other.action) && self.pattern.contains(&other.pattern.0)
    }
}

/// The scopes of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scopes(Vec<Scope>);

impl Scopes {
    /// All that its principal may do.
    pub const EVERYTHING: &'static str = "admin:**";

    pub fn everything() -> Self {
        let everything =
            Scope { action: Action::Admin, pattern: Pattern(vec![Piece::Across]), text: Self::EVERYTHING.to_owned() };
        Self(vec![everything])
    }

    /// Those that permit nothing.
    pub fn none() -> Self {
        Self(Vec::new())
    }

    /// # Errors
    /// `Invalid` if there is none, or one that cannot be read.
    pub fn parse<T: AsRef<str>>(texts: &[T]) -> Result<Self> {
        if texts.is_empty() || texts.len() > SCOPES_MAX {
            return Err(Error::invalid("scopes", format!("a token has 1 to {SCOPES_MAX} scopes.")));
        }
        texts.iter().map(|text| Scope::parse(text.as_ref())).collect::<Result<_>>().map(Self)
    }

    /// As they are written.
    pub fn texts(&self) -> Vec<String> {
        self.0.iter().map(|scope| scope.text.clone()).collect()
    }

    /// Whether they permit the action on what has the name, or may get it.
    pub fn permit(&self, action: Action, kind: Kind, name: &str) -> bool {
        let mut scopes = self.0.iter().filter(|scope| scope.action.permits(action));
        if scopes.clone().any(|scope| scope.pattern.is_everything()) {
            return true;
        }
        let resource: Vec<Piece> = resource(kind, name).chars().map(Piece::One).collect();
        scopes.any(|scope| scope.pattern.contains(&resource))
    }

    /// Whether they permit the action on every blob below a folder, those to come as well.
    pub fn permit_below(&self, action: Action, folder: &str) -> bool {
        let below = resource(Kind::Blob, folder).chars().map(Piece::One).chain([Piece::Across]).collect::<Vec<_>>();
        self.0.iter().any(|scope| scope.action.permits(action) && scope.pattern.contains(&below))
    }

    /// Whether they permit the action on everything there is and will be.
    pub fn permit_everywhere(&self, action: Action) -> bool {
        self.patterns(action).is_none()
    }

    /// What they permit the action on, as regular expressions of Postgres; `None` for everything.
    pub fn patterns(&self, action: Action) -> Option<Vec<String>> {
        let scopes = self.0.iter().filter(|scope| scope.action.permits(action));
        scopes.map(|scope| (!scope.pattern.is_everything()).then(|| scope.pattern.regex())).collect()
    }

    /// Whether each of them lies within one of `others`, so that they permit nothing that `others` do not.
    pub fn within(&self, others: &Self) -> bool {
        self.beyond(others).is_none()
    }

    /// The first that does not lie within one of `others`, as it is written.
    pub fn beyond(&self, others: &Self) -> Option<&str> {
        let beyond = self.0.iter().find(|scope| !others.0.iter().any(|other| other.contains(scope)));
        beyond.map(|scope| scope.text.as_str())
    }
}

/// What patterns are compared with.
pub fn resource(kind: Kind, name: &str) -> String {
    let store = match kind {
        Kind::Blob => "blobs",
        Kind::Table => "tables",
        Kind::Collection => "documents",
    };
    format!("{store}/{name}")
}
