//! Statistics of columns. Every statement scans the table once for a batch of columns: their values as pairs of position and value, grouped.
//!
//! Postgres itself writes the values as JSON, in the spelling that rows have. What its arithmetic refuses (numbers beyond a double, differences that vanish)
//! is kept out of it, so that no value makes a statement fail.

use super::table;
use crate::catalogue::ColumnType;
use uuid::Uuid;

/// Bins of a histogram, values of `top`, and characters of a value that is shown.
const BINS_MAX: u32 = 20;
const TOP_MAX: u32 = 10;
const SHOWN_CHARS_MAX: u32 = 200;

/// Postgres squares numbers for their deviation, and multiplies them by the number of rows.
const MOMENTS_BELOW: &str = "1e140";
/// Numbers between which a value can be interpolated: doubles, and `numeric`, whose end is at 131,072 digits.
const DOUBLES_WITHIN: (&str, &str) = ("1e-290", "1e300");
const NUMERICS_WITHIN: &str = "'1e100000'::numeric";

/// Part of a table's rows; the same in every statement of a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// About so many of `of` rows.
    pub rows: u64,
    pub of: u64,
    pub method: SampleMethod,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SampleMethod {
    /// Row by row, which reads the whole table.
    Bernoulli,
    /// Page by page.
    System,
}

impl SampleMethod {
    pub fn name(self) -> &'static str {
        match self {
            Self::Bernoulli => "bernoulli",
            Self::System => "system",
        }
    }
}

fn source(id: Uuid, sample: Option<Sample>) -> String {
    let Some(Sample { rows, of, method }) = sample else { return format!("{} as t", table(id)) };
    // In millionths of a percent, and never none.
    let part = u128::from(rows) * 100_000_000 / u128::from(of.max(1));
    let part = part.clamp(1, 100_000_000);
    let percent = format!("{}.{:06}", part / 1_000_000, part % 1_000_000);
    format!("{} as t tablesample {} ({percent}) repeatable (1)", table(id), method.name())
}

/// Bytes of the table without its long values and indexes.
pub fn table_bytes(id: Uuid) -> String {
    format!("select pg_relation_size('{}')", table(id))
}

/// How many rows, and of each column how many values; mean and deviation as JSON, NULL of what is no number or beyond computing.
pub fn moments(id: Uuid, sample: Option<Sample>, columns: &[(usize, ColumnType)]) -> String {
    let list = |part: &dyn Fn(&str, ColumnType) -> String| {
        let parts = columns.iter().map(|(position, column_type)| part(&format!("c{}", position + 1), *column_type));
        parts.collect::<Vec<_>>().join(", ")
    };
    let moment = |function: &str, column: &str, column_type: ColumnType| match column_type {
        ColumnType::Bigint => format!("trim_scale({function}({column}))::text"),
        ColumnType::Numeric | ColumnType::Double => {
            let below = format!("abs({column}) < {MOMENTS_BELOW}");
            let value = format!("{function}({column}) filter (where {below})");
            let value = if column_type == ColumnType::Numeric { format!("trim_scale({value})") } else { value };
            let all = format!("bool_and({below}) filter (where {})", present(column, column_type));
            format!("case when {all} then {value}::text end")
        }
        _ => "null".to_owned(),
    };
    format!(
        "select count(*) as rows, array[{}]::bigint[] as present, array[{}]::text[] as means, array[{}]::text[] as deviations from {}",
        list(&|column, _| format!("count({column})")),
        list(&|column, column_type| moment("avg", column, column_type)),
        list(&|column, column_type| moment("stddev_samp", column, column_type)),
        source(id, sample)
    )
}

/// Of each column of JSON how many values there are, and how many of each kind, as a JSON object.
pub fn kinds(id: Uuid, sample: Option<Sample>, positions: &[usize]) -> String {
    let values = positions.iter().map(|position| format!("({position}, json_typeof(t.c{}))", position + 1));
    format!(
        "with g as (select k, v, count(*) as n from {}, lateral (values {}) as u (k, v) where v is not null group by k, v) \
         select k, '{{' || string_agg(to_json(v) || ':' || n, ',' order by n desc, v) || '}}' as kinds from g group by k",
        source(id, sample),
        values.collect::<Vec<_>>().join(", ")
    )
}

/// What the values of columns of one type, which is not JSON, tell; a column without a finite value has no row. `k` is its position.
pub fn summaries(id: Uuid, sample: Option<Sample>, column_type: ColumnType, positions: &[usize]) -> String {
    let values = positions.iter().map(|position| {
        let column = format!("t.c{}", position + 1);
        // Postgres has no least UUID; their texts have the same order.
        let cast = if column_type == ColumnType::Uuid { "::text collate \"C\"" } else { "" };
        format!("({position}, {column}{cast})")
    });
    // One sort for groups and window; `upto` counts the values up to this one, `place` the different ones.
    let grouped = format!(
        "with g as materialized (select k, v, count(*)::int as n, sum(count(*)::int) over by_value as upto, row_number() over by_value as place \
         from {}, lateral (values {}) as u (k, v) where {} group by k, v window by_value as (partition by k order by v rows unbounded preceding))",
        source(id, sample),
        values.collect::<Vec<_>>().join(", "),
        present("v", column_type)
    );
    let edges = match column_type {
        ColumnType::Boolean => "null::boolean as lo, null::boolean as hi",
        _ => "min(v) as lo, max(v) as hi",
    };
    let lengths = match column_type {
        ColumnType::Text => {
            "'{\"min\":' || min(length(v)) || ',\"max\":' || max(length(v)) || ',\"mean\":' || trim_scale(round(sum(length(v)::bigint * n) / sum(n), 6)) || '}'"
        }
        _ => "null",
    };
    let (scale, [quantiles, histogram]) = match step(column_type) {
        Some(step) => (scale(column_type, &step), ["quantiles.body", "histogram.body"]),
        None => (String::new(), ["null", "null"]),
    };
    let joined = if scale.is_empty() { "" } else { " left join quantiles using (k) left join histogram using (k)" };
    format!(
        "{grouped}, s as materialized (select k, sum(n) as total, count(*) as different, count(*) filter (where n = 1) as once, {edges}, {lengths} as lengths from g group by k), \
         top as (select k, '[' || string_agg('{{\"value\":' || {top} || ',\"count\":' || n || '}}', ',' order by n desc, v) || ']' as body \
         from (select k, v, n, row_number() over (partition by k order by n desc, v) as rank from g where n > 1 or place <= {TOP_MAX}) as x where rank <= {TOP_MAX} group by k){scale} \
         select k, total, different, once, {lo} as least, {hi} as greatest, lengths, top.body as top, {quantiles} as quantiles, {histogram} as histogram \
         from s join top using (k){joined}",
        top = spelled("v", column_type),
        lo = spelled("lo", column_type),
        hi = spelled("hi", column_type),
    )
}

/// The condition that a value is there and finite: of others nothing can be computed, and JSON does not know them.
fn present(value: &str, column_type: ColumnType) -> String {
    match column_type {
        // NaN is greater than infinity.
        ColumnType::Double | ColumnType::Numeric => format!("{value} > '-infinity' and {value} < 'infinity'"),
        ColumnType::Date | ColumnType::Timestamp | ColumnType::Timestamptz => format!("isfinite({value})"),
        _ => format!("{value} is not null"),
    }
}

/// A value as JSON text, as rows have it; a long one is cut, and ends in `…`.
fn spelled(value: &str, column_type: ColumnType) -> String {
    match column_type {
        ColumnType::Text | ColumnType::Numeric => format!(
            "case when length({value}::text) > {SHOWN_CHARS_MAX} then to_json(left({value}::text, {SHOWN_CHARS_MAX}) || '…') else to_json({value}) end::text"
        ),
        _ => format!("to_json({value})::text"),
    }
}

/// How values of a type are divided.
struct Step {
    /// An array of where the bins of a histogram begin, from `s.lo` to `s.hi`.
    edges: String,
    /// What lies at `r.f` between `a.v` and `b.v`.
    between: String,
    /// Whether there is anything between two values.
    dense: bool,
}

fn step(column_type: ColumnType) -> Option<Step> {
    // Whole values, of which the greatest may have a bin of its own. `div` is exact, where `/` rounds to 16 digits.
    let whole = |units: &str, at: &str| {
        format!(
            "(select array_agg({at} order by i) from (select {units} as units) as x, lateral (select div(units + {BINS_MAX}, {BINS_MAX}) as width) as y, \
             lateral generate_series(0, div(units, width)::int) as i)"
        )
    };
    // Moments, of which the last belongs to the bin before it.
    let flowing = |units: &str, at: &str| {
        format!(
            "(select array_agg({at} order by i) from (select {units} as units) as x, lateral (select greatest(div(units + {BINS_MAX} - 1, {BINS_MAX}), 1) as width) as y, \
             lateral generate_series(0, div(greatest(units, 1) - 1, width)::int) as i)"
        )
    };
    // Exact for every span: a factor of an interval is a double.
    let later = "s.lo + div(i * width, 86400000000)::int * interval '1 day' + mod(i * width, 86400000000)::float8 * interval '1 microsecond'";
    let microseconds = "(extract(epoch from s.hi) - extract(epoch from s.lo)) * 1000000";
    let numeric_between = "trim_scale(a.v::numeric + (b.v::numeric - a.v::numeric) * r.f)";
    let (edges, between) = match column_type {
        ColumnType::Bigint => {
            (whole("s.hi::numeric - s.lo::numeric", "(s.lo + i * width)::bigint"), numeric_between.to_owned())
        }
        ColumnType::Date => (whole("(s.hi - s.lo)::numeric", "s.lo + (i * width)::int"), "a.v".to_owned()),
        ColumnType::Timestamp | ColumnType::Timestamptz | ColumnType::Time => {
            (flowing(microseconds, later), "a.v".to_owned())
        }
        ColumnType::Numeric => {
            let near = |a: &str, b: &str| format!("abs({a}) < {NUMERICS_WITHIN} and abs({b}) < {NUMERICS_WITHIN}");
            (
                format!(
                    "case when s.lo < s.hi and {} then (select array_agg(trim_scale(s.lo + (s.hi - s.lo) * (i * (1.0 / {BINS_MAX}))) order by i) \
                     from generate_series(0, {BINS_MAX} - 1) as i) else array[s.lo] end",
                    near("s.lo", "s.hi")
                ),
                format!("case when a.v < b.v and {} then {numeric_between} else a.v end", near("a.v", "b.v")),
            )
        }
        ColumnType::Double => {
            let (tiny, huge) = DOUBLES_WITHIN;
            // One after the other: the difference of what is too large would be refused.
            let far = |a: &str, b: &str| {
                format!("when abs({a}) > {huge} or abs({b}) > {huge} then null when {b} - {a} < {tiny} then null")
            };
            (
                format!(
                    "coalesce(case {} else (select array_agg(s.lo + (s.hi - s.lo) * (i / {BINS_MAX}.0)::float8 order by i) \
                     from generate_series(0, {BINS_MAX} - 1) as i) end, array[s.lo])",
                    far("s.lo", "s.hi")
                ),
                format!("coalesce(case {} else a.v + (b.v - a.v) * r.f::float8 end, a.v)", far("a.v", "b.v")),
            )
        }
        ColumnType::Boolean | ColumnType::Uuid | ColumnType::Text | ColumnType::Json => return None,
    };
    let dense = matches!(column_type, ColumnType::Bigint | ColumnType::Numeric | ColumnType::Double);
    Some(Step { edges, between, dense })
}

/// Quantiles and histogram, of the groups `g` and their sums `s`.
fn scale(column_type: ColumnType, Step { edges, between, dense }: &Step) -> String {
    // Ranks count from 1.
    let ranks = match dense {
        true => "part * (total - 1) as place",
        false => "greatest(ceil(part * total), 1) - 1 as place",
    };
    // What lies between two numbers need not be of their type.
    let quantile = match column_type {
        ColumnType::Bigint => spelled(between, ColumnType::Numeric),
        _ => spelled(between, column_type),
    };
    format!(
        ", r as materialized (select k, name, place - floor(place) as f, floor(place)::bigint + 1 as low, ceil(place)::bigint + 1 as high from s \
         cross join (values ('0.05', 0.05), ('0.25', 0.25), ('0.5', 0.5), ('0.75', 0.75), ('0.95', 0.95)) as parts (name, part) cross join lateral (select {ranks}) as x), \
         ranks as materialized (select k, array_agg(rank order by rank) as ranks from (select k, low as rank from r union select k, high from r) as x group by k), \
         p as materialized (select k, v, upto - n as before, upto from g join ranks using (k) where width_bucket(upto, ranks) > width_bucket(upto - n, ranks)), \
         quantiles as (select r.k, '{{' || string_agg('\"' || name || '\":' || {quantile}, ',' order by name) || '}}' as body from r \
         join p as a on a.k = r.k and r.low > a.before and r.low <= a.upto join p as b on b.k = r.k and r.high > b.before and r.high <= b.upto group by r.k), \
         e as materialized (select k, hi, {edges} as edges from s), \
         h as (select k, width_bucket(v, edges) as bin, sum(n) as n from g join e using (k) group by 1, 2), \
         histogram as (select e.k, '[' || string_agg('{{\"from\":' || {from} || ',\"to\":' || {to} || ',\"count\":' || coalesce(h.n, 0) || '}}', ',' order by i) || ']' as body \
         from e cross join lateral generate_subscripts(e.edges, 1) as i left join h on h.k = e.k and h.bin = i group by e.k)",
        from = spelled("e.edges[i]", column_type),
        to = spelled("coalesce(e.edges[i + 1], e.hi)", column_type),
    )
}
