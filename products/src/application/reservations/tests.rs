use std::time::Duration;

use rocket::futures::future::{join, join_all};
use souk_bus::Bus;
use souk_contract::products::{ReservationId, RestockedPieces};
use souk_contract::shopping::{OrderId, RefundId};
use souk_http::auth::Verifier;
use souk_store::{Database, Durability};
use souk_types::Quantity;

use super::*;
use crate::application::stock;
use crate::domain::product::tests::tea;
use crate::domain::stock::StockLevels;
use crate::domain::stock_change::AvailableQuantity;
use crate::options::Options;

pub(crate) struct Service {
    pub(crate) app: App,
    _directory: tempfile::TempDir,
}

impl Service {
    pub(crate) fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let database = Database::sqlite("products", &directory.path().join("p.db"), Durability::Process).unwrap();
        let verifier = Verifier::from_bus(Bus::local());
        let app = App::start(database, &Bus::local(), verifier, Options::default()).unwrap();
        Self { app, _directory: directory }
    }

    pub(crate) async fn add_product(&self, available: i64) -> ProductId {
        let mut product = tea();
        product.stock.set_available(AvailableQuantity::try_from(available).unwrap());
        self.app.products.insert(product.clone()).await.unwrap();
        product.id
    }

    /// Available, reserved and sold, as an admin sees them.
    pub(crate) async fn levels(&self, product: ProductId) -> (u32, u64, u64) {
        let StockLevels { available, reserved, sold, .. } = stock::levels(&self.app, product).await.unwrap();
        (available, reserved, sold)
    }

    /// Available, reserved and sold, as they are stored.
    pub(crate) async fn stored_levels(&self, product: ProductId) -> (u32, u64, u64) {
        let product = self.app.products.get(product).await.unwrap().unwrap();
        let StockLevels { available, reserved, sold, .. } = product.stock.levels();
        (available, reserved, sold)
    }

    async fn reserve(&self, id: ReservationId, lines: &[ReservationLine]) -> Reserved {
        reserve(&self.app, request(id, lines, Timestamp::now().after(Duration::from_mins(15)))).await.unwrap()
    }

    async fn reserve_first(&self, id: ReservationId, lines: &[ReservationLine]) -> Reserved {
        let until = Timestamp::now().after(Duration::from_mins(15));
        reserve(&self.app, Reserve { is_first: true, ..request(id, lines, until) }).await.unwrap()
    }

    async fn confirm(&self, id: ReservationId, lines: &[ReservationLine]) -> Confirmed {
        confirm(&self.app, confirm_request(id, lines)).await.unwrap()
    }

    async fn release(&self, id: ReservationId, lines: &[ReservationLine]) -> Released {
        let release = Release { reservation: id, order: OrderId::new(), lines: lines.to_vec() };
        super::release(&self.app, release).await.unwrap()
    }

    async fn restock(&self, reservation: ReservationId, pieces: RestockedPieces) -> Restocked {
        restock(&self.app, Restock { reservation, pieces }).await.unwrap()
    }

    pub(crate) async fn insert(&self, reservation: Reservation) {
        let insert = {
            let reservation = reservation.clone();
            move |slot: &mut Option<Reservation>| *slot = Some(reservation.clone())
        };
        self.app.reservations.upsert(reservation.id, insert).await.unwrap();
    }
}

pub(crate) fn request(reservation: ReservationId, lines: &[ReservationLine], until: Timestamp) -> Reserve {
    Reserve {
        reservation,
        order: OrderId::new(),
        lines: lines.to_vec(),
        expires_at: until,
        expires_at_if_scarce: until,
        is_first: false,
    }
}

pub(crate) fn line(product: ProductId, quantity: u64) -> ReservationLine {
    ReservationLine { product, quantity: Quantity::try_from(quantity).unwrap() }
}

pub(crate) fn confirm_request(reservation: ReservationId, lines: &[ReservationLine]) -> Confirm {
    Confirm { reservation, order: OrderId::new(), lines: lines.to_vec(), holds: Vec::new() }
}

pub(crate) fn cause() -> Cause {
    super::cause()
}

fn held(reply: Reserved) -> Vec<HeldLine> {
    match reply {
        Reserved::Held { lines, .. } => lines,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn all_lines_are_held_or_none() {
    let service = Service::start();
    let (tea, mug) = (service.add_product(5).await, service.add_product(1).await);
    let refused = service.reserve(ReservationId::new(), &[line(tea, 3), line(mug, 2)]).await;
    let shortage = Shortage { product_id: mug, name: Some("Tea".to_owned()), requested: 2, available: 1 };
    assert_eq!(refused, Reserved::OutOfStock { shortages: vec![shortage] });
    assert_eq!((service.levels(tea).await, service.levels(mug).await), ((5, 0, 0), (1, 0, 0)));

    let held = held(service.reserve(ReservationId::new(), &[line(tea, 3), line(mug, 1)]).await);
    assert_eq!(held.iter().map(|line| line.product.id).collect::<Vec<_>>(), [tea, mug]);
    assert_eq!((service.levels(tea).await, service.levels(mug).await), ((2, 3, 0), (0, 1, 0)));
}

#[tokio::test]
async fn the_reservation_of_scarce_stock_expires_earlier() {
    let service = Service::start();
    let (tea, mug) = (service.add_product(100).await, service.add_product(2).await);
    let (soon, late) =
        (Timestamp::now().after(Duration::from_mins(5)), Timestamp::now().after(Duration::from_mins(15)));
    for (lines, expected) in [
        (vec![line(tea, 1)], late),
        (vec![line(tea, 1), line(mug, 1)], soon),
        (vec![line(tea, 8)], late),
        (vec![line(tea, 40)], soon),
    ] {
        let id = ReservationId::new();
        let request = Reserve { expires_at_if_scarce: soon, ..request(id, &lines, late) };
        for _ in 0..2 {
            let again = Reserve { lines: request.lines.clone(), ..request };
            let Reserved::Held { expires_at: until, .. } = reserve(&service.app, again).await.unwrap() else {
                panic!("{lines:?} are not held");
            };
            assert_eq!(until, expected, "{lines:?}");
        }
    }
}

#[tokio::test]
async fn repeated_requests_change_the_stock_once() {
    let (service, id) = (Service::start(), ReservationId::new());
    let tea = service.add_product(5).await;
    let lines = [line(tea, 2)];
    for _ in 0..2 {
        held(service.reserve(id, &lines).await);
        assert_eq!(service.levels(tea).await, (3, 2, 0));
    }
    for _ in 0..2 {
        assert_eq!(service.confirm(id, &lines).await, Confirmed::Sold);
        assert_eq!(service.levels(tea).await, (3, 0, 2));
    }
    assert_eq!(service.reserve(id, &lines).await, Reserved::Sold);
    assert_eq!(service.release(id, &lines).await, Released::Sold);
    assert_eq!(service.levels(tea).await, (3, 0, 2));
    for _ in 0..2 {
        assert_eq!(service.restock(id, RestockedPieces::Rest).await, Restocked::Restocked);
        assert_eq!(service.levels(tea).await, (5, 0, 0));
    }
}

#[tokio::test]
async fn a_reserve_that_arrives_after_the_release_holds_nothing() {
    let (service, id) = (Service::start(), ReservationId::new());
    let tea = service.add_product(5).await;
    let lines = [line(tea, 2)];
    assert_eq!(service.release(id, &lines).await, Released::Released);
    assert_eq!(service.reserve(id, &lines).await, Reserved::Released);
    assert_eq!(service.confirm(id, &lines).await, Confirmed::Released);
    assert_eq!(service.restock(id, RestockedPieces::Rest).await, Restocked::NotSold);
    assert_eq!(service.stored_levels(tea).await, (5, 0, 0));
}

#[tokio::test]
async fn a_reserve_whose_time_has_passed_holds_nothing() {
    let (service, id) = (Service::start(), ReservationId::new());
    let tea = service.add_product(5).await;
    let late = request(id, &[line(tea, 2)], Timestamp::now().before(Duration::from_millis(1)));
    assert_eq!(reserve(&service.app, late).await.unwrap(), Reserved::Released);
    assert_eq!(service.stored_levels(tea).await, (5, 0, 0));
    assert!(service.app.reservations.get(id).await.unwrap().is_none());
}

#[tokio::test]
async fn nothing_is_sold_unless_all_lines_are_held() {
    let service = Service::start();
    let (tea, mug) = (service.add_product(5).await, service.add_product(5).await);
    for confirmed in [vec![line(tea, 2), line(mug, 1)], vec![line(tea, 1)]] {
        let id = ReservationId::new();
        held(service.reserve(id, &[line(tea, 2)]).await);
        assert_eq!(service.confirm(id, &confirmed).await, Confirmed::Released, "{confirmed:?}");
        assert_eq!((service.levels(tea).await, service.levels(mug).await), ((5, 0, 0), (5, 0, 0)));
    }
}

#[tokio::test]
async fn the_holds_of_the_reply_are_sold_once() {
    let (service, id) = (Service::start(), ReservationId::new());
    let (tea, mug) = (service.add_product(50).await, service.add_product(50).await);
    let lines = [line(tea, 2), line(mug, 3)];
    let attempts = (0..20).map(|_| async {
        let holds = match service.reserve_first(id, &lines).await {
            Reserved::Held { lines, .. } => lines.into_iter().map(|line| line.hold.unwrap()).collect(),
            Reserved::Sold => Vec::new(),
            refused => panic!("{refused:?}"),
        };
        confirm(&service.app, Confirm { holds, ..confirm_request(id, &lines) }).await.unwrap()
    });
    for outcome in join_all(attempts).await {
        assert_eq!(outcome, Confirmed::Sold);
    }
    assert_eq!((service.levels(tea).await, service.levels(mug).await), ((48, 0, 2), (47, 0, 3)));
}

/// As after a message that the broker delivers twice: its hold is released, because the decision
/// names another one, or none.
#[tokio::test]
async fn a_first_request_after_the_decision_keeps_no_stock() {
    let service = Service::start();
    let tea = service.add_product(5).await;
    let lines = [line(tea, 2)];
    for (is_sold, left) in [(true, (3, 0, 2)), (false, (3, 0, 2))] {
        let id = ReservationId::new();
        let first = held(service.reserve_first(id, &lines).await);
        let holds: Vec<_> = first.iter().filter_map(|line| line.hold).collect();
        if is_sold {
            let request = Confirm { holds: holds.clone(), ..confirm_request(id, &lines) };
            assert_eq!(confirm(&service.app, request).await.unwrap(), Confirmed::Sold);
        } else {
            assert_eq!(service.release(id, &lines).await, Released::Released);
        }
        assert_eq!(service.levels(tea).await, left);

        held(service.reserve_first(id, &lines).await);
        let again = confirm(&service.app, Confirm { holds, ..confirm_request(id, &lines) }).await.unwrap();
        assert_eq!(again, if is_sold { Confirmed::Sold } else { Confirmed::Released });
        assert_eq!(service.levels(tea).await, left, "sold: {is_sold}");
    }
}

#[tokio::test]
async fn concurrent_attempts_at_one_order_hold_and_sell_it_once() {
    let (service, id) = (Service::start(), ReservationId::new());
    let (tea, mug) = (service.add_product(50).await, service.add_product(50).await);
    let lines = [line(tea, 2), line(mug, 3)];
    let attempts = (0..20).map(|_| async {
        let reserved = service.reserve(id, &lines).await;
        assert!(matches!(reserved, Reserved::Held { .. } | Reserved::Sold), "{reserved:?}");
        service.confirm(id, &lines).await
    });
    for outcome in join_all(attempts).await {
        assert_eq!(outcome, Confirmed::Sold);
    }
    assert_eq!((service.levels(tea).await, service.levels(mug).await), ((48, 0, 2), (47, 0, 3)));
}

/// The second attempt runs after the first has sold the last unit, and finds the product out of
/// stock.
#[tokio::test]
async fn a_late_attempt_does_not_undo_a_sale() {
    let (service, id) = (Service::start(), ReservationId::new());
    let tea = service.add_product(1).await;
    let lines = [line(tea, 1)];
    held(service.reserve(id, &lines).await);
    service.confirm(id, &lines).await;
    assert_eq!(service.levels(tea).await, (0, 0, 1));
    assert_eq!(service.reserve(id, &lines).await, Reserved::Sold);
    assert_eq!(service.levels(tea).await, (0, 0, 1));
}

#[tokio::test]
async fn concurrent_attempts_at_a_sold_out_order_get_the_same_reply() {
    let (service, id) = (Service::start(), ReservationId::new());
    let (tea, mug) = (service.add_product(1).await, service.add_product(9).await);
    let lines = [line(tea, 2), line(mug, 2)];
    for outcome in join_all((0..16).map(|_| service.reserve(id, &lines))).await {
        let shortage = Shortage { product_id: tea, name: Some("Tea".to_owned()), requested: 2, available: 1 };
        assert_eq!(outcome, Reserved::OutOfStock { shortages: vec![shortage] });
    }
    assert_eq!((service.levels(tea).await, service.levels(mug).await), ((1, 0, 0), (9, 0, 0)));
}

#[tokio::test]
async fn a_release_concurrent_with_a_reserve_leaves_no_hold() {
    let service = Service::start();
    let tea = service.add_product(50).await;
    let lines = [line(tea, 1)];
    let orders = (0..40).map(|_| async {
        let id = ReservationId::new();
        let (reserved, released) = join(service.reserve(id, &lines), service.release(id, &lines)).await;
        assert_eq!(released, Released::Released);
        assert!(matches!(reserved, Reserved::Held { .. } | Reserved::Released), "{reserved:?}");
        assert_eq!(service.confirm(id, &lines).await, Confirmed::Released);
    });
    join_all(orders).await;
    assert_eq!(service.levels(tea).await, (50, 0, 0));
}

#[tokio::test]
async fn concurrent_cancellations_restock_once() {
    let (service, id, other) = (Service::start(), ReservationId::new(), ReservationId::new());
    let tea = service.add_product(9).await;
    let lines = [line(tea, 4)];
    for sold in [id, other] {
        held(service.reserve(sold, &lines).await);
        service.confirm(sold, &lines).await;
    }
    for outcome in join_all((0..10).map(|_| service.restock(id, RestockedPieces::Rest))).await {
        assert_eq!(outcome, Restocked::Restocked);
    }
    assert_eq!(service.levels(tea).await, (5, 0, 4));
}

/// Eight refunds of two pieces each and a cancellation, each three times, all at once.
#[tokio::test]
async fn concurrent_refunds_and_a_cancellation_restock_each_piece_once() {
    let (service, id) = (Service::start(), ReservationId::new());
    let (tea, mug) = (service.add_product(20).await, service.add_product(5).await);
    let lines = [line(tea, 15), line(mug, 1)];
    held(service.reserve(id, &lines).await);
    service.confirm(id, &lines).await;
    let first = RestockedPieces::Part { refund: RefundId::new(), lines: vec![line(tea, 4)] };
    for _ in 0..2 {
        assert_eq!(service.restock(id, first.clone()).await, Restocked::Restocked);
        assert_eq!((service.levels(tea).await, service.levels(mug).await), ((9, 0, 11), (4, 0, 1)));
    }
    let refunds = (0..8).map(|_| RestockedPieces::Part { refund: RefundId::new(), lines: vec![line(tea, 2)] });
    let requests: Vec<_> = refunds.chain([RestockedPieces::Rest]).flat_map(|pieces| vec![pieces; 3]).collect();
    join_all(requests.into_iter().map(|pieces| service.restock(id, pieces))).await;
    assert_eq!((service.levels(tea).await, service.levels(mug).await), ((20, 0, 0), (5, 0, 0)));
}
