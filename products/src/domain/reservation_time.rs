//! The rule for the length of a reservation: it is shorter while stock is scarce, so that unpaid
//! orders cannot keep a product from the customers who pay.
//!
//! While at most [`FULL_TIME_UP_TO_PERCENT_RESERVED`] percent of a product's unsold stock is
//! reserved, this order included, a reservation has its full time. From
//! [`SHORTEST_TIME_FROM_PERCENT_RESERVED`] percent on it has the shortest, and in between the time
//! falls in proportion. The scarcest product of an order decides.

use souk_types::Timestamp;

const FULL_TIME_UP_TO_PERCENT_RESERVED: u32 = 10;
const SHORTEST_TIME_FROM_PERCENT_RESERVED: u32 = 50;

/// Returns when a reservation expires, from the reserved share of the scarcest product.
pub(crate) fn expiry(expires_at: Timestamp, expires_at_if_scarce: Timestamp, reserved_percent: u32) -> Timestamp {
    let (full, shortest) = (FULL_TIME_UP_TO_PERCENT_RESERVED, SHORTEST_TIME_FROM_PERCENT_RESERVED);
    let scarcity = reserved_percent.clamp(full, shortest) - full;
    expires_at.before(expires_at.since(expires_at_if_scarce) * scarcity / (shortest - full))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_reservation_is_shorter_while_more_of_the_stock_is_reserved() {
        let now = Timestamp::now();
        for (longest, shortest, reserved_percent, minutes) in [
            (15, 5, 0, 15),
            (15, 5, 10, 15),
            (15, 5, 14, 14),
            (15, 5, 30, 10),
            (15, 5, 46, 6),
            (15, 5, 50, 5),
            (15, 5, 100, 5),
            // A shop without a shorter time.
            (15, 15, 100, 15),
            // The shortest time is not longer than the full one.
            (1, 5, 0, 1),
            (1, 5, 100, 1),
        ] {
            let [longest, shortest, expected] =
                [longest, shortest, minutes].map(|minutes| now.after(Duration::from_mins(minutes)));
            assert_eq!(expiry(longest, shortest, reserved_percent), expected, "{reserved_percent} %");
        }
    }
}
