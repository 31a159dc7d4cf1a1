//! Tables to write: names, types, and cells as the text that a program prints for them.

use proptest::{collection::vec, option::weighted, prelude::*};

/// A table whose first column is a number that is never missing: a row of nothing else may be a blank line.
#[derive(Debug, Clone)]
pub struct Table {
    /// Names, which differ, and types.
    pub columns: Vec<(String, &'static str)>,
    /// As many cells as columns; `None` is NULL.
    pub rows: Vec<Vec<Option<String>>>,
}

/// Any names, any text.
pub fn any_table() -> impl Strategy<Value = Table> {
    let names = vec(text(1), 2..6);
    (names, vec(0..TYPES.len(), 5), vec(vec(any_cell(), 5), 0..10)).prop_map(|(names, types, cells)| {
        let mut columns: Vec<(String, &'static str)> = Vec::new();
        for (index, name) in names.into_iter().enumerate() {
            let name = if columns.iter().any(|(taken, _)| *taken == name) { format!("{name} {index}") } else { name };
            columns.push((name, if index == 0 { "bigint" } else { TYPES[types[index]] }));
        }
        Table::of(columns, cells)
    })
}

/// A table that any reader tells from its file alone: several columns of types, words as text, and enough rows.
pub fn evident_table() -> impl Strategy<Value = Table> {
    vec(vec(any_cell(), 5), 6..16).prop_map(|mut cells| {
        let names = ["number", "text", "amount", "day", "when"];
        let types = ["bigint", "text", "numeric", "date", "timestamp"];
        for (row, cells) in cells.iter_mut().enumerate() {
            for cell in cells.iter_mut() {
                cell.text = WORDS[cell.choice % WORDS.len()].to_owned();
                // The first rows have all their values: they say what the columns are.
                cell.present |= row < 4;
            }
        }
        Table::of(names.into_iter().map(str::to_owned).zip(types).collect(), cells)
    })
}

/// Of which a text column can be told without its values.
const TYPES: [&str; 8] = ["text", "text", "bigint", "numeric", "date", "timestamp", "boolean", "uuid"];
const WORDS: [&str; 8] = ["Ann", "Bob Ray", "Zoë", "a, b", "x; y | z", "says \"hi\"", "two\nlines", "it's"];

/// What a cell is made from, whatever its type.
#[derive(Debug, Clone)]
struct Drawn {
    present: bool,
    text: String,
    number: i64,
    choice: usize,
}

fn any_cell() -> impl Strategy<Value = Drawn> {
    let number = prop_oneof![any::<i64>(), -1000..1000_i64];
    (weighted(0.8, Just(())), text(0), number, 0..1000_usize).prop_map(|(present, text, number, choice)| Drawn {
        present: present.is_some(),
        text,
        number,
        choice,
    })
}

/// Any characters but NUL, with the ones that mean something to a reader more often than they are in text.
fn text(length_min: usize) -> impl Strategy<Value = String> {
    let special = prop::sample::select("\",;\t|^~ '\\\r\n#\u{feff}-N0=".chars().collect::<Vec<_>>());
    let character = prop_oneof![3 => special, 3 => prop::char::range('a', 'z'), 1 => any::<char>()];
    vec(character, length_min..8)
        .prop_map(|characters| characters.into_iter().map(|c| if c == '\0' { '0' } else { c }).collect())
}

impl Table {
    fn of(columns: Vec<(String, &'static str)>, cells: Vec<Vec<Drawn>>) -> Self {
        let row = |(number, cells): (usize, Vec<Drawn>)| {
            let cell = |(index, (cell, (_, column_type))): (usize, (Drawn, &(String, &str)))| match index {
                0 => Some(number.to_string()),
                _ => cell.present.then(|| cell.printed(column_type)),
            };
            cells.into_iter().zip(&columns).enumerate().map(cell).collect()
        };
        let rows = cells.into_iter().enumerate().map(row).collect();
        Self { columns, rows }
    }

    /// With each text and name changed.
    pub fn map_text(mut self, change: impl Fn(&str) -> String) -> Self {
        for index in 0..self.columns.len() {
            let mut name = change(&self.columns[index].0);
            while name.is_empty() || self.columns[..index].iter().any(|(taken, _)| *taken == name) {
                name.push('x');
            }
            self.columns[index].0 = name;
        }
        for row in &mut self.rows {
            for (cell, (_, column_type)) in row.iter_mut().zip(&self.columns) {
                if *column_type == "text" {
                    *cell = cell.as_deref().map(&change);
                }
            }
        }
        self
    }
}

impl Drawn {
    /// As Postgres prints a value of the type.
    fn printed(self, column_type: &str) -> String {
        let of = |count: usize| self.choice % count;
        let day = format!("{:04}-{:02}-{:02}", 1900 + of(200), 1 + of(12), 1 + of(28));
        match column_type {
            "bigint" => self.number.to_string(),
            "numeric" => format!("{}.{:02}", self.number / 1000, self.number.unsigned_abs() % 100),
            "date" => day,
            "timestamp" => format!("{day}T{:02}:{:02}:{:02}", of(24), of(60), of(59)),
            "boolean" => self.choice.is_multiple_of(2).to_string(),
            "uuid" => uuid::Uuid::from_u64_pair(self.number.unsigned_abs(), self.choice as u64).to_string(),
            _ => self.text,
        }
    }
}
