//! The embedded engines: what answers for AWS when nothing is configured. Each speaks its store's wire protocol on loopback, so that the rest of the
//! service has one code path for each store.
//!
//! **Invariant: nothing outside this module knows that an engine is embedded**; the clients get an endpoint and keys, nothing else.

pub mod s3;

/// Keys of the embedded engines, made at first start and kept 0600 in the data folder.
#[derive(Clone)]
pub struct EngineKeys {
    pub access_key_id: String,
    pub secret_access_key: String,
}

impl std::fmt::Debug for EngineKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EngineKeys").field("access_key_id", &self.access_key_id).finish_non_exhaustive()
    }
}
