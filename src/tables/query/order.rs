//! In which order rows come: `order=a.desc.nullslast,data->>b`.

use super::{COLUMNS_ASKED_MAX, Output, scalar::Scalar, select::Expression, text::Text};
use crate::{
    catalogue::{Column, ColumnType},
    error::Result,
};

#[derive(Debug, Clone, PartialEq)]
pub struct Order {
    pub by: Scalar,
    pub direction: Direction,
    pub nulls_first: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    Ascending,
    Descending,
}

impl Order {
    /// Of rows: a name is one of `outputs`, which are values of `columns`, before it is one of these.
    pub fn of_rows(order: &str, columns: &[Column], outputs: &[Output]) -> Result<Vec<Self>> {
        Self::list(Text::new("order", order), columns, outputs)
    }

    pub fn of_groups(order: &str, results: &[Column]) -> Result<Vec<Self>> {
        Self::list(Text::of_groups("order", order), results, &[])
    }

    fn list(mut text: Text<'_>, columns: &[Column], outputs: &[Output]) -> Result<Vec<Self>> {
        let mut list = Vec::new();
        if text.is_empty() {
            return Ok(list);
        }
        loop {
            list.push(parse(&mut text, columns, outputs)?);
            text.space();
            if list.len() > COLUMNS_ASKED_MAX {
                return Err(text.error(format!("it can name at most {COLUMNS_ASKED_MAX} columns.")));
            }
            if !text.eat(",") {
                break;
            }
        }
        text.expect_end()?;
        Ok(list)
    }
}

fn parse(text: &mut Text<'_>, columns: &[Column], outputs: &[Output]) -> Result<Order> {
    let mut by = target(text, columns, outputs)?;
    by.more(text)?;
    if by.column_type() == ColumnType::Json {
        return Err(
            text.error("JSON has no order; its text, `data::text`, and a member as text, `data->>name`, have one.")
        );
    }
    let descending = text.eat(".desc");
    if !descending {
        text.eat(".asc");
    }
    let direction = if descending { Direction::Descending } else { Direction::Ascending };
    // Postgres' own default: NULL is larger than everything.
    let nulls_first = text.eat(".nullsfirst") || (!text.eat(".nullslast") && descending);
    Ok(Order { by, direction, nulls_first })
}

fn target(text: &mut Text<'_>, columns: &[Column], outputs: &[Output]) -> Result<Scalar> {
    let named: Vec<Column> = super::select::as_columns(outputs);
    let (mut as_output, mut as_column) = (*text, *text);
    let output = as_output.column(&named).ok().and_then(|position| outputs.get(position));
    let column = as_column.column(columns);
    // Of two names that fit, the longer one is meant.
    let (taken_as_output, taken_as_column) = (as_output.rest().len(), as_column.rest().len());
    match (output, column) {
        (Some(Output { value: Expression::Scalar(scalar), .. }), column)
            if column.is_err() || taken_as_output <= taken_as_column =>
        {
            *text = as_output;
            Ok(scalar.clone())
        }
        (_, column) => {
            *text = as_column;
            Ok(Scalar::plain(column?, columns))
        }
    }
}
