//! Measures scheduling delay: a late timer means that tasks wait for a processor. A timer of an
//! idle process is at most a millisecond late.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{ConcurrencyLimiter, is_active};

/// Interval between two measurements.
const INTERVAL: Duration = Duration::from_millis(50);
/// Delay of a timer above which the processors are overloaded.
const OVERLOAD_DELAY: Duration = Duration::from_millis(2);

/// The smallest share, in permits: one that rests fifteen times as long as it is used.
const MIN_SHARE: f64 = 1.0 / 16.0;
/// The factor by which the share grows after a timer that is not late: from the smallest share to
/// all permits in four seconds.
const SHARE_GROWTH: f64 = 1.1;
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

    /// Adapts the share to a measurement. It rises much more slowly than it falls, because a flood
    /// makes only some of the timers late.
    fn adapt(&mut self, is_late: bool) {
        self.permits =
            if is_late { (self.permits / 2.0).max(MIN_SHARE) } else { (self.permits * SHARE_GROWTH).min(self.all) };
    }

    fn reset(&mut self) {
        self.permits = self.all;
    }
}

/// Starts a task that measures, and adapts the share of heavy networks, until none is active.
pub(super) fn start(limiter: &ConcurrencyLimiter) {
    let state = Arc::downgrade(&limiter.0);
    tokio::spawn(async move {
        loop {
            let due = Instant::now() + INTERVAL;
            tokio::time::sleep_until(due.into()).await;
            let is_late = due.elapsed() > OVERLOAD_DELAY;
            let Some(limiter) = state.upgrade().map(ConcurrencyLimiter) else { return };
            let is_over = {
                let mut state = limiter.state();
                let is_over = !is_active(state.last_heavy, Instant::now());
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
        let mut measurements = 0;
        while share != HeavyShare::all(64) {
            let before = share.permits();
            share.adapt(false);
            assert!(share.permits() >= before);
            measurements += 1;
        }
        // Four seconds.
        assert!(measurements * INTERVAL < Duration::from_secs(4), "{measurements}");
        assert!(measurements * INTERVAL > Duration::from_secs(3), "{measurements}");
        share.adapt(false);
        assert_eq!(share, HeavyShare::all(64));
    }
}
