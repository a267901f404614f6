//! The outbox relay. A write stores its events in the outbox of its database, in the same commit.
//! The relay publishes them on the bus and deletes them when the bus has confirmed. A crash in
//! between publishes an event twice and never loses one.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use tokio::task::{self, JoinError, JoinSet};
use tokio::time::Instant;

use crate::{Backoff, Database};
use souk_bus::{Bus, EventId, EventMessage};
use souk_types::mutant::Mutant;
use souk_types::{Error, Result, failpoint};

const MAX_IN_FLIGHT: usize = 256;
/// Poll interval of the outbox. Another process may have written.
const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// Ownership grace period. The process that has written an event publishes it; after this time any
/// process does, because the owner may have died. Only then consumers may get an event twice.
const OWNERSHIP_GRACE_PERIOD: Duration = Duration::from_secs(1);
/// Events of others that the relay leaves to them. With more, the owners cannot keep up.
const MAX_FOREIGN_BACKLOG: usize = 256;
/// Delays after an event could not be published.
const BACKOFF: Backoff = Backoff { first: Duration::from_millis(100), factor: 2, longest: Duration::from_mins(1) };

/// Publishes the events of `database` on `bus` until the database is closed.
pub fn relay(database: Database, bus: Bus) {
    let closing = database.clone();
    database.clone().spawn_background(async move {
        let mut relay = Relay::new(database, bus);
        loop {
            let next = relay.publish_due().await.unwrap_or_else(|error| {
                relay.log(&error, "the outbox cannot be read");
                Instant::now() + POLL_INTERVAL
            });
            tokio::select! {
                () = closing.closing() => break,
                () = relay.database.events_published() => {}
                () = tokio::time::sleep_until(next) => {}
                Some(outcome) = relay.publishing.join_next_with_id() => relay.finish(outcome).await,
            }
        }
        while let Some(outcome) = relay.publishing.join_next_with_id().await {
            relay.finish(outcome).await;
        }
    });
}

struct Relay {
    database: Database,
    bus: Bus,
    /// One task for each event in flight, so that a slow one does not hold up the others.
    publishing: JoinSet<Result<()>>,
    in_flight: HashMap<task::Id, (EventId, String)>,
    /// Failed events and those of other processes: the count of failures and the next attempt.
    delayed: HashMap<EventId, (u32, Instant)>,
}

type Outcome = std::result::Result<(task::Id, Result<()>), JoinError>;

impl Relay {
    fn new(database: Database, bus: Bus) -> Self {
        Self { database, bus, publishing: JoinSet::new(), in_flight: HashMap::new(), delayed: HashMap::new() }
    }

    /// Starts to publish the due events; returns the time of the next check.
    async fn publish_due(&mut self) -> Result<Instant> {
        // The limit leaves room for events behind the delayed ones and those in flight.
        let hidden = MAX_FOREIGN_BACKLOG + self.delayed.len() + self.in_flight.len();
        let pending = self.database.pending_events(MAX_IN_FLIGHT + hidden).await?;
        // Another relay has published the events that are missing.
        let there: HashSet<EventId> = pending.iter().map(|pending| pending.message.id).collect();
        self.delayed.retain(|id, _| there.contains(id));
        let in_flight: HashSet<EventId> = self.in_flight.values().map(|(id, _)| *id).collect();
        let now = Instant::now();
        for other in pending.iter().filter(|pending| !pending.is_own) {
            if self.delayed.len() >= MAX_FOREIGN_BACKLOG {
                break;
            }
            self.delayed.entry(other.message.id).or_insert((0, now + OWNERSHIP_GRACE_PERIOD));
        }
        let is_due = |message: &EventMessage| {
            !in_flight.contains(&message.id) && self.delayed.get(&message.id).is_none_or(|(_, due)| *due <= now)
        };
        let messages = pending.into_iter().map(|pending| pending.message);
        for message in messages.filter(is_due).take(MAX_IN_FLIGHT.saturating_sub(in_flight.len())) {
            let (id, name) = (message.id, message.name.clone());
            let (bus, database) = (self.bus.clone(), self.database.clone());
            let publishing = self.publishing.spawn(async move {
                if Mutant::NoOutbox.is_active() {
                    database.delete_published(vec![id]).await?;
                }
                bus.publish(&message).await
            });
            self.in_flight.insert(publishing.id(), (id, name));
        }
        let later = self.delayed.values().map(|(_, due)| *due).filter(|due| *due > now).min();
        Ok(later.unwrap_or(now + POLL_INTERVAL).min(now + POLL_INTERVAL))
    }

    /// Deletes published events from the outbox, together with all others that are done.
    async fn finish(&mut self, first: Outcome) {
        let mut published = Vec::new();
        let mut next = Some(first);
        while let Some(outcome) = next {
            let (task, outcome) = match outcome {
                Ok((task, outcome)) => (task, outcome),
                Err(panic) => (panic.id(), Err(Error::internal(panic))),
            };
            if let Some((id, name)) = self.in_flight.remove(&task) {
                match outcome {
                    Ok(()) => published.push(id),
                    Err(error) => self.record_failure(id, &name, &error),
                }
            }
            next = self.publishing.try_join_next_with_id();
        }
        if published.is_empty() {
            return;
        }
        failpoint!("outbox.taken.before");
        match self.database.delete_published(published.clone()).await {
            Ok(()) => {
                failpoint!("outbox.taken.after");
                self.delayed.retain(|id, _| !published.contains(id));
            }
            Err(error) => {
                // They stay in the outbox and are published again.
                self.log(&error, "published events cannot be deleted");
                for id in published {
                    self.schedule_retry(id);
                }
            }
        }
    }

    fn record_failure(&mut self, id: EventId, name: &str, error: &Error) {
        let delay = self.schedule_retry(id);
        tracing::warn!(event = %id, name, %error, retry_in = ?delay, "an event was not published");
    }

    fn schedule_retry(&mut self, id: EventId) -> Duration {
        let failures = self.delayed.get(&id).map_or(0, |(failures, _)| *failures);
        let delay = BACKOFF.delay(failures);
        self.delayed.insert(id, (failures + 1, Instant::now() + delay));
        delay
    }

    fn log(&self, error: &Error, message: &str) {
        let database = self.database.name();
        if error.is_outage() {
            tracing::warn!(database, %error, "{message}");
        } else {
            tracing::error!(database, %error, "{message}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Durability;

    #[tokio::test]
    async fn an_event_that_another_relay_published_is_not_retried() {
        let directory = tempfile::tempdir().unwrap();
        let database = Database::sqlite("test", &directory.path().join("test.db"), Durability::Process).unwrap();
        let mut relay = Relay::new(database, Bus::local());
        relay.delayed.insert(EventId::new(), (1, Instant::now()));
        let begin = Instant::now();
        assert!(relay.publish_due().await.unwrap() >= begin + POLL_INTERVAL, "the relay would poll without a pause");
    }
}
