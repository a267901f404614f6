//! A bank that moves no money: the token says how a payment ends, so that a client can try out every ending. It keeps its own
//! books, apart from the orders, because a real one does: what it says of a payment, it says again after a crash.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use souk_contract::shopping::OrderId;
use souk_store::{Collection, Database, Document, Due, Index};
use souk_types::{Error, Money, Result, Timestamp};

use crate::domain::payment::{Charge, Means, Method, News, Notice, Payment, Provider, Status};

/// A notice comes so long after the payment.
const NOTICE_AFTER: Duration = Duration::from_millis(500);
/// A late one comes so long after the goods are no longer held.
const LATE_BY: Duration = Duration::from_secs(2);

/// How a payment shall end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum DemoToken {
    /// Well.
    #[serde(rename = "demo_ok")]
    Ok,
    /// It is declined.
    #[serde(rename = "demo_declined")]
    Declined,
    /// The money is set aside until an admin takes it.
    #[serde(rename = "demo_review")]
    Review,
    /// Well, but the answer is lost.
    #[serde(rename = "demo_timeout")]
    Timeout,
    /// Well, and the notice of it comes twice.
    #[serde(rename = "demo_twice")]
    Twice,
    /// Well, when the goods are no longer held.
    #[serde(rename = "demo_late")]
    Late,
}

/// A payment in the bank's books.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DemoPayment {
    /// Of which order.
    pub order: OrderId,
    /// How much.
    pub amount: Money,
    /// Where it is.
    pub status: Status,
    /// How often money was taken; more than once would be wrong.
    pub captures: u32,
    token: DemoToken,
    until: Timestamp,
    /// When the shop is to be told by itself.
    due: Option<Timestamp>,
}

static BY_DUE: Index = Index::sorted("by_due", &[], "due");

impl Document for DemoPayment {
    type Id = OrderId;
    const COLLECTION: &'static str = "demo_payments";
    const NOUN: &'static str = "payment";
    const INDEXES: &'static [Index] = &[BY_DUE];
}

impl DemoPayment {
    fn pay(&mut self, now: Timestamp) {
        if self.status != Status::Open {
            return;
        }
        match self.token {
            DemoToken::Ok | DemoToken::Timeout => self.take(),
            DemoToken::Declined => self.status = Status::Declined,
            DemoToken::Review => self.status = Status::Review,
            DemoToken::Twice => (self.status, self.due) = (Status::Processing, Some(now.after(NOTICE_AFTER))),
            DemoToken::Late => (self.status, self.due) = (Status::Processing, Some(self.until.after(LATE_BY))),
        }
    }

    /// A payment as it may be found in the books, for whoever tests what reads them.
    #[must_use]
    pub fn found(order: OrderId, amount: Money, status: Status, captures: u32) -> Self {
        Self { order, amount, status, captures, token: DemoToken::Ok, until: Timestamp::now(), due: None }
    }

    fn take(&mut self) {
        self.status = Status::Captured;
        self.captures += 1;
    }

    fn capture(&mut self) {
        if self.status == Status::Review {
            self.take();
        }
    }

    /// What is on its way cannot be called off.
    fn cancel(&mut self) {
        if matches!(self.status, Status::Open | Status::Review) {
            self.status = Status::Cancelled;
        }
    }

    fn refund(&mut self) {
        if self.status == Status::Captured {
            self.status = Status::Refunded;
        }
    }

    /// The money that was on its way is there.
    fn arrive(&mut self) {
        if self.status == Status::Processing {
            self.take();
        }
    }

    /// The notices that are to be given now.
    fn notices(&self) -> Vec<Notice> {
        let notice = Notice {
            id: format!("demo-{}", self.order),
            order: self.order,
            reference: self.order.to_string(),
            news: News::of(self.status),
        };
        let times = if self.token == DemoToken::Twice { 2 } else { 1 };
        vec![notice; times]
    }
}

/// The bank. Cheap to clone.
#[derive(Clone)]
pub struct Bank(pub(crate) Collection<DemoPayment>);

impl Bank {
    pub(crate) fn open(database: &Database) -> Result<Self> {
        database.collection().map(Self)
    }

    async fn with(&self, reference: &str, rule: impl Fn(&mut DemoPayment) + Send + 'static) -> Result<DemoPayment> {
        let order: OrderId = reference.parse().map_err(|_| Error::internal("no reference of the demo bank"))?;
        self.0
            .update(order, move |payment, _| {
                rule(payment);
                Ok(payment.clone())
            })
            .await
    }

    /// Payments whose notification is due.
    pub(crate) fn due(&self) -> Due<DemoPayment> {
        self.0.due(&BY_DUE)
    }

    /// The notifications of a payment, whose money has arrived.
    pub(crate) async fn notifications(&self, order: OrderId) -> Result<Vec<Notice>> {
        Ok(self.with(&order.to_string(), DemoPayment::arrive).await?.notices())
    }

    /// The shop has heard.
    pub(crate) async fn told(&self, order: OrderId) -> Result<()> {
        self.with(&order.to_string(), |payment| payment.due = None).await.map(drop)
    }
}

#[rocket::async_trait]
impl Provider for Bank {
    async fn open(&self, charge: &Charge) -> Result<Payment> {
        let Means::Demo { token } = charge.means else {
            return Err(Error::internal("the demo bank was given another's payment"));
        };
        let (order, amount, until) = (charge.order, charge.amount, charge.until);
        let open = move |slot: &mut Option<DemoPayment>, _: &mut _| {
            slot.get_or_insert_with(|| DemoPayment {
                order,
                amount,
                status: Status::Open,
                captures: 0,
                token,
                until,
                due: None,
            });
            Ok(())
        };
        self.0.upsert(order, open).await?;
        Ok(Payment::opened(Method::Demo, order.to_string(), None))
    }

    async fn pay(&self, reference: &str, _: &Charge) -> Result<News> {
        let now = Timestamp::now();
        let payment = self.with(reference, move |payment| payment.pay(now)).await?;
        if payment.token == DemoToken::Timeout {
            return Err(Error::unavailable("payment").caused_by("the demo bank loses this answer"));
        }
        Ok(News::of(payment.status))
    }

    async fn look_up(&self, reference: &str) -> Result<News> {
        self.with(reference, |_| {}).await.map(|payment| News::of(payment.status))
    }

    async fn capture(&self, reference: &str) -> Result<News> {
        self.with(reference, DemoPayment::capture).await.map(|payment| News::of(payment.status))
    }

    async fn cancel(&self, reference: &str) -> Result<News> {
        self.with(reference, DemoPayment::cancel).await.map(|payment| News::of(payment.status))
    }

    async fn refund(&self, reference: &str) -> Result<News> {
        self.with(reference, DemoPayment::refund).await.map(|payment| News::of(payment.status))
    }
}

#[cfg(test)]
mod tests {
    use souk_types::Currency;

    use super::*;

    fn payment(token: DemoToken) -> DemoPayment {
        DemoPayment {
            order: OrderId::new(),
            amount: Money::new(499, Currency::EUR).unwrap(),
            status: Status::Open,
            captures: 0,
            token,
            until: Timestamp::now(),
            due: None,
        }
    }

    #[test]
    fn the_token_says_how_it_ends() {
        use DemoToken::{Declined, Late, Ok, Review, Timeout, Twice};
        for (token, paid, called_off, arrived) in [
            (Ok, Status::Captured, Status::Captured, Status::Captured),
            (Declined, Status::Declined, Status::Declined, Status::Declined),
            (Review, Status::Review, Status::Cancelled, Status::Cancelled),
            (Timeout, Status::Captured, Status::Captured, Status::Captured),
            (Twice, Status::Processing, Status::Processing, Status::Captured),
            (Late, Status::Processing, Status::Processing, Status::Captured),
        ] {
            let mut payment = payment(token);
            for (step, expected) in [
                (&DemoPayment::pay as &dyn Fn(&mut DemoPayment, Timestamp), paid),
                (&|payment: &mut DemoPayment, _| payment.cancel(), called_off),
                (&|payment: &mut DemoPayment, _| payment.arrive(), arrived),
            ] {
                for _ in 0..2 {
                    step(&mut payment, Timestamp::now());
                    assert_eq!(payment.status, expected, "{token:?}");
                }
            }
            assert_eq!(payment.captures, u32::from(arrived == Status::Captured), "{token:?}");
        }
    }

    #[test]
    fn a_notice_comes_as_often_as_the_token_says() {
        assert_eq!(payment(DemoToken::Late).notices().len(), 1);
        let twice = payment(DemoToken::Twice).notices();
        assert_eq!((twice.len(), &twice[0].id), (2, &twice[1].id));
    }
}
