//! The sales of each day, for the shop's overview.
//!
//! An order is a sale of the UTC day on which it was placed, from its confirmation on, with its
//! total. It is none any more once it is cancelled, or when the shop keeps none of its money. A
//! refund of a part changes nothing.

use std::time::Duration;

use serde::Serialize;
use souk_types::{CappedCount, Currency, Money, Timestamp};

use super::Order;
use crate::domain::payment::state::Payment;

/// Days of the overview, today included: this week and the one before.
const DAYS: u32 = 14;

/// Length of a day in the text of a moment: `2026-11-29`.
const DAY_LENGTH: usize = 10;

/// The fields of an order by which sales are added up.
#[derive(Debug, Serialize)]
pub(crate) struct Sale {
    /// Day and currency: `2026-11-29 EUR`.
    group: String,
    /// The total, in minor units.
    total: u64,
}

/// Numbers for the overview of admins.
#[derive(Debug, Serialize)]
pub(crate) struct SalesSummary {
    /// The last 14 days, today last.
    pub(crate) days: Vec<SalesDay>,
    /// Confirmed orders of which no piece was sent.
    pub(crate) to_pack: CappedCount,
    pub(crate) partially_shipped: CappedCount,
    /// Orders whose payment an admin must act upon.
    pub(crate) attention: CappedCount,
}

/// The sales of one day.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct SalesDay {
    /// In UTC: `2026-11-29`.
    date: String,
    /// One for each currency, by its code; empty without a sale.
    sales: Vec<DaySales>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct DaySales {
    orders: u64,
    total: Money,
}

/// The sales of one group, as the database adds them up.
#[derive(Debug, Clone)]
pub(crate) struct GroupSales {
    /// See [`Sale`].
    pub(crate) group: String,
    pub(crate) orders: u64,
    pub(crate) total: u64,
}

impl Order {
    /// Returns the sale that the order is; `None` when it is none.
    pub(super) fn sale(&self) -> Option<Sale> {
        let is_kept = self.payment.as_ref().is_none_or(Payment::keeps_money);
        (self.status.is_sold() && is_kept).then(|| Sale {
            group: format!("{} {}", day(self.created_at), self.total().currency().code()),
            total: self.total().amount(),
        })
    }
}

/// Returns the first day of the overview, which is less than its groups.
pub(crate) fn first_day(now: Timestamp) -> String {
    days(now).next().unwrap_or_default()
}

/// Returns the sales of each day up to now.
pub(crate) fn by_day(groups: &[GroupSales], now: Timestamp) -> Vec<SalesDay> {
    let sales = |date: &str| {
        let of_day = groups.iter().filter_map(|sales| Some((sales, sales.group.strip_prefix(date)?.trim_start())));
        let sales = of_day.filter_map(|(sales, currency)| {
            let currency = Currency::try_from(currency).ok()?;
            let total = Money::new(sales.total.min(Money::MAX_AMOUNT), currency).ok()?;
            Some(DaySales { orders: sales.orders, total })
        });
        sales.collect()
    };
    days(now).map(|date| SalesDay { sales: sales(&date), date }).collect()
}

/// Returns the days up to now, oldest first.
fn days(now: Timestamp) -> impl Iterator<Item = String> {
    (0..DAYS).rev().map(move |ago| day(now.before(Duration::from_hours(24) * ago)))
}

fn day(moment: Timestamp) -> String {
    let mut text = moment.to_string();
    text.truncate(DAY_LENGTH);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    use super::super::OrderStatus;
    use super::super::tests::{TOTAL, apply, in_state, refunded};

    #[test]
    fn an_order_is_a_sale_from_its_confirmation_until_it_is_cancelled_or_refunded() {
        for status in OrderStatus::ALL {
            let sale = in_state(status).sale();
            assert_eq!(sale.as_ref().map(|sale| sale.total), status.is_sold().then_some(TOTAL), "{status:?}");
        }
        let mut order = in_state(OrderStatus::Shipped);
        apply(&mut order, &refunded(TOTAL, 499));
        assert_eq!(order.sale().map(|sale| sale.total), Some(TOTAL), "a part is refunded");
        apply(&mut order, &refunded(TOTAL, TOTAL));
        assert!(order.sale().is_none());
        let sale = in_state(OrderStatus::Confirmed).sale().unwrap();
        assert!(sale.group.ends_with(" EUR") && sale.group.len() == "2026-11-29 EUR".len(), "{}", sale.group);
    }

    fn now() -> Timestamp {
        serde_json::from_str("\"2026-03-05T23:59:59.999Z\"").unwrap()
    }

    #[test]
    fn each_of_14_days_has_its_sales_by_currency() {
        let group = |group: &str, orders, total| GroupSales { group: group.to_owned(), orders, total };
        let groups = [group("2026-02-20 EUR", 1, 499), group("2026-03-05 CHF", 2, 20), group("2026-03-05 EUR", 3, 30)];
        let days = by_day(&groups, now());
        assert_eq!((first_day(now()).as_str(), days.len()), ("2026-02-20", 14));
        let written = serde_json::to_value(&days).unwrap();
        assert_eq!(
            written[0]["sales"],
            serde_json::json!([{"orders": 1, "total": {"amount": 499, "currency": "EUR"}}])
        );
        assert_eq!((&written[1]["date"], &written[8]["date"]), (&"2026-02-21".into(), &"2026-02-28".into()));
        assert_eq!(written[9]["date"], "2026-03-01");
        assert_eq!(written[1]["sales"], serde_json::json!([]));
        assert_eq!(written[13]["sales"][0]["total"]["currency"], "CHF");
        assert_eq!(written[13]["sales"][1]["orders"], 3);
    }

    #[test]
    fn sums_end_at_the_largest_amount() {
        let groups = [GroupSales { group: "2026-03-05 EUR".to_owned(), orders: 2, total: u64::MAX }];
        assert_eq!(by_day(&groups, now())[13].sales[0].total.amount(), Money::MAX_AMOUNT);
    }
}
