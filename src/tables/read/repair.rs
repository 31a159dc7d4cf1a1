//! Making a record of too many fields fit its columns, as a person would.

use super::Span;
use super::dialect::Dialect;
use super::kind::Kind;
use super::split::Fields;

/// Takes away what stands outside the first and the last column, and empty fields beyond the last; whether some of those were not to be expected.
pub(super) fn trim(fields: &mut Fields, dialect: &Dialect) -> bool {
    let expected = dialect.names.len();
    if dialect.leading && fields.spans.first() == Some(&Span::Null) {
        fields.spans.remove(0);
        if !fields.raw.is_empty() {
            fields.raw.remove(0);
        }
        fields.doubled.iter_mut().for_each(|index| *index = index.saturating_sub(1));
    }
    let found = fields.spans.len();
    while fields.spans.len() > expected && fields.spans.last() == Some(&Span::Null) {
        fields.spans.pop();
    }
    let dropped = found - fields.spans.len();
    dropped > usize::from(dialect.trailing)
}

/// Puts those adjacent fields together that an unquoted delimiter has torn apart: the one text column for which the other cells fit theirs; of several the one whose
/// pieces begin with a space, as in `Smith, John`; else the last column. False if there is none. `fields` come from `lenient`.
pub(super) fn merge(bytes: &[u8], fields: &mut Fields, dialect: &Dialect) -> bool {
    let expected = dialect.names.len();
    let surplus = fields.spans.len().saturating_sub(expected);
    if fields.raw.len() != fields.spans.len() {
        return false;
    }
    let Some(column) = torn(bytes, fields, dialect, surplus) else { return false };
    let (Some(&(start, _)), Some(&(_, end))) = (fields.raw.get(column), fields.raw.get(column + surplus)) else {
        return false;
    };
    let quoted = is_quoted(bytes, (start, end), dialect);
    let span = if quoted { Span::Text { start: start + 1, end: end - 1 } } else { Span::Text { start, end } };
    fields.spans.splice(column..=column + surplus, [span]);
    fields.raw.splice(column..=column + surplus, [(start, end)]);
    // Quotes of the pieces are characters of the whole; escapes stay to be resolved.
    fields.doubled.retain(|index| *index < column || *index > column + surplus);
    for index in &mut fields.doubled {
        *index -= if *index > column { surplus } else { 0 };
    }
    if quoted {
        fields.doubled.push(column);
    }
    true
}

fn is_quoted(bytes: &[u8], (start, end): (usize, usize), dialect: &Dialect) -> bool {
    let quote = dialect.syntax.quote;
    end > start + 1 && quote.is_some() && bytes.get(start).copied() == quote && bytes.get(end - 1).copied() == quote
}

/// The column whose text the surplus belongs to.
fn torn(bytes: &[u8], fields: &Fields, dialect: &Dialect, surplus: usize) -> Option<usize> {
    let columns = dialect.names.len();
    let kinds: Vec<Kind> = fields
        .spans
        .iter()
        .map(|span| match *span {
            Span::Text { start, end } => Kind::of(&bytes[start..end]),
            _ => Kind::Empty,
        })
        .collect();
    let fits = |column: usize, field: usize| {
        let (expected, found) = (dialect.kinds[column], kinds[field]);
        !expected.is_typed() || !found.is_value() || expected == found
    };
    // How many of the first fields fit their columns, and from which column on the last ones do.
    let before = (0..columns).take_while(|column| fits(*column, *column)).count();
    let behind = (0..columns).rev().take_while(|column| fits(*column, *column + surplus)).count();
    let count = |is: &dyn Fn(usize) -> bool| {
        let mut sums = vec![0_usize];
        for field in 0..fields.spans.len() {
            sums.push(sums[field] + usize::from(is(field)));
        }
        sums
    };
    let quoted = count(&|field| matches!(fields.spans[field], Span::Text { start, .. } if start > fields.raw[field].0));
    let spaced = count(&|field| bytes.get(fields.raw[field].0) == Some(&b' '));
    let possible: Vec<usize> = (0..columns)
        .filter(|column| {
            let whole = (fields.raw[*column].0, fields.raw[*column + surplus].1);
            !dialect.kinds[*column].is_typed()
                && before >= *column
                && columns - behind <= *column + 1
                && (quoted[column + surplus + 1] == quoted[*column]
                    // A quote that closed too early has torn them apart, not two that are whole.
                    || (quoted[column + surplus + 1] == quoted[column + surplus] && is_quoted(bytes, whole, dialect)))
        })
        .collect();
    let prose: Vec<usize> = possible
        .iter()
        .copied()
        .filter(|column| spaced[column + surplus + 1] - spaced[column + 1] == surplus)
        .collect();
    match (possible.as_slice(), prose.as_slice()) {
        ([one], _) | (_, [one]) => Some(*one),
        (several, _) => {
            several.last().copied().filter(|last| *last + 1 == columns && dialect.kinds[*last] == Kind::Text)
        }
    }
}
