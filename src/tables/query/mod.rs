//! A query of rows, from the parameters of a URL. The grammar is that of PostgREST 12, with more aggregates, `distinct`, `having`, `trunc`, `bin` and cursors.
//!
//! `text` reads, `scalar` is one value of a row, `value` what it is compared with (`moment` if that is a time), `operator` and `condition` what is asked of it; `select` and `order` are the
//! rest of a query. `blame` tells which parameter is meant by what Postgres alone finds wrong. All of it is checked against the columns of one version, so that what comes out can only be run.
//!
//! **Invariant.** A column is a position here, and what the caller wrote is a value to be bound: no text of a query becomes SQL.

mod blame;
mod condition;
mod moment;
mod operator;
mod order;
mod parameters;
mod scalar;
mod search;
mod select;
mod text;
mod value;

pub use condition::Condition;
pub use operator::{Comparison, Is, Operand, Operator, Syntax};
pub use order::{Direction, Order};
pub use parameters::Parameters;
pub use scalar::{Scalar, Step};
pub use search::Search;
pub use select::{Aggregate, Expression, Function, Output};
pub use value::Value;

use crate::{
    catalogue::Column,
    error::{Error, Result},
};
use text::Text;

/// Of what Postgres takes in one list.
const COLUMNS_ASKED_MAX: usize = 1599;

/// What is asked of the rows of one version of a table. Columns are positions in the version's list; in `having` and, of groups, in `order` they are
/// positions in `outputs`.
#[derive(Debug, Clone, PartialEq)]
pub struct RowQuery {
    pub outputs: Vec<Output>,
    /// All must hold, `search` among them.
    pub filter: Vec<Condition>,
    pub search: Option<Search>,
    pub distinct: bool,
    /// Of groups; all must hold.
    pub having: Vec<Condition>,
    pub order: Vec<Order>,
    pub limit: Option<u64>,
    pub offset: u64,
}

impl RowQuery {
    pub fn parse(columns: &[Column], parameters: &Parameters) -> Result<Self> {
        let outputs = select::outputs(parameters.select.as_deref(), columns)?;
        let distinct = parameters.distinct;
        let grouped = distinct || outputs.iter().any(|output| output.value.is_aggregate());
        let filter = parameters.filter(columns)?;
        let search = parameters.search(columns)?;
        let order = parameters.order.as_deref().unwrap_or_default();
        let (order, having) = if grouped {
            select::check_groups(&outputs)?;
            let results = select::as_columns(&outputs);
            (Order::of_groups(order, &results)?, parameters.having(&results)?)
        } else if parameters.having.is_empty() {
            (Order::of_rows(order, columns, &outputs)?, Vec::new())
        } else {
            return Err(Error::invalid(
                "having",
                "it asks groups, and `select` makes none: no aggregate stands in it.",
            ));
        };
        let (limit, offset) = (parameters.limit, parameters.offset.unwrap_or(0));
        Ok(Self { outputs, filter, search, distinct, having, order, limit, offset })
    }

    /// All rows as they are.
    pub fn all(columns: &[Column]) -> Result<Self> {
        Self::parse(columns, &Parameters::default())
    }

    /// Whether a row of the answer stands for several of the table.
    pub fn is_grouped(&self) -> bool {
        self.distinct || self.outputs.iter().any(|output| output.value.is_aggregate())
    }

    /// What the rows are ranked by, unless they are ordered otherwise.
    pub fn ranking(&self) -> Option<&Search> {
        self.search.as_ref().filter(|_| self.order.is_empty() && !self.is_grouped())
    }

    /// Names and types of the answer.
    pub fn columns(&self) -> Vec<Column> {
        select::as_columns(&self.outputs)
    }
}

/// A list of columns' names, such as `a,"b,c"`.
pub fn names(parameter: &str, text: &str) -> Result<Vec<String>> {
    let mut text = Text::new(parameter, text);
    let mut names: Vec<String> = Vec::new();
    loop {
        let quoted = text.quoted()?;
        names.push(quoted.unwrap_or_else(|| text.until(|c| c == ',').to_owned()));
        if !text.eat(",") {
            break;
        }
    }
    text.expect_end()?;
    let twice = names.iter().enumerate().find(|(at, name)| names.iter().take(*at).any(|before| before == *name));
    match twice {
        Some((_, name)) => Err(Error::invalid(parameter, format!("`{name}` stands in it twice."))),
        None => Ok(names),
    }
}

pub fn position(parameter: &str, columns: &[Column], name: &str) -> Result<usize> {
    find(columns, name).ok_or_else(|| Error::invalid(parameter, no_column(name)))
}

fn find(columns: &[Column], name: &str) -> Option<usize> {
    columns.iter().position(|column| column.name == name)
}

fn no_column(name: &str) -> String {
    format!("there is no column `{name}`; the table's descriptor lists those there are.")
}
