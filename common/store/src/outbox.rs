//! Events leave through here and nowhere else. A write puts its events into the outbox of its own database, in the same
//! commit; the relay hands them to the bus and takes them out when the bus has confirmed. A crash in between publishes an
//! event twice and never loses one.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use tokio::task::{self, JoinError, JoinSet};
use tokio::time::Instant;

use crate::{Backoff, Database};
use souk_bus::{Bus, EventId, EventMessage};
use souk_types::mutant::Mutant;
use souk_types::{Error, Result, failpoint};

/// Events in hand at once.
const BATCH: usize = 256;
/// Without a nudge, the outbox is looked at this often: another process may have written.
const TICK: Duration = Duration::from_secs(1);
/// An event that another process wrote is published there. When it is still here after this, as that process may have died, it is published
/// here: then, and no earlier, its listeners may get it twice.
const OTHERS_FIRST: Duration = Duration::from_secs(1);
/// So many are left to others; where there are more, somebody has died or cannot keep up, and help is welcome.
const LEFT_TO_OTHERS: usize = 256;
/// Delays after an event could not be published.
const BACKOFF: Backoff = Backoff { first: Duration::from_millis(100), factor: 2, longest: Duration::from_mins(1) };

/// Publishes the events of `database` on `bus` until the database is closed.
pub fn relay(database: Database, bus: Bus) {
    let closing = database.clone();
    database.clone().spawn_background(async move {
        let mut relay = Relay::new(database, bus);
        loop {
            let next = relay.take_up().await.unwrap_or_else(|error| {
                relay.complain(&error, "the outbox cannot be read");
                Instant::now() + TICK
            });
            tokio::select! {
                () = closing.closing() => break,
                () = relay.database.events_published() => {}
                () = tokio::time::sleep_until(next) => {}
                Some(outcome) = relay.publishing.join_next_with_id() => relay.settle(outcome).await,
            }
        }
        while let Some(outcome) = relay.publishing.join_next_with_id().await {
            relay.settle(outcome).await;
        }
    });
}

struct Relay {
    database: Database,
    bus: Bus,
    /// One task for each event in hand, so that one which takes long does not hold up those behind it.
    publishing: JoinSet<Result<()>>,
    in_hand: HashMap<task::Id, (EventId, String)>,
    /// Events that could not be delivered, or not be taken out, or are another process's first: how often that failed, and when to try.
    delayed: HashMap<EventId, (u32, Instant)>,
}

type Outcome = std::result::Result<(task::Id, Result<()>), JoinError>;

impl Relay {
    fn new(database: Database, bus: Bus) -> Self {
        Self { database, bus, publishing: JoinSet::new(), in_hand: HashMap::new(), delayed: HashMap::new() }
    }

    /// Takes up all that is due and that there is a hand for; returns when to look again.
    async fn take_up(&mut self) -> Result<Instant> {
        // Events that keep failing, take long, or are left to others must not hide those behind them.
        let hidden = LEFT_TO_OTHERS + self.delayed.len() + self.in_hand.len();
        let pending = self.database.pending_events(BATCH + hidden).await?;
        // One that is gone was delivered by another relay of this database.
        let there: HashSet<EventId> = pending.iter().map(|pending| pending.message.id).collect();
        self.delayed.retain(|id, _| there.contains(id));
        let in_hand: HashSet<EventId> = self.in_hand.values().map(|(id, _)| *id).collect();
        let now = Instant::now();
        for other in pending.iter().filter(|pending| !pending.is_ours) {
            if self.delayed.len() >= LEFT_TO_OTHERS {
                break;
            }
            self.delayed.entry(other.message.id).or_insert((0, now + OTHERS_FIRST));
        }
        let is_due = |message: &EventMessage| {
            !in_hand.contains(&message.id) && self.delayed.get(&message.id).is_none_or(|(_, due)| *due <= now)
        };
        let messages = pending.into_iter().map(|pending| pending.message);
        for message in messages.filter(is_due).take(BATCH.saturating_sub(in_hand.len())) {
            let (id, name) = (message.id, message.name.clone());
            let (bus, database) = (self.bus.clone(), self.database.clone());
            let publishing = self.publishing.spawn(async move {
                if Mutant::NoOutbox.is_active() {
                    database.delete_published(vec![id]).await?;
                }
                bus.publish(&message).await
            });
            self.in_hand.insert(publishing.id(), (id, name));
        }
        let later = self.delayed.values().map(|(_, due)| *due).filter(|due| *due > now).min();
        Ok(later.unwrap_or(now + TICK).min(now + TICK))
    }

    /// Takes what was published out of the outbox, together with all else that is done by now.
    async fn settle(&mut self, first: Outcome) {
        let mut published = Vec::new();
        let mut next = Some(first);
        while let Some(outcome) = next {
            let (task, outcome) = match outcome {
                Ok((task, outcome)) => (task, outcome),
                Err(panic) => (panic.id(), Err(Error::internal(panic))),
            };
            if let Some((id, name)) = self.in_hand.remove(&task) {
                match outcome {
                    Ok(()) => published.push(id),
                    Err(error) => self.delay(id, &name, &error),
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
                // They are still there, and will be published once more.
                self.complain(&error, "published events could not be taken out");
                for id in published {
                    self.put_off(id);
                }
            }
        }
    }

    fn delay(&mut self, id: EventId, name: &str, error: &Error) {
        let delay = self.put_off(id);
        tracing::warn!(event = %id, name, %error, again_in = ?delay, "an event was not delivered");
    }

    /// For how long.
    fn put_off(&mut self, id: EventId) -> Duration {
        let failures = self.delayed.get(&id).map_or(0, |(failures, _)| *failures);
        let delay = BACKOFF.delay(failures);
        self.delayed.insert(id, (failures + 1, Instant::now() + delay));
        delay
    }

    /// An error is somebody's business at once (it is reported); an outage is known, and passes.
    fn complain(&self, error: &Error, what: &str) {
        let database = self.database.name();
        if error.is_outage() {
            tracing::warn!(database, %error, "{what}");
        } else {
            tracing::error!(database, %error, "{what}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Durability;

    #[tokio::test]
    async fn an_event_that_another_relay_delivered_is_not_waited_for() {
        let directory = tempfile::tempdir().unwrap();
        let database = Database::sqlite("test", &directory.path().join("test.db"), Durability::Process).unwrap();
        let mut relay = Relay::new(database, Bus::local());
        relay.delayed.insert(EventId::new(), (1, Instant::now()));
        let begin = Instant::now();
        assert!(relay.take_up().await.unwrap() >= begin + TICK, "the relay would look again and again");
    }
}
