//! Rules of the responses to clients.

use std::collections::HashMap;

use shopping::OrderStatus;
use shopping::ledger::OrderRecord;
use souk_contract::customer::CustomerId;
use souk_contract::shopping::OrderId;

use super::{ClientResponse, Records};

/// Each order in a response exists, belongs to the customer and the key, and has not lost its
/// status. A key always got the same order.
pub(super) fn check(records: &Records, responses: &[ClientResponse], findings: &mut Vec<String>) {
    let orders: HashMap<OrderId, &OrderRecord> = records.orders.iter().map(|entry| (entry.order, entry)).collect();
    for ClientResponse { customer, key, order, status } in responses {
        let Some(entry) = orders.get(order) else {
            findings.push(format!("order {order} of a response does not exist"));
            continue;
        };
        if entry.customer.is_some_and(|of| of != *customer) || entry.key.as_ref().is_some_and(|of| of != key) {
            findings.push(format!("order {order} belongs to another customer or key than in the response"));
        }
        let is_kept = match status {
            OrderStatus::Confirmed => {
                entry.status.is_sold() || matches!(entry.status, OrderStatus::Cancelled | OrderStatus::Refunded)
            }
            // A refund may fail later.
            OrderStatus::Refunded => matches!(entry.status, OrderStatus::Refunded | OrderStatus::Cancelled),
            OrderStatus::PartiallyShipped => entry.status.is_shipped(),
            OrderStatus::Shipped => matches!(entry.status, OrderStatus::Shipped | OrderStatus::Delivered),
            OrderStatus::Delivered => entry.status == *status,
            _ => true,
        };
        if !is_kept {
            findings.push(format!("order {order} was {status:?} in a response and is {:?}", entry.status));
        }
    }
    let mut first_orders: HashMap<(CustomerId, &str), OrderId> = HashMap::new();
    for response in responses {
        let first = *first_orders.entry((response.customer, &response.key)).or_insert(response.order);
        if first != response.order {
            findings.push(format!("one idempotency key got orders {first} and {}", response.order));
        }
    }
}
