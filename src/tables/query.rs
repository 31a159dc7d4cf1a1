//! A query of rows, from the parameters of a URL: columns, order and a window.

use crate::{
    catalogue::{Column, ColumnType},
    error::{Error, Result},
};

/// Columns are positions in the version's list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowQuery {
    pub columns: Vec<usize>,
    pub order: Vec<Order>,
    pub limit: Option<u64>,
    pub offset: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    pub column: usize,
    pub direction: Direction,
    pub nulls_first: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    Ascending,
    Descending,
}

/// Of what Postgres takes in one list.
const COLUMNS_ASKED_MAX: usize = 1599;

impl RowQuery {
    /// `select=a,b`, `order=a.desc.nullslast,b`; a name with `,`, `.` or `"` is written in double quotes, `\` before `"` and `\`.
    pub fn parse(
        columns: &[Column],
        select: Option<&str>,
        order: Option<&str>,
        limit: Option<u64>,
        offset: Option<u64>,
    ) -> Result<Self> {
        let selected: Vec<usize> = match select {
            None | Some("" | "*") => (0..columns.len()).collect(),
            Some(select) => {
                let names = split("select", select, ',')?;
                names.iter().map(|name| position("select", columns, &unquote(name))).collect::<Result<_>>()?
            }
        };
        let order: Vec<Order> = match order {
            None | Some("") => Vec::new(),
            Some(order) => {
                split("order", order, ',')?.iter().map(|term| parse_order(columns, term)).collect::<Result<_>>()?
            }
        };
        for (parameter, asked) in [("select", selected.len()), ("order", order.len())] {
            if asked > COLUMNS_ASKED_MAX {
                return Err(Error::invalid(parameter, format!("it can name at most {COLUMNS_ASKED_MAX} columns.")));
            }
        }
        Ok(Self { columns: selected, order, limit, offset: offset.unwrap_or(0) })
    }
}

/// A list of columns' names, such as `a,"b,c"`.
pub fn names(parameter: &str, text: &str) -> Result<Vec<String>> {
    let names: Vec<String> = split(parameter, text, ',')?.into_iter().map(unquote).collect();
    let twice = names.iter().enumerate().find(|(at, name)| names.iter().take(*at).any(|before| before == *name));
    match twice {
        Some((_, name)) => Err(Error::invalid(parameter, format!("`{name}` stands in it twice."))),
        None => Ok(names),
    }
}

fn parse_order(columns: &[Column], term: &str) -> Result<Order> {
    let parts = split("order", term, '.')?;
    let mut words = parts.as_slice();
    let (mut direction, mut nulls_first) = (Direction::Ascending, None);
    // PostgREST writes `column.desc.nullslast`; what is no such word at the end belongs to the column's name.
    if let [rest @ .., word] = words
        && let Some(first) = match *word {
            "nullsfirst" => Some(true),
            "nullslast" => Some(false),
            _ => None,
        }
        && !rest.is_empty()
    {
        (nulls_first, words) = (Some(first), rest);
    }
    if let [rest @ .., word @ ("asc" | "desc")] = words
        && !rest.is_empty()
    {
        direction = if *word == "desc" { Direction::Descending } else { Direction::Ascending };
        words = rest;
    }
    let column = position("order", columns, &unquote(&words.join(".")))?;
    if let Some(Column { name, column_type: ColumnType::Json, .. }) = columns.get(column) {
        return Err(Error::invalid("order", format!("`{name}` holds JSON, which has no order.")));
    }
    // Postgres' own default: NULL is larger than everything.
    Ok(Order { column, direction, nulls_first: nulls_first.unwrap_or(direction == Direction::Descending) })
}

pub fn position(parameter: &str, columns: &[Column], name: &str) -> Result<usize> {
    let found = columns.iter().position(|column| column.name == name);
    found.ok_or_else(|| {
        Error::invalid(parameter, format!("there is no column `{name}`; the table's descriptor lists those there are."))
    })
}

/// Splits at `separator` outside double quotes.
fn split<'a>(parameter: &str, text: &'a str, separator: char) -> Result<Vec<&'a str>> {
    let (mut parts, mut start, mut quoted, mut escaped) = (Vec::new(), 0, false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ if c == separator && !quoted => {
                parts.push(&text[start..at]);
                start = at + c.len_utf8();
            }
            _ => {}
        }
    }
    if quoted {
        return Err(Error::invalid(parameter, "a double quote is not closed."));
    }
    parts.push(&text[start..]);
    Ok(parts)
}

fn unquote(name: &str) -> String {
    let Some(inner) = name.strip_prefix('"').and_then(|name| name.strip_suffix('"')) else { return name.to_owned() };
    let mut plain = String::new();
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        plain.push(if c == '\\' { chars.next().unwrap_or(c) } else { c });
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::{Direction, RowQuery};
    use crate::catalogue::{Column, ColumnType};

    type Parsed = (Vec<usize>, Vec<(usize, Direction, bool)>);

    fn parse(select: &str, order: &str) -> Option<Parsed> {
        let names = ["a", "b.c", "d,\"e", "desc"];
        let columns: Vec<_> = names.map(|name| Column::new(name, ColumnType::Text)).into();
        let query = RowQuery::parse(&columns, Some(select), Some(order), None, None).ok()?;
        Some((
            query.columns,
            query.order.into_iter().map(|order| (order.column, order.direction, order.nulls_first)).collect(),
        ))
    }

    #[test]
    fn names_with_dots_commas_and_quotes_can_be_selected_and_sorted_by() {
        use Direction::{Ascending, Descending};
        assert_eq!(parse("a,\"d,\\\"e\"", ""), Some((vec![0, 2], vec![])));
        assert_eq!(
            parse("*", "b.c.desc.nullslast,a"),
            Some((vec![0, 1, 2, 3], vec![(1, Descending, false), (0, Ascending, false)]))
        );
        assert_eq!(parse("*", "\"b.c\".nullsfirst"), Some((vec![0, 1, 2, 3], vec![(1, Ascending, true)])));
        assert_eq!(parse("*", "desc"), Some((vec![0, 1, 2, 3], vec![(3, Ascending, false)])));
        assert_eq!(parse("*", "a.desc"), Some((vec![0, 1, 2, 3], vec![(0, Descending, true)])));
        assert_eq!(parse("x", ""), None);
        assert_eq!(parse("\"a", ""), None);
        assert_eq!(parse("*", "a.up"), None);
    }
}
