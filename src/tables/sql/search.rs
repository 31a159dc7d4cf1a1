//! The words of a row: what is searched, what is searched for, and the rows in the order of their rank.
//!
//! Ranking reads a row's text again, so only the first matches of a table are ranked, in the order of the file; the others follow them in that order. Which is the
//! last of the ranked is part of a cursor, so that rows which come or go between two pages move no other row over the line.

use super::{
    select::{Bind, Binds, Source, Statement, window},
    table,
};
use crate::{
    catalogue::ColumnType,
    tables::query::{RowQuery, Search},
};
use uuid::Uuid;

/// Rows that are ranked.
pub const RANKED_MAX: u64 = 10_000;
/// Of a row's text, so that it never passes the 1 MiB of a `tsvector`: each character takes up to 4 bytes, and a compound word stands in it twice.
const CHARACTERS_MAX: usize = 60_000;
/// Postgres keeps the expression of an index on one page; of more columns a function is told which they are.
const COLUMNS_NAMED_MAX: usize = 64;

/// Where a page of ranked rows begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The last row that is ranked.
    pub until: i64,
    /// As Postgres prints it; `None` for a row that is not ranked.
    pub rank: Option<String>,
    pub row: i64,
}

impl Place {
    /// From the keys of a row.
    pub fn of_keys(keys: &[Option<String>]) -> Option<Self> {
        let [Some(until), rank, Some(row)] = keys else { return None };
        Some(Self { until: until.parse().ok()?, rank: rank.clone(), row: row.parse().ok()? })
    }

    /// They stand behind the outputs.
    fn keys(query: &RowQuery) -> Vec<(usize, ColumnType)> {
        (query.outputs.len()..).zip([ColumnType::Bigint, ColumnType::Double, ColumnType::Bigint]).collect()
    }
}

/// The words of all columns as one immutable expression, the same in an index and in a query. `row` is what the table is called.
pub fn document(row: &str, columns: &[usize]) -> String {
    if columns.len() > COLUMNS_NAMED_MAX {
        let last = columns.iter().max().map_or(0, |last| last + 1);
        let chosen: String = (0..last).map(|at| if columns.binary_search(&at).is_ok() { 'x' } else { '.' }).collect();
        return format!("larder.words({row}.*, '{chosen}')");
    }
    // The last columns are searched too where the first are long.
    let each = CHARACTERS_MAX / columns.len().clamp(1, 3);
    format!("to_tsvector('simple', left({}, {CHARACTERS_MAX}))", joined(row, columns, each))
}

/// In halves, and halves of these: a chain would copy each text as often as it is long.
fn joined(row: &str, columns: &[usize], each: usize) -> String {
    match columns {
        [] => "''".to_owned(),
        [column] => format!("coalesce(left({row}.c{}, {each}), '')", column + 1),
        _ => {
            let (left, right) = columns.split_at(columns.len() / 2);
            format!("({} || ' ' || {})", joined(row, left, each), joined(row, right, each))
        }
    }
}

/// What is searched for, as a `tsquery`.
pub fn words(search: &Search, binds: &mut Binds) -> String {
    let words = format!("websearch_to_tsquery('simple', {})", binds.bind(Bind::Text(search.words.clone())));
    match &search.prefix {
        None => words,
        Some(prefix) => {
            format!("({words} && to_tsquery('simple', {}))", binds.bind(Bind::Text(format!("{prefix}:*"))))
        }
    }
}

/// The ranked rows from the best on, up to `limit`, behind the place `after`. Each row has the query's outputs, the keys of its [`Place`], and the table's revision.
pub fn ranked(id: Uuid, query: &RowQuery, search: &Search, limit: Option<u64>, after: Option<&Place>) -> Statement {
    let mut binds = Binds::default();
    let source = Source::new(id, query, &mut binds);
    let rank =
        format!("ts_rank({}, {})::double precision as rank", document("t", &search.columns), words(search, &mut binds));
    let (edge, behind) = match after {
        None => {
            let last = format!("(select row from found order by row offset {} limit 1)", RANKED_MAX - 1);
            let edge = format!(
                "select case when count(*) > {RANKED_MAX} then {last} else {} end as until from found",
                i64::MAX
            );
            (edge, String::new())
        }
        Some(place) => {
            let rank = format!("{}::double precision", binds.bind(Bind::Text(place.rank.clone().unwrap_or_default())));
            let row = binds.bind(Bind::Bigint(place.row));
            let edge = format!("select {}::bigint as until", binds.bind(Bind::Bigint(place.until)));
            (edge, format!(" and (rank < {rank} or rank = {rank} and row > {row})"))
        }
    };
    let revision = binds.bind(Bind::Uuid(id));
    let text = format!(
        "with found as materialized (select t._row as row, {rank} {} order by t._row limit {}),
         edge as ({edge}),
         best as (select row, rank, until from found, edge where row <= until{behind} order by rank desc, row{})
         select {}, best.until, best.rank, best.row, (select revision from larder.versions where table_id = {revision})
         from best join {} as t on t._row = best.row order by best.rank desc, best.row",
        source.from(None),
        RANKED_MAX + 1,
        window(limit, query.offset),
        source.outputs.join(", "),
        table(id)
    );
    Statement { text, values: binds.into_values(), keys: Place::keys(query) }
}

/// The rows that are not ranked, in the order of the file: those behind the row `behind`, or from the query's offset on, which counts the ranked ones.
pub fn unranked(id: Uuid, query: &RowQuery, limit: Option<u64>, behind: Option<i64>) -> Statement {
    let mut binds = Binds::default();
    let source = Source::new(id, query, &mut binds);
    let row = behind.map(|row| format!("t._row > {}", binds.bind(Bind::Bigint(row))));
    let offset = if behind.is_some() { 0 } else { query.offset };
    let revision = binds.bind(Bind::Uuid(id));
    let text = format!(
        "select {}, 0::bigint, null::double precision, t._row, (select revision from larder.versions where table_id = {revision}) {} order by t._row{}",
        source.outputs.join(", "),
        source.from(row.as_deref()),
        window(limit, offset)
    );
    Statement { text, values: binds.into_values(), keys: Place::keys(query) }
}

fn index(build: Uuid) -> String {
    format!("s_{}", build.simple())
}

/// Outside of a transaction: rows are read and changed while it runs.
pub fn create_search_index(build: Uuid, id: Uuid, columns: &[usize]) -> String {
    format!("{}using gin ({})", beginning(build, id), document(&format!("t_{}", id.simple()), columns))
}

/// How the statement begins that makes an index on the table.
fn beginning(build: Uuid, id: Uuid) -> String {
    format!("create index concurrently {} on {} ", index(build), table(id))
}

/// Stops all buildings on the table, whoever runs them.
pub fn cancel_search_builds(id: Uuid) -> String {
    format!(
        "select pg_cancel_backend(pid) from pg_stat_activity where datname = current_database() and query like 'create index concurrently s\\_%' and position(' on {} ' in query) > 0 and pid <> pg_backend_pid()",
        table(id)
    )
}

/// Outside of a transaction.
pub fn drop_search_index(build: Uuid) -> String {
    format!("drop index concurrently if exists rows.{}", index(build))
}

/// The statistics of the words too, from which the planner tells rare ones from common ones.
pub fn analyze_all(id: Uuid) -> String {
    format!("analyze {}", table(id))
}

/// Bytes of an index; NULL if there is none of this name.
pub fn search_index_bytes(build: Uuid) -> String {
    format!("select pg_relation_size(to_regclass('rows.{}'))", index(build))
}

#[cfg(test)]
mod tests {
    use super::{Place, create_search_index, document};
    use uuid::Uuid;

    #[test]
    fn the_words_of_many_columns_are_joined_in_halves() {
        assert_eq!(
            document("t", &[0, 2, 3]),
            "to_tsvector('simple', left((coalesce(left(t.c1, 20000), '') || ' ' || (coalesce(left(t.c3, 20000), '') || ' ' || coalesce(left(t.c4, 20000), ''))), 60000))"
        );
        let wide = document("t", &(1..66).collect::<Vec<_>>());
        assert_eq!(wide, format!("larder.words(t.*, '.{}')", "x".repeat(65)));
    }

    #[test]
    fn an_index_is_named_by_its_building_alone() {
        let statement = create_search_index(Uuid::max(), Uuid::nil(), &[0]);
        let (build, table) = ("f".repeat(32), "0".repeat(32));
        let expected = format!(
            "create index concurrently s_{build} on rows.t_{table} using gin (to_tsvector('simple', left(coalesce(left(t_{table}.c1, 60000), ''), 60000)))"
        );
        assert_eq!(statement, expected);
    }

    #[test]
    fn a_place_is_read_back_from_its_keys() {
        let key = |text: &str| Some(text.to_owned());
        let place = Place::of_keys(&[key("9"), key("0.06079271"), key("3")]);
        assert_eq!(place, Some(Place { until: 9, rank: key("0.06079271"), row: 3 }));
        assert_eq!(Place::of_keys(&[key("0"), None, key("3")]).map(|place| place.rank), Some(None));
        assert_eq!(Place::of_keys(&[key("0"), None]), None);
        assert_eq!(Place::of_keys(&[None, None, key("x")]), None);
    }
}
