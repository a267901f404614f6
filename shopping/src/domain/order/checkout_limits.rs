//! Limits of the stock that unpaid orders hold.

use std::time::Duration;

use souk_types::{Error, Result, Timestamp};

use super::Order;
use crate::domain::cart::Cart;
use crate::domain::cart_orders::unpaid_wait;

/// Limits of the stock that unpaid orders hold. The operator configures them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CheckoutLimits {
    /// Pieces in one order, all lines together.
    pub(crate) max_order_pieces: u32,
    /// Pieces in the unpaid orders of one network, placed by guests and by accounts whose e-mail
    /// address is not verified.
    pub(crate) max_unverified_pieces: u32,
    /// Orders within an hour that held stock and were not paid.
    pub(crate) max_unpaid_orders: usize,
    /// How long stock is reserved. An order that is not paid by then is cancelled.
    pub(crate) reservation_time: Duration,
    /// How long scarce stock is reserved.
    pub(crate) scarce_reservation_time: Duration,
}

impl CheckoutLimits {
    /// Errors: `unauthenticated` when the account is deleted; `cart-empty`; `too-many-pieces`;
    /// `too-many-unpaid-orders`.
    pub(crate) fn check(&self, cart: &Cart, now: Timestamp) -> Result<()> {
        cart.require_open()?;
        if cart.is_empty() {
            return Err(Error::conflict("cart-empty", "The cart is empty; add a product first."));
        }
        self.check_pieces(cart)?;
        match cart.orders.unpaid_wait(self.max_unpaid_orders, now) {
            Some(wait) => Err(self.too_many_unpaid(wait)),
            None => Ok(()),
        }
    }

    fn too_many_unpaid(&self, wait: Duration) -> Error {
        let detail = format!(
            "In the last hour, {} of your orders held stock and were not paid. Wait before you order again.",
            self.max_unpaid_orders
        );
        Error::too_many_requests("too-many-unpaid-orders", detail, wait)
    }

    fn check_pieces(&self, cart: &Cart) -> Result<()> {
        let pieces = cart.pieces();
        if pieces <= self.max_order_pieces {
            return Ok(());
        }
        let detail = format!(
            "An order has at most {} pieces, and the cart has {pieces}. Order some of them first, or ask the shop.",
            self.max_order_pieces
        );
        Err(Error::conflict("too-many-pieces", detail).with_member("most", self.max_order_pieces))
    }

    fn check_unverified_pieces(&self, cart: &Cart) -> Result<()> {
        let (most, pieces) = (self.max_unverified_pieces, cart.pieces());
        if pieces <= most {
            return Ok(());
        }
        let detail = format!(
            "Without a verified e-mail address, an order has at most {most} pieces, and the cart has {pieces}. Sign in \
             with an account whose address is verified to order more."
        );
        Err(Error::conflict("unverified-limit", detail).with_member("most", most))
    }

    /// Whether an order of a guest, or of an account whose e-mail address is not verified, may be
    /// placed while unpaid orders of its network hold this many pieces. Errors: `unverified-limit`
    /// when the cart alone has too many.
    pub(crate) fn fits_network(&self, held: u64, cart: &Cart) -> Result<bool> {
        self.check_unverified_pieces(cart)?;
        Ok(held.saturating_add(cart.pieces().into()) <= u64::from(self.max_unverified_pieces))
    }

    /// Returns the refusal of an order that does not fit, with the time until the first of these
    /// `orders` of its network releases its stock.
    pub(crate) fn network_is_full(&self, held: u64, orders: &[Order], now: Timestamp) -> Error {
        let until = orders.iter().map(|order| order.reserved_until).min().unwrap_or(now);
        let detail = format!(
            "Without a verified e-mail address, customers of this network hold {held} pieces in unpaid orders, and may \
             hold {}. Pay or cancel one of these orders, verify your address, or wait until the stock of one is released.",
            self.max_unverified_pieces
        );
        Error::too_many_requests("unverified-limit", detail, until.since(now))
            .with_member("most", self.max_unverified_pieces)
    }

    /// Checks an order again that is stored, because others may have been placed at the same
    /// moment: the unpaid orders of its network, with it, hold this many pieces. Errors:
    /// `unverified-limit`.
    pub(crate) fn check_network_again(&self, held: u64) -> Result<()> {
        let most = self.max_unverified_pieces;
        if held <= u64::from(most) {
            return Ok(());
        }
        let detail = format!(
            "Without a verified e-mail address, customers of this network hold at most {most} pieces in unpaid orders, and \
             {held} were ordered at the same moment. Order again."
        );
        Err(Error::conflict("unverified-limit", detail).with_member("most", most))
    }

    /// Errors: `too-many-unpaid-orders` when this many of a guest's `orders` ended unpaid within
    /// the last hour, whatever token they were placed with.
    pub(crate) fn check_unpaid(&self, orders: &[Order], now: Timestamp) -> Result<()> {
        match unpaid_wait(orders.iter().filter_map(Order::ended_unpaid), self.max_unpaid_orders, now) {
            Some(wait) => Err(self.too_many_unpaid(wait)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use souk_types::Quantity;

    use super::*;
    use crate::domain::guest_cart::GuestId;
    use crate::domain::order::fixtures::{LIMITS, cart_of_tea, network, order_of, tea};
    use crate::domain::order::fixtures::{
        Shopper, cancelled, cancelled_by_shop, confirmed, declined, expired, paid, pending, refused, reserved,
    };
    use crate::domain::owner::Owner;

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
        assert_eq!(LIMITS.fits_network(4, &cart_of_tea(1)).ok(), Some(true));
        assert_eq!(LIMITS.fits_network(4, &cart).ok(), Some(false));
        let too_many = LIMITS.network_is_full(4, &orders, now);
        assert_eq!(too_many.code(), "unverified-limit");
        assert_eq!(too_many.members()["retry_after"], 15 * 60);
        assert!(LIMITS.check_network_again(5).is_ok());
        let again = LIMITS.check_network_again(6).unwrap_err();
        assert_eq!((again.code(), &again.members()["most"]), ("unverified-limit", &5.into()));
        let too_large = LIMITS.fits_network(0, &cart_of_tea(6)).unwrap_err();
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
        assert_eq!((error.code(), &error.members()["most"]), ("too-many-pieces", &10.into()));
    }
}
