//! The schema in a Parquet file's footer, looked at before the library reads it.
//!
//! The library calls itself once for every level of nesting and reserves room for as many children as a group claims; a footer of a few bytes could end the
//! process. This walks over the schema without recursion, and over the rest with a bound.
//!
//! Source: Thrift's compact protocol; `FileMetaData` and `SchemaElement` of Parquet's `parquet.thrift`.

/// How deep columns may be nested.
pub(super) const NESTING_MAX: usize = 64;
/// How deep what we skip may be nested; the format needs less than ten.
const SKIP_DEPTH_MAX: usize = 32;

const FILE_SCHEMA: i64 = 2;
const ELEMENT_CHILDREN: i64 = 5;

const STOP: u8 = 0;
const BOOLEANS: [u8; 2] = [1, 2];
const BYTE: u8 = 3;
const INTEGERS: [u8; 3] = [4, 5, 6];
const DOUBLE: u8 = 7;
const BINARY: u8 = 8;
const LISTS: [u8; 2] = [9, 10];
const MAP: u8 = 11;
const STRUCT: u8 = 12;

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// It breaks off, or is none.
    Broken,
    TooDeep,
}

/// Whether the schema is a tree that is not nested too deep.
pub(super) fn check(footer: &[u8]) -> Result<(), Fault> {
    let mut input = Compact { rest: footer };
    let mut field = 0;
    while let Some(kind) = input.field(&mut field)? {
        match (field, kind) {
            (FILE_SCHEMA, 9) => check_schema(&mut input)?,
            _ => input.skip(kind, SKIP_DEPTH_MAX)?,
        }
    }
    Ok(())
}

/// The elements of the tree, each before its children.
fn check_schema(input: &mut Compact<'_>) -> Result<(), Fault> {
    let (kind, length) = input.list()?;
    if kind != STRUCT {
        return Err(Fault::Broken);
    }
    // How many children are still to come at each level.
    let mut levels: Vec<u64> = Vec::new();
    for _ in 0..length {
        let (mut field, mut children) = (0, 0);
        while let Some(kind) = input.field(&mut field)? {
            match (field, kind) {
                (ELEMENT_CHILDREN, 5) => children = unsigned(input.varint()?)?,
                _ => input.skip(kind, SKIP_DEPTH_MAX)?,
            }
        }
        if let Some(level) = levels.last_mut() {
            *level -= 1;
        }
        if children > length {
            return Err(Fault::Broken);
        }
        levels.push(children);
        while levels.last() == Some(&0) {
            levels.pop();
        }
        if levels.len() > NESTING_MAX {
            return Err(Fault::TooDeep);
        }
    }
    Ok(())
}

/// A number in zigzag form that must not be negative.
fn unsigned(zigzag: u64) -> Result<u64, Fault> {
    if zigzag & 1 == 0 { Ok(zigzag >> 1) } else { Err(Fault::Broken) }
}

struct Compact<'a> {
    rest: &'a [u8],
}

impl Compact<'_> {
    fn byte(&mut self) -> Result<u8, Fault> {
        let (byte, rest) = self.rest.split_first().ok_or(Fault::Broken)?;
        self.rest = rest;
        Ok(*byte)
    }

    fn bytes(&mut self, count: u64) -> Result<(), Fault> {
        let count = usize::try_from(count).map_err(|_| Fault::Broken)?;
        self.rest = self.rest.get(count..).ok_or(Fault::Broken)?;
        Ok(())
    }

    fn varint(&mut self) -> Result<u64, Fault> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(Fault::Broken)
    }

    /// The kind of the next field, whose number takes the place of the last one's; `None` at the end of the struct.
    fn field(&mut self, number: &mut i64) -> Result<Option<u8>, Fault> {
        let header = self.byte()?;
        let (step, kind) = (header >> 4, header & 15);
        if kind == STOP {
            return Ok(None);
        }
        *number = match step {
            0 => {
                let zigzag = self.varint()?;
                (zigzag >> 1).cast_signed() ^ -(zigzag & 1).cast_signed()
            }
            step => number.saturating_add(step.into()),
        };
        Ok(Some(kind))
    }

    /// The kind of a list's elements, and how many they are.
    fn list(&mut self) -> Result<(u8, u64), Fault> {
        let header = self.byte()?;
        let length = if header >> 4 == 15 { self.varint()? } else { u64::from(header >> 4) };
        // Each takes a byte at least.
        if length > self.rest.len() as u64 { Err(Fault::Broken) } else { Ok((header & 15, length)) }
    }

    fn skip(&mut self, kind: u8, depth: usize) -> Result<(), Fault> {
        let depth = depth.checked_sub(1).ok_or(Fault::TooDeep)?;
        if BOOLEANS.contains(&kind) {
            return Ok(());
        }
        if INTEGERS.contains(&kind) {
            return self.varint().map(|_| ());
        }
        if LISTS.contains(&kind) {
            let (kind, length) = self.list()?;
            return (0..length).try_for_each(|_| self.skip_element(kind, depth));
        }
        match kind {
            BYTE => self.bytes(1),
            DOUBLE => self.bytes(8),
            BINARY => {
                let length = self.varint()?;
                self.bytes(length)
            }
            MAP => {
                let length = self.varint()?;
                if length == 0 {
                    return Ok(());
                }
                let kinds = self.byte()?;
                (0..length).try_for_each(|_| {
                    self.skip_element(kinds >> 4, depth)?;
                    self.skip_element(kinds & 15, depth)
                })
            }
            STRUCT => {
                let mut field = 0;
                while let Some(kind) = self.field(&mut field)? {
                    self.skip(kind, depth)?;
                }
                Ok(())
            }
            _ => Err(Fault::Broken),
        }
    }

    /// A boolean that is no field of a struct has a byte of its own.
    fn skip_element(&mut self, kind: u8, depth: usize) -> Result<(), Fault> {
        if BOOLEANS.contains(&kind) { self.bytes(1) } else { self.skip(kind, depth) }
    }
}

#[cfg(test)]
mod tests {
    use super::{Fault, check};

    /// Field 2, a list of so many structs; and what each of them is.
    fn footer(elements: u32, element: &[u8]) -> Vec<u8> {
        let mut footer = vec![0x29, 0xfc];
        for shift in [0, 7, 14, 21] {
            footer.push(u8::try_from(elements >> shift & 0x7f).unwrap() | 0x80);
        }
        footer.push(0);
        footer.extend(element.repeat(elements as usize));
        footer.push(0);
        footer
    }

    #[test]
    fn a_schema_of_many_levels_is_refused_without_walking_into_it() {
        // Field 5, an integer: one child.
        let group = [0x55, 0x02, 0x00];
        assert_eq!(check(&footer(20, &group)), Ok(()));
        assert_eq!(check(&footer(1_000_000, &group)), Err(Fault::TooDeep));
        // More children than there are elements.
        assert_eq!(check(&footer(20, &[0x55, 0xfe, 0xff, 0xff, 0xff, 0x0f, 0x00])), Err(Fault::Broken));
    }

    #[test]
    fn what_breaks_off_is_broken() {
        let whole = footer(3, &[0x55, 0x00, 0x00]);
        assert_eq!(check(&whole), Ok(()));
        for length in 0..whole.len() {
            assert_eq!(check(&whole[..length]), Err(Fault::Broken));
        }
        // Lists in lists.
        assert_eq!(check(&[0x19; 100]), Err(Fault::TooDeep));
    }
}
