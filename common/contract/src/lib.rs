//! Every message that crosses from one service to another: one file for each owning service, whose name is the first
//! word of each message's name. A request's owner answers it; an event's owner publishes it. Nothing here has behaviour.

pub mod customer;
pub mod products;
pub mod shopping;

use serde::Serialize;
use serde::de::DeserializeOwned;
use souk_types::Id;

use self::customer::CustomerDeleted;
use self::shopping::{OrderCancelled, OrderConfirmed};

/// A question with one answer. `NAME` begins with the service that answers: `products.get`.
pub trait Request: Serialize + DeserializeOwned + Send + 'static {
    /// The name on the wire.
    const NAME: &'static str;
    /// What comes back.
    type Reply: Serialize + DeserializeOwned + Send + 'static;
}

/// Something that happened, announced to whoever listens. `NAME` begins with the service that announces it:
/// `customer.deleted`. Events carry ids, not personal data.
pub trait Event: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The name on the wire.
    const NAME: &'static str;
    /// The services that listen. A broker keeps the event for each of them, also for one that has never been up yet.
    const LISTENERS: &'static [&'static str];
}

/// An event and who hears it, without its type: for what is done with all events alike.
#[derive(Debug, Clone, Copy)]
pub struct EventDescriptor {
    /// The name on the wire.
    pub event: &'static str,
    /// The services that listen.
    pub listeners: &'static [&'static str],
}

impl EventDescriptor {
    /// What the contract says of `E`.
    #[must_use]
    pub const fn of<E: Event>() -> Self {
        Self { event: E::NAME, listeners: E::LISTENERS }
    }
}

/// Names the type of an event's id.
pub enum AnyEvent {}

/// The id of one event, the same in every delivery of it.
pub type EventId = Id<AnyEvent>;

/// An event as a listener gets it. It may come again, also after it was handled: see [`souk_store::Database::once`].
#[derive(Debug, Clone)]
pub struct Delivery<E> {
    /// The same in every delivery of this event.
    pub id: EventId,
    /// What happened.
    pub event: E,
}

/// Every event of this contract, a line for each. Who listens to what says which queues there are on a broker, and so where
/// dead letters may be (`souk dlq`).
pub const EVENTS: &[EventDescriptor] = &[
    EventDescriptor::of::<CustomerDeleted>(),
    EventDescriptor::of::<products::CustomerErased>(),
    EventDescriptor::of::<shopping::CustomerErased>(),
    EventDescriptor::of::<OrderConfirmed>(),
    EventDescriptor::of::<OrderCancelled>(),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_event_is_missing_in_the_list() {
        let files = [include_str!("customer.rs"), include_str!("products.rs"), include_str!("shopping.rs")];
        let written: usize = files.iter().map(|file| file.matches("impl Event for ").count()).sum();
        assert_eq!(written, EVENTS.len(), "an event of the contract is not in EVENTS");
    }
}
