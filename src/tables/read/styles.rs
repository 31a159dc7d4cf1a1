//! How the numbers and dates of a column are written: by its own values, by what was told, by the table that they are for, and, where these leave it open, by the
//! other columns.

use super::facts::Facts;
use super::infer::{Doubt, Reading};
use super::marks::NumberStyle;
use super::temporal::DateStyle;
use super::{Column, ColumnType, DateOrder, DecimalMark};

/// What bears on all columns of a file.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct FileHabit {
    /// Told.
    pub decimal: Option<DecimalMark>,
    pub dates: Option<DateOrder>,
    /// In a file delimited by commas, a comma that stands in a number is hardly its decimal mark.
    pub comma_delimited: bool,
}

/// What bears on one column.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Habit {
    /// Those of the table's column that the values are for.
    pub decimal: Option<DecimalMark>,
    pub dates: Option<DateOrder>,
    /// Numbers of a workbook stand in it: they have a decimal point and no other mark, whatever its texts have.
    pub pointed: bool,
}

/// What the values of all columns say together.
#[derive(Debug, Clone, Copy)]
pub(super) struct Evident {
    file: FileHabit,
    /// The mark that some column's numbers can only have been written with, unless another's say otherwise; so the order of dates.
    mark: Option<DecimalMark>,
    order: Option<DateOrder>,
    /// The mark of the table's columns, if they agree.
    of_table: Option<DecimalMark>,
}

impl Evident {
    pub fn new(file: FileHabit, table: &[Column], columns: impl Iterator<Item = (Facts, Habit)>) -> Self {
        let (mut marks, mut orders) = (Vec::new(), Vec::new());
        for (seen, habit) in columns {
            marks.extend(mark_of(seen).filter(|_| is_number(seen) && !habit.pointed));
            orders.extend(order_of(seen));
        }
        let of_table = agreed(table.iter().filter_map(|column| column.decimal));
        Self { file, mark: agreed(marks.into_iter()), order: agreed(orders.into_iter()), of_table }
    }
}

/// What all say, if they say one thing.
fn agreed<T: PartialEq>(mut all: impl Iterator<Item = T>) -> Option<T> {
    let first = all.next()?;
    all.all(|other| other == first).then_some(first)
}

fn is_number(seen: Facts) -> bool {
    let values = seen.without(Facts::MISSING);
    seen.and(Facts::KINDS) == Facts::NONE && values != Facts::NONE && Facts::NUMBERS.contains(values)
}

fn mark(style: NumberStyle) -> DecimalMark {
    if style.has_decimal_comma() { DecimalMark::Comma } else { DecimalMark::Point }
}

/// The decimal mark of all styles that the numbers can be in.
fn mark_of(seen: Facts) -> Option<DecimalMark> {
    agreed(seen.number_styles().map(mark))
}

fn order(style: DateStyle) -> Option<DateOrder> {
    match style {
        DateStyle::DayFirst => Some(DateOrder::DayMonthYear),
        DateStyle::MonthFirst => Some(DateOrder::MonthDayYear),
        DateStyle::Iso | DateStyle::YearFirst | DateStyle::MonthName => None,
    }
}

/// The order of day and month that the dates can only have been written in.
fn order_of(seen: Facts) -> Option<DateOrder> {
    let mut styles = seen.date_styles();
    let first = styles.next().and_then(order);
    first.filter(|_| styles.next().is_none())
}

/// The style of numbers with all these facts; `None` if there is none that all are in.
pub(super) fn number_style(seen: Facts, all: Evident, habit: Habit) -> Result<Option<NumberStyle>, Doubt> {
    // JSON has one way to write a number.
    if seen.contains(Facts::KIND_NUMBER) {
        return Ok(Some(NumberStyle::Plain));
    }
    let seen = if habit.pointed { seen | Facts::NOT_IN_POINT_GROUPS } else { seen };
    let is_plain = seen.number_styles().next() == Some(NumberStyle::Plain);
    // Without a mark all styles say the same.
    if is_plain && (habit.pointed || !seen.meets(Facts::DECIMAL | Facts::FLOAT)) {
        return Ok(Some(NumberStyle::Plain));
    }
    if let Some(kept) = habit.decimal {
        return kept_style(seen, kept, all.mark);
    }
    let told = all.file.decimal;
    let mut styles = seen.number_styles().filter(|style| told.is_none_or(|told| told == mark(*style)));
    let Some(first) = styles.next() else { return Ok(None) };
    let file = told.or(all.mark).or(all.of_table);
    // `1.234` in a file whose other numbers have decimal commas.
    let grouped = || seen.number_styles().find(|style| *style == NumberStyle::PointGroups);
    if first == NumberStyle::Plain {
        let groups = file == Some(DecimalMark::Comma) && seen.contains(Facts::DECIMAL);
        return Ok(groups.then(grouped).flatten().or(Some(first)));
    }
    let comma = if first.has_decimal_comma() { Some(first) } else { styles.find(|style| style.has_decimal_comma()) };
    match (first.has_decimal_comma(), comma) {
        (true, _) | (false, None) => Ok(Some(first)),
        // Without a fraction in either reading the two say the same.
        (false, Some(_)) if !seen.meets(Facts::DECIMAL | Facts::DECIMAL_COMMA) => Ok(Some(first)),
        (false, Some(comma)) => match file {
            Some(DecimalMark::Point) => Ok(Some(first)),
            Some(DecimalMark::Comma) => Ok(Some(comma)),
            None if all.file.comma_delimited => Ok(Some(first)),
            None => Err(Doubt::Numbers),
        },
    }
}

/// The style with the mark of the table's column. Where the values, or those of another column, say otherwise, only what can be read in one way is taken.
fn kept_style(seen: Facts, kept: DecimalMark, evident: Option<DecimalMark>) -> Result<Option<NumberStyle>, Doubt> {
    let styles = |same: bool| seen.number_styles().find(|style| (mark(*style) == kept) == same);
    let otherwise = styles(true).is_none() || evident.is_some_and(|evident| evident != kept);
    match otherwise && seen.contains(Facts::EITHER_MARK) {
        true => Err(Doubt::Numbers),
        false => Ok(styles(true).or(styles(false))),
    }
}

pub(super) fn date_style(seen: Facts, all: Evident, habit: Habit) -> Result<Option<DateStyle>, Doubt> {
    let open = [DateStyle::DayFirst, DateStyle::MonthFirst];
    if let Some(kept) = habit.dates {
        let mut styles = seen.date_styles();
        let same = seen.date_styles().find(|style| order(*style) == Some(kept));
        let first = styles.next();
        let otherwise = first.is_some_and(|first| open.contains(&first) && same.is_none())
            || all.order.is_some_and(|evident| evident != kept);
        return match otherwise && seen.contains(Facts::EITHER_ORDER) {
            true => Err(Doubt::Dates),
            false => Ok(same.filter(|_| seen.contains(Facts::EITHER_ORDER)).or(first)),
        };
    }
    let suits =
        |style: &DateStyle| !open.contains(style) || all.file.dates.is_none_or(|told| order(*style) == Some(told));
    let mut styles = seen.date_styles().filter(suits);
    match (styles.next(), styles.next()) {
        (Some(DateStyle::DayFirst), Some(DateStyle::MonthFirst)) => Err(Doubt::Dates),
        (first, _) => Ok(first),
    }
}

impl Habit {
    /// What values of these facts show of their column, which is read so: as much as later values of it can be read by.
    pub fn shown(self, seen: Facts, reading: Reading) -> (Option<DecimalMark>, Option<DateOrder>) {
        if seen.meets(Facts::KINDS) {
            return (None, None);
        }
        match reading.column_type {
            ColumnType::Bigint | ColumnType::Numeric | ColumnType::Double if !self.pointed => {
                let marked = is_number(seen) && seen.meets(Facts::DECIMAL | Facts::DECIMAL_COMMA);
                (mark_of(seen).or(marked.then(|| mark(reading.numbers))), None)
            }
            ColumnType::Date | ColumnType::Timestamp => (None, order(reading.dates)),
            _ => (None, None),
        }
    }
}
