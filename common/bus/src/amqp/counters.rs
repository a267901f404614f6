//! What went wrong on the bus, counted: for tests, and for whoever watches a process.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[$meaning:meta])* $name:ident)*) => {
        /// How often something happened that should not, or not often, since this bus was made.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        pub struct Counters {
            $($(#[$meaning])* pub $name: u64,)*
        }

        #[derive(Default)]
        pub(super) struct Counting {
            $(pub(super) $name: Count,)*
        }

        impl Counting {
            pub(super) fn read(&self) -> Counters {
                Counters { $($name: self.$name.0.load(Ordering::Relaxed),)* }
            }
        }
    };
}

counters! {
    /// Connections to the broker that were made.
    connections
    /// Calls that could not be delivered: nobody serves, or the queue is full.
    undeliverable
    /// Calls that were dropped because they had expired.
    expired
    /// Calls, or whole messages of them, that were refused because they cannot be understood.
    refused
    /// Replies that nobody waits for: late, repeated or forged.
    stray_replies
    /// Replies that could not be sent.
    lost_replies
    /// Events that nobody here listens to.
    ignored_events
    /// Attempts at events that failed and are made again later.
    retried_events
    /// Events that were put into a dead-letter queue.
    dead_lettered_events
}

#[derive(Default)]
pub(super) struct Count(AtomicU64);

impl Count {
    pub(super) fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}
