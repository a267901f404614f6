use std::time::Duration;

use rocket::futures::future::join_all;
use souk_bus::Bus;
use souk_contract::products::{HeldLine, ProductId, ProductSnapshot};
use souk_http::auth::Verifier;
use souk_store::{Database, Durability};
use souk_types::{Currency, Price, Quantity, Text};

use super::*;
use crate::App;
use crate::application::editing;
use crate::application::import_limits::ImportLimits;
use crate::domain::product::Details;
use crate::domain::reservation::ReservedLine;
use crate::domain::stock::{Available, StockLevels};

/// A shop of its own, gone at the end of the test.
struct Shop {
    app: App,
    _directory: tempfile::TempDir,
}

impl Shop {
    fn open() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let database = Database::sqlite("products", &directory.path().join("p.db"), Durability::Process).unwrap();
        Self {
            app: App::start(database, &Bus::local(), Verifier::from_bus(Bus::local()), ImportLimits::default())
                .unwrap(),
            _directory: directory,
        }
    }

    async fn stocks(&self, available: u64) -> ProductId {
        let text = |text: &str| text.to_owned();
        let details = Details {
            name: Text::try_from(text("Tea")).unwrap(),
            description: Text::try_from(text("")).unwrap(),
            category: Text::try_from(text("tea")).unwrap(),
            price: Price::new(499, Currency::EUR).unwrap(),
            unit: Text::try_from(text("piece")).unwrap(),
            supplier: None,
            image: None,
        };
        let product = Product::new(details, Available::try_from(available).unwrap(), None);
        self.app.products.0.insert(product.id, product.clone()).await.unwrap();
        product.id
    }

    async fn books(&self, product: ProductId) -> (u32, u64, u64) {
        let StockLevels { available, reserved, sold } = editing::books(&self.app, product).await.unwrap();
        (available, reserved, sold)
    }

    async fn reserves(&self, id: ReservationId, lines: &[ReservationLine]) -> Reserved {
        let until = Timestamp::now().after(Duration::from_mins(15));
        reserve(&self.app, Reserve { reservation: id, order: OrderId::new(), lines: lines.to_vec(), until })
            .await
            .unwrap()
    }
}

fn held(reply: Reserved) -> Vec<HeldLine> {
    match reply {
        Reserved::Held { lines } => lines,
        other => panic!("{other:?}"),
    }
}

fn line(product: ProductId, quantity: u64) -> ReservationLine {
    ReservationLine { product, quantity: Quantity::try_from(quantity).unwrap() }
}

#[tokio::test]
async fn all_lines_are_held_or_none() {
    let shop = Shop::open();
    let (tea, mug) = (shop.stocks(5).await, shop.stocks(1).await);
    let refused = shop.reserves(ReservationId::new(), &[line(tea, 3), line(mug, 2)]).await;
    let short = Shortage { product_id: mug, name: Some("Tea".to_owned()), requested: 2, available: 1 };
    assert_eq!(refused, Reserved::OutOfStock { shortages: vec![short] });
    assert_eq!((shop.books(tea).await, shop.books(mug).await), ((5, 0, 0), (1, 0, 0)));

    let held = held(shop.reserves(ReservationId::new(), &[line(tea, 3), line(mug, 1)]).await);
    assert_eq!(held.iter().map(|line| line.product.id).collect::<Vec<_>>(), [tea, mug]);
    assert_eq!((shop.books(tea).await, shop.books(mug).await), ((2, 3, 0), (0, 1, 0)));
}

#[tokio::test]
async fn every_step_done_twice_is_done_once() {
    let (shop, id) = (Shop::open(), ReservationId::new());
    let tea = shop.stocks(5).await;
    for _ in 0..2 {
        held(shop.reserves(id, &[line(tea, 2)]).await);
        assert_eq!(shop.books(tea).await, (3, 2, 0));
    }
    for _ in 0..2 {
        assert_eq!(confirm(&shop.app, id).await.unwrap(), Confirmed::Sold);
        assert_eq!(shop.books(tea).await, (3, 0, 2));
    }
    assert_eq!(release(&shop.app, Release { reservation: id, order: OrderId::new() }).await.unwrap(), Released::Sold);
    for _ in 0..2 {
        assert_eq!(restock(&shop.app, id).await.unwrap(), Restocked::Restocked);
        assert_eq!(shop.books(tea).await, (5, 0, 0));
    }
}

#[tokio::test]
async fn a_release_comes_before_a_reserve_that_is_late() {
    let (shop, id) = (Shop::open(), ReservationId::new());
    let tea = shop.stocks(5).await;
    assert_eq!(
        release(&shop.app, Release { reservation: id, order: OrderId::new() }).await.unwrap(),
        Released::Released
    );
    assert_eq!(shop.reserves(id, &[line(tea, 2)]).await, Reserved::Released);
    assert_eq!(confirm(&shop.app, id).await.unwrap(), Confirmed::Released);
    assert_eq!(restock(&shop.app, id).await.unwrap(), Restocked::NotSold);
    assert_eq!(shop.books(tea).await, (5, 0, 0));
}

#[tokio::test]
async fn many_attempts_at_one_order_hold_and_sell_it_once() {
    let (shop, id) = (Shop::open(), ReservationId::new());
    let (tea, mug) = (shop.stocks(50).await, shop.stocks(50).await);
    let lines = [line(tea, 2), line(mug, 3)];
    let attempts = (0..20).map(|_| async {
        held(shop.reserves(id, &lines).await);
        confirm(&shop.app, id).await.unwrap()
    });
    for outcome in join_all(attempts).await {
        assert_eq!(outcome, Confirmed::Sold);
    }
    assert_eq!((shop.books(tea).await, shop.books(mug).await), ((48, 0, 2), (47, 0, 3)));
}

/// The second attempt looks when the first has sold the last piece: it is short, and the order stands all the same.
#[tokio::test]
async fn an_attempt_that_comes_too_late_does_not_undo_a_sale() {
    let (shop, id) = (Shop::open(), ReservationId::new());
    let tea = shop.stocks(1).await;
    let lines = [line(tea, 1)];
    let until = Timestamp::now().after(Duration::from_mins(15));
    let reserve = Reserve { reservation: id, order: OrderId::new(), lines: lines.to_vec(), until };
    let begin = |slot: &mut Option<Reservation>| Reservation::begin(slot, &reserve);
    let mut slot = None;
    assert_eq!((begin(&mut slot), begin(&mut slot)), (Begun::Attempt(1), Begun::Attempt(2)));
    shop.app.reservations.0.insert(id, slot.unwrap()).await.unwrap();
    let first = place(&shop.app, id, lines[0], 1).await.unwrap().unwrap();
    let complete = move |reservation: &mut Reservation, _: &mut _| {
        reservation.complete(std::slice::from_ref(&first));
        Ok(())
    };
    shop.app.reservations.0.update(id, complete).await.unwrap();
    confirm(&shop.app, id).await.unwrap();

    let short = place(&shop.app, id, lines[0], 2).await.unwrap().unwrap_err();
    let fall_short = move |reservation: &mut Reservation, _: &mut _| {
        reservation.fall_short(std::slice::from_ref(&short), Timestamp::now());
        Ok(reservation.state)
    };
    let state = shop.app.reservations.0.update(id, fall_short).await.unwrap();
    assert_eq!((state, shop.books(tea).await), (State::Confirmed, (0, 0, 1)));
}

#[tokio::test]
async fn every_attempt_at_a_sold_out_order_gets_the_same_answer() {
    let (shop, id) = (Shop::open(), ReservationId::new());
    let tea = shop.stocks(1).await;
    let lines = [line(tea, 2)];
    for outcome in join_all((0..16).map(|_| shop.reserves(id, &lines))).await {
        let short = Shortage { product_id: tea, name: Some("Tea".to_owned()), requested: 2, available: 1 };
        assert_eq!(outcome, Reserved::OutOfStock { shortages: vec![short] });
    }
}

#[tokio::test]
async fn reserving_and_releasing_at_once_leaves_nothing_behind() {
    let shop = Shop::open();
    let tea = shop.stocks(50).await;
    let orders = (0..40).map(|_| async {
        let id = ReservationId::new();
        let lines = [line(tea, 1)];
        let (reserved, released) = rocket::futures::future::join(
            shop.reserves(id, &lines),
            release(&shop.app, Release { reservation: id, order: OrderId::new() }),
        )
        .await;
        assert_eq!(released.unwrap(), Released::Released);
        assert!(matches!(reserved, Reserved::Held { .. } | Reserved::Released), "{reserved:?}");
        assert_eq!(confirm(&shop.app, id).await.unwrap(), Confirmed::Released);
    });
    join_all(orders).await;
    assert_eq!(shop.books(tea).await, (50, 0, 0));
}

#[tokio::test]
async fn cancelling_many_times_at_once_gives_back_once() {
    let (shop, id, another) = (Shop::open(), ReservationId::new(), ReservationId::new());
    let tea = shop.stocks(9).await;
    for sold in [id, another] {
        held(shop.reserves(sold, &[line(tea, 4)]).await);
        confirm(&shop.app, sold).await.unwrap();
    }
    for outcome in join_all((0..10).map(|_| restock(&shop.app, id))).await {
        assert_eq!(outcome.unwrap(), Restocked::Restocked);
    }
    assert_eq!(shop.books(tea).await, (5, 0, 4));
}

/// A shop whose process died after `held` and before anything else, at every point of the way.
#[tokio::test]
async fn the_sweeper_finishes_what_a_crash_left() {
    let shop = Shop::open();
    let tea = shop.stocks(10).await;
    let past = Timestamp::now().before(Duration::from_mins(1));
    let reservation = |id, state, held: bool| {
        let item = ProductSnapshot {
            id: tea,
            name: "Tea".into(),
            price: Price::new(499, Currency::EUR).unwrap(),
            image: None,
        };
        let held = held.then_some(Held { attempt: 1, item });
        let quantity = Quantity::try_from(1).unwrap();
        let lines = vec![ReservedLine { product: tea, quantity, held, taken_back: false }];
        Reservation {
            id,
            order: OrderId::new(),
            state,
            lines,
            attempts: 1,
            until: past,
            due: Some(past),
            short: Vec::new(),
            log: Vec::new(),
        }
    };
    // (state, whether the reservation knows its hold, whether the product has it, sold in the end)
    let crashes = [
        (State::Holding, false, false, 0),
        (State::Holding, false, true, 0),
        (State::Held, true, true, 0),
        (State::Confirmed, true, true, 1),
        (State::Released, true, true, 0),
        (State::Released, false, true, 0),
        (State::TakenBack, true, true, 0),
    ];
    let mut sold = 0;
    for (state, known, placed, sells) in crashes {
        let id = ReservationId::new();
        if placed {
            let hold = move |product: &mut Product, _: &mut _| {
                product.stock.hold(id, Quantity::try_from(1).unwrap(), 1).unwrap();
                Ok(())
            };
            shop.app.products.0.update(tea, hold).await.unwrap();
        }
        shop.app.reservations.0.insert(id, reservation(id, state, known)).await.unwrap();
        sold += sells;
        crate::jobs::settle_due_reservations(&shop.app).await.unwrap();
        assert_eq!(shop.books(tea).await, (10 - u32::try_from(sold).unwrap(), 0, sold), "{state:?}");
        let left = shop.app.reservations.0.get(id).await.unwrap().unwrap();
        assert!(left.due.is_none_or(|due| due > past), "{state:?} is looked after");
    }
}
