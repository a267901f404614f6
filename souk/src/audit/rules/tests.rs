use products::StockLevels;
use products::ledger::HoldRecord;
use shopping::PaymentMethod;
use shopping::ledger::{PaymentRecord, RefundRecord};
use souk_contract::products::{ProductId, ReservationLine};
use souk_types::{Currency, Money, Quantity};

use super::*;

fn price() -> Money {
    Money::new(998, Currency::EUR).unwrap()
}

/// A consistent shop: of ten units one customer bought two and another returned three, one payment
/// is in review, and one account is erased.
struct Shop {
    records: Records,
    responses: Vec<ClientResponse>,
}

fn cent() -> Money {
    Money::new(1, Currency::EUR).unwrap()
}

fn zero() -> Money {
    Money::zero(Currency::EUR)
}

fn entry(status: OrderStatus, paid: PaymentStatus, units: u64, product: ProductId) -> (OrderRecord, DemoPayment) {
    let order = OrderId::new();
    let captured = if matches!(paid, PaymentStatus::Captured | PaymentStatus::Refunded) { price() } else { zero() };
    let refunded = if paid == PaymentStatus::Refunded { price() } else { zero() };
    let quantity = Quantity::try_from(units).unwrap();
    let customer = CustomerId::new();
    let entry = OrderRecord {
        order,
        customer: Some(customer),
        placed_by: Some(format!("customer:{customer}")),
        placed_by_account: Some(customer),
        number: Some(format!("S-{order}")),
        key: Some("key".to_owned()),
        status,
        was_confirmed: !captured.is_zero(),
        has_recipient: true,
        has_open_work: false,
        waits_for_provider: false,
        claims_cart: status.is_in_checkout(),
        lines: vec![ReservationLine { product, quantity }],
        are_pieces_consistent: true,
        quote_problem: None,
        counted_discounts: Vec::new(),
        total: price(),
        reservation: ReservationId::new(),
        payment: Some(PaymentRecord {
            method: PaymentMethod::Demo,
            reference: order.to_string(),
            status: paid,
            captured,
            refunded,
        }),
        refunds: Vec::new(),
        tax: 0,
        returned: Vec::new(),
    };
    (entry, DemoPayment::with_amounts(order, price(), captured, refunded))
}

/// Changes the payment of an order, and the demo bank's record of it.
fn pay(shop: &mut Shop, index: usize, status: PaymentStatus, captured: Money, refunded: Money) {
    let entry = &mut shop.records.orders[index];
    let payment = entry.payment.as_mut().unwrap();
    (payment.status, payment.captured, payment.refunded) = (status, captured, refunded);
    shop.records.demo_payments[index] = DemoPayment::with_amounts(entry.order, price(), captured, refunded);
}

fn refund(product: ProductId, pieces: u32, amount: Money, has_succeeded: bool) -> RefundRecord {
    RefundRecord { pieces: vec![(product, pieces)], amount, taxed: amount.amount(), tax: 0, has_succeeded }
}

fn response(entry: &OrderRecord, status: OrderStatus) -> ClientResponse {
    ClientResponse { customer: entry.customer.unwrap(), key: "key".to_owned(), order: entry.order, status }
}

fn reservation(entry: &OrderRecord, status: ReservationStatus) -> ReservationRecord {
    ReservationRecord { reservation: entry.reservation, order: entry.order, status, returned: Vec::new() }
}

impl Shop {
    fn open() -> Self {
        let product = ProductId::new();
        let (bought, paid) = entry(OrderStatus::Confirmed, PaymentStatus::Captured, 2, product);
        let (returned, refunded) = entry(OrderStatus::Refunded, PaymentStatus::Refunded, 3, product);
        let (mut waiting, in_review) = entry(OrderStatus::Reserved, PaymentStatus::Authorized, 1, product);
        waiting.has_open_work = true;
        let erased = CustomerId::new();
        let responses = vec![response(&bought, OrderStatus::Confirmed), response(&returned, OrderStatus::Confirmed)];
        let open = [&bought, &returned].into_iter().filter_map(|entry| entry.customer).collect();
        let confirmation_mails = [&bought, &returned].map(|entry| (entry.order, 1)).into();
        let holds = vec![HoldRecord { reservation: waiting.reservation, order: waiting.order }];
        let levels = StockLevels { available: 7, reserved: 1, sold: 2, version: 1 };
        let reservations =
            vec![reservation(&bought, ReservationStatus::Sold), reservation(&returned, ReservationStatus::Ended)];
        let records = Records {
            demo_payments: vec![paid, refunded, in_review],
            stock: vec![StockRecord { product, levels, stocked: 10, holds }],
            reservations,
            accounts: AccountLedger { erased: vec![erased], open },
            orders: vec![bought, returned, waiting],
            confirmation_mails,
            erased_in_mail: HashSet::from([erased]),
            erased_in_products: HashSet::from([erased]),
            erased_in_shopping: HashSet::from([erased]),
            outboxes: vec![("customer", 0), ("mail", 0), ("products", 0), ("shopping", 0)],
            broker: Some(EventCounts { waiting: 0, dead_letters: 2 }),
            ..Records::default()
        };
        Self { records, responses }
    }
}

#[test]
fn returned_pieces_are_not_sold() {
    let Shop { mut records, responses } = Shop::open();
    records.reservations[0].returned = vec![(records.stock[0].product, 1)];
    records.orders[0].returned = vec![(records.stock[0].product, 1)];
    records.stock[0].levels = StockLevels { available: 8, reserved: 1, sold: 1, version: 1 };
    assert_eq!(check(&records, &responses), [] as [String; 0]);
}

#[test]
fn a_consistent_shop_has_no_finding() {
    let Shop { records, responses } = Shop::open();
    assert_eq!(check(&records, &responses), [] as [String; 0]);
    assert!(records.scope(2).contains("2 dead letters"));
}

#[test]
fn every_state_of_a_payment_that_an_order_names_is_consistent() {
    let (two, half) = (Money::new(1_996, Currency::EUR).unwrap(), Money::new(499, Currency::EUR).unwrap());
    let states: [(usize, OrderStatus, PaymentStatus, Money, Money); 9] = [
        (0, OrderStatus::Confirmed, PaymentStatus::PartiallyRefunded, price(), half),
        (0, OrderStatus::Confirmed, PaymentStatus::Overpaid, two, zero()),
        (0, OrderStatus::PartiallyShipped, PaymentStatus::PartiallyRefunded, price(), half),
        (0, OrderStatus::Shipped, PaymentStatus::Refunded, price(), price()),
        (0, OrderStatus::Delivered, PaymentStatus::Captured, price(), zero()),
        (1, OrderStatus::Cancelled, PaymentStatus::RefundFailed, price(), half),
        (1, OrderStatus::Cancelled, PaymentStatus::RefundPending, price(), zero()),
        (1, OrderStatus::Cancelled, PaymentStatus::Disputed, price(), zero()),
        (1, OrderStatus::Refunded, PaymentStatus::Refunded, half, half),
    ];
    for (index, status, paid, captured, refunded) in states {
        let mut shop = Shop::open();
        shop.records.orders[index].status = status;
        // Until the provider has decided, the order stays in progress.
        let pending = paid == PaymentStatus::RefundPending;
        (shop.records.orders[index].has_open_work, shop.records.orders[index].waits_for_provider) = (pending, pending);
        shop.responses.clear();
        pay(&mut shop, index, paid, captured, refunded);
        assert_eq!(check(&shop.records, &shop.responses), [] as [String; 0], "{status:?} {paid:?}");
    }
    let mut shop = Shop::open();
    let product = shop.records.stock[0].product;
    shop.records.orders[0].refunds = vec![refund(product, 2, price(), true)];
    pay(&mut shop, 0, PaymentStatus::Refunded, price(), price());
    assert_eq!(check(&shop.records, &shop.responses), [] as [String; 0], "refunded and not cancelled");
    let mut shop = Shop::open();
    (shop.records.orders[0].total, shop.records.orders[0].payment) = (zero(), None);
    shop.records.demo_payments.remove(0);
    assert_eq!(check(&shop.records, &shop.responses), [] as [String; 0], "an order of 0.00");
}

type Violate = fn(&mut Shop);

/// Violations of the rules, and a part of the finding of each.
const VIOLATIONS: &[(&str, Violate)] = &[
    ("does not exist", |shop| shop.responses[0].order = OrderId::new()),
    ("belongs to another customer or key", |shop| shop.responses[0].customer = CustomerId::new()),
    ("was Confirmed in a response and is Rejected", |shop| {
        shop.records.orders[1].status = OrderStatus::Rejected;
        shop.records.orders[1].payment = None;
    }),
    ("have the same idempotency key", |shop| {
        let owner = shop.records.orders[0].placed_by.clone();
        shop.records.orders[2].placed_by = owner;
    }),
    ("have the number", |shop| {
        let number = shop.records.orders[0].number.clone();
        shop.records.orders[2].number = number;
    }),
    ("of one cart are under way", |shop| {
        let first = shop.records.orders[2].clone();
        let second = OrderRecord { order: OrderId::new(), key: Some("other".to_owned()), number: None, ..first };
        let second = OrderRecord { status: OrderStatus::Pending, payment: None, has_open_work: false, ..second };
        shop.records.orders.push(second);
    }),
    ("one idempotency key got orders", |shop| {
        // Both customers were erased since.
        (shop.records.orders[0].customer, shop.records.orders[1].customer) = (None, None);
        shop.responses[1].customer = shop.responses[0].customer;
    }),
    ("is Paid and was not continued", |shop| {
        shop.records.orders[2].status = OrderStatus::Paid;
        shop.records.stock[0].holds.clear();
    }),
    ("is Confirmed and its stock is not sold", |shop| {
        shop.records.reservations[0].status = ReservationStatus::Ended;
        shop.records.stock[0].levels = StockLevels { available: 9, reserved: 1, sold: 0, version: 1 };
    }),
    ("was Shipped in a response and is PartiallyShipped", |shop| {
        shop.responses[0].status = OrderStatus::Shipped;
        shop.records.orders[0].status = OrderStatus::PartiallyShipped;
    }),
    ("has more pieces shipped or refunded than ordered", |shop| shop.records.orders[0].are_pieces_consistent = false),
    ("are 9 of 10 stocked", |shop| shop.records.stock[0].levels.available = 6),
    ("are 12 of 10 stocked", |shop| shop.records.stock[0].levels.available = 9),
    ("3 sold, 2 in confirmed orders", |shop| {
        shop.records.stock[0].levels = StockLevels { available: 6, reserved: 1, sold: 3, version: 1 };
    }),
    ("2 sold, 1 in confirmed orders", |shop| {
        let product = shop.records.stock[0].product;
        shop.records.reservations[0].returned = vec![(product, 1)];
        shop.records.orders[0].returned = vec![(product, 1)];
    }),
    ("returned other pieces than []", |shop| {
        let product = shop.records.stock[0].product;
        shop.records.orders[0].returned = vec![(product, 1)];
    }),
    ("3 of 2 pieces of", |shop| {
        let product = shop.records.stock[0].product;
        shop.records.orders[0].refunds = vec![refund(product, 1, zero(), false), refund(product, 2, zero(), false)];
    }),
    ("has refunds of 499, and its payment refunded 0", |shop| {
        let product = shop.records.stock[0].product;
        shop.records.orders[0].refunds = vec![refund(product, 1, Money::new(499, Currency::EUR).unwrap(), true)];
    }),
    ("has taxes of 159, and its refunds of 998 return 158", |shop| {
        let product = shop.records.stock[0].product;
        shop.records.orders[0].tax = 159;
        shop.records.orders[0].refunds = vec![RefundRecord { tax: 158, ..refund(product, 2, price(), false) }];
    }),
    ("has taxes of 0, and its refunds of 1 return 1", |shop| {
        let product = shop.records.stock[0].product;
        shop.records.orders[0].refunds = vec![RefundRecord { tax: 1, ..refund(product, 1, cent(), false) }];
    }),
    ("net amounts and taxes of a refund are 2", |shop| {
        let product = shop.records.stock[0].product;
        let refund = RefundRecord { taxed: 2, ..refund(product, 1, cent(), false) };
        shop.records.orders[0].refunds = vec![refund];
    }),
    ("stock is held for order", |shop| {
        let hold = HoldRecord { reservation: ReservationId::new(), order: OrderId::new() };
        shop.records.stock[0].holds.push(hold);
    }),
    ("stock is held for order", |shop| shop.records.stock[0].holds[0].reservation = ReservationId::new()),
    ("stock is held for order", |shop| {
        let released = reservation(&shop.records.orders[2], ReservationStatus::Ended);
        shop.records.reservations.push(released);
    }),
    ("which is not reserved", |shop| {
        let returned = &shop.records.orders[1];
        shop.records.reservations.remove(1);
        let hold = HoldRecord { reservation: returned.reservation, order: returned.order };
        shop.records.stock[0].holds.push(hold);
    }),
    ("is sold and belongs to no order", |shop| {
        let (reservation, order) = (ReservationId::new(), OrderId::new());
        let (status, returned) = (ReservationStatus::Sold, Vec::new());
        shop.records.reservations.push(ReservationRecord { reservation, order, status, returned });
    }),
    ("is wrong: it does not add up", |shop| shop.records.orders[0].quote_problem = Some("it does not add up")),
    ("the discount tea has 3 uses and its limit is 2", |shop| {
        shop.records.discounts.push(DiscountRecord { key: "tea".to_owned(), uses: 3, limit: 2 });
    }),
    ("1 confirmed orders have the discount tea, which counts 0 uses", |shop| {
        shop.records.orders[0].counted_discounts.push("tea".to_owned());
        shop.records.orders[2].counted_discounts.push("tea".to_owned());
    }),
    ("was captured 2 times", |shop| shop.records.demo_payments[0].captures = 2),
    ("the demo bank has a payment for order", |shop| {
        shop.records.demo_payments.push(DemoPayment::with_amounts(OrderId::new(), price(), zero(), zero()));
    }),
    ("the demo bank has no payment for order", |shop| {
        shop.records.demo_payments.remove(0);
    }),
    ("and the demo bank 9.98 EUR and 0.00 EUR", |shop| {
        let order = shop.records.orders[1].order;
        shop.records.demo_payments[1] = DemoPayment::with_amounts(order, price(), price(), zero());
    }),
    ("and the demo bank 9.98 EUR and 0.01 EUR", |shop| {
        let order = shop.records.orders[0].order;
        shop.records.demo_payments[0] = DemoPayment::with_amounts(order, price(), price(), cent());
    }),
    ("is Confirmed and its payment is Underpaid", |shop| pay(shop, 0, PaymentStatus::Underpaid, cent(), zero())),
    ("is Confirmed and its payment is Refunded", |shop| pay(shop, 0, PaymentStatus::Refunded, price(), price())),
    ("is Refunded and its payment is PartiallyRefunded", |shop| {
        pay(shop, 1, PaymentStatus::PartiallyRefunded, price(), cent());
    }),
    ("is Cancelled and its payment is Captured", |shop| {
        shop.records.orders[1].status = OrderStatus::Cancelled;
        pay(shop, 1, PaymentStatus::Captured, price(), zero());
    }),
    ("is Cancelled and its payment is Authorized", |shop| {
        shop.records.orders[1].status = OrderStatus::Cancelled;
        pay(shop, 1, PaymentStatus::Authorized, zero(), zero());
    }),
    ("is Confirmed and has no payment", |shop| shop.records.orders[0].payment = None),
    ("belongs to several orders", |shop| {
        let payment = shop.records.orders[0].payment.clone();
        shop.records.orders[2].payment = payment;
    }),
    ("costs 9.98 EUR and its payment is 0.01 EUR", |shop| {
        shop.records.demo_payments[0].amount = cent();
    }),
    ("4 events wait in the outbox of shopping", |shop| shop.records.outboxes[3].1 = 4),
    ("3 events wait on the broker", |shop| shop.records.broker.as_mut().unwrap().waiting = 3),
    ("shopping has not erased the deleted account", |shop| shop.records.erased_in_shopping.clear()),
    ("mail has not erased the deleted account", |shop| shop.records.erased_in_mail.clear()),
    ("has no mail to its buyer", |shop| {
        let order = shop.records.orders[0].order;
        shop.records.confirmation_mails.remove(&order);
    }),
    ("has no mail to its buyer", |shop| {
        // A guest's.
        (shop.records.orders[0].customer, shop.records.orders[0].placed_by_account) = (None, None);
        let order = shop.records.orders[0].order;
        shop.records.confirmation_mails.remove(&order);
    }),
    ("products has not erased the deleted account", |shop| shop.records.erased_in_products.clear()),
    ("has a cart", |shop| {
        let erased = shop.records.accounts.erased[0];
        shop.records.customers_with_carts.insert(erased);
    }),
    ("refers to a deleted account", |shop| {
        let erased = shop.records.accounts.erased[0];
        shop.records.orders[2].customer = Some(erased);
    }),
    ("has 2 mails that confirm it", |shop| {
        let order = shop.records.orders[0].order;
        shop.records.confirmation_mails.insert(order, 2);
    }),
];

#[test]
fn each_violation_is_found_alone() {
    for (expected, violate) in VIOLATIONS {
        let mut shop = Shop::open();
        violate(&mut shop);
        let findings = check(&shop.records, &shop.responses);
        assert!(findings.len() == 1 && findings[0].contains(expected), "{expected}: {findings:#?}");
    }
}
