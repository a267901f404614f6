//! Counts the requests of this process over the last ten seconds, for the monitor.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hdrhistogram::Histogram;
use souk_contract::instance;
use tokio::time::Instant;

/// Whole seconds that the figures cover, besides the current one.
const WINDOW: u64 = 10;
/// Longer times count as this one. No route takes longer, except an import.
const LONGEST: Duration = Duration::from_mins(1);
/// Significant digits of the times: a figure is off by one hundredth at most.
const DIGITS: u8 = 2;

/// The requests of a process.
pub(crate) struct Traffic {
    started: Instant,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    in_flight: u32,
    /// The seconds that had responses, oldest first.
    seconds: VecDeque<Second>,
}

struct Second {
    /// Seconds since the start.
    number: u64,
    errors: u64,
    /// Times of the responses, in microseconds.
    times: Histogram<u32>,
}

impl Default for Traffic {
    fn default() -> Self {
        Self { started: Instant::now(), inner: Mutex::default() }
    }
}

impl Traffic {
    /// Counts a request that begins.
    pub(crate) fn begin(&self) {
        self.lock().in_flight += 1;
    }

    /// Counts the response to a request that was counted at its beginning.
    pub(crate) fn end(&self, time: Duration, status: u16) {
        let number = self.started.elapsed().as_secs();
        let mut inner = self.lock();
        inner.in_flight = inner.in_flight.saturating_sub(1);
        inner.forget_before(number);
        if inner.seconds.back().is_none_or(|second| second.number != number)
            && let Some(second) = Second::new(number)
        {
            inner.seconds.push_back(second);
        }
        if let Some(second) = inner.seconds.back_mut() {
            second.times.saturating_record(u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
            second.errors += u64::from(status >= 500);
        }
    }

    /// Uncounts a request that does not count, such as a health check.
    pub(crate) fn ignore(&self) {
        let mut inner = self.lock();
        inner.in_flight = inner.in_flight.saturating_sub(1);
    }

    /// Returns the figures of the last ten whole seconds, or of all of them since the start.
    pub(crate) fn figures(&self) -> instance::Traffic {
        let elapsed = self.started.elapsed();
        let now = elapsed.as_secs();
        let mut inner = self.lock();
        inner.forget_before(now);
        let (mut errors, mut times) = (0, None::<Histogram<u32>>);
        for second in inner.seconds.iter().filter(|second| second.number < now) {
            errors += second.errors;
            match &mut times {
                // Histograms of the same bounds can always be added.
                Some(all) => all.add(&second.times).unwrap_or_default(),
                None => times = Some(second.times.clone()),
            }
        }
        let seconds = now.clamp(1, WINDOW);
        #[expect(clippy::cast_precision_loss, reason = "counts of ten seconds are far below 2^52")]
        let per_second = |count: u64| count as f64 / seconds as f64;
        #[expect(clippy::cast_precision_loss, reason = "at most one minute")]
        let p99 = |times: &Histogram<u32>| times.value_at_quantile(0.99) as f64 / 1_000.0;
        instance::Traffic {
            requests_per_second: per_second(times.as_ref().map_or(0, Histogram::len)),
            errors_per_second: per_second(errors),
            p99_ms: times.as_ref().map(p99),
            in_flight: inner.in_flight,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Drops the seconds that are older than the window.
    fn forget_before(&mut self, now: u64) {
        while self.seconds.front().is_some_and(|second| second.number + WINDOW < now) {
            self.seconds.pop_front();
        }
    }
}

impl Second {
    /// Returns an empty second. `None` never: the bounds are valid.
    fn new(number: u64) -> Option<Self> {
        let longest = u64::try_from(LONGEST.as_micros()).ok()?;
        let times = Histogram::new_with_bounds(1, longest, DIGITS).ok()?;
        Some(Self { number, errors: 0, times })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn figures_are_those_of_the_last_ten_seconds() {
        let traffic = Traffic::default();
        for time in 1..=100 {
            traffic.begin();
            traffic.end(Duration::from_millis(time), if time <= 20 { 503 } else { 200 });
        }
        traffic.begin();
        tokio::time::advance(Duration::from_secs(2)).await;
        let figures = traffic.figures();
        assert_eq!((figures.requests_per_second, figures.errors_per_second, figures.in_flight), (50.0, 10.0, 1));
        assert!((98.0..=101.0).contains(&figures.p99_ms.unwrap()), "{figures:?}");

        tokio::time::advance(Duration::from_secs(8)).await;
        let figures = traffic.figures();
        assert_eq!((figures.requests_per_second, figures.in_flight), (10.0, 1));
        tokio::time::advance(Duration::from_secs(1)).await;
        traffic.ignore();
        assert_eq!(traffic.figures(), instance::Traffic::default());
    }
}
