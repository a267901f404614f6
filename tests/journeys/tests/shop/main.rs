//! Journeys in any shop: the one that `SOUK_URL` names, whatever it is made of, else one that is opened for them.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod admin;
mod bad_input;
mod books;
mod cart;
mod checkout;
mod erased_customer;
mod export;
mod guest;
mod import;
mod last_piece;
mod new_customer;
mod payment;
mod returning_customer;
mod tutorial_traps;
