//! Events between a write and their publication.

use souk_bus::request_context;
use souk_bus::{Event, EventId, EventMessage};
use souk_types::{Error, Result};

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
#[derive(Debug, Default)]
pub struct Events(pub(crate) Vec<EventMessage>);

impl Events {
    /// Publishes an event when, and only when, the write is committed.
    pub fn publish<E: Event>(&mut self, event: &E) -> Result<EventId> {
        let id = EventId::new();
        let body = serde_json::to_vec(event).map_err(Error::internal)?;
        self.0.push(EventMessage { id, name: E::NAME.to_owned(), request: request_context::current(), body });
        Ok(id)
    }
}
