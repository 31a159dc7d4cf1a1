//! The type of a column and how its texts are written, from the facts of all its cells, what was told, and, where they leave it open, from the other columns.

use super::facts::Facts;
use super::marks::NumberStyle;
use super::missing;
use super::temporal::DateStyle;
use super::{Ask, Cell, Column, ColumnType, DateOrder, DecimalMark, Delimiter, Row, Trouble};

/// What a cell of a column is made of its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    pub column_type: ColumnType,
    pub(super) numbers: NumberStyle,
    pub(super) dates: DateStyle,
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
        Self { column_type, numbers: NumberStyle::Plain, dates: DateStyle::Iso, basis: Basis::Inferred }
    }
}

/// A column's reading, and what the caller should know about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Decision {
    pub reading: Reading,
    pub doubt: Option<Doubt>,
}

/// Why a column is text although its values look like something else.
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
    decimal: Option<DecimalMark>,
    dates: Option<DateOrder>,
    /// In a file delimited by commas, a comma that stands in a number is hardly its decimal mark.
    comma_delimited: bool,
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
}

impl Inference {
    /// `declared`: the types that the file itself says, if it does.
    pub fn new(ask: Ask<'_>, delimiter: Option<Delimiter>, declared: Option<&[ColumnType]>) -> Self {
        let options = ask.options;
        let told = Told {
            types: options.types.clone(),
            table: ask.target.map(|target| target.columns.to_vec()).unwrap_or_default(),
            nulls: options.nulls.clone(),
            decimal: options.decimal,
            dates: options.dates,
            comma_delimited: delimiter == Some(Delimiter::Byte(b',')),
        };
        let tally = |declared: &ColumnType| Tally { declared: Some(*declared), ..Tally::default() };
        Self { columns: declared.unwrap_or_default().iter().map(tally).collect(), named: 0, told }
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
                Some(column) => Some((column.column_type, Basis::Table)),
                None => self.told.types.of(name).map(|column_type| (column_type, Basis::Told)),
            };
        }
    }

    /// Takes in one cell; whether it could have changed how a column is read.
    pub fn observe(&mut self, index: usize, cell: Cell<'_>) -> bool {
        if self.columns.len() <= index {
            self.columns.resize_with(index + 1, Tally::default);
        }
        let is_missing = self.is_missing(cell);
        let Some(tally) = self.columns.get_mut(index).filter(|tally| !tally.settled && !is_missing) else {
            return false;
        };
        tally.observe(cell)
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
            self.observe(index, cell);
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
        let mark = self.told.decimal.or_else(|| self.evident_mark());
        let none = Tally::default();
        (0..columns).map(|index| self.columns.get(index).unwrap_or(&none).decide(&self.told, mark)).collect()
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

    /// The decimal mark that some column's numbers can only have been written with, unless another's say otherwise.
    fn evident_mark(&self) -> Option<DecimalMark> {
        let (mut point, mut comma) = (false, false);
        for tally in self.columns.iter().filter(|tally| tally.is_number()) {
            let styles = || tally.seen.number_styles();
            let only_points = styles().next().is_some() && !styles().any(NumberStyle::has_decimal_comma);
            let only_commas = styles().next().is_some() && styles().all(NumberStyle::has_decimal_comma);
            point |= only_points;
            comma |= only_commas;
        }
        match (point, comma) {
            (true, false) => Some(DecimalMark::Point),
            (false, true) => Some(DecimalMark::Comma),
            _ => None,
        }
    }
}

impl Tally {
    fn observe(&mut self, cell: Cell<'_>) -> bool {
        let facts = Facts::of(cell);
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

    fn is_number(&self) -> bool {
        let seen = self.seen.without(Facts::MISSING);
        self.seen.and(Facts::KINDS) == Facts::NONE && seen != Facts::NONE && Facts::NUMBERS.contains(seen)
    }

    fn decide(&self, told: &Told, mark: Option<DecimalMark>) -> Decision {
        let text = Reading::of(ColumnType::Text);
        let numbers = number_style(self.seen, told, mark);
        let dates = date_style(self.seen, told);
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
            basis: Basis::Inferred,
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

/// The style of numbers with all these facts; `None` if there is none that all are in.
fn number_style(seen: Facts, told: &Told, mark: Option<DecimalMark>) -> Result<Option<NumberStyle>, Doubt> {
    // JSON has one way to write a number.
    if seen.contains(Facts::KIND_NUMBER) {
        return Ok(Some(NumberStyle::Plain));
    }
    // Without a mark all styles say the same.
    if !seen.meets(Facts::DECIMAL | Facts::FLOAT) && seen.number_styles().next() == Some(NumberStyle::Plain) {
        return Ok(Some(NumberStyle::Plain));
    }
    let suits =
        |style: &NumberStyle| told.decimal.is_none_or(|mark| (mark == DecimalMark::Comma) == style.has_decimal_comma());
    let mut styles = seen.number_styles().filter(suits);
    let Some(first) = styles.next() else { return Ok(None) };
    // `1.234` in a file whose other numbers have decimal commas.
    let grouped = || seen.number_styles().find(|style| *style == NumberStyle::PointGroups);
    if first == NumberStyle::Plain {
        let groups = mark == Some(DecimalMark::Comma) && seen.contains(Facts::DECIMAL);
        return Ok(groups.then(grouped).flatten().or(Some(first)));
    }
    let comma = if first.has_decimal_comma() { Some(first) } else { styles.find(|style| style.has_decimal_comma()) };
    match (first.has_decimal_comma(), comma) {
        (true, _) | (false, None) => Ok(Some(first)),
        // Without a fraction in either reading the two say the same.
        (false, Some(_)) if !seen.meets(Facts::DECIMAL | Facts::DECIMAL_COMMA) => Ok(Some(first)),
        (false, Some(comma)) => match mark {
            Some(DecimalMark::Point) => Ok(Some(first)),
            Some(DecimalMark::Comma) => Ok(Some(comma)),
            None if told.comma_delimited => Ok(Some(first)),
            None => Err(Doubt::Numbers),
        },
    }
}

fn date_style(seen: Facts, told: &Told) -> Result<Option<DateStyle>, Doubt> {
    let wanted = told.dates.map(|order| match order {
        DateOrder::DayMonthYear => DateStyle::DayFirst,
        DateOrder::MonthDayYear => DateStyle::MonthFirst,
        DateOrder::YearMonthDay => DateStyle::YearFirst,
    });
    let open = [DateStyle::DayFirst, DateStyle::MonthFirst];
    let suits = |style: &DateStyle| !open.contains(style) || wanted.is_none_or(|wanted| wanted == *style);
    let mut styles = seen.date_styles().filter(suits);
    match (styles.next(), styles.next()) {
        (Some(DateStyle::DayFirst), Some(DateStyle::MonthFirst)) => Err(Doubt::Dates),
        (first, _) => Ok(first),
    }
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
