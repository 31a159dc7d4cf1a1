//! Adding the rows of a staging table to a table that exists. Positions of columns count from 0.

use super::{columns, table, typed};
use crate::catalogue::ColumnType;
use uuid::Uuid;

/// The rows of `staging` go into `table`.
#[derive(Debug, Clone)]
pub struct Insertion<'a> {
    pub table: Uuid,
    pub staging: Uuid,
    /// For each column of `staging`, which of `table` it is.
    pub columns: &'a [usize],
    /// What is added to `_row`.
    pub base: u64,
}

/// What becomes of a row whose key stands in the table already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnDuplicate {
    /// It overwrites the columns that the file has.
    Merge,
    Ignore,
}

impl OnDuplicate {
    pub fn named(name: &str) -> Option<Self> {
        [Self::Merge, Self::Ignore].into_iter().find(|one| one.name() == name)
    }

    /// As PostgREST calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Merge => "merge-duplicates",
            Self::Ignore => "ignore-duplicates",
        }
    }
}

/// The largest `_row` there is, 0 in an empty table.
pub fn last_row(id: Uuid) -> String {
    format!("select coalesce(max(_row), 0) from {}", table(id))
}

/// Of columns behind those that the catalogue names, in their order: whether each has its type already; NULL if it is not there.
pub fn columns_there(id: Uuid, first: usize, types: &[ColumnType]) -> String {
    let wanted: Vec<_> =
        (first..).zip(types).map(|(at, wanted)| format!("({at}, 'c{}', '{}')", at + 1, wanted.sql())).collect();
    format!(
        "select a.atttypid = to_regtype(wanted.type) from (values {}) as wanted (at, name, type)
         left join pg_attribute a on a.attrelid = '{}'::regclass and a.attname = wanted.name and not a.attisdropped order by at",
        wanted.join(", "),
        table(id)
    )
}

/// Gives the table those that it lacks. `there` is what [`columns_there`] answered; `None` if it has them all.
pub fn add_columns(id: Uuid, first: usize, types: &[ColumnType], there: &[Option<bool>]) -> Option<String> {
    let mut actions = Vec::new();
    for ((at, wanted), there) in (first + 1..).zip(types).zip(there) {
        if *there == Some(false) {
            actions.push(format!("drop column c{at}"));
        }
        if *there != Some(true) {
            actions.push(format!("add column c{at} {}", typed(*wanted)));
        }
    }
    (!actions.is_empty()).then(|| format!("alter table {} {}", table(id), actions.join(", ")))
}

pub fn add_column(id: Uuid, position: usize, column_type: ColumnType) -> String {
    format!("alter table {} add column c{} {}", table(id), position + 1, typed(column_type))
}

impl Insertion<'_> {
    fn head(&self) -> String {
        let (targets, all) = (columns("", self.columns.iter().copied()), columns("", 0..self.columns.len()));
        let comma = if self.columns.is_empty() { "" } else { ", " };
        format!("insert into {} (_row{comma}{targets}) select {} + _row{comma}{all} from", table(self.table), self.base)
    }
}

pub fn insert(insertion: &Insertion<'_>) -> String {
    format!("{} {} order by _row", insertion.head(), table(insertion.staging))
}

/// Inserts what is new and merges or ignores the rest; answers how many rows were inserted and how many updated. `key` are positions in the staging table, of
/// columns that a unique index of the table covers. Of rows of the file with one key, the last is merged, or the first kept.
pub fn upsert(insertion: &Insertion<'_>, key: &[usize], on_duplicate: OnDuplicate) -> String {
    let staging = table(insertion.staging);
    let key_here = columns("", key.iter().copied());
    let target = |position: &usize| insertion.columns.get(*position).copied();
    let key_there = columns("", key.iter().filter_map(target));
    let (file, action) = match on_duplicate {
        OnDuplicate::Ignore => (staging, "do nothing".to_owned()),
        OnDuplicate::Merge => {
            // A key that is not whole is no duplicate of another.
            let missing: Vec<_> = key.iter().map(|position| format!("c{} is null", position + 1)).collect();
            let last = format!(
                "(select * from (select *, row_number() over (partition by {key_here} order by _row desc) as turn from {staging}) as turns
                 where turn = 1 or {}) as file",
                missing.join(" or ")
            );
            let others = (0..insertion.columns.len()).filter(|position| !key.contains(position));
            // A file of keys alone changes nothing, yet says which rows were there.
            let mut changed: Vec<_> = others.filter_map(|position| target(&position)).collect();
            if changed.is_empty() {
                changed = key.iter().take(1).filter_map(target).collect();
            }
            let set: Vec<_> = changed.iter().map(|column| format!("c{0} = excluded.c{0}", column + 1)).collect();
            (last, format!("do update set {}", set.join(", ")))
        }
    };
    format!(
        "with written as ({} {file} order by _row on conflict ({key_there}) {action} returning (xmax = 0) as fresh)
         select count(*) filter (where fresh), count(*) filter (where not fresh) from written",
        insertion.head()
    )
}

#[cfg(test)]
mod tests {
    use super::{Insertion, OnDuplicate, add_columns, insert, upsert};
    use crate::catalogue::ColumnType;
    use uuid::Uuid;

    #[test]
    fn columns_that_a_failed_append_left_are_used_again_or_replaced() {
        let types = [ColumnType::Text, ColumnType::Date, ColumnType::Bigint];
        let added = add_columns(Uuid::nil(), 2, &types, &[Some(true), Some(false), None]);
        let table = "0".repeat(32);
        let expected = format!("alter table rows.t_{table} drop column c4, add column c4 date, add column c5 bigint");
        assert_eq!(added, Some(expected));
        assert_eq!(add_columns(Uuid::nil(), 2, &types, &[Some(true); 3]), None);
    }

    #[test]
    fn rows_go_into_the_columns_that_bear_their_names() {
        let insertion = Insertion { table: Uuid::nil(), staging: Uuid::max(), columns: &[2, 0], base: 7 };
        let (table, staging) = ("0".repeat(32), "f".repeat(32));
        assert_eq!(
            insert(&insertion),
            format!(
                "insert into rows.t_{table} (_row, c3, c1) select 7 + _row, c1, c2 from rows.t_{staging} order by _row"
            )
        );
        let merged = upsert(&insertion, &[1], OnDuplicate::Merge);
        assert!(merged.contains("partition by c2 order by _row desc"), "{merged}");
        assert!(merged.contains("on conflict (c1) do update set c3 = excluded.c3 returning"), "{merged}");
        let none = Insertion { columns: &[], ..insertion };
        assert!(insert(&none).contains("(_row) select 7 + _row from"), "{}", insert(&none));
    }
}
