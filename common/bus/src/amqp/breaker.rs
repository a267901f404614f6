//! The circuit breaker: when a service answers nothing, its callers are told at once instead of each waiting for a time-out.
//! A pure state machine, one for each called service; it knows neither tasks nor the clock.

use std::time::Duration;

use tokio::time::Instant;

/// So many calls in a row without an answer open it: one slow call must not, and a dead service is known after one wave.
const FAILURES: u32 = 3;
/// It stays open for so long before one call is let through as a probe: a service that came back is used within a second.
pub(super) const OPEN_FOR: Duration = Duration::from_secs(1);

#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    Closed { failures: u32 },
    Open { until: Instant },
    Probing,
}

#[derive(Debug)]
pub(super) struct Breaker(State);

/// How a call that was let through ended, as far as the breaker is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// An answer came, whatever it says.
    Answered,
    /// None came in time.
    TimedOut,
    /// It says nothing about the service: the caller went away, or the message never reached it.
    Unknown,
}

impl Default for Breaker {
    fn default() -> Self {
        Self(State::Closed { failures: 0 })
    }
}

impl Breaker {
    /// Whether a call may go out now. When it may, [`Breaker::ended`] must be told how it ended.
    pub(super) fn admits(&mut self, now: Instant) -> bool {
        match self.0 {
            State::Closed { .. } => true,
            State::Open { until } if now >= until => {
                self.0 = State::Probing;
                true
            }
            State::Open { .. } | State::Probing => false,
        }
    }

    /// Returns whether this opened it.
    pub(super) fn ended(&mut self, outcome: Outcome, now: Instant) -> bool {
        let before = self.0;
        self.0 = match (before, outcome) {
            // Also an answer to a call from before it opened: the service is there.
            (_, Outcome::Answered) => State::Closed { failures: 0 },
            (State::Closed { failures }, Outcome::TimedOut) if failures + 1 < FAILURES => {
                State::Closed { failures: failures + 1 }
            }
            (State::Closed { .. } | State::Probing, Outcome::TimedOut) => State::Open { until: now + OPEN_FOR },
            // The probe found nothing out: the next call is one.
            (State::Probing, Outcome::Unknown) => State::Open { until: now },
            (unchanged, Outcome::TimedOut | Outcome::Unknown) => unchanged,
        };
        matches!((before, self.0), (State::Closed { .. }, State::Open { .. }))
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

    use Outcome::{Answered, TimedOut, Unknown};
    use Step::{Admitted, Ends, Refused, Waits};

    #[test]
    fn it_opens_probes_and_closes() {
        let a_moment = Duration::from_millis(1);
        let nearly = OPEN_FOR.saturating_sub(a_moment);
        let opened = [Ends(TimedOut); FAILURES as usize];
        let cases: &[(&str, &[&[Step]])] = &[
            ("closed at first", &[&[Admitted, Admitted]]),
            ("a few time-outs are bad luck", &[&opened[1..], &[Admitted]]),
            (
                "an answer between them counts from the start",
                &[&opened[1..], &[Ends(Answered)], &opened[1..], &[Admitted]],
            ),
            ("calls that found nothing out do not count", &[&opened[1..], &[Ends(Unknown), Admitted]]),
            ("many in a row open it", &[&opened, &[Refused]]),
            ("it stays open for a while", &[&opened, &[Waits(nearly), Refused]]),
            ("then one call may try", &[&opened, &[Waits(OPEN_FOR), Admitted, Refused]]),
            ("an answer closes it", &[&opened, &[Waits(OPEN_FOR), Admitted, Ends(Answered), Admitted, Admitted]]),
            ("so does a late one", &[&opened, &[Ends(Answered), Admitted, Admitted]]),
            (
                "a probe without an answer opens it again",
                &[&opened, &[Waits(OPEN_FOR), Admitted, Ends(TimedOut), Refused]],
            ),
            ("for as long", &[&opened, &[Waits(OPEN_FOR), Admitted, Ends(TimedOut), Waits(OPEN_FOR), Admitted]]),
            (
                "a probe that went away leaves it to the next",
                &[&opened, &[Waits(OPEN_FOR), Admitted, Ends(Unknown), Admitted, Refused]],
            ),
            (
                "late time-outs do not keep it open",
                &[&opened, &[Waits(nearly), Ends(TimedOut), Waits(a_moment), Admitted]],
            ),
        ];
        for (what, steps) in cases {
            let (mut breaker, mut now) = (Breaker::default(), Instant::now());
            for step in steps.iter().copied().flatten() {
                match step {
                    Admitted => assert!(breaker.admits(now), "{what}: {step:?}"),
                    Refused => assert!(!breaker.admits(now), "{what}: {step:?}"),
                    Ends(outcome) => {
                        breaker.ended(*outcome, now);
                    }
                    Waits(time) => now += *time,
                }
            }
        }
    }
}
