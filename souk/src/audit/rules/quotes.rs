//! Rules of quotes and discounts.

use std::collections::HashMap;

use shopping::ledger::DiscountRecord;

use super::Records;

/// The parts of each quote add up, no discount has more uses than its limit, and each confirmed
/// order has a use of the limited discounts in its quote.
pub(super) fn check(records: &Records, findings: &mut Vec<String>) {
    let mut confirmed: HashMap<&str, u64> = HashMap::new();
    for entry in &records.orders {
        if let Some(problem) = entry.quote_problem {
            findings.push(format!("the quote of order {} is wrong: {problem}", entry.order));
        }
        for key in entry.counted_discounts.iter().filter(|_| entry.was_confirmed) {
            *confirmed.entry(key).or_default() += 1;
        }
    }
    let uses: HashMap<&str, u64> = records.discounts.iter().map(|record| (record.key.as_str(), record.uses)).collect();
    for DiscountRecord { key, uses, limit } in &records.discounts {
        if *uses > u64::from(*limit) {
            findings.push(format!("the discount {key} has {uses} uses and its limit is {limit}"));
        }
    }
    for (key, orders) in confirmed {
        let counted = uses.get(key).copied().unwrap_or(0);
        if orders > counted {
            findings.push(format!("{orders} confirmed orders have the discount {key}, which counts {counted} uses"));
        }
    }
}
