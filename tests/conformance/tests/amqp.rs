//! Checks of the transport over RabbitMQ beyond the suites of all transports: the broker
//! disconnects and returns, processes die, messages are unreadable.
//!
//! Each check reaches the broker through a fault proxy of its own, which can disconnect and stall.

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
