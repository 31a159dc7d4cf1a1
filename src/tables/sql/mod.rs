//! The one place that builds SQL around names: those of physical tables, columns and indexes, which are ours alone. `change` adds rows to a table that exists,
//! `index` makes them unique or quick to find.
//!
//! **Invariant.** No user text comes in here: a table is a UUID, a column a position, a type one of ours.

mod change;
mod index;

pub use change::{Insertion, OnDuplicate, add_column, add_columns, columns_there, insert, last_row, upsert};
pub use index::{
    allow_null, create_index, drop_index, duplicate_rows, index_bytes, null_rows, set_not_null, taken_rows,
};

use super::query::{Direction, RowQuery};
use crate::catalogue::ColumnType;
use std::fmt::Write;
use uuid::Uuid;

/// The largest number of rows that Postgres can count, and more than any table has.
const ROWS_MAX: u64 = i64::MAX.unsigned_abs();

const ANALYZED_COLUMNS_MAX: usize = 64;

/// How COPY writes the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CopyFormat {
    Csv,
    Text,
}

fn table(id: Uuid) -> String {
    format!("rows.t_{}", id.simple())
}

/// `_row` is the file's order, its primary key built after the load; text sorts by its bytes.
pub fn create_table(id: Uuid, types: &[ColumnType]) -> String {
    let mut sql = format!("create table {} (_row bigint not null", table(id));
    for (position, column_type) in (1..).zip(types) {
        write!(sql, ", c{position} {}", typed(*column_type)).unwrap_or_default();
    }
    sql.push(')');
    sql
}

fn typed(column_type: ColumnType) -> String {
    let collation = if column_type == ColumnType::Text { " collate \"C\"" } else { "" };
    format!("{}{collation}", column_type.sql())
}

/// `c1, c2`, of positions that count from 0.
fn columns(prefix: &str, positions: impl IntoIterator<Item = usize>) -> String {
    let names: Vec<_> = positions.into_iter().map(|position| format!("{prefix}c{}", position + 1)).collect();
    names.join(", ")
}

pub fn add_primary_key(id: Uuid) -> String {
    format!("alter table {} add primary key (_row)", table(id))
}

/// Statistics for the planner, of so many columns; autovacuum sees to the others. Of a thousand columns they would take longer than the load.
pub fn analyze(id: Uuid, columns: usize) -> String {
    let columns: Vec<_> = (1..=columns.min(ANALYZED_COLUMNS_MAX)).map(|position| format!(", c{position}")).collect();
    format!("analyze {} (_row{})", table(id), columns.concat())
}

pub fn drop_table(id: Uuid) -> String {
    format!("drop table if exists {}", table(id))
}

/// The table was made in the same transaction, so its rows can be frozen at once.
pub fn copy_in(id: Uuid) -> String {
    format!("copy {} from stdin with (format binary, freeze)", table(id))
}

/// The rows of a query, in a total order: ties are broken by the row's place in the file.
pub fn copy_out(id: Uuid, types: &[ColumnType], query: &RowQuery, format: CopyFormat) -> String {
    let name = match format {
        CopyFormat::Csv => "csv",
        CopyFormat::Text => "text",
    };
    format!("copy ({}) to stdout with (format {name})", select(id, types, query, format))
}

fn select(id: Uuid, types: &[ColumnType], query: &RowQuery, format: CopyFormat) -> String {
    let column = |position: &usize| match (format, types.get(*position)) {
        // COPY writes `t` and `f`, which nobody reads as booleans, we ourselves included.
        (CopyFormat::Csv, Some(ColumnType::Boolean)) => format!("c{}::text", position + 1),
        _ => format!("c{}", position + 1),
    };
    let columns: Vec<_> = query.columns.iter().map(column).collect();
    let mut sql = format!("select {} from {} order by ", columns.join(", "), table(id));
    for order in &query.order {
        let direction = match order.direction {
            Direction::Ascending => "asc",
            Direction::Descending => "desc",
        };
        let nulls = if order.nulls_first { "first" } else { "last" };
        write!(sql, "c{} {direction} nulls {nulls}, ", order.column + 1).unwrap_or_default();
    }
    sql.push_str("_row");
    if let Some(limit) = query.limit {
        write!(sql, " limit {}", limit.min(ROWS_MAX)).unwrap_or_default();
    }
    if query.offset > 0 {
        write!(sql, " offset {}", query.offset.min(ROWS_MAX)).unwrap_or_default();
    }
    sql
}

#[cfg(test)]
mod tests {
    use super::{CopyFormat, copy_out, create_table};
    use crate::{
        catalogue::ColumnType,
        tables::query::{Direction, Order, RowQuery},
    };
    use uuid::Uuid;

    #[test]
    fn statements_hold_positions_and_never_names() {
        assert_eq!(
            create_table(Uuid::nil(), &[ColumnType::Bigint, ColumnType::Text]),
            "create table rows.t_00000000000000000000000000000000 (_row bigint not null, c1 bigint, c2 text collate \"C\")"
        );
        let order = vec![Order { column: 1, direction: Direction::Descending, nulls_first: true }];
        let query = RowQuery { columns: vec![1, 0], order, limit: Some(5), offset: 2 };
        assert_eq!(
            copy_out(Uuid::nil(), &[ColumnType::Boolean, ColumnType::Text], &query, CopyFormat::Csv),
            "copy (select c2, c1::text from rows.t_00000000000000000000000000000000 order by c2 desc nulls first, _row limit 5 offset 2) to stdout with (format csv)"
        );
    }
}
