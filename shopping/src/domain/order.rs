//! An order: its data. [`placement`] creates it, [`checkout_table`] decides the next action;
//! [`transitions`] and [`settlement`] change the state.

pub(crate) mod buyer;
mod checkout_limits;
pub(crate) mod checkout_table;
pub(crate) mod filters;
#[cfg(test)]
pub(crate) mod fixtures;
pub(crate) mod fulfilment;
pub(crate) mod history;
pub(crate) mod listing;
mod mail;
pub(crate) mod number;
mod placement;
mod refund_shares;
pub(crate) mod refunds;
mod request_pair;
mod restock;
pub(crate) mod sales;
mod settlement;
pub(crate) mod shipment;
pub(crate) mod staff_note;
pub(crate) mod status;
#[cfg(test)]
mod tests;
mod transitions;
mod view;

use std::time::Duration;

use serde::{Deserialize, Serialize};
use souk_contract::api::REQUEST_TIMEOUT;
use souk_contract::customer::CustomerId;
use souk_contract::products::{ProductSnapshot, ReservationId, ReservationLine, Reserve};
use souk_contract::shopping::OrderId;
use souk_store::{Backoff, RetrySchedule};
use souk_types::{Email, Error, Fingerprint, IdempotencyKey, Language, Money, Network, Quantity, Result, Timestamp};

use self::buyer::Buyer;
pub(crate) use self::checkout_limits::CheckoutLimits;
use self::checkout_table::{NextAction, Situation, Trigger, next_action};
use self::history::{LogEntry, OrderLog, StatusChange};
use self::number::OrderNumber;
pub(crate) use self::placement::{NewOrder, quote_changed, require_orderable};
use self::refund_shares::{Paid, Sold, SoldLine};
use self::refunds::OrderRefund;
use self::restock::PieceReturn;
pub(crate) use self::settlement::Change;
use self::shipment::Shipment;
use self::staff_note::StaffNote;
pub(crate) use self::status::OrderEvent;
pub use self::status::OrderStatus;
pub(crate) use self::status::StatusReason;
pub(crate) use self::transitions::{Actor, Hold, interrupted};
pub(crate) use self::view::OrderView;
use super::cart::{CartLine, OrderedLine};
use super::cart_orders::CartClaim;
use super::checkout_request::CheckoutRequest;
use super::owner::Owner;
use super::payment::state::{Payment, PaymentWork};
use super::payment::{ChargeRequest, PaymentDetails};
use super::quote::{Item, Quote, QuoteLine, QuoteTax};

/// Lease on a checkout step. After it expires, the worker is presumed dead, because requests end
/// after [`REQUEST_TIMEOUT`].
const STEP_LEASE: Duration = REQUEST_TIMEOUT.saturating_mul(2);
const RETRY_BACKOFF: Backoff = Backoff { first: Duration::from_secs(1), factor: 2, longest: Duration::from_secs(16) };
/// Delays between two checks of a payment or refund at the provider, which may take days to process
/// it. A notification normally arrives first.
const CHECK_BACKOFF: Backoff = Backoff { first: Duration::from_secs(2), factor: 2, longest: Duration::from_hours(1) };

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) id: OrderId,
    /// `None` until stock is held.
    number: Option<OrderNumber>,
    /// The account; `None` for a guest's order, and when the account is deleted.
    customer: Option<CustomerId>,
    /// The owner of the cart that was ordered; `None` when the account is deleted.
    placed_by: Option<Owner>,
    /// The e-mail address by which an account may take over a guest's order. `None` for an order of
    /// an account.
    guest_email: Option<Email>,
    /// The network of a guest, or of an account whose e-mail address was not verified, until the
    /// order is paid or has ended: those of one network hold a limited number of pieces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unverified_network: Option<Network>,
    /// The idempotency key of the request that placed it; `None` when the account is deleted.
    key: Option<IdempotencyKey>,
    /// The revision of the cart that was ordered.
    cart_revision: u64,
    /// The claim on that revision, until the order is rejected or cancelled.
    claim: Option<CartClaim>,
    buyer: Buyer,
    /// The language of the mails about it. A release that does not know it writes them in English.
    #[serde(default, skip_serializing_if = "Language::is_default")]
    language: Language,
    /// The price: of the cart while the order is pending, and then of the products as they were
    /// when their stock was held.
    quote: Quote,
    /// The total that the client expects, until the quote is final.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expected_total: Option<Money>,
    fingerprint: Fingerprint,
    payment_details: PaymentDetails,
    status: OrderStatus,
    items: Vec<OrderItem>,
    /// Set when stock is reserved. `None` for an order of 0.00.
    payment: Option<Payment>,
    /// The refunds that the shop has decided, oldest first.
    refunds: Vec<OrderRefund>,
    /// Pieces of refunds that go back on sale.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    piece_returns: Vec<PieceReturn>,
    /// Oldest first.
    shipments: Vec<Shipment>,
    /// Notes of the shop's staff, oldest first.
    notes: Vec<StaffNote>,
    /// Whether the order has ended and its stock is still to be returned.
    owes_stock: bool,
    /// The error response to the request that placed the order, and to its repetitions.
    refusal: Option<Error>,
    reservation: ReservationId,
    reserved_until: Timestamp,
    history: Vec<StatusChange>,
    log: OrderLog,
    /// The ids of payment notifications that were handled.
    notifications: Vec<String>,
    created_at: Timestamp,
    /// When the background job continues the order. Not due when no work is left.
    schedule: RetrySchedule,
    /// When a refused order is deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    delete_at: Option<Timestamp>,
    /// Whether the buyer knows that the payment takes longer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    is_waiting_reported: bool,
    /// The events of this change. They are published by the write that stores it.
    #[serde(skip)]
    events: Vec<OrderEvent>,
    /// Whether this process has just inserted the order. Then no request for its stock was sent.
    #[serde(skip)]
    is_new: bool,
}

/// Work that this run of the checkout has attempted. The next action is another one.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct AttemptedWork {
    /// The work at the payment provider.
    pub(crate) money: bool,
    /// The return of the stock.
    pub(crate) stock: bool,
}

/// A quantity of one product, at the price that it was ordered for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct OrderItem {
    product: ProductSnapshot,
    quantity: Quantity,
    /// The number of its line in the cart.
    cart_line: u64,
}

impl OrderItem {
    fn total(&self) -> Money {
        self.product.price.line_total(self.quantity)
    }
}

impl From<&CartLine> for OrderItem {
    fn from(line: &CartLine) -> Self {
        Self { product: line.product.clone(), quantity: line.quantity, cart_line: line.number }
    }
}

impl From<&OrderItem> for Item {
    fn from(item: &OrderItem) -> Self {
        Self { product: item.product.clone(), quantity: item.quantity }
    }
}

impl Order {
    /// Errors: `key-reused` unless the request equals the one that placed the order.
    pub(crate) fn require_same_request(&self, request: &CheckoutRequest) -> Result<()> {
        if self.fingerprint == request.fingerprint()? {
            return Ok(());
        }
        Err(Error::key_reused())
    }

    /// Returns the next action, except those for work that is put off.
    pub(crate) fn next_action(&self, trigger: Trigger, attempted: AttemptedWork, now: Timestamp) -> NextAction {
        let situation = Situation {
            status: self.status,
            payment: self.payment_status(),
            expired: self.reserved_until <= now,
            client_pays: self.payment_details.client_pays(),
            owes_stock: self.owes_any_stock() && !attempted.stock,
            money: if attempted.money { PaymentWork::None } else { self.payment_work() },
        };
        next_action(situation, trigger)
    }

    pub(crate) fn status(&self) -> OrderStatus {
        self.status
    }

    pub(crate) fn customer(&self) -> Option<CustomerId> {
        self.customer
    }

    pub(crate) fn number(&self) -> Option<&OrderNumber> {
        self.number.as_ref()
    }

    pub(crate) fn placed_by(&self) -> Option<Owner> {
        self.placed_by
    }

    /// Whether a guest placed the order, with or without an account today.
    pub(crate) fn is_of_guest(&self) -> bool {
        matches!(self.placed_by, Some(Owner::Guest(_)))
    }

    pub(crate) fn key(&self) -> Option<&IdempotencyKey> {
        self.key.as_ref()
    }

    pub(crate) fn buyer(&self) -> &Buyer {
        &self.buyer
    }

    pub(crate) fn quote(&self) -> &Quote {
        &self.quote
    }

    pub(crate) fn expected_total(&self) -> Option<Money> {
        self.expected_total
    }

    pub(crate) fn payment(&self) -> Option<&Payment> {
        self.payment.as_ref()
    }

    pub(crate) fn payment_work(&self) -> PaymentWork {
        self.payment.as_ref().map_or(PaymentWork::None, Payment::work)
    }

    /// Whether the order waits only for the provider to process a payment or refund.
    pub(crate) fn waits_for_provider(&self) -> bool {
        let is_finished = !matches!(self.status, OrderStatus::Pending | OrderStatus::Reserved | OrderStatus::Paid);
        is_finished
            && !self.owes_any_stock()
            && matches!(self.payment_work(), PaymentWork::Cancel | PaymentWork::AwaitRefund)
    }

    /// Whether the order has ended and its stock is still to be returned as a whole.
    pub(crate) fn owes_stock(&self) -> bool {
        self.owes_stock
    }

    pub(crate) fn reserved_until(&self) -> Timestamp {
        self.reserved_until
    }

    pub(crate) fn reservation(&self) -> ReservationId {
        self.reservation
    }

    /// Returns the request that reserves the stock. A paid order gets the full reservation time.
    pub(crate) fn reserve_request(&self, scarce_reservation_time: Duration) -> Reserve {
        let expires_at = self.reserved_until;
        let expires_at_if_scarce = match self.status {
            OrderStatus::Pending => expires_at.min(self.created_at.after(scarce_reservation_time)),
            _ => expires_at,
        };
        let (reservation, order) = (self.reservation, self.id);
        let is_first = self.is_new;
        Reserve { reservation, order, lines: self.lines(), expires_at, expires_at_if_scarce, is_first }
    }

    pub(crate) fn lines(&self) -> Vec<ReservationLine> {
        self.items.iter().map(|item| ReservationLine { product: item.product.id, quantity: item.quantity }).collect()
    }

    /// Returns the network whose limit of unpaid pieces the order counts for.
    pub(crate) fn unverified_network(&self) -> Option<Network> {
        self.unverified_network
    }

    pub(crate) fn items(&self) -> &[OrderItem] {
        &self.items
    }

    /// Returns the lines of the cart that the order contains, and the revision of the cart.
    pub(crate) fn ordered_lines(&self) -> (u64, Vec<OrderedLine>) {
        let line = |item: &OrderItem| OrderedLine { number: item.cart_line, quantity: item.quantity };
        (self.cart_revision, self.items.iter().map(line).collect())
    }

    pub(crate) fn total(&self) -> Money {
        self.quote.total
    }

    /// Returns what the customer pays for.
    fn sold(&self) -> Sold {
        let line = |line: &QuoteLine| SoldLine {
            product: line.product_id,
            quantity: line.quantity.get(),
            paid: Paid { gross: line.gross, tax: line.tax, rate_bp: line.tax_rate_bp },
        };
        let shipping = |part: QuoteTax| Paid {
            gross: part.net.checked_add(part.tax).unwrap_or(part.net),
            tax: part.tax,
            rate_bp: part.rate_bp,
        };
        Sold {
            lines: self.quote.lines.iter().map(line).collect(),
            shipping: self.quote.shipping_taxes().into_iter().map(shipping).collect(),
            currency: self.quote.currency(),
        }
    }

    /// The sum of the taxes.
    pub(crate) fn tax(&self) -> u64 {
        self.quote.taxes.iter().map(|tax| tax.tax.amount()).sum()
    }

    /// Whether the background job still has to process the order.
    pub(crate) fn has_open_work(&self) -> bool {
        self.schedule.due().is_some()
    }

    pub(crate) fn was_confirmed(&self) -> bool {
        self.history.iter().any(|change| change.status == OrderStatus::Confirmed)
    }

    pub(crate) fn charge(&self) -> ChargeRequest {
        self.charge_of(self.quote.total, self.reserved_until)
    }

    /// Returns the charge of a quote whose products are reserved until `reserved_until`.
    pub(crate) fn charge_of(&self, amount: Money, reserved_until: Timestamp) -> ChargeRequest {
        ChargeRequest { order: self.id, amount, details: self.payment_details.clone(), reserved_until }
    }

    pub(crate) fn log(&mut self, entry: LogEntry) {
        self.log.add(entry);
    }

    /// Gives a guest's order to the account that has verified its e-mail address.
    pub(crate) fn move_to_account(&mut self, customer: CustomerId, email: &Email) {
        if self.guest_email.as_ref() == Some(email) {
            self.customer = Some(customer);
            (self.guest_email, self.unverified_network) = (None, None);
        }
    }

    /// Keeps what the shop must be able to prove: the number, the quote, the country and the VAT
    /// number.
    pub(crate) fn erase_personal_data(&mut self) {
        (self.customer, self.placed_by) = (None, None);
        (self.guest_email, self.unverified_network) = (None, None);
        (self.key, self.claim, self.fingerprint) = (None, None, Fingerprint::default());
        self.buyer.erase();
        self.payment_details.erase_token();
        self.shipments.iter_mut().for_each(Shipment::erase_personal_data);
        self.notes.clear();
        self.refunds.iter_mut().for_each(OrderRefund::erase_reason);
    }

    /// Removes the id of a deleted account that has worked on the order as an admin.
    pub(crate) fn erase_admin(&mut self, admin: CustomerId) {
        self.shipments.iter_mut().for_each(|shipment| shipment.erase_admin(admin));
        self.notes.iter_mut().for_each(|note| note.erase_admin(admin));
        self.refunds.iter_mut().for_each(|refund| refund.erase_admin(admin));
        self.log.erase_admin(admin);
    }

    /// Returns the admins who have worked on the order.
    fn admins(&self) -> impl Iterator<Item = CustomerId> {
        let shipments = self.shipments.iter().filter_map(Shipment::by);
        let refunds = self.refunds.iter().filter_map(OrderRefund::by);
        shipments.chain(refunds).chain(self.notes.iter().filter_map(StaffNote::by)).chain(self.log.admins())
    }

    /// Returns the response to the request that placed the order: the order, or its refusal.
    pub(crate) fn outcome(&self) -> Result<OrderView> {
        match &self.refusal {
            Some(refusal) => Err(refusal.clone()),
            None => Ok(self.view_for_customer()),
        }
    }
}
