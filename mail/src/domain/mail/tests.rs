use souk_contract::customer::AccountMailId;
use souk_types::Id;

use super::*;

fn envelope(kind: Kind) -> Envelope {
    let (to, subject) = ("ana@example.com".parse().unwrap(), "Your order".to_owned());
    Envelope { to, customer: Some(CustomerId::new()), kind, subject }
}

pub(super) fn mail(now: Timestamp) -> Mail {
    Mail::new(EventId::new(), Source::Account { mail: AccountMailId::new() }, "shop.example", now)
}

fn begins(mail: &mut Mail, now: Timestamp) -> bool {
    mail.begin_attempt(now).is_some()
}

pub(super) fn sent(kind: Kind, now: Timestamp) -> Mail {
    let mut mail = mail(now);
    assert!(begins(&mut mail, now));
    mail.record_sent(&envelope(kind), now);
    mail
}

fn fail(mail: &mut Mail, attempt: u32, is_permanent: bool, now: Timestamp) -> Status {
    let failure = Failure { is_permanent, summary: "refused".to_owned(), detail: "550 ana".to_owned() };
    mail.record_failure(attempt, Some(&envelope(Kind::OrderReceived)), &failure, now)
}

#[test]
fn an_attempt_is_made_by_one_instance_until_its_lease_ends() {
    let now = Timestamp::now();
    let mut mail = mail(now);
    assert!(begins(&mut mail, now));
    assert!(!begins(&mut mail, now.after(LEASE / 2)));
    assert!(begins(&mut mail, now.after(LEASE)));
    assert_eq!(mail.attempts(), 2);
    assert_eq!(mail.message_id(), format!("<{}@shop.example>", mail.id()));
}

#[test]
fn failures_are_retried_for_five_days_and_refusals_are_not() {
    let begun = Timestamp::now();
    let mut mail = mail(begun);
    let (mut now, mut begun_attempts) = (begun, 0);
    while fail(&mut mail, begun_attempts, false, now) == Status::Queued {
        now = mail.next_attempt().unwrap();
        assert!(begins(&mut mail, now));
        begun_attempts += 1;
    }
    assert!(now.since(begun) >= GIVE_UP_AFTER && mail.attempts() > 700, "{} attempts", mail.attempts());
    mail.retry(now).unwrap();
    assert_eq!((mail.status(), mail.next_attempt()), (Status::Queued, Some(now)));
    assert_eq!(fail(&mut mail, begun_attempts, true, now), Status::Failed);
    assert_eq!(mail.error(), Some("550 ana"));
}

#[test]
fn a_sent_mail_is_sent_once() {
    let now = Timestamp::now();
    let mut mail = sent(Kind::OrderReceived, now);
    assert_eq!(fail(&mut mail, 1, true, now), Status::Sent);
    assert!(!begins(&mut mail, now.after(RETENTION)));
    assert_eq!(mail.retry(now).unwrap_err().code(), "mail-sent");
}

#[test]
fn a_late_failure_does_not_end_the_attempt_of_another_instance() {
    let now = Timestamp::now();
    let mut mail = mail(now);
    begins(&mut mail, now);
    begins(&mut mail, now.after(LEASE));
    assert_eq!(fail(&mut mail, 1, true, now.after(LEASE)), Status::Queued);
    assert!(!begins(&mut mail, now.after(LEASE + LEASE / 2)));
}

#[test]
fn a_mail_forgets_its_recipient() {
    let now = Timestamp::now();
    let mut mail = sent(Kind::OrderReceived, now);
    mail.expire(now);
    assert!(mail.to().is_some());
    mail.expire(now.after(RETENTION));
    assert!(mail.to().is_none() && mail.subject().is_none() && mail.customer.is_none());
    assert_eq!((mail.status(), mail.schedule.due()), (Status::Sent, None));
    mail.mark_obsolete();
    assert_eq!(mail.status(), Status::Sent);
}

#[test]
fn an_obsolete_mail_names_no_recipient_and_is_not_tried_again() {
    let now = Timestamp::now();
    let mut mail = mail(now);
    begins(&mut mail, now);
    fail(&mut mail, 1, false, now);
    mail.mark_obsolete();
    assert!(mail.to().is_none() && mail.customer.is_none());
    assert_eq!((mail.status(), mail.schedule.due()), (Status::Obsolete, None));
}

#[test]
fn the_notice_of_an_erasure_never_names_its_recipient() {
    let now = Timestamp::now();
    let mail = sent(Kind::AccountErased, now);
    assert!(mail.to().is_none() && mail.customer.is_none());
}

#[test]
fn each_reason_has_its_own_key() {
    let order = OrderId::new();
    let subjects = [
        OrderMailSubject::Received,
        OrderMailSubject::PaymentFailed,
        OrderMailSubject::PaymentWaiting,
        OrderMailSubject::ParcelSent { shipment: Id::new() },
        OrderMailSubject::ParcelSent { shipment: Id::new() },
        OrderMailSubject::Refunded { refund: Id::new() },
        OrderMailSubject::Refunded { refund: Id::new() },
        OrderMailSubject::Cancelled,
    ];
    let mut keys: Vec<String> = subjects.map(|subject| Source::Order { order, subject }.key()).into();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), subjects.len());
}
