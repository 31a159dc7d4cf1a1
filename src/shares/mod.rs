//! Links that people keep: `/s/{token}`. A share binds to the id of a dataset or document, so a rename keeps it and a recreated name is a new thing.
//!
//! **Invariant.** The token is derived from the share's id and generation by our keys, so it is nowhere in the database; every hit checks the share and
//! records itself before anything is given.
//!
//! `store` stands beside the catalogue, for `?share=` on any upload; `http` stands above the three slices.

pub mod http;
mod store;

pub use store::{Share, Shares, Target};
