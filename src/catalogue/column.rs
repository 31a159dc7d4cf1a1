//! The types that a column can have, and how its values were written.

use serde::{Deserialize, Serialize};

/// A column of a table as the catalogue describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    pub name: String,
    #[serde(rename = "type")]
    pub column_type: ColumnType,
    /// As far as the values showed it: rows that are added are read so too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decimal: Option<DecimalMark>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dates: Option<DateOrder>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum DecimalMark {
    #[serde(rename = ".")]
    Point,
    #[serde(rename = ",")]
    Comma,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum DateOrder {
    #[serde(rename = "dmy")]
    DayMonthYear,
    #[serde(rename = "mdy")]
    MonthDayYear,
    #[serde(rename = "ymd")]
    YearMonthDay,
}

impl Column {
    pub fn new(name: &str, column_type: ColumnType) -> Self {
        Self { name: name.to_owned(), column_type, decimal: None, dates: None }
    }

    /// As a descriptor shows it, where a decimal point goes without saying.
    #[must_use]
    pub fn described(mut self) -> Self {
        self.decimal = self.decimal.filter(|mark| *mark == DecimalMark::Comma);
        self
    }

    /// Takes over what another file's values showed of this column and its own did not.
    pub fn learn(&mut self, other: &Self) {
        self.decimal = self.decimal.or(other.decimal);
        self.dates = self.dates.or(other.dates);
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ColumnType {
    Boolean,
    Bigint,
    /// Exact, with the scale of each value kept.
    Numeric,
    Double,
    Date,
    Timestamp,
    /// An instant. The offset that it was written with is not kept.
    Timestamptz,
    /// A time of day.
    Time,
    Uuid,
    Text,
    /// JSON text, verbatim: the order of keys, spaces and digits are kept, which `jsonb` would not do.
    Json,
}

/// Positions of the columns of text, which are searched together.
pub fn text_positions(columns: &[Column]) -> Vec<usize> {
    let texts = columns.iter().enumerate().filter(|(_, column)| column.column_type == ColumnType::Text);
    texts.map(|(position, _)| position).collect()
}

impl ColumnType {
    pub const ALL: [Self; 11] = [
        Self::Boolean,
        Self::Bigint,
        Self::Numeric,
        Self::Double,
        Self::Date,
        Self::Timestamp,
        Self::Timestamptz,
        Self::Time,
        Self::Uuid,
        Self::Text,
        Self::Json,
    ];

    /// As the API calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Double => "double",
            other => other.sql(),
        }
    }

    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|column_type| column_type.name() == name)
    }

    /// Its name in Postgres.
    pub fn sql(self) -> &'static str {
        match self {
            Self::Boolean => "boolean",
            Self::Bigint => "bigint",
            Self::Numeric => "numeric",
            Self::Double => "double precision",
            Self::Date => "date",
            Self::Timestamp => "timestamp",
            Self::Timestamptz => "timestamptz",
            Self::Time => "time",
            Self::Uuid => "uuid",
            Self::Text => "text",
            Self::Json => "json",
        }
    }
}
