use souk_types::Currency;

use super::*;

fn euros(amount: u64) -> Money {
    Money::new(amount, Currency::EUR).unwrap()
}

fn dollars(amount: u64) -> Money {
    Money::new(amount, Currency::try_from("USD").unwrap()).unwrap()
}

/// A payment of 100.00 EUR.
fn payment() -> Payment {
    Payment::open(PaymentMethod::Demo, "pi_1".to_owned(), euros(10_000), None)
}

fn captured() -> Payment {
    let mut payment = payment();
    assert!(payment.apply(&report(ProviderStatus::Captured, 10_000, 0)));
    payment
}

fn report(status: ProviderStatus, captured: u64, refunded: u64) -> PaymentReport {
    PaymentReport { refunded: euros(refunded), ..PaymentReport::new(status, euros(captured)) }
}

fn refund(id: Option<RefundId>, reference: &str, amount: u64, status: RefundStatus) -> RefundReport {
    let reference = Some(reference).filter(|reference| !reference.is_empty()).map(str::to_owned);
    RefundReport { id, reference, amount: euros(amount), status, reason: None }
}

fn requested(payment: &Payment) -> RefundId {
    payment.requested_refunds().next().unwrap().id
}

#[test]
fn provider_statuses_apply_repeatedly_and_out_of_order() {
    use ProviderStatus::{Authorized, Cancelled, Captured, Declined, Open, Processing};
    for (before, reported, after) in [
        (Open, Processing, Processing),
        (Open, Captured, Captured),
        (Processing, Open, Processing),
        (Processing, Authorized, Authorized),
        (Processing, Declined, Declined),
        (Authorized, Captured, Captured),
        (Authorized, Cancelled, Cancelled),
        // The cancellation was too late, or the customer tried another card.
        (Cancelled, Captured, Captured),
        (Declined, Captured, Captured),
        (Captured, Processing, Captured),
        (Captured, Declined, Captured),
        (Captured, Cancelled, Captured),
    ] {
        let mut payment = payment();
        payment.provider_status = before;
        assert_eq!(payment.apply(&report(reported, 0, 0)), before != after, "{before:?} {reported:?}");
        assert_eq!(payment.provider_status, after, "{before:?} {reported:?}");
    }
}

/// Reports of a payment of 100.00, one after the other: status, captured and refunded amounts.
#[test]
fn the_amounts_decide_the_status() {
    use PaymentStatus as S;
    use ProviderStatus::{Authorized, Cancelled, Captured, Processing};
    type Reports<'r> = &'r [(ProviderStatus, u64, u64)];
    let rows: &[(&str, Reports<'_>, S, u64, u64)] = &[
        ("paid in full", &[(Captured, 10_000, 0)], S::Captured, 10_000, 0),
        ("one cent is no payment", &[(Captured, 100, 0)], S::Underpaid, 100, 0),
        ("captured by type, no amount", &[(Captured, 0, 0)], S::Processing, 0, 0),
        ("a partial capture", &[(Authorized, 0, 0), (Captured, 4_000, 0)], S::Underpaid, 4_000, 0),
        ("a partial capture, cancelled", &[(Authorized, 4_000, 0), (Cancelled, 4_000, 0)], S::Underpaid, 4_000, 0),
        ("a second capture", &[(Captured, 4_000, 0), (Captured, 10_000, 0)], S::Captured, 10_000, 0),
        ("more than the amount", &[(Captured, 15_000, 0)], S::Overpaid, 15_000, 0),
        ("a late smaller report", &[(Captured, 10_000, 0), (Captured, 100, 0)], S::Captured, 10_000, 0),
        ("processing", &[(Processing, 0, 0)], S::Processing, 0, 0),
        ("a small refund", &[(Captured, 10_000, 100)], S::PartiallyRefunded, 10_000, 100),
        ("refunds grow", &[(Captured, 10_000, 100), (Captured, 10_000, 6_000)], S::PartiallyRefunded, 10_000, 6_000),
        (
            "an old refund report",
            &[(Captured, 10_000, 6_000), (Captured, 10_000, 100)],
            S::PartiallyRefunded,
            10_000,
            6_000,
        ),
        ("refunded in full", &[(Captured, 10_000, 0), (Captured, 10_000, 10_000)], S::Refunded, 10_000, 10_000),
        ("the refund arrives first", &[(Captured, 0, 10_000), (Captured, 10_000, 0)], S::Refunded, 10_000, 10_000),
        ("an underpayment, refunded", &[(Captured, 100, 0), (Captured, 100, 100)], S::Refunded, 100, 100),
        ("more refunded than captured", &[(Captured, 10_000, 15_000)], S::Refunded, 15_000, 15_000),
    ];
    for (case, reports, status, captured, refunded) in rows {
        let mut payment = payment();
        for (status, captured, refunded) in *reports {
            payment.apply(&report(*status, *captured, *refunded));
        }
        assert_eq!(
            (payment.status(), payment.captured(), payment.refunded()),
            (*status, euros(*captured), euros(*refunded)),
            "{case}"
        );
    }
}

#[test]
fn money_in_another_currency_pays_nothing_and_can_be_refunded() {
    let mut payment = payment();
    payment.apply(&PaymentReport::new(ProviderStatus::Captured, dollars(10_000)));
    assert_eq!((payment.status(), payment.is_paid()), (PaymentStatus::Underpaid, false));
    assert_eq!((payment.refundable(), payment.owed_by_live_order()), (dollars(10_000), dollars(10_000)));
    payment.request_refund(payment.refundable());
    assert_eq!(payment.requested_refunds().next().unwrap().amount, dollars(10_000));
    // A second currency does not replace the first.
    payment.apply(&PaymentReport::new(ProviderStatus::Captured, euros(10_000)));
    assert_eq!(payment.captured(), dollars(10_000));
}

#[test]
fn only_the_rest_is_refunded() {
    let mut payment = captured();
    payment.apply(&report(ProviderStatus::Captured, 10_000, 100));
    payment.request_refund(payment.refundable());
    let id = requested(&payment);
    assert_eq!(payment.requested_refunds().map(|refund| refund.amount).collect::<Vec<_>>(), [euros(9_900)]);
    assert_eq!((payment.status(), payment.refundable()), (PaymentStatus::RefundPending, euros(0)));
    // Nothing is left to request.
    payment.request_refund(euros(10_000));
    assert_eq!(payment.refunds.len(), 1);
    payment.apply_refund(&refund(Some(id), "re_1", 9_900, RefundStatus::Succeeded));
    assert_eq!((payment.status(), payment.refunded()), (PaymentStatus::Refunded, euros(10_000)));
    // The provider's sum contains both.
    assert!(!payment.apply(&report(ProviderStatus::Captured, 10_000, 10_000)));
}

/// The reports of one refund of all the money, one after the other: the status of the payment.
#[test]
fn a_refund_counts_when_the_provider_says_that_it_succeeded() {
    use PaymentStatus as S;
    use RefundStatus::{Failed, Pending, Succeeded};
    for (reports, status) in [
        (&[][..], S::RefundPending),
        (&[Pending], S::RefundPending),
        (&[Succeeded], S::Refunded),
        (&[Pending, Succeeded], S::Refunded),
        (&[Succeeded, Pending], S::Refunded),
        (&[Failed], S::RefundFailed),
        (&[Pending, Failed], S::RefundFailed),
        // Days later.
        (&[Succeeded, Failed], S::RefundFailed),
        (&[Failed, Succeeded], S::RefundFailed),
        (&[Failed, Pending], S::RefundFailed),
    ] {
        let mut payment = captured();
        payment.request_refund(payment.refundable());
        let id = requested(&payment);
        for status in reports {
            payment.apply_refund(&refund(Some(id), "re_1", 10_000, *status));
            payment.apply(&report(ProviderStatus::Captured, 10_000, 10_000));
        }
        assert_eq!(payment.status(), status, "{reports:?}");
        assert_eq!(payment.has_failed_refund(), status == S::RefundFailed, "{reports:?}");
    }
}

#[test]
fn a_failed_refund_is_retried_under_a_new_id() {
    let mut payment = captured();
    payment.request_refund(payment.refundable());
    let first = requested(&payment);
    payment.apply_refund(&refund(Some(first), "", 10_000, RefundStatus::Failed));
    assert_eq!((payment.work(), payment.refundable()), (PaymentWork::None, euros(10_000)));
    payment.request_refund(payment.refundable());
    let second = requested(&payment);
    assert!(second != first && payment.work() == PaymentWork::Refund);
    payment.apply_refund(&refund(Some(second), "re_2", 10_000, RefundStatus::Succeeded));
    assert_eq!(payment.status(), PaymentStatus::Refunded);
}

#[test]
fn a_refund_at_the_provider_is_counted_once() {
    use RefundStatus::{Pending, Succeeded};
    let sum = |payment: &mut Payment, refunded| payment.apply(&report(ProviderStatus::Captured, 10_000, refunded));
    let one = |payment: &mut Payment, status| payment.apply_refund(&refund(None, "re_9", 3_000, status));
    let mut sum_first = captured();
    sum(&mut sum_first, 3_000);
    one(&mut sum_first, Succeeded);
    let mut sum_last = captured();
    one(&mut sum_last, Pending);
    sum(&mut sum_last, 3_000);
    one(&mut sum_last, Succeeded);
    one(&mut sum_last, Succeeded);
    for payment in [&mut sum_first, &mut sum_last] {
        assert_eq!((payment.status(), payment.refunded()), (PaymentStatus::PartiallyRefunded, euros(3_000)));
        one(payment, RefundStatus::Failed);
        assert_eq!((payment.status(), payment.owed_by_live_order()), (PaymentStatus::RefundFailed, euros(3_000)));
    }
}

/// Refunds of a failed one that the provider's dashboard made, in several orders of reports.
#[test]
fn a_refund_at_the_provider_replaces_a_failed_one() {
    use RefundStatus::{Failed, Pending, Succeeded};
    type Report<'r> = &'r dyn Fn(&mut Payment) -> bool;
    let sum: Report<'_> = &|payment| payment.apply(&report(ProviderStatus::Captured, 15_000, 5_000));
    let one: Report<'_> = &|payment| payment.apply_refund(&refund(None, "re_2", 5_000, Succeeded));
    let pending: Report<'_> = &|payment| payment.apply_refund(&refund(None, "re_2", 5_000, Pending));
    let failed: Report<'_> = &|payment| payment.apply_refund(&refund(None, "re_2", 5_000, Failed));
    let part: Report<'_> = &|payment| payment.apply_refund(&refund(None, "re_3", 2_000, Succeeded));
    for (case, reference, reports, status, owed) in [
        ("no refund", "re_1", &[][..], PaymentStatus::RefundFailed, 5_000),
        ("one by one", "re_1", &[one], PaymentStatus::PartiallyRefunded, 0),
        ("the sum", "", &[sum], PaymentStatus::PartiallyRefunded, 0),
        ("both", "", &[sum, one, sum], PaymentStatus::PartiallyRefunded, 0),
        ("both, the other way", "re_1", &[pending, one, sum], PaymentStatus::PartiallyRefunded, 0),
        ("it fails too", "re_1", &[one, failed], PaymentStatus::RefundFailed, 5_000),
        ("it is known as failed only", "", &[sum, failed], PaymentStatus::RefundFailed, 5_000),
        ("a part", "re_1", &[part], PaymentStatus::RefundFailed, 3_000),
    ] {
        let mut payment = payment();
        payment.apply(&report(ProviderStatus::Captured, 15_000, 0));
        payment.request_refund(payment.owed_by_live_order());
        let id = requested(&payment);
        payment.apply_refund(&refund(Some(id), reference, 5_000, Failed));
        for apply in reports {
            apply(&mut payment);
        }
        assert_eq!((payment.status(), payment.owed_by_live_order()), (status, euros(owed)), "{case}");
    }
}

#[test]
fn a_current_sum_contains_no_failed_refund() {
    let mut payment = captured();
    for (reference, amount) in [("re_1", 100), ("re_2", 250), ("re_3", 400)] {
        payment.apply_refund(&refund(None, reference, amount, RefundStatus::Succeeded));
    }
    payment.apply_refund(&refund(None, "re_2", 250, RefundStatus::Failed));
    // This sum may have been reported before the refund failed.
    let old = report(ProviderStatus::Captured, 10_000, 750);
    assert!(!payment.apply(&old));
    assert_eq!((payment.refunded(), payment.owed_by_live_order()), (euros(500), euros(250)));
    let current = PaymentReport { failed_refunds: payment.failed_at_provider(), ..old };
    assert!(payment.apply(&current) && !payment.apply(&current));
    payment.apply_refund(&refund(None, "re_4", 250, RefundStatus::Succeeded));
    assert_eq!((payment.refunded(), payment.owed_by_live_order()), (euros(750), euros(0)));
}

#[test]
fn a_notification_before_the_reply_is_the_same_refund() {
    let mut payment = captured();
    payment.request_refund(payment.refundable());
    let id = requested(&payment);
    payment.apply_refund(&refund(None, "re_1", 10_000, RefundStatus::Succeeded));
    payment.apply_refund(&refund(Some(id), "re_1", 10_000, RefundStatus::Pending));
    assert_eq!(payment.refunds.len(), 1);
    payment.apply_refund(&refund(None, "re_1", 10_000, RefundStatus::Succeeded));
    assert_eq!(payment.status(), PaymentStatus::Refunded);
}

#[test]
fn a_refund_of_less_than_requested_leaves_the_rest() {
    let mut payment = captured();
    payment.request_refund(payment.refundable());
    let id = requested(&payment);
    payment.apply_refund(&refund(Some(id), "re_1", 6_000, RefundStatus::Succeeded));
    assert_eq!((payment.status(), payment.refundable()), (PaymentStatus::PartiallyRefunded, euros(4_000)));
    payment.request_refund(payment.refundable());
    let id = requested(&payment);
    payment.apply_refund(&refund(Some(id), "re_2", 0, RefundStatus::Succeeded));
    assert_eq!(payment.status(), PaymentStatus::RefundFailed);
}

#[test]
fn work_follows_from_what_the_provider_may_still_do() {
    use ProviderStatus::{Authorized, Cancelled, Captured, Declined, Open, Processing};
    for (status, captured, work) in [
        (Open, 0, PaymentWork::Cancel),
        (Processing, 0, PaymentWork::Cancel),
        (Authorized, 0, PaymentWork::Cancel),
        (Authorized, 4_000, PaymentWork::Cancel),
        (Captured, 4_000, PaymentWork::None),
        (Captured, 10_000, PaymentWork::None),
        (Declined, 0, PaymentWork::None),
        (Cancelled, 0, PaymentWork::None),
    ] {
        let mut payment = payment();
        payment.apply(&report(status, captured, 0));
        assert_eq!(payment.work(), work, "{status:?} {captured}");
    }
}

#[test]
fn the_customer_gets_the_secrets_while_they_must_act() {
    use ProviderStatus::{Authorized, Captured, Declined, Open, Processing};
    let action = || Some(ClientAction::new("secret".to_owned(), None));
    let shown = |view: PaymentView| serde_json::to_value(view).unwrap().get("client_secret").is_some();
    for (case, reports, is_shown) in [
        ("the client may try again", vec![(Processing, None), (Declined, action())], true),
        ("the client is late", vec![(Captured, None), (Declined, action())], false),
        ("the client pays", vec![(Open, None)], true),
        ("a token", vec![], false),
        ("the bank asks", vec![(Processing, action())], true),
        ("asked again", vec![(Processing, action()), (Processing, action())], true),
        ("a report that was overtaken", vec![(Processing, action()), (Open, None)], true),
        ("the customer has acted", vec![(Processing, action()), (Processing, None)], false),
        ("paid", vec![(Processing, action()), (Captured, None)], false),
        ("authorized", vec![(Processing, action()), (Authorized, None)], false),
        ("declined", vec![(Processing, action()), (Declined, None)], false),
    ] {
        let mut payment = payment();
        let client_pays = case.starts_with("the client");
        payment.client_action = action().filter(|_| client_pays);
        for (status, client_action) in reports {
            payment.apply_attempt(&PaymentReport { client_action, ..report(status, 0, 0) }, client_pays);
        }
        assert_eq!(shown(payment.view_for_customer()), is_shown, "{case}");
        assert!(!shown(payment.view()), "{case}, to others");
    }
}
