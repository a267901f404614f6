//! The outbox relay. A write stores its events in the outbox of its database, in the same commit.
//! The relay publishes them on the bus and deletes them when the bus has confirmed. A crash in
//! between publishes an event twice and never loses one.
//!
//! The relay gets the events of this process from memory, just committed. About once a second it
//! also reads the database, for events of other processes, of a crash, and those whose publication
//! failed.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::{self, JoinError, JoinSet};
use tokio::time::Instant;

use crate::events::{PendingEvent, PublishedEvent};
use crate::{Backoff, Database};
use souk_bus::{Bus, EventId};
use souk_types::mutant::Mutant;
use souk_types::{Error, Result, failpoint};

const MAX_IN_FLIGHT: usize = 256;
/// Events of this process that wait in memory. The relay finds further ones in the database.
const MAX_WAITING: usize = 4_096;
/// Interval between two reads of the outbox, without failures and a backlog.
const READ_INTERVAL: Duration = Duration::from_secs(1);
/// Interval between two deletions. A deletion of many events costs little more than one of one.
const DELETION_INTERVAL: Duration = Duration::from_millis(100);
/// Ownership grace period. The process that has written an event publishes it; after this time any
/// process does, because the owner may have died. Only then consumers may get an event twice.
const OWNERSHIP_GRACE_PERIOD: Duration = Duration::from_secs(1);
/// Events of others that the relay leaves to them. With more, the owners cannot keep up.
const MAX_FOREIGN_BACKLOG: usize = 256;
/// Delays after an event could not be published.
const BACKOFF: Backoff = Backoff { first: Duration::from_millis(100), factor: 2, longest: Duration::from_mins(1) };

/// Publishes the events of `database` on `bus` until the database is closed.
pub fn relay(database: Database, bus: Bus) {
    database.clone().spawn_background(Relay::new(database, bus).run());
}

struct Relay {
    database: Database,
    bus: Bus,
    /// Events that this process has just committed.
    committed: mpsc::Receiver<PendingEvent>,
    /// The same, until they may be in flight.
    waiting: VecDeque<PendingEvent>,
    /// One task for each event in flight, so that a slow one does not hold up the others.
    publishing: JoinSet<Result<()>>,
    in_flight: HashMap<task::Id, (PublishedEvent, String)>,
    /// Events that are published and still in the outbox.
    published: Vec<PublishedEvent>,
    /// Failed events and those of other processes: the count of failures and the next attempt.
    delayed: HashMap<EventId, (u32, Instant)>,
    next_read: Instant,
    next_deletion: Instant,
    /// Whether the last read has found more events than may be in flight.
    has_backlog: bool,
}

type Outcome = std::result::Result<(task::Id, Result<()>), JoinError>;

impl Relay {
    fn new(database: Database, bus: Bus) -> Self {
        let now = Instant::now();
        // A closed channel: only the first relay of a handle gets events from memory.
        let committed = database.start_relay().unwrap_or_else(|| mpsc::channel(1).1);
        Self {
            database,
            bus,
            committed,
            waiting: VecDeque::new(),
            publishing: JoinSet::new(),
            in_flight: HashMap::new(),
            published: Vec::new(),
            delayed: HashMap::new(),
            next_read: now,
            next_deletion: now,
            has_backlog: false,
        }
    }

    async fn run(mut self) {
        let closing = self.database.clone();
        loop {
            self.publish_waiting();
            tokio::select! {
                () = closing.closing() => break,
                Some(outcome) = self.publishing.join_next_with_id() => self.finish(outcome),
                Some(event) = self.committed.recv() => self.add(event),
                () = tokio::time::sleep_until(self.next_deletion), if !self.published.is_empty() => {
                    self.delete_published().await;
                }
                () = tokio::time::sleep_until(self.next_read) => self.read().await,
            }
        }
        while let Some(outcome) = self.publishing.join_next_with_id().await {
            self.finish(outcome);
        }
        self.delete_published().await;
    }

    fn capacity(&self) -> usize {
        MAX_IN_FLIGHT.saturating_sub(self.in_flight.len())
    }

    /// Too many events wait in the database instead.
    fn add(&mut self, event: PendingEvent) {
        if self.waiting.len() < MAX_WAITING {
            self.waiting.push_back(event);
        }
    }

    fn publish_waiting(&mut self) {
        while let Ok(event) = self.committed.try_recv() {
            self.add(event);
        }
        while self.capacity() > 0
            && let Some(event) = self.waiting.pop_front()
        {
            self.publish(event);
        }
    }

    /// Learns the format that this process writes, and publishes the due events of the database.
    async fn read(&mut self) {
        let now = Instant::now();
        self.next_read = now + READ_INTERVAL;
        match self.database.refresh_format().await {
            Ok(format) => self.bus.write_format(format),
            Err(error) => self.log(&error, "the format of the database cannot be read"),
        }
        if let Err(error) = self.publish_due(now).await {
            self.log(&error, "the outbox cannot be read");
        }
    }

    async fn publish_due(&mut self, now: Instant) -> Result<()> {
        // The limit leaves room for events behind the delayed ones and those that are here.
        let hidden = MAX_FOREIGN_BACKLOG + self.delayed.len() + self.ids_here().count();
        let mut pending = self.database.pending_events(MAX_IN_FLIGHT + hidden).await?;
        // Some of those found have been committed just now.
        self.publish_waiting();
        let here: HashSet<EventId> = self.ids_here().collect();
        // Another relay has published the events that are missing.
        let there: HashSet<EventId> = pending.iter().map(|pending| pending.message.id).collect();
        self.delayed.retain(|id, _| there.contains(id));
        pending.retain(|pending| !here.contains(&pending.message.id));
        for event in &pending {
            if self.delayed.len() >= MAX_FOREIGN_BACKLOG {
                break;
            }
            self.delayed.entry(event.message.id).or_insert((0, now + OWNERSHIP_GRACE_PERIOD));
        }
        pending.retain(|pending| self.delayed.get(&pending.message.id).is_none_or(|(_, due)| *due <= now));
        self.has_backlog = pending.len() > self.capacity();
        for event in pending.into_iter().take(self.capacity()) {
            self.publish(event);
        }
        if let Some(due) = self.delayed.values().map(|(_, due)| *due).filter(|due| *due > now).min() {
            self.next_read = self.next_read.min(due);
        }
        Ok(())
    }

    /// Returns the ids of the events that are in this relay.
    fn ids_here(&self) -> impl Iterator<Item = EventId> {
        let in_flight = self.in_flight.values().map(|(event, _)| event.id);
        let published = self.published.iter().map(|event| event.id);
        in_flight.chain(published).chain(self.waiting.iter().map(|event| event.message.id))
    }

    fn publish(&mut self, event: PendingEvent) {
        let PendingEvent { message, location } = event;
        let (published, name) = (PublishedEvent { id: message.id, location }, message.name.clone());
        let (bus, database, deleted) = (self.bus.clone(), self.database.clone(), published.clone());
        let publishing = self.publishing.spawn(async move {
            if Mutant::NoOutbox.is_active() {
                database.delete_published(&[deleted]).await?;
            }
            bus.publish(&message).await
        });
        self.in_flight.insert(publishing.id(), (published, name));
    }

    fn finish(&mut self, outcome: Outcome) {
        let (task, outcome) = match outcome {
            Ok((task, outcome)) => (task, outcome),
            Err(panic) => (panic.id(), Err(Error::internal(panic))),
        };
        let Some((event, name)) = self.in_flight.remove(&task) else { return };
        match outcome {
            Ok(()) => {
                self.delayed.remove(&event.id);
                if self.published.is_empty() {
                    self.next_deletion = Instant::now() + DELETION_INTERVAL;
                }
                self.published.push(event);
            }
            Err(error) => self.record_failure(event.id, &name, &error),
        }
        if self.has_backlog && self.in_flight.len() <= MAX_IN_FLIGHT / 2 {
            self.next_read = Instant::now();
        }
    }

    /// Deletes published events from the outbox. After an error they stay here, so that they are
    /// not published again.
    async fn delete_published(&mut self) {
        if self.published.is_empty() {
            return;
        }
        failpoint!("outbox.delete.before");
        match self.database.delete_published(&self.published).await {
            Ok(()) => {
                failpoint!("outbox.delete.after");
                self.published.clear();
            }
            Err(error) => {
                self.next_deletion = Instant::now() + READ_INTERVAL;
                self.log(&error, "published events cannot be deleted");
            }
        }
    }

    fn record_failure(&mut self, id: EventId, name: &str, error: &Error) {
        let failures = self.delayed.get(&id).map_or(0, |(failures, _)| *failures);
        let delay = BACKOFF.delay(failures);
        let due = Instant::now() + delay;
        self.delayed.insert(id, (failures + 1, due));
        self.next_read = self.next_read.min(due);
        tracing::warn!(event = %id, name, %error, retry_in = ?delay, "an event was not published");
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
        relay.read().await;
        assert!(relay.next_read >= begin + READ_INTERVAL, "the relay would read without a pause");
    }
}
