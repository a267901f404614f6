//! Retry times, stored in the document that the work is about.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use souk_types::Timestamp;

/// Exponential delays between attempts.
#[derive(Debug, Clone, Copy)]
pub struct Backoff {
    /// Delay after the first failure.
    pub first: Duration,
    /// Ratio of each delay to the previous one.
    pub factor: u32,
    /// Upper bound of a delay.
    pub longest: Duration,
}

impl Backoff {
    /// Returns the delay after a failed attempt that followed `failures` failures in a row.
    #[must_use]
    pub fn delay(&self, failures: u32) -> Duration {
        self.first.saturating_mul(self.factor.saturating_pow(failures)).min(self.longest)
    }
}

/// The next attempt of a piece of work, and how many attempts in a row have failed. Index the path
/// `<field>.due` to find the work with [`crate::Collection::due`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetrySchedule {
    failures: u32,
    due: Option<Timestamp>,
}

impl RetrySchedule {
    /// Returns a schedule with a first attempt at `due`.
    #[must_use]
    pub fn at(due: Timestamp) -> Self {
        Self { failures: 0, due: Some(due) }
    }

    /// Returns the time of the next attempt; `None` when no work is left.
    #[must_use]
    pub fn due(&self) -> Option<Timestamp> {
        self.due
    }

    /// Whether an attempt is due at `now`.
    #[must_use]
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.due.is_some_and(|due| due <= now)
    }

    /// Sets the next attempt and keeps the count of failures.
    pub fn set_due(&mut self, due: Timestamp) {
        self.due = Some(due);
    }

    /// Clears the next attempt: no work is left, or only a client's request continues it.
    pub fn clear_due(&mut self) {
        self.due = None;
    }

    /// Counts a failed attempt at `now` and schedules the next one.
    pub fn back_off(&mut self, now: Timestamp, backoff: &Backoff) {
        self.due = Some(now.after(backoff.delay(self.failures)));
        self.failures = self.failures.saturating_add(1);
    }

    /// Resets the count of failures after progress. The next failure gets the first delay.
    pub fn reset_failures(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKOFF: Backoff = Backoff { first: Duration::from_secs(1), factor: 2, longest: Duration::from_secs(16) };

    #[test]
    fn delays_grow_to_the_longest() {
        let delays: Vec<u64> = (0..7).map(|failures| BACKOFF.delay(failures).as_secs()).collect();
        assert_eq!(delays, [1, 2, 4, 8, 16, 16, 16]);
        assert_eq!(BACKOFF.delay(u32::MAX), BACKOFF.longest);
    }

    #[test]
    fn progress_resets_the_delays() {
        let now = Timestamp::now();
        let mut schedule = RetrySchedule::at(now);
        for _ in 0..3 {
            schedule.back_off(now, &BACKOFF);
        }
        assert_eq!(schedule.due(), Some(now.after(Duration::from_secs(4))));
        assert!(!schedule.is_due(now) && schedule.is_due(now.after(Duration::from_secs(4))));
        schedule.reset_failures();
        schedule.back_off(now, &BACKOFF);
        assert_eq!(schedule.due(), Some(now.after(Duration::from_secs(1))));
        schedule.clear_due();
        assert!(!schedule.is_due(now.after(BACKOFF.longest)));
    }
}
