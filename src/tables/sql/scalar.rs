//! Values of a row and of groups of rows, as SQL.

use super::select::{Bind, Binds};
use crate::{
    catalogue::ColumnType,
    tables::query::{Aggregate, Function, Scalar, Step, Value},
};

/// Text that is computed sorts and compares by its bytes, as that of columns does.
const BY_BYTES: &str = " collate \"C\"";

/// The value of a column and its steps; `prefix` is what stands before the column's number.
pub fn scalar(prefix: &str, scalar: &Scalar, binds: &mut Binds) -> String {
    let mut sql = format!("{prefix}{}", scalar.column + 1);
    let mut before = scalar.from;
    for step in &scalar.steps {
        sql = self::step(&sql, before, step, binds);
        before = step.column_type(before);
    }
    // A column has its collation from the table, or from the value that it is called after.
    if before == ColumnType::Text && !scalar.steps.is_empty() { format!("({sql}{BY_BYTES})") } else { sql }
}

fn step(sql: &str, before: ColumnType, step: &Step, binds: &mut Binds) -> String {
    match step {
        Step::Member(key) => format!("({sql} -> {}::text)", binds.bind(Bind::Text(key.clone()))),
        Step::MemberText(key) => format!("({sql} ->> {}::text)", binds.bind(Bind::Text(key.clone()))),
        Step::Element(index) => format!("({sql} -> ({index}))"),
        Step::ElementText(index) => format!("({sql} ->> ({index}))"),
        Step::Cast(to) => cast(sql, before, *to),
        Step::Trunc(unit) => match before {
            ColumnType::Date => format!("date_trunc('{}', {sql}::timestamp)::date", unit.name()),
            ColumnType::Timestamptz => format!("date_trunc('{}', {sql}, 'UTC')", unit.name()),
            _ => format!("date_trunc('{}', {sql})", unit.name()),
        },
        Step::Bin(width) => {
            let place = bind(width, binds);
            match (before, width) {
                (ColumnType::Bigint, Value::Bigint(_)) => {
                    // Nothing on the way is larger than the number or the width.
                    let rest = format!("{sql} % {place}");
                    format!("({sql} - {rest} - case when {rest} < 0 then {place} else 0 end)")
                }
                (ColumnType::Double, _) => format!("(floor({sql} / {place}) * {place})"),
                _ => format!("(floor({sql}::numeric / {place}::numeric) * {place}::numeric)"),
            }
        }
    }
}

fn cast(sql: &str, from: ColumnType, to: ColumnType) -> String {
    match (from, to) {
        (from, to) if from == to => sql.to_owned(),
        (_, ColumnType::Json) => format!("to_json({sql})"),
        (ColumnType::Json, ColumnType::Text) => format!("({sql})::text"),
        // The text of a JSON string is what stands between its quotes.
        (ColumnType::Json, to) => format!("({sql} #>> '{{}}')::{}", to.sql()),
        (ColumnType::Boolean, ColumnType::Bigint) => format!("({sql})::integer::bigint"),
        (_, to) => format!("({sql})::{}", to.sql()),
    }
}

/// A value of many rows of the table.
pub fn aggregate(aggregate: &Aggregate, binds: &mut Binds) -> String {
    let natural = natural(aggregate, binds);
    let (sql, of) = aggregate
        .casts
        .iter()
        .fold((natural, aggregate.natural_type()), |(sql, from), to| (cast(&sql, from, *to), *to));
    if of == ColumnType::Text { format!("({sql}{BY_BYTES})") } else { sql }
}

fn natural(aggregate: &Aggregate, binds: &mut Binds) -> String {
    let Some(of) = &aggregate.of else { return "count(*)".to_owned() };
    let (value, of) = (scalar("t.c", of, binds), of.column_type());
    match (aggregate.function, of) {
        (Function::Count, _) => format!("count({value})"),
        (Function::CountDistinct, ColumnType::Json) => format!("count(distinct {value}::jsonb)"),
        (Function::CountDistinct, _) => format!("count(distinct {value})"),
        (Function::Sum, _) => format!("sum({value})"),
        (Function::Average, _) => format!("avg({value})"),
        (Function::Minimum, ColumnType::Boolean) => format!("bool_and({value})"),
        (Function::Maximum, ColumnType::Boolean) => format!("bool_or({value})"),
        (Function::Minimum, ColumnType::Uuid) => format!("min({value}::text{BY_BYTES})::uuid"),
        (Function::Maximum, ColumnType::Uuid) => format!("max({value}::text{BY_BYTES})::uuid"),
        (Function::Minimum, _) => format!("min({value})"),
        (Function::Maximum, _) => format!("max({value})"),
        (Function::StandardDeviation, _) => format!("stddev_samp({value})"),
        (Function::Percentile(part), of) => {
            let place = binds.bind(Bind::Double(part));
            match of {
                ColumnType::Bigint | ColumnType::Numeric | ColumnType::Double => {
                    format!("percentile_cont({place}) within group (order by {value}::double precision)")
                }
                _ => format!("percentile_disc({place}) within group (order by {value})"),
            }
        }
    }
}

/// `$n` of the type that its value has by itself; of all others it is text, to be cast.
pub fn bind(value: &Value, binds: &mut Binds) -> String {
    binds.bind(match value {
        Value::Boolean(value) => Bind::Boolean(*value),
        Value::Bigint(value) => Bind::Bigint(*value),
        Value::Double(value) => Bind::Double(*value),
        Value::Text(value) => Bind::Text(value.clone()),
    })
}
