//! Principals: the persons and programs that own datasets and hold tokens.
//!
//! **Invariant.** One admin at least is left that is not disabled: nobody can lock everybody out.

pub mod http;
mod store;

pub use store::{Principal, PrincipalKind};

use serde::Deserialize;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewPrincipal {
    name: String,
    kind: PrincipalKind,
    #[serde(default)]
    admin: bool,
}

/// What is not named stays.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PrincipalChanges {
    name: Option<String>,
    admin: Option<bool>,
    disabled: Option<bool>,
}
