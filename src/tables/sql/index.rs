//! Indexes, and the rows that stand in the way of a unique one. Positions of columns count from 0.

use super::{columns, table};
use std::fmt::Write;
use uuid::Uuid;

/// Rows named of those that break a key.
const ROWS_NAMED_MAX: usize = 10;

fn index(name: Uuid) -> String {
    format!("i_{}", name.simple())
}

pub fn create_index(name: Uuid, id: Uuid, positions: &[usize], unique: bool) -> String {
    let unique = if unique { "unique " } else { "" };
    format!("create {unique}index {} on {} ({})", index(name), table(id), columns("", positions.iter().copied()))
}

pub fn drop_index(name: Uuid) -> String {
    format!("drop index if exists rows.{}", index(name))
}

/// Bytes of an index; NULL if there is none of this name.
pub fn index_bytes(name: Uuid) -> String {
    format!("select pg_relation_size(to_regclass('rows.{}'))", index(name))
}

pub fn set_not_null(id: Uuid, positions: &[usize]) -> String {
    let columns: Vec<_> =
        positions.iter().map(|position| format!("alter column c{} set not null", position + 1)).collect();
    format!("alter table {} {}", table(id), columns.join(", "))
}

pub fn allow_null(id: Uuid, positions: &[usize]) -> String {
    let columns: Vec<_> =
        positions.iter().map(|position| format!("alter column c{} drop not null", position + 1)).collect();
    format!("alter table {} {}", table(id), columns.join(", "))
}

/// The first rows that lack a value of the key.
pub fn null_rows(id: Uuid, positions: &[usize]) -> String {
    let missing: Vec<_> = positions.iter().map(|position| format!("c{} is null", position + 1)).collect();
    format!("select _row from {} where {} order by _row limit {ROWS_NAMED_MAX}", table(id), missing.join(" or "))
}

/// The first rows whose values stand in other rows of the same table too.
pub fn duplicate_rows(id: Uuid, positions: &[usize]) -> String {
    let whole: Vec<_> = positions.iter().map(|position| format!("c{} is not null", position + 1)).collect();
    format!(
        "select _row from (select _row, count(*) over (partition by {}) as times from {} where {}) as counted where times > 1 order by _row limit {ROWS_NAMED_MAX}",
        columns("", positions.iter().copied()),
        table(id),
        whole.join(" and ")
    )
}

/// The first rows of `staging` whose values stand in `id`: pairs of positions, in the one and in the other.
pub fn taken_rows(staging: Uuid, id: Uuid, pairs: &[(usize, usize)]) -> String {
    let mut same = String::from("true");
    for (here, there) in pairs {
        write!(same, " and t.c{} = s.c{}", there + 1, here + 1).unwrap_or_default();
    }
    format!(
        "select s._row from {} as s where exists (select from {} as t where {same}) order by s._row limit {ROWS_NAMED_MAX}",
        table(staging),
        table(id)
    )
}
