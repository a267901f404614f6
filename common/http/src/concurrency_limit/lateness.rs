//! How late timers are shows whether requests wait for a processor. A timer of an idle process is
//! at most a millisecond late.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{ConcurrencyLimiter, is_present};

/// Interval between two measurements.
const INTERVAL: Duration = Duration::from_millis(50);
/// A timer that is later than this has waited for a processor.
const LATE: Duration = Duration::from_millis(2);

/// The smallest share: a permit that rests fifteen times as long as it is used.
const LEAST: f64 = 1.0 / 16.0;
/// The longest rest, so that requests that wait 2 s for a permit get one.
const MAX_REST: Duration = Duration::from_millis(500);

/// How much of the permits all heavy networks may use together: a number of permits, or a part of
/// one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct HeavyShare {
    permits: f64,
    /// All permits of the limiter.
    all: f64,
}

impl HeavyShare {
    pub(super) fn all(permits: usize) -> Self {
        Self::of(f64::from(u32::try_from(permits).unwrap_or(u32::MAX)), permits)
    }

    pub(super) fn of(permits: f64, all: usize) -> Self {
        Self { permits, all: f64::from(u32::try_from(all).unwrap_or(u32::MAX)) }
    }

    /// Returns the number of permits that they may use at once.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a number of permits")]
    pub(super) fn permits(self) -> usize {
        self.permits.max(1.0) as usize
    }

    /// Returns how long the only permit rests after a request that took this time.
    pub(super) fn rest_after(self, time: Duration) -> Option<Duration> {
        (self.permits < 1.0).then(|| time.mul_f64(1.0 / self.permits - 1.0).min(MAX_REST))
    }

    /// Adapts the share to a measurement. It falls by halves. It rises by one permit, and below one
    /// it doubles.
    fn adapt(&mut self, is_late: bool) {
        self.permits = match (is_late, self.permits < 1.0) {
            (true, _) => (self.permits / 2.0).max(LEAST),
            (false, true) => self.permits * 2.0,
            (false, false) => (self.permits.floor() + 1.0).min(self.all),
        };
    }

    fn reset(&mut self) {
        self.permits = self.all;
    }
}

/// Starts a task that measures, and adapts the share of heavy networks, until none is present.
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
                if is_over {
                    state.heavy_share.reset();
                } else {
                    state.heavy_share.adapt(is_late);
                }
                state.is_measuring = !is_over;
                is_over
            };
            // Also those that have waited for the end of a rest.
            limiter.serve_waiting();
            if is_over {
                return;
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_falls_while_timers_are_late_and_rises_afterwards() {
        let mut share = HeavyShare::all(64);
        for permits in [32, 16, 8, 4, 2, 1] {
            share.adapt(true);
            assert_eq!((share.permits(), share.rest_after(INTERVAL)), (permits, None));
        }
        let time = Duration::from_millis(10);
        for rests in [1, 3, 7, 15, 15] {
            share.adapt(true);
            assert_eq!((share.permits(), share.rest_after(time)), (1, Some(time * rests)));
        }
        assert_eq!(share.rest_after(Duration::from_secs(1)), Some(MAX_REST));
        for rests in [Some(7), Some(3), Some(1), None] {
            share.adapt(false);
            assert_eq!((share.permits(), share.rest_after(time)), (1, rests.map(|rests| time * rests)));
        }
        for permits in 2..=64 {
            share.adapt(false);
            assert_eq!(share.permits(), permits);
        }
        share.adapt(false);
        assert_eq!(share, HeavyShare::all(64));
    }
}
