//! The rules for a new order: it claims the cart, and it must be within the limits of unpaid stock.

use std::time::Duration;

use souk_contract::products::ReservationId;
use souk_contract::shopping::OrderId;
use souk_store::RetrySchedule;
use souk_types::{Error, FieldError, IdempotencyKey, Language, Money, Network, Result, Timestamp};

use super::buyer::Buyer;
use super::history::{OrderLog, StatusChange};
use super::{Order, OrderItem, OrderStatus, STEP_LEASE, StatusReason};
use crate::domain::cart::Cart;
use crate::domain::cart_orders::{CartClaim, UNPAID_WINDOW};
use crate::domain::idempotency::CheckoutRequest;
use crate::domain::owner::Owner;
use crate::domain::quote::Quote;

/// Limits of the stock that unpaid orders hold. The operator configures them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CheckoutLimits {
    /// Pieces in one order, all lines together.
    pub(crate) pieces: u32,
    /// Pieces in the unpaid orders of one network, placed by guests and by accounts whose e-mail
    /// address is not verified.
    pub(crate) unverified_pieces: u32,
    /// Orders within an hour that held stock and were not paid.
    pub(crate) unpaid_orders: usize,
    /// How long stock is reserved. An order that is not paid by then is cancelled.
    pub(crate) reservation_time: Duration,
    /// How long scarce stock is reserved.
    pub(crate) scarce_reservation_time: Duration,
}

/// An order that is about to be placed.
pub(crate) struct NewOrder<'r> {
    pub(crate) owner: Owner,
    /// The network of a guest, or of an account whose e-mail address is not verified.
    pub(crate) unverified_network: Option<Network>,
    pub(crate) key: &'r IdempotencyKey,
    pub(crate) request: &'r CheckoutRequest,
    /// The request's terms, with the e-mail address and the saved address of the account.
    pub(crate) buyer: Buyer,
    pub(crate) quote: Quote,
    pub(crate) language: Language,
}

impl NewOrder<'_> {
    /// Returns the order of the whole cart, which claims it.
    pub(crate) fn of_cart(self, cart: &Cart, limits: &CheckoutLimits, now: Timestamp) -> Result<Order> {
        let (owner, revision) = (self.owner, cart.orders.revision());
        Ok(Order {
            id: OrderId::new(),
            number: None,
            customer: owner.customer(),
            placed_by: Some(owner),
            guest_email: self.buyer.email().filter(|_| owner.customer().is_none()).cloned(),
            unverified_network: self.unverified_network,
            key: Some(self.key.clone()),
            cart_revision: revision,
            claim: Some(CartClaim::new(owner, revision)),
            buyer: self.buyer,
            language: self.language,
            quote: self.quote,
            expected_total: self.request.expected_total,
            fingerprint: self.request.fingerprint()?,
            payment_details: self.request.payment.clone(),
            status: OrderStatus::Pending,
            items: cart.lines().iter().map(OrderItem::from).collect(),
            payment: None,
            refunds: Vec::new(),
            piece_returns: Vec::new(),
            shipments: Vec::new(),
            notes: Vec::new(),
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
            is_waiting_reported: false,
            events: Vec::new(),
        })
    }
}

impl Order {
    /// Claims the revision of the cart again, for an order that is paid late. The write fails when
    /// another order has the claim.
    pub(crate) fn claim_again(&mut self) {
        self.claim = self.placed_by.map(|owner| CartClaim::new(owner, self.cart_revision));
    }
}

impl CheckoutLimits {
    /// Errors: `unauthenticated` when the account is deleted; `cart-empty`; `hold-limit`;
    /// `too-many-unpaid-orders`.
    pub(crate) fn check(&self, cart: &Cart, now: Timestamp) -> Result<()> {
        cart.require_open()?;
        if cart.is_empty() {
            return Err(Error::conflict("cart-empty", "The cart is empty; add a product first."));
        }
        self.check_pieces(cart)?;
        match cart.orders.unpaid_wait(self.unpaid_orders, now) {
            Some(wait) => Err(self.too_many_unpaid(wait)),
            None => Ok(()),
        }
    }

    fn too_many_unpaid(&self, wait: Duration) -> Error {
        let detail = format!(
            "In the last hour, {} of your orders held stock and were not paid. Wait before you order again.",
            self.unpaid_orders
        );
        Error::too_many_requests("too-many-unpaid-orders", detail, wait)
    }

    fn check_pieces(&self, cart: &Cart) -> Result<()> {
        let pieces = cart.pieces();
        if pieces <= self.pieces {
            return Ok(());
        }
        let detail = format!(
            "An order has at most {} pieces, and the cart has {pieces}. Order some of them first, or ask the shop.",
            self.pieces
        );
        Err(Error::conflict("hold-limit", detail).with_member("most", self.pieces))
    }

    fn check_unverified_pieces(&self, cart: &Cart) -> Result<()> {
        let (most, pieces) = (self.unverified_pieces, cart.pieces());
        if pieces <= most {
            return Ok(());
        }
        let detail = format!(
            "Without a verified e-mail address, an order has at most {most} pieces, and the cart has {pieces}. Sign in \
             with an account whose address is verified to order more."
        );
        Err(Error::conflict("unverified-limit", detail).with_member("most", most))
    }

    /// Checks an order of a guest, or of an account whose e-mail address is not verified. Those of
    /// its network have these unpaid `orders`. Errors: `unverified-limit`, as a conflict when the
    /// cart alone has too many pieces, else with the time to wait.
    pub(crate) fn check_network(&self, orders: &[Order], cart: &Cart, now: Timestamp) -> Result<()> {
        self.check_unverified_pieces(cart)?;
        let held = pieces_of(orders);
        if held.saturating_add(cart.pieces()) <= self.unverified_pieces {
            return Ok(());
        }
        let until = orders.iter().map(|order| order.reserved_until).min().unwrap_or(now);
        let detail = format!(
            "Without a verified e-mail address, customers of this network hold {held} pieces in unpaid orders, and may \
             hold {}. Pay or cancel one of these orders, verify your address, or wait until the stock of one is released.",
            self.unverified_pieces
        );
        Err(Error::too_many_requests("unverified-limit", detail, until.since(now))
            .with_member("most", self.unverified_pieces))
    }

    /// Checks an order again that is stored and among these unpaid `orders` of its network, because
    /// others may have been placed at the same moment. Errors: `unverified-limit`.
    pub(crate) fn check_network_again(&self, orders: &[Order]) -> Result<()> {
        let (most, pieces) = (self.unverified_pieces, pieces_of(orders));
        if pieces <= most {
            return Ok(());
        }
        let detail = format!(
            "Without a verified e-mail address, customers of this network hold at most {most} pieces in unpaid orders, and \
             {pieces} were ordered at the same moment. Order again."
        );
        Err(Error::conflict("unverified-limit", detail).with_member("most", most))
    }

    /// Errors: `too-many-unpaid-orders` when this many of a guest's `orders` ended unpaid within
    /// the last hour, whatever token they were placed with.
    pub(crate) fn check_unpaid(&self, orders: &[Order], now: Timestamp) -> Result<()> {
        let ends = orders.iter().filter_map(Order::ended_unpaid).map(|at| at.after(UNPAID_WINDOW));
        let mut counting: Vec<Timestamp> = ends.filter(|end| *end > now).collect();
        counting.sort();
        match counting.iter().rev().nth(self.unpaid_orders.saturating_sub(1)) {
            Some(end) => Err(self.too_many_unpaid(end.since(now))),
            None => Ok(()),
        }
    }
}

fn pieces_of(orders: &[Order]) -> u32 {
    orders.iter().flat_map(|order| &order.items).map(|item| item.quantity.get()).fold(0, u32::saturating_add)
}

/// Errors: `validation`, with each field that the order needs, or for a code that does not apply;
/// `quote-changed`. A client that names the total has seen which codes apply.
pub(crate) fn require_orderable(quote: &Quote, expected_total: Option<Money>) -> Result<()> {
    let missing = quote.missing.iter().map(|missing| FieldError::new(missing.field(), "is required"));
    let refused = quote.discounts.iter().filter(|_| expected_total.is_none()).filter_map(|discount| {
        let (code, reason) = (discount.code.as_ref()?, discount.reason?);
        Some(FieldError::new("codes", format!("{code} does not apply: {}", reason.text())))
    });
    let problems: Vec<FieldError> = missing.chain(refused).collect();
    if !problems.is_empty() {
        return Err(Error::invalid(problems));
    }
    match expected_total {
        Some(expected) if expected != quote.total => Err(quote_changed(quote)),
        _ => Ok(()),
    }
}

pub(crate) fn quote_changed(quote: &Quote) -> Error {
    match serde_json::to_value(quote) {
        Ok(value) => {
            let detail = format!("The total is {} now. Show it to the buyer, and order again.", quote.total);
            Error::conflict("quote-changed", detail).with_member("quote", value)
        }
        Err(error) => Error::internal(error),
    }
}

impl Order {
    /// Errors: `order-under-way` until the order is confirmed, rejected or cancelled.
    pub(crate) fn require_decided(&self) -> Result<()> {
        if !self.status.is_in_checkout() {
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
    /// was paid, in time or late, and cancelled afterwards counts as paid.
    pub(crate) fn ended_unpaid(&self) -> Option<Timestamp> {
        if self.history.iter().any(|change| change.status == OrderStatus::Paid) {
            return None;
        }
        let by_customer = |change: &&StatusChange| {
            matches!(
                change.reason,
                Some(
                    StatusReason::ByCustomer
                        | StatusReason::ReservationExpired
                        | StatusReason::PaymentDeclined
                        | StatusReason::PaymentCancelled
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
        self.is_refused() && !self.has_open_work()
    }
}

#[cfg(test)]
mod tests {
    use souk_contract::customer::CustomerId;
    use souk_types::{Currency, Money, Quantity};

    use super::*;
    use crate::domain::discount::DiscountRefusal;
    use crate::domain::guest_cart::GuestId;
    use crate::domain::order::Actor;
    use crate::domain::order::fixtures::{LIMITS, cart_of_tea, hold_of, network, order_of, quote_of, tea};
    use crate::domain::payment::PaymentMethod;
    use crate::domain::payment::report::{PaymentReport, ProviderStatus};
    use crate::domain::payment::state::Payment;
    use crate::domain::quote::{Missing, QuoteDiscount};

    /// A customer, the cart, and the latest order.
    struct Shopper {
        owner: Owner,
        cart: Cart,
        last: Option<Order>,
        now: Timestamp,
    }

    impl Shopper {
        fn new(pieces: u64) -> Self {
            let (owner, cart) = (Owner::Customer(CustomerId::new()), cart_of_tea(pieces));
            Self { owner, cart, last: None, now: Timestamp::now() }
        }

        /// Places an order and brings it to its end.
        fn order(&mut self, end: fn(&mut Order, Timestamp)) -> Result<()> {
            LIMITS.check(&self.cart, self.now)?;
            let mut order = order_of(&self.cart, self.owner, "key", self.now);
            end(&mut order, self.now);
            if let Some(at) = order.ended_unpaid() {
                self.cart.orders.add_unpaid(order.id, at, self.now);
            }
            if order.status() == OrderStatus::Confirmed {
                let (revision, lines) = order.ordered_lines();
                self.cart.complete_order(revision, &lines);
            }
            self.last = Some(order);
            Ok(())
        }
    }

    fn pending(_: &mut Order, _: Timestamp) {}

    fn reserved(order: &mut Order, now: Timestamp) {
        let payment = Payment::open(PaymentMethod::Demo, order.id.to_string(), order.total(), None);
        order.hold(&hold_of(order, Some(payment)), now).unwrap();
    }

    fn paid(order: &mut Order, now: Timestamp) {
        reserved(order, now);
        let captured = PaymentReport::new(ProviderStatus::Captured, order.total());
        order.apply_payment(&captured, now).unwrap();
    }

    fn confirmed(order: &mut Order, now: Timestamp) {
        paid(order, now);
        order.confirm(now).unwrap();
    }

    fn refused(order: &mut Order, now: Timestamp) {
        order.reject(Error::conflict("out-of-stock", "x"), StatusReason::OutOfStock, false, now).unwrap();
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
    fn an_undecided_order_holds_up_the_next_one() {
        type End = fn(&mut Order, Timestamp);
        let ends: [(&str, End, bool); 9] = [
            ("pending", pending, false),
            ("reserved", reserved, false),
            ("paid", paid, false),
            ("confirmed", confirmed, true),
            ("refused", refused, true),
            ("cancelled", cancelled, true),
            ("expired", expired, true),
            ("declined", declined, true),
            ("cancelled by the shop", cancelled_by_shop, true),
        ];
        for (name, end, is_decided) in ends {
            let mut shopper = Shopper::new(1);
            shopper.order(end).unwrap();
            let order = shopper.last.unwrap();
            let decided = order.require_decided();
            assert_eq!(decided.is_ok(), is_decided, "{name}");
            if let Err(error) = decided {
                assert_eq!(
                    (error.code(), &error.members()["order"]),
                    ("order-under-way", &order.id.to_string().into())
                );
            }
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
            let mut orders = Vec::new();
            for end in [end, confirmed, end] {
                shopper.order(end).unwrap();
                orders.extend(shopper.last.clone());
                shopper.cart.set(tea(), Quantity::try_from(1).unwrap()).unwrap();
            }
            let as_guest = LIMITS.check_unpaid(&orders, shopper.now).err();
            for refused in [shopper.order(pending).err(), as_guest] {
                assert_eq!(refused.as_ref().map(Error::code), is_limited.then_some("too-many-unpaid-orders"), "{name}");
                assert!(refused.is_none_or(|error| error.members()["retry_after"] == 3600), "{name}");
            }
            shopper.now = shopper.now.after(Duration::from_hours(1));
            assert!(LIMITS.check_unpaid(&orders, shopper.now).is_ok(), "{name}: an hour later");
            assert!(shopper.order(pending).is_ok() || !is_limited, "{name}: an hour later");
        }
    }

    #[test]
    fn customers_without_a_verified_address_hold_a_limited_number_of_pieces_until_they_pay() {
        let now = Timestamp::now();
        let cart = cart_of_tea(2);
        let mut orders: Vec<Order> =
            ["a", "b"].map(|key| order_of(&cart, Owner::Guest(GuestId::new()), key, now)).into();
        assert_eq!(orders[0].unverified_network, Some(network()));
        assert!(LIMITS.check_network(&orders, &cart_of_tea(1), now).is_ok());
        let too_many = LIMITS.check_network(&orders, &cart, now).unwrap_err();
        assert_eq!(too_many.code(), "unverified-limit");
        assert_eq!(too_many.members()["retry_after"], 15 * 60);
        assert!(LIMITS.check_network_again(&orders).is_ok());
        let at_once = [orders.clone(), orders.clone()].concat();
        let again = LIMITS.check_network_again(&at_once).unwrap_err();
        assert_eq!((again.code(), &again.members()["most"]), ("unverified-limit", &5.into()));
        let too_large = LIMITS.check_network(&[], &cart_of_tea(6), now).unwrap_err();
        assert_eq!((too_large.code(), &too_large.members()["most"]), ("unverified-limit", &5.into()));

        reserved(&mut orders[0], now);
        assert_eq!(orders[0].unverified_network, Some(network()));
        for end in [paid, confirmed, refused, expired, declined] {
            let mut order = order_of(&cart, Owner::Guest(GuestId::new()), "key", now);
            end(&mut order, now);
            assert_eq!(order.unverified_network, None, "{:?}", order.status());
        }
        assert_eq!(order_of(&cart, Shopper::new(1).owner, "key", now).unverified_network, None);
    }

    #[test]
    fn a_cart_with_too_many_pieces_is_not_ordered() {
        assert!(Shopper::new(10).order(pending).is_ok());
        let error = Shopper::new(11).order(pending).unwrap_err();
        assert_eq!((error.code(), &error.members()["most"]), ("hold-limit", &10.into()));
    }

    #[test]
    fn an_order_needs_a_complete_quote_of_the_expected_total() {
        let euros = |cents| Money::new(cents, Currency::EUR).unwrap();
        let quote = quote_of(euros(998));
        let missing = Quote { missing: vec![Missing::Email, Missing::ShippingMethod], ..quote.clone() };
        let (code, is_counted) = (Some("SUMMER".to_owned()), false);
        let code = |reason| QuoteDiscount {
            id: None,
            code: code.clone(),
            amount: euros(0),
            is_counted,
            is_counted_for_customer: false,
            reason,
        };
        let with_code = |reason| Quote { discounts: vec![code(reason)], ..quote.clone() };
        for (case, quote, expected, outcome) in [
            ("complete", quote.clone(), None, Ok(())),
            ("as expected", quote.clone(), Some(998), Ok(())),
            ("another total", quote.clone(), Some(997), Err(("quote-changed", vec![]))),
            ("missing fields", missing.clone(), Some(998), Err(("validation", vec!["email", "shipping_method"]))),
            ("a code that applies", with_code(None), None, Ok(())),
            (
                "a code that does not",
                with_code(Some(DiscountRefusal::Expired)),
                None,
                Err(("validation", vec!["codes"])),
            ),
            ("the same, expected", with_code(Some(DiscountRefusal::Expired)), Some(998), Ok(())),
        ] {
            let result = require_orderable(&quote, expected.map(euros));
            let problem = |error: &Error| {
                let fields = error.fields().iter().map(|field| field.field.clone()).collect::<Vec<_>>();
                (error.code().to_owned(), fields)
            };
            let outcome = outcome.map_err(|(code, fields): (&str, Vec<&str>)| {
                (code.to_owned(), fields.into_iter().map(str::to_owned).collect::<Vec<_>>())
            });
            assert_eq!(result.as_ref().map_err(problem).copied(), outcome, "{case}");
            if let Err(error) = result
                && error.code() == "quote-changed"
            {
                assert_eq!(error.members()["quote"]["total"]["amount"], 998);
            }
        }
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
            (|order, now| order.reject(Error::busy("x"), StatusReason::Interrupted, true, now).unwrap(), false),
        ];
        for (end, is_deletable) in ends {
            let mut shopper = Shopper::new(1);
            shopper.order(end).unwrap();
            let order = shopper.last.unwrap();
            assert_eq!(order.is_deletable(), is_deletable, "{order:?}");
        }
    }

    #[test]
    fn scarce_stock_is_reserved_for_a_shorter_time() {
        let mut shopper = Shopper::new(1);
        shopper.order(pending).unwrap();
        let (now, order) = (shopper.now, shopper.last.unwrap());
        let request = order.reserve_request(LIMITS.scarce_reservation_time);
        assert_eq!(request.expires_at, now.after(LIMITS.reservation_time));
        assert_eq!(request.expires_at_if_scarce, now.after(LIMITS.scarce_reservation_time));
    }
}
