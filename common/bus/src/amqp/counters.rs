//! What a bus over RabbitMQ counts.

/// Counters of a bus over RabbitMQ since its creation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Connections to the broker that were opened.
    pub connections: u64,
    /// Calls that did not reach a service: no instance serves it, or its queue is full.
    pub undelivered: u64,
    /// Calls that were dropped because they had expired.
    pub expired: u64,
    /// Calls that were refused: unreadable, not served, or from a service that may not send them. A
    /// whole unreadable message counts once.
    pub refused: u64,
    /// Replies to no pending call: late, repeated or forged.
    pub stray_replies: u64,
    /// Replies that could not be sent.
    pub lost_replies: u64,
    /// Events without a handler in this process.
    pub ignored_events: u64,
    /// Failed events that were stored for a retry.
    pub retried_events: u64,
    /// Failed events that were stored in a dead-letter queue.
    pub dead_lettered_events: u64,
}
