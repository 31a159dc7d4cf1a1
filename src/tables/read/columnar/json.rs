//! Lists, structs, maps and unions as JSON text.
//!
//! An encoder of our own, since that of `arrow-json` has no unions and no maps with other keys than texts, and cannot be stopped: a row of a few bytes may hold a
//! list of any length, so each value looks at how much there is.

use std::io::Write;

use super::column::{Column, Fields, Out, Values};
use super::types::Form;

/// The value is longer than a cell may be.
#[derive(Debug)]
pub(super) struct TooLong;

/// Appends the value at `index`. Numbers that JSON does not have are null; dates and times are strings.
pub(super) fn append(column: &Column, index: usize, out: &mut Out) -> Result<(), TooLong> {
    if out.is_full() {
        return Err(TooLong);
    }
    if column.is_null(index) {
        out.bytes.extend_from_slice(b"null");
        return Ok(());
    }
    match &column.values {
        Values::Null => out.bytes.extend_from_slice(b"null"),
        Values::Boolean(array) => write!(out.bytes, "{}", array.value(index)).unwrap_or_default(),
        Values::Integer(array) => write!(out.bytes, "{}", array.get(index)).unwrap_or_default(),
        Values::Float16(array) => number(out, super::number::widened_half(array.value(index))),
        Values::Float32(array) => number(out, super::number::widened(array.value(index))),
        Values::Float64(array) => number(out, array.value(index)),
        Values::Unsigned(_) | Values::Decimal(..) => column.text(index, out),
        Values::Bytes(bytes, Form::Text | Form::Json) => string(out, bytes.get(index)),
        Values::Bytes(..) | Values::Moment(..) | Values::DayTime(_) | Values::MonthDayNano(_) => {
            // Nothing in these texts is to be escaped but the backslash of binary values.
            let start = out.bytes.len();
            column.text(index, out);
            let text = out.bytes.split_off(start);
            string(out, &text);
        }
        Values::Dictionary(keys, values) => return append(values, usize::try_from(keys.get(index)).unwrap_or(0), out),
        Values::Run(runs, values) => return append(values, runs.place(index), out),
        Values::List(lists, items) => return list(out, lists.range(index), |at, out| append(items, at, out)),
        Values::Struct(fields) => return object(fields, index, out),
        Values::Map(lists, keys, values) if keys.is_text() => return text_map((lists.range(index), keys, values), out),
        Values::Map(lists, keys, values) => {
            return list(out, lists.range(index), |at, out| {
                out.bytes.extend_from_slice(b"{\"key\":");
                append(keys, at, out)?;
                out.bytes.extend_from_slice(b",\"value\":");
                append(values, at, out)?;
                out.bytes.push(b'}');
                Ok(())
            });
        }
        Values::Union(array, children) => {
            let id = array.type_id(index);
            match children.iter().find(|(child, _)| *child == id) {
                Some((_, child)) => return append(child, array.value_offset(index), out),
                None => out.bytes.extend_from_slice(b"null"),
            }
        }
    }
    Ok(())
}

fn number(out: &mut Out, double: f64) {
    serde_json::to_writer(&mut out.bytes, &double).unwrap_or_default();
}

/// Bytes that are no text, which a file can only claim of a binary value, are replaced.
fn string(out: &mut Out, text: &[u8]) {
    let text = String::from_utf8_lossy(text);
    let text = match text.contains('\0') {
        true => {
            out.nul = true;
            text.replace('\0', "\u{fffd}").into()
        }
        false => text,
    };
    serde_json::to_writer(&mut out.bytes, &*text).unwrap_or_default();
}

fn list(
    out: &mut Out,
    range: std::ops::Range<usize>,
    mut append: impl FnMut(usize, &mut Out) -> Result<(), TooLong>,
) -> Result<(), TooLong> {
    out.bytes.push(b'[');
    let start = range.start;
    for at in range {
        if at > start {
            out.bytes.push(b',');
        }
        append(at, out)?;
    }
    out.bytes.push(b']');
    Ok(())
}

/// All its fields, those that are null too.
fn object(fields: &Fields, index: usize, out: &mut Out) -> Result<(), TooLong> {
    out.bytes.push(b'{');
    for (at, (name, column)) in fields.iter().enumerate() {
        if at > 0 {
            out.bytes.push(b',');
        }
        string(out, name.as_bytes());
        out.bytes.push(b':');
        append(column, index, out)?;
    }
    out.bytes.push(b'}');
    Ok(())
}

fn text_map((range, keys, values): (std::ops::Range<usize>, &Column, &Column), out: &mut Out) -> Result<(), TooLong> {
    out.bytes.push(b'{');
    let start = range.start;
    for at in range {
        if at > start {
            out.bytes.push(b',');
        }
        append(keys, at, out)?;
        out.bytes.push(b':');
        append(values, at, out)?;
    }
    out.bytes.push(b'}');
    Ok(())
}
