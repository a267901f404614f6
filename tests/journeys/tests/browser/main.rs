//! Journeys in a browser. Those of buying and selling also run on a fleet: see `any_shop`.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod accessibility;
mod any_shop;
mod buying;
mod card;
mod merchant;
mod monitor;
mod passkeys;
mod phone;
mod storefront;
mod weight;
