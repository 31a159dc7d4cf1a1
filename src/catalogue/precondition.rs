//! What must hold of a dataset for a write to it.

use crate::error::{Error, Result};

/// `If-Match` and `If-None-Match`, evaluated under the lock of the dataset's row.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Precondition {
    #[default]
    None,
    /// `If-Match: *`
    Exists,
    /// `If-None-Match: *`
    Absent,
    /// `If-Match: "…"`: one of these.
    Matches(Vec<String>),
}

impl Precondition {
    /// `etag` is that of what exists.
    pub fn check(&self, etag: Option<&str>) -> Result<()> {
        let detail = match (self, etag) {
            (Self::Exists | Self::Matches(_), None) => "there is nothing of this name yet.".to_owned(),
            (Self::Absent, Some(etag)) => format!("there is one of this name already, with the ETag {etag}."),
            (Self::Matches(wanted), Some(etag)) if !wanted.iter().any(|one| is_of_state(one, etag)) => {
                format!("the current ETag is {etag}.")
            }
            _ => return Ok(()),
        };
        Err(Error::PreconditionFailed { detail })
    }
}

/// Whether `one` is `etag`, or that of an answer made from the same state, such as rows: `"etag-hash"`.
fn is_of_state(one: &str, etag: &str) -> bool {
    let rest = one.strip_prefix(etag.trim_end_matches('"'));
    one == etag || rest.is_some_and(|rest| rest.starts_with('-') && rest.ends_with('"'))
}
