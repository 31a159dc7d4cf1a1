//! Changing single rows and bringing them back. `kept` is a table of the rows as they were, with the columns of then and the same `_row`.

use super::{
    columns,
    select::{Bind, Binds, Source, Statement, sorted, window},
    table,
};
use crate::{
    catalogue::{Assigned, ColumnType},
    tables::query::RowQuery,
};
use uuid::Uuid;

/// Copies the rows that a query's filter finds, or the first of them in its order up to its limit, into `kept`.
pub fn keep(id: Uuid, kept: Uuid, columns_count: usize, query: &RowQuery) -> Statement {
    // What is returned of the rows is asked later.
    let query = RowQuery { outputs: Vec::new(), ..query.clone() };
    let mut binds = Binds::default();
    let source = Source::new(id, &query, &mut binds);
    let first = match query.limit {
        Some(_) => {
            format!(" order by {}{}", sorted(&source.keys(&query, &mut binds)), window(query.limit, query.offset))
        }
        None => String::new(),
    };
    let (comma, all, theirs) = list(columns_count);
    let text = format!(
        "insert into {} (_row{comma}{all}) select t._row{comma}{theirs} {}{first}",
        table(kept),
        source.from(None)
    );
    Statement { text, values: binds.into_values(), ..Statement::default() }
}

/// A comma if there are columns, their names, and their names in `t`.
fn list(columns_count: usize) -> (&'static str, String, String) {
    let comma = if columns_count == 0 { "" } else { ", " };
    (comma, columns("", 0..columns_count), columns("t.", 0..columns_count))
}

/// The first and the last `_row` of the rows kept: two bigints, NULL if there are none.
pub fn kept_span(kept: Uuid) -> String {
    format!("select min(_row), max(_row) from {}", table(kept))
}

/// Gives the rows that are kept their new values.
pub fn update(id: Uuid, kept: Uuid, assigned: &Assigned, types: &[ColumnType]) -> Statement {
    let mut binds = Binds::default();
    let set: Vec<String> =
        values(assigned, types, &mut binds).into_iter().map(|(at, value)| format!("c{} = {value}", at + 1)).collect();
    let text =
        format!("update {} as t set {} from {} as k where k._row = t._row", table(id), set.join(", "), table(kept));
    Statement { text, values: binds.into_values(), ..Statement::default() }
}

/// Each position with the new value as SQL. Without a type, which cannot be, it is NULL.
fn values(assigned: &Assigned, types: &[ColumnType], binds: &mut Binds) -> Vec<(usize, String)> {
    let value = |(position, value): &(usize, Option<String>)| {
        let sql = match (value, types.get(*position)) {
            (Some(value), Some(column_type)) => {
                format!("{}::{}", binds.bind(Bind::Text(value.clone())), column_type.sql())
            }
            _ => "null".to_owned(),
        };
        (*position, sql)
    };
    assigned.iter().map(value).collect()
}

pub fn delete(id: Uuid, kept: Uuid) -> String {
    format!("delete from {} as t using {} as k where k._row = t._row", table(id), table(kept))
}

/// What a query selects of the rows that are kept, as `id` now has them, in its order.
pub fn changed_rows(id: Uuid, kept: Uuid, query: &RowQuery) -> Statement {
    let mut binds = Binds::default();
    let source = Source::new(id, query, &mut binds);
    let keys = source.keys(query, &mut binds);
    let is_kept = format!("exists (select from {} as k where k._row = t._row)", table(kept));
    let text =
        format!("select {} {} order by {}", source.outputs.join(", "), source.from(Some(&is_kept)), sorted(&keys));
    Statement { text, values: binds.into_values(), ..Statement::default() }
}

/// Whether two tables of kept rows have a row in common.
pub fn shares_rows(kept: Uuid, other: Uuid) -> String {
    format!("select exists (select from {} as k join {} as o on o._row = k._row)", table(kept), table(other))
}

/// How many of the rows that are kept are no longer what an update made of them: another value, or gone. One bigint.
pub fn touched(id: Uuid, kept: Uuid, assigned: &Assigned, types: &[ColumnType]) -> Statement {
    let mut binds = Binds::default();
    let new = values(assigned, types, &mut binds);
    let differs: Vec<String> = (0..)
        .zip(types)
        .map(|(position, column_type)| {
            let was = new.iter().find(|(at, _)| *at == position);
            let was = was.map_or_else(|| format!("k.c{}", position + 1), |(_, value)| value.clone());
            // JSON has no equality but that of its text.
            let text = if *column_type == ColumnType::Json { "::text" } else { "" };
            format!(" or t.c{}{text} is distinct from ({was}){text}", position + 1)
        })
        .collect();
    let text = format!(
        "select count(*) from {} as k left join {} as t on t._row = k._row where t._row is null{}",
        table(kept),
        table(id),
        differs.concat()
    );
    Statement { text, values: binds.into_values(), ..Statement::default() }
}

/// Gives the rows of an update the values that they had.
pub fn take_back(id: Uuid, kept: Uuid, assigned: &Assigned) -> String {
    let set: Vec<String> = assigned.iter().map(|(position, _)| format!("c{0} = k.c{0}", position + 1)).collect();
    format!("update {} as t set {} from {} as k where k._row = t._row", table(id), set.join(", "), table(kept))
}

/// Puts the rows of a delete where they were; columns that the table has got since are NULL in them.
pub fn put_back(id: Uuid, kept: Uuid, columns_count: usize) -> String {
    let (comma, all, theirs) = list(columns_count);
    format!(
        "insert into {} (_row{comma}{all}) select t._row{comma}{theirs} from {} as t order by t._row",
        table(id),
        table(kept)
    )
}
