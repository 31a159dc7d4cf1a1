//! Conditions: `amount=gt.5` of one value, and trees of them such as `or=(a.eq.1,not.and(b.is.null,c.lt.2))`.

use super::{
    operator::{Operator, Within},
    scalar::Scalar,
    search::Search,
    text::Text,
};
use crate::{catalogue::Column, error::Result};

/// How deep `and` and `or` may stand in one another.
const DEPTH_MAX: usize = 32;

#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
    All(Vec<Self>),
    Any(Vec<Self>),
    Not(Box<Self>),
    Test(Scalar, Operator),
    /// Of all text columns of a row together.
    Words(Search),
}

impl Condition {
    /// `parameter=value`, where the parameter's name is what is asked about: `data->>city=eq.Oslo`.
    pub fn of_parameter(parameter: &str, value: &str, columns: &[Column]) -> Result<Self> {
        let mut name = Text::of_name(parameter);
        let target = Scalar::parse(&mut name, columns)?;
        name.expect_end()?;
        let mut text = Text::new(parameter, value);
        let test = test(&mut text, parameter, target, Within::Parameter)?;
        text.expect_end()?;
        Ok(test)
    }

    /// `and=(…)`, `or=(…)`, `not.and=(…)`, `not.or=(…)`: `name` is all before `=`.
    pub fn of_tree(name: &str, value: &str, columns: &[Column]) -> Result<Self> {
        let mut text = Text::new(name, value);
        let (negated, connective) = match name.strip_prefix("not.") {
            Some(rest) => (true, rest),
            None => (false, name),
        };
        let members = members(&mut text, columns, 1)?;
        text.expect_end()?;
        Ok(group(connective == "or", negated, members))
    }

    /// `having=n.gt.1`: one condition as it stands in a tree.
    pub fn of_groups(parameter: &str, value: &str, columns: &[Column]) -> Result<Self> {
        let mut text = Text::of_groups(parameter, value);
        let condition = member(&mut text, columns, 1)?;
        text.expect_end()?;
        Ok(condition)
    }
}

fn group(any: bool, negated: bool, members: Vec<Condition>) -> Condition {
    let group = if any { Condition::Any(members) } else { Condition::All(members) };
    if negated { Condition::Not(Box::new(group)) } else { group }
}

/// Takes `(…,…)`.
fn members(text: &mut Text<'_>, columns: &[Column], depth: usize) -> Result<Vec<Condition>> {
    if depth > DEPTH_MAX {
        return Err(text.error(format!("`and` and `or` stand in one another at most {DEPTH_MAX} deep.")));
    }
    text.expect("(")?;
    let mut members = Vec::new();
    loop {
        members.push(member(text, columns, depth)?);
        if !text.eat_spaced(",") {
            break;
        }
    }
    text.expect(")")?;
    Ok(members)
}

fn member(text: &mut Text<'_>, columns: &[Column], depth: usize) -> Result<Condition> {
    for (start, any, negated) in
        [("and", false, false), ("or", true, false), ("not.and", false, true), ("not.or", true, true)]
    {
        let mut ahead = *text;
        if ahead.eat_spaced(start) {
            ahead.space();
            if ahead.rest().starts_with('(') {
                *text = ahead;
                return Ok(group(any, negated, members(text, columns, depth + 1)?));
            }
        }
    }
    let before = text.rest();
    let target = Scalar::parse(text, columns)?;
    let named = before.strip_suffix(text.rest()).unwrap_or(before).trim().to_owned();
    text.expect(".")?;
    test(text, &named, target, Within::Tree)
}

fn test(text: &mut Text<'_>, named: &str, target: Scalar, within: Within) -> Result<Condition> {
    let negated = text.eat("not.");
    let operator = Operator::parse(text, (named, &target), within)?;
    let test = Condition::Test(target, operator);
    Ok(if negated { Condition::Not(Box::new(test)) } else { test })
}
