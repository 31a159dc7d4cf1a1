//! Names of columns: as the file has them, but never empty and never twice.

use std::collections::HashSet;

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
