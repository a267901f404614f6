//! What the transport over RabbitMQ promises beyond the suites that every transport passes: what happens when the broker goes
//! away and comes back, when somebody dies, and when what comes in cannot be understood.
//!
//! The broker is never touched: each check talks to it through a relay of its own (`support/fault_proxy.rs`) that can cut and stall.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may")]

#[path = "support/fault_proxy.rs"]
mod fault_proxy;
#[path = "support/line.rs"]
mod line;

#[path = "amqp/calls.rs"]
mod calls;
#[path = "amqp/dead_letters.rs"]
mod dead_letters;
#[path = "amqp/events.rs"]
mod events;
#[path = "amqp/raw.rs"]
mod raw;
