//! Token buckets: each holds as many requests as may come in a window, and fills evenly.

use std::{
    hash::{BuildHasher, Hash, RandomState},
    sync::{Mutex, PoisonError},
    time::Instant,
};

const PLACES: usize = 1 << 14;

#[derive(Debug)]
pub struct Buckets {
    /// Nothing is counted if it is 0.
    per_second: u32,
    capacity: f64,
    /// Of this process: nobody can choose whose place to share.
    hasher: RandomState,
    places: Box<[Mutex<Bucket>]>,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    level: f64,
    at: Instant,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    pub allowed: bool,
    /// Whole requests that may come at once.
    pub left: u32,
    pub full_in_seconds: u32,
}

impl Buckets {
    pub fn new(per_second: u32, window_seconds: u32) -> Self {
        let capacity = f64::from(per_second) * f64::from(window_seconds);
        let full = || Mutex::new(Bucket { level: capacity, at: Instant::now() });
        let places = if per_second == 0 { 0 } else { PLACES };
        Self { per_second, capacity, hasher: RandomState::new(), places: (0..places).map(|_| full()).collect() }
    }

    pub fn take(&self, key: &impl Hash) -> Taken {
        self.take_at(key, Instant::now())
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and the capacity")]
    fn take_at(&self, key: &impl Hash, now: Instant) -> Taken {
        let place = usize::try_from(self.hasher.hash_one(key) % PLACES as u64).unwrap_or_default();
        let Some(bucket) = self.places.get(place) else {
            return Taken { allowed: true, left: u32::MAX, full_in_seconds: 0 };
        };
        let mut bucket = bucket.lock().unwrap_or_else(PoisonError::into_inner);
        let filled = now.saturating_duration_since(bucket.at).as_secs_f64() * f64::from(self.per_second);
        bucket.level = (bucket.level + filled).min(self.capacity);
        bucket.at = now;
        let allowed = bucket.level >= 1.0;
        if allowed {
            bucket.level -= 1.0;
        }
        let full_in = (self.capacity - bucket.level) / f64::from(self.per_second);
        Taken { allowed, left: bucket.level as u32, full_in_seconds: full_in.ceil() as u32 }
    }
}

#[cfg(test)]
mod tests {
    use super::{Buckets, Taken};
    use std::time::{Duration, Instant};

    #[test]
    fn a_bucket_gives_what_it_holds_and_then_as_fast_as_it_fills() {
        let (buckets, now) = (Buckets::new(2, 10), Instant::now());
        for left in (0..20).rev() {
            assert_eq!(buckets.take_at(&"a", now).left, left);
        }
        assert_eq!(buckets.take_at(&"a", now), Taken { allowed: false, left: 0, full_in_seconds: 10 });
        let later = now + Duration::from_millis(500);
        assert!(buckets.take_at(&"a", later).allowed);
        assert!(!buckets.take_at(&"a", later).allowed);
        assert_eq!(buckets.take_at(&"a", later + Duration::from_secs(3600)).left, 19, "it holds no more than a window");
    }

    #[test]
    fn without_a_limit_nothing_is_refused_or_kept() {
        let buckets = Buckets::new(0, 10);
        assert!((0..1000).all(|_| buckets.take(&"a").allowed));
        assert!(buckets.places.is_empty());
    }
}
