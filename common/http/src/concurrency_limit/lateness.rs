//! How late timers are shows whether requests wait for a processor. A timer of an idle process is
//! at most a millisecond late.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{ConcurrencyLimiter, is_present};

/// Interval between two measurements.
const INTERVAL: Duration = Duration::from_millis(50);
/// A timer that is later than this has waited for a processor.
const LATE: Duration = Duration::from_millis(2);

/// The permits never fall below this: with one, a busy address of many customers is refused.
const FEWEST: usize = 4;

/// Starts a task that measures, and adapts the permits of networks that have used much, until none
/// of them is present.
pub(super) fn start(limiter: &ConcurrencyLimiter) {
    let state = Arc::downgrade(&limiter.0);
    tokio::spawn(async move {
        loop {
            let due = Instant::now() + INTERVAL;
            tokio::time::sleep_until(due.into()).await;
            let is_late = due.elapsed() > LATE;
            let Some(limiter) = state.upgrade().map(ConcurrencyLimiter) else { return };
            let is_over = {
                let mut state = limiter.state();
                let is_over = !is_present(state.last_heavy, Instant::now());
                state.max_heavy =
                    if is_over { state.permits } else { adapted(state.max_heavy, state.permits, is_late) };
                state.is_measuring = !is_over;
                is_over
            };
            limiter.serve_waiting();
            if is_over {
                return;
            }
        }
    });
}

/// Returns the number of permits after a measurement: it falls by halves and rises by one.
fn adapted(permits: usize, all: usize, is_late: bool) -> usize {
    if is_late { (permits / 2).max(FEWEST.min(all)) } else { (permits + 1).min(all) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permits_fall_while_timers_are_late_and_rise_afterwards() {
        let mut permits = 64;
        for expected in [32, 16, 8, 4, 4] {
            permits = adapted(permits, 64, true);
            assert_eq!(permits, expected);
        }
        for expected in 5..=64 {
            permits = adapted(permits, 64, false);
            assert_eq!(permits, expected);
        }
        assert_eq!(adapted(64, 64, false), 64);
    }
}
