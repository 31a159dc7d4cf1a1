//! What a file was read by, though another request may tell something else before the file is published.

use super::{Column, Dataset};
use serde_json::{Value, json};

/// What held of a dataset when a file for it was read; it is published only if that still holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Basis {
    /// The options of its version but for the key, which stands among the indexes.
    told: Value,
    /// If the file was compared with them.
    columns: Option<Vec<Column>>,
}

impl Basis {
    /// `dataset` is what the file is to replace, if there is any.
    pub fn of(dataset: Option<&Dataset>, with_columns: bool) -> Self {
        let version = dataset.and_then(|dataset| dataset.version.as_ref());
        let mut told = version.map_or_else(|| json!({}), |version| version.options.clone());
        told.as_object_mut().and_then(|options| options.remove("key"));
        let columns = with_columns.then(|| version.map(|version| version.columns.clone()).unwrap_or_default());
        Self { told, columns }
    }

    pub(super) fn holds(&self, dataset: Option<&Dataset>) -> bool {
        *self == Self::of(dataset, self.columns.is_some())
    }
}
