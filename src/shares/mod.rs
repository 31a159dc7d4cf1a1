//! Links that people keep: `/s/{token}`. A share binds to the id of a dataset or document, so a rename keeps it and a recreated name is a new thing; that of a folder
//! binds to a prefix of keys.
//!
//! **Invariant.** The token is derived from the share's id and generation by our keys, so it is nowhere in the database; every hit checks the share and
//! is committed to its log before anything is given.
//! **Invariant.** A download that is counted has its place before its first byte, and is confirmed before its last.
//! **Invariant.** A holder sees no more than the share's maker does at that moment.
//!
//! `store/` stands beside the catalogue, for `?share=` on any upload; `http/` stands above the three slices.

pub mod http;
mod link;
mod password;
mod share;
mod store;

pub use link::{ADMITTED_SECONDS, admission, is_admitted, may_be_token, open_token, without_token};
pub use password::Passwords;
pub use share::{Allow, Changes, Expiry, NewShare, Pin, Query, Right, Said, Share, Target, Terms};
pub use store::{Arrival, Entry, Hit, Known, Link, Listed, Place, PlaceAsked, Room, Shares};

use time::OffsetDateTime;
use uuid::Uuid;

/// No id of that moment or later is smaller: ids sort by time.
pub fn first_id(at: OffsetDateTime) -> Uuid {
    let millis = u128::try_from(at.unix_timestamp_nanos() / 1_000_000).unwrap_or_default();
    Uuid::from_u128(millis << 80)
}
