use souk_types::Currency;

use super::*;
use crate::domain::payment::PaymentMethod;
use crate::domain::payment::report::{PaymentReport, ProviderPaymentStatus};
use crate::domain::payment::state::PaymentStatus as S;

fn euros(amount: u64) -> Money {
    Money::new(amount, Currency::EUR).unwrap()
}

/// A payment of 100.00 of which this much is captured.
fn captured(amount: u64) -> Payment {
    let mut payment = Payment::open(PaymentMethod::Stripe, "pi_1".to_owned(), euros(10_000), None);
    payment.apply(&PaymentReport::new(ProviderPaymentStatus::Captured, euros(amount)));
    payment
}

/// A refund in the provider's list. Those of the shop carry its id.
fn listed(id: Option<PaymentRefundId>, reference: &str, amount: u64, status: RefundStatus) -> RefundReport {
    RefundReport { id, reference: Some(reference.to_owned()), amount: euros(amount), status, reason: None }
}

fn requested(payment: &Payment) -> Vec<u64> {
    payment.requested_refunds().map(|refund| refund.amount.amount()).collect()
}

fn requested_id(payment: &Payment) -> PaymentRefundId {
    payment.requested_refunds().next().unwrap().id
}

/// What happens to the shop's own refund of 20.00, a surplus, and to one of 20.00 on the
/// provider's dashboard. Each step is the list that the shop reads: the state of its own refund and
/// that of the other one, or `-` where the list does not have it. Then: what the payment shows as
/// refunded, what a retry requests, and the status.
#[test]
fn the_list_of_refunds_decides_what_is_owed() {
    let rows = [
        // steps, refunded, retry, status
        ("nothing has happened", "--", 0, 0, S::RefundPending),
        ("succeeded", "s-", 2_000, 0, S::PartiallyRefunded),
        ("pending", "p-", 0, 0, S::RefundPending),
        ("pending, then succeeded", "p- s-", 2_000, 0, S::PartiallyRefunded),
        ("late: an old list after a new one", "s- p-", 2_000, 0, S::PartiallyRefunded),
        ("late: a list from before the refund", "s- --", 2_000, 0, S::PartiallyRefunded),
        ("duplicate", "s- s- s-", 2_000, 0, S::PartiallyRefunded),
        ("failed", "f-", 0, 2_000, S::RefundFailed),
        ("fails after it has succeeded", "s- f-", 0, 2_000, S::RefundFailed),
        ("late: it had succeeded before it failed", "f- s-", 0, 2_000, S::RefundFailed),
        ("the dashboard is first", "-s", 2_000, 0, S::PartiallyRefunded),
        ("the dashboard is first, pending", "-p", 0, 0, S::RefundPending),
        ("the dashboard before ours fails", "p- ps fs", 2_000, 0, S::PartiallyRefunded),
        ("the dashboard before ours fails, in one list", "fs", 2_000, 0, S::PartiallyRefunded),
        ("the dashboard after ours has failed", "f- fs", 2_000, 0, S::PartiallyRefunded),
        ("the dashboard after ours has failed, late", "fs f-", 2_000, 0, S::PartiallyRefunded),
        ("the dashboard fails too", "f- fs ff", 0, 2_000, S::RefundFailed),
        ("both succeed", "ss", 4_000, 0, S::PartiallyRefunded),
        ("both succeed, then ours fails", "ss fs", 2_000, 0, S::PartiallyRefunded),
        ("both succeed, then the other fails", "ss sf", 2_000, 0, S::PartiallyRefunded),
    ];
    for (case, steps, refunded, retry, status) in rows {
        let mut payment = captured(12_000);
        payment.refund_more(euros(2_000));
        let own = requested_id(&payment);
        for step in steps.split(' ') {
            let list: Vec<RefundReport> = [(Some(own), "re_own"), (None, "re_dashboard")]
                .into_iter()
                .zip(step.chars())
                .filter_map(|((id, reference), state)| {
                    let status = match state {
                        'p' => RefundStatus::Pending,
                        's' => RefundStatus::Succeeded,
                        'f' => RefundStatus::Failed,
                        _ => return None,
                    };
                    Some(listed(id, reference, 2_000, status))
                })
                .collect();
            payment.apply_refunds(&list);
            assert!(!payment.apply_refunds(&list), "{case}: the same list changes nothing");
        }
        assert_eq!((payment.refunded(), payment.status()), (euros(refunded), status), "{case}");
        assert_eq!(payment.owed(), euros(retry), "{case}");
        payment.request_owed();
        let open: u64 = requested(&payment).iter().sum();
        assert_eq!(open, if case == "nothing has happened" { 2_000 } else { retry }, "{case}");
    }
}

#[test]
fn only_what_is_left_is_requested() {
    let mut payment = captured(10_000);
    payment.refund_all();
    assert_eq!(requested(&payment), [10_000]);
    let first = requested_id(&payment);
    // The dashboard was faster with a part.
    payment.apply_refunds(&[listed(None, "re_1", 100, RefundStatus::Succeeded)]);
    assert_eq!(requested(&payment), [9_900]);
    let second = requested_id(&payment);
    assert_ne!(first, second, "a provider takes one amount for each id");
    payment.apply_refund(&listed(Some(second), "re_2", 9_900, RefundStatus::Succeeded));
    assert_eq!((payment.status(), payment.refunded()), (S::Refunded, euros(10_000)));
    assert!(!payment.is_refunded_at_provider());
    payment.refund_all();
    payment.refund_more(euros(1));
    assert_eq!((requested(&payment).len(), payment.refundable()), (0, euros(0)));
}

#[test]
fn a_refund_that_overtakes_its_withdrawal_counts() {
    let mut payment = captured(12_000);
    payment.refund_more(euros(2_000));
    let own = requested_id(&payment);
    payment.apply_refunds(&[listed(None, "re_1", 2_000, RefundStatus::Succeeded)]);
    assert_eq!(requested(&payment), [0; 0]);
    // Another worker had requested it already.
    payment.apply_refund(&listed(Some(own), "re_2", 2_000, RefundStatus::Succeeded));
    assert_eq!((payment.refunded(), payment.owed()), (euros(4_000), euros(0)));
}

#[test]
fn a_decision_counts_from_what_is_refunded() {
    let mut payment = captured(10_000);
    payment.apply_refunds(&[listed(None, "re_1", 3_000, RefundStatus::Succeeded)]);
    assert_eq!((payment.refundable(), payment.owed()), (euros(7_000), euros(0)));
    payment.refund_more(euros(5_000));
    assert_eq!((requested(&payment), payment.refundable()), (vec![5_000], euros(2_000)));
    let own = requested_id(&payment);
    payment.apply_refund(&RefundReport { reference: None, ..listed(Some(own), "", 5_000, RefundStatus::Failed) });
    // The failed refund waits for a retry, and other refunds leave its money.
    assert_eq!((payment.status(), payment.refundable()), (S::RefundFailed, euros(2_000)));
    payment.refund_more(euros(2_000));
    assert_eq!((requested(&payment), payment.owed(), payment.refundable()), (vec![2_000], euros(5_000), euros(0)));
    payment.refund_all();
    assert_eq!(requested(&payment), [2_000], "an increase of nothing");
    payment.request_owed();
    assert_eq!(requested(&payment), [2_000, 5_000]);
}

#[test]
fn a_refund_of_less_than_requested_leaves_the_rest() {
    let mut payment = captured(10_000);
    payment.refund_all();
    let id = requested_id(&payment);
    payment.apply_refund(&listed(Some(id), "re_1", 6_000, RefundStatus::Succeeded));
    assert_eq!((payment.status(), payment.owed()), (S::RefundFailed, euros(4_000)));
    payment.request_owed();
    let id = requested_id(&payment);
    payment.apply_refund(&listed(Some(id), "re_2", 0, RefundStatus::Succeeded));
    assert_eq!((payment.status(), payment.owed()), (S::RefundFailed, euros(4_000)));
}

#[test]
fn money_refunded_at_the_provider_only_is_no_decision_of_the_shop() {
    let mut payment = captured(10_000);
    payment.apply_refunds(&[listed(None, "re_1", 10_000, RefundStatus::Succeeded)]);
    assert!(payment.is_refunded_at_provider() && !payment.keeps_money());
    // It fails days later: the shop has not decided to refund it.
    payment.apply_refunds(&[listed(None, "re_1", 10_000, RefundStatus::Failed)]);
    assert_eq!((payment.status(), payment.owed()), (S::Captured, euros(0)));
}
