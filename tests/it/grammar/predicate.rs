//! Conditions, evaluated over a row in three-valued logic.

use super::datum::{Datum, Kind, datum};
use proptest::{collection::vec, prelude::*};
use std::cmp::Ordering;

/// What is asked about: a column, or a value in its JSON.
#[derive(Debug)]
pub struct Target {
    /// As the grammar has it, without quotes; `quoted` with them.
    pub bare: Option<&'static str>,
    pub quoted: &'static str,
    pub kind: Kind,
}

const fn column(bare: &'static str, quoted: &'static str, kind: Kind) -> Target {
    Target { bare: Some(bare), quoted, kind }
}

/// The last two stand in the JSON of the column `doc`.
pub const TARGETS: [Target; 12] = [
    column("flag", "\"flag\"", Kind::Boolean),
    column("and", "\"and\"", Kind::Bigint),
    column("am.ount", "\"am.ount\"", Kind::Numeric),
    Target { bare: None, quoted: "\"ra,tio\"", kind: Kind::Double },
    column("da:y", "\"da:y\"", Kind::Date),
    column("uhr zeit", "\"uhr zeit\"", Kind::Time),
    column("at", "\"at\"", Kind::Timestamp),
    Target { bare: None, quoted: "\"in\\\"sta\\\\nt\"", kind: Kind::Timestamptz },
    column("schlüssel", "\"schlüssel\"", Kind::Uuid),
    column("note", "\"note\"", Kind::Text),
    column("doc->>k", "\"doc\"->>\"k\"", Kind::Text),
    column("doc->m->>x::bigint", "\"doc\"->\"m\"->>\"x\"::bigint", Kind::Bigint),
];

/// One value for each target; `None` is NULL.
pub type Row = Vec<Option<Datum>>;

#[derive(Debug, Clone)]
pub enum Filter {
    All(Vec<Self>),
    Any(Vec<Self>),
    Not(Box<Self>),
    Test {
        target: usize,
        test: Test,
        /// By which the spelling is chosen.
        style: usize,
    },
}

#[derive(Debug, Clone)]
pub enum Test {
    Compare(Comparison, Datum),
    Any(Comparison, Vec<Datum>),
    All(Comparison, Vec<Datum>),
    In(Vec<Datum>),
    Distinct(Datum),
    Null,
    NotNull,
    /// Of booleans; `None` is unknown.
    Is(Option<bool>),
    Like {
        ignore_case: bool,
        pattern: &'static str,
    },
}

#[derive(Debug, Clone, Copy)]
pub struct Comparison {
    pub name: &'static str,
    holds: fn(Ordering) -> bool,
}

const COMPARISONS: [Comparison; 6] = [
    Comparison { name: "eq", holds: Ordering::is_eq },
    Comparison { name: "neq", holds: Ordering::is_ne },
    Comparison { name: "gt", holds: Ordering::is_gt },
    Comparison { name: "gte", holds: Ordering::is_ge },
    Comparison { name: "lt", holds: Ordering::is_lt },
    Comparison { name: "lte", holds: Ordering::is_le },
];

const PATTERNS: [&str; 12] = ["*", "", "a*", "*a*", "_", "A_", "*,*", "%\"%", "*\\%", "x\\_y", "*\\\\*", "(_)"];

pub fn row() -> impl Strategy<Value = Row> {
    let cells: Vec<_> = TARGETS.iter().map(|target| prop::option::weighted(0.8, datum(target.kind))).collect();
    cells
}

pub fn filter() -> impl Strategy<Value = Filter> {
    let test = (0..TARGETS.len(), 0..10_000_usize).prop_flat_map(|(target, style)| {
        test(TARGETS[target].kind).prop_map(move |test| Filter::Test { target, test, style })
    });
    test.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 1..4).prop_map(Filter::All),
            vec(inner.clone(), 1..4).prop_map(Filter::Any),
            inner.prop_map(|filter| Filter::Not(filter.into())),
        ]
    })
}

fn test(kind: Kind) -> BoxedStrategy<Test> {
    let comparison = prop::sample::select(COMPARISONS.to_vec());
    let common = prop_oneof![
        4 => (comparison.clone(), datum(kind)).prop_map(|(comparison, value)| Test::Compare(comparison, value)),
        1 => (comparison.clone(), vec(datum(kind), 0..4)).prop_map(|(comparison, values)| Test::Any(comparison, values)),
        1 => (comparison, vec(datum(kind), 0..4)).prop_map(|(comparison, values)| Test::All(comparison, values)),
        2 => vec(datum(kind), 0..5).prop_map(Test::In),
        1 => datum(kind).prop_map(Test::Distinct),
        1 => prop_oneof![Just(Test::Null), Just(Test::NotNull)],
    ];
    match kind {
        Kind::Boolean => prop_oneof![2 => common, 1 => any::<Option<bool>>().prop_map(Test::Is)].boxed(),
        Kind::Text => {
            let patterns = (any::<bool>(), prop::sample::select(PATTERNS.to_vec()));
            let like = patterns.prop_map(|(ignore_case, pattern)| Test::Like { ignore_case, pattern });
            prop_oneof![2 => common, 1 => like].boxed()
        }
        _ => common.boxed(),
    }
}

impl Filter {
    /// `None` is unknown.
    pub fn holds(&self, row: &Row) -> Option<bool> {
        match self {
            Self::All(members) => members.iter().map(|member| member.holds(row)).fold(Some(true), and),
            Self::Any(members) => not(members.iter().map(|member| not(member.holds(row))).fold(Some(true), and)),
            Self::Not(member) => not(member.holds(row)),
            Self::Test { target, test, .. } => test.holds(row[*target].as_ref()),
        }
    }
}

fn and(a: Option<bool>, b: Option<bool>) -> Option<bool> {
    match (a, b) {
        (Some(false), _) | (_, Some(false)) => Some(false),
        (Some(true), Some(true)) => Some(true),
        _ => None,
    }
}

fn not(a: Option<bool>) -> Option<bool> {
    a.map(|a| !a)
}

impl Test {
    fn holds(&self, value: Option<&Datum>) -> Option<bool> {
        let compare =
            |comparison: &Comparison, other: &Datum| value.map(|value| (comparison.holds)(value.compare(other)));
        let any = |comparison: &Comparison, others: &[Datum]| {
            not(others.iter().map(|other| not(compare(comparison, other))).fold(Some(true), and))
        };
        match self {
            Self::Compare(comparison, other) => compare(comparison, other),
            Self::Any(comparison, others) => any(comparison, others),
            Self::All(comparison, others) => {
                others.iter().map(|other| compare(comparison, other)).fold(Some(true), and)
            }
            Self::In(others) => any(&COMPARISONS[0], others),
            Self::Distinct(other) => Some(value.is_none_or(|value| value.compare(other).is_ne())),
            Self::Null => Some(value.is_none()),
            Self::NotNull => Some(value.is_some()),
            Self::Is(wanted) => Some(match value {
                Some(Datum::Boolean(value)) => Some(*value) == *wanted,
                _ => wanted.is_none(),
            }),
            Self::Like { ignore_case, pattern } => value.map(|value| {
                let fold = |text: &str| if *ignore_case { text.to_lowercase() } else { text.to_owned() };
                let text = value.spelling(0);
                like(&fold(&text).chars().collect::<Vec<_>>(), &fold(pattern).chars().collect::<Vec<_>>())
            }),
        }
    }
}

fn like(text: &[char], pattern: &[char]) -> bool {
    match pattern {
        [] => text.is_empty(),
        ['*' | '%', rest @ ..] => (0..=text.len()).any(|taken| like(&text[taken..], rest)),
        ['_', rest @ ..] => !text.is_empty() && like(&text[1..], rest),
        ['\\', c, rest @ ..] | [c, rest @ ..] => text.first() == Some(c) && like(&text[1..], rest),
    }
}
