//! The demo bank: a payment provider that moves no money. The token selects the outcome of a
//! payment. The bank keeps its own records, like a real provider, so that its responses do not
//! change after a crash of the checkout.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use souk_contract::shopping::OrderId;
use souk_store::{Collection, Database, Document, Due, Index};
use souk_types::{Error, Money, Result, Timestamp};

use super::PaymentProvider;
use crate::domain::payment::{
    Charge, DemoToken, Payment, PaymentDetails, PaymentMethod, PaymentNotification, PaymentStatus,
};

/// Delay between the charge and its notification, for `demo_twice`.
const NOTIFICATION_DELAY: Duration = Duration::from_millis(500);
/// Delay between the expiry of the reservation and the notification, for `demo_late`.
const LATE_NOTIFICATION_DELAY: Duration = Duration::from_secs(2);

/// The demo bank's record of a payment.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DemoPayment {
    /// The order.
    pub order: OrderId,
    /// The amount.
    pub amount: Money,
    /// The state.
    pub status: PaymentStatus,
    /// The number of captures. More than one is an error, which the audit reports.
    pub captures: u32,
    token: DemoToken,
    reserved_until: Timestamp,
    /// When the bank notifies the shop.
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
    /// Returns a record in the given state, for tests of the audit.
    #[must_use]
    pub fn with_status(order: OrderId, amount: Money, status: PaymentStatus, captures: u32) -> Self {
        let (token, reserved_until) = (DemoToken::Ok, Timestamp::now());
        Self { order, amount, status, captures, token, reserved_until, due: None }
    }

    fn charge(&mut self, now: Timestamp) {
        if self.status != PaymentStatus::Open {
            return;
        }
        match self.token {
            DemoToken::Ok | DemoToken::Timeout => self.take_money(),
            DemoToken::Declined => self.status = PaymentStatus::Declined,
            DemoToken::Review => self.status = PaymentStatus::Authorized,
            DemoToken::Twice => {
                (self.status, self.due) = (PaymentStatus::Processing, Some(now.after(NOTIFICATION_DELAY)));
            }
            DemoToken::Late => {
                let due = self.reserved_until.after(LATE_NOTIFICATION_DELAY);
                (self.status, self.due) = (PaymentStatus::Processing, Some(due));
            }
        }
    }

    fn take_money(&mut self) {
        self.status = PaymentStatus::Captured;
        self.captures += 1;
    }

    fn capture(&mut self) {
        if self.status == PaymentStatus::Authorized {
            self.take_money();
        }
    }

    /// Cancels the payment, unless it is processing already.
    fn cancel(&mut self) {
        if matches!(self.status, PaymentStatus::Open | PaymentStatus::Authorized) {
            self.status = PaymentStatus::Cancelled;
        }
    }

    fn refund(&mut self) {
        if self.status == PaymentStatus::Captured {
            self.status = PaymentStatus::Refunded;
        }
    }

    fn complete(&mut self) {
        if self.status == PaymentStatus::Processing {
            self.take_money();
        }
    }

    fn notifications(&self) -> Vec<PaymentNotification> {
        let notification = PaymentNotification {
            id: format!("demo-{}", self.order),
            order: self.order,
            reference: self.order.to_string(),
            status: self.status,
        };
        let times = if self.token == DemoToken::Twice { 2 } else { 1 };
        vec![notification; times]
    }
}

#[derive(Clone)]
pub(crate) struct DemoBank(Collection<DemoPayment>);

impl DemoBank {
    pub(crate) fn open(database: &Database) -> Result<Self> {
        database.collection().map(Self)
    }

    pub(crate) async fn all(&self) -> Result<Vec<DemoPayment>> {
        let mut payments = Vec::new();
        self.0.scan(|_, payment| payments.push(payment)).await?;
        Ok(payments)
    }

    async fn update(&self, reference: &str, rule: impl Fn(&mut DemoPayment) + Send + 'static) -> Result<DemoPayment> {
        let order: OrderId = reference.parse().map_err(|_| Error::internal("not a reference of the demo bank"))?;
        let update = move |payment: &mut DemoPayment, _: &mut _| {
            rule(payment);
            Ok(payment.clone())
        };
        self.0.update(order, update).await
    }

    pub(crate) fn due_notifications(&self) -> Due<DemoPayment> {
        self.0.due(&BY_DUE)
    }

    /// Captures a payment that was processing, and returns its notifications.
    pub(crate) async fn notifications(&self, order: OrderId) -> Result<Vec<PaymentNotification>> {
        Ok(self.update(&order.to_string(), DemoPayment::complete).await?.notifications())
    }

    /// Records that the shop has handled the notifications of an order.
    pub(crate) async fn mark_notified(&self, order: OrderId) -> Result<()> {
        self.update(&order.to_string(), |payment| payment.due = None).await.map(drop)
    }
}

#[rocket::async_trait]
impl PaymentProvider for DemoBank {
    async fn open(&self, charge: &Charge) -> Result<Payment> {
        let PaymentDetails::Demo { token } = charge.details else {
            return Err(Error::internal("the demo bank got a payment of another provider"));
        };
        let (order, amount, reserved_until) = (charge.order, charge.amount, charge.reserved_until);
        let open = move |slot: &mut Option<DemoPayment>, _: &mut _| {
            slot.get_or_insert_with(|| DemoPayment {
                order,
                amount,
                status: PaymentStatus::Open,
                captures: 0,
                token,
                reserved_until,
                due: None,
            });
            Ok(())
        };
        self.0.upsert(order, open).await?;
        Ok(Payment::open(PaymentMethod::Demo, order.to_string(), None))
    }

    async fn charge(&self, reference: &str, _: &Charge) -> Result<PaymentStatus> {
        let now = Timestamp::now();
        let payment = self.update(reference, move |payment| payment.charge(now)).await?;
        if payment.token == DemoToken::Timeout {
            return Err(Error::unavailable("payment").caused_by("the demo bank drops this response"));
        }
        Ok(payment.status)
    }

    async fn check(&self, reference: &str) -> Result<PaymentStatus> {
        self.update(reference, |_| {}).await.map(|payment| payment.status)
    }

    async fn capture(&self, reference: &str) -> Result<PaymentStatus> {
        self.update(reference, DemoPayment::capture).await.map(|payment| payment.status)
    }

    async fn cancel(&self, reference: &str) -> Result<PaymentStatus> {
        self.update(reference, DemoPayment::cancel).await.map(|payment| payment.status)
    }

    async fn refund(&self, reference: &str) -> Result<PaymentStatus> {
        self.update(reference, DemoPayment::refund).await.map(|payment| payment.status)
    }
}

#[cfg(test)]
mod tests {
    use souk_types::Currency;

    use super::*;

    fn payment(token: DemoToken) -> DemoPayment {
        let amount = Money::new(499, Currency::EUR).unwrap();
        DemoPayment { token, ..DemoPayment::with_status(OrderId::new(), amount, PaymentStatus::Open, 0) }
    }

    #[test]
    fn the_token_selects_the_outcome() {
        use DemoToken::{Declined, Late, Ok, Review, Timeout, Twice};
        use PaymentStatus::{Authorized, Cancelled, Captured, Processing};
        for (token, charged, cancelled, completed) in [
            (Ok, Captured, Captured, Captured),
            (Declined, PaymentStatus::Declined, PaymentStatus::Declined, PaymentStatus::Declined),
            (Review, Authorized, Cancelled, Cancelled),
            (Timeout, Captured, Captured, Captured),
            (Twice, Processing, Processing, Captured),
            (Late, Processing, Processing, Captured),
        ] {
            let mut payment = payment(token);
            for (step, expected) in [
                (&DemoPayment::charge as &dyn Fn(&mut DemoPayment, Timestamp), charged),
                (&|payment: &mut DemoPayment, _| payment.cancel(), cancelled),
                (&|payment: &mut DemoPayment, _| payment.complete(), completed),
            ] {
                for _ in 0..2 {
                    step(&mut payment, Timestamp::now());
                    assert_eq!(payment.status, expected, "{token:?}");
                }
            }
            assert_eq!(payment.captures, u32::from(completed == Captured), "{token:?}");
        }
    }

    #[test]
    fn demo_twice_notifies_twice_with_the_same_id() {
        assert_eq!(payment(DemoToken::Late).notifications().len(), 1);
        let twice = payment(DemoToken::Twice).notifications();
        assert_eq!((twice.len(), &twice[0].id), (2, &twice[1].id));
    }
}
