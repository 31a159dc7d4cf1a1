//! Rows of Postgres as they come, cells in binary. What binds nothing, as an export of a whole table, comes by COPY, since its rows cost us a fraction of what those
//! of a SELECT do; COPY takes no values.

use super::sql::{Bind, Statement};
use crate::{
    catalogue::database,
    error::{Error, Result},
};
use bytes::Bytes;
use futures::{TryStreamExt, stream::BoxStream};
use sqlx::{
    AssertSqlSafe, PgConnection, Postgres, Row, ValueRef,
    postgres::{PgArguments, PgRow},
    query::Query,
};

/// What binary COPY begins with; flags and the length of an extension follow, 4 bytes each.
const SIGNATURE: &[u8] = b"PGCOPY\n\xFF\r\n\0";
const HEADER_BYTES: usize = SIGNATURE.len() + 8;
/// Instead of a count of cells: the end.
const END: [u8; 2] = (-1_i16).to_be_bytes();

pub enum Rows<'c> {
    Copied(BoxStream<'c, sqlx::Result<Bytes>>),
    Selected(BoxStream<'c, sqlx::Result<PgRow>>),
}

pub enum Fetched {
    /// One message of COPY is one row: a count of cells, and of each its length and bytes.
    Copied(Bytes),
    Selected(PgRow),
}

/// The statement with its values.
pub fn bound(statement: &Statement) -> Query<'static, Postgres, PgArguments> {
    let query = sqlx::query(AssertSqlSafe(statement.text.clone()));
    statement.values.iter().cloned().fold(query, |query, value| match value {
        Bind::Boolean(value) => query.bind(value),
        Bind::Bigint(value) => query.bind(value),
        Bind::Double(value) => query.bind(value),
        Bind::Text(value) => query.bind(value),
        Bind::Uuid(value) => query.bind(value),
        Bind::Booleans(values) => query.bind(values),
        Bind::Bigints(values) => query.bind(values),
        Bind::Doubles(values) => query.bind(values),
        Bind::Texts(values) => query.bind(values),
    })
}

impl<'c> Rows<'c> {
    pub async fn of(statement: &Statement, connection: &'c mut PgConnection) -> sqlx::Result<Self> {
        if !statement.values.is_empty() {
            return Ok(Self::Selected(bound(statement).persistent(false).fetch(connection)));
        }
        let copy = format!("copy ({}) to stdout (format binary)", statement.text);
        connection.copy_out_raw(&copy).await.map(Self::Copied)
    }

    pub async fn next(&mut self) -> sqlx::Result<Option<Fetched>> {
        let messages = match self {
            Self::Copied(messages) => messages,
            Self::Selected(rows) => return Ok(rows.try_next().await?.map(Fetched::Selected)),
        };
        while let Some(mut message) = messages.try_next().await? {
            if message.starts_with(SIGNATURE) {
                message = message.slice(HEADER_BYTES.min(message.len())..);
            }
            if !message.is_empty() && *message != END {
                return Ok(Some(Fetched::Copied(message)));
            }
        }
        Ok(None)
    }
}

impl Fetched {
    /// The first cells, each in the binary form of its type.
    pub fn cells(&self, count: usize) -> Result<Vec<Option<&[u8]>>> {
        match self {
            Self::Selected(row) => cells(row, count),
            Self::Copied(row) => copied(row, count).ok_or_else(|| Error::internal("a row of COPY that is cut off")),
        }
    }
}

pub fn cells(row: &PgRow, count: usize) -> Result<Vec<Option<&[u8]>>> {
    let cell = |at| {
        let value = row.try_get_raw(at).map_err(database)?;
        if value.is_null() { Ok(None) } else { value.as_bytes().map(Some).map_err(Error::internal) }
    };
    (0..count).map(cell).collect()
}

fn copied(row: &[u8], count: usize) -> Option<Vec<Option<&[u8]>>> {
    let (_, mut rest) = row.split_first_chunk::<2>()?;
    let mut cells = Vec::with_capacity(count);
    for _ in 0..count {
        let (length, behind) = rest.split_first_chunk()?;
        // NULL has a length of -1, and no bytes.
        let (cell, behind) = match usize::try_from(i32::from_be_bytes(*length)) {
            Ok(length) => behind.split_at_checked(length).map(|(cell, behind)| (Some(cell), behind))?,
            Err(_) => (None, behind),
        };
        cells.push(cell);
        rest = behind;
    }
    Some(cells)
}

#[cfg(test)]
mod tests {
    use super::copied;

    #[test]
    fn a_row_of_copy_is_taken_apart_and_one_that_is_cut_off_is_none() {
        let row = b"\0\x03\0\0\0\x02ab\xFF\xFF\xFF\xFF\0\0\0\0";
        assert_eq!(copied(row, 3), Some(vec![Some(&b"ab"[..]), None, Some(b"")]));
        assert_eq!(copied(row, 1), Some(vec![Some(&b"ab"[..])]));
        for end in 0..row.len() {
            assert_eq!(copied(&row[..end], 3), None, "{end}");
        }
        assert_eq!(copied(row, 4), None);
    }
}
