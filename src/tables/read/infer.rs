//! The type of a column, from the facts of all its cells.

use super::facts::Facts;
use super::{Cell, ColumnType, Row};

/// The facts of every column so far.
#[derive(Debug, Clone, Default)]
pub(super) struct Inference {
    columns: Vec<Tally>,
}

impl Inference {
    /// Takes in a row; whether it could have changed the type of a column, or brought a new one.
    pub fn observe(&mut self, row: &Row<'_>) -> bool {
        let mut changed = false;
        for (index, cell) in row.cells().enumerate() {
            match self.columns.get_mut(index) {
                Some(tally) => changed |= tally.observe(cell),
                None => {
                    let mut tally = Tally::default();
                    tally.observe(cell);
                    self.columns.push(tally);
                    changed = true;
                }
            }
        }
        changed
    }

    /// The type of the column at `index`, which may not have been seen yet.
    pub fn column_type(&self, index: usize) -> ColumnType {
        self.columns.get(index).map_or(ColumnType::Text, |tally| column_type(tally.seen))
    }
}

#[derive(Debug, Clone, Default)]
struct Tally {
    seen: Facts,
    /// No further value can change the type.
    settled: bool,
}

impl Tally {
    fn observe(&mut self, cell: Cell<'_>) -> bool {
        if self.settled {
            return false;
        }
        let facts = Facts::of(cell);
        if self.seen.contains(facts) {
            return false;
        }
        self.seen = self.seen | facts;
        self.settled = match self.seen.and(Facts::KINDS).len() {
            0 => self.seen.contains(Facts::TEXT),
            kinds => kinds > 1,
        };
        true
    }
}

/// The narrowest type that holds values of all these facts, each printed back as the value that it is.
///
/// Values of a JSON file keep their kind: strings are never numbers, and a column of several kinds is `json`, where `"1"` and `1` stay apart.
fn column_type(seen: Facts) -> ColumnType {
    let kinds = seen.and(Facts::KINDS);
    let seen = seen.without(Facts::KINDS);
    if kinds.len() > 1 {
        return ColumnType::Json;
    }
    let within = |group: Facts| seen != Facts::NONE && group.contains(seen);
    if within(Facts::BOOLEANS) && seen.len() == 1 {
        return ColumnType::Boolean;
    }
    if within(Facts::TEMPORAL) {
        return temporal(seen);
    }
    if within(Facts::NESTED) {
        return ColumnType::Json;
    }
    // A number of a JSON file that no type of numbers can hold is kept as it stands.
    let otherwise = if kinds == Facts::KIND_NUMBER { ColumnType::Json } else { ColumnType::Text };
    if within(Facts::NUMBERS | Facts::SPECIAL) { number(seen).unwrap_or(otherwise) } else { otherwise }
}

fn temporal(seen: Facts) -> ColumnType {
    match seen {
        Facts::DATE => ColumnType::Date,
        Facts::TIMESTAMPTZ => ColumnType::Timestamptz,
        // Without its zone, an instant could not be told from a time of day.
        _ if seen.contains(Facts::TIMESTAMPTZ) => ColumnType::Text,
        _ => ColumnType::Timestamp,
    }
}

fn number(seen: Facts) -> Option<ColumnType> {
    let numeric = (!seen.meets(Facts::NOT_NUMERIC | Facts::SPECIAL)).then_some(ColumnType::Numeric);
    let evident = seen.meets(Facts::DECIMAL | Facts::FLOAT);
    if seen.contains(Facts::CODE) && !evident {
        return None;
    }
    if seen.contains(Facts::SPECIAL) && !evident && !seen.contains(Facts::INTEGER) {
        return None;
    }
    if seen.meets(Facts::FLOAT | Facts::SPECIAL | Facts::CODE) {
        return if seen.contains(Facts::NOT_DOUBLE) { numeric } else { Some(ColumnType::Double) };
    }
    if seen.contains(Facts::DECIMAL) { numeric } else { Some(ColumnType::Bigint) }
}

/// Whether a column of this type holds a cell, as a value that prints back. The facts are of the one cell.
pub(super) fn holds(column_type: ColumnType, cell: Cell<'_>) -> bool {
    if column_type == ColumnType::Text && matches!(cell, Cell::Text(_)) {
        return true;
    }
    let facts = Facts::of(cell);
    let kinds = facts.and(Facts::KINDS);
    let seen = facts.without(Facts::KINDS);
    match column_type {
        ColumnType::Text => Facts::KIND_STRING.contains(kinds),
        ColumnType::Json => kinds != Facts::NONE || Facts::NESTED.contains(seen),
        ColumnType::Boolean => Facts::BOOLEANS.contains(seen),
        ColumnType::Bigint => (Facts::INTEGER | Facts::NOT_DOUBLE).contains(seen),
        ColumnType::Numeric => Facts::NUMBERS.without(Facts::NOT_NUMERIC).contains(seen),
        ColumnType::Double => (Facts::NUMBERS | Facts::SPECIAL).without(Facts::NOT_DOUBLE).contains(seen),
        ColumnType::Date => Facts::DATE.contains(seen),
        ColumnType::Timestamp => (Facts::DATE | Facts::TIMESTAMP).contains(seen),
        ColumnType::Timestamptz => Facts::TIMESTAMPTZ.contains(seen),
        ColumnType::Time | ColumnType::Uuid => false,
    }
}
