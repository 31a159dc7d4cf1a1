//! Which parameter of a query Postgres means, where only one can be meant.

use super::{Condition, Expression, Operator, Output, Parameters, RowQuery, Scalar, Syntax, parameters::condition};
use crate::{
    catalogue::{Column, ColumnType},
    error::{Error, Fault},
};

impl Parameters {
    /// The error of a query of these columns; a fault that can lie in one parameter alone names it, and the value.
    pub fn blame(&self, columns: &[Column], error: Error) -> Error {
        let Error::Query(fault) = error else { return error };
        let suspects = self.suspects(columns, fault);
        let Some((name, detail)) = suspects.first() else { return error };
        if suspects.iter().any(|(other, _)| other != name) {
            return error;
        }
        let certain = suspects.iter().all(|(_, other)| other == detail);
        Error::invalid(name, if certain { detail } else { fault.sentence() })
    }

    /// Parameters that the fault can lie in, with what it then is.
    fn suspects(&self, columns: &[Column], fault: Fault) -> Vec<(String, String)> {
        let mut found = Vec::new();
        for (name, value) in &self.conditions {
            if let Ok(condition) = condition(name, value, columns) {
                in_condition(&condition, columns, fault, &mut |detail| found.push((name.clone(), detail)));
            }
        }
        if fault == Fault::LongWord && self.words.is_some() {
            found.push(("q".to_owned(), fault.sentence().to_owned()));
        }
        let Ok(query) = RowQuery::parse(columns, self) else { return found };
        let results = query.columns();
        for condition in &query.having {
            in_condition(condition, &results, fault, &mut |detail| found.push(("having".to_owned(), detail)));
        }
        if fault == Fault::Cast {
            let selected = query.outputs.iter().filter_map(|output| failed_output(output, columns));
            found.extend(selected.map(|detail| ("select".to_owned(), detail)));
            let sorted = if query.is_grouped() { results.as_slice() } else { columns };
            // One that has a name in `select` is meant there.
            let selected =
                |by: &Scalar| query.outputs.iter().any(|output| output.value == Expression::Scalar(by.clone()));
            let sorted = query
                .order
                .iter()
                .filter(|order| !selected(&order.by))
                .filter_map(|order| failed_cast(&order.by, sorted));
            found.extend(sorted.map(|detail| ("order".to_owned(), detail)));
        }
        found
    }
}

fn in_condition(condition: &Condition, columns: &[Column], fault: Fault, found: &mut impl FnMut(String)) {
    match condition {
        Condition::All(members) | Condition::Any(members) => {
            for member in members {
                in_condition(member, columns, fault, found);
            }
        }
        Condition::Not(condition) => in_condition(condition, columns, fault, found),
        Condition::Test(target, operator) => match (fault, operator) {
            (Fault::Cast, _) => failed_cast(target, columns).into_iter().for_each(found),
            (Fault::Expression, Operator::Match { patterns, .. }) => {
                patterns
                    .texts()
                    .for_each(|pattern| found(format!("`{pattern}` is no regular expression that Postgres knows.")));
            }
            (Fault::Words, Operator::Words { syntax: Syntax::Operators, query, .. }) => found(format!(
                "`{query}` is not written as `fts` asks, such as `cat & !dog`; `wfts` takes words as people write them."
            )),
            (Fault::LongWord, Operator::Words { .. }) => found(fault.sentence().to_owned()),
            _ => {}
        },
        Condition::Words(_) => {}
    }
}

fn failed_output(output: &Output, columns: &[Column]) -> Option<String> {
    match &output.value {
        Expression::Scalar(scalar) => failed_cast(scalar, columns),
        Expression::Aggregate(aggregate) => {
            let within = aggregate.of.as_ref().and_then(|scalar| failed_cast(scalar, columns));
            within.or_else(|| failed(&output.name, aggregate.natural_type(), aggregate.casts.iter().copied()))
        }
    }
}

/// The cast that some value does not survive, if there is one of which that can be.
fn failed_cast(scalar: &Scalar, columns: &[Column]) -> Option<String> {
    let types = scalar.steps.iter().scan(scalar.from, |before, step| {
        *before = step.column_type(*before);
        Some(*before)
    });
    failed(&scalar.name(columns), scalar.from, types)
}

/// Of a value that is first `before` and then each of `types`. Only a cast makes something else of text or JSON.
fn failed(name: &str, mut before: ColumnType, types: impl Iterator<Item = ColumnType>) -> Option<String> {
    let loose = |column_type| matches!(column_type, ColumnType::Text | ColumnType::Json);
    for after in types {
        if loose(before) && !loose(after) {
            return Some(format!("a value of `{name}` is no {}, to which it is cast.", after.name()));
        }
        before = after;
    }
    None
}
