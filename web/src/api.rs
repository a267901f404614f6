//! The client of the other services: requests of their public API over the bus, typed. One file for
//! each noun has the requests, and the parts of the responses that pages show.

pub(crate) mod account;
pub(crate) mod admin_catalogue;
pub(crate) mod admin_mails;
pub(crate) mod admin_orders;
pub(crate) mod admin_overview;
pub(crate) mod admin_shop;
mod call;
pub(crate) mod cart;
pub(crate) mod catalogue;
pub(crate) mod order;
pub(crate) mod passkeys;
mod problem;
pub(crate) mod quote;
pub(crate) mod saved_views;
pub(crate) mod session;
pub(crate) mod shop;
pub(crate) mod staff;
pub(crate) mod stored;
pub(crate) mod wishlist;

use std::net::{IpAddr, Ipv4Addr};

use serde::Deserialize;
use souk_bus::Bus;

use crate::locale::Language;

pub(crate) use self::call::{CHANGE_TIMEOUT, Service, Tagged};
pub(crate) use self::problem::{Problem, Refusal};

/// The result of a request.
pub(crate) type Result<T> = std::result::Result<T, Problem>;

/// A client of the API on behalf of one visitor.
#[derive(Clone, Copy)]
pub(crate) struct Api<'a> {
    bus: &'a Bus,
    /// The visitor's address, which limits of attempts count by.
    client: IpAddr,
    /// The `User-Agent` of the visitor's browser.
    user_agent: Option<&'a str>,
    /// The tag of the page's language, in which the visitor gets mails.
    language: Option<&'static str>,
}

impl<'a> Api<'a> {
    /// Returns the client of the visitor at this address.
    pub(crate) fn new(bus: &'a Bus, client: IpAddr) -> Self {
        Self { bus, client, user_agent: None, language: None }
    }

    /// Returns a client on behalf of all visitors, for what they share. A visitor who has sent many
    /// requests waits for permits; the others would wait too if the request were that visitor's.
    pub(crate) fn for_all(self) -> Self {
        Self { client: Ipv4Addr::UNSPECIFIED.into(), user_agent: None, language: None, ..self }
    }

    /// Sets the `User-Agent` of the visitor's browser, which a sign-in passes on, and the language
    /// of the page.
    pub(crate) fn with_browser(self, user_agent: Option<&'a str>, language: Language) -> Self {
        Self { user_agent, language: Some(language.tag()), ..self }
    }
}

/// An access token or a guest token. It has no `Debug`, so that no log line can show it.
#[derive(Clone)]
pub(crate) struct Token(pub(crate) String);

/// One page of a list.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct List<T> {
    pub(crate) items: Vec<T>,
    /// The cursor of the next page.
    pub(crate) next: Option<String>,
}
