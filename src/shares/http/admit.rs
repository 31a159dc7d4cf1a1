//! Who may go on: those who know the password, if there is one, and those for whom a download is left.

use super::visit::Visit;
use crate::{
    app::App,
    config::{LogClients, Secret},
    error::{Error, Result},
    http::Client,
    shares::{ADMITTED_SECONDS, Place, PlaceAsked, admission, is_admitted},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_RANGE, COOKIE, ETAG, SET_COOKIE},
};
use sha2::{Digest, Sha256};
use std::{ops::Range, sync::Arc};
use uuid::Uuid;

/// Of who has given the password.
const ADMITTED: &str = "larder-admitted";
/// Of a browser whose downloads are counted.
const HOLDER: &str = "larder-holder";
const HOLDER_SECONDS: i64 = 24 * 3600;

impl Visit<'_> {
    /// # Errors
    /// `PasswordNeeded`
    pub async fn admit(&self) -> Result<()> {
        let Some(phc) = &self.share.terms.password else { return Ok(()) };
        if cookie(self.headers, ADMITTED).is_some_and(|value| is_admitted(&self.app.keys, &self.share, phc, value)) {
            return Ok(());
        }
        let given = basic_password(self.headers).ok_or(Error::PasswordNeeded)?;
        self.try_password(given, phc).await
    }

    /// The cookie of a browser that has given the right password in a form.
    pub async fn admit_browser(&self, given: Secret) -> Result<HeaderValue> {
        let Some(phc) = &self.share.terms.password else { return Err(Error::NotShared { action: "a password" }) };
        self.try_password(given, phc).await?;
        self.cookie(ADMITTED, &admission(&self.app.keys, &self.share, phc), ADMITTED_SECONDS)
    }

    /// # Errors
    /// `PasswordNeeded`; `TooManyAttempts` after wrong ones, whether or not this one is right.
    async fn try_password(&self, given: Secret, phc: &Secret) -> Result<()> {
        let (guards, address) = (&self.app.guards, self.client.address);
        guards.may_try(self.share.id, address)?;
        let right = self.app.passwords.verify(given, phc.clone()).await?;
        guards.may_try(self.share.id, address)?;
        guards.tried(self.share.id, address, right);
        if right { Ok(()) } else { Err(Error::PasswordNeeded) }
    }

    /// A place for the answer among those that are counted, and the cookie by which a browser is known when it comes for the rest.
    pub async fn take_place(&self, answer: &HeaderMap) -> Result<(Place, Option<(HeaderName, HeaderValue)>)> {
        let known = cookie(self.headers, HOLDER).filter(|known| known.len() <= 64);
        let made = Uuid::new_v4().simple().to_string();
        let agent = self.client.agent.as_deref().unwrap_or_default();
        let etag = answer.get(ETAG).and_then(|etag| etag.to_str().ok()).unwrap_or_default();
        let (size, range) = extent(answer);
        let asked = PlaceAsked {
            share: self.share.id,
            cookie: Sha256::digest(known.unwrap_or(&made)).to_vec(),
            knows_cookie: known.is_some(),
            origin: Sha256::digest(format!("{} {agent}", self.client.address)).to_vec(),
            // Two files of a folder can have the same version's number, but never this.
            etag: format!("{} {etag}", self.path.filter(|_| self.dataset.is_none()).unwrap_or_default()),
            size,
            partial: answer.contains_key(CONTENT_RANGE),
            range,
        };
        let place = self.app.shares.take_place(&asked, self.app.config.times.lease()).await?;
        let cookie = match known {
            Some(_) => None,
            None => Some((SET_COOKIE, self.cookie(HOLDER, &made, HOLDER_SECONDS)?)),
        };
        Ok((place, cookie))
    }

    /// For this link alone, and for no script.
    fn cookie(&self, name: &str, value: &str, seconds: i64) -> Result<HeaderValue> {
        let secure = if self.app.is_https() { "; Secure" } else { "" };
        let cookie =
            format!("{name}={value}; Path=/s/{}; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}", self.token);
        HeaderValue::from_str(&cookie).map_err(Error::internal)
    }
}

impl App {
    /// What the log of a link says of where its holder is.
    pub fn logged_address(&self, client: &Client) -> Option<Arc<str>> {
        match self.config.sharing.share_log_clients {
            LogClients::Network => Some(client.network.clone()),
            LogClients::Address => Some(client.address.to_string().into()),
            LogClients::Nothing => None,
        }
    }
}

/// How large the whole is, and which part of it the answer holds. Where nobody knows, the whole counts as one byte.
fn extent(headers: &HeaderMap) -> (i64, Range<i64>) {
    let number = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok()?.parse::<i64>().ok());
    let part = headers.get(CONTENT_RANGE).and_then(|range| {
        let (range, size) = range.to_str().ok()?.strip_prefix("bytes ")?.split_once('/')?;
        let (first, last) = range.split_once('-')?;
        Some((size.parse().ok()?, first.parse().ok()?..last.parse::<i64>().ok()?.checked_add(1)?))
    });
    let whole = || match (headers.contains_key(CONTENT_RANGE), number(CONTENT_LENGTH)) {
        (false, Some(length)) if length > 0 => (length, 0..length),
        _ => (1, 0..1),
    };
    part.unwrap_or_else(whole)
}

fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let all = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(';'));
    all.filter_map(|one| one.trim().split_once('=')).find_map(|(given, value)| (given == name).then_some(value))
}

fn basic_password(headers: &HeaderMap) -> Option<Secret> {
    let (scheme, value) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let pair = BASE64_STANDARD.decode(value.trim()).ok().filter(|_| scheme.eq_ignore_ascii_case("basic"))?;
    String::from_utf8(pair).ok()?.split_once(':').map(|(_, password)| Secret::new(password))
}
