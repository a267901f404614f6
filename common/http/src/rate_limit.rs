//! A rate limit by key, such as an account or an address. Each process counts for itself, so a
//! fleet allows the rate once for each instance.

use std::hash::Hash;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota};

/// Number of checks between two removals of keys that have their whole burst again. Bounds the
/// memory.
const CHECKS_PER_CLEANUP: usize = 1_024;

/// A rate per minute, which is also the burst: all uses may come at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PerMinute(NonZeroU32);

impl PerMinute {
    /// Returns the rate; at least one a minute.
    #[must_use]
    pub const fn new(times: u32) -> Self {
        match NonZeroU32::new(times) {
            Some(times) => Self(times),
            None => Self(NonZeroU32::MIN),
        }
    }
}

impl FromStr for PerMinute {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self).map_err(|_| "must be a number of times a minute, 1 or more")
    }
}

/// Limits the rate of each key (GCRA: after a burst, one use is allowed each minute divided by the
/// rate).
pub struct RateLimiter<K: Hash + Eq + Clone> {
    limiter: DefaultKeyedRateLimiter<K>,
    clock: DefaultClock,
    checks: AtomicUsize,
}

impl<K: Hash + Eq + Clone> RateLimiter<K> {
    /// Returns a limiter with this rate for each key.
    #[must_use]
    pub fn new(rate: PerMinute) -> Self {
        let limiter = DefaultKeyedRateLimiter::keyed(Quota::per_minute(rate.0));
        Self { limiter, clock: DefaultClock::default(), checks: AtomicUsize::new(0) }
    }

    /// Counts one use by the key. Error: the time until the key may try again.
    pub fn check(&self, key: &K) -> Result<(), Duration> {
        if self.checks.fetch_add(1, Ordering::Relaxed) % CHECKS_PER_CLEANUP == CHECKS_PER_CLEANUP - 1 {
            self.limiter.retain_recent();
        }
        self.limiter.check_key(key).map_err(|refused| refused.wait_time_from(self.clock.now()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_over_its_rate_waits_and_others_do_not() {
        let limiter = RateLimiter::new(PerMinute::new(3));
        for _ in 0..3 {
            assert_eq!(limiter.check(&"ana"), Ok(()));
        }
        let wait = limiter.check(&"ana").unwrap_err();
        assert!(wait > Duration::from_secs(18) && wait <= Duration::from_secs(20), "{wait:?}");
        assert_eq!(limiter.check(&"ben"), Ok(()));
    }

    #[test]
    fn idle_keys_are_forgotten() {
        let limiter = RateLimiter::new(PerMinute::new(u32::MAX));
        for key in 0..10 * CHECKS_PER_CLEANUP {
            assert_eq!(limiter.check(&key), Ok(()));
        }
        assert!(limiter.limiter.len() <= CHECKS_PER_CLEANUP, "{} keys", limiter.limiter.len());
    }

    #[test]
    fn a_rate_is_a_positive_number() {
        assert_eq!("10".parse(), Ok(PerMinute::new(10)));
        for bad in ["0", "-1", "ten", "1.5", ""] {
            assert!(bad.parse::<PerMinute>().is_err(), "{bad}");
        }
    }
}
