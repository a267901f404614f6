//! Journeys in a browser.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod accessibility;
mod buying;
mod monitor;
mod storefront;
mod weight;
