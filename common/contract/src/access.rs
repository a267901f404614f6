//! What each service may do on the broker and in the database: the rights of its users there.
//!
//! A service serves the requests and publishes the events whose names begin with its own; it
//! listens to the events that name it in [`crate::EVENTS`]. This table has the rest.

use crate::Broadcast as _;
use crate::EVENTS;
use crate::Request as _;
use crate::api::{CustomerApi, MailApi, ProductsApi, ShoppingApi};
use crate::customer::{AccountMailSent, GetAccountMail, GetContact, GetKeys};
use crate::instance::{InstanceState, StopInstance};
use crate::limits::LimitUses;
use crate::products::{Confirm, GetProducts, GetStockLog, Release, Reserve, Restock};
use crate::shopping::{ExportCustomer, GetOrderMail, GetShop};

/// The rights of one service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServiceAccess {
    /// The service, and the name of its users on the broker and on the database server.
    pub service: &'static str,
    /// The requests that it sends to other services.
    pub calls: &'static [&'static str],
    /// The broadcasts that it sends.
    pub broadcasts: &'static [&'static str],
    /// Whether it lists, replays and drops the dead letters of all services.
    pub handles_dead_letters: bool,
    /// Whether it has a database of its own.
    pub has_database: bool,
}

/// The rights of every service.
pub const ACCESS: &[ServiceAccess] = &[
    ServiceAccess {
        service: "customer",
        calls: &[ExportCustomer::NAME],
        broadcasts: &[InstanceState::NAME, LimitUses::NAME],
        handles_dead_letters: false,
        has_database: true,
    },
    ServiceAccess {
        service: "products",
        calls: &[GetKeys::NAME],
        broadcasts: &[InstanceState::NAME, LimitUses::NAME],
        handles_dead_letters: false,
        has_database: true,
    },
    ServiceAccess {
        service: "shopping",
        calls: &[
            GetKeys::NAME,
            GetContact::NAME,
            GetProducts::NAME,
            Reserve::NAME,
            Confirm::NAME,
            Release::NAME,
            Restock::NAME,
            GetStockLog::NAME,
        ],
        broadcasts: &[InstanceState::NAME, LimitUses::NAME],
        handles_dead_letters: false,
        has_database: true,
    },
    ServiceAccess {
        service: "mail",
        calls: &[GetKeys::NAME, GetAccountMail::NAME, AccountMailSent::NAME, GetOrderMail::NAME, GetShop::NAME],
        broadcasts: &[InstanceState::NAME, LimitUses::NAME],
        handles_dead_letters: false,
        has_database: true,
    },
    ServiceAccess {
        service: "web",
        calls: &[CustomerApi::NAME, MailApi::NAME, ProductsApi::NAME, ShoppingApi::NAME],
        broadcasts: &[InstanceState::NAME, LimitUses::NAME, StopInstance::NAME],
        handles_dead_letters: true,
        has_database: false,
    },
];

impl ServiceAccess {
    /// Returns the rights of a service; `None` for a name that is no service.
    #[must_use]
    pub fn of(service: &str) -> Option<&'static Self> {
        ACCESS.iter().find(|access| access.service == service)
    }

    /// Returns the services that it calls, each once.
    #[must_use]
    pub fn called_services(&self) -> Vec<&'static str> {
        distinct(self.calls.iter().copied().map(owner))
    }

    /// Returns the services whose events it receives, each once.
    #[must_use]
    pub fn subscribed_services(&self) -> Vec<&'static str> {
        let subscribed = EVENTS.iter().filter(|event| event.listeners.contains(&self.service));
        distinct(subscribed.map(|event| owner(event.event)))
    }

    /// Returns the services that receive its events, each once.
    #[must_use]
    pub fn listeners(&self) -> Vec<&'static str> {
        let published = EVENTS.iter().filter(|event| owner(event.event) == self.service);
        distinct(published.flat_map(|event| event.listeners.iter().copied()))
    }
}

/// Returns the services that others call, each once.
#[must_use]
pub fn called_services() -> Vec<&'static str> {
    distinct(ACCESS.iter().flat_map(ServiceAccess::called_services))
}

/// Returns the service that owns a message: `products` for `products.get`.
fn owner(name: &'static str) -> &'static str {
    name.split_once('.').map_or(name, |(service, _)| service)
}

fn distinct(services: impl Iterator<Item = &'static str>) -> Vec<&'static str> {
    let mut services: Vec<_> = services.collect();
    services.sort_unstable();
    services.dedup();
    services
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_request_has_a_caller() {
        let files = [
            include_str!("customer.rs"),
            include_str!("mail.rs"),
            include_str!("products.rs"),
            include_str!("shopping.rs"),
            include_str!("api.rs"),
        ];
        let count = |what: &str| files.iter().map(|file| file.matches(what).count()).sum::<usize>();
        // One `impl` is in the macro that each `api_call!(` line uses.
        let written = count("impl Request for ") - 1 + count("\napi_call!(");
        let called: BTreeSet<_> = ACCESS.iter().flat_map(|access| access.calls).collect();
        assert_eq!(called.len(), written, "a request of the contract has no caller in ACCESS: {called:?}");
    }

    #[test]
    fn the_table_follows_the_contract() {
        let shopping = ServiceAccess::of("shopping").unwrap();
        assert_eq!(shopping.called_services(), ["customer", "products"]);
        assert_eq!(shopping.subscribed_services(), ["customer"]);
        assert_eq!(shopping.listeners(), ["customer", "mail"]);
        assert_eq!(ServiceAccess::of("souk"), None);
        for event in EVENTS {
            for service in event.listeners.iter().copied().chain([owner(event.event)]) {
                assert!(ServiceAccess::of(service).is_some(), "{service} is not in ACCESS");
            }
        }
    }
}
