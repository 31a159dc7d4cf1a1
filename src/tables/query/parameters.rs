//! The parameters of a query's URL: those that have a meaning of their own, and those that name a column.

use super::{Condition, Search};
use crate::{
    catalogue::Column,
    error::{Error, Result},
};

/// What was asked, before it is compared with a table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parameters {
    pub select: Option<String>,
    pub order: Option<String>,
    pub distinct: bool,
    pub having: Vec<String>,
    /// Words to search for.
    pub words: Option<String>,
    pub limit: Option<u64>,
    pub offset: Option<u64>,
    /// Conditions: names and values as they were sent.
    pub conditions: Vec<(String, String)>,
}

const TREES: [&str; 4] = ["and", "or", "not.and", "not.or"];

impl Parameters {
    /// Takes one parameter. Any that has no meaning of its own is a condition, to be understood once the columns are known.
    pub fn take(&mut self, name: &str, value: String) -> Result<()> {
        let number = |value: &str| {
            value
                .parse()
                .ok()
                .map(Some)
                .ok_or_else(|| Error::invalid(name, format!("it must be a whole number, not `{value}`.")))
        };
        match name {
            "select" => once(name, &mut self.select, value),
            "order" => once(name, &mut self.order, value),
            "q" => once(name, &mut self.words, value),
            "limit" if self.limit.is_none() => number(&value).map(|number| self.limit = number),
            "offset" if self.offset.is_none() => number(&value).map(|number| self.offset = number),
            "limit" | "offset" => Err(twice(name)),
            "distinct" => match value.as_str() {
                "true" | "false" => {
                    self.distinct = value == "true";
                    Ok(())
                }
                _ => Err(Error::invalid(name, "it must be `true` or `false`.")),
            },
            "having" => {
                self.having.push(value);
                Ok(())
            }
            _ => {
                self.conditions.push((name.to_owned(), value));
                Ok(())
            }
        }
    }

    pub(super) fn search(&self, columns: &[Column]) -> Result<Option<Search>> {
        self.words.as_deref().map(|words| Search::parse(words, columns)).transpose()
    }

    pub(super) fn having(&self, results: &[Column]) -> Result<Vec<Condition>> {
        self.having.iter().map(|text| Condition::of_groups("having", text, results)).collect()
    }

    pub(super) fn filter(&self, columns: &[Column]) -> Result<Vec<Condition>> {
        let conditions = self.conditions.iter().map(|(name, value)| condition(name, value, columns));
        let search = self.search(columns)?.map(|search| Ok(Condition::Words(search)));
        conditions.chain(search).collect()
    }
}

pub(super) fn condition(name: &str, value: &str, columns: &[Column]) -> Result<Condition> {
    match TREES.contains(&name) {
        true => Condition::of_tree(name, value, columns),
        false => Condition::of_parameter(name, value, columns),
    }
}

fn once(name: &str, place: &mut Option<String>, value: String) -> Result<()> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(twice(name)),
    }
}

fn twice(name: &str) -> Error {
    Error::invalid(name, "it stands in the URL twice.")
}
