//! The lengths of the queues of a deployment, for an operator.

use std::collections::BTreeSet;

use lapin::options::QueueDeclareOptions;
use lapin::protocol::AMQPSoftError;
use lapin::types::FieldTable;
use serde::Serialize;

use super::connection::Connection;
use super::retry::DELAYS;
use super::topology::{Names, dead_letter_queue, retry_queue};
use crate::{EventDescriptor, owner};
use souk_types::Result;

/// A queue on the broker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct QueueState {
    /// Its name without the prefix of the deployment: `products.rpc` has calls, `shopping.customer`
    /// has the events that `shopping` gets from `customer`.
    pub name: String,
    /// Messages that no consumer has taken, with those that wait for a retry.
    pub waiting: u32,
    /// Processes that consume it.
    pub consumers: u32,
    /// Its dead letters; `None` for a queue of calls.
    pub dead_letters: Option<u32>,
}

/// Returns the state of every queue. A queue that does not exist has no consumer.
pub(super) async fn read(
    connection: &Connection,
    names: &Names,
    services: &[&str],
    events: &[EventDescriptor],
) -> Result<Vec<QueueState>> {
    let plain = Names(String::new());
    let mut queues = Vec::new();
    for service in services {
        let (waiting, consumers) = length(connection, &names.rpc_queue(service)).await?.unwrap_or_default();
        queues.push(QueueState { name: plain.rpc_queue(service), waiting, consumers, dead_letters: None });
    }
    for name in event_queues(events) {
        let queue = names.prefixed(&name);
        let (mut waiting, consumers) = length(connection, &queue).await?.unwrap_or_default();
        for delay in DELAYS {
            waiting += length(connection, &retry_queue(&queue, delay)).await?.unwrap_or_default().0;
        }
        let dead_letters = length(connection, &dead_letter_queue(&queue)).await?.unwrap_or_default().0;
        queues.push(QueueState { name, waiting, consumers, dead_letters: Some(dead_letters) });
    }
    queues.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(queues)
}

/// Returns the event queues of a contract, without prefix, in the order of their names.
pub(super) fn event_queues(events: &[EventDescriptor]) -> Vec<String> {
    let names = Names(String::new());
    let queues = events
        .iter()
        .flat_map(|event| event.listeners.iter().map(|listener| names.event_queue(listener, owner(event.event))));
    queues.collect::<BTreeSet<_>>().into_iter().collect()
}

/// Counts the messages that no consumer has taken, and the consumers; `None` without such a queue.
pub(super) async fn length(connection: &Connection, queue: &str) -> Result<Option<(u32, u32)>> {
    let channel = connection.channel().await?;
    let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
    let declaring = channel.queue_declare(queue.into(), options, FieldTable::default());
    let queue = connection.bounded_unless(AMQPSoftError::NOTFOUND, declaring).await?;
    let state = queue.map(|queue| (queue.message_count(), queue.consumer_count()));
    if state.is_some() {
        connection.bounded(channel.close(200, "OK".into())).await?;
    }
    Ok(state)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_contract_names_the_event_queues() {
        let expected = [
            "customer.mail",
            "customer.products",
            "customer.shopping",
            "mail.customer",
            "mail.shopping",
            "products.customer",
            "shopping.customer",
        ];
        assert_eq!(event_queues(souk_contract::EVENTS), expected);
    }
}
