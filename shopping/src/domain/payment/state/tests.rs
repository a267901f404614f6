use souk_types::Currency;

use super::*;
use crate::domain::payment::report::{RefundReport, RefundStatus};

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

/// Returns a report with one refund at the provider of this amount, unless it is 0.
fn report(status: ProviderPaymentStatus, captured: u64, refunded: u64) -> PaymentReport {
    let refund = RefundReport {
        id: None,
        reference: Some(format!("re_{refunded}")),
        amount: euros(refunded),
        status: RefundStatus::Succeeded,
        reason: None,
    };
    let refunds = Some(refund).filter(|_| refunded > 0).into_iter().collect();
    PaymentReport { refunds, ..PaymentReport::new(status, euros(captured)) }
}

#[test]
fn provider_statuses_apply_repeatedly_and_out_of_order() {
    use ProviderPaymentStatus::{Authorized, Cancelled, Captured, Declined, Open, Processing};
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
    use ProviderPaymentStatus::{Authorized, Cancelled, Captured, Processing};
    type Reports<'r> = &'r [(ProviderPaymentStatus, u64, u64)];
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
        ("two refunds", &[(Captured, 10_000, 100), (Captured, 10_000, 6_000)], S::PartiallyRefunded, 10_000, 6_100),
        ("one, repeated", &[(Captured, 10_000, 100), (Captured, 10_000, 100)], S::PartiallyRefunded, 10_000, 100),
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
    payment.apply(&PaymentReport::new(ProviderPaymentStatus::Captured, dollars(10_000)));
    assert_eq!((payment.status(), payment.is_paid()), (PaymentStatus::Underpaid, false));
    assert_eq!(payment.refundable(), dollars(10_000));
    payment.refund_all();
    assert_eq!(payment.requested_refunds().next().unwrap().amount, dollars(10_000));
    // A second currency does not replace the first.
    payment.apply(&PaymentReport::new(ProviderPaymentStatus::Captured, euros(10_000)));
    assert_eq!(payment.captured(), dollars(10_000));
}

#[test]
fn work_follows_from_what_the_provider_may_still_do() {
    use ProviderPaymentStatus::{Authorized, Cancelled, Captured, Declined, Open, Processing};
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
    use ProviderPaymentStatus::{Authorized, Captured, Declined, Open, Processing};
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
