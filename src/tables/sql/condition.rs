//! Conditions, as SQL.

use super::{
    scalar::{bind, scalar},
    search::{document, words},
    select::{Bind, Binds},
};
use crate::{
    catalogue::ColumnType,
    tables::query::{Comparison, Condition, Is, Operand, Operator, Scalar, Syntax, Value},
};

/// Letters as the database's own locale has them: by bytes alone, `ilike` would know only those of ASCII.
const BY_LOCALE: &str = " collate \"default\"";

/// Builds conditions on columns that are called `{prefix}1`, `{prefix}2`, …
pub struct Conditions<'a> {
    pub prefix: &'a str,
    pub binds: &'a mut Binds,
}

impl Conditions<'_> {
    pub fn all(&mut self, conditions: &[Condition]) -> String {
        self.joined(conditions, " and ", "true")
    }

    fn joined(&mut self, conditions: &[Condition], between: &str, of_none: &str) -> String {
        let conditions: Vec<String> = conditions.iter().map(|condition| self.condition(condition)).collect();
        if conditions.is_empty() { of_none.to_owned() } else { conditions.join(between) }
    }

    fn condition(&mut self, condition: &Condition) -> String {
        match condition {
            Condition::All(members) => format!("({})", self.joined(members, " and ", "true")),
            Condition::Any(members) => format!("({})", self.joined(members, " or ", "false")),
            Condition::Not(condition) => format!("(not {})", self.condition(condition)),
            Condition::Test(target, operator) => format!("({})", self.test(target, operator)),
            // Of a row of the table: groups have no words.
            Condition::Words(search) => {
                format!("({} @@ {})", document("t", &search.columns), words(search, self.binds))
            }
        }
    }

    fn test(&mut self, target: &Scalar, operator: &Operator) -> String {
        let column_type = target.column_type();
        let mut value = scalar(self.prefix, target, self.binds);
        let is_null_test = matches!(operator, Operator::Is(_));
        if column_type == ColumnType::Json && !is_null_test {
            value = format!("{value}::jsonb");
        }
        match operator {
            Operator::Compare(comparison, operand) => {
                format!("{value} {} {}", comparison.sql(), self.operand(operand, column_type))
            }
            Operator::Like { ignore_case, patterns } => {
                let (operator, locale) = if *ignore_case { ("ilike", BY_LOCALE) } else { ("like", "") };
                format!("{value}{locale} {operator} {}", self.operand(&starred(patterns), ColumnType::Text))
            }
            Operator::Match { ignore_case, patterns } => {
                let operator = if *ignore_case { "~*" } else { "~" };
                format!("{value}{BY_LOCALE} {operator} {}", self.operand(patterns, ColumnType::Text))
            }
            Operator::In(values) => format!("{value} = any({})", self.list(values, column_type)),
            Operator::Is(is) => format!("{value} is {}", is.sql()),
            Operator::IsDistinct(other) => format!("{value} is distinct from {}", self.one(other, column_type)),
            Operator::Words { syntax, configuration, query } => {
                let place = self.binds.bind(Bind::Text(query.clone()));
                format!("to_tsvector('{configuration}', {value}) @@ {}('{configuration}', {place})", syntax.sql())
            }
            Operator::Contains(other) => format!("{value} @> {}", self.one(other, column_type)),
            Operator::ContainedIn(other) => format!("{value} <@ {}", self.one(other, column_type)),
            Operator::Overlaps(other) => {
                let other = self.one(other, column_type);
                format!(
                    "case when jsonb_typeof({value}) = 'array' and jsonb_typeof({other}) = 'array' then exists (\
                     select from jsonb_array_elements({value}) as mine (element) join jsonb_array_elements({other}) as yours (element) on mine.element = yours.element) end"
                )
            }
        }
    }

    fn operand(&mut self, operand: &Operand, column_type: ColumnType) -> String {
        match operand {
            Operand::One(value) => self.one(value, column_type),
            Operand::Any(values) => format!("any({})", self.list(values, column_type)),
            Operand::All(values) => format!("all({})", self.list(values, column_type)),
        }
    }

    fn one(&mut self, value: &Value, column_type: ColumnType) -> String {
        let place = bind(value, self.binds);
        match (value, column_type) {
            (Value::Text(_), column_type) if column_type != ColumnType::Text => {
                format!("{place}::{}", compared(column_type))
            }
            _ => place,
        }
    }

    fn list(&mut self, values: &[Value], column_type: ColumnType) -> String {
        let values = values.iter();
        match column_type {
            ColumnType::Boolean => self.binds.bind(Bind::Booleans(
                values.filter_map(|value| if let Value::Boolean(one) = value { Some(*one) } else { None }).collect(),
            )),
            ColumnType::Bigint => self.binds.bind(Bind::Bigints(
                values.filter_map(|value| if let Value::Bigint(one) = value { Some(*one) } else { None }).collect(),
            )),
            ColumnType::Double => self.binds.bind(Bind::Doubles(
                values.filter_map(|value| if let Value::Double(one) = value { Some(*one) } else { None }).collect(),
            )),
            _ => {
                let texts =
                    values.filter_map(|value| if let Value::Text(one) = value { Some(one.clone()) } else { None });
                let place = self.binds.bind(Bind::Texts(texts.collect()));
                if column_type == ColumnType::Text { place } else { format!("{place}::{}[]", compared(column_type)) }
            }
        }
    }
}

/// JSON has an equality and an order only in its binary form.
fn compared(column_type: ColumnType) -> &'static str {
    if column_type == ColumnType::Json { "jsonb" } else { column_type.sql() }
}

/// `*` is the same as `%`, which a URL would have to escape.
fn starred(patterns: &Operand) -> Operand {
    let star = |value: &Value| match value {
        Value::Text(pattern) => Value::Text(pattern.replace('*', "%")),
        other => other.clone(),
    };
    match patterns {
        Operand::One(pattern) => Operand::One(star(pattern)),
        Operand::Any(patterns) => Operand::Any(patterns.iter().map(star).collect()),
        Operand::All(patterns) => Operand::All(patterns.iter().map(star).collect()),
    }
}

impl Comparison {
    fn sql(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "<>",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
        }
    }
}

impl Is {
    fn sql(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::NotNull => "not null",
            Self::True => "true",
            Self::False => "false",
            Self::Unknown => "unknown",
        }
    }
}

impl Syntax {
    fn sql(self) -> &'static str {
        match self {
            Self::Operators => "to_tsquery",
            Self::Plain => "plainto_tsquery",
            Self::Phrase => "phraseto_tsquery",
            Self::Web => "websearch_to_tsquery",
        }
    }
}
