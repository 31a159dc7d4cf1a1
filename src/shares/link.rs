//! What is derived from a share and our keys: the token of its link, and the cookie of who knows its password.

use super::Share;
use crate::{app::App, auth::SecretKeys, config::Secret};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use uuid::Uuid;

const LINK: &str = "share";
const ADMITTED: &str = "share admitted";
/// Of an id, a generation and a signature in base64.
const TOKEN_CHARS: usize = (16 + 4 + 16) / 3 * 4;
/// How long a password that was given holds in a browser.
pub const ADMITTED_SECONDS: i64 = 4 * 3600;

/// Share and generation.
pub fn open_token(keys: &SecretKeys, token: &str) -> Option<(Uuid, i32)> {
    let value = keys.open(LINK, token)?;
    let (id, generation) = value.split_at_checked(16)?;
    Some((Uuid::from_slice(id).ok()?, i32::from_be_bytes(generation.try_into().ok()?)))
}

/// Whether a text may be the token of a link, of ours or of nobody's.
pub fn may_be_token(text: &str) -> bool {
    text.len() == TOKEN_CHARS && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

/// A segment of a path, without its token, if it may be one.
pub fn without_token(segment: &str) -> &str {
    if may_be_token(segment) { "{token}" } else { segment }
}

pub fn token(keys: &SecretKeys, share: &Share) -> String {
    keys.seal(LINK, &name(share))
}

/// Says that its holder has given the share's password, until a moment; void when the password or the link becomes another.
pub fn admission(keys: &SecretKeys, share: &Share, phc: &Secret) -> String {
    let until = OffsetDateTime::now_utc().unix_timestamp().saturating_add(ADMITTED_SECONDS);
    let mut value = until.to_be_bytes().to_vec();
    value.extend(of_password(share, phc));
    keys.seal(ADMITTED, &value)
}

pub fn is_admitted(keys: &SecretKeys, share: &Share, phc: &Secret, admission: &str) -> bool {
    let opened = keys.open(ADMITTED, admission);
    opened.as_deref().and_then(<[u8]>::split_first_chunk).is_some_and(|(until, rest)| {
        i64::from_be_bytes(*until) > OffsetDateTime::now_utc().unix_timestamp() && rest == of_password(share, phc)
    })
}

fn of_password(share: &Share, phc: &Secret) -> Vec<u8> {
    let mut value = name(share);
    value.extend(&Sha256::digest(phc.expose())[..8]);
    value
}

fn name(share: &Share) -> Vec<u8> {
    let mut name = share.id.as_bytes().to_vec();
    name.extend(share.generation.to_be_bytes());
    name
}

impl App {
    /// The link of a share: re-derived whenever it is shown.
    pub fn share_url(&self, share: &Share) -> String {
        format!("{}/s/{}", self.public_url, token(&self.keys, share))
    }
}
