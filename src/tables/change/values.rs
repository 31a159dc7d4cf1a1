//! New values of columns, from JSON. Numbers are taken as they are written, so that none loses a digit.

use crate::{
    catalogue::{Assigned, Column, ColumnType},
    error::{Limit, Malformed, Result},
    tables::{
        query::Value,
        read::{JSON_DEPTH_MAX, json_depth},
    },
};
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;
use std::fmt;

const EXCERPT_CHARS: usize = 80;

/// The members of a JSON object, in order, with their values as they are written.
struct Members(Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

/// What each column that `body` names gets, by its position.
///
/// # Errors
/// `Malformed` for what is no object, a column that is not there or named twice, and a value that is none of its column's type; `Limit::CellBytes`.
pub fn assigned(body: &RawValue, columns: &[Column], cell_bytes_max: usize) -> Result<Assigned> {
    let members: Members = serde_json::from_str(body.get()).map_err(|_| Malformed {
        detail: "The body must be a JSON object of columns and their new values, such as `{\"done\":true}`.".to_owned(),
        ..Malformed::default()
    })?;
    let mut assigned = Assigned::new();
    for (name, value) in members.0 {
        let refused = |detail: String| Malformed { detail, field: Some(name.clone()), ..Malformed::default() };
        let Some((position, column)) = columns.iter().enumerate().find(|(_, column)| column.name == name) else {
            return Err(refused("The table has no such column.".to_owned()).into());
        };
        if assigned.iter().any(|(other, _)| *other == position) {
            return Err(refused("The column stands in the body twice.".to_owned()).into());
        }
        let text = value.get();
        if text.len() > cell_bytes_max {
            return Err(Limit::CellBytes.passed(cell_bytes_max as u64, None));
        }
        if text == "null" {
            assigned.push((position, None));
            continue;
        }
        let fitting = fitting(column.column_type, text).ok_or_else(|| Malformed {
            excerpt: Some(text.chars().take(EXCERPT_CHARS).collect()),
            ..refused(expected(column.column_type))
        })?;
        assigned.push((position, Some(fitting)));
    }
    match assigned.is_empty() {
        false => Ok(assigned),
        true => {
            let detail = "The body names no column, so nothing would change.".to_owned();
            Err(Malformed { detail, ..Malformed::default() }.into())
        }
    }
}

fn expected(column_type: ColumnType) -> String {
    let (name, example) = (column_type.name(), Value::example(column_type));
    let form = match column_type {
        ColumnType::Bigint | ColumnType::Numeric | ColumnType::Double => ", as a number or a string,",
        ColumnType::Boolean | ColumnType::Json => "",
        _ => ", as a string,",
    };
    format!("The column is of type {name}, which takes {example}{form} or null.")
}

/// The value as text that Postgres reads, if the JSON `text` is one of the column's type.
fn fitting(column_type: ColumnType, text: &str) -> Option<String> {
    let written = match (column_type, text.as_bytes().first()?) {
        (ColumnType::Json, _)
        | (ColumnType::Boolean, b't' | b'f')
        | (ColumnType::Bigint | ColumnType::Numeric | ColumnType::Double, b'-' | b'0'..=b'9') => text.to_owned(),
        (ColumnType::Boolean, _) => return None,
        (_, b'"') => serde_json::from_str(text).ok()?,
        _ => return None,
    };
    if column_type == ColumnType::Json && json_depth(written.as_bytes()) > JSON_DEPTH_MAX {
        return None;
    }
    match Value::parse(column_type, &written)? {
        // In its one spelling, where the parser has made one.
        Value::Text(spelled) => Some(spelled),
        Value::Bigint(value) => Some(value.to_string()),
        Value::Boolean(_) | Value::Double(_) => Some(written),
    }
}

#[cfg(test)]
mod tests {
    use super::{assigned, fitting};
    use crate::catalogue::{Column, ColumnType};
    use serde_json::value::RawValue;

    #[test]
    fn numbers_keep_every_digit_and_strings_become_what_the_column_holds() {
        for (column_type, json, expected) in [
            (ColumnType::Bigint, "9223372036854775807", Some("9223372036854775807")),
            (ColumnType::Bigint, "\"9007199254740993\"", Some("9007199254740993")),
            (ColumnType::Bigint, "9223372036854775808", None),
            (ColumnType::Bigint, "1.0", None),
            (
                ColumnType::Numeric,
                "0.1000000000000000000000000000000000001",
                Some("0.1000000000000000000000000000000000001"),
            ),
            (ColumnType::Numeric, "\"1,5\"", None),
            (ColumnType::Double, "1e-3", Some("1e-3")),
            (ColumnType::Double, "1e400", None),
            (ColumnType::Double, "\"-Infinity\"", Some("-Infinity")),
            (ColumnType::Boolean, "true", Some("true")),
            (ColumnType::Boolean, "\"true\"", None),
            (ColumnType::Boolean, "1", None),
            (ColumnType::Date, "\"2026-01-31\"", Some("2026-01-31")),
            (ColumnType::Date, "20260131", None),
            (ColumnType::Text, "\"a\\u00e9\"", Some("aé")),
            (ColumnType::Text, "\"\\u0000\"", None),
            (ColumnType::Text, "5", None),
            (ColumnType::Json, "{\"a\": [1.50]}", Some("{\"a\": [1.50]}")),
        ] {
            assert_eq!(fitting(column_type, json).as_deref(), expected, "{} {json}", column_type.name());
        }
        let deep = "[".repeat(600) + &"]".repeat(600);
        assert_eq!(fitting(ColumnType::Json, &deep), None);
    }

    #[test]
    fn a_body_that_is_no_object_of_columns_is_refused() {
        let columns = [Column::new("a", ColumnType::Text)];
        let assigned = |json: &str| {
            let body: Box<RawValue> = serde_json::from_str(json).expect("JSON");
            assigned(&body, &columns, 100).map_err(|error| error.to_string())
        };
        assert_eq!(assigned("{\"a\": null}"), Ok(vec![(0, None)]));
        for wrong in
            ["{}", "[]", "1", "{\"b\":1}", "{\"a\":\"x\",\"a\":\"y\"}", &format!("{{\"a\":\"{}\"}}", "x".repeat(100))]
        {
            assert!(assigned(wrong).is_err(), "{wrong}");
        }
    }
}
