//! Rules of events and of the effects that they have in other services.

use std::collections::HashSet;

use shopping::ledger::OrderRecord;
use souk_contract::customer::CustomerId;

use super::Records;

/// All outboxes are empty, no event waits on the broker, every service has erased every deleted
/// account, and each confirmed order has a mail to its buyer, a guest or an account.
pub(super) fn check(records: &Records, findings: &mut Vec<String>) {
    for (service, pending) in &records.outboxes {
        if *pending > 0 {
            findings.push(format!("{pending} events wait in the outbox of {service}"));
        }
    }
    if let Some(counts) = records.broker
        && counts.waiting > 0
    {
        findings.push(format!("{} events wait on the broker", counts.waiting));
    }
    for customer in &records.accounts.erased {
        for (service, erased) in [
            ("mail", &records.erased_in_mail),
            ("products", &records.erased_in_products),
            ("shopping", &records.erased_in_shopping),
        ] {
            if !erased.contains(customer) {
                findings.push(format!("{service} has not erased the deleted account {customer}"));
            }
        }
        if records.customers_with_carts.contains(customer) {
            findings.push(format!("the deleted account {customer} has a cart"));
        }
    }
    let deleted: HashSet<&CustomerId> = records.accounts.erased.iter().collect();
    for entry in
        records.orders.iter().filter(|entry| entry.customer.is_some_and(|customer| deleted.contains(&customer)))
    {
        findings.push(format!("order {} refers to a deleted account", entry.order));
    }
    let has_no_mail = |entry: &&OrderRecord| !records.confirmation_mails.contains_key(&entry.order);
    for entry in records.orders.iter().filter(|entry| entry.was_confirmed && entry.has_recipient).filter(has_no_mail) {
        findings.push(format!("order {} was confirmed and has no mail to its buyer", entry.order));
    }
    for (order, mails) in records.confirmation_mails.iter().filter(|(_, mails)| **mails > 1) {
        findings.push(format!("order {order} has {mails} mails that confirm it"));
    }
}
