//! The one file that builds SQL around names: those of physical tables and columns, which are ours alone.
//!
//! **Invariant.** No user text comes in here: a table is a UUID, a column a position, a type one of ours.

use super::query::{Direction, RowQuery};
use crate::catalogue::ColumnType;
use std::fmt::Write;
use uuid::Uuid;

/// The largest number of rows that Postgres can count, and more than any table has.
const ROWS_MAX: u64 = i64::MAX.unsigned_abs();

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
        let collation = if *column_type == ColumnType::Text { " collate \"C\"" } else { "" };
        write!(sql, ", c{position} {}{collation}", column_type.sql()).unwrap_or_default();
    }
    sql.push(')');
    sql
}

pub fn add_primary_key(id: Uuid) -> String {
    format!("alter table {} add primary key (_row)", table(id))
}

pub fn analyze(id: Uuid) -> String {
    format!("analyze {}", table(id))
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
