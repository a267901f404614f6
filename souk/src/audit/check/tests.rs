use products::StockLevels;
use souk_contract::products::ReservationLine;
use souk_types::{Currency, Money, Quantity};

use super::*;

fn price() -> Money {
    Money::new(998, Currency::EUR).unwrap()
}

/// The books of a shop in which one customer bought two of ten pieces, another gave three back, and a third is gone.
struct Shop {
    read: Read,
    told: Vec<Told>,
}

fn entry(status: Status, paid: payment::Status, pieces: u64, product: ProductId) -> (Entry, DemoPayment) {
    let order = OrderId::new();
    let captures = u32::from(matches!(paid, payment::Status::Captured | payment::Status::Refunded));
    let quantity = Quantity::try_from(pieces).unwrap();
    let entry = Entry {
        order,
        customer: Some(CustomerId::new()),
        key: Some("key".to_owned()),
        status,
        was_confirmed: captures > 0,
        is_under_way: false,
        lines: vec![ReservationLine { product, quantity }],
        total: Some(price()),
        reservation: ReservationId::new(),
        payment: Some((Method::Demo, paid, order.to_string())),
    };
    (entry, DemoPayment::found(order, price(), paid, captures))
}

fn told(entry: &Entry, status: Status) -> Told {
    Told { customer: entry.customer.unwrap(), key: "key".to_owned(), order: entry.order, status }
}

fn reservation(entry: &Entry, status: ReservationStatus) -> ReservationRecord {
    ReservationRecord { reservation: entry.reservation, order: entry.order, status }
}

impl Shop {
    fn open() -> Self {
        let product = ProductId::new();
        let (bought, paid) = entry(Status::Confirmed, payment::Status::Captured, 2, product);
        let (back, refunded) = entry(Status::Refunded, payment::Status::Refunded, 3, product);
        let (mut waiting, set_aside) = entry(Status::Reserved, payment::Status::Review, 1, product);
        waiting.is_under_way = true;
        let gone = CustomerId::new();
        let told = vec![told(&bought, Status::Confirmed), told(&back, Status::Confirmed)];
        let counted = [&bought, &back].into_iter().map(|entry| (entry.customer.unwrap(), 1)).collect();
        let holds = vec![waiting.reservation];
        let levels = StockLevels { available: 7, reserved: 1, sold: 2 };
        let reservations = vec![
            reservation(&bought, ReservationStatus::Sold),
            reservation(&back, ReservationStatus::Ended),
            reservation(&waiting, ReservationStatus::Held),
        ];
        let read = Read {
            bank: vec![paid, refunded, set_aside],
            stock: vec![StockRecord { product, levels, stocked: 10, holds }],
            reservations,
            accounts: AccountLedger { erased: vec![gone], confirmed_orders: counted },
            orders: vec![bought, back, waiting],
            erased_in_products: HashSet::from([gone]),
            erased_in_shopping: HashSet::from([gone]),
            outboxes: vec![("customer", 0), ("products", 0), ("shopping", 0)],
            broker: Some(EventCounts { waiting: 0, dead_letters: 2 }),
            ..Read::default()
        };
        Self { read, told }
    }
}

#[test]
fn books_that_balance_have_no_breach() {
    let Shop { read, told } = Shop::open();
    assert_eq!(check(&read, &told), [] as [String; 0]);
    assert!(read.summary(2).contains("2 dead letters"));
}

/// Every rule, broken once: exactly the right breach is told.
#[test]
fn every_breach_is_told() {
    type Break = fn(&mut Shop);
    let breaks: &[(&str, Break)] = &[
        ("does not exist", |shop| shop.told[0].order = OrderId::new()),
        ("is another customer's", |shop| shop.told[0].customer = CustomerId::new()),
        ("was Confirmed when a client was told, and is Rejected", |shop| {
            shop.read.orders[1].status = Status::Rejected;
            shop.read.orders[1].payment = None;
        }),
        ("have one key", |shop| {
            let customer = shop.read.orders[0].customer;
            shop.read.orders[2].customer = customer;
        }),
        ("one key got orders", |shop| {
            // The owner is forgotten since.
            (shop.read.orders[0].customer, shop.read.orders[1].customer) = (None, None);
            shop.read.accounts.confirmed_orders.clear();
            shop.told[1].customer = shop.told[0].customer;
        }),
        ("is Paid and not at its end", |shop| {
            shop.read.orders[2].status = Status::Paid;
            shop.read.reservations[2].status = ReservationStatus::Ended;
            shop.read.stock[0].holds.clear();
        }),
        ("is Confirmed and its goods are not sold", |shop| {
            shop.read.reservations[0].status = ReservationStatus::Ended;
            shop.read.stock[0].levels = StockLevels { available: 9, reserved: 1, sold: 0 };
        }),
        ("are 9 of 10 stocked", |shop| shop.read.stock[0].levels.available = 6),
        ("are 12 of 10 stocked", |shop| shop.read.stock[0].levels.available = 9),
        ("3 sold, 2 in confirmed orders", |shop| {
            shop.read.stock[0].levels = StockLevels { available: 6, reserved: 1, sold: 3 };
        }),
        ("pieces are held for", |shop| shop.read.stock[0].holds.push(ReservationId::new())),
        ("holds goods for an order that does not want them", |shop| {
            let order = shop.read.orders[1].order;
            shop.read.reservations[1] =
                ReservationRecord { reservation: ReservationId::new(), order, status: ReservationStatus::Held };
        }),
        ("is sold for no order", |shop| {
            let (reservation, order) = (ReservationId::new(), OrderId::new());
            shop.read.reservations.push(ReservationRecord { reservation, order, status: ReservationStatus::Sold });
        }),
        ("was paid 2 times", |shop| shop.read.bank[0].captures = 2),
        ("the bank has a payment of order", |shop| {
            shop.read.bank.push(DemoPayment::found(OrderId::new(), price(), payment::Status::Open, 0));
        }),
        ("the bank knows nothing of order", |shop| {
            shop.read.bank.remove(0);
        }),
        ("for the bank its payment is Captured", |shop| shop.read.bank[1].status = payment::Status::Captured),
        ("is Confirmed and its payment Refunded", |shop| {
            shop.read.orders[0].payment.as_mut().unwrap().1 = payment::Status::Refunded;
        }),
        ("is Confirmed and has no payment", |shop| shop.read.orders[0].payment = None),
        ("belongs to several orders", |shop| {
            let payment = shop.read.orders[0].payment.clone();
            shop.read.orders[2].payment = payment;
        }),
        ("were asked for", |shop| shop.read.bank[0].amount = Money::new(1, Currency::EUR).unwrap()),
        ("4 events wait in the outbox of shopping", |shop| shop.read.outboxes[2].1 = 4),
        ("3 events wait for their listeners", |shop| shop.read.broker.as_mut().unwrap().waiting = 3),
        ("shopping has not erased the deleted account", |shop| shop.read.erased_in_shopping.clear()),
        ("products has not erased the deleted account", |shop| shop.read.erased_in_products.clear()),
        ("has a cart", |shop| {
            let gone = shop.read.accounts.erased[0];
            shop.read.with_carts.insert(gone);
        }),
        ("leads to an account that is deleted", |shop| {
            let gone = shop.read.accounts.erased[0];
            shop.read.orders[2].customer = Some(gone);
        }),
        ("has counted 2 orders, 1 were confirmed", |shop| {
            let customer = shop.read.orders[0].customer.unwrap();
            shop.read.accounts.confirmed_orders.insert(customer, 2);
        }),
        ("has counted 0 orders, 1 were confirmed", |shop| {
            let customer = shop.read.orders[1].customer.unwrap();
            shop.read.accounts.confirmed_orders.insert(customer, 0);
        }),
    ];
    for (breach, break_it) in breaks {
        let mut shop = Shop::open();
        break_it(&mut shop);
        let breaches = check(&shop.read, &shop.told);
        assert!(breaches.len() == 1 && breaches[0].contains(breach), "{breach}: {breaches:#?}");
    }
}
