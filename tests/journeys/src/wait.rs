//! The one way in which journeys wait: poll a condition until it holds, within a bound.

use std::fmt::Display;
use std::time::{Duration, Instant};

/// Bound of every wait. Only a failing test waits so long; it is also the time in which a restarted
/// shop must have finished or undone the work that a crash interrupted.
pub(crate) const WAIT_TIMEOUT: Duration = Duration::from_mins(2);
pub(crate) const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Polls until `poll` returns `Ok`. Panics after one minute with the last `Err`.
pub async fn wait_for<T, E: Display>(condition: &str, mut poll: impl AsyncFnMut() -> Result<T, E>) -> T {
    let started = Instant::now();
    loop {
        match poll().await {
            Ok(value) => return value,
            Err(last) => {
                assert!(started.elapsed() < WAIT_TIMEOUT, "waited {WAIT_TIMEOUT:?} for {condition}; last seen: {last}");
            }
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

/// Waits until `holds` returns true and returns how long that took.
pub async fn time_until(condition: &str, mut holds: impl AsyncFnMut() -> bool) -> Duration {
    let started = Instant::now();
    wait_for(condition, async || if holds().await { Ok(()) } else { Err("the condition does not hold") }).await;
    started.elapsed()
}
