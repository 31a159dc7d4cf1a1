//! Which rows name the columns, and what the columns are called.

use super::dialect::Dialect;
use super::kind::{Kind, Tally};
use super::names;
use super::options::{Delimiter, Options};
use super::position::Position;
use super::sample::{Sample, SampleCell, SampleRow};
use super::shape::Shape;
use super::titles::{Above, TITLES_MAX};
use super::{ReadLimits, Trouble, Warnings};
use crate::error::{Limit, Malformed, Result};

/// Rows that a column's look is told from.
const ROWS_MAX: usize = 300;
/// A column is of the kind that so many of its values are of.
const TYPED_PERCENT: usize = 80;
/// Years stand in headers.
const YEARS: std::ops::RangeInclusive<u64> = 1800..=2200;

/// What is decided of a file whose beginning is `sample`, in which the table stands as `shape` says.
pub(super) fn dialect(sample: &Sample<'_>, shape: &Shape, options: &Options, limits: ReadLimits) -> Result<Dialect> {
    let table = Table { sample, shape, rows: rows(sample, shape) };
    let header = table.header(options.header, options.skip.is_some());
    let first = header.first().or(shape.table.first()).and_then(|row| sample.rows.get(*row));
    let Some(first) = first else {
        return Err(Malformed { detail: "The file is empty.".to_owned(), ..Malformed::default() }.into());
    };
    for row in &header {
        table.check(&sample.rows[*row], limits)?;
    }
    check_whole(sample, first, limits)?;
    let body: Vec<usize> =
        table.rows.iter().copied().filter(|row| header.last().is_none_or(|last| row > last)).collect();
    let mut warnings = Warnings::new(options.strict);
    let names = table.names(&header, &body, &mut warnings)?;
    if names.len() > limits.columns() {
        return Err(Limit::Columns.passed(limits.columns() as u64, Some(first.line)));
    }
    let (start, start_line) = match header.last().map(|last| (*last, &sample.rows[*last])) {
        None => (first.start, first.line),
        Some((last, row)) => match sample.rows.get(last + 1).filter(|next| is_ruler(sample, next)) {
            Some(ruler) => (ruler.next, ruler.next_line),
            None => (row.next, row.next_line),
        },
    };
    let mut kinds: Vec<Kind> = table.tallies(&body).iter().map(|tally| tally.kind(100)).collect();
    kinds.resize(names.len(), Kind::Empty);
    let hash = shape.hash_comments.then(|| b"#".to_vec());
    Ok(Dialect {
        syntax: sample.syntax,
        null_mark: options.nulls.is_none(),
        comment: options.comment.as_ref().map(|comment| comment.clone().into_bytes()).or(hash),
        leading: shape.leading,
        trailing: shape.trailing,
        start,
        start_line,
        skipped: first.line - 1,
        header_rows: header.len(),
        names,
        kinds,
        warnings,
    })
}

/// Fails if the first row does not end within the beginning of the file.
fn check_whole(sample: &Sample<'_>, first: &SampleRow, limits: ReadLimits) -> Result<()> {
    if !sample.cut_off {
        return Ok(());
    }
    let position = Position::line_start(first.line);
    let text = &sample.bytes[first.start..];
    let (at, detail) = match sample.unclosed {
        Some(quote) => (quote - first.start, "The quote that opens here is never closed.".to_owned()),
        None => (0, format!("The row that begins here does not end within {} bytes.", text.len())),
    };
    if sample.cells(first).len() > limits.columns() {
        return Err(Limit::Columns.passed(limits.columns() as u64, Some(first.line)));
    }
    Err(position.malformed(text, at, detail).into())
}

/// A line that only draws: `----+----`, `|:---|---:|`.
fn is_ruler(sample: &Sample<'_>, row: &SampleRow) -> bool {
    let text = &sample.bytes[row.start..row.next];
    let draws =
        |byte: &u8| matches!(byte, b'-' | b'+' | b'|' | b'=' | b':' | b' ' | b'\t' | b',' | b';' | b'\r' | b'\n');
    text.iter().all(draws) && text.windows(3).any(|three| three == b"---" || three == b"===")
}

/// The rows of the table without the notes at its end that are padded with empty cells.
fn rows(sample: &Sample<'_>, shape: &Shape) -> Vec<usize> {
    let mut rows = shape.table.clone();
    let is_note = |row: &usize| {
        let cells = shape.inner(sample.cells(&sample.rows[*row]));
        matches!(Above::of(cells, |cell| sample.text(cell)), Some(Above::Padded { .. }))
    };
    while rows.len() > 2 && rows.last().is_some_and(is_note) {
        rows.pop();
    }
    rows
}

struct Table<'a> {
    sample: &'a Sample<'a>,
    shape: &'a Shape,
    rows: Vec<usize>,
}

impl Table<'_> {
    fn cells(&self, row: usize) -> &[SampleCell] {
        self.shape.inner(self.sample.cells(&self.sample.rows[row]))
    }

    /// The rows of the sample that make up the header; none if the first row is data already.
    fn header(&self, told: Option<usize>, fixed: bool) -> Vec<usize> {
        let (before, table) = (&self.shape.before, self.rows.as_slice());
        let titles = if fixed || told.is_some_and(|rows| rows != 1) { 0 } else { self.titles() };
        let (before, table) = if titles > 0 { (&Vec::new(), &table[titles..]) } else { (before, table) };
        if let Some(rows) = told {
            // Upper rows may be narrower than the table.
            let joined =
                before.iter().rev().take_while(|row| self.cells(**row).len() > 1).count().min(rows.saturating_sub(1));
            let upper = before[before.len() - joined..].iter();
            return upper.chain(table.iter()).copied().take(rows).collect();
        }
        let Some((first, rest)) = table.split_first() else { return Vec::new() };
        let named = self.is_header(*first, rest);
        if let Some(hash) = self.commented_header(*first, rest, named) {
            return vec![hash];
        }
        if let Some(uneven) = before.last().filter(|row| self.is_uneven_header(**row, named)) {
            return vec![*uneven];
        }
        match named {
            false => Vec::new(),
            true => {
                let more = 1 + usize::from(self.is_two_rows(*first, rest));
                table.iter().copied().take(more).collect()
            }
        }
    }

    /// How many of the first rows are titles: names stand below them that leave no doubt, or that at least look like none of them.
    fn titles(&self) -> usize {
        let above = |row: &usize| Above::of(self.cells(*row), |cell| self.sample.text(cell));
        let found: Vec<Above> = self.rows.iter().take(TITLES_MAX).map_while(above).collect();
        let Some((first, rest)) = self.rows.get(found.len()..).and_then(<[usize]>::split_first) else { return 0 };
        let cells = self.cells(*first);
        let names = cells.iter().all(|cell| cell.kind.is_value() && !cell.kind.is_typed());
        let plain = found.iter().all(|row| match row {
            Above::Blank => true,
            Above::Padded { words } => *words > 1 || found.contains(&Above::Blank),
            Above::Prose => false,
        });
        let evident = self.is_evident(cells, rest) || self.is_two_rows(*first, rest);
        if evident || (plain && names && !rest.is_empty()) { found.len() } else { 0 }
    }

    /// Whether names stand above columns of numbers or dates, and nothing that is of their kind.
    fn is_evident(&self, cells: &[SampleCell], rest: &[usize]) -> bool {
        let (names, data) = self.votes(cells, rest, &self.tallies(rest));
        names > 0 && data == 0
    }

    /// What the cells of each column look like.
    fn tallies(&self, rows: &[usize]) -> Vec<Tally> {
        let mut tallies = vec![Tally::default(); self.shape.columns()];
        let full = rows.iter().filter(|row| {
            let row = &self.sample.rows[**row];
            self.sample.cells(row).len() == self.shape.width && !is_ruler(self.sample, row)
        });
        for row in full.take(ROWS_MAX) {
            for (tally, cell) in tallies.iter_mut().zip(self.cells(*row)) {
                tally.add(cell.kind);
            }
        }
        tallies
    }

    /// Whether the cells of `first` differ from those below: names over numbers. Where nothing tells, the first row is the header.
    fn is_header(&self, first: usize, rest: &[usize]) -> bool {
        let cells = self.cells(first);
        let tallies = self.tallies(rest);
        if tallies.iter().all(|tally| tally.values == 0) {
            let typed = cells.iter().all(|cell| cell.kind.is_typed() || !cell.kind.is_value());
            return !(typed && cells.iter().any(|cell| cell.kind.is_typed()));
        }
        let (names, data) = self.votes(cells, rest, &tallies);
        data == 0 || (names > 0 && names >= data) || self.is_sequence(cells, rest)
    }

    /// How many of the cells are names rather than values of the columns below, and how many are such values.
    fn votes(&self, cells: &[SampleCell], rest: &[usize], tallies: &[Tally]) -> (usize, usize) {
        let (mut names, mut data) = (0, 0);
        for (index, (cell, tally)) in cells.iter().zip(tallies).enumerate() {
            let kind = tally.kind(TYPED_PERCENT);
            match (kind.is_typed(), cell.kind) {
                (true, found) if found == kind => data += 1,
                (true, Kind::Text | Kind::Code) => names += 1,
                (false, found) if kind == Kind::Code && found == Kind::Text => names += 1,
                (false, found) if kind == Kind::Code && found == kind && self.is_alike(cell, index, rest) => data += 1,
                _ => {}
            }
        }
        (names, data)
    }

    /// Whether all values of the column have letters and digits where this cell has them: `A001`.
    fn is_alike(&self, cell: &SampleCell, column: usize, rows: &[usize]) -> bool {
        let shape = |cell: &SampleCell| -> Vec<u8> {
            let class = |byte: &u8| match byte {
                b'0'..=b'9' => b'9',
                byte if byte.is_ascii_alphabetic() => b'a',
                byte => *byte,
            };
            self.sample.text(cell).iter().map(class).collect()
        };
        let expected = shape(cell);
        let mut others = rows
            .iter()
            .take(ROWS_MAX)
            .filter_map(|row| self.cells(*row).get(column))
            .map(|cell| shape(cell) == expected);
        rows.len() > 1 && others.all(|alike| alike)
    }

    /// Whether the numbers of the row are years, or count on, while those of the next row do not: `name,2023,2024`.
    fn is_sequence(&self, cells: &[SampleCell], rest: &[usize]) -> bool {
        let counts = |cells: &[SampleCell]| {
            let number = |cell: &SampleCell| std::str::from_utf8(self.sample.text(cell)).ok()?.parse::<u64>().ok();
            let numbers: Option<Vec<u64>> = cells.iter().filter(|cell| cell.kind == Kind::Number).map(number).collect();
            numbers.is_some_and(|numbers| {
                let steps = numbers.windows(2).all(|pair| pair[0].abs_diff(pair[1]) == 1);
                let years = numbers.iter().all(|number| YEARS.contains(number));
                (numbers.len() > 1 && years && steps) || (numbers.len() > 2 && steps)
            })
        };
        let labelled = cells.first().is_some_and(|cell| !cell.kind.is_typed());
        labelled && counts(cells) && rest.first().is_some_and(|row| !counts(self.cells(*row)))
    }

    /// A header behind `#`, above rows that are data.
    fn commented_header(&self, first: usize, rest: &[usize], named: bool) -> Option<usize> {
        let above = first.checked_sub(1)?;
        let row = self.sample.rows.get(above).filter(|row| row.hash && self.shape.hash_comments)?;
        let fits = self.names_of(above).len() == self.shape.columns();
        // One word behind the other, where nothing tells of names below.
        let words = self.names_of(above).iter().all(|name| !name.is_empty() && !name.contains(' '));
        let evident = self.is_evident(self.cells(first), rest);
        ((!named || (words && !evident))
            && fits
            && self.shape.columns() > 1
            && row.next == self.sample.rows[first].start)
            .then_some(above)
    }

    /// Whether a row above the table is its header, though it has more or fewer fields. `named`: the row below could be a header too.
    fn is_uneven_header(&self, row: usize, named: bool) -> bool {
        let cells = self.cells(row);
        let names = cells.iter().all(|cell| !cell.kind.is_typed() && cell.kind != Kind::Missing);
        let whole = cells.iter().all(|cell| cell.kind.is_value());
        let words = cells.iter().all(|cell| !self.sample.text(cell).contains(&b' '));
        let first = self.shape.before.len() == 1;
        let longer = cells.len() > self.shape.columns();
        if self.shape.trailing && cells.len() == self.shape.columns() {
            return names && whole;
        }
        let spaced = matches!(self.sample.syntax.delimiter, Some(Delimiter::Spaces | Delimiter::Byte(b' ' | b'\t')));
        match named {
            false => names && (longer || (whole && (cells.len() > 1 || (spaced && words)))),
            true => {
                first
                    && names
                    && words
                    && (longer || (whole && cells.len() > 1 && cells.len() + 1 == self.shape.columns()))
            }
        }
    }

    /// Whether the row below the first belongs to the header: names below the names of groups, or units in brackets.
    fn is_two_rows(&self, first: usize, rest: &[usize]) -> bool {
        let Some((second, rows)) = rest.split_first() else { return false };
        let (upper, lower) = (self.cells(first), self.cells(*second));
        let named = |cell: &SampleCell| cell.kind != Kind::Empty;
        let texts = upper
            .iter()
            .zip(lower)
            .all(|(upper, lower)| matches!(lower.kind, Kind::Text | Kind::Code) || (!named(lower) && named(upper)));
        let typed = self.tallies(rows).iter().any(|tally| tally.kind(TYPED_PERCENT).is_typed());
        let grouped = (1..upper.len().min(lower.len()))
            .any(|index| named(&upper[index - 1]) && !named(&upper[index]) && named(&lower[index]));
        let bracketed = |cell: &SampleCell| match self.sample.text(cell) {
            [b'(', .., b')'] | [b'[', .., b']'] => true,
            text => text.is_empty(),
        };
        let units = lower.iter().all(bracketed) && lower.iter().any(|cell| cell.kind.is_value());
        typed && self.is_header(*second, rows) && ((grouped && texts) || units)
    }

    /// The cells of a header row as names. A `#` that stands apart from them is the mark of a comment; `#chrom` and `#` are names.
    fn names_of(&self, row: usize) -> Vec<String> {
        let hash = self.sample.rows[row].hash && self.shape.hash_comments;
        let mut names: Vec<String> = self.cells(row).iter().map(|cell| self.sample.name(cell)).collect();
        if hash && let Some(first) = names.first_mut() {
            let marked = first.trim_start_matches('#');
            if marked.is_empty() && self.cells(row).len() > self.shape.columns() {
                names.remove(0);
            } else if marked.starts_with([' ', '\t']) {
                *first = marked.trim_start().to_owned();
            }
        }
        names
    }

    /// The names of all columns, unique and never empty.
    fn names(&self, header: &[usize], body: &[usize], warnings: &mut Warnings) -> Result<Vec<String>> {
        let columns = self.shape.columns();
        let Some(last) = header.last() else {
            return Ok(names::of_header(vec![String::new(); columns]));
        };
        let row = &self.sample.rows[*last];
        let place = (Position::line_start(row.line), &self.sample.bytes[row.start..row.next]);
        let mut stated = self.joined(header);
        while stated.len() > columns && stated.last().is_some_and(String::is_empty) {
            stated.pop();
        }
        let missing = columns.saturating_sub(stated.len());
        let unnamed = if self.names_rows(*last, body) { 0..missing } else { stated.len()..columns.max(stated.len()) };
        if missing > 0 {
            warnings.note(Trouble::UnnamedColumns { count: missing }, place.0, place.1, 0)?;
            stated.splice(unnamed.start..unnamed.start, vec![String::new(); missing]);
        }
        let names = names::of_header(stated.clone());
        for (index, (from, to)) in stated.into_iter().zip(&names).enumerate() {
            if from != *to && !unnamed.contains(&index) {
                warnings.note(Trouble::Renamed { from, to: to.clone() }, place.0, place.1, 0)?;
            }
        }
        Ok(names)
    }

    /// Several header rows in one: joined by spaces, where an empty cell of an upper row takes the one to its left.
    fn joined(&self, header: &[usize]) -> Vec<String> {
        let mut joined: Vec<String> = Vec::new();
        for (depth, row) in header.iter().enumerate() {
            let upper = depth + 1 < header.len();
            let mut left = String::new();
            for (index, name) in self.names_of(*row).into_iter().enumerate() {
                left = if name.is_empty() && upper { left } else { name };
                match joined.get_mut(index) {
                    Some(whole) if whole.is_empty() => whole.push_str(&left),
                    Some(whole) if !left.is_empty() && *whole != left => {
                        whole.push(' ');
                        whole.push_str(&left);
                    }
                    Some(_) => {}
                    None => joined.push(left.clone()),
                }
            }
        }
        joined
    }

    /// Whether the first column holds names of rows, which R writes without a name of their own.
    fn names_rows(&self, header: usize, body: &[usize]) -> bool {
        let spaced = matches!(self.sample.syntax.delimiter, Some(Delimiter::Spaces | Delimiter::Byte(b' ' | b'\t')));
        let quoted = |row: usize, all: bool| {
            let mut cells = self.cells(row).iter().take(if all { usize::MAX } else { 1 });
            cells.all(|cell| cell.quoted)
        };
        spaced || (quoted(header, true) && body.iter().all(|row| quoted(*row, false)))
    }

    /// The header keeps to the limits, and is text.
    fn check(&self, row: &SampleRow, limits: ReadLimits) -> Result<()> {
        let position = Position::line_start(row.line);
        let text = &self.sample.bytes[row.start..row.next];
        position.check_text(text)?;
        limits.check_row(position, text)?;
        match self.sample.cells(row).iter().any(|cell| cell.end - cell.start > limits.cell_bytes_max) {
            true => Err(Limit::CellBytes.passed(limits.cell_bytes_max as u64, Some(row.line))),
            false => Ok(()),
        }
    }
}
