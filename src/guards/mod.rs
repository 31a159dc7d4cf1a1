//! What keeps one client from taking what belongs to all: rates, and waits after wrong secrets.
//!
//! **Invariant.** Memory is fixed: each guard has a number of places, and clients that share one are counted together. With thousands of clients that is rare, and
//! what it costs is a wait.
//! **Invariant.** Counts are each replica's own. One in Postgres would cost each request more than what it guards against; `n` replicas permit up to `n` times as much.

mod bucket;
pub mod http;
mod waits;

use self::{
    bucket::{Buckets, Taken},
    waits::Waits,
};
use crate::{
    config::{Guarding, Network},
    error::{Error, Limit, Result},
};
use std::net::IpAddr;
use uuid::Uuid;

const WINDOW_SECONDS: u32 = 10;
const WRONG_WINDOW_SECONDS: u32 = 60;

#[derive(Debug)]
pub struct Guards {
    tokens: Buckets,
    addresses: Buckets,
    wrong_tokens: Buckets,
    passwords: Waits,
    settings: Guarding,
}

impl Guards {
    pub fn new(settings: &Guarding) -> Self {
        Self {
            tokens: Buckets::new(settings.requests_per_second_max, WINDOW_SECONDS),
            addresses: Buckets::new(settings.address_requests_per_second_max, WINDOW_SECONDS),
            wrong_tokens: Buckets::new(settings.wrong_tokens_per_second_max, WRONG_WINDOW_SECONDS),
            passwords: Waits::new(settings.wrong_passwords_max),
            settings: settings.clone(),
        }
    }

    /// Counts a request of an address.
    ///
    /// # Errors
    /// `Limit::AddressRequests`
    pub fn address(&self, address: IpAddr) -> Result<()> {
        let max = self.settings.address_requests_per_second_max;
        match self.addresses.take(&place_of(address)).allowed {
            true => Ok(()),
            false => Err(Limit::AddressRequests.passed(max.into(), None)),
        }
    }

    /// Counts a request of a token; how it stands now, unless there is no limit.
    ///
    /// # Errors
    /// `Limit::TokenRequests`
    pub fn token(&self, token: Uuid) -> (Option<Standing>, Result<()>) {
        let max = self.settings.requests_per_second_max;
        let Taken { allowed, left, full_in_seconds } = self.tokens.take(&token);
        let standing = Standing { quota: max * WINDOW_SECONDS, left, full_in_seconds };
        let allowed = if allowed { Ok(()) } else { Err(Limit::TokenRequests.passed(max.into(), None)) };
        (Some(standing).filter(|_| max > 0), allowed)
    }

    /// Counts a wrong token; what it is answered.
    pub fn wrong_token(&self, address: Option<IpAddr>) -> Error {
        match address.is_none_or(|address| self.wrong_tokens.take(&place_of(address)).allowed) {
            true => Error::Unauthenticated,
            false => Error::TooManyAttempts { seconds: 1 },
        }
    }

    /// Whether a password of a link may be tried from this address. Asked before it is compared, and again before anybody learns how that went, since others may have been
    /// compared at the same time.
    ///
    /// # Errors
    /// `TooManyAttempts`
    pub fn may_try(&self, link: Uuid, address: IpAddr) -> Result<()> {
        match self.passwords.left(&(link, place_of(address))) {
            0 => Ok(()),
            seconds => Err(Error::TooManyAttempts { seconds }),
        }
    }

    /// A password of a link was right, or wrong.
    pub fn tried(&self, link: Uuid, address: IpAddr, right: bool) {
        self.passwords.tried(&(link, place_of(address)), right);
    }
}

/// Whoever has an address of IPv6 has 2^64 of them.
fn place_of(address: IpAddr) -> Network {
    Network::around(address, if address.is_ipv4() { 32 } else { 64 })
}

/// How a client stands against its limit: for the headers `RateLimit-Policy` and `RateLimit`.
#[derive(Debug, Clone, Copy)]
pub struct Standing {
    /// Of a window.
    quota: u32,
    left: u32,
    full_in_seconds: u32,
}
