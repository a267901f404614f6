//! The messages between services, one file for each owning service. The owner serves its requests
//! and publishes its events. The first word of a message's name is its owner.

pub mod access;
pub mod api;
pub mod customer;
pub mod image;
pub mod instance;
pub mod limits;
pub mod mail;
pub mod products;
pub mod role;
pub mod shopping;

use serde::Serialize;
use serde::de::DeserializeOwned;
use souk_types::Id;
use souk_types::format::FormatChange;

use self::customer::{AccountMailDue, CustomerDeleted, EmailVerified, TokensRevoked};
use self::shopping::{OrderCancelled, OrderConfirmed, OrderRefunded, ParcelSent, PaymentFailed, PaymentWaiting};

/// A request with one reply. `NAME` begins with the service that serves it: `products.get`.
pub trait Request: Serialize + DeserializeOwned + Send + 'static {
    /// The name on the wire.
    const NAME: &'static str;
    /// The reply.
    type Reply: Serialize + DeserializeOwned + Send + 'static;
    /// How the request differs from that of the previous release.
    const CHANGE: Option<FormatChange> = None;
    /// How the reply differs from that of the previous release.
    const REPLY_CHANGE: Option<FormatChange> = None;
}

/// An event that its owner publishes. `NAME` begins with the publishing service:
/// `customer.deleted`. Events carry ids, not personal data.
pub trait Event: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The name on the wire.
    const NAME: &'static str;
    /// The subscribed services. The broker stores the event even for one that has never run.
    const LISTENERS: &'static [&'static str];
    /// How the event differs from that of the previous release.
    const CHANGE: Option<FormatChange> = None;
}

/// A message to every instance that listens at this moment. It is not stored: an instance that is
/// down, or slow for seconds, misses it.
pub trait Broadcast: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The name on the wire.
    const NAME: &'static str;
    /// How the message differs from that of the previous release.
    const CHANGE: Option<FormatChange> = None;

    /// Returns the service that the message says it comes from, if it says one. Where each service
    /// has a user of its own on the broker, no other service can send it.
    fn service(&self) -> Option<&str> {
        None
    }
}

/// The name and the subscribers of an event type.
#[derive(Debug, Clone, Copy)]
pub struct EventDescriptor {
    /// The name on the wire.
    pub event: &'static str,
    /// The subscribed services.
    pub listeners: &'static [&'static str],
}

impl EventDescriptor {
    /// Returns the descriptor of `E`.
    #[must_use]
    pub const fn of<E: Event>() -> Self {
        Self { event: E::NAME, listeners: E::LISTENERS }
    }
}

/// Marks ids of events.
pub enum AnyEvent {}

/// The id of one event, the same in every delivery of it.
pub type EventId = Id<AnyEvent>;

/// An event as a subscriber receives it. Delivery is at least once: the broker may redeliver a
/// handled event, so handlers are idempotent (`souk_store::Database::handle_once`).
#[derive(Debug, Clone)]
pub struct Delivery<E> {
    /// The id, the same in every delivery of this event.
    pub id: EventId,
    /// The event.
    pub event: E,
}

/// Every event of this contract. Each subscriber has a queue for it, and dead letters.
pub const EVENTS: &[EventDescriptor] = &[
    EventDescriptor::of::<CustomerDeleted>(),
    EventDescriptor::of::<TokensRevoked>(),
    EventDescriptor::of::<mail::CustomerErased>(),
    EventDescriptor::of::<products::CustomerErased>(),
    EventDescriptor::of::<shopping::CustomerErased>(),
    EventDescriptor::of::<OrderConfirmed>(),
    EventDescriptor::of::<OrderCancelled>(),
    EventDescriptor::of::<PaymentFailed>(),
    EventDescriptor::of::<PaymentWaiting>(),
    EventDescriptor::of::<ParcelSent>(),
    EventDescriptor::of::<OrderRefunded>(),
    EventDescriptor::of::<EmailVerified>(),
    EventDescriptor::of::<AccountMailDue>(),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_has_every_event() {
        let files = [
            include_str!("customer.rs"),
            include_str!("mail.rs"),
            include_str!("products.rs"),
            include_str!("shopping.rs"),
        ];
        let written: usize = files.iter().map(|file| file.matches("impl Event for ").count()).sum();
        assert_eq!(written, EVENTS.len(), "an event of the contract is not in EVENTS");
    }
}
