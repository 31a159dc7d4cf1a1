//! The type of a column and how its texts are written, from the facts of all its cells, what was told, and, where they leave it open, from the other columns.

use super::facts::Facts;
use super::marks::NumberStyle;
use super::missing;
use super::styles::{Evident, FileHabit, Habit, date_style, number_style};
use super::temporal::DateStyle;
use super::{Ask, Cell, Column, ColumnType, Delimiter, Row, Trouble};
use crate::error::Malformed;

/// What a cell of a column is made of its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    pub column_type: ColumnType,
    pub(super) numbers: NumberStyle,
    pub(super) dates: DateStyle,
    /// Whether the usual words for a missing value are NULL; not if others were told.
    pub(super) words: bool,
    pub basis: Basis,
}

/// Where a column's type is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Basis {
    /// All its values, or the file itself.
    Inferred,
    /// The caller told it: a value that does not fit is an error, never another type.
    Told,
    /// The table has it, which the rows are for.
    Table,
}

impl Reading {
    pub(super) fn of(column_type: ColumnType) -> Self {
        Self { column_type, numbers: NumberStyle::Plain, dates: DateStyle::Iso, words: true, basis: Basis::Inferred }
    }
}

/// A column's reading, and what the caller should know about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Decision {
    pub reading: Reading,
    pub doubt: Option<Doubt>,
}

/// What its values leave open: why a column is text, or why it cannot be what it was told to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Doubt {
    Dates,
    Numbers,
}

impl Doubt {
    pub fn trouble(self, column: &str) -> Trouble {
        let column = column.to_owned();
        match self {
            Self::Dates => Trouble::AmbiguousDates { column },
            Self::Numbers => Trouble::AmbiguousNumbers { column },
        }
    }

    /// Of a column that is not to be text, with what the caller can do about it.
    pub fn refuse(self, column: &str, place: Malformed) -> Malformed {
        let (open, hint) = match self {
            Self::Dates => ("dates may be day first or month first", "Say `dates=dmy` or `dates=mdy`."),
            Self::Numbers => ("numbers may have decimal or thousands marks", "Say `decimal=,` or `decimal=.`."),
        };
        let detail = format!("In the column `{column}` {open}, and it is not clear which.");
        Malformed { detail, field: Some(column.to_owned()), hint: Some(hint.to_owned()), ..place }
    }
}

/// The facts of every column so far.
#[derive(Debug, Clone, Default)]
pub(super) struct Inference {
    columns: Vec<Tally>,
    /// How many of them have got their names.
    named: usize,
    told: Told,
}

/// What the caller told that bears on all columns.
#[derive(Debug, Clone, Default)]
struct Told {
    types: super::ToldTypes,
    /// The columns of the table that the rows are for.
    table: Vec<Column>,
    nulls: Option<Vec<String>>,
    habit: FileHabit,
}

#[derive(Debug, Clone, Default)]
struct Tally {
    seen: Facts,
    /// The words for missing values that it holds; see `missing`.
    missing: u64,
    /// No further value can change the type.
    settled: bool,
    told: Option<(ColumnType, Basis)>,
    /// The type that the file itself says.
    declared: Option<ColumnType>,
    habit: Habit,
    /// The first cell that can be read in two ways, of a column that has its type already.
    open: Option<Box<Malformed>>,
}

impl Inference {
    /// `declared`: the types that the file itself says, if it does.
    pub fn new(ask: Ask<'_>, delimiter: Option<Delimiter>, declared: Option<&[ColumnType]>) -> Self {
        let options = ask.options;
        let told = Told {
            types: options.types.clone(),
            table: ask.target.map(|target| target.columns.to_vec()).unwrap_or_default(),
            nulls: options.nulls.clone(),
            habit: FileHabit {
                decimal: options.decimal,
                dates: options.dates,
                comma_delimited: delimiter == Some(Delimiter::Byte(b',')),
            },
        };
        let tally = |declared: &ColumnType| Tally { declared: Some(*declared), ..Tally::default() };
        Self { columns: declared.unwrap_or_default().iter().map(tally).collect(), named: 0, told }
    }

    /// The values are those of a sheet, which is written with commas by us; `pointed` says in which columns numbers with a fraction stand.
    pub fn of_workbook(&mut self, pointed: &[bool]) {
        self.told.habit.comma_delimited = false;
        self.columns.resize_with(self.columns.len().max(pointed.len()), Tally::default);
        for (tally, pointed) in self.columns.iter_mut().zip(pointed) {
            tally.habit.pointed = *pointed;
        }
    }

    /// Takes in the names of the columns, for the types that were told by name.
    pub fn name(&mut self, names: &[String]) {
        if names.len() == self.named {
            return;
        }
        self.named = names.len();
        self.columns.resize_with(self.columns.len().max(names.len()), Tally::default);
        for (tally, name) in self.columns.iter_mut().zip(names) {
            tally.told = match self.told.table.iter().find(|column| column.name == *name) {
                Some(column) => {
                    (tally.habit.decimal, tally.habit.dates) = (column.decimal, column.dates);
                    Some((column.column_type, Basis::Table))
                }
                None => self.told.types.of(name).map(|column_type| (column_type, Basis::Told)),
            };
        }
    }

    /// Takes in one cell of a row; whether it could have changed how a column is read.
    pub fn observe(&mut self, index: usize, cell: Cell<'_>, row: &Row<'_>) -> bool {
        if self.columns.len() <= index {
            self.columns.resize_with(index + 1, Tally::default);
        }
        let is_missing = self.is_missing(cell);
        let Some(tally) = self.columns.get_mut(index).filter(|tally| !tally.settled && !is_missing) else {
            return false;
        };
        let is_new = tally.observe(cell, self.told.nulls.is_none());
        if is_new && tally.told.is_some() && tally.open.is_none() && tally.seen.meets(Facts::EITHER) {
            tally.open = Some(Box::new(row.malformed(index, String::new())));
        }
        is_new
    }

    /// Where in the file a column with a doubt leaves it open.
    pub fn open(&self, index: usize) -> Malformed {
        self.columns.get(index).and_then(|tally| tally.open.as_deref()).cloned().unwrap_or_default()
    }

    /// Whether the caller told that this text means a missing value.
    pub fn is_missing(&self, cell: Cell<'_>) -> bool {
        match (&self.told.nulls, cell) {
            (Some(nulls), Cell::Text(text)) => nulls.iter().any(|null| null.as_bytes() == text.trim_ascii()),
            _ => false,
        }
    }

    pub fn observe_row(&mut self, row: &Row<'_>) {
        for (index, cell) in row.cells().enumerate() {
            self.observe(index, cell, row);
        }
    }

    /// What has been seen of the column, to judge whether a cell could add to it.
    pub fn seen(&self, index: usize) -> Facts {
        self.columns.get(index).map_or(Facts::NONE, |tally| tally.seen)
    }

    /// Whether nothing can change how the column is read.
    pub fn is_settled(&self, index: usize) -> bool {
        self.columns.get(index).is_some_and(|tally| tally.settled) && self.told.nulls.is_none()
    }

    /// How each of so many columns is read, as far as is known.
    pub fn decide(&self, columns: usize) -> Vec<Decision> {
        let values = self.columns.iter().map(|tally| (tally.seen, tally.habit));
        let all = Evident::new(self.told.habit, &self.told.table, values);
        let none = Tally::default();
        let decide = |index: usize| {
            let mut decision = self.columns.get(index).unwrap_or(&none).decide(all);
            decision.reading.words = self.told.nulls.is_none();
            decision
        };
        (0..columns).map(decide).collect()
    }

    /// The column as a catalogue keeps it, with what later files for it can be read by.
    pub fn column(&self, index: usize, name: &str, reading: Reading) -> Column {
        let mut column = Column::new(name, reading.column_type);
        if let Some(tally) = self.columns.get(index).filter(|tally| tally.declared.is_none()) {
            (column.decimal, column.dates) = tally.habit.shown(tally.seen, reading);
        }
        column
    }

    /// The words that are read as NULL in these columns.
    pub fn nulls(&self, decisions: &[Decision]) -> Vec<String> {
        if let Some(told) = &self.told.nulls {
            return told.clone();
        }
        let typed = |decision: &Decision| decision.reading.column_type != ColumnType::Text;
        let set = self.columns.iter().zip(decisions).filter(|(_, decision)| typed(decision));
        missing::words(set.fold(0, |set, (tally, _)| set | tally.missing)).map(str::to_owned).collect()
    }
}

impl Tally {
    fn observe(&mut self, cell: Cell<'_>, words: bool) -> bool {
        let facts = match Facts::of(cell) {
            // An empty field in quotes is no word.
            Facts::MISSING if !words && !matches!(cell, Cell::Text(text) if text.trim_ascii().is_empty()) => {
                Facts::TEXT
            }
            facts => facts,
        };
        if facts.contains(Facts::MISSING)
            && let Cell::Text(text) = cell
        {
            self.missing |= missing::word(text.trim_ascii()).map_or(0, |word| 1 << word);
        }
        if self.seen.contains(facts) {
            return false;
        }
        self.seen = self.seen | facts;
        self.settled = match self.seen.and(Facts::KINDS).len() {
            _ if self.told.is_some() || self.declared.is_some() => false,
            0 => self.seen.contains(Facts::TEXT),
            kinds => kinds > 1,
        };
        true
    }

    fn decide(&self, all: Evident) -> Decision {
        let text = Reading::of(ColumnType::Text);
        let numbers = number_style(self.seen, all, self.habit);
        let dates = date_style(self.seen, all, self.habit);
        if let Some(told) = self.told {
            return decide_told(told, numbers, dates);
        }
        if let Some(declared) = self.declared {
            let fits = !self.seen.contains(Facts::UNDECLARED) || declared == ColumnType::Text;
            return Decision { reading: if fits { Reading::of(declared) } else { text }, doubt: None };
        }
        let seen = self.seen.without(Facts::MISSING);
        let looks =
            |group: Facts| seen != Facts::NONE && group.contains(seen) && self.seen.and(Facts::KINDS) == Facts::NONE;
        let doubt = match (numbers, dates) {
            (Err(doubt), _) if looks(Facts::NUMBERS) => Some(doubt),
            (_, Err(doubt)) if looks(Facts::TEMPORAL | Facts::NAN) => Some(doubt),
            _ => None,
        };
        if doubt.is_some() {
            return Decision { reading: text, doubt };
        }
        let (numbers, dates) = (numbers.ok().flatten(), dates.ok().flatten());
        let column_type = column_type(self.seen, numbers, dates);
        let reading = Reading {
            column_type,
            numbers: numbers.unwrap_or(NumberStyle::Plain),
            dates: dates.unwrap_or(DateStyle::Iso),
            ..text
        };
        // Styles are of no account in the other types, and two equal readings must compare so.
        let reading = match column_type {
            ColumnType::Bigint | ColumnType::Numeric | ColumnType::Double => {
                Reading { dates: DateStyle::Iso, ..reading }
            }
            ColumnType::Date | ColumnType::Timestamp => Reading { numbers: NumberStyle::Plain, ..reading },
            other => Reading::of(other),
        };
        Decision { reading, doubt: None }
    }
}

/// A told type stays; where the style is in doubt the caller must tell that too.
fn decide_told(
    (column_type, basis): (ColumnType, Basis),
    numbers: Result<Option<NumberStyle>, Doubt>,
    dates: Result<Option<DateStyle>, Doubt>,
) -> Decision {
    let mut reading = Reading { basis, ..Reading::of(column_type) };
    let mut doubt = None;
    match column_type {
        ColumnType::Bigint | ColumnType::Numeric | ColumnType::Double => match numbers {
            Ok(style) => reading.numbers = style.unwrap_or(NumberStyle::Plain),
            Err(found) => doubt = Some(found),
        },
        ColumnType::Date | ColumnType::Timestamp => match dates {
            Ok(style) => reading.dates = style.unwrap_or(DateStyle::Iso),
            Err(found) => doubt = Some(found),
        },
        _ => {}
    }
    Decision { reading, doubt }
}

/// The narrowest type that holds values of all these facts, each printed back as the value that it is.
///
/// Values of a JSON file keep their kind: strings are never numbers, and a column of several kinds is `json`, where `"1"` and `1` stay apart.
fn column_type(seen: Facts, numbers: Option<NumberStyle>, dates: Option<DateStyle>) -> ColumnType {
    let kinds = seen.and(Facts::KINDS);
    let seen = seen.without(Facts::KINDS | Facts::MISSING);
    if kinds.len() > 1 {
        return ColumnType::Json;
    }
    let within = |group: Facts| seen != Facts::NONE && group.contains(seen);
    if within(Facts::BOOLEANS) && seen.len() == 1 {
        return ColumnType::Boolean;
    }
    if within(Facts::TIME) {
        return ColumnType::Time;
    }
    if within(Facts::UUID) {
        return ColumnType::Uuid;
    }
    if within(Facts::TEMPORAL | Facts::NAN) && seen.meets(Facts::TEMPORAL) {
        return dates.map_or(ColumnType::Text, |_| temporal(seen));
    }
    if within(Facts::NESTED) {
        return ColumnType::Json;
    }
    // A number of a JSON file that no type of numbers can hold is kept as it stands.
    let otherwise = if kinds == Facts::KIND_NUMBER { ColumnType::Json } else { ColumnType::Text };
    match numbers {
        Some(style) if within(Facts::NUMBERS | Facts::SPECIAL) => number(seen, style).unwrap_or(otherwise),
        _ => otherwise,
    }
}

fn temporal(seen: Facts) -> ColumnType {
    match (seen.contains(Facts::DATE), seen.contains(Facts::TIMESTAMP), seen.contains(Facts::TIMESTAMPTZ)) {
        (true, false, false) => ColumnType::Date,
        (_, _, false) => ColumnType::Timestamp,
        (false, false, true) => ColumnType::Timestamptz,
        // Without its zone, an instant could not be told from a time of day.
        _ => ColumnType::Text,
    }
}

fn number(seen: Facts, style: NumberStyle) -> Option<ColumnType> {
    let numeric = (!seen.meets(Facts::NOT_NUMERIC | Facts::SPECIAL)).then_some(ColumnType::Numeric);
    let decimal = seen.meets(if style.has_decimal_comma() { Facts::DECIMAL_COMMA } else { Facts::DECIMAL });
    let evident = decimal || seen.contains(Facts::FLOAT);
    if seen.contains(Facts::CODE) && !evident {
        return None;
    }
    if seen.meets(Facts::SPECIAL) && !evident && !seen.contains(Facts::INTEGER) {
        return None;
    }
    if seen.meets(Facts::FLOAT | Facts::SPECIAL | Facts::CODE) {
        return if seen.contains(Facts::NOT_DOUBLE) { numeric } else { Some(ColumnType::Double) };
    }
    if decimal { numeric } else { Some(ColumnType::Bigint) }
}
