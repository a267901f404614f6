//! Every message that crosses from one service to another: one file for each owning service, whose name is the first
//! word of each message's name. A request's owner answers it; an event's owner publishes it. Nothing here has behaviour.

pub mod customer;
pub mod products;
pub mod shopping;

use self::customer::CustomerDeleted;
use self::shopping::{OrderCancelled, OrderConfirmed};
use crate::bus::Announced;

/// Every event of this contract, a line for each. Who listens to what says which queues there are on a broker, and so where
/// dead letters may be (`souk dlq`).
pub const EVENTS: &[Announced] = &[
    Announced::of::<CustomerDeleted>(),
    Announced::of::<products::CustomerErased>(),
    Announced::of::<shopping::CustomerErased>(),
    Announced::of::<OrderConfirmed>(),
    Announced::of::<OrderCancelled>(),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_event_is_missing_in_the_list() {
        let files = [
            include_str!("contract/customer.rs"),
            include_str!("contract/products.rs"),
            include_str!("contract/shopping.rs"),
        ];
        let written: usize = files.iter().map(|file| file.matches("impl Event for ").count()).sum();
        assert_eq!(written, EVENTS.len(), "an event of the contract is not in EVENTS");
    }
}
