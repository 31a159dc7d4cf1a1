//! What an answer's rows hold: `select=a,total:b.sum(),day:ts.trunc(day),data->>city`.

use super::{
    COLUMNS_ASKED_MAX,
    scalar::{Scalar, cast},
    text::Text,
};
use crate::{
    catalogue::{Column, ColumnType},
    error::{Error, Result},
};

/// A column of the answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Output {
    pub name: String,
    pub value: Expression,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Expression {
    Scalar(Scalar),
    Aggregate(Aggregate),
}

/// One value of many rows: those of a group, or all.
#[derive(Debug, Clone, PartialEq)]
pub struct Aggregate {
    pub function: Function,
    /// `None` only for the count of rows.
    pub of: Option<Scalar>,
    /// `::type` behind it.
    pub casts: Vec<ColumnType>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Function {
    Count,
    CountDistinct,
    Sum,
    Average,
    Minimum,
    Maximum,
    /// Of a sample.
    StandardDeviation,
    /// A part of the values, 0 to 1, is at most as large; of numbers interpolated.
    Percentile(f64),
}

impl Expression {
    pub fn column_type(&self) -> ColumnType {
        match self {
            Self::Scalar(scalar) => scalar.column_type(),
            Self::Aggregate(aggregate) => aggregate.column_type(),
        }
    }

    pub fn is_aggregate(&self) -> bool {
        matches!(self, Self::Aggregate(_))
    }
}

impl Aggregate {
    fn column_type(&self) -> ColumnType {
        self.casts.last().copied().unwrap_or_else(|| self.natural_type())
    }

    /// Before casts.
    pub fn natural_type(&self) -> ColumnType {
        use ColumnType::{Bigint, Double, Numeric};
        let of = self.of.as_ref().map_or(Bigint, Scalar::column_type);
        match (self.function, of) {
            (Function::Count | Function::CountDistinct, _) => Bigint,
            (Function::Sum | Function::Average | Function::StandardDeviation, Bigint) => Numeric,
            (Function::Percentile(_), Bigint | Numeric) => Double,
            (_, of) => of,
        }
    }
}

impl Function {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "count" => Self::Count,
            "count_distinct" => Self::CountDistinct,
            "sum" => Self::Sum,
            "avg" => Self::Average,
            "min" => Self::Minimum,
            "max" => Self::Maximum,
            "stddev" => Self::StandardDeviation,
            "median" | "percentile" => Self::Percentile(0.5),
            _ => return None,
        })
    }

    fn takes(self, of: ColumnType) -> bool {
        use ColumnType::{Bigint, Boolean, Double, Json, Numeric};
        match self {
            Self::Count | Self::CountDistinct => true,
            Self::Sum | Self::Average | Self::StandardDeviation => matches!(of, Bigint | Numeric | Double),
            Self::Minimum | Self::Maximum => of != Json,
            Self::Percentile(_) => !matches!(of, Json | Boolean),
        }
    }
}

/// What `select` lists; `None`, an empty text and `*` mean all columns.
pub fn outputs(select: Option<&str>, columns: &[Column]) -> Result<Vec<Output>> {
    let mut text = Text::new("select", select.filter(|select| !select.is_empty()).unwrap_or("*"));
    let mut outputs = Vec::new();
    loop {
        match star(&mut text) {
            true => outputs.extend((0..columns.len()).map(|position| all(position, columns))),
            false => outputs.push(output(&mut text, columns)?),
        }
        if outputs.len() > COLUMNS_ASKED_MAX {
            return Err(text.error(format!("it can name at most {COLUMNS_ASKED_MAX} columns.")));
        }
        if !text.eat_spaced(",") {
            break;
        }
    }
    text.expect_end()?;
    let mut names: Vec<&str> = outputs.iter().map(|output| output.name.as_str()).collect();
    names.sort_unstable();
    match names.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => {
            Err(text.error(format!("two values would be called `{0}`; name one, as in `other:{0}`.", pair[0])))
        }
        None => Ok(outputs),
    }
}

fn star(text: &mut Text<'_>) -> bool {
    let mut ahead = *text;
    let star = ahead.eat_spaced("*");
    ahead.space();
    let star = star && (ahead.is_empty() || ahead.rest().starts_with(','));
    if star {
        *text = ahead;
    }
    star
}

fn all(position: usize, columns: &[Column]) -> Output {
    let scalar = Scalar::plain(position, columns);
    Output { name: scalar.name(columns), value: Expression::Scalar(scalar) }
}

/// Takes `alias:value`, `value`.
fn output(text: &mut Text<'_>, columns: &[Column]) -> Result<Output> {
    let mut ahead = *text;
    let named = ahead.column(columns).ok().and_then(|at| columns.get(at));
    let is_aliased = ahead.rest().starts_with(':') && !ahead.rest().starts_with("::");
    let is_column = named.is_some_and(|column| column.name.contains(':')) && !is_aliased;
    let alias = if is_column { None } else { alias(text)? };
    let (value, natural) = expression(text, columns)?;
    Ok(Output { name: alias.unwrap_or(natural), value })
}

/// Takes `alias:`, if one stands next; `::` is none.
fn alias(text: &mut Text<'_>) -> Result<Option<String>> {
    let mut ahead = *text;
    ahead.space();
    let alias = match ahead.quoted()? {
        Some(alias) => alias,
        None => ahead.until(|c| matches!(c, ':' | ',' | '(' | ')')).trim_end().to_owned(),
    };
    ahead.space();
    if alias.is_empty() || ahead.rest().starts_with("::") || !ahead.eat(":") {
        return Ok(None);
    }
    if alias.contains('\0') {
        return Err(text.error("a name cannot hold U+0000."));
    }
    *text = ahead;
    Ok(Some(alias))
}

/// Takes a value or an aggregate; what it is called by itself.
fn expression(text: &mut Text<'_>, columns: &[Column]) -> Result<(Expression, String)> {
    let named_count = columns.iter().any(|column| column.name == "count()");
    if !named_count && text.eat("count()") {
        return aggregate(text, Function::Count, None).map(|aggregate| (aggregate, "count".to_owned()));
    }
    let scalar = Scalar::parse(text, columns)?;
    let start = *text;
    if !text.eat(".") {
        let name = scalar.name(columns);
        return Ok((Expression::Scalar(scalar), name));
    }
    let name = text.word();
    let Some(mut function) = Function::named(name) else {
        return Err(start.error(format!(
            "{} should be one of count, count_distinct, sum, avg, min, max, stddev, median, percentile, trunc and bin, and parentheses.",
            start.place()
        )));
    };
    text.expect("(")?;
    if name == "percentile" {
        let part = text.until(|c| c == ')');
        let part = part.parse().ok().filter(|part| (0.0..=1.0).contains(part));
        function = Function::Percentile(part.ok_or_else(|| start.error("`percentile` takes a part from 0 to 1."))?);
    }
    text.expect(")")?;
    let of = scalar.column_type();
    if !function.takes(of) {
        let cast = if of == ColumnType::Text {
            format!("; behind a cast, `::numeric.{name}()`, there is one")
        } else {
            String::new()
        };
        return Err(start.error(format!("there is no `{name}` of {}{cast}.", of.name())));
    }
    aggregate(text, function, Some(scalar)).map(|aggregate| (aggregate, name.to_owned()))
}

/// Takes the casts behind an aggregate.
fn aggregate(text: &mut Text<'_>, function: Function, of: Option<Scalar>) -> Result<Expression> {
    let mut aggregate = Aggregate { function, of, casts: Vec::new() };
    while text.eat("::") {
        let to = cast(text, aggregate.column_type())?;
        aggregate.casts.push(to);
    }
    Ok(Expression::Aggregate(aggregate))
}

/// The outputs as columns that `having` and `order` can name.
pub fn as_columns(outputs: &[Output]) -> Vec<Column> {
    let column = |output: &Output| Column::new(&output.name, output.value.column_type());
    outputs.iter().map(column).collect()
}

/// Groups and distinct rows compare their values, and JSON has no equality.
pub fn check_groups(outputs: &[Output]) -> Result<()> {
    let json =
        outputs.iter().find(|output| !output.value.is_aggregate() && output.value.column_type() == ColumnType::Json);
    json.map_or(Ok(()), |output| {
        let name = &output.name;
        let detail = format!("`{name}` is JSON, of which no groups can be made; `{name}::text` can.");
        Err(Error::invalid("select", detail))
    })
}
