//! From what Postgres tells to the answer.

use super::store::{Read, ReadColumn, Summary};
use crate::{
    catalogue::{Column, ColumnType},
    error::{Error, Result},
};
use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::value::{RawValue, to_raw_value};

#[derive(Serialize)]
struct Content {
    version: i64,
    revision: i64,
    rows: u64,
    /// Where only part of the rows was read.
    sampled: Option<Sampled>,
    columns: Vec<Fields>,
}

#[derive(Serialize)]
struct Sampled {
    rows: u64,
    of: u64,
    method: &'static str,
}

/// A number of all rows: counted, or estimated from a sample.
#[derive(Debug, PartialEq, Serialize)]
struct Counted {
    count: u64,
    exact: bool,
}

/// A JSON object of what a column's type has, in this order.
#[derive(Default)]
struct Fields(Vec<(&'static str, Box<RawValue>)>);

impl Fields {
    fn add(&mut self, name: &'static str, value: &impl Serialize) -> Result<()> {
        self.0.push((name, to_raw_value(value).map_err(Error::internal)?));
        Ok(())
    }

    /// JSON that Postgres wrote; `missing` if there is none.
    fn add_json(&mut self, name: &'static str, json: Option<&String>, missing: &str) -> Result<()> {
        let json = json.map_or(missing, String::as_str).to_owned();
        self.0.push((name, RawValue::from_string(json).map_err(Error::internal)?));
        Ok(())
    }
}

impl Serialize for Fields {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

/// The answer, of version `version`.
pub fn content(version: i64, read: &Read) -> Result<String> {
    let columns = read.columns.iter().map(|(column, values)| fields(read, column, values));
    let content = Content {
        version,
        revision: read.revision,
        rows: read.rows,
        sampled: read.sample.map(|sample| Sampled {
            rows: read.rows_read,
            of: read.rows,
            method: sample.method.name(),
        }),
        columns: columns.collect::<Result<_>>()?,
    };
    serde_json::to_string(&content).map_err(Error::internal)
}

/// A field stands there whenever the type has it; `null` or empty where there is no value to tell it of.
fn fields(read: &Read, column: &Column, values: &ReadColumn) -> Result<Fields> {
    use ColumnType::{Bigint, Boolean, Date, Double, Json, Numeric, Text, Timestamp, Timestamptz};
    let (summary, column_type) = (values.summary.as_ref(), column.column_type);
    let mut fields = Fields::default();
    fields.add("name", &column.name)?;
    fields.add("type", &column_type)?;
    fields.add("nulls", &rows_with(read, read.rows_read.saturating_sub(values.present)))?;
    if column_type == Json {
        fields.add_json("kinds", values.kinds.as_ref(), "{}")?;
        return Ok(fields);
    }
    if matches!(column_type, Double | Numeric | Date | Timestamp | Timestamptz) {
        let finite = summary.map_or(0, |summary| summary.total.unsigned_abs());
        fields.add("not_finite", &rows_with(read, values.present.saturating_sub(finite)))?;
    }
    fields.add("distinct", &distinct(read, summary))?;
    if column_type != Boolean {
        fields.add_json("min", summary.and_then(|summary| summary.least.as_ref()), "null")?;
        fields.add_json("max", summary.and_then(|summary| summary.greatest.as_ref()), "null")?;
    }
    if matches!(column_type, Bigint | Numeric | Double) {
        fields.add_json("mean", values.mean.as_ref(), "null")?;
        fields.add_json("stddev", values.deviation.as_ref(), "null")?;
    }
    if column_type == Text {
        fields.add_json("lengths", summary.and_then(|summary| summary.lengths.as_ref()), "null")?;
    }
    let scaled = !matches!(column_type, Boolean | Text | ColumnType::Uuid);
    if scaled {
        fields.add_json("quantiles", summary.and_then(|summary| summary.quantiles.as_ref()), "null")?;
    }
    fields.add_json("top", summary.map(|summary| &summary.top), "[]")?;
    if scaled {
        fields.add_json("histogram", summary.and_then(|summary| summary.histogram.as_ref()), "[]")?;
    }
    Ok(fields)
}

/// How many of all rows are as `found` of those that were read.
fn rows_with(read: &Read, found: u64) -> Counted {
    if read.sample.is_none() {
        return Counted { count: found, exact: true };
    }
    let of_all = (u128::from(found) * u128::from(read.rows)).div_ceil(u128::from(read.rows_read.max(1)));
    Counted { count: u64::try_from(of_all).unwrap_or(u64::MAX).min(read.rows), exact: false }
}

/// From a sample by the estimator Duj1 of Haas and Stokes ("Estimating the number of classes in a finite population", 1998), as `analyze` of Postgres does.
fn distinct(read: &Read, summary: Option<&Summary>) -> Counted {
    let exact = read.sample.is_none();
    let Some(summary) = summary else { return Counted { count: 0, exact } };
    let different = summary.different.unsigned_abs();
    if exact {
        return Counted { count: different, exact };
    }
    let total = summary.total.unsigned_abs();
    let of_all = rows_with(read, total).count.max(total);
    let [d, n, f, all] = [different, total, summary.once.unsigned_abs().min(total), of_all].map(u128::from);
    // n·d / (n − f + f·n/N), without fractions.
    let estimate = n.saturating_mul(d).saturating_mul(all) / ((n - f).saturating_mul(all) + f * n).max(1);
    Counted { count: u64::try_from(estimate).unwrap_or(u64::MAX).clamp(different, of_all.max(different)), exact }
}
