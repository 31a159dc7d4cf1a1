//! Statements that read rows. What a caller wrote is in `values`, bound; the text holds positions, types and words of ours.
//!
//! A row of a table is read from `t`, with `c1` … `cN` and `_row`; rows that stand for groups from `g`, with `o1` … `oN`.

use super::{
    condition::Conditions,
    scalar::{aggregate, scalar},
    table,
};
use crate::{
    catalogue::{Column, ColumnType, state_now},
    tables::query::{Condition, Direction, Expression, Order, RowQuery},
};
use uuid::Uuid;

/// The largest number of rows that Postgres can count, and more than any table has.
const ROWS_MAX: u64 = i64::MAX.unsigned_abs();

/// A statement and what is bound to `$1`, `$2`, …
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Statement {
    pub text: String,
    pub values: Vec<Bind>,
    /// Where its rows have the keys that a later page begins behind, and of what types.
    pub keys: Vec<(usize, ColumnType)>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Bind {
    Boolean(bool),
    Bigint(i64),
    Double(f64),
    Text(String),
    Uuid(Uuid),
    Booleans(Vec<bool>),
    Bigints(Vec<i64>),
    Doubles(Vec<f64>),
    Texts(Vec<String>),
}

/// The values bound so far.
#[derive(Debug, Default)]
pub struct Binds(Vec<Bind>);

impl Binds {
    /// `$n`
    pub fn bind(&mut self, value: Bind) -> String {
        self.0.push(value);
        format!("${}", self.0.len())
    }

    pub(super) fn into_values(self) -> Vec<Bind> {
        self.0
    }
}

/// What a row is sorted by.
pub(super) struct Key {
    sql: String,
    column_type: ColumnType,
    descending: bool,
    nulls_first: bool,
    nullable: bool,
}

/// All rows of a query in a total order, from its offset on and up to its limit.
pub fn rows(id: Uuid, query: &RowQuery) -> Statement {
    let mut binds = Binds::default();
    let source = Source::new(id, query, &mut binds);
    let keys = source.keys(query, &mut binds);
    let window = window(query.limit, query.offset);
    let outputs = source.outputs.join(", ");
    let text = format!("select {outputs} {} order by {}{window}", source.from(None), sorted(&keys));
    Statement { text, values: binds.0, ..Statement::default() }
}

/// What the last column of a page's rows tells of their snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Witness {
    /// The table's revision.
    Revision,
    /// The state of this dataset.
    State(Uuid),
}

/// A page of at most `limit` rows, behind the row that has the keys `after`, where NULL is `None`. It comes in
/// statements of which each goes on where the one before has ended, so that each can use an index. Behind the outputs each
/// row has those of its keys that are no output, and what is to be told of their snapshot.
pub fn page(
    id: Uuid,
    query: &RowQuery,
    limit: u64,
    after: Option<&[Option<String>]>,
    witness: Witness,
) -> Vec<Statement> {
    match after {
        None => part(id, query, limit, &Part::First, witness).into_iter().collect(),
        Some(after) => [Part::Near(after), Part::Far(after)]
            .iter()
            .filter_map(|one| part(id, query, limit, one, witness))
            .collect(),
    }
}

/// What a page begins behind.
enum Part<'a> {
    /// Nothing.
    First,
    /// A row with these keys, and the first key stays NULL, or stays none.
    Near(&'a [Option<String>]),
    /// All of those.
    Far(&'a [Option<String>]),
}

/// `None` if there can be no rows in it.
fn part(id: Uuid, query: &RowQuery, limit: u64, part: &Part<'_>, witness: Witness) -> Option<Statement> {
    let mut binds = Binds::default();
    let source = Source::new(id, query, &mut binds);
    let keys = source.keys(query, &mut binds);
    let behind = match part {
        Part::First => None,
        Part::Near(after) => Some(near(&keys, after, &mut binds)),
        Part::Far(after) => Some(far(&keys, after)?),
    };
    let (columns, places) = source.with_keys(&keys);
    let told = match witness {
        Witness::Revision => {
            format!("(select revision from larder.versions where table_id = {})", binds.bind(Bind::Uuid(id)))
        }
        Witness::State(dataset) => state_now(&binds.bind(Bind::Uuid(dataset))),
    };
    let text = format!(
        "select {columns}, {told} {} order by {}{}",
        source.from(behind.as_deref()),
        sorted(&keys),
        window(Some(limit), query.offset)
    );
    Some(Statement { text, values: binds.0, keys: places })
}

/// What the values of a query need, whatever its window, so that all pages have the same types: one row of one array of texts, two for each output, as `Extent` has
/// them. `None` if no type depends on the values.
pub fn extents(id: Uuid, query: &RowQuery) -> Option<Statement> {
    let mut binds = Binds::default();
    let source = Source::new(id, query, &mut binds);
    let columns = query.columns();
    let pair = |(n, column): (usize, &Column)| match column.column_type {
        ColumnType::Numeric => format!("max(abs(x{n}))::text, max(scale(x{n}))::text"),
        ColumnType::Date => format!("(max(x{n}) = 'infinity' or min(x{n}) = '-infinity')::text, null"),
        // From there on microseconds since 1970 have more than 63 bits.
        ColumnType::Timestamp | ColumnType::Timestamptz => {
            format!("(max(x{n}) >= '294247-01-01' or min(x{n}) = '-infinity')::text, null")
        }
        ColumnType::Time => format!("(max(x{n}) = '24:00')::text, null"),
        _ => "null, null".to_owned(),
    };
    let pairs: Vec<_> = (1..).zip(&columns).map(pair).collect();
    if pairs.iter().all(|pair| pair == "null, null") {
        return None;
    }
    let names: Vec<_> = (1..=columns.len()).map(|n| format!("x{n}")).collect();
    let text = format!(
        "select array[{}]::text[] from (select {} {}) as m({})",
        pairs.join(", "),
        source.outputs.join(", "),
        source.from(None),
        names.join(", ")
    );
    Some(Statement { text, values: binds.0, ..Statement::default() })
}

/// How many rows a query has, whatever its window; one row of one bigint.
pub fn count(id: Uuid, query: &RowQuery) -> Statement {
    let mut binds = Binds::default();
    // Of single rows it does not matter what they hold.
    let outputs = if query.is_grouped() { query.outputs.clone() } else { Vec::new() };
    let source = Source::new(id, &RowQuery { outputs, ..query.clone() }, &mut binds);
    Statement { text: format!("select count(*) {}", source.from(None)), values: binds.0, ..Statement::default() }
}

/// Postgres' plan for the rows of a query, from which it can be told how many it expects: one row of JSON.
pub fn plan(id: Uuid, query: &RowQuery) -> Statement {
    let mut binds = Binds::default();
    let source = Source::new(id, query, &mut binds);
    let text = format!("explain (format json) select {} {}", source.outputs.join(", "), source.from(None));
    Statement { text, values: binds.0, ..Statement::default() }
}

pub(super) fn window(limit: Option<u64>, offset: u64) -> String {
    let limit = limit.map(|limit| format!(" limit {}", limit.min(ROWS_MAX))).unwrap_or_default();
    let offset = if offset > 0 { format!(" offset {}", offset.min(ROWS_MAX)) } else { String::new() };
    limit + &offset
}

pub(super) fn sorted(keys: &[Key]) -> String {
    let key = |key: &Key| {
        let direction = if key.descending { " desc" } else { "" };
        let nulls = match (key.nullable, key.nulls_first) {
            (false, _) => "",
            (true, true) => " nulls first",
            (true, false) => " nulls last",
        };
        format!("{}{direction}{nulls}", key.sql)
    };
    keys.iter().map(key).collect::<Vec<_>>().join(", ")
}

/// `from … where …`, and what is selected from it.
pub(super) struct Source {
    table: String,
    pub(super) outputs: Vec<String>,
    conditions: Vec<String>,
    grouped: bool,
}

impl Source {
    pub(super) fn new(id: Uuid, query: &RowQuery, binds: &mut Binds) -> Self {
        let grouped = query.is_grouped();
        let values: Vec<String> = query
            .outputs
            .iter()
            .map(|output| match &output.value {
                Expression::Scalar(value) => scalar("t.c", value, binds),
                Expression::Aggregate(value) => aggregate(value, binds),
            })
            .collect();
        let filter = all("t.c", &query.filter, binds);
        let plain = format!("{} as t", table(id));
        if !grouped {
            return Self { table: plain, outputs: values, conditions: filter.into_iter().collect(), grouped };
        }
        let named: Vec<_> = (1..).zip(&values).map(|(n, value)| format!("{value} as o{n}")).collect();
        let groups: Vec<_> = (1..)
            .zip(&query.outputs)
            .filter(|(_, output)| !output.value.is_aggregate())
            .map(|(n, _): (usize, _)| n.to_string())
            .collect();
        let has_aggregate = groups.len() < query.outputs.len();
        let group_by = match has_aggregate && !groups.is_empty() {
            true => format!(" group by {}", groups.join(", ")),
            false => String::new(),
        };
        let distinct = if query.distinct { "distinct " } else { "" };
        let filter = filter.map(|filter| format!(" where {filter}")).unwrap_or_default();
        let inner = format!("(select {distinct}{} from {plain}{filter}{group_by}) as g", named.join(", "));
        let outputs = (1..=values.len()).map(|n| format!("g.o{n}")).collect();
        let conditions = all("g.o", &query.having, binds).into_iter().collect();
        Self { table: inner, outputs, conditions, grouped }
    }

    /// The outputs with the keys that are none of them, and where each key stands.
    fn with_keys(&self, keys: &[Key]) -> (String, Vec<(usize, ColumnType)>) {
        let mut columns: Vec<&str> = self.outputs.iter().map(String::as_str).collect();
        let mut places = Vec::with_capacity(keys.len());
        for key in keys {
            let found = self.outputs.iter().position(|output| *output == key.sql);
            places.push((found.unwrap_or(columns.len()), key.column_type));
            if found.is_none() {
                columns.push(&key.sql);
            }
        }
        (columns.join(", "), places)
    }

    pub(super) fn from(&self, behind: Option<&str>) -> String {
        let conditions: Vec<&str> = self.conditions.iter().map(String::as_str).chain(behind).collect();
        let filter = if conditions.is_empty() { String::new() } else { format!(" where {}", conditions.join(" and ")) };
        format!("from {}{filter}", self.table)
    }

    /// What the query says, and what breaks ties: a row's place in the file, or what tells groups apart.
    pub(super) fn keys(&self, query: &RowQuery, binds: &mut Binds) -> Vec<Key> {
        let prefix = if self.grouped { "g.o" } else { "t.c" };
        let key = |order: &Order, binds: &mut Binds| Key {
            sql: scalar(prefix, &order.by, binds),
            column_type: order.by.column_type(),
            descending: order.direction == Direction::Descending,
            nulls_first: order.nulls_first,
            nullable: true,
        };
        let mut keys: Vec<Key> = query.order.iter().map(|order| key(order, binds)).collect();
        if !self.grouped {
            let row = Key {
                sql: "t._row".to_owned(),
                column_type: ColumnType::Bigint,
                descending: false,
                nulls_first: false,
                nullable: false,
            };
            keys.push(row);
            return keys;
        }
        let columns: Vec<Column> = query.columns();
        for (position, output) in query.outputs.iter().enumerate() {
            let sorted = query.order.iter().any(|order| order.by.column == position && order.by.steps.is_empty());
            if !sorted && (query.distinct || !output.value.is_aggregate()) {
                let by = crate::tables::query::Scalar::plain(position, &columns);
                let order = Order { by, direction: Direction::Ascending, nulls_first: false };
                keys.push(key(&order, binds));
            }
        }
        if keys.is_empty() {
            // All rows are one group.
            keys.push(Key {
                sql: "1::bigint".to_owned(),
                column_type: ColumnType::Bigint,
                descending: false,
                nulls_first: false,
                nullable: false,
            });
        }
        keys
    }
}

fn all(prefix: &str, conditions: &[Condition], binds: &mut Binds) -> Option<String> {
    if conditions.is_empty() {
        return None;
    }
    Some(Conditions { prefix, binds }.all(conditions))
}

/// The rows behind `after` whose first key is NULL as its own is, or is none as its own is.
fn near(keys: &[Key], after: &[Option<String>], binds: &mut Binds) -> String {
    let behind = behind(keys, after, binds);
    match (keys.first(), after.first()) {
        (Some(key), Some(Some(value))) => {
            let value = bind_key(key, value, binds);
            let comparison = if key.descending { "<=" } else { ">=" };
            format!("{} {comparison} {value} and ({behind})", key.sql)
        }
        (Some(key), _) => format!("{} is null and ({behind})", key.sql),
        (None, _) => behind,
    }
}

/// The rows that come after all of those: what is NULL behind what is not, or the other way about.
fn far(keys: &[Key], after: &[Option<String>]) -> Option<String> {
    let key = keys.first().filter(|key| key.nullable)?;
    match (after.first()?, key.nulls_first) {
        (Some(_), false) => Some(format!("{} is null", key.sql)),
        (None, true) => Some(format!("{} is not null", key.sql)),
        _ => None,
    }
}

/// Rows that come later in the order of `keys`.
fn behind(keys: &[Key], after: &[Option<String>], binds: &mut Binds) -> String {
    let (Some((key, keys)), Some((value, after))) = (keys.split_first(), after.split_first()) else {
        return "false".to_owned();
    };
    let Some(value) = value else {
        let rest = behind(keys, after, binds);
        let same = format!("{} is null and ({rest})", key.sql);
        return if key.nulls_first { format!("{} is not null or {same}", key.sql) } else { same };
    };
    let value = bind_key(key, value, binds);
    let comparison = if key.descending { "<" } else { ">" };
    let nulls = if key.nullable && !key.nulls_first { format!(" or {} is null", key.sql) } else { String::new() };
    let rest = behind(keys, after, binds);
    format!("{0} {comparison} {value}{nulls} or {0} = {value} and ({rest})", key.sql)
}

fn bind_key(key: &Key, value: &str, binds: &mut Binds) -> String {
    let place = binds.bind(Bind::Text(value.to_owned()));
    format!("{place}::{}", key.column_type.sql())
}
