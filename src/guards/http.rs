//! The counting of requests of addresses, and the headers that tell a token how it stands (draft-ietf-httpapi-ratelimit-headers).

use super::{Standing, WINDOW_SECONDS};
use crate::{
    app::App,
    error::Result,
    http::{Client, Problem},
};
use axum::extract::{FromRequestParts, Request};
use http::{HeaderMap, HeaderName, HeaderValue, request::Parts};

const RATELIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATELIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// The client of a request that needs no token, counted: the first argument of such a handler.
pub struct Counted(pub Client);

impl FromRequestParts<App> for Counted {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let client = Client::from_request_parts(parts, app).await?;
        app.guards.address(client.address)?;
        Ok(Self(client))
    }
}

/// Counts a request of its address.
///
/// # Errors
/// `Limit::AddressRequests`
pub fn count(app: &App, request: &Request) -> Result<()> {
    match request.extensions().get::<Client>() {
        Some(client) => app.guards.address(client.address),
        None => Ok(()),
    }
}

impl Standing {
    /// `RateLimit-Policy: "token";q=10000;w=10` and `RateLimit: "token";r=9999;t=1`.
    pub fn tell(self, headers: &mut HeaderMap) {
        let policy = format!("\"token\";q={};w={WINDOW_SECONDS}", self.quota);
        let standing = format!("\"token\";r={};t={}", self.left, self.full_in_seconds);
        for (name, value) in [(RATELIMIT_POLICY, policy), (RATELIMIT, standing)] {
            headers.extend(HeaderValue::from_str(&value).ok().map(|value| (name, value)));
        }
    }
}
