//! Journeys in fleets of their own, whose components start late, stop, die and pause: RabbitMQ,
//! MongoDB, two instances of each service, nginx. `cargo xtask test` provides the servers.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod account_deletion;
mod attempts;
mod audit_mutations;
mod backup;
mod broker_outage;
mod canary;
mod credentials;
mod dead_letters;
mod deployment;
mod failpoints;
mod hot_product;
mod least_privilege;
mod monitor;
mod order_cost;
mod outage;
mod page_admin_overview;
mod page_bulk;
mod page_dead_letters;
mod page_outage;
mod request_tracing;
mod restart;
mod seed;
mod smtp;
mod start_order;
mod support;
mod upgrade;
