//! What may become of an order: the rule that says what is next, and the moves from one state to another. Each leaves what was
//! decided before, so that it can be made again, late, or by two at once.

use std::borrow::Cow;
use std::time::Duration;

use souk_contract::products::ReservationId;
use souk_contract::shopping::TimelineKind;
use souk_types::{Error, Result, Timestamp};

use super::history::{Entry, Step};
use super::{Order, OrderItem, RETRY_BACKOFF, STEP_WITHIN, Status};
use crate::domain::payment::{self, News, Notice, Payment};

/// Notices that are remembered by their ids; a payment has a handful.
const MOST_NOTICES: usize = 32;
/// Why an order ended when its goods were no longer held and nobody had paid.
const HOLD_ENDED: &str = "hold-ended";

/// What is to be done next for an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Todo {
    /// Hold its goods.
    Reserve,
    /// Ask for the money.
    Pay,
    /// Ask what has become of the payment.
    LookUp,
    /// Whoever ordered has gone before anything was held: it is off.
    Undo,
    /// Nobody paid in time: it is off.
    EndHold,
    /// The payment was declined: it is off.
    TurnDown,
    /// The payment was called off elsewhere: so is the order.
    CallOff,
    /// The money is there: sell the goods.
    Sell,
    /// It is over: give back money and goods.
    Settle,
    /// Wait, or nothing ever.
    Nothing,
}

/// Who goes on with an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Somebody who waits for an answer, or has news.
    Request,
    /// Nobody waits any more.
    Sweeper,
}

/// Who cancels an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    Customer,
    Shop,
}

impl Order {
    /// What is to be done next, and by whom.
    pub(crate) fn todo(&self, turn: Turn, now: Timestamp) -> Todo {
        let paying = self.payment.as_ref().map(|payment| payment.status);
        match (self.status, turn) {
            (Status::Pending, Turn::Request) => Todo::Reserve,
            (Status::Pending, Turn::Sweeper) => Todo::Undo,
            (Status::Reserved, _) => match paying {
                Some(payment::Status::Declined) => Todo::TurnDown,
                Some(payment::Status::Cancelled) => Todo::CallOff,
                _ if self.held_until <= now => Todo::EndHold,
                Some(payment::Status::Open) if turn == Turn::Request && !self.means.pays_by_itself() => Todo::Pay,
                _ if turn == Turn::Sweeper => Todo::LookUp,
                _ => Todo::Nothing,
            },
            (Status::Paid, _) => Todo::Sell,
            (Status::Rejected | Status::Cancelled, _) if self.schedule.due().is_some() => Todo::Settle,
            _ => Todo::Nothing,
        }
    }

    /// Whether whoever ordered has gone before anybody was asked for money, so that none will come.
    pub(crate) fn is_deserted(&self) -> bool {
        let open = self.payment.as_ref().is_some_and(|payment| payment.status == payment::Status::Open);
        self.status == Status::Reserved && open && !self.means.pays_by_itself()
    }

    /// The goods are held, and there is a payment to be made. What was decided before stands.
    pub(crate) fn reserve(&mut self, items: &[OrderItem], payment: &Payment) -> Result<()> {
        if self.status == Status::Pending {
            self.enter(Status::Reserved, None)?;
            self.items = items.to_vec();
            self.payment = Some(payment.clone());
            self.go_on_within(STEP_WITHIN);
        }
        Ok(())
    }

    /// Takes in what is said of its payment. `false` when that is nothing new.
    pub(crate) fn hear(&mut self, news: &News) -> Result<bool> {
        // A client that pays by itself may try another card.
        let another_try = self.means.pays_by_itself() && news.status == payment::Status::Declined;
        let learned = self.payment.as_mut().is_some_and(|payment| !another_try && payment.learn(news.status));
        if !learned {
            return Ok(false);
        }
        match (news.status, self.status) {
            (payment::Status::Captured, Status::Reserved) => {
                self.enter(Status::Paid, None)?;
                self.go_on_within(STEP_WITHIN);
            }
            (payment::Status::Captured, Status::Cancelled) => {
                if self.history.last().is_some_and(|step| step.reason.as_deref() == Some(HOLD_ENDED)) {
                    // Nobody wanted it to end: perhaps the goods are still there.
                    self.enter(Status::Paid, Some("paid-late".into()))?;
                    self.refusal = None;
                }
                self.go_on_within(Duration::ZERO);
            }
            (payment::Status::Captured, Status::Rejected) => {
                self.enter(Status::Cancelled, Some("paid-late".into()))?;
                self.go_on_within(Duration::ZERO);
            }
            (_, Status::Reserved) => self.go_on_within(RETRY_BACKOFF.first),
            _ => {}
        }
        Ok(true)
    }

    /// As [`Order::hear`], of news that came by themselves: once for each notice, and of its own payment only.
    pub(crate) fn notice(&mut self, notice: &Notice) -> Result<bool> {
        let ours = self.payment.as_ref().is_some_and(|payment| payment.reference == notice.reference);
        if !ours || self.notices.contains(&notice.id) {
            return Ok(false);
        }
        if self.notices.len() == MOST_NOTICES {
            self.notices.remove(0);
        }
        self.notices.push(notice.id.clone());
        self.log(Entry::new(
            TimelineKind::Payment,
            format!("notice {}", notice.id),
            format!("{:?}", notice.news.status).to_lowercase(),
        ));
        self.hear(&notice.news)
    }

    /// Nobody knows whether the payment was made: it is looked up soon.
    pub(crate) fn doubt(&mut self) -> Result<()> {
        self.hear(&News::of(payment::Status::Processing)).map(drop)
    }

    /// It is paid, and its goods are sold. `false` when that was known before.
    pub(crate) fn confirm(&mut self) -> Result<bool> {
        match self.status {
            Status::Paid => {
                self.enter(Status::Confirmed, None)?;
                self.log(Entry::new(TimelineKind::Event, "shopping.order-confirmed", "announced"));
                self.means.forget();
                self.schedule.clear_due();
                Ok(true)
            }
            Status::Confirmed | Status::Shipped | Status::Cancelled | Status::Refunded => Ok(false),
            Status::Pending | Status::Reserved | Status::Rejected => {
                Err(Error::internal(format!("order {} was {:?} and then sold", self.id, self.status)))
            }
        }
    }

    /// Its goods are no longer held, and it is paid: they are claimed once more.
    pub(crate) fn claim_anew(&mut self, held_for: Duration) {
        if self.status == Status::Paid {
            self.reservation = ReservationId::new();
            self.held_until = Timestamp::now().after(held_for);
            self.go_on_within(STEP_WITHIN);
        }
    }

    /// Nothing comes of it, and no money has moved. What was decided before stands.
    pub(crate) fn reject(&mut self, refusal: Error, reason: impl Into<Cow<'static, str>>, holds: bool) -> Result<()> {
        if matches!(self.status, Status::Pending | Status::Reserved) {
            self.enter(Status::Rejected, Some(reason.into()))?;
            self.refusal = Some(refusal);
            self.means.forget();
            if holds {
                self.go_on_within(STEP_WITHIN);
            } else {
                self.schedule.clear_due();
            }
        }
        Ok(())
    }

    /// It ends without anybody's wish. What was decided before stands.
    pub(crate) fn abandon(&mut self, refusal: Error, reason: &'static str) -> Result<()> {
        if matches!(self.status, Status::Reserved | Status::Paid) {
            self.enter(Status::Cancelled, Some(reason.into()))?;
            self.refusal = Some(refusal);
            self.go_on_within(STEP_WITHIN);
        }
        Ok(())
    }

    /// The goods have gone back to the shelf before anybody paid.
    pub(crate) fn end_hold(&mut self) -> Result<()> {
        let why = "The order was not paid in time; nothing was ordered. Order again under a new key.";
        self.abandon(Error::conflict("order-state", why), HOLD_ENDED)
    }

    /// It is taken back. Returns whether it had been confirmed, so that others must hear of it. Errors: `order-state`.
    pub(crate) fn cancel(&mut self, by: By) -> Result<bool> {
        let was = self.status;
        match was {
            Status::Reserved | Status::Paid | Status::Confirmed => {
                let reason = match by {
                    By::Customer => "by-customer",
                    By::Shop => "by-shop",
                };
                self.enter(Status::Cancelled, Some(reason.into()))?;
                self.go_on_within(STEP_WITHIN);
                if was == Status::Confirmed {
                    self.log(Entry::new(TimelineKind::Event, "shopping.order-cancelled", "announced"));
                }
                Ok(was == Status::Confirmed)
            }
            Status::Cancelled | Status::Refunded => Ok(false),
            Status::Pending => Err(Error::conflict("order-state", "The order is being placed; try again in a moment.")),
            Status::Rejected => Err(Error::conflict("order-state", "Nothing came of this order.")),
            Status::Shipped => Err(Error::conflict("order-state", "What is shipped cannot be cancelled.")),
        }
    }

    /// Money and goods are back where they belong, as far as they had moved.
    pub(crate) fn settled(&mut self) -> Result<()> {
        if !matches!(self.status, Status::Rejected | Status::Cancelled) {
            return Ok(());
        }
        match self.payment.as_ref().map(|payment| payment.status) {
            // It came meanwhile, and goes back next.
            Some(payment::Status::Captured) => {}
            Some(payment::Status::Refunded) => {
                self.enter(Status::Refunded, None)?;
                self.schedule.clear_due();
            }
            _ => self.schedule.clear_due(),
        }
        Ok(())
    }

    /// It is on its way to the customer. `false` when it was before. Errors: `order-state`.
    pub(crate) fn ship(&mut self) -> Result<bool> {
        match self.status {
            Status::Confirmed => self.enter(Status::Shipped, None).map(|()| true),
            Status::Shipped => Ok(false),
            _ => Err(Error::conflict("order-state", "Only a confirmed order can be shipped.")),
        }
    }

    /// The reference of the money that is set aside; none when it is taken already. Errors: `order-state`.
    pub(crate) fn set_aside(&self) -> Result<Option<&Payment>> {
        match (self.status, &self.payment) {
            (Status::Reserved, Some(payment)) if payment.status == payment::Status::Review => Ok(Some(payment)),
            (Status::Paid | Status::Confirmed | Status::Shipped, _) => Ok(None),
            _ => Err(Error::conflict("order-state", "No money is set aside for this order.")),
        }
    }

    fn enter(&mut self, status: Status, reason: Option<Cow<'static, str>>) -> Result<()> {
        if !self.status.next().contains(&status) {
            return Err(Error::internal(format!("order {}: no way from {:?} to {status:?}", self.id, self.status)));
        }
        self.status = status;
        self.schedule.reset_failures();
        self.history.push(Step { status, at: Timestamp::now(), reason });
        Ok(())
    }

    /// Whoever is at it goes on by then; otherwise the sweeper does.
    fn go_on_within(&mut self, time: Duration) {
        self.schedule.set_due(Timestamp::now().after(time));
    }
}
