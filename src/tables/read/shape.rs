//! Where in a sample the table stands: how many fields its rows have, which lines come before it and behind it.

use std::collections::HashMap;

use super::kind::Kind;
use super::options::Delimiter;
use super::sample::{Sample, SampleRow};

/// More lines than any title, or any note below a table, has.
const PREAMBLE_ROWS_MAX: usize = 60;
const FOOTER_ROWS_MAX: usize = 10;

#[derive(Debug, Clone)]
pub(super) struct Shape {
    /// Fields of a row as they are cut, with those that `leading` and `trailing` take away.
    pub width: usize,
    pub leading: bool,
    pub trailing: bool,
    /// Lines that begin with `#` are comments.
    pub hash_comments: bool,
    /// Indexes of the sample's rows, comments left out: lines before the table, the table, what follows it.
    pub before: Vec<usize>,
    pub table: Vec<usize>,
    pub behind: usize,
    /// Rows of the table that have this width.
    pub full: usize,
}

impl Shape {
    /// `None` if there is no row with so much as two fields, unless the syntax has no delimiter. `fixed`: no line before the table is looked for.
    pub fn of(sample: &Sample<'_>, fixed: bool) -> Option<Self> {
        let rows: Vec<usize> = (0..sample.rows.len()).filter(|row| !sample.rows[*row].hash).collect();
        let count = |row: usize| sample.cells(&sample.rows[row]).len();
        let hashes: Vec<usize> = (0..sample.rows.len()).filter(|row| sample.rows[*row].hash).collect();
        let hash_width = |width: usize| !hashes.is_empty() && hashes.iter().all(|row| count(*row) == width);
        let single = sample.syntax.delimiter.is_none();
        let width = if single { 1 } else { width(&rows, &count)? };
        let first_row = rows.first().copied().unwrap_or(usize::MAX);
        let leading_only = hashes.iter().all(|row| *row < first_row);
        let hash_comments = !hashes.is_empty()
            && !rows.is_empty()
            && hashes.len() <= sample.rows.len() / 2 + usize::from(leading_only) * PREAMBLE_ROWS_MAX
            && (leading_only || !hash_width(width) || width == 1);
        let rows = if hash_comments { rows } else { (0..sample.rows.len()).collect() };
        let first = match fixed || single {
            true => 0,
            false => rows.iter().position(|row| count(*row) == width)?,
        };
        let last = rows.iter().rposition(|row| count(*row) >= width).map_or(rows.len(), |last| last + 1);
        let last = if rows.len() - last.min(rows.len()) > FOOTER_ROWS_MAX { rows.len() } else { last };
        let first = if first > PREAMBLE_ROWS_MAX { 0 } else { first };
        let table = rows.get(first..last.max(first)).unwrap_or_default().to_vec();
        let full = table.iter().filter(|row| count(**row) == width).count();
        let mut shape = Self {
            width,
            leading: false,
            trailing: false,
            hash_comments,
            before: rows[..first].to_vec(),
            behind: rows.len() - table.len() - first,
            table,
            full,
        };
        shape.find_edges(sample);
        Some(shape)
    }

    /// One column, though the syntax has a delimiter.
    pub fn single(sample: &Sample<'_>) -> Self {
        let table: Vec<usize> = (0..sample.rows.len()).collect();
        Self {
            width: 1,
            leading: false,
            trailing: false,
            hash_comments: false,
            before: Vec::new(),
            behind: 0,
            full: table.len(),
            table,
        }
    }

    /// How well the rows agree, from 0 to 1. Lines before and behind the table count half.
    pub fn consistency(&self) -> f64 {
        let around = real(self.before.len() + self.behind);
        let table = real(self.table.len());
        real(self.full) / (table + around / 2.0).max(1.0)
    }

    /// The fields of a row that belong to columns.
    pub fn inner<'a, T>(&self, cells: &'a [T]) -> &'a [T] {
        let end = if self.trailing && cells.len() >= self.width { cells.len() - 1 } else { cells.len() };
        cells.get(usize::from(self.leading).min(end)..end).unwrap_or_default()
    }

    pub fn columns(&self) -> usize {
        (self.width - usize::from(self.leading) - usize::from(self.trailing)).max(1)
    }

    /// Finds delimiters that stand at the beginning or the end of every row.
    fn find_edges(&mut self, sample: &Sample<'_>) {
        let empty = |row: &SampleRow, cell: Option<&super::sample::SampleCell>| {
            let last_of_short = sample.cells(row).len() < self.width;
            last_of_short || cell.is_some_and(|cell| cell.kind == Kind::Empty && !cell.quoted)
        };
        let rows = || self.table.iter().map(|row| &sample.rows[*row]);
        if self.width < 2 || self.full == 0 {
            return;
        }
        self.trailing = rows().all(|row| empty(row, sample.cells(row).last()));
        let piped = sample.syntax.delimiter == Some(Delimiter::Byte(b'|'));
        self.leading =
            self.trailing && piped && self.width > 2 && rows().all(|row| empty(row, sample.cells(row).first()));
    }
}

/// The number of fields of most rows, weighed by how many they are: wide rows are rarely so by accident. Wider ones count only if the file goes on with them.
fn width(rows: &[usize], count: &impl Fn(usize) -> usize) -> Option<usize> {
    // Of each width: how many rows, and which is the first.
    let mut of: HashMap<usize, (usize, usize)> = HashMap::new();
    for (index, row) in rows.iter().enumerate() {
        of.entry(count(*row)).or_insert((0, index)).0 += 1;
    }
    let widths = of.iter().filter(|(width, _)| **width > 1);
    let (most, &(most_rows, most_first)) =
        widths.clone().max_by_key(|(_, (rows, first))| (*rows, std::cmp::Reverse(*first)))?;
    let goes_on = widths.filter(|(width, (n, first))| {
        *n >= 3
            && *first <= PREAMBLE_ROWS_MAX
            && *first > most_first
            && n * 10 >= (rows.len() - first) * 8
            && *width > most
    });
    let wider = goes_on.max_by_key(|(width, (n, _))| *width * n);
    match wider {
        Some((width, (n, _))) if width * n > most * most_rows => Some(*width),
        _ => Some(*most),
    }
}

/// A count to reckon with; a sample has few of anything.
pub(super) fn real(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}
