//! Searches: how long one may take, and the statements that its rows come in.

use super::{
    query::{RowQuery, Search},
    sql::{self, Place, RANKED_MAX, Statement, Witness},
    store::Tables,
};
use crate::error::{Error, Limit, Result};
use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};
use tokio::time::timeout;
use uuid::Uuid;

/// How a search is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Searched {
    /// Else it is bounded in time.
    pub indexed: bool,
    /// How many of the first matches are in the order of their rank, if any are; the others follow them.
    pub ranked_max: Option<u64>,
}

impl Tables {
    /// `None` for a query that searches nothing.
    pub async fn searched(&self, table_id: Uuid, query: &RowQuery) -> Result<Option<Searched>> {
        let Some(search) = &query.search else { return Ok(None) };
        let indexed = self.catalogue.is_searchable(table_id, &search.columns).await?;
        Ok(Some(Searched { indexed, ranked_max: query.ranking().map(|_| RANKED_MAX) }))
    }

    /// How long Postgres may work for a query, if it is less than any query may take.
    pub(super) async fn search_time(&self, table_id: Uuid, query: &RowQuery) -> Result<Option<Duration>> {
        let searched = self.searched(table_id, query).await?;
        Ok(searched.filter(|searched| !searched.indexed).map(|_| Duration::from_secs(self.search_seconds)))
    }

    pub(super) fn search_too_slow(&self) -> Error {
        Limit::SearchSeconds.passed(self.search_seconds, None)
    }
}

/// What is left of the time that Postgres may work, if it has less than any query; what a client takes is not counted.
#[derive(Debug)]
pub struct TimeLeft(pub Option<Duration>);

impl TimeLeft {
    /// `None` if it ends first.
    pub async fn spend<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        let Some(left) = self.0 else { return Some(work.await) };
        let began = Instant::now();
        let done = timeout(left, work).await.ok();
        self.0 = Some(left.saturating_sub(began.elapsed()));
        done
    }
}

/// The statements of an answer, of which each goes on where the one before has ended.
#[derive(Debug)]
pub enum Parts<'a> {
    Plain(VecDeque<Statement>),
    Ranked { id: Uuid, query: &'a RowQuery, search: &'a Search, limit: Option<u64>, turn: Turn },
}

/// What comes next of ranked rows.
#[derive(Debug)]
pub enum Turn {
    /// The ranked ones, from the best or from a place on.
    Ranked(Option<Place>),
    /// The others, behind those that have come, the place of whose last one is kept if none has.
    Unranked(Option<Place>),
    /// The others alone, behind a row or from the offset on.
    UnrankedAlone(Option<i64>),
    Done,
}

impl<'a> Parts<'a> {
    /// All rows of a query.
    pub fn of_rows(id: Uuid, query: &'a RowQuery) -> Self {
        match query.ranking() {
            None => Self::Plain([sql::rows(id, query)].into()),
            Some(search) => Self::Ranked { id, query, search, limit: query.limit, turn: Turn::first(query, None) },
        }
    }

    /// Up to `limit` rows, behind the one that has the keys `after`.
    pub fn of_page(
        id: Uuid,
        query: &'a RowQuery,
        limit: u64,
        after: Option<&[Option<String>]>,
        witness: Witness,
    ) -> Result<Self> {
        let Some(search) = query.ranking() else {
            return Ok(Self::Plain(sql::page(id, query, limit, after, witness).into()));
        };
        let place = match after {
            None => None,
            Some(keys) => {
                Some(Place::of_keys(keys).ok_or_else(|| Error::internal("a cursor of other keys than its query"))?)
            }
        };
        Ok(Self::Ranked { id, query, search, limit: Some(limit), turn: Turn::first(query, place) })
    }

    /// The next statement, once the one before has given `sent` rows in all; `last` are the keys of the last one.
    pub fn next(&mut self, sent: u64, last: Option<&[Option<String>]>) -> Option<Statement> {
        match self {
            Self::Plain(statements) => statements.pop_front(),
            Self::Ranked { id, query, search, limit, turn } => {
                let limit = limit.map(|limit| limit.saturating_sub(sent));
                match std::mem::replace(turn, Turn::Done) {
                    Turn::Ranked(place) => {
                        let statement = sql::ranked(*id, query, search, limit, place.as_ref());
                        *turn = Turn::Unranked(place);
                        Some(statement)
                    }
                    Turn::Unranked(place) => {
                        let place = last.and_then(Place::of_keys).or(place)?;
                        let more = place.until < i64::MAX;
                        more.then(|| sql::unranked(*id, query, limit, Some(place.until)))
                    }
                    Turn::UnrankedAlone(behind) => Some(sql::unranked(*id, query, limit, behind)),
                    Turn::Done => None,
                }
            }
        }
    }
}

impl Turn {
    fn first(query: &RowQuery, place: Option<Place>) -> Self {
        match place {
            Some(Place { rank: None, row, .. }) => Self::UnrankedAlone(Some(row)),
            None if query.offset >= RANKED_MAX => Self::UnrankedAlone(None),
            place => Self::Ranked(place),
        }
    }
}
