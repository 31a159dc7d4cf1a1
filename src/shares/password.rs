//! Passwords of links: argon2id, kept as PHC strings.
//!
//! **Invariant.** Hashing takes 19 MiB and some milliseconds of a core by intention, so it runs on a blocking thread, and few of them at once.

use crate::{
    config::Secret,
    error::{Error, Limit, Result},
};
use argon2::{
    Argon2,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use std::{sync::Arc, time::Duration};
use tokio::{sync::Semaphore, task::spawn_blocking, time::timeout};

/// The turns of those who hash.
#[derive(Debug, Clone)]
pub struct Passwords {
    turns: Arc<Semaphore>,
    at_once: u64,
    patience: Duration,
}

impl Passwords {
    pub fn new(at_once: u64, patience: Duration) -> Self {
        Self { turns: Arc::new(Semaphore::new(usize::try_from(at_once).unwrap_or(1))), at_once, patience }
    }

    /// The PHC string of a password.
    ///
    /// # Errors
    /// `Limit::PasswordChecks` if the others take too long.
    pub async fn hash(&self, password: Secret) -> Result<Secret> {
        let hash = move || {
            let hash = Argon2::default().hash_password(password.expose().as_bytes());
            hash.map(|hash| Secret::new(hash.to_string())).map_err(|error| Error::internal(error.to_string()))
        };
        self.in_turn(hash).await?
    }

    /// Whether this is the password; compared in constant time.
    ///
    /// # Errors
    /// As for `hash`.
    pub async fn verify(&self, password: Secret, phc: Secret) -> Result<bool> {
        let verify = move || {
            let hash = PasswordHash::new(phc.expose()).map_err(|error| Error::internal(error.to_string()))?;
            Ok(Argon2::default().verify_password(password.expose().as_bytes(), &hash).is_ok())
        };
        self.in_turn(verify).await?
    }

    async fn in_turn<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        let late = |_| Limit::PasswordChecks.passed(self.at_once, None);
        let turn = timeout(self.patience, self.turns.clone().acquire_owned()).await.map_err(late)?;
        let turn = turn.map_err(Error::internal)?;
        let done = spawn_blocking(move || {
            let done = work();
            // Whoever asked may have gone: the next one's turn begins when the work is done.
            drop(turn);
            done
        });
        done.await.map_err(Error::internal)
    }
}
