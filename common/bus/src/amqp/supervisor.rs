//! Keeps one connection open for as long as the bus lives.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::Shared;
use super::connection::{Connection, OnChannelError};
use super::options::Endpoint;
use crate::discovery::random_up_to;
use souk_types::Result;

/// Delay before the first reconnect. It doubles with each failed attempt.
const FIRST_DELAY: Duration = Duration::from_millis(100);
/// Longest delay, so that the bus finds a returning broker within 2 s.
const MAX_DELAY: Duration = Duration::from_secs(2);
/// Minimum lifetime of a connection. A shorter one counts as a failed attempt.
const STABLE_AFTER: Duration = Duration::from_secs(5);

/// Exponential delays; half of each is random, so that a fleet does not reconnect all at once.
#[derive(Debug, Default)]
pub(super) struct BackOff(u32);

impl BackOff {
    pub(super) fn next(&mut self) -> Duration {
        let delay = FIRST_DELAY.saturating_mul(1 << self.0.min(8)).min(MAX_DELAY);
        self.0 += 1;
        delay / 2 + delay / 2 * random_up_to(255) / 255
    }

    pub(super) fn reset(&mut self) {
        self.0 = 0;
    }
}

/// Keeps `current` filled with the result of `set_up` until the bus is closed.
pub(super) async fn supervise<T, F>(
    shared: Arc<Shared>,
    role: &'static str,
    current: watch::Sender<Option<Arc<T>>>,
    set_up: impl Fn(Arc<Connection>) -> F,
) where
    F: Future<Output = Result<Arc<T>>>,
{
    let name = format!("{} {role}", shared.name);
    let mut closed = shared.closed.subscribe();
    let mut back_off = BackOff::default();
    let open = async |endpoint: Endpoint| {
        let address = endpoint.to_string();
        let connection = Connection::open(endpoint, &name, OnChannelError::CloseConnection).await?;
        let ready = set_up(Arc::clone(&connection)).await.inspect_err(|error| connection.fail(&error.to_string()))?;
        Ok::<_, souk_types::Error>((connection, ready, address))
    };
    let keep_connected = async {
        loop {
            match shared.broker.try_endpoints(&open).await {
                Ok((connection, ready, broker)) => {
                    shared.count(|counters| counters.connections += 1);
                    tracing::info!(connection = name, broker, "connected");
                    let since = Instant::now();
                    current.send_replace(Some(ready));
                    let reason = connection.ended().await;
                    current.send_replace(None);
                    tracing::warn!(connection = name, broker, reason, "disconnected from the broker");
                    if since.elapsed() >= STABLE_AFTER {
                        back_off.reset();
                    }
                }
                Err(error) => tracing::warn!(connection = name, broker = %shared.broker, %error, "cannot connect"),
            }
            tokio::time::sleep(back_off.next()).await;
        }
    };
    tokio::select! {
        () = keep_connected => {}
        _ = closed.wait_for(|closed| *closed) => {}
    }
    current.send_replace(None);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_to_their_maximum() {
        let mut back_off = BackOff::default();
        assert!((FIRST_DELAY / 2..=FIRST_DELAY).contains(&back_off.next()));
        for _ in 0..100 {
            back_off.next();
        }
        assert!((MAX_DELAY / 2..=MAX_DELAY).contains(&back_off.next()));
        back_off.reset();
        assert!(back_off.next() <= FIRST_DELAY);
    }
}
