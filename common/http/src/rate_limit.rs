//! A rate limit by key, such as an account or an address. [`shared`] makes the instances of a
//! service count together; otherwise each process counts for itself.

pub mod shared;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::marker::PhantomData;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota};

use self::shared::Uses;

/// Number of checks between two removals of keys that have their whole burst again. Bounds the
/// memory.
const CHECKS_PER_CLEANUP: usize = 1_024;

/// A rate per minute, with the number of uses that may come at once: as many as in a minute, unless
/// [`PerMinute::with_burst_of_seconds`] says less.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PerMinute {
    times: NonZeroU32,
    burst: NonZeroU32,
}

impl PerMinute {
    /// Returns the rate; at least one a minute.
    #[must_use]
    pub const fn new(times: u32) -> Self {
        let times = at_least_one(times);
        Self { times, burst: times }
    }

    /// Allows only the uses of this many seconds at once.
    #[must_use]
    pub const fn with_burst_of_seconds(self, seconds: u32) -> Self {
        let times = self.times.get();
        // In this order, a rate of less than one a second is not rounded to none.
        let burst = if times < 60 { times * seconds / 60 } else { (times / 60).saturating_mul(seconds) };
        Self { burst: at_least_one(burst), ..self }
    }
}

const fn at_least_one(number: u32) -> NonZeroU32 {
    match NonZeroU32::new(number) {
        Some(number) => number,
        None => NonZeroU32::MIN,
    }
}

impl FromStr for PerMinute {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let times: NonZeroU32 = text.parse().map_err(|_| "must be a number of times a minute, 1 or more")?;
        Ok(Self::new(times.get()))
    }
}

/// Limits the rate of each key (GCRA: after a burst, one use is allowed each minute divided by the
/// rate).
pub struct RateLimiter<K> {
    limiter: Limiter,
    clock: DefaultClock,
    /// Uses for the other instances; `None` when this process counts for itself.
    uses: Option<Uses>,
    keys: PhantomData<fn(&K)>,
}

impl<K: Hash> RateLimiter<K> {
    /// Returns a limiter with this rate for each key, which counts in this process only.
    #[must_use]
    pub fn new(rate: PerMinute) -> Self {
        Self { limiter: Limiter::new(rate), clock: DefaultClock::default(), uses: None, keys: PhantomData }
    }

    /// Counts one use by the key. Error: the time until the key may try again.
    pub fn check(&self, key: &K) -> Result<(), Duration> {
        let key = hash(key);
        self.limiter.check(key).map_err(|refused| refused.wait_time_from(self.clock.now()))?;
        if let Some(uses) = &self.uses {
            uses.count(key);
        }
        Ok(())
    }
}

/// Returns the same number in every instance that runs the same build. A client that finds another
/// key with the same hash only shares its limit.
fn hash(key: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    hasher.finish()
}

/// The state of a [`RateLimiter`], by the hashes of its keys, which have one size. Clones share it.
#[derive(Clone)]
struct Limiter(Arc<LimiterState>);

struct LimiterState {
    by_key: DefaultKeyedRateLimiter<u64>,
    checks: AtomicUsize,
}

type Refused = governor::NotUntil<<DefaultClock as Clock>::Instant>;

impl Limiter {
    fn new(rate: PerMinute) -> Self {
        let by_key = DefaultKeyedRateLimiter::keyed(Quota::per_minute(rate.times).allow_burst(rate.burst));
        Self(Arc::new(LimiterState { by_key, checks: AtomicUsize::new(0) }))
    }

    fn check(&self, key: u64) -> Result<(), Refused> {
        if self.0.checks.fetch_add(1, Ordering::Relaxed) % CHECKS_PER_CLEANUP == CHECKS_PER_CLEANUP - 1 {
            self.0.by_key.retain_recent();
        }
        self.0.by_key.check_key(&key)
    }

    /// Counts the uses of another instance, up to the burst: what two instances allowed at the same
    /// time is not paid back.
    fn count(&self, key: u64, times: u32) {
        for _ in 0..times {
            if self.check(key).is_err() {
                return;
            }
        }
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
        let keys = limiter.limiter.0.by_key.len();
        assert!(keys <= CHECKS_PER_CLEANUP, "{keys} keys");
    }

    #[test]
    fn a_rate_is_a_positive_number() {
        assert_eq!("10".parse(), Ok(PerMinute::new(10)));
        let burst = |times| PerMinute::new(times).with_burst_of_seconds(10).burst.get();
        assert_eq!([burst(1_800), burst(60), burst(59), burst(u32::MAX)], [300, 10, 9, 715_827_880]);
        for bad in ["0", "-1", "ten", "1.5", ""] {
            assert!(bad.parse::<PerMinute>().is_err(), "{bad}");
        }
    }
}
