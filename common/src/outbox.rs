//! Events leave through here and nowhere else. A write puts its events into the outbox of its own database, in the same
//! commit; the relay hands them to the bus and takes them out when the bus has confirmed. A crash in between publishes an
//! event twice and never loses one.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::bus::{Bus, EventId, Message};
use crate::error::Result;
use crate::store::Database;

/// Events in hand at once.
const BATCH: usize = 256;
/// Without a nudge, the outbox is looked at this often: another process may have written.
const TICK: Duration = Duration::from_secs(1);
/// An event that cannot be delivered comes again after this, then after twice as long, ...
const FIRST_DELAY: Duration = Duration::from_millis(100);
/// ... but no later than this.
const LONGEST_DELAY: Duration = Duration::from_mins(1);

/// Relays events from `database` to `bus` until the process ends.
pub fn relay(database: Database, bus: Bus) {
    tokio::spawn(async move {
        let mut relay = Relay { database, bus, delayed: HashMap::new() };
        loop {
            let next = match relay.round().await {
                Ok(next) => next,
                Err(error) => {
                    tracing::error!(database = relay.database.name(), %error, "the outbox cannot be read");
                    Instant::now() + TICK
                }
            };
            tokio::select! {
                () = relay.database.emitted() => {}
                () = tokio::time::sleep_until(next) => {}
            }
        }
    });
}

struct Relay {
    database: Database,
    bus: Bus,
    /// Events that could not be delivered: how often, and when to try again.
    delayed: HashMap<EventId, (u32, Instant)>,
}

impl Relay {
    /// Publishes all that is due; returns when to look again.
    async fn round(&mut self) -> Result<Instant> {
        loop {
            // An event that keeps failing must not hold up those behind it.
            let pending = self.database.pending_events(BATCH + self.delayed.len()).await?;
            // One that is gone was delivered by another relay of this database.
            let there: HashSet<EventId> = pending.iter().map(|message| message.id).collect();
            self.delayed.retain(|id, _| there.contains(id));
            let now = Instant::now();
            let is_due = |message: &Message| self.delayed.get(&message.id).is_none_or(|(_, due)| *due <= now);
            let due: Vec<Message> = pending.into_iter().filter(is_due).take(BATCH).collect();
            if due.is_empty() {
                let soonest = self.delayed.values().map(|(_, due)| *due).min();
                return Ok(soonest.unwrap_or(now + TICK).min(now + TICK));
            }
            let published = self.publish(due).await;
            if !published.is_empty() {
                self.database.forget_events(published).await?;
            }
        }
    }

    async fn publish(&mut self, due: Vec<Message>) -> Vec<EventId> {
        let mut publishing = JoinSet::new();
        for message in due {
            let bus = self.bus.clone();
            publishing.spawn(async move { (message.id, message.name.clone(), bus.publish(message).await) });
        }
        let mut published = Vec::new();
        while let Some(outcome) = publishing.join_next().await {
            match outcome {
                Ok((id, _, Ok(()))) => {
                    self.delayed.remove(&id);
                    published.push(id);
                }
                Ok((id, name, Err(error))) => {
                    let failures = self.delayed.get(&id).map_or(0, |(failures, _)| *failures);
                    let delay = FIRST_DELAY.saturating_mul(1 << failures.min(16)).min(LONGEST_DELAY);
                    tracing::warn!(event = %id, name, %error, again_in = ?delay, "an event was not delivered");
                    self.delayed.insert(id, (failures + 1, Instant::now() + delay));
                }
                Err(panic) => tracing::error!(%panic, "publishing an event panicked"),
            }
        }
        published
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Durability;

    #[tokio::test]
    async fn an_event_that_another_relay_delivered_is_not_waited_for() {
        let directory = tempfile::tempdir().unwrap();
        let database = Database::sqlite("test", &directory.path().join("test.db"), Durability::Process).unwrap();
        let delayed = HashMap::from([(EventId::new(), (1, Instant::now()))]);
        let mut relay = Relay { database, bus: Bus::local(), delayed };
        let begin = Instant::now();
        assert!(relay.round().await.unwrap() >= begin + TICK, "the relay would look again and again");
    }
}
