//! The rules for a new order: it claims the cart, and it must be within the limits of unpaid stock.

use std::time::Duration;

use souk_contract::customer::CustomerId;
use souk_contract::products::ReservationId;
use souk_contract::shopping::OrderId;
use souk_store::RetrySchedule;
use souk_types::{Error, Result, Timestamp};

use super::history::{OrderLog, StatusChange};
use super::{Order, OrderItem, OrderStatus, Reason, STEP_LEASE};
use crate::domain::cart::Cart;
use crate::domain::idempotency::{CheckoutRequest, IdempotencyKey};

/// Limits of the stock that unpaid orders hold. The operator configures them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CheckoutLimits {
    /// Pieces in one order, all lines together.
    pub(crate) pieces: u32,
    /// Orders within an hour that held stock and were not paid.
    pub(crate) unpaid_orders: usize,
    /// How long stock is reserved. An order that is not paid by then is cancelled.
    pub(crate) reservation_time: Duration,
    /// How long scarce stock is reserved.
    pub(crate) scarce_reservation_time: Duration,
}

/// A request to order the cart.
pub(crate) struct NewOrder<'r> {
    pub(crate) customer: CustomerId,
    pub(crate) key: &'r IdempotencyKey,
    pub(crate) request: &'r CheckoutRequest,
}

#[derive(Debug)]
pub(crate) enum Placement {
    New {
        order: Order,
        /// A refused order to delete, because the customer has too many.
        deleted: Option<OrderId>,
    },
    /// The order that a request with the same key has placed.
    Existing(Order),
}

impl NewOrder<'_> {
    /// Places an order, which claims the cart. `last` is the order that was placed from it before.
    ///
    /// Errors: `order-under-way` while `last` is undecided; `cart-empty`; `hold-limit`;
    /// `too-many-unpaid-orders`; `unauthenticated` when the account is deleted.
    pub(crate) fn place(
        &self,
        cart: &mut Cart,
        last: Option<&Order>,
        limits: &CheckoutLimits,
        now: Timestamp,
    ) -> Result<Placement> {
        cart.require_open()?;
        if let Some(last) = last {
            if last.key.as_ref() == Some(self.key) {
                return Ok(Placement::Existing(last.clone()));
            }
            last.require_decided()?;
        }
        if cart.is_empty() {
            return Err(Error::conflict("cart-empty", "The cart is empty; add a product first."));
        }
        limits.check_pieces(cart)?;
        if let Some(ended) = last.and_then(Order::ended_unpaid) {
            cart.orders.add_unpaid(ended, now);
        }
        if let Some(wait) = cart.orders.unpaid_wait(limits.unpaid_orders, now) {
            let detail = format!(
                "In the last hour, {} of your orders held stock and were not paid. Wait before you order again.",
                limits.unpaid_orders
            );
            return Err(Error::too_many_requests("too-many-unpaid-orders", detail, wait));
        }
        let refused = last.filter(|last| last.is_refused()).map(|last| last.id);
        let deleted = refused.and_then(|refused| cart.orders.add_refused(refused));
        let order = self.order(cart, limits, now)?;
        cart.claim(order.id);
        Ok(Placement::New { order, deleted })
    }

    fn order(&self, cart: &Cart, limits: &CheckoutLimits, now: Timestamp) -> Result<Order> {
        Ok(Order {
            id: OrderId::new(),
            customer: Some(self.customer),
            key: Some(self.key.clone()),
            fingerprint: self.request.fingerprint()?,
            payment_details: self.request.payment.clone(),
            status: OrderStatus::Pending,
            items: cart.lines().iter().map(OrderItem::from).collect(),
            payment: None,
            refunds: Vec::new(),
            piece_returns: Vec::new(),
            owes_stock: false,
            refusal: None,
            reservation: ReservationId::new(),
            reserved_until: now.after(limits.reservation_time),
            history: vec![StatusChange { status: OrderStatus::Pending, at: now, reason: None }],
            log: OrderLog::default(),
            notifications: Vec::new(),
            created_at: now,
            schedule: RetrySchedule::at(now.after(STEP_LEASE)),
            delete_at: None,
        })
    }
}

impl CheckoutLimits {
    fn check_pieces(&self, cart: &Cart) -> Result<()> {
        let pieces: u32 = cart.lines().iter().map(|line| line.quantity.get()).sum();
        if pieces <= self.pieces {
            return Ok(());
        }
        let detail = format!(
            "An order has at most {} pieces, and the cart has {pieces}. Order some of them first, or ask the shop.",
            self.pieces
        );
        Err(Error::conflict("hold-limit", detail).with_member("most", self.pieces))
    }
}

impl Order {
    /// Errors: `order-under-way` until the order is confirmed, rejected or cancelled.
    fn require_decided(&self) -> Result<()> {
        if !self.status.is_under_way() {
            return Ok(());
        }
        let (id, until) = (self.id, self.reserved_until);
        let detail = format!(
            "The order {id} of this cart is under way. Finish it under its own key, cancel it with \
             POST /shopping/order/{id}/cancel, or wait until it is decided, at the latest when its reservation expires."
        );
        Err(Error::conflict("order-under-way", detail)
            .with_member("order", id.to_string())
            .with_member("reserved_until", until.to_string()))
    }

    /// Returns when the order ended, if it held stock and the customer did not pay. An order that
    /// was paid late counts as paid.
    fn ended_unpaid(&self) -> Option<Timestamp> {
        if self.history.iter().any(|change| change.reason == Some(Reason::PaidLate)) {
            return None;
        }
        let by_customer = |change: &&StatusChange| {
            matches!(
                change.reason,
                Some(
                    Reason::ByCustomer
                        | Reason::ReservationExpired
                        | Reason::PaymentDeclined
                        | Reason::PaymentCancelled
                )
            )
        };
        self.history.iter().find(by_customer).map(|change| change.at)
    }

    /// Whether the order was rejected without a payment. No money can arrive for it.
    pub(super) fn is_refused(&self) -> bool {
        self.status == OrderStatus::Rejected && self.payment.is_none()
    }

    /// Whether the order can be deleted: it was refused, and nothing is left to release.
    pub(crate) fn is_deletable(&self) -> bool {
        self.is_refused() && !self.is_in_progress()
    }
}

#[cfg(test)]
mod tests {
    use souk_contract::products::{ProductId, ProductSnapshot};
    use souk_types::{Currency, Money, Price, Quantity, TaxClass};

    use super::*;
    use crate::domain::order::Actor;
    use crate::domain::payment::report::{PaymentReport, ProviderStatus};
    use crate::domain::payment::state::Payment;
    use crate::domain::payment::{DemoToken, PaymentDetails, PaymentMethod};

    const LIMITS: CheckoutLimits = CheckoutLimits {
        pieces: 10,
        unpaid_orders: 2,
        reservation_time: Duration::from_mins(15),
        scarce_reservation_time: Duration::from_mins(5),
    };

    /// A customer, the cart, and the orders that were placed from it.
    struct Shopper {
        customer: CustomerId,
        cart: Cart,
        last: Option<Order>,
        now: Timestamp,
    }

    impl Shopper {
        fn new(pieces: u64) -> Self {
            let (customer, cart) = (CustomerId::new(), Cart::default());
            let mut shopper = Self { customer, cart, last: None, now: Timestamp::now() };
            shopper.add_tea(pieces);
            shopper
        }

        fn add_tea(&mut self, pieces: u64) {
            let price = Price::new(499, Currency::EUR).unwrap();
            let product = ProductSnapshot {
                id: ProductId::new(),
                name: "Tea".to_owned(),
                price,
                image: None,
                category: "tea".to_owned(),
                tax_class: TaxClass::Standard,
                weight_grams: 100,
                digital: false,
            };
            self.cart.add(product, Quantity::try_from(pieces).unwrap()).unwrap();
        }

        fn try_order(&mut self, key: &str) -> Result<Placement> {
            let (key, payment) = (key.parse().unwrap(), PaymentDetails::Demo { token: DemoToken::Ok });
            let request = CheckoutRequest { payment };
            let new = NewOrder { customer: self.customer, key: &key, request: &request };
            let mut cart = self.cart.clone();
            let placement = new.place(&mut cart, self.last.as_ref(), &LIMITS, self.now)?;
            if let Placement::New { order, .. } = &placement {
                (self.cart, self.last) = (cart, Some(order.clone()));
            }
            Ok(placement)
        }

        /// Places an order and brings it to its end.
        fn order(&mut self, key: &str, end: fn(&mut Order, Timestamp)) {
            self.try_order(key).unwrap();
            let order = self.last.as_mut().unwrap();
            end(order, self.now);
            if order.status() == OrderStatus::Confirmed {
                self.cart.complete_order(order.id);
                self.last = None;
            }
        }
    }

    fn pending(_: &mut Order, _: Timestamp) {}

    fn reserved(order: &mut Order, now: Timestamp) {
        let payment = Payment::open(PaymentMethod::Demo, order.id.to_string(), order.total().unwrap(), None);
        let (items, until) = (order.items.clone(), order.reserved_until);
        order.reserve(&items, Some(&payment), until, now).unwrap();
    }

    fn paid(order: &mut Order, now: Timestamp) {
        reserved(order, now);
        let captured = PaymentReport::new(ProviderStatus::Captured, order.total().unwrap());
        order.apply_payment(&captured, now).unwrap();
    }

    fn confirmed(order: &mut Order, now: Timestamp) {
        paid(order, now);
        order.confirm(now).unwrap();
    }

    fn refused(order: &mut Order, now: Timestamp) {
        order.reject(Error::conflict("out-of-stock", "x"), Reason::OutOfStock, false, now).unwrap();
    }

    fn cancelled(order: &mut Order, now: Timestamp) {
        reserved(order, now);
        order.cancel(Actor::Customer(order.customer.unwrap()), now).unwrap();
    }

    fn expired(order: &mut Order, now: Timestamp) {
        reserved(order, now);
        order.expire_reservation(now).unwrap();
    }

    fn declined(order: &mut Order, now: Timestamp) {
        reserved(order, now);
        let nothing = Money::zero(Currency::EUR);
        order.apply_payment(&PaymentReport::new(ProviderStatus::Declined, nothing), now).unwrap();
        order.decline(now).unwrap();
    }

    fn cancelled_by_shop(order: &mut Order, now: Timestamp) {
        reserved(order, now);
        order.cancel(Actor::Admin(CustomerId::new()), now).unwrap();
    }

    #[test]
    fn one_order_at_a_time_claims_a_cart() {
        type End = fn(&mut Order, Timestamp);
        let ends: [(&str, End, Option<&str>); 8] = [
            ("pending", pending, Some("order-under-way")),
            ("reserved", reserved, Some("order-under-way")),
            ("paid", paid, Some("order-under-way")),
            ("refused", refused, None),
            ("cancelled", cancelled, None),
            ("expired", expired, None),
            ("declined", declined, None),
            ("cancelled by the shop", cancelled_by_shop, None),
        ];
        for (name, end, error) in ends {
            let mut shopper = Shopper::new(1);
            shopper.order("first", end);
            let first = shopper.last.clone().unwrap();
            let Placement::Existing(same) = shopper.try_order("first").unwrap() else { panic!("{name}: placed again") };
            assert_eq!(same.id, first.id, "{name}");
            let second = shopper.try_order("second");
            assert_eq!(second.as_ref().err().map(Error::code), error, "{name}");
            if let Err(error) = second {
                assert_eq!(error.members()["order"], first.id.to_string(), "{name}");
            }
            assert_eq!(shopper.cart.lines().len(), 1, "{name}: the cart stays");
        }
    }

    #[test]
    fn unpaid_orders_are_limited() {
        for (name, end, is_limited) in [
            ("cancelled", cancelled as fn(&mut Order, Timestamp), true),
            ("expired", expired, true),
            ("declined", declined, true),
            ("refused", refused, false),
            ("cancelled by the shop", cancelled_by_shop, false),
        ] {
            let mut shopper = Shopper::new(1);
            shopper.order("1", end);
            shopper.order("paid", confirmed);
            shopper.add_tea(1);
            shopper.order("2", end);
            let third = shopper.try_order("3").err();
            assert_eq!(third.as_ref().map(Error::code), is_limited.then_some("too-many-unpaid-orders"), "{name}");
            assert!(third.is_none_or(|error| error.members()["retry_after"] == 3600), "{name}");
            shopper.now = shopper.now.after(Duration::from_hours(1));
            assert!(shopper.try_order("4").is_ok() || !is_limited, "{name}: an hour later");
        }
    }

    #[test]
    fn a_cart_with_too_many_pieces_is_not_ordered() {
        assert!(Shopper::new(10).try_order("key").is_ok());
        let error = Shopper::new(11).try_order("key").unwrap_err();
        assert_eq!((error.code(), &error.members()["most"]), ("hold-limit", &10.into()));
    }

    #[test]
    fn an_order_is_deletable_when_no_money_and_no_stock_can_be_left() {
        type End = fn(&mut Order, Timestamp);
        let ends: [(End, bool); 6] = [
            (pending, false),
            (refused, true),
            (declined, false),
            (cancelled, false),
            (paid, false),
            (|order, now| order.reject(Error::busy("x"), Reason::Interrupted, true, now).unwrap(), false),
        ];
        for (end, is_deletable) in ends {
            let mut shopper = Shopper::new(1);
            shopper.order("key", end);
            let order = shopper.last.unwrap();
            assert_eq!(order.is_deletable(), is_deletable, "{order:?}");
        }
    }

    #[test]
    fn scarce_stock_is_reserved_for_a_shorter_time() {
        let mut shopper = Shopper::new(1);
        shopper.order("key", pending);
        let (now, order) = (shopper.now, shopper.last.unwrap());
        let request = order.reserve_request(LIMITS.scarce_reservation_time);
        assert_eq!(request.until, now.after(LIMITS.reservation_time));
        assert_eq!(request.until_if_scarce, now.after(LIMITS.scarce_reservation_time));
    }
}
