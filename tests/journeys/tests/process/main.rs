//! Journeys about the one-process shop itself: how it starts, what it keeps, and that nothing is lost when it is killed.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod backup;
mod crash;
mod erased;
mod failpoints;
mod late_payment;
mod restart;
mod start_up;
mod stripe;
