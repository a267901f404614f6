//! What was done with an order, as its page says it afterwards.

use self::RefundOutcome::{Failed, Made, Pending};
use crate::api::order::{Order, OrderStatus};
use crate::locale::Key;
use crate::visit::Visit;

/// What a form has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Done {
    Shipped,
    Delivered,
    Captured,
    Cancelled(RefundOutcome),
    /// What was not sent is cancelled.
    RestCancelled(RefundOutcome),
    Refunded(RefundOutcome),
    /// Failed refunds were requested again.
    Retried(RefundOutcome),
    Noted,
    MailRetried,
    MailResent,
}

/// What has become of a refund.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RefundOutcome {
    Made,
    /// The payment provider has not made it yet.
    Pending,
    Failed,
}

/// The name in the URL of the page, and the class and the text of the notice.
const NOTICES: [(Done, &str, &str, Key); 18] = [
    (Done::Shipped, "shipped", "success", Key("orders-done-shipped")),
    (Done::Delivered, "delivered", "success", Key("orders-done-delivered")),
    (Done::Captured, "captured", "success", Key("orders-done-captured")),
    (Done::Cancelled(Made), "cancelled", "success", Key("orders-done-cancelled")),
    (Done::Cancelled(Pending), "cancel-pending", "", Key("orders-done-cancel-pending")),
    (Done::Cancelled(Failed), "cancel-failed", "error", Key("orders-done-cancel-failed")),
    (Done::RestCancelled(Made), "rest-cancelled", "success", Key("orders-done-rest-cancelled")),
    (Done::RestCancelled(Pending), "rest-pending", "", Key("orders-done-rest-pending")),
    (Done::RestCancelled(Failed), "rest-failed", "error", Key("orders-done-rest-failed")),
    (Done::Refunded(Made), "refunded", "success", Key("orders-done-refunded")),
    (Done::Refunded(Pending), "refund-pending", "", Key("orders-done-refund-pending")),
    (Done::Refunded(Failed), "refund-failed", "error", Key("orders-done-refund-failed")),
    (Done::Retried(Made), "retried", "success", Key("orders-done-retried")),
    (Done::Retried(Pending), "retry-pending", "", Key("orders-done-retry-pending")),
    (Done::Retried(Failed), "retry-failed", "error", Key("orders-done-retry-failed")),
    (Done::Noted, "noted", "success", Key("orders-done-noted")),
    (Done::MailRetried, "mail-retried", "success", Key("mails-retried")),
    (Done::MailResent, "mail-resent", "success", Key("mails-resent")),
];

impl Done {
    /// Returns what was done by cancelling: the whole order, or what was not sent of it.
    pub(super) fn cancelled(order: &Order) -> Self {
        let refund = RefundOutcome::of_order(order);
        match order.status {
            OrderStatus::Cancelled | OrderStatus::Refunded => Self::Cancelled(refund),
            _ => Self::RestCancelled(refund),
        }
    }

    /// Returns its name in the URL of the page that says it.
    pub(super) fn name(self) -> &'static str {
        NOTICES.iter().find(|(done, ..)| *done == self).map_or("", |(_, name, ..)| *name)
    }

    /// Returns what the page says: `(class, text)`. `None` for an unknown name.
    pub(super) fn notice(visit: &Visit<'_>, name: &str) -> Option<(&'static str, String)> {
        let (_, _, class, key) = NOTICES.iter().find(|(_, known, ..)| *known == name)?;
        Some((*class, visit.text(key).to_string()))
    }
}

impl RefundOutcome {
    /// Reads the status of a refund.
    pub(super) fn of_status(status: &str) -> Self {
        match status {
            "succeeded" => Made,
            "failed" => Failed,
            _ => Pending,
        }
    }

    /// Returns the worst outcome among the refunds of an order.
    pub(super) fn of_order(order: &Order) -> Self {
        let payment = order.payment.as_ref().map(|payment| payment.status.as_str());
        let has = |outcome: Self| order.refunds.iter().any(|refund| Self::of_status(&refund.status) == outcome);
        if payment == Some("refund-failed") || has(Failed) {
            Failed
        } else if payment == Some("refund-pending") || has(Pending) {
            Pending
        } else {
            Made
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_notice_has_a_name_of_its_own() {
        let names: BTreeSet<&str> = NOTICES.iter().map(|(done, ..)| done.name()).collect();
        assert_eq!((names.len(), names.contains("")), (NOTICES.len(), false));
    }

    #[test]
    fn a_refund_that_is_not_made_is_not_reported_as_made() {
        for (status, outcome) in [("succeeded", Made), ("pending", Pending), ("requested", Pending), ("failed", Failed)]
        {
            assert_eq!(RefundOutcome::of_status(status), outcome);
        }
    }
}
