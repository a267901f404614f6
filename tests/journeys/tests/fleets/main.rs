//! Journeys in fleets of their own, whose parts start late, stop, die and stand still: RabbitMQ, MongoDB, two instances of
//! each service, nginx. `cargo xtask test` gets the servers and runs them.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod any_order;
mod backup;
mod dead_letters;
mod delivery;
mod erasure;
mod failpoints;
mod hot_product;
mod mutants;
mod outage;
mod restart;
mod seed;
mod story;
mod support;
