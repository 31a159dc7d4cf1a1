//! One value of a row: a column, and what is done with it: `column`, `data->a->>b`, `amount::text`, `ts.trunc(day)`, `price.bin(10)`.

use super::{text::Text, value::Value};
use crate::{
    catalogue::{Column, ColumnType},
    error::Result,
};

/// Of what is asked of one value; no sensible query needs as many.
const STEPS_MAX: usize = 32;

/// A column, by its position in the list that the text was read against, and steps from its value to the one that is meant.
#[derive(Debug, Clone, PartialEq)]
pub struct Scalar {
    pub column: usize,
    pub from: ColumnType,
    pub steps: Vec<Step>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// `->key`: a member, as JSON.
    Member(String),
    /// `->0`: an element, as JSON; negative ones count from the end.
    Element(i32),
    /// `>>` instead of `>`: the last of a path, as text.
    MemberText(String),
    ElementText(i32),
    /// `::type`
    Cast(ColumnType),
    /// `.trunc(unit)`: the beginning of the unit of time that the value lies in; in UTC.
    Trunc(Unit),
    /// `.bin(width)`: the lower end of the bin that the value lies in, bins beginning at 0.
    Bin(Value),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    Second,
    Minute,
    Hour,
    Day,
    Week,
    Month,
    Quarter,
    Year,
}

impl Unit {
    const ALL: [Self; 8] =
        [Self::Second, Self::Minute, Self::Hour, Self::Day, Self::Week, Self::Month, Self::Quarter, Self::Year];

    /// As the grammar and Postgres call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Second => "second",
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Quarter => "quarter",
            Self::Year => "year",
        }
    }
}

impl Scalar {
    pub fn plain(column: usize, columns: &[Column]) -> Self {
        let from = columns.get(column).map_or(ColumnType::Text, |column| column.column_type);
        Self { column, from, steps: Vec::new() }
    }

    /// Takes a column and its steps; what follows is the caller's.
    pub fn parse(text: &mut Text<'_>, columns: &[Column]) -> Result<Self> {
        let mut scalar = Self::plain(text.column(columns)?, columns);
        scalar.more(text)?;
        Ok(scalar)
    }

    /// Takes further steps, up to the name of an operator or an aggregate.
    pub fn more(&mut self, text: &mut Text<'_>) -> Result<()> {
        while let Some(step) = self.step(text)? {
            if self.steps.len() >= STEPS_MAX {
                return Err(text.error(format!("at most {STEPS_MAX} steps lead to one value.")));
            }
            self.steps.push(step);
        }
        Ok(())
    }

    /// The type of the value.
    pub fn column_type(&self) -> ColumnType {
        self.steps.iter().fold(self.from, |before, step| step.column_type(before))
    }

    /// What the value is called where nobody says: the last member of a path, or the column.
    pub fn name(&self, columns: &[Column]) -> String {
        let member = self.steps.iter().rev().find_map(|step| match step {
            Step::Member(key) | Step::MemberText(key) => Some(key.clone()),
            _ => None,
        });
        member.or_else(|| columns.get(self.column).map(|column| column.name.clone())).unwrap_or_default()
    }

    fn step(&self, text: &mut Text<'_>) -> Result<Option<Step>> {
        let before = self.column_type();
        if text.rest().starts_with("->") {
            if before != ColumnType::Json {
                let detail =
                    format!("a path leads into JSON, and the value before {} is {}.", text.place(), before.name());
                return Err(text.error(detail));
            }
            let as_text = text.eat("->>");
            return match as_text || text.eat("->") {
                true => path_step(text, as_text).map(Some),
                false => Ok(None),
            };
        }
        if text.eat("::") {
            return cast(text, before).map(|to| Some(Step::Cast(to)));
        }
        if text.eat(".trunc(") {
            let name = text.word();
            let unit = Unit::ALL.into_iter().find(|unit| unit.name() == name).ok_or_else(|| {
                text.error("`trunc` takes one of second, minute, hour, day, week, month, quarter, year.")
            })?;
            text.expect(")")?;
            return match before {
                ColumnType::Date | ColumnType::Timestamp | ColumnType::Timestamptz => Ok(Some(Step::Trunc(unit))),
                _ => Err(text.error(format!("`trunc` takes a date or a timestamp, and this is {}.", before.name()))),
            };
        }
        if text.eat(".bin(") {
            let width = text.until(|c| c == ')');
            text.expect(")")?;
            return bin(text, before, width).map(Some);
        }
        Ok(None)
    }
}

impl Step {
    pub fn column_type(&self, before: ColumnType) -> ColumnType {
        match self {
            Self::Member(_) | Self::Element(_) => ColumnType::Json,
            Self::MemberText(_) | Self::ElementText(_) => ColumnType::Text,
            Self::Cast(to) => *to,
            Self::Trunc(_) | Self::Bin(Value::Bigint(_)) => before,
            Self::Bin(_) if before == ColumnType::Double => before,
            Self::Bin(_) => ColumnType::Numeric,
        }
    }
}

fn path_step(text: &mut Text<'_>, as_text: bool) -> Result<Step> {
    let quoted = text.quoted()?;
    if quoted.is_none() {
        let mut ahead = *text;
        let sign = if ahead.eat("-") { "-" } else { "" };
        let digits = ahead.until(|c| !c.is_ascii_digit());
        let ends = ahead.is_empty() || ahead.rest().starts_with(['.', ',', ')', ':']) || ahead.rest().starts_with("->");
        if let (true, Ok(index)) = (ends, format!("{sign}{digits}").parse()) {
            *text = ahead;
            return Ok(if as_text { Step::ElementText(index) } else { Step::Element(index) });
        }
    }
    let key = match quoted {
        Some(key) => key,
        None => {
            let rest = text.rest();
            let end = rest.find(['.', ',', ')', ':']).unwrap_or(rest.len());
            let length = rest.find("->").unwrap_or(rest.len()).min(end);
            text.take(length).trim().to_owned()
        }
    };
    if key.is_empty() {
        return Err(text.error(format!("the name of a member should stand {}.", text.place())));
    }
    if key.contains('\0') {
        return Err(text.error("the name of a member cannot hold U+0000."));
    }
    Ok(if as_text { Step::MemberText(key) } else { Step::Member(key) })
}

fn bin(text: &Text<'_>, before: ColumnType, width: &str) -> Result<Step> {
    let numeric = match before {
        ColumnType::Bigint if width.bytes().all(|byte| byte.is_ascii_digit()) => ColumnType::Bigint,
        ColumnType::Bigint | ColumnType::Numeric => ColumnType::Numeric,
        ColumnType::Double => ColumnType::Double,
        _ => return Err(text.error(format!("`bin` takes a number, and this is {}.", before.name()))),
    };
    let positive = width.parse::<f64>().is_ok_and(|width| width.is_finite() && width > 0.0);
    match Value::parse(numeric, width) {
        Some(value) if positive => Ok(Step::Bin(value)),
        _ => Err(text.error(format!("`bin` takes a width above 0, not `{width}`."))),
    }
}

/// Takes the name of a type that a value of `from` can be turned into: `bigint`, or what Postgres also calls it.
pub fn cast(text: &mut Text<'_>, from: ColumnType) -> Result<ColumnType> {
    let name = text.word();
    let to = match name {
        "int" | "integer" | "int8" | "int4" | "smallint" => Some(ColumnType::Bigint),
        "decimal" => Some(ColumnType::Numeric),
        "float" | "float8" | "real" => Some(ColumnType::Double),
        "bool" => Some(ColumnType::Boolean),
        "varchar" | "string" => Some(ColumnType::Text),
        "jsonb" => Some(ColumnType::Json),
        name => ColumnType::named(name),
    };
    let Some(to) = to else {
        let names: Vec<_> = ColumnType::ALL.iter().map(|one| one.name()).collect();
        return Err(text.error(format!("`{name}` is no type to cast to; there are {}.", names.join(", "))));
    };
    if castable(from, to) {
        return Ok(to);
    }
    Err(text.error(format!("{} cannot be cast to {}.", from.name(), to.name())))
}

fn castable(from: ColumnType, to: ColumnType) -> bool {
    use ColumnType::{Bigint, Boolean, Date, Double, Json, Numeric, Text, Time, Timestamp, Timestamptz};
    let number = |one| matches!(one, Bigint | Numeric | Double);
    from == to
        || matches!(from, Text | Json)
        || matches!(to, Text | Json)
        || number(from) && number(to)
        || matches!(
            (from, to),
            (Boolean, Bigint)
                | (Date, Timestamp | Timestamptz)
                | (Timestamp, Date | Time | Timestamptz)
                | (Timestamptz, Date | Time | Timestamp)
        )
}
