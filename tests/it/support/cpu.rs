//! How much work something is, whatever else the machine does meanwhile.

use std::{fs, time::Duration};

/// Processor time that this thread has taken so far; none where the system does not tell.
fn taken() -> Duration {
    let told = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(told.split(' ').next().and_then(|nanos| nanos.parse().ok()).unwrap_or_default())
}

/// Does it on this thread; its answer, and the processor time that it took.
pub fn measured<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let before = taken();
    let answer = work();
    (answer, taken().saturating_sub(before))
}
