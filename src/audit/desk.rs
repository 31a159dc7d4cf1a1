//! What is counted before it is written: reads, and refusals whose answers do not wait for that. One group about each second, as long as there is anything.
//!
//! **Invariant.** Memory is bounded: of more than [`GROUP_MAX`] different ones within a second those beyond are counted in the log alone.

use super::{Audit, Note};
use crate::auth::{Caller, Origin};
use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use time::OffsetDateTime;
use uuid::Uuid;

const GROUP_TIME: Duration = Duration::from_secs(1);
const GROUP_MAX: usize = 10_000;

/// Who reads what, in which form.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Read {
    pub dataset: Uuid,
    pub principal: Uuid,
    pub principal_name: String,
    /// Of zeros: none.
    pub token: Uuid,
    pub how: &'static str,
}

impl Read {
    pub fn of(caller: &Caller, dataset: Uuid, how: &'static str) -> Self {
        let token = caller.origin.token.unwrap_or_default();
        Self { dataset, principal: caller.principal, principal_name: caller.name.clone(), token, how }
    }
}

/// Reads that are alike.
#[derive(Debug, Clone, Copy)]
pub struct Tally {
    pub count: i64,
    pub bytes: i64,
    pub first_at: OffsetDateTime,
    pub last_at: OffsetDateTime,
}

/// Somebody refused at an address of ours: without valid credentials, holding a link alone, or asking for what is hidden from them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Refused {
    pub address: Option<IpAddr>,
    pub token: Option<Uuid>,
    pub share: Option<Uuid>,
    /// That is hidden.
    pub dataset: Option<Uuid>,
    /// Method and matched path: `GET /v1/blobs/{*key}`.
    pub action: String,
    /// The slug of what was answered.
    pub problem: &'static str,
}

/// What is told of refusals that are alike.
#[derive(Debug)]
pub struct First {
    pub caller: Option<Caller>,
    pub origin: Origin,
    pub note: Note,
}

#[derive(Debug, Default)]
pub struct Group {
    pub reads: HashMap<Read, Tally>,
    /// The first of each kind, and how many.
    pub refused: HashMap<Refused, (First, i64)>,
    lost: u64,
}

#[derive(Debug, Clone, Default)]
pub struct Desk {
    group: Arc<Mutex<(Group, bool)>>,
}

impl Desk {
    /// Counts a read whose answer has ended.
    pub fn read(&self, audit: &Audit, read: Read, bytes: u64) {
        let now = OffsetDateTime::now_utc();
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        self.add(audit, |group| {
            let full = group.reads.len() >= GROUP_MAX;
            match group.reads.get_mut(&read) {
                Some(tally) => {
                    tally.count += 1;
                    tally.bytes = tally.bytes.saturating_add(bytes);
                    tally.last_at = now;
                }
                None if full => group.lost += 1,
                None => _ = group.reads.insert(read, Tally { count: 1, bytes, first_at: now, last_at: now }),
            }
        });
    }

    /// Counts a refusal; of those that are alike the first is told of.
    pub fn refused(&self, audit: &Audit, refused: Refused, first: impl FnOnce() -> First) {
        self.add(audit, |group| {
            let full = group.refused.len() >= GROUP_MAX;
            match group.refused.get_mut(&refused) {
                Some((_, count)) => *count += 1,
                None if full => group.lost += 1,
                None => _ = group.refused.insert(refused, (first(), 1)),
            }
        });
    }

    /// The first of a group sets the time at which it is written.
    fn add(&self, audit: &Audit, change: impl FnOnce(&mut Group)) {
        let mut desk = self.group.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut desk.0);
        if !std::mem::replace(&mut desk.1, true) {
            let audit = audit.clone();
            tokio::spawn(async move {
                tokio::time::sleep(GROUP_TIME).await;
                audit.flush().await;
            });
        }
    }

    /// All that there is; the next one begins another group.
    pub fn take(&self) -> Group {
        let mut desk = self.group.lock().unwrap_or_else(PoisonError::into_inner);
        let (group, _) = std::mem::take(&mut *desk);
        if group.lost > 0 {
            tracing::warn!(lost = group.lost, "more kinds of reads and refusals within a second than are told apart");
        }
        group
    }
}
