//! Events between a write and their publication.

use std::time::Duration;

use souk_bus::request_context;
use souk_bus::{Event, EventId, EventMessage};
use souk_types::Result;
use souk_types::format::{self, Format};

/// Retention of the inbox. The bus redelivers nothing after a week.
pub(crate) const INBOX_RETENTION: Duration = Duration::from_hours(7 * 24);

/// An event in the outbox.
pub(crate) struct PendingEvent {
    pub(crate) message: EventMessage,
    pub(crate) location: Option<EventLocation>,
}

impl PendingEvent {
    pub(crate) fn without_location(message: EventMessage) -> Self {
        Self { message, location: None }
    }
}

/// The document that contains an event in MongoDB.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct EventLocation {
    pub(crate) collection: String,
    pub(crate) document: String,
}

/// An event that the bus has confirmed and that leaves the outbox.
#[derive(Debug, Clone)]
pub(crate) struct PublishedEvent {
    pub(crate) id: EventId,
    pub(crate) location: Option<EventLocation>,
}

/// The events that a write publishes.
#[derive(Debug)]
pub struct Events {
    pub(crate) messages: Vec<EventMessage>,
    format: Format,
}

impl Events {
    pub(crate) fn new(format: Format) -> Self {
        Self { messages: Vec::new(), format }
    }

    /// Publishes an event when, and only when, the write is committed.
    pub fn publish<E: Event>(&mut self, event: &E) -> Result<EventId> {
        let id = EventId::new();
        let body = format::encode(event, E::CHANGE.as_ref(), self.format)?.into_bytes();
        self.messages.push(EventMessage { id, name: E::NAME.to_owned(), request: request_context::current(), body });
        Ok(id)
    }
}
