//! Waits after wrong secrets: some are free, then each doubles the wait.

use std::{
    hash::{BuildHasher, Hash, RandomState},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

const PLACES: usize = 1 << 14;
const WAIT_SECONDS_MAX: u64 = 300;
/// After so long without a wrong one, those before are forgotten.
const MEMORY: Duration = Duration::from_secs(900);

#[derive(Debug)]
pub struct Waits {
    /// Wrong ones that cost no wait.
    free: u32,
    hasher: RandomState,
    places: Box<[Mutex<Option<Wrong>>]>,
}

#[derive(Debug, Clone, Copy)]
struct Wrong {
    count: u32,
    last: Instant,
}

impl Waits {
    pub fn new(free: u32) -> Self {
        Self { free, hasher: RandomState::new(), places: (0..PLACES).map(|_| Mutex::default()).collect() }
    }

    /// Whole seconds before the next one may be tried.
    pub fn left(&self, key: &impl Hash) -> u64 {
        self.left_at(key, Instant::now())
    }

    pub fn tried(&self, key: &impl Hash, right: bool) {
        self.tried_at(key, right, Instant::now());
    }

    fn left_at(&self, key: &impl Hash, now: Instant) -> u64 {
        let Some(wrong) = *self.place(key) else { return 0 };
        let Some(beyond) = wrong.count.checked_sub(self.free) else { return 0 };
        let wait = 1_u64.checked_shl(beyond).unwrap_or(u64::MAX).min(WAIT_SECONDS_MAX);
        let passed = now.saturating_duration_since(wrong.last);
        // A part of a second counts as one.
        Duration::from_secs(wait).saturating_sub(passed).as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX)
    }

    fn tried_at(&self, key: &impl Hash, right: bool, now: Instant) {
        let mut place = self.place(key);
        let before = place.filter(|wrong| now.saturating_duration_since(wrong.last) < MEMORY);
        let count = before.map_or(0, |wrong| wrong.count).saturating_add(1);
        *place = if right { None } else { Some(Wrong { count, last: now }) };
    }

    fn place(&self, key: &impl Hash) -> MutexGuard<'_, Option<Wrong>> {
        let place = usize::try_from(self.hasher.hash_one(key) % PLACES as u64).unwrap_or_default();
        #[expect(clippy::indexing_slicing, reason = "there are as many places")]
        self.places[place].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::Waits;
    use std::time::{Duration, Instant};

    #[test]
    fn each_wrong_one_beyond_those_that_are_free_doubles_the_wait() {
        let (waits, mut now) = (Waits::new(3), Instant::now());
        for _ in 0..2 {
            waits.tried_at(&"a", false, now);
            assert_eq!(waits.left_at(&"a", now), 0);
        }
        for wait in [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300] {
            waits.tried_at(&"a", false, now);
            assert_eq!(waits.left_at(&"a", now), wait);
            assert_eq!(waits.left_at(&"a", now + Duration::from_millis(100)), wait);
            now += Duration::from_secs(wait);
            assert_eq!(waits.left_at(&"a", now), 0);
        }
        waits.tried_at(&"a", true, now);
        waits.tried_at(&"a", false, now);
        assert_eq!(waits.left_at(&"a", now), 0, "a right one clears the account");
    }

    #[test]
    fn wrong_ones_of_long_ago_are_forgotten() {
        let (waits, now) = (Waits::new(1), Instant::now());
        for _ in 0..10 {
            waits.tried_at(&"a", false, now);
        }
        let later = now + Duration::from_secs(1000);
        waits.tried_at(&"a", false, later);
        assert_eq!(waits.left_at(&"a", later), 1);
    }
}
