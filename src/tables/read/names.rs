//! Names of columns: as the file has them, but never empty and never twice.

use std::collections::HashSet;

use crate::error::{Error, Result};

/// The header's names made unique: of several `name`, the first keeps it and the next is `name_2`; an empty third one is `column_3`. A name that stands in the
/// header is never given to another column.
pub(super) fn of_header(header: Vec<String>) -> Vec<String> {
    let stated: HashSet<String> = header.iter().cloned().collect();
    let mut used = HashSet::with_capacity(header.len());
    let mut names = Vec::with_capacity(header.len());
    for (index, name) in header.into_iter().enumerate() {
        let name = if !name.is_empty() && !used.contains(&name) {
            name
        } else {
            invent(&name, index, |name| stated.contains(name) || used.contains(name))
        };
        used.insert(name.clone());
        names.push(name);
    }
    names
}

/// The name of the column at `index` that the file calls `name`, unless that is empty or taken.
pub(super) fn invent(name: &str, index: usize, taken: impl Fn(&str) -> bool) -> String {
    let stem = if name.is_empty() { format!("column_{}", index + 1) } else { name.to_owned() };
    if !taken(&stem) {
        return stem;
    }
    let mut suffix = 2_u64;
    loop {
        let name = format!("{stem}_{suffix}");
        if !taken(&name) {
            return name;
        }
        suffix += 1;
    }
}

/// The names of the columns as the caller wants them, kept up with those that a reader finds.
pub(super) struct Names<'a> {
    renames: &'a [(String, String)],
    names: Vec<String>,
}

impl<'a> Names<'a> {
    /// `renames`: of the file's names, what they are to be.
    pub fn new(renames: &'a [(String, String)]) -> Self {
        Self { renames, names: Vec::new() }
    }

    /// Takes in the names found so far.
    ///
    /// # Errors
    /// `Invalid` if two columns would have one name.
    pub fn update(&mut self, found: &[String]) -> Result<&[String]> {
        for name in &found[self.names.len().min(found.len())..] {
            let renamed = self.renames.iter().find(|(from, _)| from == name).map_or(name, |(_, to)| to);
            if renamed.is_empty() || (!self.renames.is_empty() && self.names.contains(renamed)) {
                return Err(Error::invalid(
                    "rename",
                    format!("another column would be called `{renamed}`, or one would have no name."),
                ));
            }
            self.names.push(renamed.clone());
        }
        Ok(&self.names)
    }
}
