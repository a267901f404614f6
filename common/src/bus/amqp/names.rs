//! What things are called on the broker, and how they are declared. Whoever declares something a second time must do so in
//! the same words, or the broker refuses; so it is written here once.

use lapin::Channel;
use lapin::options::QueueDeclareOptions;
use lapin::types::{AMQPValue, FieldTable};

use super::link::Link;
use crate::error::Result;

/// The header with the version of the protocol.
pub(super) const VERSION: &str = "souk-version";

/// Messages (of up to 128 calls each) that may wait for a service. More would not be answered in time anyway.
const RPC_LENGTH: i64 = 1024;
/// Bytes that may wait for a service.
const RPC_BYTES: i64 = 64 * 1024 * 1024;
/// A queue for calls that nobody has consumed for so long is deleted, in milliseconds: its service may have died between
/// declaring and consuming, and callers must not wait for it.
const RPC_UNUSED: i64 = 10_000;

/// Names with the bus's prefix.
#[derive(Debug, Clone)]
pub(super) struct Names(pub(super) String);

impl Names {
    /// The queue for calls of a service.
    pub(super) fn calls(&self, service: &str) -> String {
        format!("{}{service}.rpc", self.0)
    }
}

/// Declares the queue for calls of a service: it is there while somebody serves, so that callers know at once when nobody does.
pub(super) async fn declare_calls(link: &Link, channel: &Channel, queue: &str) -> Result<()> {
    let options = QueueDeclareOptions { durable: true, auto_delete: true, ..QueueDeclareOptions::default() };
    let arguments = table(&[
        ("x-max-length", AMQPValue::LongLongInt(RPC_LENGTH)),
        ("x-max-length-bytes", AMQPValue::LongLongInt(RPC_BYTES)),
        ("x-overflow", text("reject-publish")),
        ("x-expires", AMQPValue::LongLongInt(RPC_UNUSED)),
    ]);
    link.bounded(channel.queue_declare(queue.into(), options, arguments)).await.map(drop)
}

fn table(entries: &[(&str, AMQPValue)]) -> FieldTable {
    let mut table = FieldTable::default();
    for (name, value) in entries {
        table.insert((*name).into(), value.clone());
    }
    table
}

fn text(value: &str) -> AMQPValue {
    AMQPValue::LongString(value.into())
}
