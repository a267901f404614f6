//! The circuit breaker of one called service: when the service stops replying, its callers fail at
//! once instead of waiting for a timeout. [`Breaker`] is a pure state machine.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;

use crate::lock;

/// Timeouts in a row that open the breaker. One slow call does not.
const MAX_TIMEOUTS: u32 = 3;
/// Time for which the breaker stays open before one call probes the service again.
const OPEN_FOR: Duration = Duration::from_secs(1);

pub(super) struct RpcTarget {
    pub(super) service: &'static str,
    /// The service, as the queue of calls that wait to be sent names it.
    pub(super) destination: Arc<str>,
    breaker: Mutex<Breaker>,
}

impl RpcTarget {
    pub(super) fn new(service: &'static str) -> Arc<Self> {
        Arc::new(Self { service, destination: service.into(), breaker: Mutex::default() })
    }

    /// Whether calls fail at once, except the one that probes the service.
    pub(super) fn is_unanswered(&self) -> bool {
        !matches!(*lock(&self.breaker), Breaker::Closed { .. })
    }

    pub(super) fn attempt(self: &Arc<Self>) -> Option<Attempt> {
        let is_admitted = lock(&self.breaker).admits(Instant::now());
        is_admitted.then(|| Attempt { target: Arc::clone(self), outcome: Outcome::Unknown })
    }
}

/// A call under way. Its drop reports the outcome to the breaker, also after a cancellation.
pub(super) struct Attempt {
    target: Arc<RpcTarget>,
    pub(super) outcome: Outcome,
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if lock(&self.target.breaker).record(self.outcome, Instant::now()) {
            tracing::warn!(
                service = self.target.service,
                "no replies: the circuit breaker is open and calls fail at once"
            );
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// A reply arrived, even an error.
    Replied,
    TimedOut,
    /// The call gave no information about the service: it was cancelled, or never reached it.
    Unknown,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Breaker {
    Closed { timeouts: u32 },
    Open { until: Instant },
    Probing,
}

impl Default for Breaker {
    fn default() -> Self {
        Self::Closed { timeouts: 0 }
    }
}

impl Breaker {
    /// Whether a call may start now. [`Breaker::record`] must follow.
    fn admits(&mut self, now: Instant) -> bool {
        match *self {
            Self::Closed { .. } => true,
            Self::Open { until } if now >= until => {
                *self = Self::Probing;
                true
            }
            Self::Open { .. } | Self::Probing => false,
        }
    }

    /// Records the outcome of a call; returns whether it opened the breaker.
    fn record(&mut self, outcome: Outcome, now: Instant) -> bool {
        let before = *self;
        *self = match (before, outcome) {
            // A late reply to an earlier call also counts.
            (_, Outcome::Replied) => Self::Closed { timeouts: 0 },
            (Self::Closed { timeouts }, Outcome::TimedOut) if timeouts + 1 < MAX_TIMEOUTS => {
                Self::Closed { timeouts: timeouts + 1 }
            }
            (Self::Closed { .. } | Self::Probing, Outcome::TimedOut) => Self::Open { until: now + OPEN_FOR },
            // The next call is a probe.
            (Self::Probing, Outcome::Unknown) => Self::Open { until: now },
            (unchanged, Outcome::TimedOut | Outcome::Unknown) => unchanged,
        };
        matches!((before, *self), (Self::Closed { .. }, Self::Open { .. }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Clone, Copy)]
    enum Step {
        Admitted,
        Refused,
        Ends(Outcome),
        Waits(Duration),
    }

    use Outcome::{Replied, TimedOut, Unknown};
    use Step::{Admitted, Ends, Refused, Waits};

    #[test]
    fn the_breaker_opens_probes_and_closes() {
        let moment = Duration::from_millis(1);
        let nearly = OPEN_FOR.saturating_sub(moment);
        let opened = [Ends(TimedOut); MAX_TIMEOUTS as usize];
        let cases: &[(&str, &[&[Step]])] = &[
            ("it starts closed", &[&[Admitted, Admitted]]),
            ("fewer timeouts leave it closed", &[&opened[1..], &[Admitted]]),
            ("a reply resets the count", &[&opened[1..], &[Ends(Replied)], &opened[1..], &[Admitted]]),
            ("an unknown outcome does not count", &[&opened[1..], &[Ends(Unknown), Admitted]]),
            ("enough timeouts in a row open it", &[&opened, &[Refused]]),
            ("it stays open for a while", &[&opened, &[Waits(nearly), Refused]]),
            ("then it admits one probe", &[&opened, &[Waits(OPEN_FOR), Admitted, Refused]]),
            ("a reply closes it", &[&opened, &[Waits(OPEN_FOR), Admitted, Ends(Replied), Admitted, Admitted]]),
            ("a late reply closes it", &[&opened, &[Ends(Replied), Admitted, Admitted]]),
            ("a failed probe opens it again", &[&opened, &[Waits(OPEN_FOR), Admitted, Ends(TimedOut), Refused]]),
            (
                "and the next probe waits as long",
                &[&opened, &[Waits(OPEN_FOR), Admitted, Ends(TimedOut), Waits(OPEN_FOR), Admitted]],
            ),
            (
                "after a cancelled probe, the next call probes",
                &[&opened, &[Waits(OPEN_FOR), Admitted, Ends(Unknown), Admitted, Refused]],
            ),
            (
                "a late timeout does not keep it open",
                &[&opened, &[Waits(nearly), Ends(TimedOut), Waits(moment), Admitted]],
            ),
        ];
        for (case, steps) in cases {
            let (mut breaker, mut now) = (Breaker::default(), Instant::now());
            for step in steps.iter().copied().flatten() {
                match step {
                    Admitted => assert!(breaker.admits(now), "{case}: {step:?}"),
                    Refused => assert!(!breaker.admits(now), "{case}: {step:?}"),
                    Ends(outcome) => {
                        breaker.record(*outcome, now);
                    }
                    Waits(time) => now += *time,
                }
            }
        }
    }
}
