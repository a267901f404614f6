//! What a check talks over: one transport, with nobody else on it, and what that transport promises.

use std::time::Duration;

use common::bus::{AmqpOptions, Bus};
use uuid::Uuid;

/// A bus of its own for each check.
pub(crate) struct Line {
    pub(crate) bus: Bus,
    /// After calls were not answered, a service that is fine again answers within this. Until then calls fail at once.
    pub(crate) recovers_within: Duration,
}

impl Line {
    pub(crate) fn local() -> Self {
        Self { bus: Bus::local(), recovers_within: Duration::ZERO }
    }

    pub(crate) fn amqp() -> Self {
        // The breaker lets a probe through after a second.
        Self { bus: Bus::amqp(options()).unwrap(), recovers_within: Duration::from_secs(2) }
    }
}

/// Where the broker is, with names that no other test has.
pub(crate) fn options() -> AmqpOptions {
    AmqpOptions {
        url: std::env::var("AMQP_URL").expect("AMQP_URL says where a broker is"),
        name: "test".to_owned(),
        prefix: format!("test-{}.", Uuid::now_v7()),
    }
}
