//! Disputes: the customer's bank takes money of a payment back, or asks about it. Until the bank
//! has decided for the shop, the shop does not refund disputed money, because the customer would
//! get it twice.

use std::fmt;

use serde::{Deserialize, Serialize};
use souk_types::Money;

use super::state::Payment;

/// A dispute of a payment, as the provider reports it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Dispute {
    /// The provider's id.
    pub(crate) id: String,
    pub(crate) amount: Money,
    pub(crate) status: DisputeStatus,
    /// The bank's reason: `fraudulent`, `product_not_received`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
}

/// The state of a dispute. The order of the states is that in which they follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum DisputeStatus {
    /// The bank asks, and has taken no money. A refund ends the inquiry.
    Inquiry,
    /// The bank has taken the money, and has not decided.
    Open,
    /// The bank has given the money back to the shop.
    Won,
    /// The customer keeps the money.
    Lost,
}

impl DisputeStatus {
    fn is_decided(self) -> bool {
        matches!(self, Self::Won | Self::Lost)
    }
}

impl fmt::Display for Dispute {
    /// Formats the dispute for the log of an order: `dispute open 9.98 EUR: fraudulent`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = match self.status {
            DisputeStatus::Inquiry => "inquiry",
            DisputeStatus::Open => "open",
            DisputeStatus::Won => "won",
            DisputeStatus::Lost => "lost",
        };
        write!(f, "dispute {status} {}", self.amount)?;
        self.reason.iter().try_for_each(|reason| write!(f, ": {reason}"))
    }
}

impl Payment {
    /// Applies a report of a dispute, and returns whether it changes the payment. A late report of
    /// an earlier state changes nothing. When the shop wins, it requests the refunds that it owes.
    pub(crate) fn apply_dispute(&mut self, report: &Dispute) -> bool {
        let before = self.clone();
        match self.disputes.iter_mut().find(|dispute| dispute.id == report.id) {
            // A bank may revise its decision.
            Some(known) if report.status >= known.status || report.status.is_decided() => *known = report.clone(),
            Some(_) => {}
            None => self.disputes.push(report.clone()),
        }
        self.withdraw_requests();
        if self.disputed().amount() < before.disputed().amount() {
            self.request_owed();
        }
        *self != before
    }

    /// The money that the customer's bank has withdrawn and not reinstated.
    pub(super) fn disputed(&self) -> Money {
        let is_gone = |dispute: &&Dispute| matches!(dispute.status, DisputeStatus::Open | DisputeStatus::Lost);
        self.total(self.disputes.iter().filter(is_gone).map(|dispute| dispute.amount))
    }

    /// Whether disputed money is not to be refunded.
    pub(crate) fn is_disputed(&self) -> bool {
        !self.disputed().is_zero()
    }
}

#[cfg(test)]
mod tests {
    use souk_types::Currency;

    use super::*;
    use crate::domain::payment::PaymentMethod;
    use crate::domain::payment::report::{PaymentReport, ProviderPaymentStatus};
    use crate::domain::payment::state::PaymentStatus;

    fn euros(amount: u64) -> Money {
        Money::new(amount, Currency::EUR).unwrap()
    }

    fn captured() -> Payment {
        let mut payment = Payment::open(PaymentMethod::Stripe, "pi_1".to_owned(), euros(10_000), None);
        payment.apply(&PaymentReport::new(ProviderPaymentStatus::Captured, euros(10_000)));
        payment
    }

    fn dispute(status: DisputeStatus, amount: u64) -> Dispute {
        Dispute { id: "dp_1".to_owned(), amount: euros(amount), status, reason: Some("fraudulent".to_owned()) }
    }

    /// Reports of one dispute of an order that owes all its money: what the shop requests.
    #[test]
    fn disputed_money_is_refunded_when_the_shop_has_won() {
        use DisputeStatus::{Inquiry, Lost, Open, Won};
        for (case, reports, requested, status) in [
            ("no dispute", &[][..], 10_000, PaymentStatus::RefundPending),
            ("an inquiry", &[(Inquiry, 10_000)], 10_000, PaymentStatus::RefundPending),
            ("open", &[(Open, 10_000)], 0, PaymentStatus::Disputed),
            ("open, late", &[(Open, 10_000), (Inquiry, 10_000)], 0, PaymentStatus::Disputed),
            ("a part", &[(Open, 4_000)], 6_000, PaymentStatus::RefundPending),
            ("won", &[(Open, 10_000), (Won, 10_000)], 10_000, PaymentStatus::RefundPending),
            ("won, late", &[(Won, 10_000), (Open, 10_000)], 10_000, PaymentStatus::RefundPending),
            ("lost", &[(Open, 10_000), (Lost, 10_000)], 0, PaymentStatus::Disputed),
            ("lost, then won", &[(Lost, 10_000), (Won, 10_000)], 10_000, PaymentStatus::RefundPending),
        ] {
            for disputed_first in [true, false] {
                let mut payment = captured();
                if !disputed_first {
                    payment.refund_all();
                }
                for (status, amount) in reports {
                    payment.apply_dispute(&dispute(*status, *amount));
                    assert!(!payment.apply_dispute(&dispute(*status, *amount)), "{case}: repeated");
                }
                if disputed_first {
                    payment.refund_all();
                }
                let sum: u64 = payment.requested_refunds().map(|refund| refund.amount.amount()).sum();
                assert_eq!((sum, payment.status()), (requested, status), "{case}, {disputed_first}");
            }
        }
    }

    /// A refund of 60.00 and a dispute of a part, in either order: what the shop requests.
    #[test]
    fn a_dispute_takes_the_money_that_is_not_to_be_refunded() {
        for (disputed, status, requested) in [
            (4_000, DisputeStatus::Open, 6_000),
            (4_000, DisputeStatus::Lost, 6_000),
            (5_000, DisputeStatus::Open, 5_000),
            (10_000, DisputeStatus::Lost, 0),
            (4_000, DisputeStatus::Won, 6_000),
        ] {
            for disputed_first in [true, false] {
                let mut payment = captured();
                if !disputed_first {
                    payment.refund_more(euros(6_000));
                }
                payment.apply_dispute(&dispute(status, disputed));
                if disputed_first {
                    payment.refund_more(euros(6_000));
                }
                let sum: u64 = payment.requested_refunds().map(|refund| refund.amount.amount()).sum();
                assert_eq!(sum, requested, "{disputed} {status:?}, {disputed_first}");
            }
        }
    }
}
