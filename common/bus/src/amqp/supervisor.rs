//! Keeps a connection for as long as the bus lives: makes it, waits for its end, makes the next one, for ever.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use uuid::Uuid;

use super::counters::Counting;
use super::link::{Link, Refusal};
use super::options::{Broker, Place};
use souk_types::Result;

/// After a connection ended, or could not be made, the next attempt waits for so long, ...
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// ... then for twice as long, but no longer than this: a broker that is back is found within 2 s.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// A connection that lasted for so long was a good one; one that ends sooner counts as a failed attempt.
const STEADY: Duration = Duration::from_secs(5);

/// Pauses between attempts: they grow, and half of each is left to chance, so that a fleet does not knock all at once.
#[derive(Debug, Default)]
pub(super) struct BackOff(u32);

impl BackOff {
    pub(super) fn next(&mut self) -> Duration {
        let pause = FIRST_PAUSE.saturating_mul(1 << self.0.min(8)).min(LONGEST_PAUSE);
        self.0 += 1;
        let chance = Uuid::now_v7().as_bytes()[15];
        pause / 2 + pause / 2 * u32::from(chance) / 255
    }

    pub(super) fn reset(&mut self) {
        self.0 = 0;
    }
}

/// Keeps `current` filled with what `establish` makes of a connection called `name`, until `closed`.
pub(super) async fn keep<T, F>(
    broker: Arc<Broker>,
    name: String,
    counting: Arc<Counting>,
    current: watch::Sender<Option<Arc<T>>>,
    mut closed: watch::Receiver<bool>,
    establish: impl Fn(Arc<Link>) -> F,
) where
    F: Future<Output = Result<Arc<T>>>,
{
    let mut back_off = BackOff::default();
    let work = async {
        loop {
            let attempt = async |place: Place| {
                let at = place.to_string();
                let link = Link::open(place, &name, Refusal::EndsConnection).await?;
                let made = establish(Arc::clone(&link)).await.inspect_err(|error| link.fail(&error.to_string()))?;
                Ok::<_, souk_types::Error>((link, made, at))
            };
            match broker.reach(&attempt).await {
                Ok((link, made, at)) => {
                    counting.connections.add();
                    tracing::info!(connection = name, broker = at, "connected");
                    let since = Instant::now();
                    current.send_replace(Some(made));
                    let why = link.ended().await;
                    current.send_replace(None);
                    tracing::warn!(connection = name, broker = at, why, "the connection to the broker ended");
                    if since.elapsed() >= STEADY {
                        back_off.reset();
                    }
                }
                Err(error) => {
                    tracing::warn!(connection = name, %broker, %error, "the broker cannot be reached");
                }
            }
            tokio::time::sleep(back_off.next()).await;
        }
    };
    tokio::select! {
        () = work => {}
        _ = closed.wait_for(|closed| *closed) => {}
    }
    current.send_replace(None);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_two_seconds_and_stay_there() {
        let mut back_off = BackOff::default();
        assert!((FIRST_PAUSE / 2..=FIRST_PAUSE).contains(&back_off.next()));
        for _ in 0..100 {
            back_off.next();
        }
        assert!((LONGEST_PAUSE / 2..=LONGEST_PAUSE).contains(&back_off.next()));
        back_off.reset();
        assert!(back_off.next() <= FIRST_PAUSE);
    }
}
