//! The rules for a new order: it claims the cart, and its quote must be complete.

use souk_contract::products::ReservationId;
use souk_contract::shopping::OrderId;
use souk_store::RetrySchedule;
use souk_types::{Error, FieldError, IdempotencyKey, Language, Money, Network, Result, Timestamp};

use super::buyer::Buyer;
use super::history::{OrderLog, StatusChange};
use super::{CheckoutLimits, Order, OrderItem, OrderStatus, STEP_LEASE, StatusReason};
use crate::domain::cart::Cart;
use crate::domain::cart_orders::CartClaim;
use crate::domain::checkout_request::CheckoutRequest;
use crate::domain::owner::Owner;
use crate::domain::quote::Quote;

/// An order that is about to be placed.
pub(crate) struct NewOrder<'r> {
    pub(crate) owner: Owner,
    /// The network of a guest, or of an account whose e-mail address is not verified.
    pub(crate) unverified_network: Option<Network>,
    pub(crate) key: &'r IdempotencyKey,
    pub(crate) request: &'r CheckoutRequest,
    /// The request's input of the quote, with the e-mail address and the saved address of the
    /// account.
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
            is_new: true,
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
        let ended_without_payment = |change: &&StatusChange| {
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
        self.history.iter().find(ended_without_payment).map(|change| change.at)
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
    use souk_types::Currency;

    use super::*;
    use crate::domain::discount::DiscountRefusal;
    use crate::domain::order::fixtures::{
        LIMITS, Shopper, cancelled, cancelled_by_shop, confirmed, declined, expired, paid, pending, quote_of, refused,
        reserved,
    };
    use crate::domain::quote::{Missing, QuoteDiscount};

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
