//! Orders for unit tests.

use std::net::IpAddr;
use std::time::Duration;

use souk_contract::customer::CustomerId;
use souk_contract::products::{ProductId, ProductSnapshot};
use souk_types::{Country, Currency, Error, Language, Money, Network, Price, Quantity, Result, TaxClass, Timestamp};

use super::buyer::Buyer;
use super::number::OrderNumber;
use super::{Actor, CheckoutLimits, Hold, NewOrder, Order, OrderStatus, StatusReason};
use crate::domain::cart::{Cart, CartLine};
use crate::domain::checkout_request::CheckoutRequest;
use crate::domain::owner::Owner;
use crate::domain::payment::report::{PaymentReport, ProviderPaymentStatus};
use crate::domain::payment::state::Payment;
use crate::domain::payment::{DemoToken, PaymentDetails, PaymentMethod};
use crate::domain::quote::{Quote, QuoteLine, QuoteRequest, QuoteShipping, QuoteTax, TaxBasis};
use crate::domain::tax::Scheme;

pub(crate) const LIMITS: CheckoutLimits = CheckoutLimits {
    max_order_pieces: 10,
    max_unverified_pieces: 5,
    max_unpaid_orders: 2,
    reservation_time: Duration::from_mins(15),
    scarce_reservation_time: Duration::from_mins(5),
};

/// Returns a new product of 4.99 EUR.
pub(crate) fn tea() -> ProductSnapshot {
    ProductSnapshot {
        id: ProductId::new(),
        name: "Tea".to_owned(),
        price: Price::new(499, Currency::EUR).unwrap(),
        image: None,
        category: "tea".to_owned(),
        tax_class: TaxClass::Standard,
        weight_grams: 100,
        digital: false,
    }
}

pub(crate) fn cart_of_tea(pieces: u64) -> Cart {
    let mut cart = Cart::default();
    cart.add(tea(), Quantity::try_from(pieces).unwrap()).unwrap();
    cart
}

/// Returns a quote of this total, without lines.
pub(crate) fn quote_of(total: Money) -> Quote {
    let zero = Money::zero(total.currency());
    Quote {
        lines: Vec::new(),
        shipping: QuoteShipping { options: Vec::new(), chosen: None, price: zero, tax: zero },
        discounts: Vec::new(),
        taxes: Vec::new(),
        tax_basis: TaxBasis {
            country: Country::try_from("DE".to_owned()).unwrap(),
            scheme: Scheme::Domestic,
            is_estimate: false,
            vat_number: None,
        },
        total,
        prices_include_tax: true,
        missing: Vec::new(),
    }
}

/// Returns a quote of the goods, without taxes and shipping.
fn quote_of_cart(cart: &Cart) -> Quote {
    let line = |line: &CartLine| {
        let gross = line.product.price.line_total(line.quantity);
        let zero = Money::zero(gross.currency());
        QuoteLine {
            product_id: line.product.id,
            name: line.product.name.clone(),
            quantity: line.quantity,
            unit_price: line.product.price.into(),
            discount: zero,
            net: gross,
            tax: zero,
            gross,
            tax_rate_bp: 0,
        }
    };
    let lines: Vec<QuoteLine> = cart.lines().iter().map(line).collect();
    let total = Money::sum(lines.iter().map(|line| line.gross)).unwrap().unwrap();
    let tax = QuoteTax { rate_bp: 0, net: total, tax: Money::zero(total.currency()) };
    Quote { lines, taxes: vec![tax], ..quote_of(total) }
}

pub(crate) fn request(token: DemoToken) -> CheckoutRequest {
    CheckoutRequest {
        quote_request: QuoteRequest::default(),
        shipping_address_id: None,
        note: None,
        payment: PaymentDetails::Demo { token },
        expected_total: None,
    }
}

/// Returns the network of the clients.
pub(crate) fn network() -> Network {
    IpAddr::from([203, 0, 113, 1]).into()
}

/// Returns a pending order of the whole cart.
pub(crate) fn order_of(cart: &Cart, owner: Owner, key: &str, now: Timestamp) -> Order {
    let (request, key) = (request(DemoToken::Ok), key.parse().unwrap());
    let quote = quote_of_cart(cart);
    let buyer = Buyer::new(request.quote_request.clone(), None);
    let unverified_network = owner.customer().is_none().then(network);
    NewOrder { owner, unverified_network, key: &key, request: &request, buyer, quote, language: Language::English }
        .of_cart(cart, &LIMITS, now)
        .unwrap()
}

/// Returns the decision to hold the stock of an order for its reservation time.
pub(crate) fn hold_of(order: &Order, payment: Option<Payment>) -> Hold {
    Hold {
        products: order.items.iter().map(|item| item.product.clone()).collect(),
        quote: order.quote.clone(),
        number: OrderNumber::new("S-10001".to_owned()),
        payment,
        until: order.reserved_until,
    }
}

/// A customer, the cart, and the latest order.
pub(super) struct Shopper {
    pub(super) owner: Owner,
    pub(super) cart: Cart,
    pub(super) last: Option<Order>,
    pub(super) now: Timestamp,
}

impl Shopper {
    pub(super) fn new(pieces: u64) -> Self {
        let (owner, cart) = (Owner::Customer(CustomerId::new()), cart_of_tea(pieces));
        Self { owner, cart, last: None, now: Timestamp::now() }
    }

    /// Places an order and brings it to its end.
    pub(super) fn order(&mut self, end: fn(&mut Order, Timestamp)) -> Result<()> {
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

pub(super) fn pending(_: &mut Order, _: Timestamp) {}

pub(super) fn reserved(order: &mut Order, now: Timestamp) {
    let payment = Payment::open(PaymentMethod::Demo, order.id.to_string(), order.total(), None);
    order.hold(&hold_of(order, Some(payment)), now).unwrap();
}

pub(super) fn paid(order: &mut Order, now: Timestamp) {
    reserved(order, now);
    let captured = PaymentReport::new(ProviderPaymentStatus::Captured, order.total());
    order.apply_payment(&captured, now).unwrap();
}

pub(super) fn confirmed(order: &mut Order, now: Timestamp) {
    paid(order, now);
    order.confirm(now).unwrap();
}

pub(super) fn refused(order: &mut Order, now: Timestamp) {
    order.reject(Error::conflict("out-of-stock", "x"), StatusReason::OutOfStock, false, now).unwrap();
}

pub(super) fn cancelled(order: &mut Order, now: Timestamp) {
    reserved(order, now);
    order.cancel(Actor::Customer(order.customer.unwrap()), now).unwrap();
}

pub(super) fn expired(order: &mut Order, now: Timestamp) {
    reserved(order, now);
    order.expire_reservation(now).unwrap();
}

pub(super) fn declined(order: &mut Order, now: Timestamp) {
    reserved(order, now);
    let nothing = Money::zero(Currency::EUR);
    order.apply_payment(&PaymentReport::new(ProviderPaymentStatus::Declined, nothing), now).unwrap();
    order.decline(now).unwrap();
}

pub(super) fn cancelled_by_shop(order: &mut Order, now: Timestamp) {
    reserved(order, now);
    order.cancel(Actor::Admin(CustomerId::new()), now).unwrap();
}
