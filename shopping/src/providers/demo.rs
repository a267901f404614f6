//! The demo bank: a payment provider that moves no money. The token selects the outcome of a
//! payment. The bank keeps its own records, like a real provider, so that its responses do not
//! change after a crash of the checkout.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use souk_contract::shopping::OrderId;
use souk_store::{Collection, Database, Document, Due, Index};
use souk_types::{Error, ErrorKind, Money, Result, Timestamp};

use super::{PaymentProvider, refused};
use crate::domain::payment::report::{
    PaymentNotification, PaymentRefundId, PaymentReport, PaymentUpdate, ProviderPaymentStatus, RefundReport,
    RefundRequest, RefundStatus,
};
use crate::domain::payment::state::Payment;
use crate::domain::payment::{ChargeRequest, DemoToken, PaymentDetails, PaymentMethod};

/// Delay between a change and its notification, for `demo_twice` and pending refunds.
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
    pub status: ProviderPaymentStatus,
    /// The sum of all captures.
    pub captured: Money,
    /// The number of captures. More than one is an error, which the audit reports.
    pub captures: u32,
    refunds: Vec<DemoRefund>,
    token: DemoToken,
    reserved_until: Timestamp,
    /// When the bank notifies the shop.
    due: Option<Timestamp>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct DemoRefund {
    id: PaymentRefundId,
    amount: Money,
    status: RefundStatus,
}

static BY_DUE: Index = Index::sorted("by_due", &[], "due");

impl Document for DemoPayment {
    type Id = OrderId;
    const COLLECTION: &'static str = "demo_payments";
    const NOUN: &'static str = "payment";
    const INDEXES: &'static [Index] = &[BY_DUE];
}

impl DemoPayment {
    fn new(order: OrderId, amount: Money, token: DemoToken, reserved_until: Timestamp) -> Self {
        let captured = Money::zero(amount.currency());
        let (status, refunds) = (ProviderPaymentStatus::Open, Vec::new());
        Self { order, amount, status, captured, captures: 0, refunds, token, reserved_until, due: None }
    }

    /// Returns a record of a payment that is captured, and refunded in part, for tests of the
    /// audit.
    #[must_use]
    pub fn with_amounts(order: OrderId, amount: Money, captured: Money, refunded: Money) -> Self {
        let is_captured = !captured.is_zero();
        let status = if is_captured { ProviderPaymentStatus::Captured } else { ProviderPaymentStatus::Authorized };
        let refund = DemoRefund { id: PaymentRefundId::new(), amount: refunded, status: RefundStatus::Succeeded };
        let refunds = if refunded.is_zero() { Vec::new() } else { vec![refund] };
        let open = Self::new(order, amount, DemoToken::Ok, Timestamp::now());
        Self { status, captured, captures: is_captured.into(), refunds, ..open }
    }

    /// Returns the sum of the refunds that succeeded.
    #[must_use]
    pub fn refunded(&self) -> Money {
        self.sum_of_refunds(|status| status == RefundStatus::Succeeded)
    }

    fn sum_of_refunds(&self, which: impl Fn(RefundStatus) -> bool) -> Money {
        let amounts = self.refunds.iter().filter(|refund| which(refund.status)).map(|refund| refund.amount);
        amounts.fold(Money::zero(self.amount.currency()), |sum, amount| sum.checked_add(amount).unwrap_or(sum))
    }

    fn charge(&mut self, now: Timestamp) {
        if self.status != ProviderPaymentStatus::Open {
            return;
        }
        match self.token {
            DemoToken::Ok
            | DemoToken::Timeout
            | DemoToken::Underpaid
            | DemoToken::RefundPending
            | DemoToken::RefundFailed
            | DemoToken::RefundReversed => self.take_money(),
            DemoToken::Declined | DemoToken::Refused => self.status = ProviderPaymentStatus::Declined,
            DemoToken::Review => self.status = ProviderPaymentStatus::Authorized,
            DemoToken::Twice => {
                (self.status, self.due) = (ProviderPaymentStatus::Processing, Some(now.after(NOTIFICATION_DELAY)));
            }
            DemoToken::Late => {
                let due = self.reserved_until.after(LATE_NOTIFICATION_DELAY);
                (self.status, self.due) = (ProviderPaymentStatus::Processing, Some(due));
            }
        }
    }

    fn take_money(&mut self) {
        self.status = ProviderPaymentStatus::Captured;
        self.captures += 1;
        self.captured = self.amount;
        if self.token == DemoToken::Underpaid {
            self.captured = Money::new(self.amount.amount() / 2, self.amount.currency()).unwrap_or(self.captured);
        }
    }

    fn capture(&mut self) {
        if self.status == ProviderPaymentStatus::Authorized {
            self.take_money();
        }
    }

    /// Cancels the payment, unless it is processing already.
    fn cancel(&mut self) {
        if matches!(self.status, ProviderPaymentStatus::Open | ProviderPaymentStatus::Authorized) {
            self.status = ProviderPaymentStatus::Cancelled;
        }
    }

    /// Refunds once for each id, and never more than was captured.
    fn refund(&mut self, id: PaymentRefundId, amount: Money, now: Timestamp) {
        if self.refunds.iter().any(|refund| refund.id == id) {
            return;
        }
        let refunded = self.sum_of_refunds(|status| status != RefundStatus::Failed);
        let fits = refunded.checked_add(amount).is_some_and(|sum| sum.amount() <= self.captured.amount());
        let is_first = self.refunds.is_empty();
        let status = match self.token {
            _ if !fits => RefundStatus::Failed,
            DemoToken::RefundFailed if is_first => RefundStatus::Failed,
            DemoToken::RefundPending => RefundStatus::Pending,
            _ => RefundStatus::Succeeded,
        };
        if matches!((self.token, is_first), (DemoToken::RefundPending, _) | (DemoToken::RefundReversed, true)) {
            self.due = Some(now.after(NOTIFICATION_DELAY));
        }
        self.refunds.push(DemoRefund { id, amount, status });
    }

    /// Completes the payment or refund in progress, before the bank notifies the shop.
    fn complete(&mut self) {
        if self.status == ProviderPaymentStatus::Processing {
            self.take_money();
        }
        let reverses = self.token == DemoToken::RefundReversed;
        for (number, refund) in self.refunds.iter_mut().enumerate() {
            match refund.status {
                RefundStatus::Pending => refund.status = RefundStatus::Succeeded,
                RefundStatus::Succeeded if reverses && number == 0 => refund.status = RefundStatus::Failed,
                _ => {}
            }
        }
    }

    fn report(&self) -> PaymentReport {
        PaymentReport { refunds: self.list(), ..PaymentReport::new(self.status, self.captured) }
    }

    fn list(&self) -> Vec<RefundReport> {
        self.refunds.iter().map(|refund| self.refund_report(refund)).collect()
    }

    fn refund_report(&self, refund: &DemoRefund) -> RefundReport {
        RefundReport {
            id: Some(refund.id),
            reference: Some(format!("{}/{}", self.order, refund.id)),
            amount: refund.amount,
            status: refund.status,
            reason: (refund.status == RefundStatus::Failed).then(|| "declined".to_owned()),
        }
    }

    fn refund_by_id(&self, id: PaymentRefundId) -> Result<RefundReport> {
        let refund = self.refunds.iter().find(|refund| refund.id == id);
        refund.map(|refund| self.refund_report(refund)).ok_or_else(|| Error::internal("not a refund of the demo bank"))
    }

    fn notifications(&self) -> Vec<PaymentNotification> {
        let notification =
            |id, update| PaymentNotification { id, order: self.order, reference: self.order.to_string(), update };
        let payment = notification(format!("demo-{}", self.order), PaymentUpdate::Payment(self.report()));
        let times = if self.token == DemoToken::Twice { 2 } else { 1 };
        let refunds = self.refunds.iter().map(|refund| {
            let id = format!("demo-{}-{:?}", refund.id, refund.status);
            notification(id, PaymentUpdate::Refunds(self.list()))
        });
        vec![payment; times].into_iter().chain(refunds).collect()
    }
}

/// The bank's name of a payment is the order's id.
fn order_of(reference: &str) -> Result<OrderId> {
    reference.parse().map_err(|_| Error::internal("not a reference of the demo bank"))
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
        let order = order_of(reference)?;
        let update = move |payment: &mut DemoPayment, _: &mut _| {
            rule(payment);
            Ok(payment.clone())
        };
        self.0.update(order, update).await
    }

    /// Changes the record of a payment, and creates it if it is missing. The payment has the name
    /// of its order, so that the shop need not open it first.
    async fn upsert(&self, new: DemoPayment, rule: impl Fn(&mut DemoPayment) + Send + 'static) -> Result<DemoPayment> {
        let order = new.order;
        let upsert = move |slot: &mut Option<DemoPayment>, _: &mut _| {
            let payment = slot.get_or_insert_with(|| new.clone());
            rule(payment);
            Ok(payment.clone())
        };
        self.0.upsert(order, upsert).await
    }

    pub(crate) fn due_notifications(&self) -> Due<DemoPayment> {
        self.0.due(&BY_DUE)
    }

    /// Completes the payment and the refunds that are in progress, and returns the notifications of
    /// the results.
    pub(crate) async fn complete_and_notify(&self, order: OrderId) -> Result<Vec<PaymentNotification>> {
        Ok(self.update(&order.to_string(), DemoPayment::complete).await?.notifications())
    }

    /// Records that the shop has handled the notifications of an order.
    pub(crate) async fn mark_notified(&self, order: OrderId) -> Result<()> {
        let now = Timestamp::now();
        // A later change has a notification of its own.
        let clear = move |payment: &mut DemoPayment| payment.due = payment.due.filter(|due| *due > now);
        self.update(&order.to_string(), clear).await.map(drop)
    }
}

#[rocket::async_trait]
impl PaymentProvider for DemoBank {
    fn payment_by_order_id(&self, charge: &ChargeRequest) -> Option<Payment> {
        Some(Payment::open(PaymentMethod::Demo, charge.order.to_string(), charge.amount, None))
    }

    async fn open(&self, charge: &ChargeRequest) -> Result<Payment> {
        Ok(Payment::open(PaymentMethod::Demo, charge.order.to_string(), charge.amount, None))
    }

    async fn charge(&self, _: &Payment, charge: &ChargeRequest) -> Result<PaymentReport> {
        let PaymentDetails::Demo { token } = charge.details else {
            return Err(Error::internal("the demo bank got a payment of another provider"));
        };
        let (new, now) =
            (DemoPayment::new(charge.order, charge.amount, token, charge.reserved_until), Timestamp::now());
        let mut charged = new.clone();
        charged.charge(now);
        // The first charge costs one write and no read.
        let payment = if self.0.insert_if_absent(charge.order, charged.clone()).await? {
            charged
        } else {
            self.upsert(new, move |payment| payment.charge(now)).await?
        };
        match payment.token {
            DemoToken::Timeout => Err(Error::unavailable("payment").caused_by("the demo bank drops this response")),
            DemoToken::Refused => Err(refused("The demo bank refuses this payment.")),
            _ => Ok(payment.report()),
        }
    }

    async fn check(&self, payment: &Payment) -> Result<PaymentReport> {
        match self.update(&payment.reference, |_| {}).await {
            Ok(payment) => Ok(payment.report()),
            // The shop has not charged the payment.
            Err(error) if error.kind() == ErrorKind::NotFound => {
                Ok(PaymentReport::new(ProviderPaymentStatus::Open, Money::zero(payment.amount.currency())))
            }
            Err(error) => Err(error),
        }
    }

    async fn capture(&self, payment: &Payment) -> Result<PaymentReport> {
        self.update(&payment.reference, DemoPayment::capture).await.map(|payment| payment.report())
    }

    async fn cancel(&self, payment: &Payment) -> Result<PaymentReport> {
        // A cancelled payment cannot be charged afterwards, by a checkout that was slow.
        let order = order_of(&payment.reference)?;
        let new = DemoPayment::new(order, payment.amount, DemoToken::Ok, Timestamp::now());
        self.upsert(new, DemoPayment::cancel).await.map(|payment| payment.report())
    }

    async fn refund(&self, request: &RefundRequest) -> Result<RefundReport> {
        let (id, amount, now) = (request.id, request.amount, Timestamp::now());
        let payment = self.update(&request.payment, move |payment| payment.refund(id, amount, now)).await?;
        payment.refund_by_id(id)
    }

    async fn refunds(&self, payment: &Payment) -> Result<Vec<RefundReport>> {
        self.update(&payment.reference, |_| {}).await.map(|payment| payment.list())
    }
}

#[cfg(test)]
mod tests {
    use souk_types::Currency;

    use super::*;

    fn payment(token: DemoToken) -> DemoPayment {
        let amount = Money::new(499, Currency::EUR).unwrap();
        DemoPayment::new(OrderId::new(), amount, token, Timestamp::now())
    }

    #[test]
    fn the_token_selects_the_outcome() {
        use DemoToken::{Declined, Late, Ok, Refused, Review, Timeout, Twice, Underpaid};
        use ProviderPaymentStatus::{Authorized, Cancelled, Captured, Processing};
        for (token, charged, cancelled, completed, captured) in [
            (Ok, Captured, Captured, Captured, 499),
            (
                Declined,
                ProviderPaymentStatus::Declined,
                ProviderPaymentStatus::Declined,
                ProviderPaymentStatus::Declined,
                0,
            ),
            (
                Refused,
                ProviderPaymentStatus::Declined,
                ProviderPaymentStatus::Declined,
                ProviderPaymentStatus::Declined,
                0,
            ),
            (Review, Authorized, Cancelled, Cancelled, 0),
            (Timeout, Captured, Captured, Captured, 499),
            (Twice, Processing, Processing, Captured, 499),
            (Late, Processing, Processing, Captured, 499),
            (Underpaid, Captured, Captured, Captured, 249),
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
            assert_eq!(payment.captured.amount(), captured, "{token:?}");
        }
    }

    #[test]
    fn the_token_selects_the_outcome_of_refunds() {
        use RefundStatus::{Failed, Pending, Succeeded};
        // The first refund, the same when the bank notifies, and the second refund.
        for (token, first, notified, second) in [
            (DemoToken::Ok, Succeeded, Succeeded, Failed),
            (DemoToken::RefundPending, Pending, Succeeded, Failed),
            (DemoToken::RefundFailed, Failed, Failed, Succeeded),
            (DemoToken::RefundReversed, Succeeded, Failed, Succeeded),
        ] {
            let mut payment = payment(token);
            payment.charge(Timestamp::now());
            let id = PaymentRefundId::new();
            for _ in 0..2 {
                payment.refund(id, payment.captured, Timestamp::now());
            }
            let mut statuses = vec![payment.refunds[0].status];
            payment.complete();
            statuses.push(payment.refunds[0].status);
            payment.refund(PaymentRefundId::new(), payment.captured, Timestamp::now());
            statuses.push(payment.refunds[1].status);
            assert_eq!((statuses, payment.refunds.len()), (vec![first, notified, second], 2), "{token:?}");
        }
    }

    #[test]
    fn demo_twice_notifies_twice_with_the_same_id() {
        assert_eq!(payment(DemoToken::Late).notifications().len(), 1);
        let twice = payment(DemoToken::Twice).notifications();
        assert_eq!((twice.len(), &twice[0].id), (2, &twice[1].id));
    }
}
