//! Signatures of our own: share tokens and cursors, by HMAC-SHA-256 cut to 128 bits.

use crate::config::Secret;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

const SIGNATURE_BYTES: usize = 16;

/// The keys, newest first: the first signs, all of them verify.
#[derive(Debug, Clone)]
pub struct SecretKeys(Vec<Secret>);

impl SecretKeys {
    pub fn new(keys: Vec<Secret>) -> Self {
        Self(keys)
    }

    /// What tells whether two installations have the same keys, and nothing of the keys.
    pub fn fingerprints(&self) -> Vec<String> {
        self.0.iter().map(|key| hex::encode(signature(key, "fingerprint", b""))).collect()
    }

    /// `value` and its signature in URL-safe base64. `purpose` keeps a cursor from passing for a share.
    pub fn seal(&self, purpose: &str, value: &[u8]) -> String {
        let mut sealed = value.to_vec();
        if let Some(key) = self.0.first() {
            sealed.extend(signature(key, purpose, value));
        }
        BASE64_URL_SAFE_NO_PAD.encode(sealed)
    }

    /// The value that `seal` was given, if one of our keys sealed it for this purpose; compared in constant time.
    pub fn open(&self, purpose: &str, sealed: &str) -> Option<Vec<u8>> {
        let mut value = BASE64_URL_SAFE_NO_PAD.decode(sealed).ok()?;
        let given = value.split_off(value.len().checked_sub(SIGNATURE_BYTES)?);
        self.0.iter().any(|key| bool::from(signature(key, purpose, &value).ct_eq(&given))).then_some(value)
    }
}

fn signature(key: &Secret, purpose: &str, value: &[u8]) -> [u8; SIGNATURE_BYTES] {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key.expose().as_bytes()) else {
        unreachable!("HMAC takes keys of any length")
    };
    mac.update(purpose.as_bytes());
    mac.update(&[0]);
    mac.update(value);
    let mut short = [0; SIGNATURE_BYTES];
    short.copy_from_slice(&mac.finalize().into_bytes()[..SIGNATURE_BYTES]);
    short
}
