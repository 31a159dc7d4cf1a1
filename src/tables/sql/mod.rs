//! The one place that builds SQL around names: those of physical tables, columns and indexes, which are ours alone. `change` adds rows to a table that exists,
//! `edit` changes single ones and brings them back, `index` makes them unique or quick to find, `search` finds words in them, `stats` tells what columns hold.
//!
//! **Invariant.** No user text comes in here: a table is a UUID, a column a position, a type one of ours.

mod change;
mod condition;
mod edit;
mod index;
mod scalar;
mod search;
mod select;
mod stats;

pub use change::{Insertion, OnDuplicate, add_column, add_columns, columns_there, insert, last_row, upsert};
pub use edit::{changed_rows, delete, keep, kept_span, put_back, shares_rows, take_back, touched, update};
pub use index::{
    allow_null, create_index, drop_index, duplicate_rows, index_bytes, null_rows, set_not_null, taken_rows,
};
pub use search::{
    Place, RANKED_MAX, analyze_all, cancel_search_builds, create_search_index, drop_search_index, ranked,
    search_index_bytes, unranked,
};
pub use select::{Bind, Statement, Witness, count, extents, page, plan, rows};
pub use stats::{Sample, SampleMethod, kinds, moments, summaries, table_bytes};

use crate::catalogue::ColumnType;
use std::fmt::Write;
use uuid::Uuid;

const ANALYZED_COLUMNS_MAX: usize = 64;

fn table(id: Uuid) -> String {
    format!("rows.t_{}", id.simple())
}

/// For the catalogue of Postgres, as a value.
pub fn table_name(id: Uuid) -> String {
    table(id)
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

/// All rows in the order of the file, in binary; what `copy_in` takes.
pub fn copy_out(id: Uuid, columns_count: usize) -> String {
    let comma = if columns_count == 0 { "" } else { ", " };
    let columns = columns("", 0..columns_count);
    format!("copy (select _row{comma}{columns} from {} order by _row) to stdout with (format binary)", table(id))
}

pub fn drop_table(id: Uuid) -> String {
    format!("drop table if exists {}", table(id))
}

/// The table was made in the same transaction, so its rows can be frozen at once.
pub fn copy_in(id: Uuid) -> String {
    format!("copy {} from stdin with (format binary, freeze)", table(id))
}

#[cfg(test)]
mod tests {
    use super::{Bind, Statement, Witness, count, create_table, extents, page, plan, rows};
    use crate::{
        catalogue::{Column, ColumnType},
        tables::query::{Parameters, RowQuery},
    };
    use uuid::Uuid;

    /// Stands in all that the caller writes, and nowhere else.
    const MARK: &str = "zqx";

    fn query(pairs: &[(&str, &str)]) -> RowQuery {
        let columns: Vec<_> = [("t", ColumnType::Text), ("j", ColumnType::Json), ("n", ColumnType::Bigint)]
            .into_iter()
            .map(|(name, column_type)| Column::new(&format!("{name}{MARK}"), column_type))
            .collect();
        let mut parameters = Parameters::default();
        for (name, value) in pairs {
            parameters.take(&name.replace('¤', MARK), value.replace('¤', MARK)).unwrap();
        }
        RowQuery::parse(&columns, &parameters).unwrap()
    }

    #[test]
    fn what_a_caller_wrote_is_bound_and_never_in_the_text() {
        let plain = query(&[
            ("select", "¤:t¤,a¤:j¤->¤->>¤,b¤:j¤->\"¤\"::text"),
            ("t¤", "eq.¤"),
            ("t¤", "in.(¤,\"¤\")"),
            ("t¤", "not.like(any).{¤*,\"¤\"}"),
            ("t¤", "imatch.¤"),
            ("t¤", "isdistinct.¤"),
            ("t¤", "wfts(english).¤"),
            ("j¤->¤->>¤", "eq.¤"),
            ("j¤", "cs.{\"¤\":\"¤\"}"),
            ("j¤", "ov.[\"¤\"]"),
            ("or", "(t¤.eq.¤,not.and(j¤->>¤.eq.\"¤\",n¤.is.null))"),
            ("order", "a¤.desc,j¤->>¤.nullsfirst"),
        ]);
        let groups = query(&[
            ("select", "¤:j¤->>¤,n¤.sum(),t¤.max()"),
            ("having", "or(¤.eq.¤,max.like.\"¤*\")"),
            ("order", "¤.desc"),
            ("distinct", "true"),
        ]);
        for query in [plain, groups] {
            let after: Vec<_> = (0..4).map(|_| Some(MARK.to_owned())).collect();
            let mut statements = page(Uuid::nil(), &query, 10, None, Witness::Revision);
            statements.extend(page(Uuid::nil(), &query, 10, Some(&after), Witness::State(Uuid::nil())));
            statements.extend([rows(Uuid::nil(), &query), count(Uuid::nil(), &query), plan(Uuid::nil(), &query)]);
            statements.extend(extents(Uuid::nil(), &query));
            for Statement { text, values, .. } in statements {
                assert!(!text.contains(MARK), "{text}");
                let held = |value: &&Bind| format!("{value:?}").contains(MARK);
                assert!(values.iter().filter(held).count() > 2, "{values:?}");
                assert!(values.iter().enumerate().all(|(at, _)| text.contains(&format!("${}", at + 1))), "{text}");
            }
        }
    }

    #[test]
    fn statements_hold_positions_and_never_names() {
        assert_eq!(
            create_table(Uuid::nil(), &[ColumnType::Bigint, ColumnType::Text]),
            "create table rows.t_00000000000000000000000000000000 (_row bigint not null, c1 bigint, c2 text collate \"C\")"
        );
    }
}
